/* cleanup_find: what there is of this run, and of the sets that are muster's.
 *
 * Everything is found by listing, so that it works after a loss too, and judged by its exact name: puts and
 * directories of this run by this worker (or by those it inherits from), objects of a set whose owner
 * object names this spec, objects that this process put into a foreign set. Of sets a bit per object is
 * kept. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "worker/load/cleanup.h"
#include "worker/load/cleanup_impl.h"
#include "worker/load/task.h"
#include "worker/objects/names.h"
#include "worker/objects/tree.h"

static void add(struct cleanup *c, struct leftover item)
{
	if (c->n_items == c->cap) {
		uint64_t cap = c->cap ? 2 * c->cap : 1024;
		struct leftover *items = reallocarray(c->items, cap, sizeof(*items));

		if (!items) {
			c->no_memory = true;
			return;
		}
		c->items = items;
		c->cap = cap;
	}
	c->items[c->n_items++] = item;
	c->n++;
}

static void add_of_set(struct cleanup *c, uint32_t i, uint64_t index)
{
	struct found *f = &c->found[i];
	const uint64_t bit = UINT64_C(1) << (index % 64);

	if (index / 64 >= f->words) {
		uint64_t words = f->words ? f->words : 1024;

		while (words <= index / 64)
			words *= 2;
		uint64_t *bits = reallocarray(f->bits, words, sizeof(*bits));

		if (!bits) {
			c->no_memory = true;
			return;
		}
		memset(bits + f->words, 0, (words - f->words) * sizeof(*bits));
		f->bits = bits;
		f->words = words;
	}
	c->n += !(f->bits[index / 64] & bit);
	f->bits[index / 64] |= bit;
}

/* Whether name is RUN-WORKER-THREAD-SEQ of this run; one that is to be removed here is filled into ret, with
 * *ret_own. */
static bool is_of_run(
	const struct job *j, const char *name, struct leftover *ret, bool *ret_own)
{
	struct put_name put;
	uint16_t who = 0;

	*ret_own = names_put(name, j->run, j->worker, &put);
	for (; !*ret_own && j->heirs_of && j->heirs_of[who];)
		*ret_own = names_put(name, j->run, j->heirs_of[who++], &put);
	if (!*ret_own)
		return names_put_of_run(name, j->run); /* another worker's */
	*ret = (struct leftover){.n = put.seq, .thread = put.thread, .who = who};
	return true;
}

/* name: what follows the put op's uri. Returns whether it is a put of this run. */
static bool sort_put(struct cleanup *c, uint32_t op, const char *name)
{
	struct leftover item;
	bool own;

	if (!is_of_run(&c->task->job, name, &item, &own))
		return false;
	item.where = op;
	if (own)
		add(c, item);
	return true;
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
		add_of_set(c, i, index);
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

static bool goes_on(const struct cleanup *c)
{
	return !c->no_memory && !__atomic_load_n(c->cancel, __ATOMIC_RELAXED);
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
	return goes_on(c);
}

/* Where a directory of this run lies: in one of a tree, or right behind the uri of a mkdir. False: nowhere that
 * the job says. dir: without the name. */
static bool place_of(const struct job *j, const char *dir, struct leftover *ret)
{
	uint64_t number;

	for (uint32_t i = 0; i < j->n_sets; i++) {
		const struct job_set *set = &j->sets[i];

		if (!tree_is(&set->tree) || !text_starts_with(dir, set->uri) ||
			!tree_dir_index(&set->tree, dir + strlen(set->uri), &number))
			continue;
		ret->kind = LEFT_DIR_IN_TREE;
		ret->where = i;
		ret->dir = (uint32_t)number;
		return true;
	}
	for (uint32_t i = 0; i < j->n_ops; i++) {
		if (j->ops[i].kind != OP_MKDIR || strcmp(j->ops[i].uri, dir) != 0)
			continue;
		ret->kind = LEFT_DIR;
		ret->where = i;
		return true;
	}
	return false;
}

static bool sort_dir(const struct list_entry *e, void *user)
{
	struct cleanup *c = user;
	const struct job *j = &c->task->job;
	AUTO_FREE char *path = strdup(e->uri);
	struct leftover item = {0};
	char *name;
	bool own;

	if (!path) {
		c->no_memory = true;
		return false;
	}
	path[strlen(path) - 1] = '\0';
	/* a uri may be how names begin, and end anywhere */
	name = strstr(path, j->run);
	while (name && !is_of_run(j, name, &item, &own))
		name = strstr(name + 1, j->run);
	if (name && own) {
		*name = '\0';
		if (place_of(j, path, &item))
			add(c, item);
	}
	return goes_on(c);
}

/* Objects of this share that a strict cleanup expects to find in a set; those that a delete op may have
 * removed are not missing. */
static uint64_t expected_of(const struct task *t, size_t i)
{
	const struct share share = task_share(t);

	for (size_t k = 0; k < t->job.n_ops; k++)
		if ((t->job.ops[k].kind == OP_DELETE || t->job.ops[k].kind == OP_RMDIR) &&
			keyset_covers(t->job.ops[k].uri, t->sets[i].spec))
			return 0;
	return t->sets[i].owner_written ? share_size(share, t->job.sets[i].count) : 0;
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

/* The places in which op makes directories. */
static void add_dir_roots(char **roots, size_t *n, const struct job *j, size_t i)
{
	if (j->ops[i].kind != OP_MKDIR)
		return;
	if (!keyset_covers_tree(j->ops[i].uri, j))
		add_root(roots, n, j->ops[i].uri);
	for (size_t k = 0; k < j->n_sets; k++)
		if (tree_is(&j->sets[k].tree) &&
			keyset_covers(j->ops[i].uri, &j->sets[k]))
			add_root(roots, n, j->sets[k].uri);
}

typedef int lister(const struct storage *s, const char *uri, list_fn *fn, void *user,
	struct err *err);

/* Lists all places, and empties the list. */
static int list_roots(struct cleanup *c, char **roots, size_t *n, lister *list,
	list_fn *sort, struct err *err)
{
	int rc = 0;

	for (; *n > 0; free(roots[*n]))
		if (rc == 0)
			rc = list(&c->task->store, roots[--*n], sort, c, err);
		else
			--*n;
	if (rc == 0 && c->no_memory)
		return err_sys(err, ENOMEM, "no memory to clean up");
	return rc;
}

static int find_objects(struct cleanup *c, char **roots, struct err *err)
{
	const struct job *j = &c->task->job;
	size_t n = 0;

	for (size_t i = 0; i < j->n_sets; i++)
		add_root(roots, &n, j->sets[i].uri);
	for (size_t i = 0; i < j->n_ops; i++)
		if (job_op_puts(&j->ops[i]))
			add_root(roots, &n, job_op_puts(&j->ops[i]));
	return list_roots(c, roots, &n, storage_list, sort_entry, err);
}

static int find_dirs(struct cleanup *c, char **roots, struct err *err)
{
	const struct job *j = &c->task->job;
	size_t n = 0;

	for (size_t i = 0; i < j->n_ops; i++)
		add_dir_roots(roots, &n, j, i);
	return list_roots(c, roots, &n, storage_list_dirs, sort_dir, err);
}

int cleanup_find(struct cleanup *c, struct err *err)
{
	const struct job *j = &c->task->job;
	AUTO_FREE char **roots = NULL;

	for (size_t i = 0; i < j->n_sets; i++)
		c->expected[i] = expected_of(c->task, i);
	/* the sets of an op may be several */
	roots = calloc((j->n_ops + 1) * (j->n_sets + 1), sizeof(*roots));
	if (!roots)
		return err_sys(err, ENOMEM, "no memory to clean up");
	if (find_objects(c, roots, err) < 0)
		return -1;
	c->n_puts = c->n_items;
	if (find_dirs(c, roots, err) < 0)
		return -1;
	for (size_t i = 0; i < j->n_sets; i++)
		c->missing += c->expected[i];
	return 0;
}
