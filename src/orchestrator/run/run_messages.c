/* run_messages: what workers say, what their loss means, time and signals: what moves the stages. */
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/text.h"
#include "common/units.h"
#include "orchestrator/command.h"
#include "orchestrator/console/console.h"
#include "orchestrator/console/events.h"
#include "orchestrator/run/run_private.h"

#define QUIT_STEP_NS (2 * NS_PER_SEC)
#define QUIT_MAX_NS (60 * NS_PER_SEC)

static void on_looking(struct run *r, struct run_member *m, struct msg *msg)
{
	m->listed = msg->u.looking.objects;
	run_show_wait(r, NULL);
}

static void on_ready(struct run *r, struct run_member *m, struct msg *msg)
{
	if (r->stage != RUN_JOB)
		return;
	run_keep_ready(m, &msg->u.ready);
	if (!r->begun)
		console_line(r->ctx.console, "✅ %s ready", m->w->id);
	run_check(r);
}

static void on_error(struct run *r, struct run_member *m, struct msg *msg)
{
	const struct msg_error *e = &msg->u.error;
	struct buf text = BUF_INIT;

	if (e->refused)
		r->refused = true;
	buf_printf(&text, "%s%s%s", e->place, *e->place ? ": " : "", e->text);
	fleet_fail(m->w, WORKER_ERROR, text.data ? text.data : e->text);
	buf_finish(&text);
}

static void on_armed(struct run *r, struct run_member *m, struct msg *msg)
{
	if (r->stage != RUN_ARM || msg->u.armed.phase != r->phase)
		return;
	if (msg->u.armed.at_ns != m->at_ns)
		return; /* to a start that a later one has replaced */
	if (msg->u.armed.lead_ns <= 0) {
		run_arm_late(r, m);
		return;
	}
	m->armed = true;
	run_check(r);
}

static void on_running(struct run *r, struct run_member *m, struct msg *msg)
{
	const struct msg_running *u = &msg->u.running;
	int64_t offset;
	uint64_t bound;

	if (u->phase == PHASE_PREPARE || u->phase == PHASE_CLEANUP)
		return;
	run_set_state(r, m, WORKER_RUNNING);
	if (u->phase == r->phase) /* those of prepare are of no interest any more */
		m->objects = m->objects_total = 0;
	if (u->phase != r->phase ||
		!clock_sync_at(&m->w->clock, clock_ns(), &offset, &bound))
		return;
	m->skew_ns = (int64_t)(u->at_ns - (uint64_t)offset - r->start_ns);
	m->skew_known = true;
}

static void on_stats(struct run *r, struct run_member *m, struct msg *msg)
{
	const struct msg_stats *s = &msg->u.stats;
	struct err err = ERR_INIT;
	int64_t offset = 0;
	uint64_t bound;

	m->objects = s->done;
	m->objects_total = s->total;
	m->objects_bytes = s->done_bytes;
	if (s->error_sample)
		log_info("%s: %s", m->w->id, s->error_sample);
	clock_sync_at(&m->w->clock, clock_ns(), &offset, &bound);
	if (s->phase == PHASE_MEASURE) {
		run_keep_machine(m, s);
		m->reported_ns = s->to_ns - (uint64_t)offset;
	}
	run_autoterm_stats(r, m, s, offset);
	if (r->first_done && s->phase == PHASE_MEASURE)
		first_done_stats(r->first_done, m->w->index,
			s->from_ns - (uint64_t)offset, s->to_ns - (uint64_t)offset,
			s->ops, s->n_ops);
	rundir_stats(r->dir, m->w->index, s, offset, r->start_ns);
	/* cleanup may belong to a later generation, whose numbers begin anew */
	if (s->phase != PHASE_CLEANUP && agg_add_stats(r->agg, m->w->index, s, &err) < 0)
		fleet_fail(m->w, WORKER_LOST, err.text);
}

static void on_phase(struct run *r, struct run_member *m, struct msg *msg)
{
	const struct msg_phase *p = &msg->u.phase;
	int64_t offset = 0;
	uint64_t bound;

	if (p->text && *p->text)
		run_noted(r, m, p->phase, p->text);
	if (p->phase == PHASE_WARMUP)
		return;
	if (p->phase == PHASE_MEASURE) {
		clock_sync_at(&m->w->clock, clock_ns(), &offset, &bound);
		m->measure_end_ns = p->at_ns - (uint64_t)offset;
		m->not_reached = p->left;
		m->started = p->started;
		m->never_started = p->never_started;
		m->carried = p->carried;
		m->slots_busy = p->slots_busy;
		run_once_ended(r, m, p);
		fleet_resync(m->w);
		run_set_state(r, m, WORKER_COMPLETED);
	} else {
		m->objects = p->done;
		m->objects_bytes = p->done_bytes;
	}
	if (p->phase == PHASE_CLEANUP) {
		m->cleanup = *p;
		m->cleanup.text = NULL;
		m->cleanup_known = true;
	}
	m->done = true;
	run_check(r);
}

static void on_result(struct run *r, struct run_member *m, struct msg *msg)
{
	struct err err = ERR_INIT;

	if (agg_add_result(r->agg, m->w->index, &msg->u.result, &err) < 0)
		fleet_fail(m->w, WORKER_LOST, err.text);
}

static void on_endpoint(struct run *r, struct run_member *m, struct msg *msg)
{
	struct err err = ERR_INIT;

	if (agg_add_endpoint(r->agg, m->w->index, &msg->u.endpoint, &err) < 0)
		fleet_fail(m->w, WORKER_LOST, err.text);
}

static void on_bye(struct run *r, struct run_member *m, struct msg *msg)
{
	m->bye = true;
	if (r->measured)
		agg_bye(r->agg, m->w->index, msg->u.bye.lines);
	if (r->stage != RUN_QUIT) { /* nobody told it to */
		m->w->finished = false;
		fleet_fail(
			m->w, WORKER_LOST, msg->u.bye.reason ? msg->u.bye.reason : "bye");
		return;
	}
	run_check(r);
}

void run_message(struct fleet_worker *w, struct msg *msg, void *user)
{
	struct run *r = user;
	struct run_member *m = &r->members[w->index];
	static const struct {
		void (*handle)(struct run *r, struct run_member *m, struct msg *msg);
		size_t generation; /* where it is in the message; 0: any will do */
	} table[MSG_TYPES] = {
		[MSG_LOOKING] = {on_looking, offsetof(struct msg, u.looking.generation)},
		[MSG_READY] = {on_ready, offsetof(struct msg, u.ready.generation)},
		[MSG_ERROR] = {on_error, offsetof(struct msg, u.error.generation)},
		[MSG_ARMED] = {on_armed, offsetof(struct msg, u.armed.generation)},
		[MSG_RUNNING] = {on_running, offsetof(struct msg, u.running.generation)},
		[MSG_STATS] = {on_stats, offsetof(struct msg, u.stats.generation)},
		[MSG_PHASE] = {on_phase, offsetof(struct msg, u.phase.generation)},
		[MSG_RESULT] = {on_result, 0},
		[MSG_ENDPOINT] = {on_endpoint, 0},
		[MSG_BYE] = {on_bye, 0},
	};
	size_t at = table[msg->type].generation;

	if (!table[msg->type].handle)
		return;
	if (r->measured && msg->type != MSG_RESULT && msg->type != MSG_ENDPOINT)
		agg_results_end(r->agg, w->index);
	if (at && *(const uint32_t *)((const char *)msg + at) != r->generation)
		return; /* of a job that has been replaced */
	table[msg->type].handle(r, m, msg);
}

void run_online(struct fleet_worker *w, void *user)
{
	struct run *r = user;

	events_state(&r->ctx, r->dir, w);
	if (r->stage == RUN_CONNECT)
		run_check(r);
}

void run_finished(struct fleet_worker *w, void *user)
{
	struct run *r = user;

	r->members[w->index].bye = true;
	run_check(r);
}

/* The phase that is on, and since when. */
static enum phase phase_now(const struct run *r, uint64_t now, uint64_t *ret_since)
{
	uint64_t measure = r->load_start_ns + r->warm_ns;

	if (!r->begun)
		return PHASE_NONE;
	*ret_since = r->phase_start_ns;
	if (r->phase != PHASE_WARMUP || r->stage != RUN_LOAD || now < measure)
		return r->phase;
	*ret_since = measure;
	return PHASE_MEASURE;
}

/* A worker was lost after the first phase had begun. */
static void lose(struct run *r, struct run_member *m, uint64_t since)
{
	r->degraded = true;
	m->unnoted = true;
	m->lost_since = since;
	rundir_worker_lost(r->dir, m->w->index);
	if (r->app->o.on_host_loss == HOST_LOSS_ABORT && r->exit_code < 0) {
		r->exit_code = 4;
		r->aborted = true;
		if (r->stage == RUN_LOAD)
			run_send_stop(r, STOP_DRAIN);
		else
			run_fail(r, 4, "a host was lost and --on-host-loss is abort");
		return;
	}
	if ((r->stage == RUN_PREPARE ||
		    (r->stage == RUN_ARM && r->phase == PHASE_PREPARE)) &&
		r->plan.shared && run_count_in(r)) {
		console_line(r->ctx.console, "Its part of prepare is made by the others");
		run_new_generation(r, false);
	}
}

void run_gone(struct fleet_worker *w, void *user)
{
	struct run *r = user;
	struct run_member *m = &r->members[w->index];
	bool was_in = m->in;
	uint64_t since = 0;

	m->in = false;
	m->lost_ns = clock_ns();
	m->lost_in = phase_now(r, m->lost_ns, &since);
	run_is_gone(r, m);
	events_state(&r->ctx, r->dir, w);
	if (r->stage >= RUN_QUIT) {
		run_check(r);
		return;
	}
	if (was_in && r->begun)
		lose(r, m, since);
	run_check(r);
}

void run_stderr(struct fleet_worker *w, const char *data, size_t len, void *user)
{
	struct run *r = user;

	rundir_stderr(r->dir, w->id, data, len);
	fleet_log_stderr(w, data, len);
}

void run_progress(struct fleet_worker *w, uint64_t sent, uint64_t size, void *user)
{
	struct run *r = user;
	AUTO_FREE char *line = fleet_progress_text(w, sent, size);

	run_show_wait(r, size == 0 || sent < size ? line : NULL);
}

/* The default is for hosts that have all they need: an image takes the time that it takes, and the
 * fleet notices when it comes no further. */
static bool waits_for_image(const struct run *r)
{
	if (r->overrides.ready_wait_ns || workload_ready_timeout_ns(r->workload))
		return false;
	for (size_t i = 0; i < r->n; i++)
		if (fleet_pulling(r->members[i].w))
			return true;
	return false;
}

void run_on_wait(struct loop_timer *t, void *user)
{
	struct run *r = user;

	if (waits_for_image(r)) {
		loop_timer_set(t, clock_ns() + READY_WAIT_NS, 0);
		return;
	}
	for (size_t i = 0; i < r->n; i++)
		if (!r->members[i].w->online && !worker_gone(r->members[i].w))
			fleet_fail(r->members[i].w, WORKER_ERROR,
				"not ready in time (--expect-workers-max-wait)");
	run_check(r);
}

/* Somebody's results are still on a slow way. */
static bool results_flow(const struct run *r)
{
	uint64_t now = clock_ns();

	for (size_t i = 0; now < r->quit_ns + QUIT_MAX_NS && i < r->n; i++) {
		const struct run_member *m = &r->members[i];

		if (m->w->chan && !m->bye && m->w->said_hello && !worker_gone(m->w) &&
			now - m->w->heard_ns < QUIT_STEP_NS)
			return true;
	}
	return false;
}

void run_on_timer(struct loop_timer *t, void *user)
{
	struct run *r = user;

	if (r->stage == RUN_JOB) {
		run_tell_gone(r);
	} else if (r->stage == RUN_PAUSE) {
		run_start_load(r);
	} else if (r->stage == RUN_ARM) {
		run_arm_timeout(r);
	} else if (r->stage == RUN_LOAD) {
		for (size_t i = 0; i < r->n; i++)
			if (r->members[i].in && !r->members[i].done)
				fleet_fail(r->members[i].w, WORKER_LOST,
					"it did not end the phase in time");
	} else if (r->stage == RUN_QUIT && results_flow(r)) {
		loop_timer_set(t, clock_ns() + QUIT_STEP_NS, 0);
	} else if (r->stage == RUN_QUIT) {
		r->stage = RUN_OVER;
		loop_stop(r->ctx.loop);
	}
}

void run_signal(int signo, void *user)
{
	struct run *r = user;

	r->signals++;
	if (!r->signo)
		r->signo = signo;
	if (r->stage == RUN_LOAD && r->signals == 1) {
		console_stderr(r->ctx.console, "Stopping: no new operations, waiting for "
					       "those in flight (once more: stop at "
					       "once)");
		run_set_states(r, WORKER_DRAINING);
		run_send_stop(r, STOP_DRAIN);
		run_publish(r);
		return;
	}
	if (r->signals > 2 || r->stage >= RUN_QUIT) {
		r->stage = RUN_OVER;
		loop_stop(r->ctx.loop);
		return;
	}
	run_send_stop(r, STOP_NOW);
	if (r->stage == RUN_LOAD)
		loop_timer_set(r->timer, clock_ns() + 2 * NS_PER_SEC, 0);
	else
		run_enter_quit(r);
}
