/* crr_server: takes connections as they come, in threads of its own, so that none waits for the loop. A
 * connection counts when its hello shows our token; one with the hello of another pair goes to the listener, any
 * other is closed without a word. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/units.h"
#include "net/impl.h"
#include "net/listener.h"
#include "net/methods.h"

#define BATCH 128
#define CONNECTIONS 8192u
/* Of them, such as have not shown a token. */
#define STRANGERS 256u
/* How long one may take to show its token, and how often that is looked at. */
#define PATIENCE_NS (5 * NS_PER_SEC)
#define SWEEP_MS 500
/* Connections that one round accepts. */
#define ACCEPTS 16

struct conn {
	struct conn *prev, *next;
	int fd;
	bool wants_out;
	uint64_t since_ns;
	uint64_t got, pending; /* bytes of hello and request; of the response */
	uint8_t hello[NET_HELLO_SIZE];
};

struct acceptor {
	struct net_thread *t;
	struct flow *f;   /* what it counts in */
	struct conn *all; /* the youngest first */
	uint32_t n, strangers;
};

static void forget(struct acceptor *a, struct conn *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		a->all = c->next;
	if (c->next)
		c->next->prev = c->prev;
	a->n--;
	a->strangers -= c->got < NET_HELLO_SIZE;
	free(c);
}

static void drop(struct acceptor *a, struct conn *c)
{
	close(c->fd);
	forget(a, c);
}

static void watch(struct acceptor *a, struct conn *c, int op)
{
	struct epoll_event e = {
		.events = c->wants_out ? EPOLLOUT : EPOLLIN, .data.ptr = c};

	epoll_ctl(a->t->epoll_fd, op, c->fd, &e);
}

/* False: the connection is gone. */
static bool respond(struct acceptor *a, struct conn *c)
{
	struct net_pair *p = a->t->pair;

	while (c->pending) {
		size_t size = c->pending < p->send_size ? c->pending : p->send_size;
		ssize_t n = send(c->fd, p->bytes, size, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			drop(a, c);
			return false;
		}
		c->pending -= (uint64_t)n;
		count(&a->f->out.bytes, (uint64_t)n);
		count(&a->f->out.calls, 1);
	}
	if (c->wants_out != (c->pending > 0)) {
		c->wants_out = c->pending > 0;
		watch(a, c, EPOLL_CTL_MOD);
	}
	return true;
}

/* Whether it is one of ours; if not, it is gone. */
static bool is_ours(struct acceptor *a, struct conn *c)
{
	struct net_pair *p = a->t->pair;
	const uint8_t *token;
	uint32_t flow;
	bool hello = net_hello_read(c->hello, &token, &flow);

	if (hello && flow != NET_ANCHOR && net_token_equal(token, p->token))
		return true;
	if (!hello) {
		drop(a, c);
		return false;
	}
	epoll_ctl(a->t->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
	net_listener_hand_over(p->listener, c->fd, c->hello);
	forget(a, c);
	return false;
}

/* The request may be larger than the buffer, and is not kept. False: the connection is gone. */
static bool take(struct acceptor *a, struct conn *c)
{
	struct net_pair *p = a->t->pair;
	uint64_t all = NET_HELLO_SIZE + p->spec->request_bytes;

	while (c->got < all) {
		bool hello = c->got < NET_HELLO_SIZE;
		void *into = hello ? c->hello + c->got : a->t->buffer;
		uint64_t want = hello ? NET_HELLO_SIZE - c->got : all - c->got;
		ssize_t n = recv(c->fd, into,
			want < a->t->buffer_size ? want : a->t->buffer_size, 0);

		if (n < 0 && errno == EAGAIN)
			return true;
		if (n <= 0) {
			drop(a, c);
			return false;
		}
		c->got += (uint64_t)n;
		if (hello && c->got == NET_HELLO_SIZE) {
			a->strangers--;
			if (!is_ours(a, c))
				return false;
		}
		if (hello)
			continue;
		count(&a->f->in.bytes, (uint64_t)n);
		count(&a->f->in.calls, 1);
	}
	count(&a->f->in.transactions, 1);
	c->pending = p->spec->response_bytes;
	return respond(a, c);
}

static void on_conn(struct acceptor *a, struct conn *c)
{
	const struct net_spec *s = a->t->pair->spec;
	char rest;

	if (c->wants_out)
		respond(a, c);
	else if (c->got < NET_HELLO_SIZE + s->request_bytes)
		take(a, c);
	/* the client closes first; whatever it says else, it is over */
	else if (recv(c->fd, &rest, 1, 0) >= 0 || errno != EAGAIN)
		drop(a, c);
}

static void drop_oldest_stranger(struct acceptor *a)
{
	struct conn *oldest = NULL;

	for (struct conn *c = a->all; c; c = c->next)
		if (c->got < NET_HELLO_SIZE)
			oldest = c;
	if (oldest)
		drop(a, oldest);
}

static struct conn *add(struct acceptor *a, int fd)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return NULL;
	}
	*c = (struct conn){.next = a->all, .fd = fd, .since_ns = clock_ns()};
	if (a->all)
		a->all->prev = c;
	a->all = c;
	a->n++;
	a->strangers++;
	watch(a, c, EPOLL_CTL_ADD);
	return c;
}

/* Connections of ours that others have accepted; their hello was read. */
static void on_wake(struct acceptor *a)
{
	struct net_pair *p = a->t->pair;
	int fds[NET_ADOPTED];
	uint32_t n;
	eventfd_t ignored;

	eventfd_read(a->t->wake_fd, &ignored);
	pthread_mutex_lock(&p->lock);
	n = p->n_adopted;
	memcpy(fds, p->adopted, n * sizeof(*fds));
	p->n_adopted = 0;
	pthread_mutex_unlock(&p->lock);
	for (uint32_t i = 0; i < n; i++) {
		struct conn *c = add(a, fds[i]);

		if (!c)
			continue;
		c->got = NET_HELLO_SIZE;
		a->strangers--;
		take(a, c);
	}
}

void net_crr_adopt(struct net_pair *p, int fd)
{
	bool room;

	pthread_mutex_lock(&p->lock);
	room = p->go && p->n_adopted < NET_ADOPTED;
	if (room)
		p->adopted[p->n_adopted++] = fd;
	pthread_mutex_unlock(&p->lock);
	if (room)
		eventfd_write(p->threads[0].wake_fd, 1);
	else
		close(fd);
}

static void on_accept(struct acceptor *a)
{
	int listening = net_listener_fd(a->t->pair->listener);

	for (unsigned i = 0; i < ACCEPTS && a->n < CONNECTIONS; i++) {
		int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct conn *c;

		if (fd < 0)
			return;
		if (a->strangers >= STRANGERS)
			drop_oldest_stranger(a);
		c = add(a, fd);
		if (c)
			take(a, c);
	}
}

static void sweep(struct acceptor *a, uint64_t now)
{
	for (struct conn *c = a->all, *next; c; c = next) {
		next = c->next;
		if (c->got < NET_HELLO_SIZE && now - c->since_ns > PATIENCE_NS)
			drop(a, c);
	}
}

static void crr_run(struct net_thread *t)
{
	struct acceptor a = {.t = t, .f = net_thread_flow(t, 0)};
	struct epoll_event events[BATCH];
	struct epoll_event wake = {.events = EPOLLIN, .data.ptr = t};
	struct epoll_event listening = {.events = EPOLLIN | EPOLLEXCLUSIVE};
	uint64_t sweep_ns = clock_ns() + SWEEP_MS * NS_PER_MS;

	epoll_ctl(t->epoll_fd, EPOLL_CTL_ADD, t->wake_fd, &wake);
	epoll_ctl(t->epoll_fd, EPOLL_CTL_ADD, net_listener_fd(t->pair->listener),
		&listening);
	/* beyond the window, until the loop has heard that the client is through */
	while (net_load(t->pair) != LOAD_DEAD) {
		int n = epoll_wait(t->epoll_fd, events, BATCH, SWEEP_MS);
		bool wakes = false, accepts = false;

		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == t)
				wakes = true;
			else if (events[i].data.ptr)
				on_conn(&a, events[i].data.ptr);
			else
				accepts = true;
		}
		/* new ones last: they may take the place of old ones whose events are above */
		if (wakes)
			on_wake(&a);
		if (accepts)
			on_accept(&a);
		if (clock_ns() >= sweep_ns) {
			sweep(&a, clock_ns());
			sweep_ns = clock_ns() + SWEEP_MS * NS_PER_MS;
		}
	}
	while (a.all)
		drop(&a, a.all);
	net_lane_done(t->pair, false);
}

const struct net_method net_crr_server = {
	.name = "crr",
	.lanes = LANE_IN,
	.by_thread = true,
	.buffer_size = 64u * 1024u,
	.run = crr_run,
};
