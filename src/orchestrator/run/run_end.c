/* run_end: what is said and written when a run is over. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "common/text.h"
#include "common/units.h"
#include "muster_version.h"
#include "orchestrator/command.h"
#include "orchestrator/console/console.h"
#include "orchestrator/console/display.h"
#include "orchestrator/console/events.h"
#include "orchestrator/run/run_private.h"

/* Rates are over the planned length, or over what was measured when the run ended early; 0: nothing was.
 * A worker that was lost measured until its last report: that it is gone may be noticed much later. */
static uint64_t measured_ns(const struct run *r)
{
	uint64_t begin = r->load_start_ns + r->warm_ns, longest = 0;

	if (!r->measured)
		return 0;
	for (size_t i = 0; i < r->n; i++) {
		const struct run_member *m = &r->members[i];
		uint64_t end = m->measure_end_ns ? m->measure_end_ns : m->reported_ns;

		if (end > begin && end - begin > longest)
			longest = end - begin;
	}
	return longest + NS_PER_MS < r->length_ns ? longest : r->length_ns;
}

int run_exit_code(const struct run *r)
{
	if (r->signo)
		return 128 + r->signo;
	if (r->exit_code >= 0)
		return r->exit_code;
	return r->degraded || r->failed || r->corrupt || r->left_behind ? 1 : 0;
}

static const char *outcome(const struct run *r)
{
	if (r->signo)
		return "interrupted";
	if (r->refused)
		return "refused";
	if (r->failed || !measured_ns(r))
		return "failed";
	if (r->aborted)
		return "aborted";
	return r->degraded ? "degraded" : "completed";
}

static char *or_empty(const char *s)
{
	return strdup(s ? s : "");
}

static char **copy_strings(char **from)
{
	size_t n = 0;
	char **to;

	while (from && from[n])
		n++;
	to = calloc(n + 1, sizeof(*to));
	for (size_t i = 0; to && i < n; i++)
		to[i] = or_empty(from[i]);
	return to;
}

static void copy_hello(struct msg_hello *to, const struct msg_hello *from)
{
	*to = *from;
	to->version = or_empty(from->version);
	to->arch = or_empty(from->arch);
	to->kernel = or_empty(from->kernel);
	to->os = or_empty(from->os);
	to->hostname = or_empty(from->hostname);
	to->machine_id = or_empty(from->machine_id);
	to->boot_id = or_empty(from->boot_id);
	to->run_dir = or_empty(from->run_dir);
	to->backends = copy_strings(from->backends);
	to->addresses = copy_strings(from->addresses);
}

static void fill_worker(
	const struct run *r, const struct run_member *m, struct run_worker *out)
{
	const struct fleet_worker *w = m->w;
	const struct conn_info *ci = fleet_conn_info(w);

	*out = run_machine_of(r, m);
	out->id = or_empty(w->id);
	out->host = or_empty(w->host->name);
	out->address = or_empty(ci && ci->address ? ci->address : w->host->address);
	out->transport = or_empty(ci ? ci->transport : NULL);
	out->login = or_empty(ci ? ci->login : NULL);
	out->host_key = or_empty(ci ? ci->host_key : NULL);
	out->said_hello = w->said_hello;
	out->state = worker_state_name(w->state);
	out->reason = w->reason ? strdup(w->reason) : NULL;
	out->target = m->target ? strdup(m->target) : NULL;
	out->lost_ns = m->lost_ns;
	out->lost_in = m->lost_in;
	out->skew_ns = m->skew_ns;
	out->skew_known = m->skew_known;
	out->partial = agg_partial(r->agg, w->index);
	clock_sync_at(&w->clock, clock_ns(), &out->offset_ns, &out->bound_ns);
	if (w->said_hello)
		copy_hello(&out->hello, &w->hello);
}

static char **remark_lines(struct run *r)
{
	char **lines = calloc(1, sizeof(*lines));
	AUTO_BUF struct buf all = BUF_INIT;
	size_t n = 0;
	const char *at;

	if (r->failure) /* shown as an error already, and kept with the remarks */
		run_remark(r, "%s", r->failure);
	buf_printf(&all, "%s%s", r->told->data ? r->told->data : "",
		r->remarks->data ? r->remarks->data : "");
	at = all.data;

	while (lines && at && *at) {
		size_t len = strcspn(at, "\n");
		char **grown = reallocarray(lines, n + 2, sizeof(*lines));

		if (!grown)
			break;
		lines = grown;
		lines[n] = strndup(at, len);
		lines[++n] = NULL;
		at += len + (at[len] == '\n');
	}
	return lines;
}

static char *command_line(const struct app *app)
{
	struct buf b = BUF_INIT;

	for (int i = 0; i < app->argc; i++) {
		if (i)
			buf_putc(&b, ' ');
		text_shell_quote(&b, app->argv[i]);
	}
	return buf_steal(&b);
}

/* Of measure: how long it was for those that lasted longest, and the operations that count. */
static void fill_measure(struct run *r, struct run_info *ret)
{
	struct err ignored = ERR_INIT;
	struct agg_row *rows = NULL;
	size_t n = 0;

	if (!r->measured || agg_rows(r->agg, AGG_ALL, &rows, &n, &ignored) < 0)
		return;
	for (size_t i = 0; i < ret->n_phases; i++) {
		struct run_phase *p = &ret->phases[i];

		if (p->phase != PHASE_MEASURE)
			continue;
		p->end_ns = p->start_ns + ret->measured_ns;
		for (size_t k = 0; k < n; k++) {
			if (rows[k].bucket != BUCKET_ALL)
				continue;
			p->done += rows[k].count;
			p->bytes += rows[k].bytes;
			p->errors += op_errors_total(rows[k].errors);
		}
	}
	free(rows);
}

/* What the phases did not come to: cleanup, and measure with --once. */
static void fill_left(const struct run *r, struct run_info *ret)
{
	for (size_t i = 0; i < ret->n_phases; i++) {
		struct run_phase *p = &ret->phases[i];

		for (size_t k = 0; k < r->n; k++) {
			if (p->phase == PHASE_MEASURE)
				p->left += r->members[k].not_reached;
			else if (p->phase == PHASE_CLEANUP)
				p->left += r->members[k].cleanup.left;
		}
	}
}

int run_fill_info(struct run *r, struct run_info *ret, struct err *err)
{
	char host[256] = "";

	gethostname(host, sizeof(host) - 1);
	*ret = (struct run_info){
		.run = or_empty(r->run_id),
		.name = or_empty(workload_name(r->workload)),
		.version = or_empty(MUSTER_VERSION),
		.config = or_empty(r->app->operands.n ? r->app->operands.items[0]
						      : r->app->o.config),
		.command_line = command_line(r->app),
		.hostname = or_empty(host),
		.target = r->plan.target ? strdup(r->plan.target) : NULL,
		.shared = r->plan.shared,
		.object_store = r->plan.object_store,
		.tls_verified = !r->plan.tls_unverified,
		.fsync = run_fsync(&r->plan, RUN_WRITES),
		.seed = r->plan.seed,
		.wall_start_ns = r->wall_start_ns,
		.wall_end_ns = clock_wall_ns(),
		.start_ns = r->began_ns,
		.end_ns = clock_ns(),
		.measured_ns = measured_ns(r),
		.n_phases = r->n_phases,
		.outcome = outcome(r),
		.exit_code = run_exit_code(r),
		.remarks = remark_lines(r),
	};
	memcpy(ret->phases, r->phases, sizeof(ret->phases));
	for (unsigned kind = 0; kind < OP_KINDS; kind++)
		ret->fsync_of[kind] = run_fsync(&r->plan, 1u << kind);
	fill_measure(r, ret);
	fill_left(r, ret);
	run_fill_rate(r, ret);
	ret->workers = calloc(r->n, sizeof(*ret->workers));
	if (!ret->workers) {
		run_info_finish(ret);
		return err_sys(err, ENOMEM, "results");
	}
	ret->n_workers = r->n;
	for (size_t i = 0; i < r->n; i++)
		fill_worker(r, &r->members[i], &ret->workers[i]);
	return 0;
}

static void note_machines(struct run *r)
{
	for (size_t i = 0; i < r->n; i++) {
		AUTO_BUF struct buf names = BUF_INIT;

		if (fleet_one_machine(r->fleet, i, &names))
			run_remark(r, "one machine, so its limits are shared: %s",
				names.data);
	}
}

static size_t count_lines(const char *text)
{
	size_t n = 0;

	for (; text && *text; text++)
		n += *text == '\n';
	return n;
}

/* What was shown before the load is not said again, but that it was: it may have left the screen. */
static void show_remarks(struct run *r)
{
	const size_t told = count_lines(r->told->data);
	const char *at = r->remarks->data;

	if (told)
		console_always(r->ctx.console,
			"Note: %s before the load (above, and in metadata.json)",
			units_of(told, "warning").s);
	while (at && *at) {
		size_t len = strcspn(at, "\n");

		console_always(r->ctx.console, "Note: %.*s", (int)len, at);
		at += len + (at[len] == '\n');
	}
}

static void show_outcome(struct run *r)
{
	size_t completed = 0;
	struct console *con = r->ctx.console;

	for (size_t i = 0; i < r->n; i++)
		completed += r->members[i].measure_end_ns != 0 &&
			     !worker_gone(r->members[i].w);
	if (r->signo)
		console_always(con, "⚠ Interrupted: %.1f of %.1f s were measured",
			(double)measured_ns(r) / 1e9, (double)r->length_ns / 1e9);
	else if (completed == r->n)
		console_line(con, "✓ %s%s completed", run_all(r->n),
			units_of(r->n, "worker").s);
	else
		console_always(con, "%s %zu of %zu workers completed%s",
			completed ? "⚠" : "✗", completed, r->n,
			r->degraded ? ": the result is degraded" : "");
}

static int show_results(struct run *r, struct err *err)
{
	double seconds = (double)measured_ns(r) / 1e9;
	struct agg_row *rows = NULL;
	AUTO_BUF struct buf wrong = BUF_INIT;
	size_t n;

	show_outcome(r);
	if (agg_check(r->agg, &wrong)) {
		r->degraded = true;
		run_remark(r, "the self-check failed: %.*s",
			(int)strcspn(wrong.data, "\n"), wrong.data);
	}
	if (agg_rows(r->agg, AGG_ALL, &rows, &n, err) < 0)
		return -1;
	run_show_totals(r, rows, n, seconds);
	free(rows);
	console_line(r->ctx.console, "Elapsed: %.1f s, %.1f s of them measured",
		(double)(clock_ns() - r->began_ns) / 1e9, seconds);
	run_show_rate(r, measured_ns(r));
	run_once_show(r);
	run_show_endpoints(r, seconds);
	if (r->n > 1)
		run_show_workers(r, seconds);
	run_show_verdict(r, measured_ns(r));
	return 0;
}

static int write_results(struct run *r, struct err *err)
{
	struct first_done_report done;
	struct run_info info;
	int res;

	if (run_fill_info(r, &info, err) < 0)
		return -1;
	if (run_once_find(r, &done))
		info.first_done = &done;
	res = rundir_results(r->dir, r->agg, &info, err);
	if (res == 0 && r->app->o.export_file)
		res = export_results(r->app->o.export_file, r->agg, &info, err);
	run_info_finish(&info);
	return res;
}

static json_t *end_event(const struct run *r)
{
	json_t *event = json_pack("{s:s, s:i, s:s}", "outcome", outcome(r), "exit_code",
		run_exit_code(r), "results", rundir_path(r->dir));

	if (r->plan.object_store)
		json_object_set_new(
			event, "tls_verified", json_boolean(!r->plan.tls_unverified));
	return event;
}

int run_finish(struct run *r, struct err *err)
{
	int shown = 0, written;
	struct err second = ERR_INIT;

	run_tell_gone(r);
	if (measured_ns(r))
		shown = show_results(r, err);
	else if (!r->failure)
		console_always(r->ctx.console, "✗ Nothing was measured");
	if (r->measured)
		note_machines(r);
	run_note_phases(r);
	run_note_lost(r);
	run_note_left(r);
	show_remarks(r);
	written = write_results(r, shown < 0 ? &second : err);
	console_always(r->ctx.console, "Results saved to: %s", rundir_path(r->dir));
	events_emit(&r->ctx, r->dir, "end", end_event(r));
	if (shown < 0 || written < 0) {
		log_error("%s", err->text);
		return run_exit_code(r) ? run_exit_code(r) : 1;
	}
	return run_exit_code(r);
}
