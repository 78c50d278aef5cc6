/* task_check: what a job asks of the store, looked at before any load: sets as they lie there, keys that
 * ops choose from, places that cannot be read or written. */
#include "worker/load/task_check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "worker/engine/engine.h"
#include "worker/load/load.h"
#include "worker/load/task.h"
#include "worker/load/task_fit.h"
#include "worker/load/task_foreign.h"
#include "worker/load/task_room.h"
#include "worker/objects/names.h"

/* Notes which directories are not there yet. */
static void note_holders(struct task *t, const struct job_set *spec)
{
	AUTO_FREE char *key = malloc(set_key_room(spec));

	holders_note(&t->holders, &t->store, t->job.target, spec->uri);
	for (uint64_t i = 0; key && i < spec->shards && i < spec->count; i++) {
		set_key(spec, i, key);
		holders_note(&t->holders, &t->store, t->job.target, key);
	}
}

static void warn_foreign(struct task *t, const struct set *s)
{
	const char *what = s->trusted ? "nothing says that muster made the objects there"
				      : "holds objects that muster did not make";

	task_warn(t, text_printf("%s%s %s: they are used and stay", s->spec->uri,
			     s->trusted ? ":" : "", what));
}

static int inspect_sets(
	struct task *t, const char **at, const uint32_t *cancel, struct err *err)
{
	const struct job *j = &t->job;

	for (size_t i = 0; i < j->n_sets; i++) {
		struct set *s = &t->sets[i];

		*at = j->sets[i].place;
		if (storage_check(&t->store, OP_PUT, j->sets[i].uri, err) < 0)
			return -1;
		if (set_key_room(&j->sets[i]) + strlen(t->name) + 2 * NAMES_INDEX +
				task_growth(t) >
			ENGINE_URI)
			return err_set(err, ERR_INPUT,
				"%s: the names of the tree become too long: make it less "
				"deep, or dir_mask shorter",
				j->sets[i].uri);
		note_holders(t, &j->sets[i]);
		if (set_inspect(s, &j->sets[i], j, &t->store, cancel, err) < 0)
			return -1;
		if (j->load && !j->prepare && s->to_make + s->dirs_to_make > 0)
			return err_set(err, ERR_INPUT,
				"%s: %" PRIu64
				" %s are missing, and nothing prepares them",
				j->sets[i].uri, s->to_make ? s->to_make : s->dirs_to_make,
				s->to_make ? "objects" : "directories");
		if (s->owner == SET_FOREIGN)
			warn_foreign(t, s);
	}
	return 0;
}

/* What the names that an op makes begin with, be it objects or (of mkdir, outside of trees) directories. */
static const char *makes(const struct job *j, const struct job_op *op)
{
	if (op->kind != OP_MKDIR)
		return job_op_puts(op);
	return keyset_covers_tree(op->uri, j) ? NULL : op->uri;
}

/* A list may begin with an empty or missing place when something of this job will fill it. */
static bool will_exist(const struct job *j, const char *uri)
{
	for (size_t i = 0; i < j->n_sets; i++)
		if (text_starts_with(j->sets[i].uri, uri))
			return true;
	for (size_t i = 0; i < j->n_ops; i++)
		if (makes(j, &j->ops[i]) && text_starts_with(makes(j, &j->ops[i]), uri))
			return true;
	return false;
}

/* The op whose new names a delete's uri means (of an rmdir: whose directories): the same prefix, as it stands or
 * with a '*'. */
static uint32_t put_op_of(const struct job *j, const struct job_op *op)
{
	size_t len = strlen(op->uri);

	if (op->kind == OP_DELETE && len > 0 && op->uri[len - 1] == '*')
		len--;
	for (size_t i = 0; i < j->n_ops; i++) {
		const struct job_op *made = &j->ops[i];
		const char *puts = op->kind == OP_DELETE ? job_op_puts(made) : made->uri;

		if ((op->kind == OP_DELETE || made->kind == OP_MKDIR) && puts &&
			strncmp(puts, op->uri, len) == 0 && puts[len] == '\0')
			return (uint32_t)i;
	}
	return UINT32_MAX;
}

static bool covers_any(const struct task *t, const char *uri)
{
	for (size_t i = 0; i < t->job.n_sets; i++)
		if (keyset_covers(uri, &t->job.sets[i]))
			return true;
	return false;
}

/* Whether an op works on what is there: a list alone looks at a place, and others make new names. */
static bool has_keys(const struct task *t, const struct job_op *op)
{
	switch (op->kind) {
	case OP_PUT:
	case OP_MKDIR:
		return keyset_covers_tree(op->uri, &t->job);
	case OP_MULTIPART_PUT:
	case OP_LIST:
		return false;
	default:
		return true;
	}
}

/* Ranges of more objects than stay open: some ops open theirs. */
static void warn_of_open_files(
	struct task *t, const struct job_op *op, const struct keyset *k)
{
	uint64_t keeps;

	if ((op->kind != OP_RANGE_GET && op->kind != OP_RANGE_PUT) || !t->backend->keeps)
		return;
	keeps = t->backend->keeps(t->job_state);
	if (k->n > keeps)
		task_warn(t,
			text_printf(
				"%s %s: %" PRIu64
				" objects, of which a thread keeps %" PRIu64
				" open (limit of open files: ulimit -n): ops on others "
				"open theirs anew",
				op_infos[op->kind].name, op->uri, k->n, keeps));
}

static int resolve_keys(struct task *t, size_t i, const uint32_t *cancel, struct err *err)
{
	const struct job *j = &t->job;
	const struct job_op *op = &j->ops[i];
	const struct keyset *k = &t->keys[i];

	if (task_check_place(t, i, err) < 0 ||
		keyset_resolve(&t->keys[i], op, j, t->sets, &t->store, cancel, err) < 0 ||
		task_check_keys(t, i, err) < 0)
		return -1;
	if (task_is_foreign(t, i))
		task_warn(t, text_printf("%s: %s touches what muster did not make there "
					 "(--allow-foreign)",
				     op->uri, op_infos[op->kind].name));
	if ((op->kind == OP_RANGE_GET || op->kind == OP_RANGE_PUT) &&
		!t->backend->any_object && k->exact && k->exact_size == UINT64_MAX)
		task_warn(t,
			text_printf("%s: how large it is cannot be found out: all ranges "
				    "begin at 0",
				op->uri));
	warn_of_open_files(t, op, k);
	return 0;
}

static int check_op(struct task *t, size_t i, const uint32_t *cancel, struct err *err)
{
	const struct job *j = &t->job;
	const struct job_op *op = &j->ops[i];
	const char *puts = makes(j, op);
	const bool removes_own = op->kind == OP_RMDIR ||
				 (op->kind == OP_DELETE && !covers_any(t, op->uri));

	t->puts_of[i] = removes_own ? put_op_of(j, op) : UINT32_MAX;
	if (puts) {
		holders_note(&t->holders, &t->store, j->target, puts);
		if (storage_check(&t->store, OP_PUT, puts, err) < 0)
			return -1;
	}
	if (op->kind == OP_LIST && !will_exist(j, op->uri))
		return storage_check(&t->store, OP_LIST, op->uri, err);
	if (t->puts_of[i] != UINT32_MAX || !has_keys(t, op))
		return 0;
	return resolve_keys(t, i, cancel, err);
}

static int check_ops(
	struct task *t, const char **at, const uint32_t *cancel, struct err *err)
{
	const struct job *j = &t->job;

	for (size_t i = 0; j->load && i < j->n_ops; i++) {
		*at = j->ops[i].place;
		if (check_op(t, i, cancel, err) < 0 || task_fit(t, i, err) < 0)
			return err_prefix(err, "%s", op_infos[j->ops[i].kind].name);
		if (j->ops[i].concurrency > j->concurrency)
			task_warn(t,
				text_printf("%s: concurrency %u of %s is more than all "
					    "slots (%u)",
					j->ops[i].place ? j->ops[i].place : "",
					j->ops[i].concurrency,
					op_infos[j->ops[i].kind].name, j->concurrency));
	}
	*at = NULL;
	if (j->load && j->n_ops == 0)
		return err_set(err, ERR_INPUT, "the workload has no ops");
	if (j->load && j->once && !load_has_end(t))
		return err_set(err, ERR_INPUT,
			"--once works through objects that are there, and no op of this "
			"workload has any (put, list and mkdir never come to an end): "
			"add one "
			"that reads or deletes, or leave --once out");
	return 0;
}

/* What the store has to say of how it is reached. */
static void keep_remarks(struct task *t)
{
	const char *remark;

	if (t->job.load && t->job.verify && t->backend->any_object)
		task_warn(
			t, text_printf("%s holds whatever it is asked for: verify finds "
				       "nothing there",
				   t->backend->schemes));
	if (!t->backend->remark)
		return;
	for (size_t i = 0; (remark = t->backend->remark(t->job_state, i)); i++)
		task_warn(t, text_printf("%s", remark));
}

/* Nothing is written where the workload only reads. */
static bool writes(const struct job *j)
{
	bool any = j->prepare;

	for (size_t i = 0; i < j->n_ops && j->load; i++)
		any |= makes(j, &j->ops[i]) != NULL;
	return any;
}

int task_check(struct task *t, const char **at, const uint32_t *cancel, struct err *err)
{
	if (inspect_sets(t, at, cancel, err) < 0 || check_ops(t, at, cancel, err) < 0)
		return -1;
	if (writes(&t->job) && storage_check_same(&t->store, t->name, err) < 0)
		return -1;
	task_check_room(t);
	keep_remarks(t);
	return 0;
}
