/* run_autoterm: --autoterm. Warm-up lasts until the load is steady, the measured part until its result no longer
 * moves; steady.h has the rule. The workers begin and end the measured part at one moment. */
#include <math.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/units.h"
#include "orchestrator/command.h"
#include "orchestrator/console/events.h"
#include "orchestrator/run/run_private.h"
#include "orchestrator/run/steady.h"

/* The shortest window, and the shortest measured part. */
#define WINDOW_S 10.0
/* Of warm-up so far the window is one of so many: what is noisy needs a long one. */
#define WINDOW_PARTS 3
/* Intervals that a window has at least. */
#define INTERVALS_MIN 4
/* So often in a row the load must be steady: what swings is so for a moment, too. */
#define STREAK 3
/* Until a message is at its worker, and its threads have looked up. */
#define LEAD_NS (500 * NS_PER_MS)
#define OP_TIMEOUT_NS (30 * NS_PER_SEC)
/* Beyond that, until a phase must have ended. */
#define GRACE_NS (10 * NS_PER_SEC)

enum { WARMING, MEASURING, ENDING };

static double seconds(uint64_t ns)
{
	return (double)ns / 1e9;
}

static uint64_t measure_at_ns(const struct run *r)
{
	return r->load_start_ns + r->warm_ns;
}

void run_set_load_timer(struct run *r)
{
	loop_timer_set(
		r->timer, measure_at_ns(r) + r->length_ns + OP_TIMEOUT_NS + GRACE_NS, 0);
}

void run_autoterm_begin(struct run *r)
{
	if (r->plan.autoterm <= 0)
		return;
	r->steady = steady_create(r->n);
	r->steady_for = WARMING;
	r->streak = 0;
	for (size_t i = 0; r->steady && i < r->n; i++)
		if (!r->members[i].in)
			steady_forget(r->steady, i);
}

void run_autoterm_stats(struct run *r, const struct run_member *m,
	const struct msg_stats *s, int64_t offset)
{
	double operations = 0, from, to;

	if (!r->steady || (s->phase != PHASE_WARMUP && s->phase != PHASE_MEASURE))
		return;
	from = ((double)s->from_ns - (double)offset - (double)r->load_start_ns) / 1e9;
	to = ((double)s->to_ns - (double)offset - (double)r->load_start_ns) / 1e9;
	for (size_t i = 0; i < s->n_ops; i++)
		operations += (double)s->ops[i].count;
	steady_add(r->steady, m->w->index, from, to, operations);
}

/* The interval that is the newest: all operations of all workers together. */
static void take_p99(struct run *r, double at_s)
{
	const struct live_op *rows;
	size_t n = agg_live(r->agg, &rows);
	struct hist all;

	if (n == 0 || rows[0].interval == r->stale_interval ||
		rows[0].interval == r->judged_interval)
		return;
	r->judged_interval = rows[0].interval;
	hist_init(&all, 2);
	for (size_t i = 0; i < n; i++)
		hist_add(&all, &rows[i].response);
	if (all.total)
		steady_add_p99(r->steady, at_s, (double)hist_percentile(&all, 99) / 1e3);
	hist_finish(&all);
}

static uint64_t lead_ns(const struct run *r)
{
	uint64_t rtt = 0;

	for (size_t i = 0; i < r->n; i++)
		if (r->members[i].in && r->members[i].w->clock.rtt_ns > rtt)
			rtt = r->members[i].w->clock.rtt_ns;
	return LEAD_NS + 4 * rtt;
}

/* The moments in each worker's clock; 0: says nothing about it. */
static void send_measure(struct run *r, uint64_t at_ns, uint64_t end_ns)
{
	for (size_t i = 0; i < r->n; i++) {
		struct run_member *m = &r->members[i];
		struct msg msg = {
			.type = MSG_MEASURE, .u.measure = {.generation = r->generation}};
		int64_t offset;
		uint64_t bound;

		if (!m->in)
			continue;
		if (!clock_sync_at(&m->w->clock, clock_ns(), &offset, &bound))
			offset = 0;
		if (at_ns)
			msg.u.measure.at_ns = at_ns + (uint64_t)offset;
		if (end_ns)
			msg.u.measure.end_ns = end_ns + (uint64_t)offset;
		fleet_send(m->w, &msg);
	}
}

static struct run_phase *phase_of(struct run *r, enum phase phase)
{
	for (size_t i = r->n_phases; i-- > 0;)
		if (r->phases[i].phase == phase)
			return &r->phases[i];
	return NULL;
}

/* Where the measured part begins is known. */
static void begin_measure(struct run *r)
{
	struct run_phase *warm = phase_of(r, PHASE_WARMUP);
	uint64_t since = r->phase_start_ns;

	if (warm)
		warm->planned_ns = r->warm_ns;
	run_phase_begins(r, PHASE_MEASURE, measure_at_ns(r), r->length_ns);
	r->phase_start_ns = since;
	r->steady_for = MEASURING;
	r->streak = 0;
	r->judged = false;
	run_set_load_timer(r);
	run_publish(r);
}

static const char *worst_name(const struct run *r)
{
	size_t worst = r->verdict.worst_worker;

	return worst < r->n ? r->members[worst].w->id : NULL;
}

/* Judges the window, and counts how often it was steady in a row. */
static bool look(struct run *r, enum steady_how how, double from_s, double to_s)
{
	steady_judge(r->steady, how, from_s, to_s, r->plan.autoterm, &r->verdict);
	r->judged = true;
	r->streak = r->verdict.steady ? r->streak + 1 : 0;
	return r->streak >= STREAK;
}

/* A remark: what was, for how long, and what the last look has shown. */
static void note(struct run *r, const char *what, uint64_t ns, const char *behind)
{
	AUTO_BUF struct buf text = BUF_INIT;

	if (r->judged)
		steady_text(&r->verdict, worst_name(r), &text);
	else
		buf_puts(&text, "that is too short for a look");
	if (r->judged && r->verdict.steady && r->streak < STREAK)
		buf_puts(&text, ", but not three times in a row");
	run_remark(r, "autoterm: %s %s (%s)%s", what, units_duration(ns).s,
		text.data ? text.data : "", behind);
}

static void look_at_warmup(struct run *r, uint64_t now, double until_s, double least_s)
{
	uint64_t end = measure_at_ns(r), lead = lead_ns(r);
	double window = fmax(least_s, until_s / WINDOW_PARTS);

	if (now >= end) { /* its time is over */
		note(r, "the load was not steady after a warm-up of", r->warm_ns,
			": the results may hold some of its ramp");
		begin_measure(r);
		return;
	}
	if (until_s < least_s || until_s < seconds(r->plan.least_warmup_ns) ||
		!look(r, STEADY_HALVES, until_s - window, until_s) || now + lead >= end)
		return;
	r->warm_ns = (now + lead - r->load_start_ns) / NS_PER_MS * NS_PER_MS;
	send_measure(r, measure_at_ns(r), 0);
	note(r, "the load was steady after a warm-up of", r->warm_ns, "");
	begin_measure(r);
}

static void look_at_measure(struct run *r, uint64_t now, double until_s, double least_s)
{
	struct run_phase *measure = phase_of(r, PHASE_MEASURE);
	double begin = seconds(r->warm_ns), length = until_s - begin;
	uint64_t end = now + lead_ns(r);

	/* looks that are in the streak may be of a little less */
	if (length < least_s - (STREAK - 1) * seconds(r->plan.stats_interval_ns) ||
		length < least_s / 2 || !look(r, STEADY_RESULT, begin, until_s) ||
		length < least_s || end >= measure_at_ns(r) + r->length_ns)
		return;
	r->length_ns = (end - measure_at_ns(r)) / NS_PER_MS * NS_PER_MS;
	send_measure(r, 0, measure_at_ns(r) + r->length_ns);
	if (measure)
		measure->planned_ns = r->length_ns;
	note(r, "the result no longer moved, and was measured for", r->length_ns, "");
	r->steady_for = ENDING;
	run_set_load_timer(r);
	run_publish(r);
}

void run_autoterm_end(struct run *r)
{
	if (!r->steady || r->steady_for != MEASURING || r->signals || r->aborted)
		return;
	if (!r->judged || !r->verdict.steady)
		note(r, "the result still moved after", r->length_ns, "");
}

void run_autoterm_look(struct run *r, uint64_t now)
{
	double until_s, least_s;

	if (!r->steady || r->stage != RUN_LOAD || r->signals || r->aborted)
		return;
	for (size_t i = 0; i < r->n; i++)
		if (!r->members[i].in)
			steady_forget(r->steady, i);
	until_s = steady_known_until(r->steady);
	least_s = fmax(WINDOW_S, INTERVALS_MIN * seconds(r->plan.stats_interval_ns));
	take_p99(r, until_s);
	if (r->steady_for == WARMING)
		look_at_warmup(r, now, until_s, least_s);
	else if (r->steady_for == MEASURING)
		look_at_measure(r, now, until_s, least_s);
}

void run_autoterm_line(const struct run *r, struct buf *out)
{
	buf_printf(out, "  %s, ", r->steady_for == WARMING ? "warm-up" : "measure");
	if (!r->judged) {
		buf_printf(
			out, "until it is steady within %.3g %%", r->plan.autoterm * 100);
		return;
	}
	buf_puts(out, r->steady_for == ENDING ? "its result no longer moves ("
		      : r->verdict.steady     ? "steady so far ("
					      : "not steady yet (");
	steady_text(&r->verdict, worst_name(r), out);
	buf_putc(out, ')');
}
