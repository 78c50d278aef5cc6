/* task_check: what a job asks of the store, looked at before any load: sets as they lie there, keys that
 * ops choose from, places that cannot be read or written. */
#include "worker/task_check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "worker/load.h"
#include "worker/task.h"

static int warn(struct task *t, char *text)
{
	char **list = reallocarray(t->warnings, t->n_warnings + 2, sizeof(*list));

	if (!list || !text) {
		free(text);
		return -ENOMEM;
	}
	t->warnings = list;
	list[t->n_warnings++] = text;
	list[t->n_warnings] = NULL;
	return 0;
}

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

static int inspect_sets(
	struct task *t, const char **at, const uint32_t *cancel, struct err *err)
{
	const struct job *j = &t->job;

	for (size_t i = 0; i < j->n_sets; i++) {
		struct set *s = &t->sets[i];

		*at = j->sets[i].place;
		if (storage_check(&t->store, OP_PUT, j->sets[i].uri, err) < 0)
			return -1;
		note_holders(t, &j->sets[i]);
		if (set_inspect(s, &j->sets[i], j, &t->store, cancel, err) < 0)
			return -1;
		if (j->load && !j->prepare && s->to_make > 0)
			return err_set(err, ERR_INPUT,
				"%s: %" PRIu64
				" objects are missing, and nothing prepares them",
				j->sets[i].uri, s->to_make);
		if (s->owner == SET_FOREIGN)
			warn(t, text_printf("%s holds objects that muster did not make: "
					    "they are "
					    "used and stay",
					j->sets[i].uri));
	}
	return 0;
}

/* A list may begin with an empty or missing place when something of this job will fill it. */
static bool will_exist(const struct job *j, const char *uri)
{
	for (size_t i = 0; i < j->n_sets; i++)
		if (text_starts_with(j->sets[i].uri, uri))
			return true;
	for (size_t i = 0; i < j->n_ops; i++)
		if (job_op_puts(&j->ops[i]) &&
			text_starts_with(job_op_puts(&j->ops[i]), uri))
			return true;
	return false;
}

/* The op whose new names a delete's uri means: the same prefix, as it stands or with a '*'. */
static uint32_t put_op_of(const struct job *j, const char *uri)
{
	size_t len = strlen(uri);

	if (len > 0 && uri[len - 1] == '*')
		len--;
	for (size_t i = 0; i < j->n_ops; i++) {
		const char *puts = job_op_puts(&j->ops[i]);

		if (puts && strncmp(puts, uri, len) == 0 && puts[len] == '\0')
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

/* A delete only touches what muster made. */
static int check_delete(struct task *t, size_t i, struct err *err)
{
	const struct keyset *k = &t->keys[i];

	for (size_t p = 0; p < k->n_parts; p++)
		if (k->parts[p].set->owner == SET_FOREIGN)
			return err_set(err, ERR_INPUT,
				"delete on foreign objects (%s) needs --allow-foreign, "
				"which is not "
				"supported yet",
				k->parts[p].set->spec->uri);
	return 0;
}

static int check_op(struct task *t, size_t i, const uint32_t *cancel, struct err *err)
{
	const struct job *j = &t->job;
	const struct job_op *op = &j->ops[i];

	t->puts_of[i] = UINT32_MAX;
	if (job_op_puts(op)) {
		holders_note(&t->holders, &t->store, j->target, job_op_puts(op));
		if (storage_check(&t->store, OP_PUT, job_op_puts(op), err) < 0)
			return -1;
	}
	switch (op->kind) {
	case OP_PUT:
	case OP_MULTIPART_PUT:
		return 0;
	case OP_LIST:
		return will_exist(j, op->uri)
			       ? 0
			       : storage_check(&t->store, OP_LIST, op->uri, err);
	case OP_DELETE:
		if (!covers_any(t, op->uri)) {
			t->puts_of[i] = put_op_of(j, op->uri);
			if (t->puts_of[i] != UINT32_MAX)
				return 0;
			if (!t->backend->any_object)
				return err_set(err, ERR_INPUT,
					"delete on foreign objects (%s is neither "
					"prepared nor put by "
					"this workload) needs --allow-foreign, which is "
					"not supported "
					"yet",
					op->uri);
		}
		break;
	default:
		break;
	}
	if (keyset_resolve(&t->keys[i], op, j, t->sets, &t->store, cancel, err) < 0)
		return -1;
	if (op->kind == OP_RANGE_GET && !t->backend->any_object && t->keys[i].exact &&
		t->keys[i].exact_size == UINT64_MAX)
		warn(t, text_printf("%s: how large it is cannot be found out: all ranges "
				    "begin at 0",
				op->uri));
	return op->kind == OP_DELETE ? check_delete(t, i, err) : 0;
}

static int check_ops(
	struct task *t, const char **at, const uint32_t *cancel, struct err *err)
{
	const struct job *j = &t->job;

	for (size_t i = 0; j->load && i < j->n_ops; i++) {
		*at = j->ops[i].place;
		if (check_op(t, i, cancel, err) < 0)
			return err_prefix(err, "%s", op_infos[j->ops[i].kind].name);
		if (j->ops[i].concurrency > j->concurrency)
			warn(t, text_printf("%s: concurrency %u of %s is more than all "
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
			"workload has any: put, list and mkdir never come to an end");
	return 0;
}

/* What the store has to say of how it is reached. */
static void keep_remarks(struct task *t)
{
	const char *remark;

	if (!t->backend->remark)
		return;
	for (size_t i = 0; (remark = t->backend->remark(t->job_state, i)); i++)
		warn(t, text_printf("%s", remark));
}

/* Nothing is written where the workload only reads. */
static bool writes(const struct job *j)
{
	bool any = j->prepare;

	for (size_t i = 0; i < j->n_ops && j->load; i++)
		any |= job_op_puts(&j->ops[i]) != NULL;
	return any;
}

int task_check(struct task *t, const char **at, const uint32_t *cancel, struct err *err)
{
	if (inspect_sets(t, at, cancel, err) < 0 || check_ops(t, at, cancel, err) < 0)
		return -1;
	if (writes(&t->job) && storage_check_same(&t->store, t->name, err) < 0)
		return -1;
	keep_remarks(t);
	return 0;
}
