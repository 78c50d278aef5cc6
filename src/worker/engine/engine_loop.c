/* engine_loop: what an engine thread does: begin ops in free slots, wait for finished ones, record
 * them, until the phase ends; then drain. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/units.h"
#include "worker/engine/engine_impl.h"

/* The longest a thread waits in a backend before it looks whether it shall stop. */
#define LOOK_UP_NS (20 * NS_PER_MS)

static uint64_t end_of(const struct engine_thread *t)
{
	uint64_t stop = __atomic_load_n(&t->engine->stop_ns, __ATOMIC_RELAXED);

	return stop < t->planned_end_ns ? stop : t->planned_end_ns;
}

/* Where the measured part lies: engine_measure may have moved it. */
static void look_at_bounds(struct engine_thread *t)
{
	const struct engine *e = t->engine;

	if (e->cfg.warmup_ns)
		t->warm_end_ns = __atomic_load_n(&e->measure_at_ns, __ATOMIC_RELAXED);
	t->planned_end_ns = __atomic_load_n(&e->planned_end_ns, __ATOMIC_RELAXED);
}

/* Asks the source for the next op, and moves it to an endpoint where there are any. */
static enum next take_op(struct engine_thread *t, struct io *io, struct engine_slot *slot)
{
	const struct source *source = t->engine->cfg.source;
	bool route = __builtin_expect(t->endpoints.n > 0, 0);
	enum next next =
		source->next(t->source, io, slot->uri, route ? t->mores : slot->more);

	if (next == NEXT_OP && route)
		endpoints_route(&t->endpoints, io, slot->uri, slot->more);
	return next;
}

/* All but the text of an error. A size that the compiler does not know makes it call libc's memset, which is twice as
 * fast here as the `rep stos` it would write instead. */
static inline void clear(struct io *io)
{
	size_t n = offsetof(struct io, error_text);

	__asm__("" : "+r"(n));
	memset(io, 0, n);
	io->error_text[0] = '\0';
}

/* Takes an op from the source into the slot that was free last; due_ns 0: it is due when it starts. */
static inline __attribute__((always_inline)) enum next begin_op(
	struct engine_thread *t, uint64_t due_ns)
{
	struct io *io = t->free[t->n_free - 1];
	struct engine_slot *slot = io->engine;
	enum next next;

	clear(io);
	io->engine = slot;
	io->uri = slot->uri;
	io->due_ns = due_ns;
	io->start_ns = t->now_ns;
	next = take_op(t, io, slot);
	if (next == NEXT_OP) {
		__atomic_store_n(&slot->busy, (uint8_t)(io->kind + 1), __ATOMIC_RELAXED);
		t->n_free--;
		t->batch[t->n_batch++] = io;
	} else if (next == NEXT_END) {
		t->ended = true;
		__atomic_store_n(&t->ran_out, 1, __ATOMIC_RELAXED);
	}
	return next;
}

/* Nothing is in flight, and the source has nothing: one that says later then would never be asked again. */
static void run_out(struct engine_thread *t)
{
	if (!t->ended)
		__atomic_store_n(&t->ran_out, 1, __ATOMIC_RELAXED);
}

/* Closed loop: every free slot begins an op. */
static void fill_slots(struct engine_thread *t)
{
	while (t->n_free > 0 && begin_op(t, 0) == NEXT_OP)
		;
}

/* Open loop: what is due begins, as long as there are free slots; not all of it at once, so that a thread which
 * is behind goes on using the same few slots. Whether the source can give nothing now. */
static bool fill_due(struct engine_thread *t)
{
	while (t->n_free > 0 && t->n_batch < ENGINE_BATCH) {
		uint64_t due_ns = pacer_due(&t->pacer);
		enum next next;

		if (due_ns > t->now_ns)
			return false;
		next = begin_op(t, due_ns);
		if (next != NEXT_OP)
			return next == NEXT_LATER;
		pacer_begin(&t->pacer);
	}
	return false;
}

/* Counts an op where it belongs: by the time it ended. Whether it is one of the results. */
static bool count(struct engine_thread *t, struct io *io, uint64_t end_ns)
{
	const bool open_end = t->engine->cfg.measure_ns == 0;
	bool measured = false;

	/* closed loop; open: an op that was given up before it began */
	if (io->due_ns == 0 || io->start_ns < io->due_ns)
		io->due_ns = io->start_ns;
	if (t->cancelled && !open_end) {
		t->record[PART_MEASURE].ops[io->kind]->abandoned++;
	} else if (io->end_ns >= end_ns && !open_end) {
		t->record[PART_MEASURE].ops[io->kind]->drained++;
	} else if (io->end_ns < t->warm_end_ns) {
		record_op(&t->record[PART_WARMUP], io);
	} else {
		measured = true;
		record_op(&t->record[PART_MEASURE], io);
		__atomic_store_n(&t->last_end_ns, io->end_ns, __ATOMIC_RELAXED);
		if (__builtin_expect(t->samples.file != NULL, 0) && !io->error)
			samples_add(&t->samples, (uint8_t)io->kind,
				(uint8_t)bucket_of(
					op_infos[io->kind].moves_data ? io->bytes : 0),
				io->end_ns - io->due_ns, io->due_ns);
	}
	return measured;
}

void engine_page(void *thread, const struct io *io, uint64_t start_ns, uint64_t end_ns)
{
	struct engine_thread *t = thread;
	enum part part = end_ns < t->warm_end_ns ? PART_WARMUP : PART_MEASURE;

	if (end_ns < end_of(t))
		record_page(&t->record[part], io->kind, end_ns - start_ns);
}

static bool in_measure(const struct engine_thread *t, uint64_t at_ns)
{
	return at_ns >= t->warm_end_ns && at_ns < end_of(t);
}

/* Open loop: what was due before the end began in time, or did not; and was due in warm-up, or was not. */
static void count_start(struct engine_thread *t, const struct io *io)
{
	uint64_t *count = io->start_ns < end_of(t) ? &t->started : &t->overdue;

	if (io->start_ns < t->warm_end_ns)
		return;
	__atomic_store_n(count, *count + 1, __ATOMIC_RELAXED);
	if (io->due_ns < t->warm_end_ns)
		__atomic_store_n(&t->carried, t->carried + 1, __ATOMIC_RELAXED);
}

static void finish(struct engine_thread *t, struct io *io)
{
	struct engine_slot *slot = io->engine;

	t->now_ns = io->end_ns;
	/* what ends in its own way while others are given up has ended */
	io->given_up = t->cancelled && io->error == OP_ERR_TIMEOUT;
	bool counted = count(t, io, end_of(t));

	if (__builtin_expect(t->pacer.open, 0))
		count_start(t, io);
	if (__builtin_expect(t->endpoints.n > 0, 0))
		endpoints_done(&t->endpoints, io, counted);
	t->engine->cfg.source->done(t->source, io);
	__atomic_store_n(&slot->busy, 0, __ATOMIC_RELAXED);
	t->free[t->n_free++] = io;
}

/* Waits for finished ops; when the time of those in flight is over, gives them up. */
static void reap(struct engine_thread *t, uint64_t deadline_ns)
{
	const struct engine *e = t->engine;
	struct io *done[ENGINE_BATCH];
	size_t n = e->cfg.backend->wait(t->backend, done, ENGINE_BATCH, deadline_ns);

	if (__builtin_expect(e->cfg.moves, 0))
		look_at_bounds(t);
	if (n == 0)
		t->now_ns = clock_ns();
	for (size_t i = 0; i < n; i++)
		finish(t, done[i]);
	if (!t->ended || t->cancelled)
		return;
	if (__atomic_load_n(&e->give_up, __ATOMIC_RELAXED) ||
		(t->now_ns > end_of(t) &&
			t->now_ns - end_of(t) >= e->cfg.op_timeout_ns)) {
		t->cancelled = true;
		e->cfg.backend->cancel(t->backend);
	}
}

static void run_closed(struct engine_thread *t)
{
	const struct backend *backend = t->engine->cfg.backend;

	t->now_ns = clock_ns();
	for (;;) {
		if (t->now_ns >= end_of(t))
			t->ended = true;
		t->n_batch = 0;
		if (!t->ended)
			fill_slots(t);
		if (t->n_batch > 0)
			backend->submit(t->backend, t->batch, t->n_batch);
		if (t->n_free == t->n_slots)
			break;
		reap(t, t->now_ns + LOOK_UP_NS);
	}
	run_out(t);
}

/* All slots are in use: notes for how long an op that was due had to wait for one. */
static void reap_full(struct engine_thread *t)
{
	const bool sync = t->engine->cfg.backend->sync;
	uint64_t due_ns = pacer_due(&t->pacer);
	/* a sync backend is through with its op already */
	uint64_t from_ns = sync ? t->slots[0].io.start_ns : clock_ns();

	reap(t, t->now_ns + LOOK_UP_NS);
	if (from_ns < due_ns)
		from_ns = due_ns;
	if (from_ns < t->now_ns && in_measure(t, t->now_ns))
		__atomic_store_n(&t->held_ns, t->held_ns + (t->now_ns - from_ns),
			__ATOMIC_RELAXED);
}

/* The next moment at which something may have to be done that is no end of an op. */
static uint64_t next_moment(struct engine_thread *t, bool later)
{
	uint64_t look_up = t->now_ns + LOOK_UP_NS, at;

	if (t->ended || later)
		return look_up;
	at = pacer_deadline(&t->pacer, pacer_due(&t->pacer), t->now_ns);
	return at < look_up ? at : look_up;
}

/* Nothing is in flight: until the next op is due, or the end. */
static void wait_for_due(struct engine_thread *t)
{
	uint64_t until = pacer_due(&t->pacer);

	if (until > t->planned_end_ns)
		until = t->planned_end_ns;
	if (t->engine->cfg.moves && until > t->now_ns + LOOK_UP_NS)
		until = t->now_ns + LOOK_UP_NS;
	t->now_ns = pacer_wait(&t->pacer, until, &t->engine->stopped);
	if (t->engine->cfg.moves)
		look_at_bounds(t);
}

static void run_open(struct engine_thread *t)
{
	const struct backend *backend = t->engine->cfg.backend;

	t->now_ns = clock_ns();
	for (;;) {
		bool later = false;

		if (t->now_ns >= end_of(t))
			t->ended = true;
		t->n_batch = 0;
		if (!t->ended)
			later = fill_due(t);
		if (t->n_batch > 0)
			backend->submit(t->backend, t->batch, t->n_batch);
		if (t->n_free == t->n_slots) {
			if (t->ended || later)
				break;
			wait_for_due(t);
		} else if (t->n_free == 0 && !t->ended) {
			reap_full(t);
		} else {
			reap(t, next_moment(t, later));
		}
	}
	run_out(t);
}

/* Tells engine_create how it went. */
static bool init_backend(struct engine_thread *t)
{
	struct engine *e = t->engine;
	const struct backend *b = e->cfg.backend;
	struct err err = ERR_INIT;
	void *state = aligned_alloc(64, (b->thread_size + 63) / 64 * 64);
	bool ok = state != NULL;

	if (ok) {
		memset(state, 0, b->thread_size);
		ok = b->thread_init(e->cfg.job, state, t, &err) == 0;
		t->backend = state;
	} else {
		err_sys(&err, ENOMEM, "no memory");
	}
	pthread_mutex_lock(&e->lock);
	e->n_ready++;
	if (!ok && !e->init_failed) {
		e->init_failed = true;
		e->init_err = err;
	}
	pthread_cond_broadcast(&e->changed);
	pthread_mutex_unlock(&e->lock);
	return ok;
}

/* The gate is open: the first thread to come says where the measured part lies. */
static void set_bounds(struct engine *e, uint64_t at_ns)
{
	const struct engine_config *cfg = &e->cfg;
	uint64_t none = UINT64_MAX, never = 0, begin = at_ns + cfg->warmup_ns;

	if (cfg->measure_ns)
		__atomic_compare_exchange_n(&e->planned_end_ns, &none,
			begin + cfg->measure_ns, false, __ATOMIC_RELAXED,
			__ATOMIC_RELAXED);
	__atomic_compare_exchange_n(&e->measure_at_ns, &never, begin, false,
		__ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

void *engine_thread_main(void *thread)
{
	struct engine_thread *t = thread;
	struct engine *e = t->engine;
	const struct engine_config *cfg = &e->cfg;
	bool ok = init_backend(t);
	uint64_t at_ns = ok ? gate_wait(cfg->gate) : 0;

	if (at_ns) {
		set_bounds(e, at_ns);
		look_at_bounds(t);
		pacer_start(&t->pacer, at_ns);
		if (t->pacer.open)
			run_open(t);
		else
			run_closed(t);
	}
	if (ok)
		cfg->backend->thread_fini(t->backend);
	__atomic_store_n(&t->finished, 1, __ATOMIC_RELEASE);
	pthread_mutex_lock(&e->lock);
	e->n_ended++;
	pthread_cond_broadcast(&e->changed);
	pthread_mutex_unlock(&e->lock);
	return NULL;
}
