/* keyset_parts: the part that an op has of the sets that its uri covers.
 *
 * Of a tree a worker may have a part of its own (path_selection): these keys come first, those of all sets, then
 * what it may have of the others'. All is computed: a set of ten million keys costs what one of ten
 * does. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/rng.h"
#include "common/text.h"
#include "worker/objects/keyset_impl.h"
#include "worker/objects/permute.h"
#include "worker/objects/tree.h"

/* What is looked for. */
struct search {
	const struct job_op *op;
	const struct job *job;
	bool dirs;  /* directories of trees */
	bool trees; /* of trees alone */
	bool remove;
	bool deal;   /* each key is for one worker alone */
	bool others; /* the keys that are not this worker's own */
};

void keyset_note_length(struct keyset *k, size_t len)
{
	if (len > k->longest)
		k->longest = len;
}

/* Whether the job divides trees among workers. */
static bool divided(const struct job *job)
{
	return job->path_selection != PATHS_RANDOM && share_of(job).count > 1;
}

/* partitioned: some of the others' directories, the same ones all the time. Which they are is the beginning of a
 * permutation of all. */
static uint64_t pick_others(struct keyset_part *p, const struct job *job)
{
	uint64_t seed = rng_mix(job->seed ^ rng_mix(p->set->spec->id + job->index));

	if (job->path_selection != PATHS_PARTITIONED)
		return p->n_others;
	if (p->n_others > 1) {
		p->spread = permute_step(p->n_others) % p->n_others;
		p->shift = seed % p->n_others;
	}
	return (uint64_t)llround((double)p->n_others * job->partition_overlap);
}

/* By whole directories of a tree, as path_selection says. */
static void divide(struct keyset_part *p, const struct search *s)
{
	const struct job_tree *t = &p->set->spec->tree;
	uint64_t dirs = p->dirs ? job_tree_dirs(t) : job_tree_file_dirs(t), own;

	p->share = share_of(s->job);
	p->per = p->dirs ? 1 : t->files_per_dir;
	p->others = s->others;
	own = share_size(p->share, dirs);
	p->n_others = dirs - own;
	p->n = (p->others ? pick_others(p, s->job) : own) * p->per;
}

static void lay_out(struct keyset_part *p, const struct search *s)
{
	const struct job_set *spec = p->set->spec;
	/* of directories that are removed removal.h says whose they are */
	const bool all = s->dirs && s->remove;
	const struct share share =
		s->deal && !all ? share_of(s->job) : (struct share){0, 1};

	p->dirs = s->dirs;
	if (tree_is(&spec->tree) && divided(s->job) && !all) {
		divide(p, s);
		return;
	}
	p->first = share.index;
	p->step = share.count;
	p->n = share_size(share, s->dirs ? job_tree_dirs(&spec->tree) : spec->count);
}

/* The numbers whose names a narrower pattern matches. */
static int pick_matching(struct keyset_part *part, const char *uri)
{
	const struct job_set *set = part->set->spec;
	const bool flat = keyset_matches_flat(uri, set); /* as the pattern names it */
	AUTO_FREE char *key = malloc(set_key_room(set));
	AUTO_FREE uint64_t *picked = NULL;
	uint64_t cap = 0, n = 0;

	if (!key)
		return -ENOMEM;
	for (uint64_t i = 0; i < part->n; i++) {
		uint64_t number = keyset_number(part, i);

		(flat ? keyset_flat_key : set_key)(set, number, key);
		if (!text_match(uri, key, false))
			continue;
		if (n == cap) {
			cap = cap ? 2 * cap : 64;
			uint64_t *more = reallocarray(picked, cap, sizeof(*more));

			if (!more)
				return -ENOMEM;
			picked = more;
		}
		picked[n++] = number;
	}
	part->n = n;
	part->indices = picked ? picked : calloc(1, sizeof(*picked));
	picked = NULL;
	return part->indices ? 0 : -ENOMEM;
}

/* One object by its name, whosever it is; a delete of it is for the worker that has it. */
static void pick_exact(struct keyset_part *p, const struct search *s, uint64_t index)
{
	const struct job_tree *t = &p->set->spec->tree;
	uint64_t number = index;

	if (tree_is(t) && divided(s->job))
		number /= t->files_per_dir;
	p->per = 0;
	p->first = index;
	p->n = !s->others && (!s->deal || share_has(share_of(s->job), number));
}

static int add_part(struct keyset *k, const struct set *set, const struct search *s)
{
	struct keyset_part *parts =
		reallocarray(k->parts, k->n_parts + 1, sizeof(*parts));
	const struct job_set *spec = set->spec;
	const char *uri = s->op->uri;
	uint64_t index;

	if (!parts)
		return -ENOMEM;
	k->parts = parts;
	struct keyset_part *part = &k->parts[k->n_parts++];

	*part = (struct keyset_part){.set = set};
	if (!spec->shards && !tree_is(&spec->tree)) {
		part->prefix = text_printf("%s%s-", spec->uri, spec->name);
		if (!part->prefix)
			return -ENOMEM;
		part->prefix_len = strlen(part->prefix);
	}
	lay_out(part, s);
	if (!keyset_matches_all(uri, spec)) {
		if (text_has_wildcard(uri)) {
			if (pick_matching(part, uri) < 0)
				return -ENOMEM;
		} else if (set_index(spec, uri + strlen(spec->uri), &index)) {
			pick_exact(part, s, index);
		}
	}
	k->n += part->n;
	keyset_note_length(k, set_key_room(spec));
	return 0;
}

/* Of directories a uri means all, or none. */
static bool is_meant(const struct search *s, const struct set *set, const char *name)
{
	const struct job_set *spec = set->spec;
	const bool tree = tree_is(&spec->tree);

	if (strcmp(spec->name, name) != 0 || !keyset_covers(s->op->uri, spec))
		return false;
	if (s->dirs)
		return tree && keyset_matches_all(s->op->uri, spec);
	return tree || !s->trees;
}

/* Parts of the covered sets called name. */
static int add_named(struct keyset *k, const char *name, const struct set *sets,
	const struct search *s)
{
	int covered = 0;

	for (size_t i = 0; i < s->job->n_sets; i++) {
		/* of what is not divided the others have nothing of their own */
		if (!is_meant(s, &sets[i], name) ||
			(s->others && !tree_is(&sets[i].spec->tree)))
			continue;
		if (add_part(k, &sets[i], s) < 0)
			return -ENOMEM;
		covered++;
	}
	return covered;
}

int keyset_add_sets(struct keyset *k, const struct job_op *op, const struct job *job,
	const struct set *sets)
{
	struct search s = {
		.op = op,
		.job = job,
		.dirs = keyset_is_dirs(op),
		.trees = op->kind == OP_PUT,
		.remove = op->kind == OP_DELETE || op->kind == OP_RMDIR,
	};
	int covered = 0, rc = 0;

	s.deal = s.remove || (job->once && divided(job));

	if (op->kind == OP_DELETE)
		covered = add_named(k, "deletable", sets, &s);
	if (covered == 0)
		covered = add_named(k, "prepared", sets, &s);
	k->own = k->n;
	s.others = true;
	if (covered > 0 && divided(job) && !s.deal &&
		job->path_selection != PATHS_EXCLUSIVE)
		rc = add_named(k, "prepared", sets, &s);
	/* of partitioned all are taken alike; who has none of its own works anywhere */
	if (job->path_selection != PATHS_WEIGHTED || k->own == 0)
		k->own = k->n;
	k->dealt = s.deal;
	for (size_t i = 0; i < k->n_parts && divided(job); i++)
		k->dealt |= tree_is(&k->parts[i].set->spec->tree);
	return covered < 0 || rc < 0 ? -ENOMEM : covered;
}
