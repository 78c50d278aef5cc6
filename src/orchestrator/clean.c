/* clean: takes away what muster keeps on the hosts; or, with --data, what one run left there. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
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
#include "orchestrator/console.h"
#include "orchestrator/context.h"
#include "orchestrator/fleet.h"
#include "orchestrator/journal.h"
#include "transport/transport.h"

/* --- the worker's files, by a command on each host --- */

struct clean_host {
	struct clean *clean;
	const struct host *host;
	struct conn *conn;
	struct chan *chan;
	struct buf out;
	size_t removed, kept;
	bool over;
};

struct clean {
	struct context ctx;
	struct clean_host *hosts;
	size_t left, failed;
	int signo;
};

static void host_over(struct clean_host *h, const char *error)
{
	struct clean *c = h->clean;

	if (h->over)
		return;
	h->over = true;
	c->failed += error || h->kept;
	if (error) {
		log_error("%s: %s", h->host->name, error);
	} else if (!h->removed && !h->kept) {
		console_line(c->ctx.console, "  ✓ %s: nothing there", h->host->name);
	}
	if (--c->left == 0)
		loop_stop(c->ctx.loop);
}

static void handle_line(struct clean_host *h, char *line)
{
	struct console *con = h->clean->ctx.console;

	text_sanitize_inplace(line);
	if (text_starts_with(line, "MUSTER-REMOVED ")) {
		h->removed++;
		console_line(con, "  ✓ %s: removed %s", h->host->name, line + 15);
	} else if (text_starts_with(line, "MUSTER-KEPT ")) {
		h->kept++;
		console_always(con, "  ✗ %s: kept %s", h->host->name, line + 12);
	}
}

static void on_data(struct chan *ch, int stream, const char *data, size_t len, void *user)
{
	struct clean_host *h = user;
	char *end;

	(void)ch;
	if (stream != 1 || buf_append(&h->out, data, len) < 0)
		return;
	while ((end = memchr(h->out.data, '\n', h->out.len))) {
		*end = '\0';
		handle_line(h, h->out.data);
		buf_consume(&h->out, (size_t)(end - h->out.data) + 1);
	}
}

static void on_closed(struct chan *ch, const struct chan_exit *e, void *user)
{
	struct clean_host *h = user;

	(void)ch;
	h->chan = NULL;
	host_over(h,
		e->exited && e->status == 0 ? NULL : "the command that removes failed");
	conn_close(h->conn);
	h->conn = NULL;
}

static void on_up(struct conn *c, void *user)
{
	static const struct chan_events events = {.data = on_data, .closed = on_closed};
	struct clean_host *h = user;
	AUTO_FREE char *command = worker_clean_command();

	if (command)
		h->chan = chan_open(c, command, &events, h);
	else
		host_over(h, "out of memory");
}

static void on_down(
	struct conn *c, enum conn_failure why, const struct err *err, void *user)
{
	struct clean_host *h = user;

	(void)c;
	(void)why;
	h->conn = NULL;
	h->chan = NULL;
	host_over(h, err->text);
}

static void on_signal(int signo, void *user)
{
	struct clean *c = user;

	c->signo = signo;
	loop_stop(c->ctx.loop);
}

static int clean_files(struct clean *c, struct err *err)
{
	static const struct conn_events events = {.up = on_up, .down = on_down};
	size_t n;

	if (context_hosts(&c->ctx, NULL, err) < 0 || context_transport(&c->ctx, err) < 0)
		return -1;
	n = c->ctx.hosts.n;
	c->hosts = calloc(n, sizeof(*c->hosts));
	if (!c->hosts)
		return err_sys(err, ENOMEM, "clean");
	if (!loop_signal_add(c->ctx.loop, SIGINT, on_signal, c, err) ||
		!loop_signal_add(c->ctx.loop, SIGTERM, on_signal, c, err))
		return -1;
	console_line(c->ctx.console, "Removing muster's files from %zu host%s...", n,
		n == 1 ? "" : "s");
	c->left = n;
	for (size_t i = 0; i < n; i++) {
		c->hosts[i] = (struct clean_host){.clean = c, .host = c->ctx.refs[i]};
		c->hosts[i].conn = conn_open(
			c->ctx.transport, c->ctx.refs[i], &events, &c->hosts[i]);
	}
	if (loop_run(c->ctx.loop, err) < 0)
		return -1;
	if (c->signo)
		return 128 + c->signo;
	console_always(c->ctx.console, "Result: %zu/%zu hosts clean", n - c->failed, n);
	return c->failed ? 3 : 0;
}

static int cmd_clean_files(struct app *app, struct err *err)
{
	struct clean c = {0};
	int r = context_open(&c.ctx, app, false, err);

	if (r == 0)
		r = clean_files(&c, err);
	for (size_t i = 0; c.hosts && i < c.ctx.hosts.n; i++) {
		chan_close(c.hosts[i].chan);
		conn_close(c.hosts[i].conn);
		buf_finish(&c.hosts[i].out);
	}
	free(c.hosts);
	context_close(&c.ctx);
	return r;
}

/* --- a run's data, by a cleanup job on each worker --- */

struct clean_data {
	struct context ctx;
	struct journal journal;
	struct fleet *fleet;
	bool *over; /* by worker */
	size_t left, failed;
	uint64_t removed;
	int signo;
};

static struct job *job_of(const struct clean_data *c, const struct fleet_worker *w)
{
	for (size_t i = 0; i < c->journal.n; i++)
		if (strcmp(c->journal.entries[i].worker, w->id) == 0)
			return c->journal.entries[i].job;
	return NULL;
}

static void data_over(struct clean_data *c, struct fleet_worker *w, bool ok)
{
	if (c->over[w->index])
		return;
	c->over[w->index] = true;
	c->failed += !ok;
	if (--c->left == 0)
		loop_stop(c->ctx.loop);
}

static void data_online(struct fleet_worker *w, void *user)
{
	struct clean_data *c = user;
	struct job *job = job_of(c, w);
	struct msg m = {.type = MSG_JOB};

	if (!job) {
		data_over(c, w, true);
		return;
	}
	job->generation = 1;
	job->prepare = job->load = false;
	job->cleanup = true;
	m.u.job = *job;
	fleet_send(w, &m);
}

/* Workers of the run that are not among those of the hosts we have. */
static size_t name_missing(struct clean_data *c)
{
	size_t missing = 0;

	for (size_t i = 0; i < c->journal.n; i++) {
		const struct journal_entry *e = &c->journal.entries[i];
		bool found = false;

		for (size_t k = 0; !found && k < fleet_size(c->fleet); k++)
			found = strcmp(fleet_worker(c->fleet, k)->id, e->worker) == 0;
		if (found)
			continue;
		log_warn("%s: what the run made there stays, for it is not among the "
			 "hosts given",
			e->worker);
		missing++;
	}
	return missing;
}

static void data_gone(struct fleet_worker *w, void *user)
{
	struct clean_data *c = user;

	if (c->over[w->index])
		return;
	log_error("%s: %s", w->id, w->reason);
	data_over(c, w, false);
}

static void data_done(
	struct clean_data *c, struct fleet_worker *w, const struct msg_phase *p)
{
	bool ok = !p->errors && !p->left;

	c->removed += p->done;
	console_line(c->ctx.console, "  %s %s: removed %s objects%s", ok ? "✓" : "✗",
		w->id, units_count(p->done).s,
		p->foreign ? ", others' objects stay" : "");
	if (!ok)
		log_error("%s: %" PRIu64 " objects could not be removed%s%s", w->id,
			p->left, p->text ? ": " : "", p->text ? p->text : "");
	data_over(c, w, ok);
}

static void data_message(struct fleet_worker *w, struct msg *m, void *user)
{
	struct clean_data *c = user;
	int64_t offset = 0;
	uint64_t bound;
	struct msg start = {
		.type = MSG_START, .u.start = {.generation = 1, .phase = PHASE_CLEANUP}};

	if (m->type == MSG_READY || (m->type == MSG_ARMED && m->u.armed.lead_ns <= 0)) {
		clock_sync_at(&w->clock, clock_ns(), &offset, &bound);
		start.u.start.at_ns = clock_ns() + (uint64_t)offset + 50 * NS_PER_MS +
				      2 * w->clock.rtt_ns;
		fleet_send(w, &start);
	} else if (m->type == MSG_ERROR) {
		fleet_fail(w, WORKER_ERROR, m->u.error.text);
	} else if (m->type == MSG_PHASE && m->u.phase.phase == PHASE_CLEANUP) {
		data_done(c, w, &m->u.phase);
	}
}

static void data_signal(int signo, void *user)
{
	struct clean_data *c = user;

	c->signo = signo;
	loop_stop(c->ctx.loop);
}

/* The run's own hosts.yaml; without one, the run was on this machine. */
static int data_hosts(struct clean_data *c, const char *dir, struct err *err)
{
	struct inventory_options io = context_inventory_options(c->ctx.app);
	struct inventory own = {0};
	AUTO_FREE char *path = text_printf("%s/hosts.yaml", dir);
	int r = 0;

	if (!path)
		return err_sys(err, ENOMEM, "clean");
	if (access(path, R_OK) == 0)
		r = inventory_load(path, NULL, &io, &own, err);
	else if (!c->ctx.app->o.workers)
		c->ctx.app->o.workers = c->journal.n;
	if (r == 0)
		r = context_hosts(&c->ctx, &own, err);
	inventory_finish(&own);
	return r;
}

static int clean_data(struct clean_data *c, struct err *err)
{
	struct fleet_config config = {
		.events = {.online = data_online,
			.gone = data_gone,
			.message = data_message},
		.user = c,
	};
	const char *dir = c->ctx.app->o.data;
	size_t missing;

	if (journal_read(dir, &c->journal, err) < 0 || data_hosts(c, dir, err) < 0 ||
		context_transport(&c->ctx, err) < 0)
		return -1;
	if (!loop_signal_add(c->ctx.loop, SIGINT, data_signal, c, err) ||
		!loop_signal_add(c->ctx.loop, SIGTERM, data_signal, c, err))
		return -1;
	c->fleet = context_fleet(&c->ctx, &config, err);
	if (!c->fleet)
		return -1;
	missing = name_missing(c);
	c->left = fleet_size(c->fleet);
	c->over = calloc(c->left, sizeof(*c->over));
	if (!c->over)
		return err_sys(err, ENOMEM, "clean");
	console_line(c->ctx.console, "Removing what %s left on %zu worker%s...", dir,
		c->left, c->left == 1 ? "" : "s");
	context_start(&c->ctx, c->fleet);
	if (loop_run(c->ctx.loop, err) < 0)
		return -1;
	if (c->signo)
		return 128 + c->signo;
	console_always(c->ctx.console, "Result: %s objects removed, %zu/%zu workers done",
		units_count(c->removed).s, fleet_size(c->fleet) - c->failed,
		fleet_size(c->fleet));
	return c->failed ? 3 : missing ? 1 : 0;
}

static int cmd_clean_data(struct app *app, struct err *err)
{
	struct clean_data c = {0};
	int r = context_open(&c.ctx, app, false, err);

	if (r == 0)
		r = clean_data(&c, err);
	fleet_destroy(c.fleet);
	free(c.over);
	journal_finish(&c.journal);
	context_close(&c.ctx);
	return r;
}

int cmd_clean(struct app *app, struct err *err)
{
	return app->o.data ? cmd_clean_data(app, err) : cmd_clean_files(app, err);
}
