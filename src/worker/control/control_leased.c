/* control_leased: pairs that run in a server on lease of this machine: their messages go on to it over its unix
 * socket, and its answers back. */
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "worker/control/control_impl.h"
#include "worker/lease/lease_file.h"
#include "worker/lease/lines.h"

struct leased_pair {
	struct leased_pair *next;
	uint32_t number;
};

/* A server in which pairs of this worker run, or did. */
struct leased {
	struct leased *next;
	struct control *control;
	struct lease lease;
	struct lines *lines;
	struct leased_pair *pairs;
};

static struct leased_pair **find(struct leased *d, uint32_t number)
{
	struct leased_pair **at = &d->pairs;

	while (*at && (*at)->number != number)
		at = &(*at)->next;
	return at;
}

static void forget(struct leased *d, uint32_t number)
{
	struct leased_pair **at = find(d, number), *gone = *at;

	if (!gone)
		return;
	*at = gone->next;
	free(gone);
}

static void leave(struct leased *d)
{
	struct leased **at = &d->control->leased;

	while (*at != d)
		at = &(*at)->next;
	*at = d->next;
	while (d->pairs)
		forget(d, d->pairs->number);
	lines_destroy(d->lines);
	lease_finish(&d->lease);
	free(d);
}

static void say_error(
	struct control *c, uint32_t number, enum net_failure failure, const char *text)
{
	struct msg m = {.type = MSG_NET_ERROR};

	m.u.net_error = (struct msg_net_error){
		.pair = number, .failure = failure, .text = (char *)(uintptr_t)text};
	control_say(c, &m);
}

static void on_line(struct lines *l, const char *line, size_t len, void *user)
{
	struct leased *d = user;
	struct err ignored = ERR_INIT;
	struct msg m;

	(void)l;
	if (msg_decode(MSG_FROM_WORKER, line, len, &m, &ignored) < 0)
		return; /* it has our protocol: there is no such line */
	/* as in a test of our own: a channel that takes nothing holds nobody up */
	if (m.type != MSG_NET_INTERVAL || writer_has_room(d->control->writer))
		control_say(d->control, &m);
	if (m.type == MSG_NET_RESULT)
		forget(d, m.u.net_result.pair);
	else if (m.type == MSG_NET_ERROR)
		forget(d, m.u.net_error.pair);
	msg_finish(&m);
}

static void on_closed(struct lines *l, void *user)
{
	struct leased *d = user;
	AUTO_FREE char *text = text_printf(
		"the server on lease at port %u (PID %d) has ended: its lease was over, "
		"or "
		"somebody stopped it",
		d->lease.file.port, (int)d->lease.file.process.pid);

	(void)l;
	for (struct leased_pair *p = d->pairs; p; p = p->next)
		say_error(d->control, p->number, NET_FAIL_LOST, text ? text : "it ended");
	leave(d);
}

/* The one that is known, or a new connection; NULL with err. */
static struct leased *reach(struct control *c, const struct net_open *o, struct err *err)
{
	static const struct lines_events events = {.line = on_line, .closed = on_closed};
	const char *address = o->address ? o->address : "";
	struct lease lease = {.path = NULL};
	struct leased *d = c->leased;
	int fd;

	if (!lease_find(address, o->port, true, &lease) || lease.state != LEASE_RUNNING) {
		err_set(err, ERR_FAILED, "there is no server on lease at %s port %u",
			address, o->port);
		return NULL;
	}
	while (d && d->lease.file.process.pid != lease.file.process.pid)
		d = d->next;
	fd = d ? -1 : lease_connect(&lease, err);
	if (fd >= 0) {
		d = calloc(1, sizeof(*d));
		if (!d)
			abort();
		d->control = c;
		d->next = c->leased;
		c->leased = d;
		d->lease = lease;
		lease = (struct lease){.path = NULL};
		d->lines = lines_create(c->loop, fd, &events, d, err);
		if (!d->lines) {
			leave(d);
			d = NULL;
		}
	}
	lease_finish(&lease);
	return d;
}

static void open_pair(struct control *c, const struct msg *m)
{
	struct err err = ERR_INIT;
	struct leased *d = reach(c, &m->u.net_open, &err);
	struct leased_pair *p = d ? calloc(1, sizeof(*p)) : NULL;

	if (!p) {
		say_error(c, m->u.net_open.pair, NET_FAIL_LOST, err.text);
		return;
	}
	p->number = m->u.net_open.pair;
	p->next = d->pairs;
	d->pairs = p;
	lines_say(d->lines, m);
}

bool control_leased(struct control *c, const struct msg *m)
{
	uint32_t number = m->type == MSG_NET_START  ? m->u.net_start.pair
			  : m->type == MSG_NET_STOP ? m->u.net_stop.pair
						    : 0;

	if (m->type == MSG_NET_OPEN && m->u.net_open.lease) {
		open_pair(c, m);
		return true;
	}
	for (struct leased *d = c->leased; d && number; d = d->next)
		if (*find(d, number)) {
			lines_say(d->lines, m);
			return true;
		}
	return false;
}

void control_leased_finish(struct control *c)
{
	while (c->leased)
		leave(c->leased);
}
