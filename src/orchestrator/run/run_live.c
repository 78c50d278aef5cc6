/* run_live: the live display of a run: who is waited for, bar and per-op lines, or a plain line every 10 s. */
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/units.h"
#include "orchestrator/command.h"
#include "orchestrator/console/console.h"
#include "orchestrator/console/display.h"
#include "orchestrator/console/events.h"
#include "orchestrator/console/live.h"
#include "orchestrator/console/status.h"
#include "orchestrator/run/run_private.h"

/* name: of the bar. */
static void objects(struct run *r, struct live_block *b, uint64_t now, enum phase phase,
	const char *name)
{
	struct console *con = r->ctx.console;
	uint64_t done = 0, total = 0;
	double s = (double)(now - r->phase_start_ns) / 1e9;

	for (size_t i = 0; i < r->n; i++) {
		done += r->members[i].objects;
		total += r->members[i].objects_total;
	}
	if (r->stage == RUN_LOAD && total == 0)
		return;
	events_progress(&r->ctx, r->dir, phase, done, total);
	display_bar_objects(live_add(b), name, done, total, s > 0 ? (double)done / s : 0,
		console_columns(con), console_utf8(con));
}

static void load(struct run *r, struct live_block *b, uint64_t now)
{
	struct console *con = r->ctx.console;
	bool warm = now < r->load_start_ns + r->warm_ns;
	uint64_t from = warm ? r->load_start_ns : r->load_start_ns + r->warm_ns;
	uint64_t length = warm ? r->warm_ns : r->length_ns;
	const struct live_op *rows;
	size_t n = agg_live(r->agg, &rows);

	if (n && rows[0].interval == r->stale_interval)
		n = 0;

	display_bar_time(live_add(b), warm ? "warmup" : "measure",
		now > from ? (double)(now - from) / 1e9 : 0, (double)length / 1e9,
		console_columns(con), console_utf8(con));
	if (r->plan.n > 0 && r->plan.jobs[0].once)
		objects(r, b, now, warm ? PHASE_WARMUP : PHASE_MEASURE, "once");
	if (r->steady)
		run_autoterm_line(r, live_add(b));
	for (size_t i = 0; i < n; i++) {
		struct buf *line = live_add(b);

		buf_puts(line, "  ");
		display_counts(line,
			&(struct display_counts){
				.what = op_infos[rows[i].op].display,
				.moves_data = op_infos[rows[i].op].moves_data,
				.count = rows[i].count,
				.bytes = rows[i].bytes,
				.errors = rows[i].errors,
				.retries = rows[i].retries,
				.seconds = rows[i].seconds,
				.response = &rows[i].response,
			},
			console_utf8(con));
	}
	if (n == 0 || rows[0].interval == r->shown_interval)
		return;
	r->shown_interval = rows[0].interval;
	events_interval(&r->ctx, r->dir, ((double)now - (double)r->load_start_ns) / 1e9,
		warm ? PHASE_WARMUP : PHASE_MEASURE, rows, n);
}

void run_on_show(struct loop_timer *t, void *user)
{
	struct run *r = user;
	AUTO_LIVE struct live_block b = {0};
	uint64_t now = clock_ns();

	(void)t;
	run_tell_gone_late(r, now);
	run_autoterm_look(r, now);
	if (r->stage == RUN_LOAD)
		load(r, &b, now);
	else if (r->stage == RUN_PREPARE || r->stage == RUN_CLEANUP)
		objects(r, &b, now, r->phase, phase_names[r->phase]);
	live_show(r->ctx.console, &b, r->app->o.headless, r->app->o.quiet, now,
		&r->last_plain_ns);
}

static bool is_waited_for(const struct run *r, const struct run_member *m)
{
	return r->stage == RUN_CONNECT ? !m->w->online && !worker_gone(m->w)
				       : m->in && !m->ready;
}

static bool is_there(const struct run *r, const struct run_member *m)
{
	return r->stage == RUN_CONNECT ? m->w->online && !worker_gone(m->w)
				       : m->in && m->ready;
}

void run_show_wait(struct run *r, const char *what)
{
	AUTO_BUF struct buf text = BUF_INIT;
	const char *names[DISPLAY_WAITED_MAX];
	size_t there = 0, waiting = 0;
	uint64_t listed = 0;

	if (r->stage != RUN_CONNECT && (r->stage != RUN_JOB || r->begun)) {
		status_clear(r->ctx.status);
		return;
	}
	for (size_t i = 0; i < r->n; i++) {
		const struct run_member *m = &r->members[i];

		there += is_there(r, m);
		listed += m->listed;
		if (is_waited_for(r, m) && waiting++ < DISPLAY_WAITED_MAX)
			names[waiting - 1] = m->w->id;
	}
	if (what)
		buf_printf(&text, "; %s", what);
	else
		display_waited(&text, names, waiting);
	if (listed && waiting)
		buf_printf(&text, "; %s objects listed so far", units_count(listed).s);
	status_show(r->ctx.status, "  %zu/%zu workers %s%s", there, r->n,
		r->stage == RUN_CONNECT ? "connected" : "ready",
		text.data ? text.data : "");
}
