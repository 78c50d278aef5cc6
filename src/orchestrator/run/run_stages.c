/* run_stages: how a run moves on. Every stage ends when each worker that takes part has done its part or
 * is gone; run_check is the one place that looks. */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
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

#define QUIT_NS (5 * NS_PER_SEC)

void run_remark(struct run *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(r->remarks, fmt, ap);
	va_end(ap);
	buf_putc(r->remarks, '\n');
}

const char *run_all(size_t n)
{
	return n > 1 ? "All " : "";
}

size_t run_count_in(const struct run *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		n += r->members[i].in;
	return n;
}

void run_set_state(struct run *r, struct run_member *m, enum worker_state s)
{
	if (m->w->state == s || worker_gone(m->w))
		return;
	m->w->state = s;
	events_state(&r->ctx, r->dir, m->w);
}

void run_set_states(struct run *r, enum worker_state s)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->members[i].in)
			run_set_state(r, &r->members[i], s);
}

void run_send_stop(struct run *r, enum stop_mode mode)
{
	struct msg m = {.type = MSG_STOP, .u.stop.mode = mode};

	for (size_t i = 0; i < r->n; i++)
		if (r->members[i].in)
			fleet_send(r->members[i].w, &m);
}

static struct run_phase *phase_of(struct run *r, enum phase phase)
{
	for (size_t i = r->n_phases; i-- > 0;)
		if (r->phases[i].phase == phase)
			return &r->phases[i];
	return NULL;
}

void run_phase_begins(
	struct run *r, enum phase phase, uint64_t at_ns, uint64_t planned_ns)
{
	struct run_phase *on = phase_of(r, phase);

	/* begun anew by those that are left: still the same phase */
	if ((!on || on->end_ns) && r->n_phases < ARRAY_LEN(r->phases))
		r->phases[r->n_phases++] = (struct run_phase){
			.phase = phase, .start_ns = at_ns, .planned_ns = planned_ns};
	r->phase_start_ns = at_ns;
	events_phase_begun(&r->ctx, r->dir, phase, (double)(at_ns - r->began_ns) / 1e9,
		(double)planned_ns / 1e9);
}

void run_phase_ends(struct run *r, enum phase phase)
{
	for (size_t i = r->n_phases; i-- > 0;)
		if (r->phases[i].phase == phase && !r->phases[i].end_ns) {
			r->phases[i].end_ns =
				phase == PHASE_WARMUP
					? r->phases[i].start_ns + r->phases[i].planned_ns
					: clock_ns();
			events_phase_done(&r->ctx, r->dir, phase);
			return;
		}
}

void run_enter_quit(struct run *r)
{
	bool any = false;

	if (r->stage >= RUN_QUIT)
		return;
	r->stage = RUN_QUIT;
	loop_timer_stop(r->wait);
	for (size_t i = 0; i < r->n; i++) {
		struct fleet_worker *w = r->members[i].w;

		if (worker_gone(w))
			continue;
		if (w->said_hello) {
			fleet_quit(w);
			any = true;
		}
	}
	r->quit_ns = clock_ns();
	loop_timer_set(r->timer, r->quit_ns + (any ? QUIT_NS : 0), 0);
	run_check(r);
}

void run_fail(struct run *r, int code, const char *why)
{
	if (r->exit_code < 0)
		r->exit_code = code;
	r->failed = true;
	if (!r->failure)
		r->failure = text_printf("%s", why);
	log_error("%s", why);
	run_enter_quit(r);
}

/* --- from stage to stage --- */

void run_new_generation(struct run *r, bool cleanup_only)
{
	struct err err = ERR_INIT;

	r->stage = RUN_JOB;
	if (run_send_jobs(r, cleanup_only, &err) < 0)
		run_fail(r, err_exit_code(&err), err.text);
}

void run_start_load(struct run *r)
{
	run_arm_phase(r, r->plan.warmup_ns ? PHASE_WARMUP : PHASE_MEASURE);
}

static void check_connect(struct run *r)
{
	size_t online = 0, gone = 0;

	for (size_t i = 0; i < r->n; i++) {
		gone += worker_gone(r->members[i].w);
		online += r->members[i].w->online && !worker_gone(r->members[i].w);
	}
	if (online < r->expected) {
		/* every host gets to say what is wrong with it */
		if (online + gone == r->n)
			run_fail(r, 3,
				"not enough workers can be reached, nothing was started");
		return;
	}
	loop_timer_stop(r->wait);
	for (size_t i = 0; i < r->n; i++) {
		struct run_member *m = &r->members[i];

		m->in = m->w->online && !worker_gone(m->w);
		if (!m->in && !worker_gone(m->w))
			fleet_fail(m->w, WORKER_ERROR,
				"left out: it was not ready when enough others were");
	}
	run_new_generation(r, false);
}

static void show_ready(struct run *r)
{
	const struct plan *p = &r->plan;
	AUTO_BUF struct buf prepare = BUF_INIT;
	size_t in = run_count_in(r);

	run_tell_warnings(r);
	console_line(r->ctx.console, "✅ %s%s ready - starting workload execution",
		in < r->n ? "The " : run_all(in), units_of(in, "worker").s);
	run_prepare_text(p, &prepare);
	if (prepare.len)
		console_line(r->ctx.console,
			p->jobs[0].trust ? "Taking on trust (skip_verification): %s"
					 : "Preparing %s",
			prepare.data);
}

static void check_job(struct run *r)
{
	size_t answered = 0, in = run_count_in(r);

	for (size_t i = 0; i < r->n; i++)
		answered += r->members[i].in && r->members[i].ready;
	if (answered < in)
		return;
	if (r->telling)
		loop_timer_stop(r->timer);
	run_tell_gone(r);
	if (in == 0 && r->measured) {
		run_fail(r, 1, "no worker is left to clean up");
		return;
	}
	if (r->refused && !r->measured) {
		run_fail(r, 2, "the workload was refused, nothing was measured");
		return;
	}
	if (in == 0 || (!r->begun && in < r->expected)) {
		run_fail(r, 3,
			r->begun ? "no worker is left, nothing was measured"
				 : "not enough workers are ready, nothing was started");
		return;
	}
	if (r->plan.n !=
		in) { /* one went after the plan was made: its part is in nobody's job */
		run_new_generation(r, r->measured);
		return;
	}
	if (r->measured) {
		run_arm_phase(r, PHASE_CLEANUP);
		return;
	}
	run_set_states(r, WORKER_READY);
	show_ready(r);
	if (r->plan.jobs[0].prepare)
		run_arm_phase(r, PHASE_PREPARE);
	else
		run_start_load(r);
}

static void check_arm(struct run *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->members[i].in && !r->members[i].armed && !r->members[i].done)
			return;
	if (run_count_in(r))
		run_begin_phase(r);
	else
		run_fail(r, r->measured ? 1 : 3, "no worker is left");
}

static void sum_phase(struct run *r, enum phase phase)
{
	struct run_phase *p = phase_of(r, phase);

	for (size_t i = 0; p && i < r->n; i++) {
		p->done += r->members[i].objects;
		p->bytes += r->members[i].objects_bytes;
	}
}

static bool all_done(const struct run *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->members[i].in && !r->members[i].done)
			return false;
	return true;
}

static void show_prepared(struct run *r, const struct run_phase *p)
{
	const struct units_text took =
		units_duration((p->end_ns - p->start_ns) / NS_PER_MS * NS_PER_MS);
	const uint64_t planned = r->plan.prepare_objects;
	/* a worker that was lost has not said what it found */
	const bool found = p->done < planned && run_count_in(r) == r->plan.n;
	char rest[80] = "";

	if (r->plan.jobs[0].trust)
		return;
	if (found)
		snprintf(rest, sizeof(rest), "; found %s there already",
			units_of(planned - p->done, "object").s);
	if (planned == 0)
		console_line(r->ctx.console, "Prepared directories in %s", took.s);
	else if (found && p->done == 0)
		console_line(r->ctx.console, "Prepared nothing in %s%s", took.s, rest);
	else
		console_line(r->ctx.console, "Prepared %s (%s) in %s%s",
			units_of(p->done, "object").s, units_bytes(p->bytes).s, took.s,
			rest);
}

static void check_prepare(struct run *r)
{
	struct run_phase *p;

	if (!all_done(r))
		return;
	if (run_count_in(r) == 0) {
		run_fail(r, 3, "no worker is left, nothing was measured");
		return;
	}
	run_phase_ends(r, PHASE_PREPARE);
	sum_phase(r, PHASE_PREPARE);
	loop_timer_stop(r->show);
	console_live(r->ctx.console, NULL, 0);
	p = phase_of(r, PHASE_PREPARE);
	if (!p)
		return;
	show_prepared(r, p);
	if (p->done && r->plan.post_prepare_delay_ns) {
		r->stage = RUN_PAUSE;
		loop_timer_set(r->timer, clock_ns() + r->plan.post_prepare_delay_ns, 0);
		return;
	}
	run_start_load(r);
}

static void check_pause(struct run *r)
{
	if (run_count_in(r) == 0)
		run_fail(r, 3, "no worker is left, nothing was measured");
}

static bool wants_cleanup(const struct run *r)
{
	return r->plan.n && r->plan.jobs[0].cleanup && !r->cleanup_done && r->signals < 2;
}

static void check_load(struct run *r)
{
	if (!all_done(r))
		return;
	run_on_show(r->show, r); /* the last interval belongs to the events too */
	run_phase_ends(r, PHASE_WARMUP);
	run_phase_ends(r, PHASE_MEASURE);
	run_autoterm_end(r);
	loop_timer_stop(r->show);
	loop_timer_stop(r->timer);
	console_live(r->ctx.console, NULL, 0);
	if (!wants_cleanup(r) || run_count_in(r) == 0) {
		run_enter_quit(r);
		return;
	}
	r->cleanup_done = true;
	if (r->plan.shared && r->plan.n != run_count_in(r))
		run_new_generation(r, true); /* the survivors clean up after the lost */
	else
		run_arm_phase(r, PHASE_CLEANUP);
}

static void check_cleanup(struct run *r)
{
	if (!all_done(r))
		return;
	run_phase_ends(r, PHASE_CLEANUP);
	sum_phase(r, PHASE_CLEANUP);
	loop_timer_stop(r->show);
	console_live(r->ctx.console, NULL, 0);
	run_enter_quit(r);
}

static void check_quit(struct run *r)
{
	for (size_t i = 0; i < r->n; i++) {
		struct fleet_worker *w = r->members[i].w;

		if (!worker_gone(w) && w->said_hello && !r->members[i].bye)
			return;
	}
	r->stage = RUN_OVER;
	loop_stop(r->ctx.loop);
}

void run_check(struct run *r)
{
	static void (*const checks[])(struct run *) = {
		[RUN_CONNECT] = check_connect,
		[RUN_JOB] = check_job,
		[RUN_PREPARE] = check_prepare,
		[RUN_PAUSE] = check_pause,
		[RUN_ARM] = check_arm,
		[RUN_LOAD] = check_load,
		[RUN_CLEANUP] = check_cleanup,
		[RUN_QUIT] = check_quit,
		[RUN_OVER] = NULL,
	};

	r->check_again = true;
	if (r->checking)
		return;
	r->checking = true;
	while (r->check_again) {
		r->check_again = false;
		if (checks[r->stage])
			checks[r->stage](r);
	}
	r->checking = false;
	run_show_wait(r, NULL);
	run_publish(r);
}

uint64_t run_ready_wait_ns(const struct run *r)
{
	uint64_t wait = r->overrides.ready_wait_ns;

	if (!wait)
		wait = workload_ready_timeout_ns(r->workload);
	return wait ? wait : READY_WAIT_NS;
}

void run_begin(struct run *r)
{
	const uint64_t wait = run_ready_wait_ns(r);

	r->stage = RUN_CONNECT;
	r->wait = loop_timer_add(r->ctx.loop, UINT64_MAX, 0, run_on_wait, r);
	loop_timer_stop(r->wait);
	if (wait != UINT64_MAX)
		loop_timer_set(r->wait, clock_ns() + wait, 0);
	r->timer = loop_timer_add(r->ctx.loop, UINT64_MAX, 0, run_on_timer, r);
	loop_timer_stop(r->timer);
	run_show_wait(r, NULL);
	context_start(&r->ctx, r->fleet);
}
