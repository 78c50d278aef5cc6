/* context: loop, console, hosts, transport and worker programs of a command. */
#include "orchestrator/context.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/text.h"
#include "orchestrator/command.h"
#include "orchestrator/console/console.h"
#include "orchestrator/console/status.h"
#include "orchestrator/fleet/fleet.h"
#include "orchestrator/ssh_setup/ask.h"
#include "transport/transport.h"

void context_warn(const char *text, void *user)
{
	(void)user;
	log_warn("%s", text);
}

struct inventory_options context_inventory_options(const struct app *app)
{
	const struct options *o = &app->o;

	return (struct inventory_options){
		.lenient = o->lenient,
		.warn = context_warn,
		.default_user = o->user,
		.default_key = o->key,
		.default_port = o->port,
		.default_workers = (unsigned)o->workers,
	};
}

/* Adds the hosts of from to to. A name that is there already is the same host given twice. */
static int merge(struct inventory *to, const struct inventory *from, struct err *err)
{
	struct host *hosts = reallocarray(to->hosts, to->n + from->n + 1, sizeof(*hosts));

	if (!hosts)
		return err_sys(err, ENOMEM, "hosts");
	to->hosts = hosts;
	for (size_t i = 0; i < from->n; i++) {
		if (inventory_find(to, from->hosts[i].name))
			continue;
		if (host_copy(&to->hosts[to->n], &from->hosts[i]) < 0)
			return err_sys(err, ENOMEM, "hosts");
		to->n++;
	}
	return 0;
}

static int this_machine(struct context *c, struct err *err)
{
	c->embedded = true;
	c->hosts.hosts = calloc(1, sizeof(*c->hosts.hosts));
	if (!c->hosts.hosts)
		return err_sys(err, ENOMEM, "hosts");
	c->hosts.n = 1;

	struct host *h = &c->hosts.hosts[0];
	uint64_t workers = c->app->o.workers;

	h->name = strdup("local");
	h->address = strdup("localhost");
	h->place = strdup("this machine");
	h->transport = TRANSPORT_LOCAL;
	h->workers = workers ? (unsigned)workers : 1;
	return h->name && h->address && h->place ? 0 : err_sys(err, ENOMEM, "hosts");
}

/* The hosts of --hosts-file: after hosts.yaml they are the hosts that count, and it says what they are
 * like; after another list they are more hosts. */
static int add_list_file(struct context *c, const struct inventory *given,
	const struct inventory_options *io, struct err *err)
{
	const struct options *o = &c->app->o;
	CLEANUP(inventory_finish) struct inventory list = {0};

	if (inventory_load_list_file(o->hosts_file, c->hosts.defaults ? &c->hosts : given,
		    io, &list, err) < 0)
		return -1;
	if (c->hosts.defaults)
		inventory_finish(&c->hosts);
	return merge(&c->hosts, &list, err);
}

int context_hosts(struct context *c, const struct inventory *given, struct err *err)
{
	const struct options *o = &c->app->o;
	struct inventory_options io = context_inventory_options(c->app);

	if (o->workers > 1024)
		return err_set(err, ERR_INPUT, "option '--workers' wants at most 1024");
	if (o->hosts && inventory_load(o->hosts, given, &io, &c->hosts, err) < 0)
		return -1;
	if (o->hosts_file && add_list_file(c, given, &io, err) < 0)
		return -1;
	if (!o->hosts && !o->hosts_file && given && given->n &&
		merge(&c->hosts, given, err) < 0)
		return -1;
	if (c->hosts.n == 0) {
		if (o->limit)
			return err_set(err, ERR_INPUT, "--limit needs hosts (--hosts)");
		if (this_machine(c, err) < 0)
			return -1;
	} else if (o->limit && inventory_limit(&c->hosts, o->limit, err) < 0) {
		return -1;
	}
	c->refs = calloc(c->hosts.n, sizeof(*c->refs));
	if (!c->refs)
		return err_sys(err, ENOMEM, "hosts");
	for (size_t i = 0; i < c->hosts.n; i++)
		c->refs[i] = &c->hosts.hosts[i];
	return 0;
}

static int open_json(struct context *c, struct err *err)
{
	const char *path = c->app->o.json_lines;
	struct console_config config = {.no_color = true};

	if (!path)
		return 0;
	c->json_fd = *path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)
			   : fcntl(1, F_DUPFD_CLOEXEC, 3);
	if (c->json_fd < 0)
		return err_sys(err, errno, "--json-lines: %s", path);
	config.fd = c->json_fd;
	c->json = console_create(&config, err);
	return c->json ? 0 : -1;
}

static void transport_note(const struct host *h, const char *text, void *user)
{
	(void)user;
	if (h)
		log_note("%s: %s", h->name, text);
	else
		log_note("%s", text);
}

int context_open(struct context *c, struct app *app, bool plain, struct err *err)
{
	struct console_config config = {
		.fd = options_take_stdout(&app->o) ? 2 : 1,
		.quiet = app->o.quiet,
		.no_color = app->o.no_color || plain,
	};

	*c = (struct context){.app = app, .json_fd = -1};
	c->config = (struct transport_config){
		.connect_timeout_ns = app->o.timeout_ns,
		.login_timeout_ns = app->o.timeout_ns,
		.ask_secret = ask_secret,
		.note = transport_note,
	};
	c->loop = loop_create(err);
	if (!c->loop)
		return -1;
	c->console = console_create(&config, err);
	if (!c->console)
		return -1;
	console_take_log(c->console);
	c->status = status_create(c->loop, c->console, app->o.headless, app->o.quiet);
	return open_json(c, err);
}

/* libexec beside an installed program, or the build tree. */
static int load_workers(struct context *c, struct err *err)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return err_sys(err, errno, "/proc/self/exe");
	self[n] = '\0';
	*strrchr(self, '/') = '\0';

	AUTO_FREE char *installed = text_printf("%s/../libexec/muster", self);
	AUTO_FREE char *built = text_printf("%s/../worker", self);
	const char *folders[] = {getenv("MUSTER_WORKER_DIR"), installed, built, NULL};
	int found = worker_files_load(
		folders[0] ? folders : folders + 1, c->files, CONTEXT_MAX_FILES, err);

	if (found < 0)
		return -1;
	c->n_files = (size_t)found;
	return 0;
}

static size_t contacted(const struct context *c)
{
	return c->n_refs ? c->n_refs : c->hosts.n;
}

int context_transport(struct context *c, struct err *err)
{
	if (load_workers(c, err) < 0)
		return -1;
	c->transport = transport_create(c->loop, &c->config, err);
	if (!c->transport)
		return -1;
	return transport_prepare(c->transport, c->refs, contacted(c), err);
}

/* What is left is to write what waits for the terminal or a pipe. That may take for ever, so a signal ends
 * it again. */
static void release_signals(void)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_UNBLOCK, &all, NULL);
}

void context_close(struct context *c)
{
	transport_destroy(c->transport);
	worker_files_finish(c->files, c->n_files);
	free(c->refs);
	inventory_finish(&c->hosts);
	release_signals();
	status_destroy(c->status);
	console_destroy(c->json);
	if (c->json_fd >= 0)
		close(c->json_fd);
	console_destroy(c->console);
	loop_destroy(c->loop);
	*c = (struct context){.json_fd = -1};
}

struct fleet *context_fleet(
	struct context *c, struct fleet_config *config, struct err *err)
{
	config->loop = c->loop;
	config->no_cache = c->app->o.no_cache;

	struct fleet *f = fleet_create(config, c->refs, contacted(c));

	if (!f)
		err_sys(err, ENOMEM, "fleet");
	return f;
}

void context_start(struct context *c, struct fleet *f)
{
	fleet_start(f, c->transport, c->files, c->n_files);
}
