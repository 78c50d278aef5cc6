/* control_phase: what is said of a phase while it runs, and of its outcome. */
#include <stdlib.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/units.h"
#include "worker/control/control_impl.h"
#include "worker/load/load.h"
#include "worker/load/task.h"

/* Looking again whether the first thread has begun. */
#define MOMENT_AGAIN_NS NS_PER_MS
/* The last ops of warm-up are recorded a little after they end. */
#define WARM_SETTLE_NS (2 * NS_PER_MS)

/* The threads of a load hear of a moment before it comes: what ends meanwhile is counted on the right side of it. */
#define HEED_NS (5 * NS_PER_MS)

/* A tick this near to the end of a part, in parts of an interval, is left out: the delta that comes with
 * the end would be of no length. */
#define NEAR_PARTS 10

static bool is_load(const struct work *w)
{
	return w->phase == PHASE_WARMUP || w->phase == PHASE_MEASURE;
}

/* Also where measure begins. */
static uint64_t warm_end_ns(const struct control *c)
{
	if (c->measure_at_ns)
		return c->measure_at_ns;
	return c->at_ns + (c->work->phase == PHASE_WARMUP ? c->task->job.warmup_ns : 0);
}

/* Where the phase ends; UINT64_MAX: nobody knows yet. */
static uint64_t end_ns(const struct control *c)
{
	if (c->finishing)
		return c->work->result.at_ns;
	if (c->measure_end_ns)
		return c->measure_end_ns;
	return is_load(c->work) ? warm_end_ns(c) + c->task->job.duration_ns : UINT64_MAX;
}

static uint64_t near_ns(const struct control *c)
{
	return c->task->job.stats_interval_ns / NEAR_PARTS;
}

static bool is_near(uint64_t a, uint64_t b, uint64_t within)
{
	return (a > b ? a - b : b - a) < within;
}

void control_phase_begin(struct control *c)
{
	c->finishing = false;
	c->phase_said = false;
	c->warm_over = c->work->phase != PHASE_WARMUP;
	c->measure_at_ns = c->measure_end_ns = 0;
	c->report.mounts = &c->task->mounts;
	report_begin(&c->report, clock_ns());
}

static void say_running(struct control *c, enum phase phase, uint64_t at_ns)
{
	struct msg m = {.type = MSG_RUNNING};

	m.u.running = (struct msg_running){
		.generation = c->generation, .phase = phase, .at_ns = at_ns};
	control_say(c, &m);
}

static void say_begun(struct control *c, uint64_t first_ns)
{
	report_begin(&c->report, c->at_ns);
	say_running(c, c->work->phase, first_ns);
}

void control_moment(struct loop_timer *t, void *user)
{
	struct control *c = user;
	uint64_t first_ns = c->work ? gate_first_ns(&c->work->gate) : 0;

	if (!c->work || c->state != STATE_ARMED)
		return;
	if (!first_ns) {
		loop_timer_set(t, clock_ns() + MOMENT_AGAIN_NS, 0);
		return;
	}
	uint64_t interval = c->task->job.stats_interval_ns;

	c->state = STATE_RUNNING;
	say_begun(c, first_ns);
	loop_timer_set(c->stats, c->at_ns + interval, interval);
	if (c->work->phase == PHASE_WARMUP)
		loop_timer_set(c->warm_end, warm_end_ns(c) + WARM_SETTLE_NS, 0);
}

static void send_stats(
	struct control *c, enum part part, enum phase phase, uint64_t least_ns)
{
	struct buf line = BUF_INIT;
	struct report_stats ask = {
		.part = part,
		.phase = phase,
		.total = __atomic_load_n(&c->work->total, __ATOMIC_RELAXED),
		.through = is_load(c->work) ? work_through(c->work) : 0,
		.until_ns = end_ns(c),
		.least_ns = least_ns,
		.room = writer_has_room(c->writer),
	};

	/* a stop may have come before the moment was seen here */
	if (c->report.parts[part].from_ns < c->at_ns)
		c->report.parts[part].from_ns = c->at_ns;
	if (part == PART_WARMUP && warm_end_ns(c) < ask.until_ns)
		ask.until_ns = warm_end_ns(c);
	if (report_stats(&c->report, &ask, &line) == 0 && line.len > 0)
		control_say_raw(c, &line);
	else
		buf_finish(&line);
}

/* Of the load's two parts the one that runs has something to say each time, warm-up later only when
 * something came late. What is shorter than least_ns and empty is left out. */
static void send_all_stats(struct control *c, uint64_t least_ns)
{
	enum phase phase =
		c->work->phase == PHASE_WARMUP ? PHASE_MEASURE : c->work->phase;

	if (!gate_first_ns(&c->work->gate))
		return;
	report_gather(&c->report, c->work);
	if (phase == PHASE_CLEANUP)
		c->report.parts[PART_MEASURE].done = work_removed(c->work);
	if (!c->warm_over || report_pending(&c->report, PART_WARMUP))
		send_stats(c, PART_WARMUP, PHASE_WARMUP, least_ns);
	if (c->warm_over)
		send_stats(c, PART_MEASURE, phase, least_ns);
}

void control_stats(struct loop_timer *t, void *user)
{
	struct control *c = user;

	(void)t;
	if (!c->work || c->finishing)
		return;
	uint64_t now = clock_ns();

	if (!is_load(c->work) || (!is_near(now, warm_end_ns(c), near_ns(c)) &&
					 !is_near(now, end_ns(c), near_ns(c))))
		send_all_stats(c, near_ns(c));
}

void control_report(struct control *c, const struct msg_report *m)
{
	if (m->generation == c->generation && c->state == STATE_RUNNING && c->work &&
		is_load(c->work) && !c->finishing)
		send_all_stats(c, 0); /* that nothing happened is an answer, too */
}

/* Ends warm-up: where measure begins, when it does. */
static void say_warm_over(struct control *c, bool stopped)
{
	const struct report_part *warm = &c->report.parts[PART_WARMUP];
	uint64_t at_ns = stopped ? c->work->result.at_ns : warm_end_ns(c);
	struct msg m = {.type = MSG_PHASE};

	c->warm_over = true;
	m.u.phase = (struct msg_phase){
		.generation = c->generation,
		.phase = PHASE_WARMUP,
		.at_ns = at_ns,
		.done = warm->done,
		.errors = warm->errors,
		.done_bytes = warm->done_bytes,
		.stopped = stopped,
	};
	control_say(c, &m);
	c->report.parts[PART_MEASURE].from_ns = at_ns;
	if (!stopped)
		say_running(c, PHASE_MEASURE, at_ns);
}

void control_warm_end(struct loop_timer *t, void *user)
{
	struct control *c = user;

	(void)t;
	if (!c->work || c->finishing || c->warm_over || c->state != STATE_RUNNING)
		return;
	send_all_stats(c, near_ns(c));
	say_warm_over(c, false);
}

/* A moment that is to come at want_ns instead, if that is earlier; what has passed is at once. */
static uint64_t earlier(uint64_t is_ns, uint64_t want_ns)
{
	const uint64_t soon = clock_ns() + HEED_NS;

	if (want_ns < soon)
		want_ns = soon;
	return want_ns < is_ns ? want_ns : is_ns;
}

void control_measure(struct control *c, const struct msg_measure *m)
{
	if (m->generation != c->generation || c->state != STATE_RUNNING || !c->work ||
		!is_load(c->work) || c->finishing || !c->task->job.open_warmup)
		return;
	if (m->at_ns && !c->warm_over) {
		c->measure_at_ns = earlier(warm_end_ns(c), m->at_ns);
		loop_timer_set(c->warm_end, c->measure_at_ns + WARM_SETTLE_NS, 0);
	}
	if (m->end_ns)
		c->measure_end_ns = earlier(end_ns(c), m->end_ns);
	work_measure(c->work, c->measure_at_ns, c->measure_end_ns);
}

/* ---- the outcome ---- */

static void say_phase(struct control *c)
{
	struct msg m = {.type = MSG_PHASE};

	m.u.phase = c->work->result;
	m.u.phase.generation = c->generation;
	control_say(c, &m);
	c->phase_said = true;
}

/* As many result lines as there is room for. True when there are no more. */
static bool write_results(struct control *c)
{
	while (writer_has_room(c->writer)) {
		struct buf line = BUF_INIT;
		int rc = results_next(&c->results, &line);

		if (rc > 0) {
			control_say_raw(c, &line);
			c->lines++;
			continue;
		}
		buf_finish(&line);
		return true;
	}
	return false;
}

bool control_phase_end(struct control *c)
{
	struct work *w = c->work;

	if (!c->finishing) {
		c->finishing = true;
		loop_timer_stop(c->stats);
		loop_timer_stop(c->moment);
		loop_timer_stop(c->warm_end);
		if (c->state == STATE_ARMED && gate_first_ns(&w->gate))
			say_begun(c, gate_first_ns(&w->gate));
		c->state = STATE_DRAINING;
		c->results = (struct results){
			.engine = w->engine,
			.generation = c->generation,
			.kinds = load_kinds(c->task),
			.endpoints = &c->task->job.endpoints,
		};
	}
	if (w->failed) {
		control_error(
			c, w->err.kind == ERR_INPUT, w->result.phase, NULL, w->err.text);
		return true;
	}
	if (!c->phase_said) {
		if (!writer_has_room(c->writer))
			return false;
		send_all_stats(c, near_ns(c));
		if (!c->warm_over) {
			say_warm_over(c, w->result.at_ns < warm_end_ns(c));
			send_all_stats(c, near_ns(c));
		}
		say_phase(c);
	}
	return !is_load(w) || write_results(c);
}
