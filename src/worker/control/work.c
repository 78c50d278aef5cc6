/* work: what takes time, off the control thread: a job being checked, or one phase of it. */
#include "worker/control/work.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "common/clock.h"
#include "common/text.h"
#include "common/units.h"
#include "worker/load/load.h"
#include "worker/load/task.h"

static void set_state(struct work *w, enum work_state state)
{
	__atomic_store_n(&w->state, state, __ATOMIC_RELEASE);
	eventfd_write(w->wake_fd, 1);
}

enum work_state work_state(const struct work *w)
{
	return (enum work_state)__atomic_load_n(&w->state, __ATOMIC_ACQUIRE);
}

static bool cancelled(const struct work *w)
{
	return __atomic_load_n(&w->cancel, __ATOMIC_RELAXED);
}

/* Makes the engine known to work_stop and work_delta; a stop that came before counts. */
static void publish(struct work *w, struct engine *e)
{
	pthread_mutex_lock(&w->lock);
	w->engine = e;
	if (cancelled(w))
		engine_stop(e, w->stop_now);
	pthread_mutex_unlock(&w->lock);
}

static struct engine_config engine_config(struct work *w)
{
	const struct task *t = w->task;

	return (struct engine_config){
		.backend = t->backend,
		.job = t->job_state,
		.threads = t->threads,
		.slots = t->slots,
		.endpoints = &t->job.endpoints,
		.gate = &w->gate,
		.op_timeout_ns = t->job.op_timeout_ns,
	};
}

/* Until the engine's threads have ended, or one of them is stuck. */
static void wait_for(struct work *w, struct engine *e)
{
	const struct task *t = w->task;

	engine_wait(e);
	w->stuck = !engine_all_ended(e);
	w->result.at_ns = engine_end_ns(e);
	if (!w->stuck && t->backend->settle)
		t->backend->settle(t->job_state);
}

/* Runs an engine whose gate is open already, to its end. */
static int run_engine(struct work *w, const struct engine_config *cfg)
{
	struct engine *e = engine_create(cfg, &w->err);

	if (!e)
		return -1;
	publish(w, e);
	wait_for(w, e);
	return 0;
}

static void add_totals(struct work *w, enum op_kind kind, struct engine_totals *ret)
{
	engine_totals(w->engine, kind, ret);
	w->result.done += ret->count;
	w->result.done_bytes += ret->bytes;
	for (unsigned x = 0; x < OP_ERRORS; x++)
		w->result.errors += ret->errors[x];
}

/* ---- the phases ---- */

static int do_prepare(struct work *w)
{
	struct prepare *p = &w->prepare;
	struct engine_config cfg = engine_config(w);
	struct engine_totals totals;

	if (prepare_init(p, w->task, &w->err) < 0)
		return -1;
	__atomic_store_n(&w->total, prepare_total(w->task), __ATOMIC_RELAXED);
	set_state(w, WORK_ARMED);
	if (gate_wait(&w->gate) == 0)
		return 0;
	if (prepare_owners(p, &w->err) < 0)
		return -1;
	cfg.source = &prepare_source;
	cfg.source_user = p;
	cfg.kinds = prepare_kinds(w->task);
	if (run_engine(w, &cfg) < 0)
		return -1;
	add_totals(w, OP_PUT, &totals);
	w->result.errors = p->failed;
	return cancelled(w) ? 0 : prepare_result(p, &w->err);
}

/* A list may look where the first put has still to come: what is to hold that is made before the clock
 * starts, and goes away with the rest. */
static int make_listed(const struct task *t, struct err *err)
{
	for (size_t i = 0; i < t->job.n_ops; i++) {
		const struct job_op *op = &t->job.ops[i];

		if (op->kind == OP_LIST && holders_has(&t->holders, op->uri) &&
			storage_holder_make(&t->store, op->uri, err) < 0)
			return -1;
	}
	return 0;
}

static void add_rate(struct work *w)
{
	struct engine_rate rate;

	engine_rate(w->engine, &rate);
	w->result.started = rate.started;
	w->result.never_started = rate.never_started;
	w->result.carried = rate.carried;
	w->result.slots_busy = rate.slots_busy;
}

/* What a load that works through its objects has left, or why it measured nothing. */
static void judge_once(struct work *w)
{
	const struct once *once = &w->task->once;
	const uint64_t begun_ns = gate_first_ns(&w->gate);
	const bool measured = w->result.done > 0 || w->result.errors > 0;

	w->result.left = once->total - once_done(once);
	/* nothing came to its end in measure, so it is as short as can be */
	if (begun_ns && w->result.left == 0 && !measured)
		w->result.at_ns = begun_ns +
				  (w->phase == PHASE_WARMUP ? w->task->job.warmup_ns : 0);
	if (w->result.left > 0)
		w->result.text = text_printf("%s of %s were left when the load ended",
			units_count(w->result.left).s, units_of(once->total, "object").s);
	else if (once->total > 0 && !measured)
		w->result.text = text_printf("all %s objects were worked through before "
					     "the warm-up was over",
			units_count(once->total).s);
}

static int do_load(struct work *w)
{
	const struct task *t = w->task;
	const struct pacing pacing = {
		.rate = t->job.rate,
		.index = t->job.index,
		.count = t->job.count,
		.seed = t->job.seed,
	};
	struct engine_config cfg = engine_config(w);
	struct engine *e;

	cfg.pacing = &pacing;
	cfg.source = &load_source;
	cfg.source_user = w->task;
	cfg.more_bytes = load_more_bytes(t);
	cfg.kinds = load_kinds(t);
	cfg.warmup_ns = w->phase == PHASE_WARMUP ? t->job.warmup_ns : 0;
	cfg.measure_ns = t->job.duration_ns;
	cfg.moves = t->job.open_warmup;
	cfg.samples_path = t->samples_path;
	if (make_listed(t, &w->err) < 0)
		return -1;
	e = engine_create(&cfg, &w->err);
	if (!e)
		return -1;
	__atomic_store_n(&w->total, t->once.total, __ATOMIC_RELAXED);
	publish(w, e);
	set_state(w, WORK_ARMED);
	wait_for(w, e);
	for (unsigned k = 0; k < OP_KINDS; k++) {
		struct engine_totals totals;

		add_totals(w, (enum op_kind)k, &totals);
	}
	add_rate(w);
	if (t->job.once)
		judge_once(w);
	else if (engine_ran_out(e))
		w->result.text = text_printf(
			"nothing was left to do before the time was over: what was to be "
			"removed is used up");
	if (!w->result.text && !w->stuck)
		w->result.text = missed_text(t, e);
	return 0;
}

/* What the deletes' outcome means in each mode. */
static void judge_cleanup(struct work *w, const struct cleanup *c)
{
	const bool strict = w->task->job.cleanup_mode == CLEANUP_STRICT;

	w->result.left = c->n - c->removed - c->gone - c->kept;
	w->result.foreign = c->foreign + c->kept;
	w->result.done = c->removed;
	w->result.errors = c->failed;
	if (strict)
		w->result.errors += c->missing + c->gone;
	else
		w->result.done += c->gone;
	if (w->task->job.cleanup_mode == CLEANUP_BEST_EFFORT)
		return;
	if (c->first_error[0])
		w->result.text = strdup(c->first_error);
	else if (strict && c->missing)
		w->result.text = text_printf("prepared, and missing now: %s",
			units_of(c->missing, "object").s);
	else if (strict && c->gone)
		w->result.text = text_printf("gone before muster could remove them: %s",
			units_of(c->gone, "object").s);
}

static int do_cleanup(struct work *w)
{
	struct cleanup *c = &w->cleanup;
	struct engine_config cfg = engine_config(w);

	set_state(w, WORK_ARMED);
	if (gate_wait(&w->gate) == 0)
		return 0;
	if (cleanup_plan(c, w->task, &w->cancel, &w->err) < 0)
		return -1;
	__atomic_store_n(&w->total, c->n, __ATOMIC_RELEASE);
	cfg.source = &cleanup_source;
	cfg.source_user = c;
	cfg.more_bytes = c->more_bytes;
	cfg.kinds = cleanup_kinds(c);
	if (run_engine(w, &cfg) < 0)
		return -1;
	judge_cleanup(w, c);
	if (cancelled(w) || w->stuck)
		return 0;
	return cleanup_owners(c, w->result.left, &w->err);
}

static void *work_main(void *arg)
{
	struct work *w = arg;
	int rc = 0;

	w->result.phase = w->phase == PHASE_WARMUP ? PHASE_MEASURE : w->phase;
	switch (w->phase) {
	case PHASE_PREPARE:
		rc = do_prepare(w);
		break;
	case PHASE_WARMUP:
	case PHASE_MEASURE:
		rc = do_load(w);
		break;
	case PHASE_CLEANUP:
		rc = do_cleanup(w);
		break;
	default:
		w->task = task_create(&w->job, w->data, w->earlier, &w->cancel,
			&w->listed, &w->place, &w->err);
		rc = w->task ? 0 : -1;
		break;
	}
	w->failed = rc < 0;
	w->result.stopped = cancelled(w);
	if (!w->result.at_ns)
		w->result.at_ns = clock_ns();
	set_state(w, WORK_DONE);
	return NULL;
}

/* ---- from the control thread ---- */

static struct work *start(struct work *w, int wake_fd, struct err *err)
{
	int rc;

	w->wake_fd = wake_fd;
	gate_init(&w->gate);
	pthread_mutex_init(&w->lock, NULL);
	rc = pthread_create(&w->id, NULL, work_main, w);
	if (rc == 0)
		return w;
	err_sys(err, rc, "cannot start a thread");
	gate_finish(&w->gate);
	pthread_mutex_destroy(&w->lock);
	job_finish(&w->job);
	free(w);
	return NULL;
}

struct work *work_check(struct job *job, const struct data *data,
	const struct task *earlier, int wake_fd, struct err *err)
{
	struct work *w = calloc(1, sizeof(*w));

	if (!w) {
		err_sys(err, ENOMEM, "no memory");
		return NULL;
	}
	w->job = *job;
	*job = (struct job){0};
	w->data = data;
	w->earlier = earlier;
	return start(w, wake_fd, err);
}

struct work *work_phase(struct task *task, enum phase phase, int wake_fd, struct err *err)
{
	struct work *w = calloc(1, sizeof(*w));

	if (!w) {
		err_sys(err, ENOMEM, "no memory");
		return NULL;
	}
	w->task = task;
	w->phase = phase;
	return start(w, wake_fd, err);
}

bool work_go(struct work *w, uint64_t at_ns)
{
	return gate_open(&w->gate, at_ns);
}

void work_stop(struct work *w, bool now)
{
	pthread_mutex_lock(&w->lock);
	w->stop_now |= now;
	__atomic_store_n(&w->cancel, 1, __ATOMIC_RELAXED);
	if (w->engine)
		engine_stop(w->engine, w->stop_now);
	pthread_mutex_unlock(&w->lock);
	gate_cancel(&w->gate);
}

void work_measure(struct work *w, uint64_t at_ns, uint64_t end_ns)
{
	pthread_mutex_lock(&w->lock);
	if (w->engine)
		engine_measure(w->engine, at_ns, end_ns);
	pthread_mutex_unlock(&w->lock);
}

int work_delta(struct work *w, enum part part, struct op_delta deltas[OP_KINDS],
	uint64_t *late_max_ns, char *sample)
{
	pthread_mutex_lock(&w->lock);
	struct engine *e = w->engine;

	pthread_mutex_unlock(&w->lock);
	return e ? engine_delta(e, part, deltas, late_max_ns, sample) : 0;
}

uint64_t work_removed(const struct work *w)
{
	bool planned = __atomic_load_n(&w->total, __ATOMIC_ACQUIRE) > 0;

	return w->phase == PHASE_CLEANUP && planned ? cleanup_done(&w->cleanup) : 0;
}

uint64_t work_through(const struct work *w)
{
	return w->task ? once_done(&w->task->once) : 0;
}

bool work_destroy(struct work *w)
{
	if (!w)
		return true;
	/* its own thread is at its end; those of the engine may not be */
	pthread_join(w->id, NULL);
	if (w->stuck)
		return false;
	engine_destroy(w->engine);
	if (w->phase == PHASE_PREPARE)
		prepare_finish(&w->prepare);
	cleanup_finish(&w->cleanup);
	gate_finish(&w->gate);
	pthread_mutex_destroy(&w->lock);
	job_finish(&w->job);
	free(w->place);
	free(w->result.text);
	free(w);
	return true;
}
