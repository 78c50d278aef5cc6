/* lease: start, status and stop: each host is reached, its data address looked up, and its worker asked. */
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/text.h"
#include "common/units.h"
#include "orchestrator/command.h"
#include "orchestrator/console/console.h"
#include "orchestrator/console/status.h"
#include "orchestrator/export.h"
#include "orchestrator/lease/lease_private.h"
#include "transport/resolve.h"

#define LEASE_NS (3600 * NS_PER_SEC)
#define LEASE_MAX_NS (30 * 86400 * NS_PER_SEC)

static struct lease_host *host_of(struct lease_command *c, const struct fleet_worker *w)
{
	return &c->hosts[w->index];
}

bool lease_is_mine(const struct lease_host *h, const struct lease_info *i)
{
	return strcmp(i->address ? i->address : "", h->address) == 0 &&
	       (!h->command->port || h->command->port == i->port);
}

static void show_status(struct lease_command *c)
{
	status_show(c->ctx.status, "  %zu/%zu hosts answered", c->done, c->n);
}

/* ---- from host to host ---- */

/* Whether another host, whose server would be this one's rival, is being asked just now. */
static bool must_wait(const struct lease_host *h)
{
	const struct lease_command *c = h->command;

	for (size_t i = 0; c->verb->one_by_one && i < c->n; i++) {
		const struct lease_host *o = &c->hosts[i];

		if (o != h && o->asked && !o->over &&
			strcmp(o->w->hello.machine_id, h->w->hello.machine_id) == 0)
			return true;
	}
	return false;
}

static void begin(struct lease_host *h)
{
	if (!h->online || !h->address || h->asked || h->over || must_wait(h))
		return;
	h->asked = true;
	h->command->verb->begin(h);
}

void lease_over(struct lease_host *h)
{
	struct lease_command *c = h->command;

	if (h->over)
		return;
	h->over = true;
	c->done++;
	/* in the order of the inventory, each as soon as those before it are known */
	while (c->printed < c->n && c->hosts[c->printed].over)
		lease_rows_show(&c->hosts[c->printed++]);
	show_status(c);
	if (c->done == c->n) {
		status_clear(c->ctx.status);
		loop_stop(c->ctx.loop);
		return;
	}
	for (size_t i = 0; i < c->n; i++)
		begin(&c->hosts[i]);
}

static void fail(struct lease_host *h, enum lease_outcome outcome, const char *text)
{
	if (h->over)
		return;
	lease_row_fail(h, outcome, text);
	lease_over(h);
}

void lease_ask(struct lease_host *h, struct msg *m)
{
	h->waiting++;
	fleet_send(h->w, m);
}

static void on_message(struct fleet_worker *w, struct msg *m, void *user)
{
	struct lease_host *h = host_of(user, w);

	if (m->type == MSG_LEASES && h->waiting) {
		h->waiting--;
		h->command->verb->answer(h, &m->u.leases);
	} else if (m->type == MSG_ERROR) {
		fail(h, LEASE_ROW_FAILED, m->u.error.text);
	}
}

static void on_online(struct fleet_worker *w, void *user)
{
	struct lease_host *h = host_of(user, w);

	w->state = WORKER_READY;
	h->online = true;
	begin(h);
}

static void on_gone(struct fleet_worker *w, void *user)
{
	fail(host_of(user, w), LEASE_ROW_UNREACHABLE, w->reason);
}

static void on_stderr(struct fleet_worker *w, const char *data, size_t len, void *user)
{
	(void)user;
	fleet_log_stderr(w, data, len);
}

static void on_signal(int signo, void *user)
{
	struct lease_command *c = user;

	c->signo = signo;
	loop_stop(c->ctx.loop);
}

/* ---- where their servers listen ---- */

static char *numeric(const struct addrinfo *a)
{
	char text[NI_MAXHOST];

	if (!a || getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof(text), NULL, 0,
			  NI_NUMERICHOST) != 0)
		return NULL;
	return strdup(text);
}

static void on_resolved(struct addrinfo *list, int error, void *user)
{
	struct lease_host *h = user;

	h->job = NULL;
	h->address = numeric(list);
	if (list)
		freeaddrinfo(list);
	if (!h->address) {
		AUTO_FREE char *why = text_printf(
			"its data address '%s' is no address and no name that can be "
			"resolved: %s (data_address in the inventory)",
			h->host->data_address, gai_strerror(error));

		fail(h, LEASE_ROW_FAILED, why);
		return;
	}
	begin(h);
}

static void look_up(struct lease_host *h)
{
	const char *address = h->host->data_address;

	if (h->host->container.image)
		fail(h, LEASE_ROW_FAILED,
			"its workers run in a container, and a server would end with it");
	else if (address)
		h->job = resolve_start(h->command->resolver, address, 0, on_resolved, h);
	else
		h->address = strdup("");
}

/* ---- the command ---- */

/* Those that can be servers. */
static int choose_hosts(struct lease_command *c, struct err *err)
{
	struct inventory *all = &c->ctx.hosts;
	size_t n = 0;

	if (context_hosts(&c->ctx, NULL, err) < 0)
		return -1;
	for (size_t i = 0; i < all->n; i++) {
		if (all->hosts[i].role == ROLE_CLIENT) {
			host_finish(&all->hosts[i]);
			continue;
		}
		if (n != i)
			all->hosts[n] = all->hosts[i];
		n++;
	}
	all->n = n;
	return n ? 0
		 : err_set(err, ERR_INPUT,
			   "no host of the inventory has the role server or both: there "
			   "is none to run a server on");
}

static int read_options(struct lease_command *c, struct err *err)
{
	struct options *o = &c->app->o;

	/* --port is the server's here */
	c->port = o->port;
	o->port = o->ssh_port;
	c->lease_ns = o->lease_set ? o->lease_ns : LEASE_NS;
	if (!c->lease_ns)
		return err_set(err, ERR_INPUT,
			"--lease 0: a server without an end would be forgotten; say how "
			"long it may stay (at most 30d), and start again renews it");
	if (c->lease_ns < NS_PER_SEC || c->lease_ns > LEASE_MAX_NS)
		return err_set(err, ERR_INPUT, "--lease is 1s to 30d, not %s",
			units_duration(c->lease_ns).s);
	if (export_check_name(o->export_file, c->verb->name, err) < 0)
		return -1;
	return options_engine(o, &c->engine, err);
}

static int make_fleet(struct lease_command *c, struct err *err)
{
	struct fleet_config config = {
		.one_worker = true,
		.no_clock = true,
		.events = {.online = on_online,
			.gone = on_gone,
			.message = on_message,
			.worker_stderr = on_stderr},
		.user = c,
	};

	c->fleet = context_fleet(&c->ctx, &config, err);
	c->resolver = c->fleet ? resolver_create(c->ctx.loop, err) : NULL;
	if (!c->resolver)
		return -1;
	c->n = fleet_size(c->fleet);
	c->hosts = calloc(c->n, sizeof(*c->hosts));
	if (!c->hosts)
		return err_sys(err, ENOMEM, "%s", c->verb->name);
	for (size_t i = 0; i < c->n; i++) {
		struct fleet_worker *w = fleet_worker(c->fleet, i);

		c->hosts[i] = (struct lease_host){.command = c, .host = w->host, .w = w};
	}
	return 0;
}

static int result(struct lease_command *c, struct err *err)
{
	size_t good = 0, rows = 0;
	int code = 0;

	status_clear(c->ctx.status);
	for (size_t i = 0; i < c->n && c->signo; i++)
		fail(&c->hosts[i], LEASE_ROW_FAILED,
			"not done before muster was interrupted");
	for (size_t i = 0; i < c->n; i++)
		for (size_t k = 0; k < c->hosts[i].n_rows; k++) {
			const struct lease_row *r = &c->hosts[i].rows[k];
			bool is_good = lease_row_good(&c->hosts[i], r);

			rows++;
			good += is_good;
			if (r->outcome == LEASE_ROW_UNREACHABLE)
				code = 3;
			else if (!is_good && !code)
				code = 1;
			if (!is_good && c->verb->done && c->app->o.quiet)
				log_error("%s: %s", c->hosts[i].host->name,
					r->text ? r->text : "not done");
		}
	if (c->verb->done)
		console_always(c->ctx.console, "Result: %zu/%zu netservers %s", good,
			rows, c->verb->done);
	if (c->app->o.export_file && lease_rows_export(c, c->app->o.export_file, err) < 0)
		return -1;
	return c->signo ? 128 + c->signo : code;
}

static int go(struct lease_command *c, struct err *err)
{
	AUTO_FREE char *hosts = NULL;

	if (read_options(c, err) < 0 || choose_hosts(c, err) < 0 ||
		context_transport(&c->ctx, err) < 0 || make_fleet(c, err) < 0)
		return -1;
	if (!loop_signal_add(c->ctx.loop, SIGINT, on_signal, c, err) ||
		!loop_signal_add(c->ctx.loop, SIGTERM, on_signal, c, err))
		return -1;
	hosts = text_printf("%s", units_of(c->n, "host").s);
	console_line(c->ctx.console, "%s%s%s", c->verb->heading,
		c->verb->done ? hosts : "", c->verb->done ? "..." : "");
	for (size_t i = 0; i < c->n; i++)
		look_up(&c->hosts[i]);
	show_status(c);
	context_start(&c->ctx, c->fleet);
	if (c->done < c->n && loop_run(c->ctx.loop, err) < 0)
		return -1;
	return result(c, err);
}

int lease_command_run(struct app *app, const struct lease_verb *verb, struct err *err)
{
	struct lease_command c = {.app = app, .verb = verb};
	int r = context_open(&c.ctx, app, false, err);

	if (r == 0)
		r = go(&c, err);
	/* a closed channel is the end of a worker, and of no server */
	fleet_destroy(c.fleet);
	for (size_t i = 0; c.hosts && i < c.n; i++) {
		resolve_cancel(c.hosts[i].job);
		lease_rows_finish(&c.hosts[i]);
		free(c.hosts[i].address);
	}
	free(c.hosts);
	resolver_destroy(c.resolver);
	context_close(&c.ctx);
	return r;
}
