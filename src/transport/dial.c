/* dial: resolve, wait for a place, connect to one address after the other, back off, again. */
#include "transport/dial.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/loop.h"
#include "common/rng.h"
#include "common/text.h"
#include "common/units.h"
#include "transport/resolve.h"

#define TRIES 4
#define BACKOFF_NS (250 * NS_PER_MS)
#define IN_FLIGHT_MAX 64
#define PER_ADDRESS_MAX 8
#define CONNECT_TIMEOUT_NS (10 * NS_PER_SEC)
/* A cut cable is noticed after this long, when something waits to be acknowledged. */
#define TCP_USER_TIMEOUT_MS 20000
/* sshd learns from its child that a login is over, a moment after we do. */
#define COOLING_NS (30 * NS_PER_MS)
#define GATE_BUCKETS 256

TAILQ_HEAD(dial_list, dial);

/* The way to one address and port. */
struct gate {
	SLIST_ENTRY(gate) link;
	unsigned in_use, limit;
	bool retry_said;
	struct dial_list waiting;
	size_t len;
	char key[];
};

struct dialer {
	struct loop *loop;
	uint64_t connect_timeout_ns;
	struct resolver *resolver;
	struct rng rng;
	unsigned in_flight;
	struct dial_list waiting;
	SLIST_HEAD(, gate) gates[GATE_BUCKETS];
};

enum dial_state {
	DIAL_PAUSED, /* until the timer */
	DIAL_RESOLVING,
	DIAL_AT_GATE,
	DIAL_IN_LINE, /* through the gate, waiting for one of the 64 places */
	DIAL_CONNECTING,
	DIAL_CONNECTED,
	DIAL_COOLING, /* logged in: out of the line, but still counted by sshd */
	DIAL_SETTLED,
};

struct dial {
	TAILQ_ENTRY(dial) link; /* in a waiting list */
	struct dialer *dialer;
	const char *host;
	uint16_t port;
	char *where;
	bool only_place;     /* somebody else connects */
	bool first;          /* does not wait in line */
	const char *through; /* counts instead of an address, or NULL */
	uint64_t timeout_ns;
	const struct dial_events *events;
	void *user;
	enum dial_state state;
	unsigned attempts;
	struct resolve_job *job;
	struct addrinfo *list, *at;
	struct gate *gate; /* held, or waited for */
	int fd;
	struct loop_fd *watch;
	struct loop_timer *timer;
	enum conn_failure why;
	struct err err; /* of the last address */
};

static void try_address(struct dial *d);
static void take_place(struct dial *d);

/* key: a socket address, or a text where the address is not known. */
static struct gate *find_gate(struct dialer *dr, const void *key, size_t len)
{
	size_t bucket = rng_hash(key, len) % GATE_BUCKETS;
	struct gate *g;

	SLIST_FOREACH(g, &dr->gates[bucket], link)
	if (g->len == len && memcmp(g->key, key, len) == 0)
		return g;
	g = calloc(1, sizeof(*g) + len);
	if (!g)
		abort();
	memcpy(g->key, key, len);
	g->len = len;
	g->limit = PER_ADDRESS_MAX;
	TAILQ_INIT(&g->waiting);
	SLIST_INSERT_HEAD(&dr->gates[bucket], g, link);
	return g;
}

static void pause_until(struct dial *d, uint64_t at_ns)
{
	d->state = DIAL_PAUSED;
	loop_timer_set(d->timer, at_ns, 0);
}

/* Lets the next ones through; they go on from their own timers, not from in here. */
static void open_gate(struct gate *g)
{
	struct dial *next = TAILQ_FIRST(&g->waiting);

	if (!next || g->in_use >= g->limit)
		return;
	TAILQ_REMOVE(&g->waiting, next, link);
	g->in_use++;
	take_place(next);
}

static void take_place(struct dial *d)
{
	struct dialer *dr = d->dialer;

	d->state = DIAL_IN_LINE;
	if (dr->in_flight >= IN_FLIGHT_MAX && !d->first) {
		TAILQ_INSERT_TAIL(&dr->waiting, d, link);
		return;
	}
	dr->in_flight++;
	d->state = DIAL_CONNECTING;
	loop_timer_set(d->timer, 1, 0);
}

static void close_socket(struct dial *d)
{
	loop_fd_del(d->watch);
	d->watch = NULL;
	cleanup_close(&d->fd);
	d->fd = -1;
}

/* One of the 64 places is free. */
static void leave_line(struct dialer *dr)
{
	struct dial *next = TAILQ_FIRST(&dr->waiting);

	dr->in_flight--;
	if (next && dr->in_flight < IN_FLIGHT_MAX) {
		TAILQ_REMOVE(&dr->waiting, next, link);
		take_place(next);
	}
}

/* Gives back whatever is held, from any state. */
static void give_back(struct dial *d)
{
	struct dialer *dr = d->dialer;
	struct gate *g = d->gate;
	enum dial_state state = d->state;

	d->gate = NULL;
	d->state = DIAL_SETTLED;
	loop_timer_stop(d->timer);
	close_socket(d);
	if (!g)
		return;
	if (state == DIAL_AT_GATE) {
		TAILQ_REMOVE(&g->waiting, d, link);
		return;
	}
	g->in_use--;
	if (state == DIAL_IN_LINE)
		TAILQ_REMOVE(&dr->waiting, d, link);
	else if (state != DIAL_COOLING)
		leave_line(dr);
	open_gate(g);
}

static void fail(struct dial *d)
{
	give_back(d);
	d->events->failed(d, d->why, &d->err, d->user);
}

/* One of several at once was dropped before its login: that many were too many for this sshd (its
 * MaxStartups), and from now on there are fewer. This happens seven times at most to a gate. */
static bool crowded(struct gate *g)
{
	if (g->in_use < 2)
		return false;
	g->limit = g->in_use - 1;
	return true;
}

bool dial_again(struct dial *d, enum conn_failure why, const struct err *err)
{
	struct gate *g = d->gate;
	bool say = !g->retry_said;
	uint64_t wait_ns;

	if (why == CONN_FAIL_BANNER && crowded(g))
		d->attempts--; /* our own doing, and no sign of more to come */
	if (d->attempts >= TRIES)
		return false;
	g->retry_said = true;
	give_back(d);
	/* between half and one and a half of it, so that they do not come back all at once */
	wait_ns = BACKOFF_NS << (d->attempts ? d->attempts - 1 : 0);
	wait_ns = wait_ns / 2 + rng_below(&d->dialer->rng, wait_ns);
	pause_until(d, clock_ns() + wait_ns);
	if (say)
		d->events->retry(d, err, d->user); /* last: it may destroy d */
	return true;
}

/* " (10.0.1.10)" when the host was given by a name. */
static void address_text(const struct dial *d, char *out, size_t size)
{
	char text[NI_MAXHOST] = "";

	*out = '\0';
	if (d->at &&
		getnameinfo(d->at->ai_addr, d->at->ai_addrlen, text, sizeof(text), NULL,
			0, NI_NUMERICHOST) == 0 &&
		strcmp(text, d->host) != 0)
		snprintf(out, size, " (%s)", text);
}

static const struct {
	int errnum;
	enum conn_failure why;
	const char *text, *hint;
} failures[] = {
	{ECONNREFUSED, CONN_FAIL_REFUSED, "connection refused",
		"is sshd running and listening on this port?"},
	{EHOSTUNREACH, CONN_FAIL_UNREACHABLE, "no route to host",
		"is the host up, and is the address right?"},
	{ENETUNREACH, CONN_FAIL_UNREACHABLE, "network is unreachable",
		"has this machine a route to that network?"},
	{ECONNRESET, CONN_FAIL_BANNER, "connection reset",
		"something between here and there refuses connections"},
	{ETIMEDOUT, CONN_FAIL_TIMEOUT, "no answer",
		"is the host up, and do firewalls let this port through?"},
	{0, CONN_FAIL_OTHER, NULL, NULL},
};

static void set_failure(struct dial *d, int errnum)
{
	char address[NI_MAXHOST + 8];
	size_t i = 0;

	address_text(d, address, sizeof(address));
	while (failures[i].errnum && failures[i].errnum != errnum)
		i++;
	d->why = failures[i].why;
	d->err = (struct err)ERR_INIT;
	if (!failures[i].errnum)
		err_sys(&d->err, errnum, "%s: cannot connect%s", d->where, address);
	else if (errnum == ETIMEDOUT)
		err_set(&d->err, ERR_HOST, "%s: no answer within %s%s: %s", d->where,
			units_duration(d->timeout_ns).s, address, failures[i].hint);
	else
		err_set(&d->err, ERR_HOST, "%s: %s%s: %s", d->where, failures[i].text,
			address, failures[i].hint);
}

static void address_failed(struct dial *d, int errnum)
{
	set_failure(d, errnum);
	close_socket(d);
	d->at = d->at->ai_next;
	if (d->at) {
		give_back(d);
		try_address(d);
	} else if ((d->why != CONN_FAIL_REFUSED && d->why != CONN_FAIL_UNREACHABLE &&
			   d->why != CONN_FAIL_BANNER) ||
		   !dial_again(d, d->why, &d->err)) {
		fail(d);
	}
}

/* Without a socket for an only_place. */
static void connected(struct dial *d)
{
	int fd = steal_fd(&d->fd);

	loop_fd_del(d->watch);
	d->watch = NULL;
	loop_timer_stop(d->timer);
	d->state = DIAL_CONNECTED;
	d->events->connected(d, fd, d->user);
}

static void on_writable(struct loop_fd *w, uint32_t events, void *user)
{
	struct dial *d = user;
	int errnum = 0;
	socklen_t len = sizeof(errnum);

	(void)w;
	(void)events;
	if (getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &errnum, &len) < 0)
		errnum = errno;
	if (errnum)
		address_failed(d, errnum);
	else
		connected(d);
}

static void start_connect(struct dial *d)
{
	const struct addrinfo *a = d->at;
	unsigned timeout_ms = TCP_USER_TIMEOUT_MS;
	struct err err = ERR_INIT;
	int one = 1;

	d->fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (d->fd < 0) {
		address_failed(d, errno);
		return;
	}
	setsockopt(d->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(d->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
	if (connect(d->fd, a->ai_addr, a->ai_addrlen) < 0 && errno != EINPROGRESS) {
		address_failed(d, errno);
		return;
	}
	d->watch = loop_fd_add(d->dialer->loop, d->fd, EPOLLOUT, on_writable, d, &err);
	if (!d->watch)
		address_failed(d, err.errnum);
	else
		loop_timer_set(d->timer, clock_ns() + d->timeout_ns, 0);
}

static void try_address(struct dial *d)
{
	const char *text = d->through ? d->through : d->where;
	struct gate *g = d->at ? find_gate(d->dialer, d->at->ai_addr, d->at->ai_addrlen)
			       : find_gate(d->dialer, text, strlen(text));

	d->gate = g;
	d->state = DIAL_AT_GATE;
	TAILQ_INSERT_TAIL(&g->waiting, d, link);
	open_gate(g);
}

static void on_resolved(struct addrinfo *list, int error, void *user)
{
	struct dial *d = user;

	d->job = NULL;
	/* whoever only takes a place may know the name by other means */
	if (!list && !d->only_place) {
		d->why = CONN_FAIL_NAME;
		err_set(&d->err, ERR_HOST, "%s: the name does not resolve: %s (%s)",
			d->where, gai_strerror(error),
			error == EAI_AGAIN
				? "no DNS server answered: can this machine reach one?"
				: "is it spelt right? ssh_config, /etc/hosts or DNS must "
				  "know it");
		fail(d);
		return;
	}
	d->list = list;
	d->at = list;
	try_address(d);
}

static void attempt(struct dial *d)
{
	d->attempts++;
	if (!d->list && !d->through)
		d->list = resolve_numeric(d->host, d->port);
	d->at = d->list;
	if (d->list || d->through) {
		try_address(d);
		return;
	}
	d->state = DIAL_RESOLVING;
	d->job = resolve_start(d->dialer->resolver, d->host, d->port, on_resolved, d);
}

static void on_timer(struct loop_timer *t, void *user)
{
	struct dial *d = user;

	(void)t;
	if (d->state == DIAL_PAUSED)
		attempt(d);
	else if (d->state == DIAL_CONNECTING && d->only_place)
		connected(d);
	else if (d->state == DIAL_CONNECTING && d->fd < 0)
		start_connect(d);
	else if (d->state == DIAL_CONNECTING)
		address_failed(d, ETIMEDOUT);
	else if (d->state == DIAL_COOLING)
		give_back(d);
}

struct dial *dial_start(struct dialer *dialer, const char *host, uint16_t port,
	uint64_t connect_timeout_ns, const struct dial_events *e, void *user)
{
	struct dial *d = calloc(1, sizeof(*d));

	if (!d)
		abort();
	d->dialer = dialer;
	d->host = host;
	d->port = port;
	d->where = text_printf(strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, port);
	d->timeout_ns =
		connect_timeout_ns ? connect_timeout_ns : dialer->connect_timeout_ns;
	d->events = e;
	d->user = user;
	d->fd = -1;
	d->timer = loop_timer_add(dialer->loop, 1, 0, on_timer, d);
	return d;
}

struct dial *dial_place(struct dialer *dialer, const char *host, uint16_t port,
	const char *through, const struct dial_events *e, void *user)
{
	struct dial *d = dial_start(dialer, host, port, 0, e, user);

	d->only_place = true;
	d->through = through;
	return d;
}

void dial_jump_host(struct dial *d, const char *where)
{
	d->first = true;
	free(d->where);
	d->where = strdup(where);
	if (!d->where)
		abort();
}

void dial_settled(struct dial *d)
{
	if (d->state != DIAL_CONNECTED) {
		give_back(d);
		return;
	}
	d->state = DIAL_COOLING;
	leave_line(d->dialer);
	loop_timer_set(d->timer, clock_ns() + COOLING_NS, 0);
}

void dial_destroy(struct dial *d)
{
	if (!d)
		return;
	give_back(d);
	resolve_cancel(d->job);
	if (d->list)
		freeaddrinfo(d->list);
	loop_timer_del(d->timer);
	free(d->where);
	free(d);
}

const char *dial_where(const struct dial *d)
{
	return d->where;
}

unsigned dial_attempts(const struct dial *d)
{
	return d->attempts;
}

struct dialer *dialer_create(
	struct loop *loop, const struct transport_config *c, struct err *err)
{
	struct dialer *dr = calloc(1, sizeof(*dr));

	if (!dr)
		abort();
	dr->loop = loop;
	dr->connect_timeout_ns =
		c->connect_timeout_ns ? c->connect_timeout_ns : CONNECT_TIMEOUT_NS;
	rng_seed(&dr->rng, clock_wall_ns() ^ (uint64_t)getpid());
	TAILQ_INIT(&dr->waiting);
	dr->resolver = resolver_create(loop, err);
	if (!dr->resolver) {
		dialer_destroy(dr);
		return NULL;
	}
	return dr;
}

void dialer_destroy(struct dialer *dr)
{
	struct gate *g;

	if (!dr)
		return;
	for (size_t i = 0; i < GATE_BUCKETS; i++) {
		while ((g = SLIST_FIRST(&dr->gates[i]))) {
			SLIST_REMOVE_HEAD(&dr->gates[i], link);
			free(g);
		}
	}
	resolver_destroy(dr->resolver);
	free(dr);
}
