/* run_arm: the common start of a phase. All workers that take part get one moment, each in its own clock;
 * one that hears of it too late means a new moment for all. */
#include <limits.h>
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

#define ARM_LEAD_NS (200 * NS_PER_MS)
#define ARM_TRIES 7
#define ARM_TELL 5 /* tries after which people hear what is waited for: 4 s */
#define SHOW_LAG_NS (100 * NS_PER_MS) /* a second's reports are there by then */

static uint64_t lead(const struct run *r, unsigned tries)
{
	uint64_t rtt = 0;

	for (size_t i = 0; i < r->n; i++)
		if (r->members[i].in && r->members[i].w->clock.rtt_ns > rtt)
			rtt = r->members[i].w->clock.rtt_ns;
	return (ARM_LEAD_NS + 4 * rtt) << tries;
}

static void send_start(struct run *r, struct run_member *m, uint64_t start_ns)
{
	struct msg msg = {.type = MSG_START,
		.u.start = {.generation = r->generation, .phase = r->phase}};
	int64_t offset;
	uint64_t bound;

	if (!clock_sync_at(&m->w->clock, clock_ns(), &offset, &bound))
		offset = 0;
	m->armed = false;
	msg.u.start.at_ns = m->at_ns = start_ns + (uint64_t)offset;
	fleet_send(m->w, &msg);
}

static bool is_load(enum phase phase)
{
	return phase == PHASE_WARMUP || phase == PHASE_MEASURE;
}

static void arm(struct run *r)
{
	uint64_t now = clock_ns(), ahead = lead(r, r->arm_tries);

	r->stage = RUN_ARM;
	r->start_ns = now + ahead + (is_load(r->phase) ? r->plan.start_delay_ns : 0);
	/* who has not answered by then gets a later moment, together with all others, while none
	 * has begun; work, other than load, may begin whenever each is ready */
	if (is_load(r->phase))
		loop_timer_set(r->timer, r->start_ns - ahead / 3, 0);
	for (size_t i = 0; i < r->n; i++)
		if (r->members[i].in)
			send_start(r, &r->members[i], r->start_ns);
	run_check(r);
}

void run_arm_phase(struct run *r, enum phase phase)
{
	r->phase = phase;
	r->arm_tries = 0;
	r->arm_began_ns = clock_ns();
	for (size_t i = 0; i < r->n; i++) {
		r->members[i].done = false;
		r->members[i].late = 0;
	}
	arm(r);
}

static void give_up(const struct run *r, struct run_member *m)
{
	AUTO_FREE char *why = text_printf(
		"it was not ready for the common start within %s: its connections to the "
		"store, or its answers, take too long (an overloaded host, or a slow "
		"way)",
		units_duration((clock_ns() - r->arm_began_ns) / NS_PER_SEC * NS_PER_SEC)
			.s);

	fleet_fail(m->w, WORKER_ERROR, why ? why : "it was not ready in time");
}

/* Threads are made and connections opened behind a start, and a thousand of these take their time: who is alive
 * (fleet looks after that) may take as long as hosts may to be ready. */
static bool is_patient(const struct run *r)
{
	return clock_ns() - r->arm_began_ns < run_ready_wait_ns(r);
}

static void tell_waiting(const struct run *r)
{
	for (size_t i = 0; i < r->n; i++) {
		AUTO_FREE char *line = NULL;

		if (!r->members[i].in || r->members[i].armed)
			continue;
		line = text_printf("%s is still making ready for the common start "
				   "(threads, and connections to the store)",
			r->members[i].w->id);
		if (line)
			console_stderr(r->ctx.console, line);
	}
}

void run_arm_late(struct run *r, struct run_member *late)
{
	if (is_load(r->phase))
		run_arm_timeout(r);
	else if (++late->late < ARM_TRIES)
		send_start(r, late, clock_ns() + lead(r, late->late));
	else
		give_up(r, late);
}

void run_arm_timeout(struct run *r)
{
	if (r->arm_tries + 1 < ARM_TRIES || is_patient(r)) {
		r->arm_tries += r->arm_tries + 1 < ARM_TRIES;
		if (r->arm_tries == ARM_TELL)
			tell_waiting(r);
		arm(r);
		return;
	}
	for (size_t i = 0; i < r->n; i++)
		if (r->members[i].in && !r->members[i].armed)
			give_up(r, &r->members[i]);
}

void run_begin_phase(struct run *r)
{
	static const enum run_stage stages[PHASES] = {[PHASE_PREPARE] = RUN_PREPARE,
		[PHASE_WARMUP] = RUN_LOAD,
		[PHASE_MEASURE] = RUN_LOAD,
		[PHASE_CLEANUP] = RUN_CLEANUP};
	const struct plan *p = &r->plan;
	const struct live_op *rows;

	r->stage = stages[r->phase];
	r->begun = true;
	if (r->stage == RUN_LOAD) {
		r->measured = true;
		r->load_start_ns = r->start_ns;
		r->stale_interval = agg_live(r->agg, &rows) ? rows[0].interval : UINT_MAX;
		r->warm_ns = p->warmup_ns;
		r->length_ns = p->duration_ns;
		if (p->warmup_ns)
			run_phase_begins(r, PHASE_WARMUP, r->start_ns, p->warmup_ns);
		if (p->autoterm <= 0)
			run_phase_begins(r, PHASE_MEASURE, r->start_ns + p->warmup_ns,
				p->duration_ns);
		run_autoterm_begin(r);
		run_once_begin(r);
		r->phase_start_ns = r->start_ns;
		run_set_states(r, WORKER_ARMED);
		run_set_load_timer(r);
	} else {
		run_phase_begins(r, r->phase, r->start_ns, 0);
		if (r->stage == RUN_PREPARE)
			run_set_states(r, WORKER_PREPARING);
	}
	r->last_plain_ns = r->start_ns;
	loop_timer_set(r->show, r->start_ns + NS_PER_SEC + SHOW_LAG_NS, NS_PER_SEC);
	away_hand_over(&r->away);
	run_check(r);
}
