/* matrix_engine: netperf and iperf3 of the hosts in place of our own engine: which programs that takes, their
 * command lines, and what becomes of what they print. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/text.h"
#include "orchestrator/command.h"
#include "orchestrator/console/console.h"
#include "orchestrator/console/display.h"
#include "orchestrator/matrix/matrix_private.h"
#include "proto/msg.h"

static const struct {
	net_told_fn *read;
	const char *programs[NET_SIDES];
	const char *package;
} engines[NET_ENGINES] = {
	[NET_ENGINE_NETPERF] = {net_netperf_read, {"netperf", "netserver"}, "netperf"},
	[NET_ENGINE_IPERF3] = {net_iperf3_read, {"iperf3", "iperf3"}, "iperf3"},
};

/* What the command line says, or a name that PATH leads to. */
static const char *program_of(const struct matrix *m, enum net_side side)
{
	const struct options *o = &m->app->o;
	const char *given = o->iperf3;

	if (m->kind == NET_ENGINE_NETPERF)
		given = side == NET_CLIENT ? o->netperf : o->netserver;
	return given ? given : engines[m->kind].programs[side];
}

/* "netserver" of "/opt/bin/netserver": short, for messages. */
static const char *name_of(const struct matrix *m, enum net_side side)
{
	const char *path = program_of(m, side), *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

int matrix_engine_check(const struct matrix *m, struct err *err)
{
	for (size_t i = 0; i < m->n_tests; i++) {
		if (net_argv_check(m->kind, m->tests[i].words, err) == 0)
			continue;
		return m->n_tests > 1 ? err_prefix(err, "test %s", m->tests[i].name) : -1;
	}
	return 0;
}

void matrix_engine_options(const struct matrix *m, struct buf *out)
{
	const struct options *o = &m->app->o;
	const struct {
		const char *option, *value;
	} given[] = {{"--netperf", o->netperf}, {"--netserver", o->netserver},
		{"--iperf3", o->iperf3}};

	if (m->kind != NET_ENGINE_NATIVE)
		buf_printf(out, "--engine %s ", m->engine);
	for (size_t i = 0; i < ARRAY_LEN(given); i++) {
		if (!given[i].value)
			continue;
		buf_printf(out, "%s ", given[i].option);
		text_shell_quote(out, given[i].value);
		buf_putc(out, ' ');
	}
}

/* ---- are they there ---- */

static void ask(struct matrix *m, struct matrix_host *h, enum net_side side)
{
	struct msg msg = {.type = MSG_FIND,
		.u.find = {.name = (char *)(uintptr_t)program_of(m, side)}};

	if (worker_gone(h->w))
		return;
	m->finding++;
	h->finding++;
	fleet_send(h->w, &msg);
}

void matrix_engine_find(struct matrix *m)
{
	bool same = strcmp(program_of(m, NET_CLIENT), program_of(m, NET_SERVER)) == 0;

	m->stage = MATRIX_FIND;
	for (size_t i = 0; i < m->n_hosts; i++) {
		struct matrix_host *h = &m->hosts[i];

		if (h->client)
			ask(m, h, NET_CLIENT);
		if (h->server && !(h->client && same))
			ask(m, h, NET_SERVER);
	}
}

void matrix_engine_found(
	struct matrix *m, struct fleet_worker *w, const struct msg_found *f)
{
	struct matrix_host *h = &m->hosts[w->index];

	if (!h->finding)
		return;
	h->finding--;
	m->finding--;
	if (!f->path && !h->missing) {
		const char *why = f->text ? f->text : "a program is missing";

		if (strchr(f->name, '/'))
			h->missing = strdup(why);
		else
			h->missing = text_printf(
				"%s (apt-get install %s, or say where it is: --%s PATH)",
				why, engines[m->kind].package, f->name);
	}
	matrix_look(m);
}

void matrix_engine_gone(struct matrix *m, const struct fleet_worker *w)
{
	struct matrix_host *h = &m->hosts[w->index];

	m->finding -= h->finding;
	h->finding = 0;
}

/* The first with its reason; the others will have the same. */
char *matrix_engine_missing(const struct matrix *m)
{
	const char **others = calloc(m->n_hosts + 1, sizeof(*others));
	const struct matrix_host *first = NULL;
	AUTO_BUF struct buf text = BUF_INIT;
	size_t n = 0;

	for (size_t i = 0; others && i < m->n_hosts; i++) {
		const struct matrix_host *h = &m->hosts[i];

		if (!h->missing)
			continue;
		if (first)
			others[n++] = h->w->host->name;
		else
			first = h;
	}
	if (first)
		buf_printf(&text, "%s: %s", first->w->host->name, first->missing);
	if (n) {
		buf_puts(&text, "; it is not on ");
		display_names(&text, others, n, 8);
		buf_puts(&text, " either");
	}
	free(others);
	return first ? buf_steal(&text) : NULL;
}

char **matrix_engine_argv(const struct matrix *m, const struct net_words *w,
	enum net_side side, const char *address, const char *bind, uint32_t port)
{
	const struct net_argv_way way = {.program = program_of(m, side),
		.address = address,
		.bind = bind,
		.port = port};
	struct err err = ERR_INIT;
	char **argv = NULL;
	int rc = side == NET_CLIENT ? net_argv_client(m->kind, w, &way, &argv, &err)
				    : net_argv_server(m->kind, w, &way, &argv, &err);

	return rc < 0 ? NULL : argv;
}

static void show_line(const struct matrix *m, char **argv, const char *host)
{
	AUTO_BUF struct buf line = BUF_INIT;

	for (char **a = argv; a && *a; a++) {
		buf_putc(&line, ' ');
		if (strcmp(*a, NET_PORT_WORD) == 0)
			buf_puts(&line, "PORT");
		else
			text_shell_quote(&line, *a);
	}
	if (line.len)
		console_line(m->ctx.console, "      %s:%s", host, line.data);
}

/* An address that has to be resolved stands as the host has it. */
static const char *shown_address(const struct matrix *m, uint32_t host)
{
	const struct host *h = &m->ctx.hosts.hosts[host];
	const char *address = h->data_address ? h->data_address : h->address;

	if (m->ctx.embedded)
		return "127.0.0.1";
	return address ? address : h->name;
}

void matrix_engine_show(
	const struct matrix *m, const struct net_words *w, const struct matrix_pair *p)
{
	const struct host *hosts = m->ctx.hosts.hosts;
	const uint32_t by_side[NET_SIDES] = {p->client, p->server};
	const char *server =
		w->server_address ? w->server_address : shown_address(m, p->server);
	const char *bind =
		w->client_address ? w->client_address : hosts[p->client].data_address;
	uint32_t port = m->kind == NET_ENGINE_IPERF3 ? w->server_port : 0;

	if (m->kind == NET_ENGINE_NATIVE)
		return;
	for (int side = NET_SIDES - 1; side >= 0; side--) {
		char **argv = matrix_engine_argv(m, w, (enum net_side)side, server,
			side == NET_CLIENT ? bind : NULL, port);

		show_line(m, argv, hosts[by_side[side]].name);
		net_argv_free(argv);
	}
}

/* ---- what they said ---- */

void matrix_output_free(struct net_output *o)
{
	if (!o)
		return;
	free(o->out);
	free(o->err);
	free(o->cpu.placement);
	free(o);
}

void matrix_values_free(struct net_values *v)
{
	if (!v)
		return;
	net_values_finish(v);
	free(v);
}

/* A server has no more to do once its client has ended. */
static void dismiss(struct matrix_flight *f)
{
	struct matrix_end *e = &f->end[NET_SERVER];
	struct msg m = {.type = MSG_NET_STOP, .u.net_stop = {.pair = e->id}};

	if (!e->asked || e->over || e->dismissed)
		return;
	e->dismissed = true;
	fleet_send(e->w, &m);
}

/* Words as a program had them may begin with its name already. */
static const char *without(const char *name, const char *words)
{
	size_t len = strlen(name);

	if (strncmp(words, name, len) == 0 && text_starts_with(words + len, ": "))
		return words + len + 2;
	return words;
}

/* A program that ended before the load began will not take part. */
static void ended_early(struct matrix_flight *f, enum net_side side)
{
	const struct net_output *o = f->end[side].output;
	const char *host = f->end[side].w->host->name, *name = name_of(f->matrix, side);
	enum net_failure why;
	struct err err = ERR_INIT;

	net_told_explain(o, &why, &err);
	if (o->late && !f->end[side].ready)
		matrix_flight_fail(f, NET_FAIL_TIMEOUT,
			"%s: %s: does not listen on %s: %s", host, name,
			f->task->record->server_address, err.text);
	else
		matrix_flight_fail(
			f, why, "%s: %s: %s", host, name, without(name, err.text));
}

void matrix_engine_output(
	struct matrix_flight *f, enum net_side side, struct net_output *o)
{
	struct matrix_end *e = &f->end[side];

	e->output = malloc(sizeof(*e->output));
	if (!e->output) {
		matrix_flight_fail(f, NET_FAIL_RESOURCES, "out of memory");
		return;
	}
	*e->output = *o;
	*o = (struct net_output){0};
	if (!f->started)
		ended_early(f, side);
	else if (side == NET_CLIENT)
		dismiss(f);
}

/* Appends what a server says of its own end, unless we told it to end. */
static void add_server(const struct matrix_flight *f, struct buf *text)
{
	const struct matrix_end *e = &f->end[NET_SERVER];
	const char *name = name_of(f->matrix, NET_SERVER);
	enum net_failure why;
	struct err err = ERR_INIT;

	if (!e->output || e->dismissed || f->stopping ||
		(!e->output->exit && !e->output->signo))
		return;
	net_told_explain(e->output, &why, &err);
	buf_printf(
		text, "; %s on %s: %s", name, e->w->host->name, without(name, err.text));
}

static void fail(struct matrix_flight *f, enum net_failure why, const char *words)
{
	const char *name = name_of(f->matrix, NET_CLIENT);
	AUTO_BUF struct buf text = BUF_INIT;

	buf_printf(&text, "%s: %s: %s", f->end[NET_CLIENT].w->host->name, name,
		without(name, words));
	add_server(f, &text);
	if (!f->end[NET_CLIENT].output->late &&
		(why == NET_FAIL_REFUSED || why == NET_FAIL_TIMEOUT ||
			why == NET_FAIL_UNREACHABLE)) {
		buf_printf(&text, ", to %s port %u", f->task->record->server_address,
			f->port);
		matrix_add_hint(f, NET_CLIENT, why, &text);
	}
	matrix_flight_fail(f, why, "%s", text.data ? text.data : words);
}

/* What the rest of the matrix knows an end by: its machine's CPUs, and its socket. */
static struct net_result *result_of(
	const struct net_output *o, struct net_told *t, enum net_side side)
{
	struct net_result *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	hist_init(&r->latency, 3);
	hist_init(&r->connect, 3);
	hist_init(&r->idle, 3);
	r->pair = o->pair;
	r->from_ns = o->from_ns;
	r->to_ns = o->to_ns;
	r->cpu = o->cpu;
	r->cpu.placement = NULL;
	r->socket = t->socket[side];
	t->socket[side] = (struct net_socket_info){0};
	return r;
}

static void take(struct matrix_flight *f, struct net_told *t)
{
	struct matrix_end *client = &f->end[NET_CLIENT];

	f->values = calloc(1, sizeof(*f->values));
	for (int side = 0; side < NET_SIDES; side++)
		if (f->end[side].output) /* of a server on lease nothing comes */
			f->end[side].result =
				result_of(f->end[side].output, t, (enum net_side)side);
	if (!f->values || !client->result) {
		matrix_flight_fail(f, NET_FAIL_RESOURCES, "out of memory");
		return;
	}
	*f->values = t->values;
	t->values = (struct net_values){0};
	client->intervals = t->intervals;
	t->intervals = (struct net_intervals){0};
	for (size_t i = 0; i < client->intervals.n; i++) {
		client->intervals.items[i].pair = client->id;
		client->intervals.items[i].from_ns += client->output->from_ns;
		client->intervals.items[i].to_ns += client->output->from_ns;
	}
}

void matrix_engine_landed(struct matrix_flight *f)
{
	const struct net_output *client = f->end[NET_CLIENT].output,
				*server = f->end[NET_SERVER].output;
	CLEANUP(net_told_finish) struct net_told told = {.intervals = {0}};
	enum net_failure why = NET_FAIL_OTHER;
	struct err err = ERR_INIT;

	if (f->stopping)
		matrix_flight_fail(f, NET_FAIL_STOPPED,
			"stopped: %s says what it measured only at its end",
			f->matrix->engine);
	else if (!client || !(server || f->leased))
		matrix_flight_fail(f, NET_FAIL_OTHER, "an end said nothing");
	else if (net_told_read(engines[f->matrix->kind].read, &f->task->spec, client,
			 server, &told, &why, &err) < 0)
		fail(f, why, err.text);
	else
		take(f, &told);
}
