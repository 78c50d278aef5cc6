/* control_job: jobs come, are checked and replaced; phases are started and stopped.
 *
 * At most one piece of work goes on. What is to be replaced is cancelled first, and what comes next
 * waits until it has ended; when it hangs, it is left behind. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/units.h"
#include "worker/control/control_impl.h"
#include "worker/host/environment.h"
#include "worker/load/task.h"
#include "worker/objects/data.h"

/* How long a cancelled work may take before it is left behind. */
#define PATIENCE_NS (5 * NS_PER_SEC)
/* The same on the way out. */
#define LEAVE_NS (200 * NS_PER_MS)
/* How often is said how far a check has come. */
#define LOOKING_NS NS_PER_SEC

static void on_deadline(struct loop_timer *t, void *user)
{
	(void)t;
	control_end(user, "deadline", 1);
}

static void stop_timers(struct control *c)
{
	loop_timer_stop(c->stats);
	loop_timer_stop(c->moment);
	loop_timer_stop(c->warm_end);
	loop_timer_stop(c->looking);
}

/* ---- work that is over ---- */

static void drop_task(struct control *c, struct task *task)
{
	if (task && !(task == c->task && c->task_pinned))
		task_destroy(task);
}

/* Releases a work; what hangs keeps its task. */
static void release(struct control *c, struct work *w)
{
	if (!w)
		return;
	struct task *checked = w->phase == PHASE_NONE ? w->task : NULL;

	if (!work_destroy(w)) {
		c->task_pinned = true;
		c->left_behind = true;
	}
	drop_task(c, checked);
}

/* The work at hand is given up; what comes next waits for its end. */
static void cancel_work(struct control *c)
{
	stop_timers(c);
	c->finishing = false;
	if (!c->work)
		return;
	if (work_state(c->work) == WORK_DONE) {
		release(c, c->work);
		c->work = NULL;
		return;
	}
	work_stop(c->work, true);
	c->cancelled = c->work;
	c->work = NULL;
	loop_timer_set(c->patience, clock_ns() + PATIENCE_NS, 0);
}

/* ---- jobs ---- */

static void check_next_job(struct control *c)
{
	struct err err = ERR_INIT;

	c->has_next_job = false;
	if (environment_set(&c->next_job, &err) == 0 &&
		(c->data.size || data_init(&c->data, &err) == 0))
		c->work = work_check(&c->next_job, &c->data, c->task, c->wake_fd, &err);
	if (c->work) {
		loop_timer_set(c->looking, clock_ns() + LOOKING_NS, LOOKING_NS);
		return;
	}
	job_finish(&c->next_job);
	control_error(c, false, PHASE_NONE, NULL, err.text);
	c->state = STATE_IDLE;
}

void control_job(struct control *c, struct job *job)
{
	if (job->generation <= c->generation)
		return;
	c->generation = job->generation;
	if (c->has_next_job)
		job_finish(&c->next_job);
	c->next_job = *job;
	*job = (struct job){0};
	c->has_next_job = true;
	c->has_next_start = false;
	report_finish(&c->report);
	report_init(&c->report, c->generation);
	if (c->next_job.deadline_ns)
		loop_timer_set(c->deadline, clock_ns() + c->next_job.deadline_ns, 0);
	else
		loop_timer_stop(c->deadline);
	cancel_work(c);
	c->state = STATE_PREPARING_JOB;
	if (!c->cancelled)
		check_next_job(c);
}

/* False: it cannot be said, and an error was. */
static bool say_ready(struct control *c)
{
	struct msg m = {.type = MSG_READY};
	char text[160];
	bool said;

	said = task_ready(c->task, &m.u.ready) == 0;
	m.u.ready.generation = c->generation;
	said = said && control_say(c, &m) == 0;
	free(m.u.ready.sets);
	if (said)
		return true;
	snprintf(text, sizeof(text),
		"what is to be said of %zu sets and %zu warnings does not fit into one "
		"line: use fewer ensure_objects",
		c->task->job.n_sets, c->task->n_warnings);
	control_error(c, true, PHASE_NONE, NULL, text);
	return false;
}

/* A check that lists a large bucket takes minutes: people want to see that it goes on. */
static void on_looking(struct loop_timer *t, void *user)
{
	struct control *c = user;
	struct msg m = {.type = MSG_LOOKING};

	(void)t;
	if (!c->work || c->work->phase != PHASE_NONE || !writer_has_room(c->writer))
		return;
	m.u.looking = (struct msg_looking){
		.generation = c->generation,
		.objects = __atomic_load_n(&c->work->listed, __ATOMIC_RELAXED),
	};
	if (m.u.looking.objects > 0)
		control_say(c, &m);
}

static void job_checked(struct control *c)
{
	struct work *w = c->work;

	c->work = NULL;
	loop_timer_stop(c->looking);
	if (w->failed) {
		control_error(
			c, w->err.kind == ERR_INPUT, PHASE_NONE, w->place, w->err.text);
		c->state = STATE_IDLE;
	} else {
		drop_task(c, c->task);
		c->task_pinned = false;
		c->task = w->task;
		w->task = NULL;
		c->state = say_ready(c) ? STATE_READY : STATE_IDLE;
	}
	release(c, w);
}

/* ---- phases ---- */

static bool job_has(const struct job *j, enum phase phase)
{
	switch (phase) {
	case PHASE_PREPARE:
		return j->prepare;
	case PHASE_WARMUP:
		return j->load && j->warmup_ns > 0;
	case PHASE_MEASURE:
		return j->load;
	case PHASE_CLEANUP:
		return j->cleanup;
	default:
		return false;
	}
}

/* Tells what is left until the moment, and holds to it when there is any. */
static void answer_armed(struct control *c)
{
	struct msg m = {.type = MSG_ARMED};
	int64_t lead = (int64_t)(c->at_ns - clock_ns());

	c->at_answered = true;

	m.u.armed = (struct msg_armed){.generation = c->generation,
		.phase = c->work->phase,
		.at_ns = c->at_ns,
		.lead_ns = lead};
	if (lead > 0 && work_go(c->work, c->at_ns)) {
		c->state = STATE_ARMED;
		loop_timer_set(c->moment, c->at_ns, 0);
	} else {
		c->state = STATE_READY;
	}
	control_say(c, &m);
}

static void start_phase(struct control *c, const struct msg_start *start)
{
	struct err err = ERR_INIT;

	c->has_next_start = false;
	c->stop_asked = false;
	c->at_answered = false;
	c->at_ns = start->at_ns;
	c->work = work_phase(c->task, start->phase, c->wake_fd, &err);
	if (c->work) {
		c->state = STATE_ARMED;
		control_phase_begin(c);
		return;
	}
	control_error(c, false, start->phase, NULL, err.text);
	c->state = STATE_IDLE;
}

void control_start(struct control *c, const struct msg_start *start)
{
	if (start->generation != c->generation ||
		(c->state != STATE_READY && c->state != STATE_ARMED))
		return;
	if (!job_has(&c->task->job, start->phase)) {
		control_error(c, false, start->phase, NULL, "the job has no such phase");
		cancel_work(c);
		c->state = STATE_IDLE;
		return;
	}
	/* one that was too late, or is armed: the new moment counts */
	if (c->work && c->work->phase == start->phase && !c->stop_asked) {
		c->at_ns = start->at_ns;
		if (work_state(c->work) == WORK_ARMED)
			answer_armed(c);
		return;
	}
	cancel_work(c);
	if (!c->cancelled) {
		start_phase(c, start);
		return;
	}
	c->next_start = *start;
	c->has_next_start = true;
	c->state = STATE_ARMED;
}

void control_stop(struct control *c, enum stop_mode mode)
{
	bool runs = c->state == STATE_ARMED || c->state == STATE_RUNNING;

	/* one that waits for another to end has not begun, and never will */
	if (runs && c->has_next_start) {
		struct msg m = {.type = MSG_PHASE};

		m.u.phase = (struct msg_phase){
			.generation = c->generation,
			.phase = c->next_start.phase,
			.at_ns = clock_ns(),
			.stopped = true,
		};
		c->has_next_start = false;
		c->state = STATE_READY;
		control_say(c, &m);
		return;
	}
	/* one that was too late is still waiting at its gate */
	if (!c->work || (!runs && c->state != STATE_DRAINING) || c->finishing)
		return;
	if (c->state == STATE_DRAINING && mode == STOP_DRAIN)
		return;
	c->stop_asked = true;
	work_stop(c->work, mode == STOP_NOW);
	loop_timer_stop(c->moment);
	c->state = STATE_DRAINING;
}

/* ---- events ---- */

static void begin_next(struct control *c)
{
	if (c->has_next_job)
		check_next_job(c);
	else if (c->has_next_start)
		start_phase(c, &c->next_start);
}

static void cancelled_ended(struct control *c)
{
	loop_timer_stop(c->patience);
	release(c, c->cancelled);
	c->cancelled = NULL;
	begin_next(c);
}

/* The cancelled work hangs: its memory is lost, and nothing else. */
static void on_patience(struct loop_timer *t, void *user)
{
	struct control *c = user;

	(void)t;
	if (!c->cancelled)
		return;
	c->left_behind = true;
	c->task_pinned = true;
	c->cancelled = NULL;
	begin_next(c);
}

static void phase_over(struct control *c)
{
	struct work *w = c->work;

	if (!control_phase_end(c))
		return;
	c->work = NULL;
	c->state = w->failed ? STATE_IDLE : STATE_READY;
	release(c, w);
}

void control_work_changed(struct control *c)
{
	if (c->cancelled && work_state(c->cancelled) == WORK_DONE)
		cancelled_ended(c);
	if (!c->work)
		return;
	switch (work_state(c->work)) {
	case WORK_SETUP:
		break;
	case WORK_ARMED:
		if (c->state == STATE_ARMED && !c->at_answered)
			answer_armed(c);
		break;
	case WORK_DONE:
		if (c->work->phase == PHASE_NONE)
			job_checked(c);
		else
			phase_over(c);
		break;
	}
}

void control_job_timers(struct control *c)
{
	c->deadline = loop_timer_add(c->loop, UINT64_MAX, 0, on_deadline, c);
	c->patience = loop_timer_add(c->loop, UINT64_MAX, 0, on_patience, c);
	c->stats = loop_timer_add(c->loop, UINT64_MAX, 0, control_stats, c);
	c->moment = loop_timer_add(c->loop, UINT64_MAX, 0, control_moment, c);
	c->warm_end = loop_timer_add(c->loop, UINT64_MAX, 0, control_warm_end, c);
	c->looking = loop_timer_add(c->loop, UINT64_MAX, 0, on_looking, c);
	loop_timer_stop(c->deadline);
	loop_timer_stop(c->patience);
	stop_timers(c);
}

bool control_all_ended(struct control *c)
{
	const uint64_t until = clock_ns() + LEAVE_NS;

	/* nothing but a leak checker would miss what is freed from here on, so do not wait for long */
	if (c->work)
		work_stop(c->work, true);
	while (clock_ns() < until &&
		((c->work && work_state(c->work) != WORK_DONE) ||
			(c->cancelled && work_state(c->cancelled) != WORK_DONE)))
		clock_sleep_until(clock_ns() + NS_PER_MS);
	return !c->left_behind &&
	       (!c->work || (work_state(c->work) == WORK_DONE && !c->work->stuck)) &&
	       (!c->cancelled ||
		       (work_state(c->cancelled) == WORK_DONE && !c->cancelled->stuck));
}

void control_job_finish(struct control *c)
{
	release(c, c->work);
	release(c, c->cancelled);
	if (c->has_next_job)
		job_finish(&c->next_job);
	drop_task(c, c->task);
	report_finish(&c->report);
}
