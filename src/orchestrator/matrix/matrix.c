/* matrix: the command. Reads hosts and tests, plans, makes the results directory, and lets the rounds go. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "common/text.h"
#include "common/units.h"
#include "orchestrator/command.h"
#include "orchestrator/console/console.h"
#include "orchestrator/console/events.h"
#include "orchestrator/matrix/matrix_private.h"
#include "orchestrator/runs/detach.h"

#define TICK_NS (200 * NS_PER_MS)
#define AT_MOST_MAX 100000
#define REPEATS_MAX 10000
#define REMARKS_MAX 1000

void matrix_remark(struct matrix *m, const char *fmt, ...)
{
	AUTO_BUF struct buf text = BUF_INIT;
	char **grown;
	size_t n = 0;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	for (; m->remarks && m->remarks[n]; n++)
		if (text.data && strcmp(m->remarks[n], text.data) == 0)
			return;
	if (n == REMARKS_MAX) /* hosts make them too */
		return;
	grown = reallocarray(m->remarks, n + 2, sizeof(*grown));
	if (!grown)
		return;
	m->remarks = grown;
	grown[n] = buf_steal(&text);
	grown[n + 1] = NULL;
}

static void copy_line(const char *line, void *user)
{
	rundir_console(user, line);
}

static int read_options(struct matrix *m, struct err *err)
{
	const struct options *o = &m->app->o;
	uint64_t n = 0;
	int engine;

	if (options_engine(o, &engine, err) < 0)
		return -1;
	m->engine = net_engines[engine];
	m->kind = (enum net_engine)engine;
	m->name = "matrix";
	m->repeats = o->repeat_set ? o->repeat : 1;
	m->retries = o->retries_set ? (uint32_t)o->retries : 1;
	if (o->export_file && strcmp(o->export_file, "-") != 0 &&
		!text_ends_with(o->export_file, ".json") &&
		!text_ends_with(o->export_file, ".csv"))
		return err_set(err, ERR_INPUT,
			"--export %s: the name must end in .json or .csv",
			o->export_file);
	if (!m->repeats || m->repeats > REPEATS_MAX ||
		(o->retries_set && o->retries > 100))
		return err_set(err, ERR_INPUT,
			"--repeat is 1 to %d, --retries at most 100", REPEATS_MAX);
	if (!!o->parallel + o->sequential + o->concurrent > 1)
		return err_set(err, ERR_INPUT,
			"--parallel, --sequential and --concurrent exclude each other");
	if (o->parallel && *o->parallel &&
		(units_parse_count(o->parallel, &n) < 0 || !n || n > AT_MOST_MAX))
		return err_set(err, ERR_INPUT,
			"option '--parallel' wants how many pairs may run at once, not "
			"'%s'",
			o->parallel);
	m->at_most = (uint32_t)n;
	if (o->sequential)
		m->mode = MATRIX_SEQUENTIAL;
	else if (o->concurrent)
		m->mode = MATRIX_CONCURRENT;
	return o->port_range ? matrix_parse_ports(
				       o->port_range, &m->port_min, &m->port_max, err)
			     : 0;
}

static int plan_rounds(struct matrix *m, struct err *err)
{
	AUTO_FREE uint32_t *machines = calloc(m->ctx.hosts.n + 1, sizeof(*machines));

	if (!machines)
		return err_sys(err, ENOMEM, "matrix");
	matrix_hosts_machines(m, machines);
	if (matrix_plan_rounds(&m->plan, m->mode, m->at_most, machines, err) < 0)
		return -1;
	if (m->resume)
		m->work.left_ns = matrix_resume_length_ns(m);
	return 0;
}

/* Now that the hosts have said which machines they are. */
int matrix_replan(struct matrix *m, struct err *err)
{
	uint32_t before = m->plan.rounds;

	for (size_t i = 0; i < m->n_hosts; i++) {
		AUTO_BUF struct buf names = BUF_INIT;

		if (fleet_one_machine(m->fleet, i, &names))
			matrix_remark(m, "one machine, so never twice in a round: %s",
				names.data);
	}
	if (plan_rounds(m, err) < 0)
		return -1;
	if (m->plan.rounds != before)
		matrix_show_plan(m);
	return 0;
}

static int prepare(struct matrix *m, struct err *err)
{
	if (matrix_resume_read(m, err) < 0 || read_options(m, err) < 0 ||
		matrix_tests_read(m, err) < 0 || matrix_engine_check(m, err) < 0 ||
		matrix_hosts_read(m, err) < 0 || matrix_tests_fit(m, err) < 0 ||
		matrix_plan_pairs(&m->lists, &m->plan, err) < 0 ||
		matrix_resume_match(m, err) < 0)
		return -1;
	return plan_rounds(m, err);
}

static int make_fleet(struct matrix *m, struct err *err)
{
	struct fleet_config config = {
		.one_worker = true,
		.events = {.online = matrix_online,
			.gone = matrix_gone,
			.finished = matrix_finished,
			.message = matrix_message,
			.worker_stderr = matrix_stderr,
			.progress = matrix_progress},
		.user = m,
	};

	m->fleet = context_fleet(&m->ctx, &config, err);
	return m->fleet ? matrix_hosts_init(m, err) : -1;
}

static int make_dir(struct matrix *m, struct err *err)
{
	if (m->resume)
		return matrix_resume_begin(m, err);
	if (rundir_create_plain(
		    ".", m->app->o.output, m->name, m->wall_start_ns, &m->dir, err) < 0)
		return -1;
	return matrix_save(m, err);
}

static int watch_signals(struct matrix *m, struct err *err)
{
	static const struct {
		int signo;
		loop_signal_fn *fn;
	} signals[] = {{SIGINT, matrix_signal}, {SIGTERM, matrix_signal},
		{SIGHUP, matrix_hang_up}};

	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		if (!loop_signal_add(
			    m->ctx.loop, signals[i].signo, signals[i].fn, m, err))
			return -1;
	return 0;
}

static void enter(struct matrix *m)
{
	struct run_entry e = {.command = (char *)"matrix",
		.workload = (char *)m->name,
		.workers = m->n_hosts,
		.hosts = m->ctx.hosts.n,
		.started_wall_ns = m->wall_start_ns,
		.began_ns = m->began_ns};

	away_register(&m->away, &m->ctx, rundir_path(m->dir), &e);
}

/* Results are written again, as they may not have been. */
static int nothing_left(struct matrix *m, struct err *err)
{
	if (make_dir(m, err) < 0 || matrix_tasks_make(m, err) < 0)
		return -1;
	console_set_copy(m->ctx.console, copy_line, m->dir);
	return matrix_finish(m, err);
}

static int measure(struct matrix *m, struct err *err)
{
	if (make_fleet(m, err) < 0 || context_transport(&m->ctx, err) < 0 ||
		make_dir(m, err) < 0 || watch_signals(m, err) < 0)
		return -1;
	console_set_copy(m->ctx.console, copy_line, m->dir);
	enter(m);
	matrix_show_header(m);
	m->show = loop_timer_add(m->ctx.loop, UINT64_MAX, 0, matrix_on_show, m);
	loop_timer_stop(m->show);
	m->tick = loop_timer_add(
		m->ctx.loop, clock_ns() + TICK_NS, TICK_NS, matrix_on_tick, m);
	context_start(&m->ctx, m->fleet);
	matrix_show_wait(m, NULL);
	if (loop_run(m->ctx.loop, err) < 0)
		return -1;
	console_live(m->ctx.console, NULL, 0);
	return matrix_finish(m, err);
}

static int go(struct matrix *m, struct err *err)
{
	struct err end = ERR_INIT;
	int code = matrix_resume_nothing_left(m) ? nothing_left(m, err) : measure(m, err);

	if (code < 0)
		return -1;
	console_set_copy(m->ctx.console, NULL, NULL);
	if (rundir_close(STEAL_PTR(&m->dir), &end) < 0) {
		log_error("%s", end.text);
		code = code ? code : 1;
	}
	away_end(&m->away, code);
	return code;
}

static void free_lines(char **lines)
{
	for (char **l = lines; l && *l; l++)
		free(*l);
	free(lines);
}

static void release(struct matrix *m)
{
	struct err ignored = ERR_INIT;

	loop_timer_del(m->tick);
	loop_timer_del(m->show);
	matrix_flights_drop(m);
	matrix_tasks_finish(m);
	matrix_tests_finish(m);
	matrix_resume_finish(m);
	fleet_destroy(m->fleet);
	matrix_hosts_finish(m);
	free(m->refusal);
	free(m->profile_text);
	free_lines(m->remarks);
	free_lines(m->missed);
	free_lines(m->met);
	console_set_copy(m->ctx.console, NULL, NULL);
	rundir_close(m->dir, &ignored);
	away_end(&m->away, 1);
	context_close(&m->ctx);
}

static int matrix_command_run(struct app *app, int detach_fd, struct err *err)
{
	struct matrix m = {.app = app,
		.exit_code = -1,
		.next_id = 1,
		.early_ns = UINT64_MAX,
		.away = {.detach_fd = detach_fd},
		.wall_start_ns = clock_wall_ns(),
		.began_ns = clock_ns()};
	int code = context_open(&m.ctx, app, false, err);

	if (code == 0)
		code = prepare(&m, err);
	if (code == 0 && app->o.dry_run)
		code = matrix_show_dry(&m, err);
	else if (code == 0)
		code = go(&m, err);
	release(&m);
	return code;
}

int cmd_matrix(struct app *app, struct err *err)
{
	int fd = -1, code = 0;

	if (app->o.detach && !app->o.dry_run) {
		int front = detach_fork(&fd, &code, err);

		if (front)
			return front < 0 ? -1 : code;
	}
	code = matrix_command_run(app, fd, err);
	if (code < 0 && app->o.limit)
		command_hint_words(app->argc, app->argv, err);
	return code;
}
