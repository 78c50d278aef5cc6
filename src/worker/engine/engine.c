/* engine: the life of its threads, and their records put together. engine_loop.c is what a thread
 * does. */
#include "worker/engine/engine_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/units.h"

#define STACK_BYTES (1024u * 1024u)
/* Beyond the time-out of the ops: what a thread needs to notice and to leave. */
#define GRACE_NS (300 * NS_PER_MS)
/* How often the waiter looks whether the end has moved. */
#define WAIT_STEP_NS (20 * NS_PER_MS)

/* Most of it is never touched: the longest names are rare. */
static int thread_mores(struct engine_thread *t, uint32_t n, size_t each)
{
	void *at;

	t->mores_bytes = (n + 1) * each;
	if (!t->mores_bytes)
		return 0;
	at = mmap(NULL, t->mores_bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED)
		return -ENOMEM;
	t->mores = at;
	for (uint32_t i = 0; i < n; i++)
		t->slots[i].more = t->mores + (i + 1) * each;
	return 0;
}

static int thread_slots(struct engine_thread *t, uint32_t n, size_t more_bytes)
{
	t->n_slots = n;
	t->slots = calloc(n, sizeof(*t->slots));
	t->uris = calloc(n, ENGINE_URI);
	t->free = calloc(n, sizeof(struct io *));
	t->batch = calloc(n, sizeof(struct io *));
	if (!t->slots || !t->uris || !t->free || !t->batch)
		return -ENOMEM;
	for (uint32_t i = n; i-- > 0;) {
		t->slots[i].uri = t->uris + (size_t)i * ENGINE_URI;
		t->slots[i].io.engine = &t->slots[i];
		t->free[t->n_free++] = &t->slots[i].io;
	}
	return thread_mores(t, n, more_bytes);
}

static int thread_records(struct engine_thread *t, const struct engine_config *cfg)
{
	if (cfg->warmup_ns && record_init(&t->record[PART_WARMUP], cfg->kinds) < 0)
		return -ENOMEM;
	return record_init(&t->record[PART_MEASURE], cfg->kinds);
}

static int thread_init(struct engine *e, uint32_t index, struct err *err)
{
	const struct engine_config *cfg = &e->cfg;
	struct engine_thread *t = &e->threads[index];
	uint32_t n = cfg->slots / cfg->threads + (index < cfg->slots % cfg->threads);

	t->engine = e;
	pacer_init(&t->pacer, cfg->pacing, cfg->backend->sync ? &e->schedule : NULL,
		index, cfg->threads);
	if (thread_slots(t, n, cfg->more_bytes) < 0 || thread_records(t, cfg) < 0 ||
		endpoints_init(&t->endpoints, cfg->endpoints, index) < 0)
		return err_sys(err, ENOMEM, "no memory for %u slots", n);
	if (cfg->samples_path &&
		samples_open(&t->samples, cfg->samples_path, index, err) < 0)
		return -1;
	return cfg->source->thread_init(
		cfg->source_user, index, cfg->threads, n, &t->source, err);
}

static void thread_finish(struct engine *e, struct engine_thread *t)
{
	e->cfg.source->thread_fini(t->source);
	samples_close(&t->samples);
	for (unsigned p = 0; p < PARTS; p++)
		record_finish(&t->record[p]);
	endpoints_finish(&t->endpoints);
	if (t->mores)
		munmap(t->mores, t->mores_bytes);
	free(t->backend);
	free(t->slots);
	free(t->uris);
	free(t->free);
	free(t->batch);
}

static void engine_free(struct engine *e)
{
	for (uint32_t i = 0; i < e->cfg.threads; i++)
		if (e->threads[i].engine)
			thread_finish(e, &e->threads[i]);
	pthread_cond_destroy(&e->changed);
	pthread_mutex_destroy(&e->lock);
	free(e->threads);
	free(e);
}

static struct engine *engine_alloc(const struct engine_config *cfg)
{
	/* its schedule has a cache line of its own */
	struct engine *e = aligned_alloc(_Alignof(struct engine), sizeof(*e));
	pthread_condattr_t attr;

	if (!e)
		return NULL;
	*e = (struct engine){.cfg = *cfg};
	e->stop_ns = UINT64_MAX;
	e->planned_end_ns = UINT64_MAX;
	if (cfg->pacing)
		pacer_shared_init(&e->schedule, cfg->pacing);
	e->threads = calloc(cfg->threads, sizeof(*e->threads));
	if (!e->threads) {
		free(e);
		return NULL;
	}
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&e->lock, NULL);
	pthread_cond_init(&e->changed, &attr);
	pthread_condattr_destroy(&attr);
	return e;
}

/* Starts threads until one cannot be started. */
static int start_threads(struct engine *e, struct err *err)
{
	pthread_attr_t attr;
	int rc = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	for (uint32_t i = 0; rc == 0 && i < e->cfg.threads; i++) {
		rc = pthread_create(
			&e->threads[i].id, &attr, engine_thread_main, &e->threads[i]);
		if (rc == 0)
			e->n_started++;
	}
	pthread_attr_destroy(&attr);
	return rc ? err_sys(err, rc, "cannot start %u threads", e->cfg.threads) : 0;
}

/* Until every thread has its backend state or has failed. */
static int wait_for_init(struct engine *e, struct err *err)
{
	pthread_mutex_lock(&e->lock);
	while (e->n_ready < e->n_started)
		pthread_cond_wait(&e->changed, &e->lock);
	bool failed = e->init_failed;

	if (failed)
		*err = e->init_err;
	pthread_mutex_unlock(&e->lock);
	return failed ? -1 : 0;
}

static void join_threads(struct engine *e)
{
	for (uint32_t i = 0; i < e->n_started; i++)
		pthread_join(e->threads[i].id, NULL);
	e->n_started = 0;
}

struct engine *engine_create(const struct engine_config *cfg, struct err *err)
{
	struct engine *e = engine_alloc(cfg);
	int rc = 0;

	if (!e) {
		err_sys(err, ENOMEM, "no memory for %u threads", cfg->threads);
		return NULL;
	}
	for (uint32_t i = 0; rc == 0 && i < cfg->threads; i++)
		rc = thread_init(e, i, err);
	if (rc == 0)
		rc = start_threads(e, err);
	if (e->n_started > 0) {
		struct err init_err = ERR_INIT;
		bool started = rc == 0;

		if (wait_for_init(e, &init_err) < 0) {
			rc = -1;
			if (started)
				*err = init_err;
		}
	}
	if (rc == 0)
		return e;
	gate_cancel(cfg->gate);
	join_threads(e);
	engine_free(e);
	return NULL;
}

void engine_stop(struct engine *e, bool now)
{
	uint64_t at = clock_ns(), old = __atomic_load_n(&e->stop_ns, __ATOMIC_RELAXED);

	if (now && !__atomic_load_n(&e->give_up, __ATOMIC_RELAXED)) {
		__atomic_store_n(&e->give_up_ns, at, __ATOMIC_RELAXED);
		__atomic_store_n(&e->give_up, 1, __ATOMIC_RELEASE);
	}
	while (old > at && !__atomic_compare_exchange_n(&e->stop_ns, &old, at, false,
				   __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
	pacer_wake(&e->stopped);
	gate_cancel(e->cfg.gate);
}

static uint64_t earlier(uint64_t a_ns, uint64_t b_ns)
{
	return a_ns < b_ns ? a_ns : b_ns;
}

void engine_measure(struct engine *e, uint64_t at_ns, uint64_t end_ns)
{
	uint64_t at = __atomic_load_n(&e->measure_at_ns, __ATOMIC_RELAXED);
	uint64_t end = __atomic_load_n(&e->planned_end_ns, __ATOMIC_RELAXED);

	if (!at || end == UINT64_MAX)
		return;
	if (at_ns) {
		at = earlier(at, at_ns);
		end = earlier(end, at + e->cfg.measure_ns);
	}
	if (end_ns)
		end = earlier(end, end_ns);
	__atomic_store_n(&e->measure_at_ns, at, __ATOMIC_RELAXED);
	__atomic_store_n(&e->planned_end_ns, end, __ATOMIC_RELAXED);
}

/* When a thread that has not ended is taken for stuck; UINT64_MAX: there is no such time yet. */
static uint64_t patience_ns(struct engine *e)
{
	uint64_t end = __atomic_load_n(&e->planned_end_ns, __ATOMIC_RELAXED);
	uint64_t stop = __atomic_load_n(&e->stop_ns, __ATOMIC_RELAXED);
	uint64_t at = stop < end ? stop : end;

	if (at == UINT64_MAX)
		return UINT64_MAX;
	/* a stop may have gone before, whose ops were still waited for */
	if (__atomic_load_n(&e->give_up, __ATOMIC_ACQUIRE)) {
		uint64_t given_up = __atomic_load_n(&e->give_up_ns, __ATOMIC_RELAXED);

		return (at > given_up ? at : given_up) + GRACE_NS;
	}
	return at + e->cfg.op_timeout_ns + GRACE_NS;
}

void engine_wait(struct engine *e)
{
	pthread_mutex_lock(&e->lock);
	while (e->n_ended < e->n_started && clock_ns() < patience_ns(e)) {
		uint64_t wake = clock_ns() + WAIT_STEP_NS;
		struct timespec ts = {
			.tv_sec = (time_t)(wake / NS_PER_SEC),
			.tv_nsec = (long)(wake % NS_PER_SEC),
		};

		pthread_cond_timedwait(&e->changed, &e->lock, &ts);
	}
	pthread_mutex_unlock(&e->lock);
}

bool engine_all_ended(struct engine *e)
{
	pthread_mutex_lock(&e->lock);
	bool all = e->n_ended == e->n_started;

	pthread_mutex_unlock(&e->lock);
	return all;
}

bool engine_ran_out(const struct engine *e)
{
	for (uint32_t i = 0; i < e->cfg.threads; i++)
		if (!__atomic_load_n(&e->threads[i].ran_out, __ATOMIC_RELAXED))
			return false;
	return true;
}

uint64_t engine_end_ns(const struct engine *e)
{
	uint64_t end = __atomic_load_n(&e->planned_end_ns, __ATOMIC_RELAXED);
	uint64_t stop = __atomic_load_n(&e->stop_ns, __ATOMIC_RELAXED);
	uint64_t last = 0;

	end = stop < end ? stop : end;
	/* one thread that ran out of ops does not end the phase of the others */
	for (uint32_t i = 0; engine_ran_out(e) && i < e->cfg.threads; i++) {
		uint64_t at =
			__atomic_load_n(&e->threads[i].last_end_ns, __ATOMIC_RELAXED);

		last = at > last ? at : last;
	}
	if (last && last < end)
		return last;
	return end == UINT64_MAX ? clock_ns() : end;
}

void engine_destroy(struct engine *e)
{
	if (!e)
		return;
	join_threads(e);
	engine_free(e);
}

int engine_delta(struct engine *e, enum part part, struct op_delta deltas[OP_KINDS],
	uint64_t *late_max_ns, char *sample)
{
	for (uint32_t i = 0; i < e->cfg.threads; i++) {
		struct engine_thread *t = &e->threads[i];

		for (unsigned k = 0; k < OP_KINDS; k++) {
			struct op_record *o = t->record[part].ops[k];

			if (o && record_delta(o, &deltas[k], late_max_ns, sample) < 0)
				return -ENOMEM;
		}
	}
	return 0;
}

int engine_merge(const struct engine *e, enum op_kind kind, unsigned bucket,
	enum sample_kind sample, struct hist *out, uint64_t *bytes)
{
	for (uint32_t i = 0; i < e->cfg.threads; i++) {
		const struct op_record *o = e->threads[i].record[PART_MEASURE].ops[kind];

		if (!o)
			continue;
		if (hist_add(out, &o->hist[bucket][sample]) < 0)
			return -ENOMEM;
		*bytes += o->bucket_bytes[bucket];
	}
	return 0;
}

/* Ops of this kind that a stuck thread still has in flight. */
static uint64_t stuck_ops(const struct engine_thread *t, enum op_kind kind)
{
	uint64_t n = 0;

	if (__atomic_load_n(&t->finished, __ATOMIC_ACQUIRE))
		return 0;
	for (uint32_t i = 0; i < t->n_slots; i++)
		n += __atomic_load_n(&t->slots[i].busy, __ATOMIC_RELAXED) == kind + 1;
	return n;
}

void engine_totals(const struct engine *e, enum op_kind kind, struct engine_totals *ret)
{
	*ret = (struct engine_totals){0};
	for (uint32_t i = 0; i < e->cfg.threads; i++) {
		const struct engine_thread *t = &e->threads[i];
		const struct op_record *o = t->record[PART_MEASURE].ops[kind];

		if (!o)
			continue;
		ret->count += o->response.total;
		ret->bytes += __atomic_load_n(&o->bytes, __ATOMIC_RELAXED);
		for (unsigned x = 0; x < OP_ERRORS; x++)
			ret->errors[x] +=
				__atomic_load_n(&o->errors[x], __ATOMIC_RELAXED);
		ret->retries += __atomic_load_n(&o->retries, __ATOMIC_RELAXED);
		ret->pages += o->pages;
		ret->entries += o->entries;
		ret->drained += o->drained;
		ret->abandoned += o->abandoned + stuck_ops(t, kind);
		if (!ret->first_error[0] && o->first_error[0])
			memcpy(ret->first_error, o->first_error, RECORD_TEXT);
	}
}

/* Ops of any kind that a stuck thread still has in flight. */
static uint64_t all_stuck_ops(const struct engine_thread *t)
{
	uint64_t n = 0;

	for (unsigned k = 0; k < OP_KINDS; k++)
		n += stuck_ops(t, (enum op_kind)k);
	return n;
}

void engine_rate(const struct engine *e, struct engine_rate *ret)
{
	const uint64_t end = engine_end_ns(e);
	const uint64_t begin = __atomic_load_n(&e->measure_at_ns, __ATOMIC_RELAXED);
	const struct pacer *schedule = NULL;
	uint64_t held = 0;

	*ret = (struct engine_rate){0};
	if (!e->threads[0].pacer.open || !begin)
		return;
	for (uint32_t i = 0; i < e->cfg.threads; i++) {
		const struct engine_thread *t = &e->threads[i];

		ret->started += __atomic_load_n(&t->started, __ATOMIC_RELAXED);
		ret->started += all_stuck_ops(t);
		ret->never_started += __atomic_load_n(&t->overdue, __ATOMIC_RELAXED);
		ret->carried += __atomic_load_n(&t->carried, __ATOMIC_RELAXED);
		held += __atomic_load_n(&t->held_ns, __ATOMIC_RELAXED);
	}
	for (uint32_t i = 0; i < e->cfg.threads; i++) {
		const struct engine_thread *t = &e->threads[i];

		/* nobody may look into a thread that is stuck; and where the source has no more ops, none are
		 * due either */
		if (!__atomic_load_n(&t->finished, __ATOMIC_ACQUIRE) ||
			__atomic_load_n(&t->ran_out, __ATOMIC_RELAXED))
			continue;
		ret->never_started += pacer_left(&t->pacer, end);
		ret->carried += pacer_left(&t->pacer, begin);
		if (!schedule)
			schedule = &t->pacer;
	}
	if (schedule) {
		ret->never_started += pacer_shared_left(schedule, end);
		ret->carried += pacer_shared_left(schedule, begin);
	}
	if (end > begin)
		ret->slots_busy = (double)held / (double)(end - begin) / e->cfg.threads;
}

uint32_t engine_endpoints(const struct engine *e)
{
	return e->threads[0].endpoints.n;
}

int engine_endpoint(const struct engine *e, uint32_t index, struct hist *response,
	uint64_t *bytes, uint64_t errors[OP_ERRORS])
{
	for (uint32_t i = 0; i < e->cfg.threads; i++) {
		const struct endpoint_record *r = &e->threads[i].endpoints.records[index];

		if (hist_add(response, &r->response) < 0)
			return -ENOMEM;
		*bytes += r->bytes;
		for (unsigned x = 0; x < OP_ERRORS; x++)
			errors[x] += r->errors[x];
	}
	return 0;
}
