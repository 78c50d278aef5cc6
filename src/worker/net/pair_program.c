/* pair_program: a server's program on a port that was free, a client's at the common start. */
#include "worker/net/pair_program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/loop.h"
#include "common/text.h"
#include "common/units.h"
#include "net/cpu.h"
#include "net/listener.h"
#include "worker/net/program.h"

/* Others may take a port between our look and the program's. */
#define PORT_TRIES 5
/* Until the load must have begun, beyond the time-out of the test. */
#define IDLE_NS (60 * NS_PER_SEC)
/* What a server is given beyond the time of the client's program. */
#define SERVER_EXTRA_NS (10 * NS_PER_SEC)

struct pair_program {
	struct loop *loop;
	struct pair_program_events events;
	void *user;
	enum net_side side;
	char **argv;          /* as it came: a server's has NET_PORT_WORD in it */
	struct net_open open; /* numbers only; argv and texts are above and below */
	char *address;
	struct program *program;
	uint32_t port;
	unsigned tries;
	bool listens;
	bool late;      /* it was ended by the guard */
	uint64_t at_ns; /* the load begins; 0: not agreed yet */
	struct loop_timer *moment, *guard;
	struct net_why why; /* of what could not be begun; told from the loop */
	struct net_cpu_look before;
};

static void fail(struct pair_program *p)
{
	p->events.failed(p, p->why.failure, p->why.err.text, p->user);
}

/* A callback must not come inside the call that caused it. */
static void fail_soon(struct pair_program *p)
{
	loop_timer_set(p->moment, clock_ns(), 0);
}

static bool begun(const struct pair_program *p)
{
	return p->at_ns && clock_ns() >= p->at_ns;
}

/* ---- the program ---- */

static void say_output(struct pair_program *p, const struct program_end *end)
{
	AUTO_FREE char *out = text_utf8(end->out, end->out_len);
	AUTO_FREE char *err = text_utf8(end->err, end->err_len);
	AUTO_FREE struct net_cpu_look *after = calloc(1, sizeof(*after));
	struct net_output o = {.pair = p->open.pair,
		.exit = end->exit_code < 0 ? 0 : (uint32_t)end->exit_code,
		.signo = (uint32_t)end->signo,
		.late = end->late || p->late,
		.cut = end->cut,
		.out = out,
		.err = err,
		.from_ns = end->from_ns,
		.to_ns = end->to_ns};

	if (!out || !err || !after)
		abort();
	net_cpu_look(after);
	net_cpu_between(&p->before, after, &o.cpu);
	o.cpu.user_ns = end->user_ns;
	o.cpu.system_ns = end->system_ns;
	p->events.output(p, &o, p->user);
}

static void launch_server(struct pair_program *p);

/* Whether somebody else has the port that it was to have. */
static bool lost_port(struct pair_program *p);

static void on_ended(struct program *program, const struct program_end *end, void *user)
{
	struct pair_program *p = user;

	(void)program;
	loop_timer_stop(p->guard);
	if (p->side == NET_SERVER && !p->listens && !end->stopped && !p->open.port &&
		p->tries < PORT_TRIES && lost_port(p)) {
		program_destroy(p->program);
		p->program = NULL;
		launch_server(p);
		return;
	}
	say_output(p, end);
}

static void on_listening(struct program *program, void *user)
{
	struct pair_program *p = user;

	(void)program;
	p->listens = true;
	loop_timer_set(p->guard, clock_ns() + p->open.spec.timeout_ns + IDLE_NS, 0);
	p->events.ready(p, (uint16_t)p->port, p->user);
}

static void on_guard(struct loop_timer *t, void *user)
{
	struct pair_program *p = user;

	(void)t;
	p->late = true;
	program_stop(p->program);
}

static int launch(struct pair_program *p, char *const *argv, uint64_t deadline_ns)
{
	static const struct program_events events = {on_listening, on_ended};

	net_cpu_look(&p->before);
	p->program = program_start(p->loop, (const char *const *)argv, p->port,
		deadline_ns, &events, p, &p->why.err);
	return p->program ? 0 : -1;
}

/* ---- a server ---- */

/* A port of its address that is free right now, or -1 with why. */
static int find_port(struct pair_program *p, struct net_why *why)
{
	const struct net_open *o = &p->open;
	struct net_listen where = {.address = p->address,
		.family = o->spec.family,
		.port = (uint16_t)o->port,
		.port_min = (uint16_t)o->port_min,
		.port_max = (uint16_t)o->port_max,
		.tcp = true,
		.udp = true};
	struct remarks remarks = {0};
	struct net_listener *l = net_listener_create(p->loop, &where, &remarks, why);

	remarks_finish(&remarks);
	if (!l)
		return -1;
	p->port = net_listener_port(l);
	net_listener_destroy(l);
	return 0;
}

static bool lost_port(struct pair_program *p)
{
	struct net_why why = NET_WHY_INIT;
	struct net_listen where = {.address = p->address,
		.family = p->open.spec.family,
		.port = (uint16_t)p->port,
		.tcp = true,
		.udp = true};
	struct remarks remarks = {0};
	struct net_listener *l = net_listener_create(p->loop, &where, &remarks, &why);

	remarks_finish(&remarks);
	net_listener_destroy(l);
	return !l;
}

static void free_list(char **list)
{
	for (char **s = list; s && *s; s++)
		free(*s);
	free(list);
}

/* A copy with the port in its place; 0: the place is left free. */
static char **copy_argv(char *const *argv, uint32_t port)
{
	size_t n = 0;
	char **copy;

	while (argv[n])
		n++;
	copy = calloc(n + 1, sizeof(*copy));
	if (!copy)
		abort();
	for (size_t i = 0; i < n; i++) {
		copy[i] = port && strcmp(argv[i], NET_PORT_WORD) == 0
				  ? text_printf("%u", port)
				  : strdup(argv[i]);
		if (!copy[i])
			abort();
	}
	return copy;
}

static void launch_server(struct pair_program *p)
{
	char **argv;
	int rc = find_port(p, &p->why);

	p->tries++;
	if (rc == 0) {
		argv = copy_argv(p->argv, p->port);
		rc = launch(p, argv, 0);
		free_list(argv);
	}
	if (rc == 0)
		loop_timer_set(p->guard, clock_ns() + p->open.spec.timeout_ns, 0);
	else
		fail_soon(p);
}

/* ---- a client ---- */

/* Looked for before the load, so that what is missing holds nobody up. */
static void look_for_client(struct pair_program *p)
{
	AUTO_FREE char *path = program_find(p->argv[0], &p->why.err);

	if (path)
		p->events.ready(p, 0, p->user);
	else
		fail(p);
}

/* First it is created, then it may be started; or something is wrong. */
static void on_moment(struct loop_timer *t, void *user)
{
	struct pair_program *p = user;

	(void)t;
	if (p->why.err.kind != ERR_NONE)
		fail(p);
	else if (p->side == NET_SERVER)
		launch_server(p);
	else if (!p->at_ns)
		look_for_client(p);
	else if (launch(p, p->argv, clock_ns() + p->open.deadline_ns) < 0)
		fail(p);
}

/* ---- its life ---- */

struct pair_program *pair_program_create(struct loop *loop, const struct net_open *open,
	const struct pair_program_events *e, void *user)
{
	struct pair_program *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	p->loop = loop;
	p->events = *e;
	p->user = user;
	p->side = open->side;
	p->open = *open;
	p->argv = copy_argv(open->argv, 0);
	p->address = strdup(open->address ? open->address : "");
	p->why.failure = NET_FAIL_OTHER;
	if (!p->address)
		abort();
	/* what only the caller's message owns */
	p->open.argv = NULL;
	p->open.address = p->open.bind = NULL;
	p->open.spec.local = p->open.spec.remote = (struct net_end){0};
	p->guard = loop_timer_add(loop, UINT64_MAX, 0, on_guard, p);
	p->moment = loop_timer_add(loop, clock_ns(), 0, on_moment, p);
	return p;
}

int64_t pair_program_start(struct pair_program *p, uint64_t at_ns)
{
	uint64_t now = clock_ns();
	int64_t lead = (int64_t)(at_ns - now);

	if (p->at_ns)
		return (int64_t)(p->at_ns - now);
	if (lead <= 0)
		return lead;
	p->at_ns = at_ns;
	if (p->side == NET_CLIENT)
		loop_timer_set(p->moment, at_ns, 0);
	else
		loop_timer_set(
			p->guard, at_ns + p->open.deadline_ns + SERVER_EXTRA_NS, 0);
	return lead;
}

bool pair_program_stop(struct pair_program *p)
{
	if (!begun(p) || !p->program)
		return false;
	program_stop(p->program);
	return true;
}

void pair_program_destroy(struct pair_program *p)
{
	if (!p)
		return;
	program_destroy(p->program);
	loop_timer_del(p->moment);
	loop_timer_del(p->guard);
	free_list(p->argv);
	free(p->address);
	free(p);
}
