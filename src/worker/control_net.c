/* control_net: the messages of network tests, to the pairs and back. A pair is forgotten when it has said its
 * result or why it failed. */
#include <stdint.h>
#include <stdlib.h>

#include "common/clock.h"
#include "net/pair.h"
#include "worker/control_impl.h"

struct control_pair {
	struct control_pair *next;
	struct control *control;
	uint32_t number;
	struct net_pair *pair;
};

static struct control_pair **find(struct control *c, uint32_t number)
{
	struct control_pair **at = &c->pairs;

	while (*at && (*at)->number != number)
		at = &(*at)->next;
	return at;
}

static void forget(struct control_pair *cp)
{
	struct control_pair **at = find(cp->control, cp->number);

	*at = cp->next;
	net_pair_destroy(cp->pair);
	free(cp);
}

static void say_error(
	struct control *c, uint32_t number, enum net_failure failure, const char *text)
{
	struct msg m = {.type = MSG_NET_ERROR};

	m.u.net_error = (struct msg_net_error){
		.pair = number, .failure = failure, .text = (char *)(uintptr_t)text};
	control_say(c, &m);
}

static void on_ready(struct net_pair *p, uint16_t port, char **warnings, void *user)
{
	struct control_pair *cp = user;
	struct msg m = {.type = MSG_NET_READY};

	(void)p;
	m.u.net_ready = (struct msg_net_ready){
		.pair = cp->number, .port = port, .warnings = warnings};
	control_say(cp->control, &m);
}

static void on_interval(struct net_pair *p, const struct net_interval *i, void *user)
{
	struct control_pair *cp = user;
	struct msg m = {.type = MSG_NET_INTERVAL, .u.net_interval = *i};

	(void)p;
	/* a channel that does not take bytes holds no test up; the result has all of it */
	if (writer_has_room(cp->control->writer))
		control_say(cp->control, &m);
}

static void on_result(struct net_pair *p, const struct net_result *r, void *user)
{
	struct control_pair *cp = user;
	struct msg m = {.type = MSG_NET_RESULT, .u.net_result = *r};

	(void)p;
	if (control_say(cp->control, &m) < 0)
		say_error(cp->control, cp->number, NET_FAIL_OTHER,
			"the result does not fit into a line");
	forget(cp);
}

static void on_failed(
	struct net_pair *p, enum net_failure failure, const char *text, void *user)
{
	struct control_pair *cp = user;

	(void)p;
	say_error(cp->control, cp->number, failure, text);
	forget(cp);
}

static void open_pair(struct control *c, const struct net_open *open)
{
	static const struct net_pair_events events = {
		.ready = on_ready,
		.interval = on_interval,
		.result = on_result,
		.failed = on_failed,
	};
	struct control_pair *cp;

	if (*find(c, open->pair))
		return; /* no number is given twice */
	cp = calloc(1, sizeof(*cp));
	if (!cp)
		abort();
	cp->control = c;
	cp->number = open->pair;
	cp->next = c->pairs;
	c->pairs = cp;
	cp->pair = net_pair_create(c->loop, NULL, open, &events, cp);
}

static void start_pair(struct control *c, const struct msg_net_start *start)
{
	struct control_pair *cp = *find(c, start->pair);
	struct msg m = {.type = MSG_NET_ARMED};

	if (!cp)
		return;
	m.u.net_armed = (struct msg_net_armed){
		.pair = start->pair, .lead_ns = net_pair_start(cp->pair, start->at_ns)};
	control_say(c, &m);
}

static void stop_pair(struct control *c, const struct msg_net_stop *stop)
{
	struct control_pair *cp = *find(c, stop->pair);

	if (cp && !net_pair_stop(cp->pair))
		forget(cp);
}

void control_net(struct control *c, const struct msg *m)
{
	if (m->type == MSG_NET_OPEN)
		open_pair(c, &m->u.net_open);
	else if (m->type == MSG_NET_START)
		start_pair(c, &m->u.net_start);
	else if (m->type == MSG_NET_STOP)
		stop_pair(c, &m->u.net_stop);
}

void control_net_finish(struct control *c)
{
	while (c->pairs)
		forget(c->pairs);
}
