/* task: a job made ready on this machine. */
#include "worker/task.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "worker/engine.h"
#include "worker/limits.h"

#define SLOTS_MAX 65536u

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

static uint32_t cpus(void)
{
	struct limits l;

	limits_read("", &l);
	return l.cpus;
}

static void plan_threads(struct task *t)
{
	const struct job *j = &t->job;
	uint32_t wanted = j->threads ? j->threads : cpus();

	t->slots = j->concurrency;
	t->threads = t->backend->sync || wanted > t->slots ? t->slots : wanted;
}

/* The one backend of all ops and sets. place is set to that of the one that disagrees. */
static int choose_backend(struct task *t, const char *uri, const char *place,
	const char **at, struct err *err)
{
	const struct backend *b = backend_for(uri);

	*at = place;
	if (!b)
		return err_set(
			err, ERR_INPUT, "%s: no backend here knows this scheme", uri);
	if (t->backend && t->backend != b)
		return err_set(err, ERR_INPUT,
			"%s: a job has one scheme, and this one is %s already", uri,
			t->backend->schemes);
	if (strlen(uri) > ENGINE_URI - 512)
		return err_set(err, ERR_INPUT, "%.60s...: URI too long", uri);
	t->backend = b;
	return 0;
}

static int choose_backends(struct task *t, const char **at, struct err *err)
{
	const struct job *j = &t->job;

	for (size_t i = 0; i < j->n_ops; i++) {
		const struct job_op *op = &j->ops[i];

		if (choose_backend(t, op->uri, op->place, at, err) < 0)
			return -1;
		if (!(t->backend->ops & 1u << op->kind))
			return err_set(err, ERR_INPUT, "%s cannot do %s",
				t->backend->schemes, op_infos[op->kind].name);
	}
	for (size_t i = 0; i < j->n_sets; i++)
		if (choose_backend(t, j->sets[i].uri, j->sets[i].place, at, err) < 0)
			return -1;
	*at = NULL;
	if (!t->backend)
		return err_set(
			err, ERR_INPUT, "the job has neither ops nor objects to prepare");
	if (j->concurrency < 1 || j->concurrency > SLOTS_MAX)
		return err_set(err, ERR_INPUT, "concurrency %u is not within 1 and %u",
			j->concurrency, SLOTS_MAX);
	return 0;
}

static int init_backend(struct task *t, struct err *err)
{
	const struct backend_config cfg = {
		.target = t->job.target,
		.concurrency = t->slots,
		.threads = t->threads,
		.data = t->data,
		.page = engine_page,
	};

	void *state = calloc(1, t->backend->job_size);

	if (!state)
		return err_sys(err, ENOMEM, "no memory");
	if (t->backend->job_init(state, &cfg, err) < 0) {
		free(state);
		return -1;
	}
	t->job_state = state;
	return 0;
}

static int inspect_sets(
	struct task *t, const char **at, const uint32_t *cancel, struct err *err)
{
	const struct job *j = &t->job;

	for (size_t i = 0; i < j->n_sets; i++) {
		struct set *s = &t->sets[i];

		*at = j->sets[i].place;
		if (t->backend->check(t->job_state, OP_PUT, j->sets[i].uri, err) < 0)
			return -1;
		holders_note(
			&t->holders, t->backend, t->job_state, j->target, j->sets[i].uri);
		if (set_inspect(s, &j->sets[i], task_share(t), t->backend, t->job_state,
			    cancel, err) < 0)
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
		if (j->ops[i].kind == OP_PUT && text_starts_with(j->ops[i].uri, uri))
			return true;
	return false;
}

/* The put op whose names a delete's uri means: the same prefix, as it stands or with a '*'. */
static uint32_t put_op_of(const struct job *j, const char *uri)
{
	size_t len = strlen(uri);

	if (len > 0 && uri[len - 1] == '*')
		len--;
	for (size_t i = 0; i < j->n_ops; i++)
		if (j->ops[i].kind == OP_PUT && strncmp(j->ops[i].uri, uri, len) == 0 &&
			j->ops[i].uri[len] == '\0')
			return (uint32_t)i;
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
	switch (op->kind) {
	case OP_PUT:
		holders_note(&t->holders, t->backend, t->job_state, j->target, op->uri);
		return t->backend->check(t->job_state, OP_PUT, op->uri, err);
	case OP_LIST:
		return will_exist(j, op->uri)
			       ? 0
			       : t->backend->check(t->job_state, OP_LIST, op->uri, err);
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
	if (keyset_resolve(&t->keys[i], op, t->sets, j->n_sets, task_share(t), t->backend,
		    t->job_state, cancel, err) < 0)
		return -1;
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
	return 0;
}

static int make(struct task *t, const char **at, const uint32_t *cancel, struct err *err)
{
	const char *samples = getenv("MUSTER_DEBUG_SAMPLES");

	t->sets = calloc(t->job.n_sets + 1, sizeof(*t->sets));
	t->keys = calloc(t->job.n_ops + 1, sizeof(*t->keys));
	t->puts_of = calloc(t->job.n_ops + 1, sizeof(*t->puts_of));
	if (samples && *samples)
		t->samples_path = text_printf("%s.%s", samples, t->job.worker);
	if (!t->sets || !t->keys || !t->puts_of ||
		(samples && *samples && !t->samples_path))
		return err_sys(err, ENOMEM, "no memory");
	if (choose_backends(t, at, err) < 0)
		return -1;
	plan_threads(t);
	if (init_backend(t, err) < 0)
		return -1;
	if (inspect_sets(t, at, cancel, err) < 0)
		return -1;
	return check_ops(t, at, cancel, err);
}

/* What an earlier job of this run made is still muster's. */
static void inherit(struct task *t, const struct task *earlier)
{
	for (size_t i = 0; i < earlier->holders.n; i++)
		holders_add(&t->holders, earlier->holders.uris[i],
			strlen(earlier->holders.uris[i]));
	for (size_t i = 0; i < t->job.n_sets; i++) {
		for (size_t k = 0; k < earlier->job.n_sets; k++) {
			const struct set *old = &earlier->sets[k];

			if (old->spec->id == t->sets[i].spec->id &&
				strcmp(old->spec->uri, t->sets[i].spec->uri) == 0)
				set_inherit(&t->sets[i], old);
		}
	}
}

struct task *task_create(struct job *job, const struct data *data,
	const struct task *earlier, const uint32_t *cancel, char **ret_place,
	struct err *err)
{
	struct task *t = calloc(1, sizeof(*t));
	const char *at = NULL;

	*ret_place = NULL;
	if (!t) {
		err_sys(err, ENOMEM, "no memory");
		job_finish(job);
		return NULL;
	}
	t->job = *job;
	*job = (struct job){0};
	t->data = data;
	if (make(t, &at, cancel, err) == 0) {
		if (earlier && strcmp(earlier->job.run, t->job.run) == 0)
			inherit(t, earlier);
		return t;
	}
	/* the machine said no to what the job asks for: the job makes no sense here */
	if (at && err->kind == ERR_SYSTEM && err->errnum != ENOMEM && err->errnum != EIO)
		err->kind = ERR_INPUT;
	*ret_place = at ? strdup(at) : NULL;
	task_destroy(t);
	return NULL;
}

void task_destroy(struct task *t)
{
	if (!t)
		return;
	for (size_t i = 0; t->sets && i < t->job.n_sets; i++)
		set_finish(&t->sets[i]);
	for (size_t i = 0; t->keys && i < t->job.n_ops; i++)
		keyset_finish(&t->keys[i]);
	if (t->job_state)
		t->backend->job_fini(t->job_state);
	for (size_t i = 0; i < t->n_warnings; i++)
		free(t->warnings[i]);
	free(t->warnings);
	free(t->job_state);
	free(t->sets);
	free(t->keys);
	free(t->puts_of);
	holders_finish(&t->holders);
	free(t->samples_path);
	job_finish(&t->job);
	free(t);
}

int task_ready(const struct task *t, struct msg_ready *ret)
{
	*ret = (struct msg_ready){
		.threads = t->threads, .slots = t->slots, .warnings = t->warnings};
	if (t->job.n_sets == 0)
		return 0;
	ret->sets = calloc(t->job.n_sets, sizeof(*ret->sets));
	if (!ret->sets)
		return -ENOMEM;
	ret->n_sets = t->job.n_sets;
	for (size_t i = 0; i < t->job.n_sets; i++)
		ret->sets[i] = (struct msg_set){
			.uri = t->job.sets[i].uri,
			.existing = t->sets[i].existing,
			.to_make = t->sets[i].to_make,
			.foreign = t->sets[i].foreign,
		};
	return 0;
}
