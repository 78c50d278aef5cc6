/* start: leaves a server on each host that stays until its lease ends. */
#include "common/cleanup.h"
#include "common/text.h"
#include "orchestrator/command.h"
#include "orchestrator/lease/lease_private.h"
#include "proto/lease.h"

#include <stdio.h>

#define WORDS 8

/* The program of another engine, in the foreground and for as many tests as come. */
static void make_argv(const struct lease_host *h, const char *port, const char **argv)
{
	const struct options *o = &h->command->app->o;
	bool netperf = h->command->engine == 1;
	size_t n = 0;

	if (!h->command->engine)
		return;
	if (netperf) {
		argv[n++] = o->netserver ? o->netserver : "netserver";
		argv[n++] = "-D";
	} else {
		argv[n++] = o->iperf3 ? o->iperf3 : "iperf3";
		argv[n++] = "-s";
	}
	if (*h->address) {
		argv[n++] = netperf ? "-L" : "-B";
		argv[n++] = h->address;
	}
	argv[n++] = "-p";
	argv[n++] = port;
}

static void begin(struct lease_host *h)
{
	const struct lease_command *c = h->command;
	const char *argv[WORDS] = {NULL};
	struct msg m = {.type = MSG_LEASE_START};
	char port[8];

	m.u.lease_start = (struct msg_lease_start){.request = 1,
		.address = h->address,
		.port = c->port ? c->port : LEASE_PORT,
		.lease_ns = c->lease_ns,
		.engine = (char *)(uintptr_t)net_engines[c->engine]};
	snprintf(port, sizeof(port), "%u", m.u.lease_start.port & 0xffff);
	make_argv(h, port, argv);
	if (argv[0])
		m.u.lease_start.argv = (char **)(uintptr_t)argv;
	lease_ask(h, &m);
}

/* A program that is not there may be installed, or be somewhere else. */
static void fail(struct lease_host *h, const char *why)
{
	const char *program = h->command->engine == 1 ? "netserver" : "iperf3";
	const struct options *o = &h->command->app->o;
	bool named = h->command->engine == 1 ? o->netserver : o->iperf3;
	AUTO_FREE char *text = NULL;

	if (h->command->engine && !named && text_starts_with(why, "there is no program "))
		text = text_printf(
			"%s (apt-get install %s, or say where it is: --%s PATH)", why,
			net_engines[h->command->engine], program);
	lease_row_fail(h, LEASE_ROW_FAILED, text ? text : why);
}

static void answer(struct lease_host *h, struct msg_leases *l)
{
	if (l->error || !l->n_items) {
		fail(h, l->error ? l->error : "its worker said nothing of a server");
	} else {
		struct lease_row *r = lease_row_of(h,
			l->already ? LEASE_ROW_ALREADY : LEASE_ROW_STARTED, &l->items[0]);

		r->before_ns = l->left_ns;
	}
	lease_over(h);
}

int cmd_start(struct app *app, struct err *err)
{
	static const struct lease_verb verb = {.name = "start",
		.heading = "Starting netserver on ",
		.done = "started",
		.one_by_one = true,
		.begin = begin,
		.answer = answer,
		.good = 1 << LEASE_ROW_STARTED | 1 << LEASE_ROW_ALREADY};

	return lease_command_run(app, &verb, err);
}
