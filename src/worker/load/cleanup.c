/* cleanup: removes what muster made, and nothing else.
 *
 * Where the store takes many names in one request they go so; those of a request that failed, be it for
 * one of them, are tried again one by one: so each object has an outcome of its own, and a store that does
 * not know such requests is cleaned up as well.
 *
 * What is to be removed stands in regions, one per set, one of puts and one of directories, and has a position
 * there; positions of objects that are not there are passed over. */
#include "worker/load/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "worker/load/cleanup_impl.h"
#include "worker/load/task.h"
#include "worker/objects/names.h"

/* Requests for several that each slot should have, at least. */
#define ROUNDS 4

static size_t longest_worker(const struct job *j)
{
	size_t longest = strlen(j->worker);

	for (char **heir = j->heirs_of; heir && *heir; heir++)
		if (strlen(*heir) > longest)
			longest = strlen(*heir);
	return longest;
}

/* Bytes of the longest name of an object there may be. */
static size_t longest_name(const struct job *j)
{
	size_t longest = 0;

	for (size_t i = 0; i < j->n_sets; i++)
		if (set_key_room(&j->sets[i]) > longest)
			longest = set_key_room(&j->sets[i]);
	for (size_t i = 0; i < j->n_ops; i++) {
		const char *puts = job_op_puts(&j->ops[i]);
		size_t len = puts ? strlen(puts) + strlen(j->run) + longest_worker(j) +
					     2 * NAMES_INDEX
				  : 0;

		if (len > longest)
			longest = len;
	}
	return longest;
}

/* As large as the store takes them, but so that all slots have some. */
static void plan_batches(struct cleanup *c)
{
	const struct task *t = c->task;
	uint64_t each = c->n / ((uint64_t)ROUNDS * t->slots);
	uint32_t most = t->backend->batch_max > 1 ? t->backend->batch_max : 1;

	c->batch = each < most ? (uint32_t)each : most;
	if (c->batch == 0)
		c->batch = 1;
	c->more_bytes = (c->batch - 1) * (longest_name(&t->job) + task_growth(t));
}

/* Positions of region i: sets, puts, directories. */
static uint64_t region_size(const struct cleanup *c, size_t i)
{
	const size_t sets = c->task->job.n_sets;

	if (i < sets)
		return c->found[i].words * 64;
	return i == sets ? c->n_puts : c->n_items - c->n_puts;
}

/* The same, with those behind it that no request of another region may have. */
static uint64_t region_room(const struct cleanup *c, size_t i)
{
	return (region_size(c, i) + c->batch - 1) / c->batch * c->batch;
}

int cleanup_plan(
	struct cleanup *c, struct task *task, const uint32_t *cancel, struct err *err)
{
	const size_t n = task->job.n_sets;

	*c = (struct cleanup){.task = task, .cancel = cancel};
	pthread_mutex_init(&c->lock, NULL);
	c->expected = calloc(n + 1, sizeof(*c->expected));
	c->found = calloc(n + 1, sizeof(*c->found));
	if (!c->expected || !c->found)
		return err_sys(err, ENOMEM, "no memory to clean up");
	for (size_t i = 0; i < n; i++) {
		struct set *set = &task->sets[i];
		bool ours = set->owner_written;

		/* as it is now: somebody may have taken the place meanwhile. When there is no owner
		 * any more, nothing is left of the set. */
		if (set_read_owner(set, &task->store, err) < 0) {
			if (err->kind != ERR_INPUT)
				return -1;
			*err = (struct err)ERR_INIT;
		} else {
			set->owner_written |= ours;
		}
	}
	if (cleanup_find(c, err) < 0)
		return -1;
	plan_batches(c);
	for (size_t i = 0; i < n + 2; i++)
		c->positions += region_room(c, i);
	return 0;
}

void cleanup_finish(struct cleanup *c)
{
	for (size_t i = 0; c->found && i < c->task->job.n_sets; i++)
		free(c->found[i].bits);
	free(c->found);
	free(c->items);
	free(c->expected);
	c->found = NULL;
	c->items = NULL;
	c->expected = NULL;
	if (c->task)
		pthread_mutex_destroy(&c->lock);
	c->task = NULL;
}

uint64_t cleanup_done(const struct cleanup *c)
{
	return __atomic_load_n(&c->removed, __ATOMIC_RELAXED) +
	       __atomic_load_n(&c->gone, __ATOMIC_RELAXED);
}

/* Positions one after the other, of one region. */
struct span {
	uint64_t at;
	uint32_t n;
};

/* One thread's part. */
struct remover {
	struct cleanup *c;
	struct span *
		singly; /* a stack: what is to be tried one by one, at most one per slot, and one */
	uint32_t n_singly, in_flight;
};

static int remover_init(void *user, uint32_t index, uint32_t n, uint32_t slots,
	void **ret_state, struct err *err)
{
	struct remover *r = calloc(1, sizeof(*r));

	(void)index;
	(void)n;
	if (r)
		r->singly = calloc(slots + 1, sizeof(*r->singly));
	if (!r || !r->singly) {
		free(r);
		return err_sys(err, ENOMEM, "no memory to clean up");
	}
	r->c = user;
	*ret_state = r;
	return 0;
}

static void remover_fini(void *state)
{
	struct remover *r = state;

	if (!r)
		return;
	free(r->singly);
	free(r);
}

/* Writes RUN-WORKER-THREAD-SEQ; returns its length. */
static size_t put_name(const struct job *j, const struct leftover *item, char *out)
{
	int len = sprintf(out, "%s-%s-%u-", j->run,
		item->who ? j->heirs_of[item->who - 1] : j->worker, item->thread);

	return (size_t)len + names_put_seq(out + len, item->n);
}

static size_t item_name(const struct cleanup *c, const struct leftover *item, char *uri)
{
	const struct job *j = &c->task->job;
	const char *prefix;
	size_t len;

	if (item->kind == LEFT_DIR_IN_TREE) {
		len = set_dir(&j->sets[item->where], item->dir, uri);
	} else {
		prefix = item->kind == LEFT_DIR ? j->ops[item->where].uri
						: job_op_puts(&j->ops[item->where]);
		len = strlen(prefix);
		memcpy(uri, prefix, len);
	}
	return len + put_name(j, item, uri + len);
}

/* Writes the name of what stands at a position; returns its length, 0: there is nothing. */
static size_t name_at(const struct cleanup *c, uint64_t at, char *uri, bool *ret_dir)
{
	const size_t sets = c->task->job.n_sets;
	size_t i = 0;

	for (; at >= region_room(c, i); i++)
		at -= region_room(c, i);
	*ret_dir = i > sets;
	if (at >= region_size(c, i))
		return 0;
	if (i >= sets)
		return item_name(c, &c->items[at + (*ret_dir ? c->n_puts : 0)], uri);
	if (!(c->found[i].bits[at / 64] >> (at % 64) & 1))
		return 0;
	return set_key(&c->task->job.sets[i], at, uri);
}

/* io.tag: the first position, and the number of them above it */
#define TAG_N_SHIFT 40
#define POSITIONS_MAX (UINT64_C(1) << TAG_N_SHIFT)

static struct span take_span(struct remover *r)
{
	struct cleanup *c = r->c;
	uint64_t at;

	if (r->n_singly > 0) {
		struct span *s = &r->singly[r->n_singly - 1];
		struct span one = {s->at++, 1};

		if (--s->n == 0)
			r->n_singly--;
		return one;
	}
	if (__atomic_load_n(&c->cursor, __ATOMIC_RELAXED) >= c->positions)
		return (struct span){0};
	at = __atomic_fetch_add(&c->cursor, c->batch, __ATOMIC_RELAXED);
	return at < c->positions ? (struct span){at, c->batch} : (struct span){0};
}

/* False: there is nothing in the span, or what is there has to go one by one. */
static bool fill(struct remover *r, struct span s, struct io *io, char *uri, char *more)
{
	uint32_t n = 0;
	bool dir = false;

	for (uint32_t i = 0; i < s.n; i++) {
		size_t len = name_at(r->c, s.at + i, n ? more : uri, &dir);

		if (dir && s.n > 1) {
			r->singly[r->n_singly++] = s;
			return false;
		}
		if (len > 0 && n++ > 0)
			more += len + 1;
	}
	if (n == 0)
		return false;
	io->kind = dir ? OP_RMDIR : OP_DELETE;
	io->n_more = n - 1;
	io->tag = s.at | (uint64_t)s.n << TAG_N_SHIFT;
	return true;
}

static enum next remover_next(void *state, struct io *io, char *uri, char *more)
{
	struct remover *r = state;
	struct span s;

	do {
		s = take_span(r);
		/* those in flight may have to be done again */
		if (s.n == 0)
			return r->in_flight ? NEXT_LATER : NEXT_END;
	} while (!fill(r, s, io, uri, more));
	io->more = io->n_more ? more : NULL;
	r->in_flight++;
	return NEXT_OP;
}

static void count_failed(struct cleanup *c, const struct io *io)
{
	__atomic_fetch_add(&c->failed, 1, __ATOMIC_RELAXED);
	pthread_mutex_lock(&c->lock);
	if (!c->first_error[0])
		memcpy(c->first_error, io->error_text, RECORD_TEXT);
	pthread_mutex_unlock(&c->lock);
}

static void remover_done(void *state, const struct io *io)
{
	struct remover *r = state;
	struct cleanup *c = r->c;
	const struct span s = {
		io->tag & (POSITIONS_MAX - 1), (uint32_t)(io->tag >> TAG_N_SHIFT)};

	r->in_flight--;
	if (io->error == OP_OK)
		__atomic_fetch_add(&c->removed, io->n_more + 1, __ATOMIC_RELAXED);
	else if (io->n_more > 0)
		r->singly[r->n_singly++] = s;
	else if (io->error == OP_ERR_NOT_FOUND)
		__atomic_fetch_add(&c->gone, 1, __ATOMIC_RELAXED);
	else if (io->kind == OP_RMDIR && io->error == OP_ERR_EXISTS)
		__atomic_fetch_add(&c->kept, 1, __ATOMIC_RELAXED);
	else
		count_failed(c, io);
}

const struct source cleanup_source = {
	.thread_init = remover_init,
	.next = remover_next,
	.done = remover_done,
	.thread_fini = remover_fini,
};

unsigned cleanup_kinds(const struct cleanup *c)
{
	return 1u << OP_DELETE | (c->n_items > c->n_puts ? 1u << OP_RMDIR : 0);
}

/* What is looked for: an object of a set. */
struct find_of_set {
	const struct set *set;
	bool found;
};

static bool find_of_set(const struct list_entry *e, void *user)
{
	struct find_of_set *f = user;
	const struct job_set *spec = f->set->spec;
	uint64_t index;

	f->found = text_starts_with(e->uri, spec->uri) &&
		   set_index(spec, e->uri + strlen(spec->uri), &index);
	return !f->found;
}

/* Whether nothing is left of a set, whoever's part it is: then its owner may go. As long as something is, it
 * stays: others that clean up, now or later, know by it that the objects are muster's. */
static bool is_empty(const struct task *t, const struct set *s)
{
	struct find_of_set f = {.set = s};
	struct err ignored = ERR_INIT;
	const char *slash = strrchr(s->spec->uri, '/');
	AUTO_FREE char *root =
		slash ? strndup(s->spec->uri, (size_t)(slash - s->spec->uri) + 1) : NULL;

	if (task_share(t).count <= 1)
		return true; /* all of it was this worker's */
	return root && storage_list(&t->store, root, find_of_set, &f, &ignored) == 0 &&
	       !f.found;
}

int cleanup_owners(struct cleanup *c, uint64_t left, struct err *err)
{
	struct task *t = c->task;
	int rc = 0;

	for (size_t i = 0; i < t->job.n_sets; i++) {
		struct set *s = &t->sets[i];
		AUTO_FREE char *uri = set_owner_uri(s);

		if (!s->owner_written)
			continue;
		if (uri && left == 0 && is_empty(t, s) &&
			storage_remove_small(&t->store, uri, err) < 0)
			rc = -1;
		if (s->made_dirs && left == 0 && is_empty(t, s))
			cleanup_tree_dirs(t, s->spec, c->cancel);
		if (s->made_holder)
			task_own_holders(t, s->spec);
	}
	holders_remove(&t->holders, &t->store);
	return rc;
}
