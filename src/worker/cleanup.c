/* cleanup: removes what muster made, and nothing else.
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
	if (!names_index(name, s->spec->name, &index) || index >= end)
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
	for (size_t k = 0; k < i; k++)
		if (j->ops[k].kind == OP_PUT && strcmp(j->ops[k].uri, j->ops[i].uri) == 0)
			return true;
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
	for (uint32_t i = 0; i < j->n_ops && !ours; i++)
		if (j->ops[i].kind == OP_PUT && text_starts_with(e->uri, j->ops[i].uri) &&
			!same_op_before(j, i))
			ours = sort_put(c, i, e->uri + strlen(j->ops[i].uri));
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
		if (j->ops[i].kind == OP_PUT)
			add_root(roots, &n, j->ops[i].uri);
	for (size_t i = 0; i < n; i++) {
		if (rc == 0)
			rc = t->backend->list(t->job_state, roots[i], sort_entry, c, err);
		free(roots[i]);
	}
	free(roots);
	if (rc == 0 && c->no_memory)
		return err_sys(err, ENOMEM, "no memory to clean up");
	return rc;
}

int cleanup_plan(
	struct cleanup *c, struct task *task, const uint32_t *cancel, struct err *err)
{
	*c = (struct cleanup){.task = task, .cancel = cancel};
	c->expected = calloc(task->job.n_sets + 1, sizeof(*c->expected));
	if (!c->expected)
		return err_sys(err, ENOMEM, "no memory to clean up");
	for (size_t i = 0; i < task->job.n_sets; i++) {
		struct set *set = &task->sets[i];
		bool ours = set->owner_written;

		/* as it is now: somebody may have taken the place meanwhile. When there is no owner
		 * any more, the worker that removes it was done before this one began. */
		if (set_read_owner(set, task->backend, task->job_state, err) < 0) {
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
	return 0;
}

void cleanup_finish(struct cleanup *c)
{
	free(c->items);
	free(c->expected);
	c->items = NULL;
	c->expected = NULL;
}

static int remover_init(void *user, uint32_t index, uint32_t n, uint32_t slots,
	void **ret_state, struct err *err)
{
	(void)index;
	(void)n;
	(void)slots;
	(void)err;
	*ret_state = user;
	return 0;
}

static void remover_fini(void *state)
{
	(void)state;
}

static void name_of(const struct cleanup *c, const struct leftover *item, char *uri)
{
	const struct job *j = &c->task->job;
	int len;

	if (item->of_set) {
		const struct job_set *set = &j->sets[item->where];

		len = snprintf(
			uri, ENGINE_URI - NAMES_INDEX, "%s%s-", set->uri, set->name);
		names_put_index(uri + len, item->n);
		return;
	}
	len = snprintf(uri, ENGINE_URI - NAMES_INDEX, "%s%s-%s-%u-",
		j->ops[item->where].uri, j->run,
		item->who ? j->heirs_of[item->who - 1] : j->worker, item->thread);
	names_put_seq(uri + len, item->n);
}

static enum next remover_next(void *state, struct io *io, char *uri)
{
	struct cleanup *c = state;
	uint64_t at = __atomic_fetch_add(&c->cursor, 1, __ATOMIC_RELAXED);

	if (at >= c->n)
		return NEXT_END;
	name_of(c, &c->items[at], uri);
	io->kind = OP_DELETE;
	return NEXT_OP;
}

static void remover_done(void *state, const struct io *io)
{
	(void)state;
	(void)io;
}

const struct source cleanup_source = {
	.thread_init = remover_init,
	.next = remover_next,
	.done = remover_done,
	.thread_fini = remover_fini,
};

int cleanup_owners(struct cleanup *c, uint64_t left, struct err *err)
{
	struct task *t = c->task;
	int rc = 0;

	for (size_t i = 0; i < t->job.n_sets; i++) {
		struct set *s = &t->sets[i];
		AUTO_FREE char *uri = set_owner_uri(s);

		if (!s->owner_written)
			continue;
		/* with objects left, the owner stays, so that a later cleanup may go on */
		if (uri && left == 0 && t->job.share_index == 0 &&
			t->backend->remove_small(t->job_state, uri, err) < 0)
			rc = -1;
		if (s->made_holder)
			holders_add(&t->holders, s->spec->uri, strlen(s->spec->uri));
	}
	holders_remove(&t->holders, t->backend, t->job_state);
	return rc;
}
