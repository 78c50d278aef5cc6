/* clean: takes away what muster keeps on the hosts. What a run left there is clean_data's. */
#include <errno.h>
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
#include "orchestrator/clean_data.h"
#include "orchestrator/command.h"
#include "orchestrator/console/console.h"
#include "orchestrator/console/display.h"
#include "orchestrator/console/status.h"
#include "orchestrator/context.h"
#include "transport/transport.h"

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

static void show_status(struct clean *c)
{
	AUTO_BUF struct buf text = BUF_INIT;
	const char *names[DISPLAY_WAITED_MAX];
	size_t n = c->ctx.hosts.n, waiting = 0;

	for (size_t i = 0; i < n; i++)
		if (!c->hosts[i].over && waiting++ < DISPLAY_WAITED_MAX)
			names[waiting - 1] = c->ctx.hosts.hosts[i].name;
	display_waited(&text, names, waiting);
	status_show(c->ctx.status, "  %zu/%zu hosts done%s", n - c->left, n,
		text.data ? text.data : "");
}

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
	c->left--;
	show_status(c);
	if (c->left == 0)
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
	AUTO_FREE char *command = worker_clean_command(&h->host->container);

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

/* The worker was there before muster came; there may not even be a shell that could look. */
static bool puts_nothing(const struct host *h)
{
	return h->worker_path && !h->container.image;
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
	console_line(c->ctx.console, "Removing muster's files from %s...",
		units_of(n, "host").s);
	c->left = n;
	show_status(c);
	for (size_t i = 0; i < n; i++) {
		c->hosts[i] = (struct clean_host){.clean = c, .host = c->ctx.refs[i]};
		if (puts_nothing(c->ctx.refs[i])) {
			host_over(&c->hosts[i], NULL);
			continue;
		}
		c->hosts[i].conn = conn_open(
			c->ctx.transport, c->ctx.refs[i], &events, &c->hosts[i]);
	}
	if (c->left && loop_run(c->ctx.loop, err) < 0)
		return -1;
	for (size_t i = 0; i < n && c->signo; i++)
		host_over(&c->hosts[i], "not done before muster was interrupted");
	status_clear(c->ctx.status);
	console_always(c->ctx.console, "Result: %zu/%zu hosts clean", n - c->failed, n);
	if (c->signo)
		return 128 + c->signo;
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

int cmd_clean(struct app *app, struct err *err)
{
	if (app->o.data)
		return clean_data(app, err);
	if (app->o.store_config)
		return err_set(err, ERR_INPUT,
			"--workload-config is about data: it goes with --data DIR");
	return cmd_clean_files(app, err);
}
