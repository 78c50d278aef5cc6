/* set_inspect: what is there of a set, found by listing it, and what is missing.
 *
 * A listing is looked at as it comes: of ten million objects a bit each is kept. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "worker/engine/storage.h"
#include "worker/objects/set.h"
#include "worker/objects/tree.h"

/* Sizes of others' objects are remembered up to so many. */
#define LISTED_MAX (UINT64_C(1) << 22)

struct inspection {
	struct set *s;
	size_t prefix_len;
	const uint32_t *cancel;
	uint64_t of_set;      /* objects with names of the set, whoever's part they are */
	bool first_is_enough; /* is there any? */
};

static bool see_object(const struct list_entry *e, void *user)
{
	struct inspection *in = user;
	struct set *s = in->s;
	uint64_t index;

	if (__atomic_load_n(in->cancel, __ATOMIC_RELAXED))
		return false;
	if (strncmp(e->uri, s->spec->uri, in->prefix_len) != 0)
		return true;
	if (!set_index(s->spec, e->uri + in->prefix_len, &index)) {
		s->strangers += tree_is(&s->spec->tree) &&
				tree_holds(&s->spec->tree, e->uri + in->prefix_len);
		return true;
	}
	in->of_set++;
	if (in->first_is_enough)
		return false;
	if (s->listed && index < s->spec->count)
		s->listed[index] = e->size;
	/* the size is only ours to judge when the set is; whose it is is known by now */
	if (index < s->spec->count &&
		(!s->owner_written || e->size == sizes_at(&s->sizes, s->spec->id, index)))
		s->complete[index / 64] |= UINT64_C(1) << (index % 64);
	return true;
}

static void count_share(struct set *s, struct share share)
{
	for (uint64_t i = share.index; share.count && i < s->spec->count;
		i += share.count) {
		if (!set_is_complete(s, i))
			s->to_make++;
		else if (s->owner == SET_FOREIGN)
			s->foreign++;
		else
			s->existing++;
	}
	if (s->owner == SET_FOREIGN)
		s->existing = s->foreign;
}

/* What has no owner may be somebody else's, whose sizes only a listing tells. Without memory they are not
 * known, that is all. */
static void remember_sizes(struct set *s)
{
	if (s->spec->count > LISTED_MAX)
		return;
	s->listed = malloc((s->spec->count + 1) * sizeof(*s->listed));
	for (uint64_t i = 0; s->listed && i < s->spec->count; i++)
		s->listed[i] = UINT64_MAX;
}

/* Whether one of n directories from first on is missing (or, missing false: there). */
static bool any_dir(const struct set *s, const struct storage *store, uint64_t first,
	uint64_t step, uint64_t n, bool missing)
{
	AUTO_FREE char *uri = malloc(set_key_room(s->spec));

	for (uint64_t i = 0; uri && i < n; i++) {
		set_dir(s->spec, first + i * step, uri);
		if (storage_holder_missing(store, uri) == missing)
			return true;
	}
	return false;
}

/* Those of a tree with files come with them, and are made ahead of them where there is none of these yet. */
static void count_dirs(struct set *s, const struct job *job, const struct storage *store)
{
	const struct job_tree *t = &s->spec->tree;
	const struct share share = share_to_make(job);
	const uint64_t leaves = tree_leaves(t), n = share_size(share, leaves);
	bool wanted = s->to_make > 0 && s->existing == 0;

	if (!storage_has_holders(store) || job->trust)
		return;
	if (s->spec->count == 0)
		wanted = any_dir(s, store, job_tree_dirs(t) - leaves + share.index,
			share.count, n, true);
	s->dirs_to_make = wanted ? n : 0;
}

/* force_overwrite: nobody lists what is muster's. A place without an owner is looked at until there is one
 * object that would be lost. */
static int check_overwrite(struct set *s, const struct job *job,
	const struct storage *store, struct inspection *in, struct err *err)
{
	if (s->owner_written || job->allow_foreign)
		return 0;
	in->first_is_enough = true;
	if (storage_list(store, s->spec->uri, see_object, in, err) < 0)
		return -1;
	if (in->of_set > 0)
		return err_set(err, ERR_INPUT,
			"%s holds objects that muster did not make, and force_overwrite "
			"would overwrite them: use another base_uri, or --allow-foreign",
			s->spec->uri);
	return 0;
}

/* What the job says of the set without a look: it is there. Of one without an owner muster knows nothing. */
static void take_on_trust(struct set *s, const struct storage *store)
{
	const size_t words = (size_t)(s->spec->count / 64 + 1);

	memset(s->complete, 0xff, words * sizeof(*s->complete));
	s->trusted = true;
	if (!s->owner_written && !store->backend->any_object)
		s->owner = SET_FOREIGN;
}

static int look(struct set *s, const struct job *job, const struct storage *store,
	struct inspection *in, struct err *err)
{
	if (job->trust) {
		take_on_trust(s, store);
		return 0;
	}
	if (job->overwrite && job->prepare)
		return check_overwrite(s, job, store, in, err);
	/* what others make is theirs to look at, when the sizes are known */
	s->looked = true;
	if (s->owner_written && share_to_make(job).count == 0)
		return 0;
	if (!s->owner_written)
		remember_sizes(s);
	if (storage_list(store, s->spec->uri, see_object, in, err) < 0)
		return -1;
	if (!s->owner_written && in->of_set > 0)
		s->owner = SET_FOREIGN;
	return 0;
}

/* Before the first object: what is not there now will be muster's. */
static void note_dirs(struct set *s, const struct storage *store)
{
	s->made_holder = storage_holder_missing(store, s->spec->uri);
	if (tree_is(&s->spec->tree))
		s->made_dirs =
			s->made_holder ||
			(storage_has_holders(store) &&
				!any_dir(s, store, 0, 1, s->spec->tree.width, false));
}

int set_inspect(struct set *s, const struct job_set *spec, const struct job *job,
	const struct storage *store, const uint32_t *cancel, struct err *err)
{
	struct inspection in = {
		.s = s, .prefix_len = strlen(spec->uri), .cancel = cancel};
	size_t words = (size_t)(spec->count / 64 + 1);

	*s = (struct set){.spec = spec, .owner = SET_OURS, .verify = job->verify};
	sizes_init(&s->sizes, &spec->size);
	if (spec->count > SET_COUNT_MAX)
		return err_set(err, ERR_INPUT, "%s: count %" PRIu64 " is too large",
			spec->uri, spec->count);
	s->complete = calloc(words, sizeof(*s->complete));
	if (!s->complete)
		return err_sys(err, ENOMEM, "no memory for a set of %" PRIu64 " objects",
			spec->count);
	if (set_read_owner(s, store, err) < 0)
		return -1;
	if (!s->owner_written)
		note_dirs(s, store);
	if (look(s, job, store, &in, err) < 0)
		return -1;
	if (s->owner == SET_FOREIGN) {
		s->made = calloc(words, sizeof(*s->made));
		if (!s->made)
			return err_sys(err, ENOMEM, "no memory for a set");
	} else {
		free(s->listed);
		s->listed = NULL;
	}
	count_share(s, share_to_make(job));
	if (tree_is(&spec->tree))
		count_dirs(s, job, store);
	return 0;
}
