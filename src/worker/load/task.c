/* task: a job made ready on this machine: its backend, its threads, and what it keeps. task_check.c looks
 * at what is asked of the store. */
#include "worker/load/task.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "worker/engine/engine.h"
#include "worker/host/limits.h"
#include "worker/load/task_check.h"
#include "worker/objects/names.h"

#define SLOTS_MAX 65536u

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

int task_warn(struct task *t, char *text)
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

/* What stands in for a backend that this machine does not let run. */
static void choose_instead(struct task *t)
{
	const struct backend *b = t->backend;
	char why[200];

	if (!b->works || b->works(why, sizeof(why)))
		return;
	t->backend = b->instead;
	task_warn(t, text_printf("%s: %s: %s", b->schemes, why, b->instead->summary));
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
	if (strlen(uri) + task_growth(t) > ENGINE_URI - 512)
		return err_set(err, ERR_INPUT, "%.60s...: URI too long", uri);
	t->backend = b;
	return 0;
}

size_t task_growth(const struct task *t)
{
	return storage_growth(&t->job.endpoints);
}

/* What stands in an op besides its kind and place. */
static int check_words(const struct task *t, const struct job_op *op, struct err *err)
{
	const struct backend *b = t->backend;
	if (!(b->ops & 1u << op->kind))
		return err_set(err, ERR_INPUT, "%s cannot do %s", b->schemes,
			op_infos[op->kind].name);
	if (op->batch > 1 && b->batch_max < 2)
		return err_set(err, ERR_INPUT,
			"%s deletes one object per request: leave batch out", b->schemes);
	if (op->batch > 1 && op->batch > b->batch_max)
		return err_set(err, ERR_INPUT,
			"%s deletes at most %u objects per request, not %u", b->schemes,
			b->batch_max, op->batch);
	return 0;
}

static int choose_backends(struct task *t, const char **at, struct err *err)
{
	const struct job *j = &t->job;

	for (size_t i = 0; i < j->n_ops; i++) {
		const struct job_op *op = &j->ops[i];

		if (choose_backend(t, op->uri, op->place, at, err) < 0)
			return -1;
		if (op->to && choose_backend(t, op->to, op->place, at, err) < 0)
			return -1;
		if (check_words(t, op, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < j->n_sets; i++)
		if (choose_backend(t, j->sets[i].uri, j->sets[i].place, at, err) < 0)
			return -1;
	*at = NULL;
	for (char **uri = j->endpoints.uris; uri && *uri; uri++)
		if (choose_backend(t, *uri, NULL, at, err) < 0)
			return err_prefix(err, "endpoint");
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
		.store = &t->job.store,
		.page_cache = t->job.page_cache,
		.name = t->name,
	};

	void *state = calloc(1, t->backend->job_size);

	if (!state)
		return err_sys(err, ENOMEM, "no memory");
	if (t->backend->job_init(state, &cfg, err) < 0) {
		free(state);
		return -1;
	}
	t->job_state = state;
	t->store.backend = t->backend;
	t->store.job = state;
	t->store.endpoints = &t->job.endpoints;
	/* the workers ask different ones */
	if (storage_endpoints(&t->job.endpoints))
		t->store.home = t->job.index % storage_endpoints(&t->job.endpoints);
	return 0;
}

static int make(struct task *t, const char **at, const uint32_t *cancel, struct err *err)
{
	const char *samples = getenv("MUSTER_DEBUG_SAMPLES");

	t->sets = calloc(t->job.n_sets + 1, sizeof(*t->sets));
	t->keys = calloc(t->job.n_ops + 1, sizeof(*t->keys));
	t->puts_of = calloc(t->job.n_ops + 1, sizeof(*t->puts_of));
	t->removals = calloc(t->job.n_ops + 1, sizeof(*t->removals));
	t->name = text_printf("%s-%s", t->job.run, t->job.worker);
	if (samples && *samples)
		t->samples_path = text_printf("%s.%s", samples, t->job.worker);
	if (!t->sets || !t->keys || !t->puts_of || !t->removals || !t->name ||
		(samples && *samples && !t->samples_path))
		return err_sys(err, ENOMEM, "no memory");
	if (choose_backends(t, at, err) < 0)
		return -1;
	choose_instead(t);
	plan_threads(t);
	if (init_backend(t, err) < 0)
		return -1;
	if (task_check(t, at, cancel, err) < 0)
		return -1;
	mounts_find(&t->mounts, &t->job);
	return contents_init(&t->contents, &t->job, t->data, t->sets, cancel, err);
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
	const struct task *earlier, const uint32_t *cancel, uint64_t *listed,
	char **ret_place, struct err *err)
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
	t->store.listed = listed;
	if (make(t, &at, cancel, err) == 0) {
		t->store.listed = NULL; /* of the check alone */
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
	for (size_t i = 0; t->removals && i < t->job.n_ops; i++)
		removal_finish(&t->removals[i]);
	contents_finish(&t->contents);
	if (t->job_state)
		t->backend->job_fini(t->job_state);
	for (size_t i = 0; i < t->n_warnings; i++)
		free(t->warnings[i]);
	free(t->warnings);
	free(t->job_state);
	free(t->sets);
	free(t->keys);
	free(t->puts_of);
	free(t->removals);
	holders_finish(&t->holders);
	once_finish(&t->once);
	missed_finish(&t->missed);
	mounts_finish(&t->mounts);
	free(t->name);
	free(t->samples_path);
	job_finish(&t->job);
	free(t);
}

void task_own_holders(struct task *t, const struct job_set *spec)
{
	size_t len = strlen(spec->uri);
	AUTO_FREE char *uri = malloc(len + NAMES_SHARD);

	holders_add(&t->holders, spec->uri, len);
	if (!uri)
		return;
	memcpy(uri, spec->uri, len);
	for (uint32_t i = 0; i < spec->shards && i < spec->count; i++)
		holders_add(&t->holders, uri,
			len + names_put_shard(uri + len, spec->shards, i));
}

int task_ready(const struct task *t, struct msg_ready *ret)
{
	*ret = (struct msg_ready){.threads = t->threads,
		.slots = t->slots,
		.warnings = t->warnings,
		.mounts = t->mounts.items,
		.n_mounts = t->mounts.n};
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
