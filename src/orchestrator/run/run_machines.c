/* run_machines: what the machines did while a run measured, and what that says of its numbers. */
#include <math.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/units.h"
#include "orchestrator/console/console.h"
#include "orchestrator/run/run_private.h"
#include "results/run_rate.h"
#include "results/verdict.h"

/* A shorter interval says nothing about how busy anything was. */
#define INTERVAL_MIN_S 0.1
/* So much a second, of all workers together, is more than what they say to us. */
#define TRAFFIC_BYTES (1024.0 * 1024.0)

void run_keep_ready(struct run_member *m, struct msg_ready *ready)
{
	run_forget_ready(m);
	m->ready = true;
	m->warnings = STEAL_PTR(&ready->warnings);
	m->mounts = STEAL_PTR(&ready->mounts);
	m->n_mounts = ready->n_mounts;
	ready->n_mounts = 0;
	m->threads = ready->threads;
	m->slots = ready->slots;
}

void run_forget_ready(struct run_member *m)
{
	for (char **w = m->warnings; w && *w; w++)
		free(*w);
	free(m->warnings);
	for (size_t i = 0; i < m->n_mounts; i++) {
		free(m->mounts[i].path);
		free(m->mounts[i].filesystem);
		free(m->mounts[i].disks);
	}
	free(m->mounts);
	m->warnings = NULL;
	m->mounts = NULL;
	m->n_mounts = 0;
}

void run_keep_machine(struct run_member *m, const struct msg_stats *s)
{
	double seconds = (double)(s->to_ns - s->from_ns) / 1e9;

	if (s->late_max_ns > m->late_max_ns)
		m->late_max_ns = s->late_max_ns;
	if (seconds >= INTERVAL_MIN_S)
		machine_seen_add(&m->machine, &s->machine, seconds);
}

static void fill_failed(const struct run *r, struct run_info *ret)
{
	struct err ignored = ERR_INIT;
	AUTO_FREE struct agg_row *rows = NULL;
	size_t n = 0;

	if (agg_rows(r->agg, AGG_ALL, &rows, &n, &ignored) < 0)
		return;
	ret->ended = ret->failed = 0;
	for (size_t i = 0; i < n; i++)
		if (rows[i].bucket == BUCKET_ALL) {
			ret->ended += rows[i].count + op_errors_total(rows[i].errors);
			ret->failed += op_errors_total(rows[i].errors);
		}
}

void run_fill_rate(const struct run *r, struct run_info *ret)
{
	if (!r->planned || r->plan.n == 0)
		return;
	ret->arrival = r->plan.jobs[0].rate.arrival;
	ret->timer = r->plan.jobs[0].rate.timer;
	fill_failed(r, ret);
}

/* What a lost worker had reported until then. */
static uint64_t reported_ops(const struct run *r, size_t worker)
{
	struct err ignored = ERR_INIT;
	AUTO_FREE struct agg_row *rows = NULL;
	uint64_t ops = 0;
	size_t n = 0;

	if (agg_rows(r->agg, worker, &rows, &n, &ignored) < 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (rows[i].bucket == BUCKET_ALL)
			ops += rows[i].count + op_errors_total(rows[i].errors);
	return ops;
}

struct run_worker run_machine_of(const struct run *r, const struct run_member *m)
{
	const uint64_t begin = r->load_start_ns + r->warm_ns;
	const uint64_t end = m->measure_end_ns ? m->measure_end_ns : m->reported_ns;
	struct run_worker out = {
		.id = m->w->id, /* not owned here */
		.host = m->w->host->name,
		.hello = {.processors = m->w->hello.processors,
			.machine_id = m->w->hello.machine_id},
		.machine = &m->machine,
		.late_max_ns = m->late_max_ns,
		.threads = m->threads,
		.slots = m->slots,
		.mounts = m->mounts,
		.n_mounts = m->n_mounts,
		.rate = m->rate,
		.started = m->started,
		.never_started = m->never_started,
		.carried = m->carried,
		.slots_busy = m->slots_busy,
		.rate_known = m->measure_end_ns != 0,
	};

	if (m->rate > 0 && !m->measure_end_ns)
		out.started = reported_ops(r, m->w->index);
	if (r->measured && m->slots && end > begin)
		out.waited = agg_waited_ns(r->agg, m->w->index) / (double)(end - begin) /
			     m->slots;
	return out;
}

static double busiest(const struct run_member *m)
{
	return machine_seen_mean(&m->machine, SEEN_BUSIEST_CORE);
}

/* The most of any machine. */
static void show_machines(struct run *r)
{
	struct console *con = r->ctx.console;
	const struct run_member *most = NULL;
	double out = 0, in = 0;
	uint64_t late_ns = 0;

	for (size_t i = 0; i < r->n; i++) {
		const struct run_member *m = &r->members[i];

		if (m->late_max_ns > late_ns)
			late_ns = m->late_max_ns;
		if (m->machine.seconds <= 0)
			continue;
		if (!most || busiest(m) > busiest(most))
			most = m;
		out = fmax(out, machine_seen_max(&m->machine, SEEN_NET_TX));
		in = fmax(in, machine_seen_max(&m->machine, SEEN_NET_RX));
	}
	if (most)
		console_line(con,
			"Machines: busiest core %.0f%% (%s), network up to %s out, %s "
			"in, largest lateness %s",
			busiest(most), most->w->id, units_mib_per_s(out).s,
			units_mib_per_s(in).s,
			units_latency((double)late_ns / 1e3, console_utf8(con)).s);
}

/* The busiest card of all machines, or that nobody knows which that is though there was traffic. */
static void put_card(const struct run *r, struct buf *line)
{
	const struct run_member *at = NULL;
	const struct seen_card *most = NULL;
	double share = 0, moved = 0;

	for (size_t i = 0; i < r->n; i++) {
		const struct run_member *m = &r->members[i];
		const struct seen_card *c = machine_seen_card(&m->machine);

		moved += machine_seen_mean(&m->machine, SEEN_NET_TX) +
			 machine_seen_mean(&m->machine, SEEN_NET_RX);
		if (!c || (most && seen_mean(&m->machine, &c->share) <= share))
			continue;
		most = c;
		at = m;
		share = seen_mean(&m->machine, &c->share);
	}
	if (most)
		buf_printf(line, "busiest card %s %.0f%% of %g Gbit/s (%s)", most->name,
			share, (double)most->speed_mbps / 1e3, at->w->id);
	else if (moved >= TRAFFIC_BYTES)
		buf_puts(line, "no network card knows its speed");
}

static void put_disk(const struct run *r, struct buf *line)
{
	const struct run_member *at = NULL;
	const struct seen_disk *most = NULL;
	double busy = 0;

	for (size_t i = 0; i < r->n; i++) {
		const struct run_member *m = &r->members[i];
		const struct seen_disk *d = machine_seen_disk(&m->machine);

		if (!d || (most && seen_mean(&m->machine, &d->busy) <= busy))
			continue;
		most = d;
		at = m;
		busy = seen_mean(&m->machine, &d->busy);
	}
	if (most)
		buf_printf(line, "%sbusiest disk %s %.0f%% (%s)", line->len ? ", " : "",
			most->name, busy, at->w->id);
}

static void show_devices(struct run *r)
{
	AUTO_BUF struct buf line = BUF_INIT;

	put_card(r, &line);
	put_disk(r, &line);
	if (line.len)
		console_line(r->ctx.console, "Devices: %s", line.data);
}

/* What is told of a run as a whole, from what its machines did. */
static void show_brief(struct run *r, uint64_t measured_ns, const char *what,
	void (*text)(const struct run_info *info, struct buf *out))
{
	AUTO_FREE struct run_worker *workers = calloc(r->n, sizeof(*workers));
	AUTO_BUF struct buf line = BUF_INIT;
	struct run_info info = {
		.measured_ns = measured_ns, .workers = workers, .n_workers = r->n};

	if (!workers)
		return;
	for (size_t i = 0; i < r->n; i++)
		workers[i] = run_machine_of(r, &r->members[i]);
	run_fill_rate(r, &info);
	text(&info, &line);
	if (line.len)
		console_always(r->ctx.console, "%s: %s", what, line.data);
}

void run_show_rate(struct run *r, uint64_t measured_ns)
{
	show_brief(r, measured_ns, "Rate", run_rate_text);
}

void run_show_verdict(struct run *r, uint64_t measured_ns)
{
	show_machines(r);
	show_devices(r);
	show_brief(r, measured_ns, "Verdict", verdict_text);
}
