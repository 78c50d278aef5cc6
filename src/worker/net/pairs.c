/* pairs: the messages of network tests, to the pairs and back. */
#include "worker/net/pairs.h"

#include <stdint.h>
#include <stdlib.h>

#include "net/pair.h"
#include "proto/msg.h"
#include "worker/net/pair_program.h"

struct pair_entry {
	struct pair_entry *next;
	struct pairs *set;
	uint32_t number;
	struct net_pair *pair;
	struct pair_program *program; /* one of them is not NULL */
};

static struct pair_entry **find(struct pairs *ps, uint32_t number)
{
	struct pair_entry **at = &ps->first;

	while (*at && (*at)->number != number)
		at = &(*at)->next;
	return at;
}

static void forget(struct pair_entry *e)
{
	struct pair_entry **at = find(e->set, e->number);

	*at = e->next;
	net_pair_destroy(e->pair);
	pair_program_destroy(e->program);
	free(e);
}

static int say(struct pairs *ps, const struct msg *m)
{
	return ps->say(m, ps->user);
}

static void say_error(
	struct pairs *ps, uint32_t number, enum net_failure failure, const char *text)
{
	struct msg m = {.type = MSG_NET_ERROR};

	m.u.net_error = (struct msg_net_error){
		.pair = number, .failure = failure, .text = (char *)(uintptr_t)text};
	say(ps, &m);
}

static void on_ready(struct net_pair *p, uint16_t port, char **warnings, void *user)
{
	struct pair_entry *e = user;
	struct msg m = {.type = MSG_NET_READY};

	(void)p;
	m.u.net_ready = (struct msg_net_ready){
		.pair = e->number, .port = port, .warnings = warnings};
	say(e->set, &m);
}

static void on_interval(struct net_pair *p, const struct net_interval *i, void *user)
{
	struct pair_entry *e = user;
	struct msg m = {.type = MSG_NET_INTERVAL, .u.net_interval = *i};

	(void)p;
	/* a channel that does not take bytes holds no test up; the result has all of it */
	if (e->set->has_room(e->set->user))
		say(e->set, &m);
}

static void on_result(struct net_pair *p, const struct net_result *r, void *user)
{
	struct pair_entry *e = user;
	struct msg m = {.type = MSG_NET_RESULT, .u.net_result = *r};

	(void)p;
	if (say(e->set, &m) < 0)
		say_error(e->set, e->number, NET_FAIL_OTHER,
			"the result does not fit into a line");
	forget(e);
}

static void on_failed(
	struct net_pair *p, enum net_failure failure, const char *text, void *user)
{
	struct pair_entry *e = user;

	(void)p;
	say_error(e->set, e->number, failure, text);
	forget(e);
}

static void on_program_ready(struct pair_program *p, uint16_t port, void *user)
{
	struct pair_entry *e = user;
	struct msg m = {.type = MSG_NET_READY};

	(void)p;
	m.u.net_ready = (struct msg_net_ready){.pair = e->number, .port = port};
	say(e->set, &m);
}

static void on_output(struct pair_program *p, const struct net_output *o, void *user)
{
	struct pair_entry *e = user;
	struct msg m = {.type = MSG_NET_OUTPUT, .u.net_output = *o};

	(void)p;
	/* escapes may have made too much of it: its end is known all the same */
	if (say(e->set, &m) < 0) {
		m.u.net_output.cut = true;
		m.u.net_output.out = NULL;
		say(e->set, &m);
	}
	forget(e);
}

static void on_program_failed(
	struct pair_program *p, enum net_failure failure, const char *text, void *user)
{
	struct pair_entry *e = user;

	(void)p;
	say_error(e->set, e->number, failure, text);
	forget(e);
}

static void open_program(struct pair_entry *e, const struct net_open *open)
{
	static const struct pair_program_events events = {
		.ready = on_program_ready,
		.output = on_output,
		.failed = on_program_failed,
	};

	e->program = pair_program_create(e->set->loop, open, &events, e);
}

static void open_pair(struct pairs *ps, const struct net_open *open)
{
	static const struct net_pair_events events = {
		.ready = on_ready,
		.interval = on_interval,
		.result = on_result,
		.failed = on_failed,
	};
	struct pair_entry *e;

	if (*find(ps, open->pair))
		return; /* no number is given twice */
	e = calloc(1, sizeof(*e));
	if (!e)
		abort();
	e->set = ps;
	e->number = open->pair;
	e->next = ps->first;
	ps->first = e;
	if (open->argv) {
		open_program(e, open);
		return;
	}
	e->pair = net_pair_create(
		ps->loop, open->side == NET_SERVER ? ps->shared : NULL, open, &events, e);
}

static void start_pair(struct pairs *ps, const struct msg_net_start *start)
{
	struct pair_entry *e = *find(ps, start->pair);
	struct msg m = {.type = MSG_NET_ARMED};

	if (!e)
		return;
	m.u.net_armed = (struct msg_net_armed){.pair = start->pair,
		.lead_ns = e->program ? pair_program_start(e->program, start->at_ns)
				      : net_pair_start(e->pair, start->at_ns)};
	say(ps, &m);
}

static void stop_pair(struct pairs *ps, const struct msg_net_stop *stop)
{
	struct pair_entry *e = *find(ps, stop->pair);

	if (e && !(e->program ? pair_program_stop(e->program) : net_pair_stop(e->pair)))
		forget(e);
}

void pairs_message(struct pairs *ps, const struct msg *m)
{
	if (m->type == MSG_NET_OPEN)
		open_pair(ps, &m->u.net_open);
	else if (m->type == MSG_NET_START)
		start_pair(ps, &m->u.net_start);
	else if (m->type == MSG_NET_STOP)
		stop_pair(ps, &m->u.net_stop);
}

void pairs_finish(struct pairs *ps)
{
	while (ps->first)
		forget(ps->first);
}
