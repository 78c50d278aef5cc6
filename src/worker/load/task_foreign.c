/* task_foreign: muster removes and overwrites what it made, and nothing else unless a job says so
 * (allow_foreign). A store in which every object exists holds nothing that could be lost. */
#include "worker/load/task_foreign.h"

#include <inttypes.h>
#include <string.h>

#include "common/err.h"
#include "worker/load/task.h"
#include "worker/objects/tree.h"

bool task_touches(const struct task *t, size_t i)
{
	const struct job_op *op = &t->job.ops[i];

	switch (op->kind) {
	case OP_DELETE:
	case OP_RMDIR:
	case OP_RANGE_PUT:
		return t->puts_of[i] == UINT32_MAX;
	case OP_PUT:
		return keyset_covers_tree(op->uri, &t->job);
	default:
		return false;
	}
}

static bool anything_goes(const struct task *t, size_t i)
{
	return t->job.allow_foreign || t->backend->any_object || !task_touches(t, i);
}

static bool covers_any(const struct task *t, const struct job_op *op)
{
	for (size_t i = 0; i < t->job.n_sets; i++)
		if (keyset_covers(op->uri, &t->job.sets[i]) &&
			(op->kind != OP_RMDIR || tree_is(&t->job.sets[i].tree)))
			return true;
	return false;
}

int task_check_place(const struct task *t, size_t i, struct err *err)
{
	const struct job_op *op = &t->job.ops[i];

	if (anything_goes(t, i) || covers_any(t, op))
		return 0;
	return err_set(err, ERR_INPUT,
		"%s is neither prepared nor made by this workload, and what muster did "
		"not "
		"make is touched with --allow-foreign alone",
		op->uri);
}

/* Directories below a set that are none of its tree's. */
struct others {
	const struct job_set *spec;
	uint64_t n;
};

static bool count_other(const struct list_entry *e, void *user)
{
	struct others *o = user;
	const size_t len = strlen(o->spec->uri);
	uint64_t dir;

	if (strncmp(e->uri, o->spec->uri, len) == 0 && e->uri[len])
		o->n += !tree_dir_index(&o->spec->tree, e->uri + len, &dir);
	return true;
}

static int check_dirs(const struct task *t, const struct set *s, struct err *err)
{
	struct others o = {.spec = s->spec};

	if (storage_list_dirs(&t->store, s->spec->uri, count_other, &o, err) < 0)
		return -1;
	if (o.n == 0)
		return 0;
	return err_set(err, ERR_INPUT,
		"the directories of the tree in %s hold %" PRIu64
		" directories that are none of the tree's, and they are removed with "
		"--allow-foreign alone",
		s->spec->uri, o.n);
}

static int check_set(const struct task *t, const struct job_op *op, const struct set *s,
	struct err *err)
{
	const char *uri = s->spec->uri;

	if (s->owner == SET_FOREIGN)
		return err_set(err, ERR_INPUT,
			"%s holds objects that muster did not make, and they are touched "
			"with --allow-foreign alone",
			uri);
	if (op->kind != OP_RMDIR)
		return 0;
	if (!s->made_dirs)
		return err_set(err, ERR_INPUT,
			"directories of the tree in %s were there before muster made its "
			"files, and they are removed with --allow-foreign alone",
			uri);
	if (op->recursive && s->strangers > 0)
		return err_set(err, ERR_INPUT,
			"the directories of the tree in %s hold %" PRIu64
			" objects that muster did not make, and they are removed with "
			"--allow-foreign alone",
			uri, s->strangers);
	if (op->recursive && !s->looked)
		return err_set(err, ERR_INPUT,
			"nobody has looked at what else the directories of the tree in "
			"%s "
			"hold (skip_verification, force_overwrite): leave that out, or "
			"say --allow-foreign",
			uri);
	return op->recursive ? check_dirs(t, s, err) : 0;
}

int task_check_keys(const struct task *t, size_t i, struct err *err)
{
	const struct keyset *k = &t->keys[i];

	for (size_t p = 0; p < k->n_parts && !anything_goes(t, i); p++)
		if (check_set(t, &t->job.ops[i], k->parts[p].set, err) < 0)
			return -1;
	return 0;
}

bool task_is_foreign(const struct task *t, size_t i)
{
	const struct keyset *k = &t->keys[i];
	struct err ignored = ERR_INIT;

	if (!t->job.allow_foreign || t->backend->any_object || !task_touches(t, i))
		return false;
	if (k->n_parts == 0)
		return k->n > 0;
	for (size_t p = 0; p < k->n_parts; p++)
		if (check_set(t, &t->job.ops[i], k->parts[p].set, &ignored) < 0)
			return true;
	return false;
}
