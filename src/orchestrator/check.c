/* check: reach every host, start the worker there, and say what was found. */
#include <errno.h>
#include <jansson.h>
#include <math.h>
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
#include "orchestrator/console/console.h"
#include "orchestrator/console/display.h"
#include "orchestrator/console/events.h"
#include "orchestrator/console/status.h"
#include "orchestrator/context.h"
#include "orchestrator/export.h"
#include "orchestrator/fleet/fleet.h"
#include "orchestrator/setup_programs.h"

struct check {
	struct context ctx;
	struct fleet *fleet;
	size_t done, online, printed;
	bool *ended;                     /* by worker: its outcome is known */
	bool setup;                      /* the command is setup: say what was copied */
	struct setup_programs *programs; /* that setup sees to, or NULL */
	int signo;
	struct loop_timer *end;
};

static void describe(const struct check *k, const struct fleet_worker *w, struct buf *out)
{
	const struct conn_info *ci = fleet_conn_info(w);
	const struct msg_hello *h = &w->hello;
	int64_t offset;
	uint64_t bound;

	if (ci && ci->login && *ci->login)
		buf_printf(out, "%s by %s, ", ci->address, ci->login);
	if (w->host->container.image)
		buf_printf(out, "in %s %s, ", fleet_container_runtime(w),
			w->host->container.image);
	/* setup does not wait for it */
	if (!k->setup && clock_sync_at(&w->clock, clock_ns(), &offset, &bound))
		buf_printf(out, "rtt %.3f ms, clock %+.3f ms ±%.3f ms, ",
			(double)w->clock.rtt_ns / 1e6, (double)offset / 1e6,
			(double)bound / 1e6);
	buf_printf(out, "%u cores, %s, %s, %s, worker %s %.8s", h->cpus,
		units_bytes(h->memory_bytes).s, h->arch, h->kernel, h->version,
		h->sha256);
	buf_puts(out, w->uploaded ? " (copied)" : "");
	if (k->programs)
		setup_programs_describe(k->programs, w, out);
}

static void print_host(struct check *k, const struct fleet_worker *w)
{
	AUTO_BUF struct buf what = BUF_INIT;
	struct console *con = k->ctx.console;
	bool ok = !worker_gone(w);
	bool color = console_color(con);
	int pad = 18 - (int)text_width(w->host->name);

	if (ok)
		describe(k, w, &what);
	else
		buf_puts(&what, w->reason);
	console_line(con, "  %s%s%s %s%*s (%s)  %s",
		!color ? ""
		: ok   ? "\x1b[32m"
		       : "\x1b[31m",
		ok ? "✓" : "✗", color ? "\x1b[0m" : "", w->host->name, pad > 0 ? pad : 0,
		"", w->host->address, what.data);
}

/* what: happens just now, or NULL. */
static void show_status(struct check *k, const char *what)
{
	AUTO_BUF struct buf text = BUF_INIT;
	const char *names[DISPLAY_WAITED_MAX];
	size_t waiting = 0;

	for (size_t i = 0; i < fleet_size(k->fleet); i++)
		if (!k->ended[i] && waiting++ < DISPLAY_WAITED_MAX)
			names[waiting - 1] = fleet_worker(k->fleet, i)->host->name;
	if (what)
		buf_printf(&text, "; %s", what);
	else
		display_waited(&text, names, waiting);
	status_show(k->ctx.status, "  %zu/%zu hosts answered%s", k->done,
		fleet_size(k->fleet), text.data ? text.data : "");
}

static void progress(struct check *k)
{
	/* in the order of the inventory, each as soon as those before it are known */
	while (k->printed < fleet_size(k->fleet) && k->ended[k->printed])
		print_host(k, fleet_worker(k->fleet, k->printed++));
	if (k->done < fleet_size(k->fleet)) {
		show_status(k, NULL);
		return;
	}
	status_clear(k->ctx.status);
	loop_stop(k->ctx.loop);
}

static void ended(struct check *k, struct fleet_worker *w, bool online)
{
	if (k->ended[w->index])
		return;
	k->ended[w->index] = true;
	k->done++;
	k->online += online;
	events_state(&k->ctx, NULL, w);
	progress(k);
}

static void on_online(struct fleet_worker *w, void *user)
{
	struct check *k = user;

	w->state = WORKER_READY;
	if (k->programs)
		setup_programs_begin(k->programs, w);
	else
		ended(k, w, true);
}

/* fleet_fail leads to on_gone. */
static void programs_done(struct fleet_worker *w, const char *error, void *user)
{
	if (error)
		fleet_fail(w, WORKER_ERROR, error);
	else
		ended(user, w, true);
}

static void on_message(struct fleet_worker *w, struct msg *m, void *user)
{
	struct check *k = user;

	if (k->programs)
		setup_programs_message(k->programs, w, m);
}

static void on_gone(struct fleet_worker *w, void *user)
{
	struct check *k = user;

	setup_programs_drop(k->programs, w);
	ended(k, w, false);
}

static void on_progress(struct fleet_worker *w, uint64_t sent, uint64_t size, void *user)
{
	struct check *k = user;
	AUTO_FREE char *what = fleet_progress_text(w, sent, size);

	show_status(k, size == 0 || sent < size ? what : NULL);
}

static void on_stderr(struct fleet_worker *w, const char *data, size_t len, void *user)
{
	(void)user;
	fleet_log_stderr(w, data, len);
}

static void on_signal(int signo, void *user)
{
	struct check *k = user;

	k->signo = signo;
	loop_stop(k->ctx.loop);
}

static void note_machines(struct check *k)
{
	for (size_t i = 0; i < fleet_size(k->fleet); i++) {
		AUTO_BUF struct buf names = BUF_INIT;

		if (fleet_one_machine(k->fleet, i, &names))
			console_line(k->ctx.console, "Note: one machine: %s", names.data);
	}
}

/* The address that benchmark traffic goes to, and who says so. */
static void add_data_address(json_t *o, const struct check *k, const struct host *h)
{
	const char *address = transport_data_address(k->ctx.transport, h);
	const char *from = h->data_address                    ? "inventory"
			   : strcmp(address, h->address) != 0 ? "ssh_config"
							      : "address";

	json_object_set_new(o, "data_address", json_string(address));
	json_object_set_new(o, "data_address_from", json_string(from));
}

static json_t *host_json(const struct check *k, const struct fleet_worker *w)
{
	const struct conn_info *ci = fleet_conn_info(w);
	const struct msg_hello *h = &w->hello;
	int64_t offset = 0;
	uint64_t bound = 0;
	json_t *o = json_pack("{s:s, s:s, s:b, s:s}", "name", w->host->name, "address",
		w->host->address, "online", !worker_gone(w), "state",
		worker_state_name(w->state));

	json_object_set_new(o, "role", json_string(host_role_names[w->host->role]));
	add_data_address(o, k, w->host);
	if (worker_gone(w)) {
		json_object_set_new(o, "error", json_string(w->reason ? w->reason : ""));
		return o;
	}
	clock_sync_at(&w->clock, clock_ns(), &offset, &bound);
	json_object_update_new(
		o, json_pack("{s:s, s:s, s:s, s:s, s:f, s:f, s:f, s:s, s:s, s:b, s:s, "
			     "s:s, s:i, s:I, s:s}",
			   "transport", ci ? ci->transport : "", "connection",
			   ci && ci->address ? ci->address : "", "login",
			   ci && ci->login ? ci->login : "", "host_key",
			   ci && ci->host_key ? ci->host_key : "", "rtt_us",
			   (double)w->clock.rtt_ns / 1e3, "clock_offset_us",
			   (double)offset / 1e3, "clock_bound_us", (double)bound / 1e3,
			   "worker_version", h->version, "worker_sha256", h->sha256,
			   "worker_copied", w->uploaded, "arch", h->arch, "kernel",
			   h->kernel, "cpus", (int)h->cpus, "memory_bytes",
			   (json_int_t)h->memory_bytes, "machine_id", h->machine_id));
	if (w->host->container.image)
		json_object_set_new(o, "container",
			json_pack("{s:s, s:s}", "runtime", fleet_container_runtime(w),
				"image", w->host->container.image));
	return o;
}

static int export(struct check *k, const char *path, struct err *err)
{
	json_t *hosts = json_array();
	json_t *all;

	for (size_t i = 0; i < fleet_size(k->fleet); i++)
		json_array_append_new(hosts, host_json(k, fleet_worker(k->fleet, i)));
	all = json_pack("{s:i, s:s, s:i, s:i, s:o}", "schema_version", 1, "command",
		"check", "online", (int)k->online, "total", (int)fleet_size(k->fleet),
		"hosts", hosts);
	return export_write(all, path, err);
}

static void quit_all(struct check *k)
{
	setup_programs_destroy(k->programs);
	/* a closed channel is the end of a worker: nothing to wait for */
	fleet_destroy(k->fleet);
	k->fleet = NULL;
}

/* Ended early: those that have not answered are told from those that have. */
static void give_up_the_rest(struct check *k)
{
	for (size_t i = 0; i < fleet_size(k->fleet); i++)
		if (!k->ended[i])
			fleet_fail(fleet_worker(k->fleet, i), WORKER_LOST,
				"no answer before muster was interrupted");
}

static int report(struct check *k, struct err *err)
{
	size_t total = fleet_size(k->fleet);
	struct console *con = k->ctx.console;

	if (k->signo)
		give_up_the_rest(k);
	status_clear(k->ctx.status);
	note_machines(k);
	console_always(con, "Result: %zu/%zu hosts online", k->online, total);
	if (k->ctx.app->o.quiet)
		for (size_t i = 0; i < total; i++)
			if (worker_gone(fleet_worker(k->fleet, i)))
				log_error("%s: %s", fleet_worker(k->fleet, i)->host->name,
					fleet_worker(k->fleet, i)->reason);
	if (k->ctx.app->o.export_file && export(k, k->ctx.app->o.export_file, err) < 0)
		return -1;
	if (k->signo)
		return 128 + k->signo;
	return k->online == total ? 0 : 3;
}

static int check_hosts(struct check *k, struct err *err)
{
	struct fleet_config config = {
		.one_worker = true,
		.no_clock = k->setup,
		.events = {.online = on_online,
			.gone = on_gone,
			.message = on_message,
			.progress = on_progress,
			.worker_stderr = on_stderr},
		.user = k,
	};

	if (k->setup &&
		setup_programs_create(&k->ctx, programs_done, k, &k->programs, err) < 0)
		return -1;
	if (context_hosts(&k->ctx, NULL, err) < 0 || context_transport(&k->ctx, err) < 0)
		return -1;
	if (!loop_signal_add(k->ctx.loop, SIGINT, on_signal, k, err) ||
		!loop_signal_add(k->ctx.loop, SIGTERM, on_signal, k, err))
		return -1;
	k->fleet = context_fleet(&k->ctx, &config, err);
	if (!k->fleet)
		return -1;
	k->ended = calloc(fleet_size(k->fleet), sizeof(*k->ended));
	if (!k->ended)
		return err_sys(err, ENOMEM, "check");
	if (k->programs && setup_programs_start(k->programs, k->fleet, err) < 0)
		return -1;
	console_line(k->ctx.console, k->setup ? "Copying the worker to all hosts..."
					      : "Checking connectivity to all hosts...");
	show_status(k, NULL);
	context_start(&k->ctx, k->fleet);
	if (loop_run(k->ctx.loop, err) < 0)
		return -1;
	return report(k, err);
}

static int check_command(struct app *app, bool setup, struct err *err)
{
	struct check k = {.setup = setup};
	int r;

	if (export_check_name(app->o.export_file, "check", err) < 0)
		return -1;
	r = context_open(&k.ctx, app, false, err);
	if (r == 0)
		r = check_hosts(&k, err);
	quit_all(&k);
	free(k.ended);
	context_close(&k.ctx);
	return r;
}

int cmd_check(struct app *app, struct err *err)
{
	return check_command(app, false, err);
}

int cmd_setup(struct app *app, struct err *err)
{
	app->o.no_cache = false; /* the copy is what it is for */
	return check_command(app, true, err);
}
