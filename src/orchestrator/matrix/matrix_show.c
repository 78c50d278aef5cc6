/* matrix_show: what a person sees of a matrix while it runs. Tables and the final block: matrix_report.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/units.h"
#include "orchestrator/command.h"
#include "orchestrator/console/console.h"
#include "orchestrator/console/display.h"
#include "orchestrator/console/live.h"
#include "orchestrator/console/status.h"
#include "orchestrator/matrix/matrix_private.h"

static const char *paint(const struct matrix *m, const char *colour)
{
	return console_color(m->ctx.console) ? colour : "";
}

static const char *name_of(const struct matrix *m, uint32_t host)
{
	return m->ctx.hosts.hosts[host].name;
}

void matrix_show_plan(struct matrix *m)
{
	AUTO_BUF struct buf plan = BUF_INIT;

	matrix_plan_text(&m->plan, m->mode, &m->work, &plan);
	console_line(m->ctx.console, "Plan: %s", plan.data);
}

static void show_list(struct matrix *m, const char *label, const uint32_t *list, size_t n)
{
	const char **names = calloc(n + 1, sizeof(*names));
	AUTO_BUF struct buf text = BUF_INIT;

	for (size_t i = 0; names && i < n; i++)
		names[i] = name_of(m, list[i]);
	if (names)
		display_names(&text, names, n, 8);
	console_line(m->ctx.console, "%s: %s", label, text.data ? text.data : "");
	free(names);
}

void matrix_show_header(struct matrix *m)
{
	struct console *con = m->ctx.console;

	console_line(con, "=== Network Matrix ===");
	if (m->kind != NET_ENGINE_NATIVE)
		console_line(con, "Engine: %s", m->engine);
	if (m->profile.n)
		console_line(con, "Profile: %s%s%s", m->profile.name,
			m->profile.description ? ": " : "",
			m->profile.description ? m->profile.description : "");
	show_list(m, "Clients", m->lists.clients, m->lists.n_clients);
	show_list(m, "Servers", m->lists.servers, m->lists.n_servers);
	if (m->n_tests == 1)
		console_line(con, "Test: %s (%s)", m->tests->name, m->tests->shown);
	for (size_t i = 0; m->n_tests > 1 && i < m->n_tests; i++)
		console_line(con, "%s%s (%s)",
			i ? "       " : "Tests: ", m->tests[i].name, m->tests[i].shown);
	matrix_show_plan(m);
	if (m->plan.selves)
		console_line(con,
			"Note: %zu host%s both client and server: no host is paired "
			"with itself",
			m->plan.selves, m->plan.selves == 1 ? " is" : "s are");
}

static void dry_round(struct matrix *m, uint32_t round)
{
	struct console *con = m->ctx.console;

	console_line(con, "Round %u:", round + 1);
	for (size_t i = m->first[round]; i < m->first[round + 1]; i++) {
		const struct matrix_pair *p = &m->plan.pairs[m->order[i]];

		console_line(
			con, "  %s → %s", name_of(m, p->client), name_of(m, p->server));
		for (size_t k = 0; k < m->n_tests; k++) {
			AUTO_BUF struct buf command = BUF_INIT;

			matrix_command(m, p, m->tests[k].text, &command);
			console_line(con, "    %s", command.data);
			matrix_engine_show(m, m->tests[k].words, p);
		}
	}
}

int matrix_show_dry(struct matrix *m, struct err *err)
{
	if (matrix_order(m, err) < 0)
		return -1;
	matrix_show_header(m);
	for (uint32_t i = 0; i < m->plan.rounds; i++)
		dry_round(m, i);
	return 0;
}

static void rate_text(double mbps, struct buf *out)
{
	int decimals = mbps < 100;

	if (mbps < 10)
		decimals = 2;
	buf_printf(out, "%.*f Mb/s", decimals, mbps);
}

static void add_latency(const struct matrix *m, const char *label,
	const struct net_value *v, struct buf *out)
{
	if (v->known)
		buf_printf(out, "%s %s, ", label,
			units_latency(v->number, console_utf8(m->ctx.console)).s);
}

/* Where the threads ran decides what a transaction takes: "CPUs 0 → 2,3", "CPUs moved → 1". */
static void add_placement(const struct net_record *r, struct buf *out)
{
	const struct net_result *client = r->end[NET_CLIENT],
				*server = r->end[NET_SERVER];

	if (client && server && client->cpu.placement && server->cpu.placement)
		buf_printf(out, ", CPUs %s → %s", client->cpu.placement,
			server->cpu.placement);
}

/* "9412 Mb/s", or "p99 40.1µs, mean 31.5µs, 31250 trans/s, CPUs 0 → 1", or "under load p99 1.94ms, idle p99
 * 87.1µs, 9412 Mb/s" */
static void value_text(
	const struct matrix *m, const struct net_record *r, struct buf *out)
{
	const struct net_value *of = r->values.of;

	if (r->spec->test == NET_MIX) {
		add_latency(m, "under load p99", &of[SEL_P99_LATENCY], out);
		add_latency(m, "idle p99", &of[SEL_IDLE_P99_LATENCY], out);
		rate_text(of[SEL_THROUGHPUT].number, out);
		add_placement(r, out);
	} else if (net_spec_transacts(r->spec)) {
		add_latency(m, "p99", &of[SEL_P99_LATENCY], out);
		add_latency(m, "mean", &of[SEL_MEAN_LATENCY], out);
		buf_printf(out, "%.0f trans/s", of[SEL_THROUGHPUT].number);
		add_placement(r, out);
	} else {
		rate_text(of[SEL_THROUGHPUT].number, out);
	}
	if (of[SEL_LOSS_PCT].known)
		buf_printf(out, ", loss %.3g %%", of[SEL_LOSS_PCT].number);
	if (of[SEL_JITTER_US].known)
		buf_printf(out, ", jitter %s",
			units_latency(
				of[SEL_JITTER_US].number, console_utf8(m->ctx.console))
				.s);
	if (of[SEL_THROUGHPUT_CONFID].known)
		buf_printf(out, " (%.0f iterations, within %.1f %%)",
			of[SEL_CONFIDENCE_ITERATION].number,
			of[SEL_THROUGHPUT_CONFID].number);
}

void matrix_show_task(struct matrix *m, const struct matrix_task *t)
{
	const struct net_record *r = t->record;
	AUTO_BUF struct buf what = BUF_INIT;
	AUTO_BUF struct buf test = BUF_INIT;

	if (m->n_tests > 1 || m->repeats > 1)
		buf_printf(&test, "  %s", r->test);
	if (m->repeats > 1)
		buf_printf(&test, " #%u", r->iteration);
	if (r->success) {
		value_text(m, r, &what);
		if (r->cut_short)
			buf_puts(&what, ", stopped before its end");
		console_line(m->ctx.console, "[%zu/%zu] %s✓%s %s → %s%s  %s", m->done,
			m->n_tasks, paint(m, "\x1b[32m"), paint(m, "\x1b[0m"), r->client,
			r->server, test.data ? test.data : "", what.data);
	} else {
		console_always(m->ctx.console, "[%zu/%zu] %s✗%s %s → %s%s: %s", m->done,
			m->n_tasks, paint(m, "\x1b[31m"), paint(m, "\x1b[0m"), r->client,
			r->server, test.data ? test.data : "", r->error);
	}
	matrix_event_pair(m, t);
}

void matrix_show_again(struct matrix *m, const struct matrix_task *t, const char *why)
{
	console_line(m->ctx.console, "  ↻ %s → %s: %s (once more behind the last round)",
		t->record->client, t->record->server, why);
}

static void show_flight(const struct matrix_flight *f, struct live_block *b)
{
	struct buf *line;

	if (f->rate < 0 || matrix_flight_over(f))
		return;
	line = live_add(b);
	buf_printf(line, "  %s → %s  ", f->task->record->client, f->task->record->server);
	if (net_spec_transacts(f->task->record->spec))
		buf_printf(line, "%.0f trans/s", f->rate);
	else
		rate_text(f->rate, line);
}

void matrix_show_wait(struct matrix *m, const char *what)
{
	AUTO_BUF struct buf text = BUF_INIT;
	const char *names[DISPLAY_WAITED_MAX];
	size_t there = 0, waiting = 0;

	if (m->stage != MATRIX_CONNECT) {
		status_clear(m->ctx.status);
		return;
	}
	for (size_t i = 0; i < m->n_hosts; i++) {
		const struct fleet_worker *w = m->hosts[i].w;

		there += w->state == WORKER_READY;
		if (!worker_gone(w) && w->state != WORKER_READY &&
			waiting++ < DISPLAY_WAITED_MAX)
			names[waiting - 1] = w->id;
	}
	if (what)
		buf_printf(&text, "; %s", what);
	else
		display_waited(&text, names, waiting);
	status_show(m->ctx.status, "  %zu/%zu hosts connected%s", there, m->n_hosts,
		text.data ? text.data : "");
}

void matrix_on_show(struct loop_timer *t, void *user)
{
	struct matrix *m = user;
	struct console *con = m->ctx.console;
	AUTO_LIVE struct live_block b = {0};
	uint64_t now = clock_ns();
	AUTO_BUF struct buf where = BUF_INIT;
	double done = now > m->load_ns ? (double)(now - m->load_ns) / 1e9 : 0;
	uint64_t left = matrix_left_ns(m, now);
	double total = done + (double)left / 1e9;

	(void)t;
	if (m->stage != MATRIX_RUN || !m->n_flights)
		return;
	buf_printf(&where, "round %u/%u, %zu/%zu pairs",
		m->flights[0].task->record->round, m->plan.rounds, m->done, m->n_tasks);
	if (left >= NS_PER_SEC) {
		buf_puts(&where, ", ");
		matrix_time_text(left, &where);
		buf_puts(&where, " left");
	}
	display_bar_time(live_add(&b), where.data, done, total, console_columns(con),
		console_utf8(con));
	for (size_t i = 0; i < m->n_flights; i++)
		show_flight(&m->flights[i], &b);
	matrix_event_rates(m, done);
	live_show(con, &b, m->app->o.headless, m->app->o.quiet, now, &m->last_plain_ns);
}
