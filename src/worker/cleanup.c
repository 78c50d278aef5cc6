/* cleanup: removes what muster made, and nothing else.
 *
 * Where the store takes many names in one request they go so; those of a request that failed, be it for
 * one of them, are tried again one by one: so each object has an outcome of its own, and a store that does
 * not know such requests is cleaned up as well.
 *
 * Everything is found by listing, so that it works after a loss too, and judged by its exact name: puts
 * of this run by this worker (or by those it inherits from), objects of a set whose owner object names
 * this spec, objects that this process put into a foreign set. */
#include "worker/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "worker/names.h"
#include "worker/task.h"

/* Requests for several that each slot should have, at least. */
#define ROUNDS 4

static void add(struct cleanup *c, struct leftover item)
{
	if (c->n == c->cap) {
		uint64_t cap = c->cap ? 2 * c->cap : 1024;
		struct leftover *items = reallocarray(c->items, cap, sizeof(*items));

		if (!items) {
			c->no_memory = true;
			return;
		}
		c->items = items;
		c->cap = cap;
	}
	c->items[c->n++] = item;
}

/* name: what follows the put op's uri. Returns whether it is a put of this run. */
static bool sort_put(struct cleanup *c, uint32_t op, const char *name)
{
	const struct job *j = &c->task->job;
	struct put_name put;

	if (names_put(name, j->run, j->worker, &put)) {
		add(c, (struct leftover){
			       .n = put.seq, .thread = put.thread, .where = op});
		return true;
	}
	for (uint16_t i = 0; j->heirs_of && j->heirs_of[i]; i++) {
		if (names_put(name, j->run, j->heirs_of[i], &put)) {
			add(c, (struct leftover){.n = put.seq,
				       .thread = put.thread,
				       .who = (uint16_t)(i + 1),
				       .where = op});
			return true;
		}
	}
	return names_put_of_run(name, j->run); /* another worker's */
}

/* name: what follows the set's uri. Returns whether the object belongs to the set and the set is
 * muster's, or the object itself is. */
static bool sort_of_set(struct cleanup *c, uint32_t i, const char *name)
{
	const struct set *s = &c->task->sets[i];
	uint64_t index,
		end = s->spec->count > s->owner_count ? s->spec->count : s->owner_count;

	if (strcmp(name, names_owner(s->spec->name)) == 0)
		return true;
	if (!set_index(s->spec, name, &index) || index >= end)
		return false;
	if (!s->owner_written && (index >= s->spec->count || !set_was_made(s, index)))
		return false;
	if (share_has(task_share(c->task), index)) {
		add(c, (struct leftover){.n = index, .of_set = true, .where = i});
		if (index < s->spec->count && c->expected[i] > 0)
			c->expected[i]--;
	}
	return true;
}

static bool same_op_before(const struct job *j, size_t i)
{
	const char *puts = job_op_puts(&j->ops[i]);

	for (size_t k = 0; k < i; k++) {
		const char *before = job_op_puts(&j->ops[k]);

		if (before && strcmp(before, puts) == 0)
			return true;
	}
	return false;
}

static bool sort_entry(const struct list_entry *e, void *user)
{
	struct cleanup *c = user;
	const struct job *j = &c->task->job;
	bool ours = false;

	for (uint32_t i = 0; i < j->n_sets && !ours; i++)
		if (text_starts_with(e->uri, j->sets[i].uri))
			ours = sort_of_set(c, i, e->uri + strlen(j->sets[i].uri));
	for (uint32_t i = 0; i < j->n_ops && !ours; i++) {
		const char *puts = job_op_puts(&j->ops[i]);

		if (puts && text_starts_with(e->uri, puts) && !same_op_before(j, i))
			ours = sort_put(c, i, e->uri + strlen(puts));
	}
	c->foreign += !ours;
	return !c->no_memory && !__atomic_load_n(c->cancel, __ATOMIC_RELAXED);
}

/* Objects of this share that a strict cleanup expects to find in a set; those that a delete op may have
 * removed are not missing. */
static uint64_t expected_of(const struct task *t, size_t i)
{
	const struct share share = task_share(t);

	for (size_t k = 0; k < t->job.n_ops; k++)
		if (t->job.ops[k].kind == OP_DELETE &&
			keyset_covers(t->job.ops[k].uri, t->sets[i].spec))
			return 0;
	if (!t->sets[i].owner_written || t->job.sets[i].count <= share.index)
		return 0;
	return (t->job.sets[i].count - share.index - 1) / share.count + 1;
}

/* Adds a place to list; of two places one below the other the upper one is enough. */
static void add_root(char **roots, size_t *n, const char *uri)
{
	const char *slash = strrchr(uri, '/');
	char *root = strndup(uri, slash ? (size_t)(slash - uri) + 1 : 0);

	for (size_t i = 0; i < *n; i++) {
		if (root && !text_starts_with(root, roots[i]))
			continue;
		free(root);
		return;
	}
	for (size_t i = *n; i-- > 0;) {
		if (!text_starts_with(roots[i], root))
			continue;
		free(roots[i]);
		roots[i] = roots[--*n];
	}
	roots[(*n)++] = root;
}

static int list_roots(struct cleanup *c, struct err *err)
{
	const struct task *t = c->task;
	const struct job *j = &t->job;
	char **roots = calloc(j->n_ops + j->n_sets + 1, sizeof(*roots));
	size_t n = 0;
	int rc = 0;

	if (!roots)
		return err_sys(err, ENOMEM, "no memory to clean up");
	for (size_t i = 0; i < j->n_sets; i++)
		add_root(roots, &n, j->sets[i].uri);
	for (size_t i = 0; i < j->n_ops; i++)
		if (job_op_puts(&j->ops[i]))
			add_root(roots, &n, job_op_puts(&j->ops[i]));
	for (size_t i = 0; i < n; i++) {
		if (rc == 0)
			rc = storage_list(&t->store, roots[i], sort_entry, c, err);
		free(roots[i]);
	}
	free(roots);
	if (rc == 0 && c->no_memory)
		return err_sys(err, ENOMEM, "no memory to clean up");
	return rc;
}

/* Bytes of the longest name there may be. */
static size_t longest_name(const struct job *j)
{
	size_t longest = 0, worker = strlen(j->worker);

	for (char **heir = j->heirs_of; heir && *heir; heir++)
		if (strlen(*heir) > worker)
			worker = strlen(*heir);
	for (size_t i = 0; i < j->n_sets; i++)
		if (set_key_room(&j->sets[i]) > longest)
			longest = set_key_room(&j->sets[i]);
	for (size_t i = 0; i < j->n_ops; i++) {
		const char *puts = job_op_puts(&j->ops[i]);
		size_t len =
			puts ? strlen(puts) + strlen(j->run) + worker + 2 * NAMES_INDEX
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

int cleanup_plan(
	struct cleanup *c, struct task *task, const uint32_t *cancel, struct err *err)
{
	*c = (struct cleanup){.task = task, .cancel = cancel};
	pthread_mutex_init(&c->lock, NULL);
	c->expected = calloc(task->job.n_sets + 1, sizeof(*c->expected));
	if (!c->expected)
		return err_sys(err, ENOMEM, "no memory to clean up");
	for (size_t i = 0; i < task->job.n_sets; i++) {
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
		c->expected[i] = expected_of(task, i);
	}
	if (list_roots(c, err) < 0)
		return -1;
	for (size_t i = 0; i < task->job.n_sets; i++)
		c->missing += c->expected[i];
	plan_batches(c);
	return 0;
}

void cleanup_finish(struct cleanup *c)
{
	free(c->items);
	free(c->expected);
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

/* Items one after the other. */
struct span {
	uint64_t at;
	uint32_t n;
};

/* One thread's part. */
struct remover {
	struct cleanup *c;
	struct span *
		singly; /* a stack: what is left to be tried one by one, at most one per slot */
	uint32_t n_singly, in_flight;
};

static int remover_init(void *user, uint32_t index, uint32_t n, uint32_t slots,
	void **ret_state, struct err *err)
{
	struct remover *r = calloc(1, sizeof(*r));

	(void)index;
	(void)n;
	if (r)
		r->singly = calloc(slots, sizeof(*r->singly));
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

/* Writes the name of an item; returns its length. */
static size_t name_of(const struct cleanup *c, const struct leftover *item, char *uri)
{
	const struct job *j = &c->task->job;
	int len;

	if (item->of_set)
		return set_key(&j->sets[item->where], item->n, uri);
	len = sprintf(uri, "%s%s-%s-%u-", job_op_puts(&j->ops[item->where]), j->run,
		item->who ? j->heirs_of[item->who - 1] : j->worker, item->thread);
	return (size_t)len + names_put_seq(uri + len, item->n);
}

/* io.tag: the first item, and the number of them above it */
#define TAG_N_SHIFT 40
#define ITEMS_MAX (UINT64_C(1) << TAG_N_SHIFT)

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
	at = __atomic_fetch_add(&c->cursor, c->batch, __ATOMIC_RELAXED);
	if (at >= c->n)
		return (struct span){0};
	return (struct span){at, c->n - at < c->batch ? (uint32_t)(c->n - at) : c->batch};
}

static enum next remover_next(void *state, struct io *io, char *uri, char *more)
{
	struct remover *r = state;
	struct span s = take_span(r);
	char *out = more;

	/* those in flight may have to be done again */
	if (s.n == 0)
		return r->in_flight ? NEXT_LATER : NEXT_END;
	name_of(r->c, &r->c->items[s.at], uri);
	for (uint32_t i = 1; i < s.n; i++)
		out += name_of(r->c, &r->c->items[s.at + i], out) + 1;
	io->kind = OP_DELETE;
	io->n_more = s.n - 1;
	io->more = io->n_more ? more : NULL;
	io->tag = s.at | (uint64_t)s.n << TAG_N_SHIFT;
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
		io->tag & (ITEMS_MAX - 1), (uint32_t)(io->tag >> TAG_N_SHIFT)};

	r->in_flight--;
	if (io->error == OP_OK)
		__atomic_fetch_add(&c->removed, s.n, __ATOMIC_RELAXED);
	else if (s.n > 1)
		r->singly[r->n_singly++] = s;
	else if (io->error == OP_ERR_NOT_FOUND)
		__atomic_fetch_add(&c->gone, 1, __ATOMIC_RELAXED);
	else
		count_failed(c, io);
}

const struct source cleanup_source = {
	.thread_init = remover_init,
	.next = remover_next,
	.done = remover_done,
	.thread_fini = remover_fini,
};

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
		if (s->made_holder)
			task_own_holders(t, s->spec);
	}
	holders_remove(&t->holders, &t->store);
	return rc;
}
