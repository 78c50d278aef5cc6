/* matrix_flight: one pair in one round: its server listens, its client connects, both begin at one moment, and
 * both say what they measured. Or it fails, and whatever is left of it is told to end. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/text.h"
#include "common/units.h"
#include "orchestrator/command.h"
#include "orchestrator/matrix/matrix_private.h"
#include "proto/msg.h"

#define OPEN_WAIT_NS (15 * NS_PER_SEC) /* beyond the test's own time-out */
#define ARM_WAIT_NS (3 * NS_PER_SEC)   /* behind the common start */
#define END_WAIT_NS (10 * NS_PER_SEC)  /* beyond what the last bytes may take */
#define DRAIN_MAX_NS (10 * NS_PER_SEC)

static const struct net_spec *spec_of(const struct matrix_flight *f)
{
	return &f->task->spec;
}

static uint64_t drain_ns(const struct matrix_flight *f)
{
	uint64_t t = spec_of(f)->timeout_ns;

	return t < DRAIN_MAX_NS ? t : DRAIN_MAX_NS;
}

static struct matrix_host *host_of(const struct matrix_flight *f, enum net_side side)
{
	const struct matrix_pair *p = f->task->pair;

	return &f->matrix->hosts[side == NET_CLIENT ? p->client : p->server];
}

void matrix_flight_init(struct matrix_flight *f, struct matrix *m, struct matrix_task *t)
{
	*f = (struct matrix_flight){.matrix = m, .task = t, .rate = -1};
	digest_random_hex(NET_TOKEN_SIZE, f->token);
	for (int side = 0; side < NET_SIDES; side++) {
		f->end[side].w = host_of(f, (enum net_side)side)->w;
		f->end[side].id = m->next_id++;
	}
}

void matrix_flight_finish(struct matrix_flight *f)
{
	for (int side = 0; side < NET_SIDES; side++) {
		net_result_free(f->end[side].result);
		matrix_output_free(f->end[side].output);
		free(f->end[side].intervals.items);
	}
	matrix_values_free(f->values);
	free(f->failure);
	explicit_bzero(f->token, sizeof(f->token));
	*f = (struct matrix_flight){0};
}

/* Of another engine an end is a program. */
static bool add_program(struct matrix_flight *f, enum net_side side, struct net_open *o)
{
	struct net_words words = *f->task->test->words;
	const char *server = f->task->record->server_address;

	if (f->matrix->kind == NET_ENGINE_NATIVE)
		return true;
	words.spec = *spec_of(f);
	o->argv = matrix_engine_argv(
		f->matrix, &words, side, server ? server : o->address, o->bind, o->port);
	o->deadline_ns = net_argv_deadline_ns(&words);
	if (!o->argv)
		matrix_flight_fail(f, NET_FAIL_RESOURCES, "out of memory");
	return o->argv != NULL;
}

static void send_open(
	struct matrix_flight *f, enum net_side side, const struct net_open *o)
{
	struct msg m = {.type = MSG_NET_OPEN, .u.net_open = *o};

	memcpy(m.u.net_open.token, f->token, sizeof(f->token));
	m.u.net_open.pair = f->end[side].id;
	m.u.net_open.side = side;
	m.u.net_open.spec = *spec_of(f);
	f->end[side].asked = true;
	f->deadline_ns = clock_ns() + spec_of(f)->timeout_ns + OPEN_WAIT_NS;
	fleet_send(f->end[side].w, &m);
	explicit_bzero(m.u.net_open.token, sizeof(m.u.net_open.token));
}

/* The address of an end's host that data takes; NULL: the flight has failed. */
static char *data_address(struct matrix_flight *f, enum net_side side)
{
	AUTO_FREE char *why = NULL;
	char *address = matrix_host_address(host_of(f, side), spec_of(f)->family, &why);

	if (!address) {
		f->hopeless = true;
		matrix_flight_fail(f, NET_FAIL_ADDRESS, "%s", why ? why : "no memory");
	}
	return address;
}

/* A program on lease listens already: there is only a client. */
static void open_beside_lease(struct matrix_flight *f, uint32_t port)
{
	struct matrix_end *e = &f->end[NET_SERVER];

	e->ready = e->armed = e->over = true;
	matrix_flight_listens(f, port);
}

void matrix_flight_open(struct matrix_flight *f)
{
	const struct net_words *w = f->task->test->words;
	enum net_engine kind = f->matrix->kind;
	char *address = data_address(f, NET_SERVER);
	uint32_t lease = address ? matrix_lease_port(f, address) : 0;
	/* to netperf the port of the words is another one: that of its data */
	uint32_t port = kind == NET_ENGINE_NETPERF ? 0 : w->server_port;
	struct net_open o = {.address = address,
		.port = lease ? lease : port,
		.port_min = port || lease ? 0 : f->matrix->port_min,
		.port_max = port || lease ? 0 : f->matrix->port_max,
		.lease = lease != 0};

	f->leased = o.lease;
	free(f->task->record->server_address);
	f->task->record->server_address = address;
	if (lease && kind != NET_ENGINE_NATIVE)
		open_beside_lease(f, lease);
	else if (address && add_program(f, NET_SERVER, &o))
		send_open(f, NET_SERVER, &o);
	net_argv_free(o.argv);
}

void matrix_flight_listens(struct matrix_flight *f, uint32_t port)
{
	/* from anywhere, unless something was said */
	bool given = host_of(f, NET_CLIENT)->data_given;
	AUTO_FREE char *bind = given ? data_address(f, NET_CLIENT) : NULL;
	struct net_open o = {.address = f->task->record->server_address,
		.bind = bind,
		.port = port,
		.local_port = f->task->test->words->client_port};

	f->port = port;
	if (!f->failure && add_program(f, NET_CLIENT, &o))
		send_open(f, NET_CLIENT, &o);
	net_argv_free(o.argv);
	free(f->task->record->client_address);
	f->task->record->client_address = STEAL_PTR(&bind);
}

static void send_start(struct matrix_end *e, uint64_t at_ns)
{
	struct msg m = {.type = MSG_NET_START, .u.net_start = {.pair = e->id}};
	int64_t offset;
	uint64_t bound;

	if (!clock_sync_at(&e->w->clock, clock_ns(), &offset, &bound))
		offset = 0;
	m.u.net_start.at_ns = at_ns + (uint64_t)offset;
	fleet_send(e->w, &m);
}

void matrix_flight_start(struct matrix_flight *f, uint64_t at_ns)
{
	f->started = true;
	f->deadline_ns = at_ns + ARM_WAIT_NS;
	for (int side = 0; side < NET_SIDES; side++)
		send_start(&f->end[side], at_ns);
}

void matrix_flight_armed(struct matrix_flight *f)
{
	const struct net_spec *s = spec_of(f);

	for (int side = 0; side < NET_SIDES; side++)
		if (!f->end[side].armed)
			return;
	if (f->matrix->kind != NET_ENGINE_NATIVE) {
		f->deadline_ns = f->matrix->start_ns +
				 net_argv_deadline_ns(f->task->test->words) + END_WAIT_NS;
		return;
	}
	f->deadline_ns = f->matrix->start_ns + s->warmup_ns + s->duration_ns +
			 s->stagger_ns * s->flows + drain_ns(f) + END_WAIT_NS;
}

bool matrix_flight_ready(const struct matrix_flight *f)
{
	return f->end[NET_CLIENT].ready && f->end[NET_SERVER].ready && !f->failure;
}

bool matrix_flight_over(const struct matrix_flight *f)
{
	for (int side = 0; side < NET_SIDES; side++)
		if (f->end[side].asked && !f->end[side].over)
			return false;
	/* who was not asked yet will be, unless it failed */
	return f->failure || (f->end[NET_CLIENT].over && f->end[NET_SERVER].over);
}

void matrix_flight_stop(struct matrix_flight *f)
{
	bool silent = !f->started || clock_ns() < f->matrix->start_ns;

	f->stopping = true;
	f->deadline_ns = clock_ns() + drain_ns(f) + END_WAIT_NS / 2;
	for (int side = 0; side < NET_SIDES; side++) {
		struct matrix_end *e = &f->end[side];
		struct msg m = {.type = MSG_NET_STOP, .u.net_stop = {.pair = e->id}};

		if (!e->asked || e->over)
			continue;
		fleet_send(e->w, &m);
		/* an end that has not begun has nothing to say */
		e->over = silent || worker_gone(e->w);
	}
}

void matrix_flight_fail(
	struct matrix_flight *f, enum net_failure why, const char *fmt, ...)
{
	AUTO_BUF struct buf text = BUF_INIT;
	va_list ap;

	if (!f->failure) {
		va_start(ap, fmt);
		buf_vprintf(&text, fmt, ap);
		va_end(ap);
		f->failure = buf_steal(&text);
		f->why = why;
		f->hopeless |= !net_failure_passing(why);
		if (f->leased && (why == NET_FAIL_LOST || why == NET_FAIL_REFUSED))
			matrix_lease_lost(f);
	}
	if (!f->stopping)
		matrix_flight_stop(f);
}

void matrix_flight_late(struct matrix_flight *f, uint64_t now_ns)
{
	const char *who = NULL;

	if (matrix_flight_over(f) || now_ns < f->deadline_ns)
		return;
	for (int side = 0; side < NET_SIDES; side++) {
		const struct matrix_end *e = &f->end[side];

		if (e->asked && !e->over && !who &&
			(f->started ? f->stopping || !e->armed ||
						!(e->result || e->output)
				    : !e->ready))
			who = e->w->host->name;
	}
	if (f->stopping) { /* it was told, and said no more */
		if (!f->failure)
			matrix_flight_fail(f, NET_FAIL_TIMEOUT,
				"%s did not say what it measured when it was stopped",
				who ? who : "a host");
		f->end[NET_CLIENT].over = f->end[NET_SERVER].over = true;
	} else if (!f->started) {
		matrix_flight_fail(f, NET_FAIL_OTHER, "%s was not ready for it in time",
			who ? who : "a host");
	} else {
		matrix_flight_fail(f, NET_FAIL_OTHER,
			"%s did not end the test in time (an overloaded host, or a way "
			"to "
			"it that is cut)",
			who ? who : "a host");
	}
}
