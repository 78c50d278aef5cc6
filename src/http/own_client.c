/* own_client: a thread's connections in one epoll: each is registered once, edge-triggered, for its life. Deadlines
 * are looked at now and then, all at once; no exchange has a timer. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/units.h"
#include "http/own.h"

static struct own_client *own(struct http_client *c)
{
	return (struct own_client *)c;
}

static struct dialer *dialer_of(const struct own_client *c)
{
	return ((struct own_space *)c->base.space->engine)->dialer;
}

/* --- what has ended */

void own_client_done(struct own_client *c, struct http_exchange *ex)
{
	ex->next = NULL;
	if (c->last_done)
		c->last_done->next = ex;
	else
		c->first_done = ex;
	c->last_done = ex;
}

static void fail(struct own_client *c, struct http_exchange *ex, enum http_fail how,
	const char *text)
{
	http_set_fail(ex, how, "%s", text);
	ex->end_ns = clock_ns();
	own_client_done(c, ex);
}

static size_t hand_out(struct own_client *c, struct http_exchange **done, size_t max)
{
	size_t n = 0;

	for (; n < max && c->first_done; n++) {
		done[n] = c->first_done;
		c->first_done = c->first_done->next;
	}
	if (!c->first_done)
		c->last_done = NULL;
	return n;
}

/* --- exchanges that wait for a connection */

static void wait_in_line(struct own_server *s, struct http_exchange *ex)
{
	ex->next = NULL;
	if (s->last)
		s->last->next = ex;
	else
		s->first = ex;
	s->last = ex;
	s->waiting++;
}

static struct http_exchange *next_in_line(struct own_server *s)
{
	struct http_exchange *ex = s->first;

	s->first = ex->next;
	if (!s->first)
		s->last = NULL;
	s->waiting--;
	return ex;
}

/* One connection is asked for per exchange that waits: no more of them than slots. */
static void dial_for(struct own_client *c, struct http_exchange *ex)
{
	struct own_server *s = &c->servers[ex->server];

	if (s->dialing >= s->waiting + 1) {
		wait_in_line(s, ex);
	} else if (own_dialer_ask(dialer_of(c), c->inbox, ex->server) < 0) {
		fail(c, ex, HTTP_FAIL_MEMORY, "no memory");
	} else {
		s->dialing++;
		wait_in_line(s, ex);
	}
}

void own_client_resend(struct own_client *c, struct http_exchange *ex)
{
	uint64_t start_ns = ex->start_ns;

	http_clear(ex);
	ex->start_ns = start_ns;
	ex->resent = true;
	dial_for(c, ex);
}

/* --- idle connections */

void own_client_busy(struct own_client *c, struct own_conn *n)
{
	if (n->prev)
		n->prev->next = n->next;
	else
		c->servers[n->server].idle = n->next;
	if (n->next)
		n->next->prev = n->prev;
	n->next = n->prev = NULL;
}

void own_client_idle(struct own_client *c, struct own_conn *n)
{
	struct own_server *s = &c->servers[n->server];

	/* one that is sent again wants a new connection */
	if (s->first && !(s->first->resent && n->kept)) {
		own_conn_start(n, next_in_line(s));
		return;
	}
	n->kept = true;
	n->prev = NULL;
	n->next = s->idle;
	if (s->idle)
		s->idle->prev = n;
	s->idle = n;
}

/* --- dials that come back */

static int make_room(struct own_client *c)
{
	uint32_t cap = c->cap_all ? c->cap_all * 2 : 64;
	struct own_conn **all;

	if (c->n_all < c->cap_all)
		return 0;
	all = realloc(c->all, cap * sizeof(struct own_conn *));
	if (!all)
		return -1;
	c->all = all;
	c->cap_all = cap;
	return 0;
}

static void take_dial(struct own_client *c, struct dial *dial)
{
	struct own_server *s = &c->servers[dial->server];
	struct own_conn *n = NULL;

	s->dialing--;
	if (c->ramping > 0)
		c->ramping--;
	if (dial->fail == HTTP_OK) {
		n = make_room(c) < 0 ? NULL : own_conn_create(c, dial);
		if (!n) {
			dial->fail = HTTP_FAIL_MEMORY;
			snprintf(dial->text, sizeof(dial->text), "no memory");
		}
	}
	if (n)
		own_client_idle(c, n);
	else if (s->waiting > s->dialing)
		fail(c, next_in_line(s), dial->fail, dial->text);
}

static void take_dials(struct own_client *c)
{
	struct dial *next, *dial = inbox_take(c->inbox);

	for (; dial; dial = next) {
		next = dial->next;
		take_dial(c, dial);
		dial_free(dial);
	}
}

/* --- events */

static void bury(struct own_client *c)
{
	while (c->dead) {
		struct own_conn *n = c->dead;

		c->dead = n->next;
		own_conn_free(n);
	}
}

static void look_again(struct own_client *c)
{
	struct own_conn *next, *n = c->again;

	c->again = NULL;
	for (; n; n = next) {
		next = n->again_next;
		n->again = false;
		if (n->fd < 0)
			own_conn_free(n);
		else
			own_conn_again(n);
	}
}

static void sweep(struct own_client *c)
{
	c->sweep_ns = c->now_ns + OWN_SWEEP_NS;
	/* from the end: one that is closed gives its place to the last one */
	for (uint32_t i = c->n_all; i-- > 0;)
		if (i < c->n_all && c->all[i]->ex)
			own_conn_sweep(c->all[i]);
}

/* Waits for events until a moment. epoll_pwait2 is of Linux 5.11; epoll_wait counts milliseconds, so that before
 * it poll waits for the epoll itself. */
static int poll_until(struct own_client *c, uint64_t until_ns)
{
	uint64_t ns = until_ns > c->now_ns ? until_ns - c->now_ns : 0;
	const struct timespec wait = {(time_t)(ns / NS_PER_SEC), (long)(ns % NS_PER_SEC)};
	int n = epoll_pwait2(c->epoll, c->events, OWN_EVENTS, &wait, NULL);

	if (n < 0 && (errno == ENOSYS || errno == EPERM)) {
		ppoll(&(struct pollfd){.fd = c->epoll, .events = POLLIN}, 1, &wait, NULL);
		n = epoll_wait(c->epoll, c->events, OWN_EVENTS, 0);
	}
	return n < 0 ? 0 : n;
}

/* Waits once, and does what there is to do. */
static void turn(struct own_client *c, uint64_t until_ns)
{
	int n;

	if (c->again) {
		look_again(c);
		until_ns = 0;
		/* a response that was read must be handed out before its connection is read again */
		if (c->first_done)
			return;
	}
	if (until_ns > c->sweep_ns)
		until_ns = c->sweep_ns;
	n = poll_until(c, until_ns);
	c->now_ns = clock_ns();
	for (int i = 0; i < n; i++) {
		if (c->events[i].data.ptr)
			own_conn_event(c->events[i].data.ptr, c->events[i].events);
		else
			take_dials(c);
	}
	if (c->now_ns >= c->sweep_ns)
		sweep(c);
}

/* --- the table */

static int init(struct own_client *c, struct err *err)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};

	c->receive = malloc(OWN_RECEIVE_BYTES);
	c->record = malloc(OWN_RECORD_BYTES);
	if (!c->receive || !c->record)
		return err_set(err, ERR_SYSTEM, "no memory");
	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (c->epoll < 0)
		return err_sys(err, errno, "epoll");
	c->inbox = inbox_create(err);
	if (!c->inbox)
		return -1;
	if (epoll_ctl(c->epoll, EPOLL_CTL_ADD, c->inbox->event, &event) < 0)
		return err_sys(err, errno, "epoll");
	return 0;
}

static void client_destroy(struct http_client *client)
{
	struct own_client *c = own(client);

	inbox_close(c->inbox);
	while (c->n_all > 0)
		own_conn_close(c->all[c->n_all - 1]);
	look_again(c);
	bury(c);
	if (c->epoll >= 0)
		close(c->epoll);
	free(c->servers);
	free(c->all);
	free(c->receive);
	free(c->record);
	free(c);
}

static struct http_client *client_create(
	struct http_space *s, uint32_t slots, struct err *err)
{
	struct own_client *c = calloc(1, sizeof(*c));

	if (!c) {
		err_set(err, ERR_SYSTEM, "no memory");
		return NULL;
	}
	c->base.space = s;
	(void)slots; /* connections come as exchanges do */
	c->epoll = -1;
	if (init(c, err) < 0) {
		client_destroy(&c->base);
		return NULL;
	}
	return &c->base;
}

/* Servers may have been added since the client was made. */
static bool know_server(struct own_client *c, uint32_t server)
{
	struct own_server *servers;
	uint32_t n = c->n_servers;

	if (server < n)
		return true;
	while (n <= server)
		n = n ? n * 2 : 4;
	servers = realloc(c->servers, n * sizeof(*servers));
	if (!servers)
		return false;
	memset(servers + c->n_servers, 0, (n - c->n_servers) * sizeof(*servers));
	c->servers = servers;
	c->n_servers = n;
	return true;
}

static void ramp(struct http_client *client, uint32_t server, uint32_t n)
{
	struct own_client *c = own(client);

	if (!know_server(c, server))
		return;
	for (; n > 0 && own_dialer_ask(dialer_of(c), c->inbox, server) == 0; n--) {
		c->servers[server].dialing++;
		c->ramping++;
	}
	while (c->ramping > 0) {
		c->now_ns = clock_ns();
		turn(c, c->now_ns + NS_PER_SEC);
	}
}

static void start(struct http_client *client, struct http_exchange *ex)
{
	struct own_client *c = own(client);
	struct own_conn *n;

	c->now_ns = ex->start_ns;
	if (__builtin_expect(!know_server(c, ex->server), 0)) {
		fail(c, ex, HTTP_FAIL_MEMORY, "no memory");
		return;
	}
	n = c->servers[ex->server].idle;
	if (n) {
		own_client_busy(c, n);
		own_conn_start(n, ex);
	} else {
		dial_for(c, ex);
	}
}

static size_t wait(struct http_client *client, struct http_exchange **done, size_t max,
	uint64_t deadline_ns)
{
	struct own_client *c = own(client);

	if (!c->first_done) {
		bury(c);
		c->now_ns = clock_ns();
		do
			turn(c, deadline_ns);
		while (!c->first_done && c->now_ns < deadline_ns);
	}
	return hand_out(c, done, max);
}

static void cancel(struct http_client *client)
{
	static const char text[] = "given up";
	struct own_client *c = own(client);

	for (uint32_t i = c->n_all; i-- > 0;)
		if (c->all[i]->ex)
			own_conn_fail(c->all[i], HTTP_FAIL_CANCELLED, text);
	for (uint32_t i = 0; i < c->n_servers; i++)
		while (c->servers[i].first)
			fail(c, next_in_line(&c->servers[i]), HTTP_FAIL_CANCELLED, text);
}

static int space_init(struct http_space *s, struct err *err)
{
	struct own_space *o = calloc(1, sizeof(*o));

	if (!o)
		return err_set(err, ERR_SYSTEM, "no memory");
	o->dialer = own_dialer_create(s, err);
	if (!o->dialer) {
		free(o);
		return -1;
	}
	s->engine = o;
	return 0;
}

static void space_fini(struct http_space *s)
{
	struct own_space *o = s->engine;

	own_dialer_destroy(o->dialer);
	free(o);
}

const struct http_engine_ops http_own = {
	.space_init = space_init,
	.space_fini = space_fini,
	.client_create = client_create,
	.ramp = ramp,
	.start = start,
	.wait = wait,
	.cancel = cancel,
	.client_destroy = client_destroy,
};
