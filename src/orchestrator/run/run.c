/* run: the command. Reads the workload, plans, makes the results directory, and lets the stages go. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cloud/environment.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/log.h"
#include "common/text.h"
#include "common/units.h"
#include "orchestrator/command.h"
#include "orchestrator/console/console.h"
#include "orchestrator/console/events.h"
#include "orchestrator/forward.h"
#include "orchestrator/run/run_private.h"
#include "orchestrator/runs/detach.h"
#include "orchestrator/validate.h"

static void copy_line(const char *line, void *user)
{
	rundir_console(user, line);
}

/* RUN of put names: unique without asking anybody. */
static void make_run_id(struct run *r)
{
	char hex[13];

	digest_random_hex(6, hex);
	memcpy(r->run_id, hex, 13);
}

static int make_fleet(struct run *r, struct err *err)
{
	struct fleet_config config = {
		.events = {.online = run_online,
			.gone = run_gone,
			.finished = run_finished,
			.message = run_message,
			.worker_stderr = run_stderr,
			.progress = run_progress},
		.user = r,
	};

	r->fleet = context_fleet(&r->ctx, &config, err);
	if (!r->fleet)
		return -1;
	r->n = fleet_size(r->fleet);
	r->members = calloc(r->n, sizeof(*r->members));
	if (!r->members)
		return err_sys(err, ENOMEM, "run");
	for (size_t i = 0; i < r->n; i++) {
		r->members[i].w = fleet_worker(r->fleet, i);
		r->members[i].w->user = &r->members[i];
	}
	r->expected = r->app->o.expect_workers ? r->app->o.expect_workers : r->n;
	if (r->expected > r->n)
		return err_set(err, ERR_INPUT,
			"--expect-workers %zu, but the hosts make only %s",
			(size_t)r->expected, units_of(r->n, "worker").s);
	return 0;
}

static int make_dir(struct run *r, struct err *err)
{
	const char **ids = calloc(r->n, sizeof(*ids));
	AUTO_FREE char *config = workload_text_redacted(r->workload);
	AUTO_FREE char *hosts = r->ctx.embedded ? NULL : inventory_to_yaml(&r->ctx.hosts);
	int res = -1;

	if (!ids || !config)
		err_sys(err, ENOMEM, "run");
	else
		res = rundir_create(".", r->app->o.output, workload_name(r->workload),
			r->wall_start_ns, &r->dir, err);
	for (size_t i = 0; res == 0 && i < r->n; i++)
		ids[i] = r->members[i].w->id;
	if (res == 0) {
		rundir_set_workers(r->dir, ids, r->n, r->plan.stats_interval_ns);
		r->agg = agg_create(ids, r->n, err);
		if (!r->agg || rundir_write(r->dir, "config.yaml", config, err) < 0 ||
			(hosts && rundir_write(r->dir, "hosts.yaml", hosts, err) < 0))
			res = -1;
		console_set_copy(r->ctx.console, copy_line, r->dir);
	}
	free(ids);
	return res;
}

static char *warmup_text(const struct plan *p)
{
	if (p->autoterm > 0)
		return text_printf(", after a warm-up of at most as much; both end when "
				   "it is steady within %.3g %%",
			p->autoterm * 100);
	if (p->warmup_ns)
		return text_printf(
			" after %s of warm-up", units_duration(p->warmup_ns).s);
	return NULL;
}

static void header(struct run *r)
{
	struct console *con = r->ctx.console;
	const struct plan *p = &r->plan;
	AUTO_FREE char *warm = warmup_text(p);

	console_line(con, "=== Distributed Workload ===");
	console_line(con, "Config: %s",
		r->app->operands.n ? r->app->operands.items[0] : r->app->o.config);
	console_line(con, "Workers: %zu on %s%s", r->n,
		units_of(r->ctx.hosts.n, "host").s,
		r->ctx.embedded ? " (this machine)" : "");
	if (p->target)
		console_line(con, "Target: %s", p->target);
	run_show_store(r);
	console_line(con, "Storage: %s",
		p->isolated ? "shared, and a folder for each worker"
		: p->shared ? "shared (all workers see the same)"
			    : "local per worker");
	console_line(con, "Duration: %s%s%s, seed %llu",
		p->autoterm > 0 ? "at most " : "", units_duration(p->duration_ns).s,
		warm ? warm : "", (unsigned long long)p->seed);
	run_show_load(r);
	forward_show(&r->forwarded, con);
	for (char **n = p->notes; n && *n; n++)
		console_line(con, "Note: %s", *n);
}

static int watch_signals(struct run *r, struct err *err)
{
	static const struct {
		int signo;
		loop_signal_fn *fn;
	} signals[] = {
		{SIGINT, run_signal}, {SIGTERM, run_signal}, {SIGHUP, run_hang_up}};

	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		if (!loop_signal_add(
			    r->ctx.loop, signals[i].signo, signals[i].fn, r, err))
			return -1;
	return 0;
}

/* Credentials of this machine for the store; with them the jobs may be too large to send. */
static int forward(struct run *r, struct err *err)
{
	const struct plan *p = &r->plan;
	uint64_t lasts_ns = p->start_delay_ns + p->warmup_ns + p->duration_ns;
	bool own = true;

	if (r->app->o.no_forward_env)
		return 0;
	for (size_t i = 0; i < p->n; i++)
		own = own && environment_has_identity(p->jobs[i].env);
	if (forward_find(&p->jobs[0], own, lasts_ns, &r->forwarded, err) < 0)
		return -1;
	if (!r->forwarded.list)
		return 0;
	r->overrides.env_default = r->forwarded.list;
	return run_plan_dry(r, err);
}

static int go(struct run *r, struct err *err)
{
	struct err end = ERR_INIT;
	int code;

	if (forward(r, err) < 0 || context_transport(&r->ctx, err) < 0 ||
		make_dir(r, err) < 0 || watch_signals(r, err) < 0)
		return -1;
	run_register(r);
	header(r);
	r->show = loop_timer_add(r->ctx.loop, UINT64_MAX, 0, run_on_show, r);
	loop_timer_stop(r->show);
	run_begin(r);
	if (loop_run(r->ctx.loop, err) < 0)
		return -1;
	console_live(r->ctx.console, NULL, 0);
	code = run_finish(r, err);
	console_set_copy(r->ctx.console, NULL, NULL);
	if (rundir_close(STEAL_PTR(&r->dir), &end) < 0) {
		log_error("%s", end.text);
		if (code == 0)
			code = 1;
	}
	away_end(&r->away, code);
	return code;
}

static int prepare(struct run *r, struct err *err)
{
	const struct options *o = &r->app->o;

	if (o->export_file && export_check(o->export_file, err) < 0)
		return -1;
	if (run_load(r, err) < 0 || make_fleet(r, err) < 0)
		return -1;
	return run_plan_dry(r, err);
}

static void release(struct run *r)
{
	struct err ignored = ERR_INIT;

	loop_timer_del(r->wait);
	loop_timer_del(r->timer);
	loop_timer_del(r->show);
	fleet_destroy(r->fleet);
	for (size_t i = 0; i < r->n; i++) {
		run_forget_ready(&r->members[i]);
		machine_seen_finish(&r->members[i].machine);
		free(r->members[i].target);
		free(r->members[i].job_worker);
		for (unsigned phase = 0; phase < PHASES; phase++)
			free(r->members[i].noted[phase]);
	}
	free(r->members);
	free(r->failure);
	steady_destroy(r->steady);
	first_done_destroy(r->first_done);
	agg_destroy(r->agg);
	console_set_copy(r->ctx.console, NULL, NULL);
	rundir_close(r->dir, &ignored);
	away_end(&r->away, 1);
	if (r->planned)
		plan_finish(&r->plan);
	cloud_forwarded_finish(&r->forwarded);
	store_config_finish(&r->store);
	workload_destroy(r->workload);
	context_close(&r->ctx);
}

static int run_command(struct app *app, bool plan_only, int detach_fd, struct err *err)
{
	AUTO_BUF struct buf remarks = BUF_INIT, told = BUF_INIT;
	struct run r = {.app = app,
		.exit_code = -1,
		.shown_interval = UINT_MAX,
		.remarks = &remarks,
		.told = &told,
		.away = {.detach_fd = detach_fd},
		.wall_start_ns = clock_wall_ns(),
		.began_ns = clock_ns()};
	int code = context_open(&r.ctx, app, false, err);

	make_run_id(&r);
	if (code == 0)
		code = prepare(&r, err);
	if (code == 0 && plan_only)
		validate_show(&r);
	else if (code == 0)
		code = go(&r, err);
	release(&r);
	return code;
}

int cmd_run(struct app *app, struct err *err)
{
	int fd = -1, code = 0;

	if (app->o.detach && !app->o.dry_run) {
		int front = detach_fork(&fd, &code, err);

		if (front)
			return front < 0 ? -1 : code;
	}
	return run_command(app, app->o.dry_run, fd, err);
}

int cmd_validate(struct app *app, struct err *err)
{
	return run_command(app, true, -1, err);
}
