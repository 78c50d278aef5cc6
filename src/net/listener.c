/* listener: a port where the flows of pairs arrive, and who may come in. */
#include "net/listener.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/loop.h"
#include "common/units.h"
#include "net/listener_socket.h"

#define STRANGERS 64
#define PATIENCE_NS (5 * NS_PER_SEC)
/* Younger ones are not closed to make room: their hello is under way. */
#define YOUNG_NS NS_PER_SEC
/* Of one round of the loop. */
#define DATAGRAMS 64

/* A connection that has not shown a token yet. */
struct stranger {
	struct net_listener *listener;
	int fd; /* -1: free */
	struct loop_fd *watch;
	uint64_t since_ns;
	size_t got;
	uint8_t hello[NET_HELLO_SIZE];
};

struct expected {
	struct expected *next;
	uint8_t token[NET_TOKEN_SIZE];
	net_guest_fn *fn;
	void *user;
};

/* What another thread has accepted. */
struct handed {
	struct handed *next;
	int fd;
	uint8_t hello[NET_HELLO_SIZE];
};

struct net_listener {
	struct loop *loop;
	struct net_address address;
	int tcp, udp; /* -1: none */
	struct loop_fd *tcp_watch, *udp_watch;
	bool paused, full;
	struct stranger strangers[STRANGERS];
	struct loop_timer *sweep;
	struct expected *expected;

	int handed_fd; /* an eventfd */
	struct loop_fd *handed_watch;
	pthread_mutex_t lock; /* of handed */
	struct handed *handed;
};

static void watch_again(struct net_listener *l)
{
	if (l->tcp_watch)
		loop_fd_set(l->tcp_watch, l->paused || l->full ? 0 : EPOLLIN);
}

static struct expected *find(struct net_listener *l, const uint8_t *token)
{
	for (struct expected *e = l->expected; e; e = e->next)
		if (net_token_equal(e->token, token))
			return e;
	return NULL;
}

/* Hands a connection over; closes it when nobody knows its token. */
static void let_in(struct net_listener *l, int fd, const uint8_t hello[NET_HELLO_SIZE])
{
	struct net_guest g = {.fd = fd, .from.len = sizeof(g.from.sa)};
	struct expected *e = NULL;
	const uint8_t *token;

	if (net_hello_read(hello, &token, &g.flow))
		e = find(l, token);
	if (e) {
		getpeername(fd, &g.from.sa.any, &g.from.len);
		e->fn(&g, e->user);
	} else {
		close(fd);
	}
}

static int leave(struct stranger *s)
{
	int fd = s->fd;

	loop_fd_del(s->watch);
	s->watch = NULL;
	s->fd = -1;
	if (s->listener->full) {
		s->listener->full = false;
		watch_again(s->listener);
	}
	return fd;
}

static void on_stranger(struct loop_fd *w, uint32_t events, void *user)
{
	struct stranger *s = user;
	ssize_t n =
		recv(s->fd, s->hello + s->got, sizeof(s->hello) - s->got, MSG_DONTWAIT);

	(void)w;
	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		close(leave(s));
		return;
	}
	s->got += (size_t)n;
	if (s->got == sizeof(s->hello))
		let_in(s->listener, leave(s), s->hello);
}

/* A free place, or that of the oldest one, which goes; NULL: all are young. */
static struct stranger *place(struct net_listener *l)
{
	struct stranger *oldest = &l->strangers[0];

	for (unsigned i = 0; i < STRANGERS; i++) {
		struct stranger *s = &l->strangers[i];

		if (s->fd < 0)
			return s;
		if (s->since_ns < oldest->since_ns)
			oldest = s;
	}
	if (oldest->since_ns + YOUNG_NS > clock_ns())
		return NULL;
	close(leave(oldest));
	return oldest;
}

static void on_connection(struct loop_fd *w, uint32_t events, void *user)
{
	struct net_listener *l = user;
	struct stranger *s = place(l);
	struct err ignored = ERR_INIT;
	int fd;

	(void)w;
	(void)events;
	if (!s) {
		l->full = true;
		watch_again(l);
		return;
	}
	fd = accept4(l->tcp, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		/* without descriptors it would come again and again at once */
		l->full = errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
			  errno == ENOBUFS;
		watch_again(l);
		return;
	}
	*s = (struct stranger){.listener = l, .fd = fd, .since_ns = clock_ns()};
	s->watch = loop_fd_add(l->loop, fd, EPOLLIN, on_stranger, s, &ignored);
	if (!s->watch)
		close(leave(s));
}

/* Once a second: who has shown nothing for long goes. */
static void on_sweep(struct loop_timer *t, void *user)
{
	struct net_listener *l = user;
	uint64_t now = clock_ns();

	(void)t;
	for (unsigned i = 0; i < STRANGERS; i++)
		if (l->strangers[i].fd >= 0 &&
			l->strangers[i].since_ns + PATIENCE_NS <= now)
			close(leave(&l->strangers[i]));
	/* some are not so young any more */
	if (l->full) {
		l->full = false;
		watch_again(l);
	}
}

static void on_datagram(struct loop_fd *w, uint32_t events, void *user)
{
	struct net_listener *l = user;

	(void)w;
	(void)events;
	for (unsigned i = 0; i < DATAGRAMS; i++) {
		uint8_t hello[NET_HELLO_SIZE];
		struct net_guest g = {.fd = -1};
		const uint8_t *token;
		struct expected *e;
		ssize_t n =
			listener_receive(l->udp, hello, sizeof(hello), &g.from, &g.to);

		if (n < 0)
			return;
		if (n != NET_HELLO_SIZE || !net_hello_read(hello, &token, &g.flow))
			continue;
		e = find(l, token);
		if (e)
			e->fn(&g, e->user);
	}
}

static void on_handed(struct loop_fd *w, uint32_t events, void *user)
{
	struct net_listener *l = user;
	struct handed *list;
	eventfd_t count;

	(void)w;
	(void)events;
	eventfd_read(l->handed_fd, &count);
	pthread_mutex_lock(&l->lock);
	list = l->handed;
	l->handed = NULL;
	pthread_mutex_unlock(&l->lock);
	while (list) {
		struct handed *h = list;

		list = h->next;
		let_in(l, h->fd, h->hello);
		free(h);
	}
}

void net_listener_hand_over(
	struct net_listener *l, int fd, const uint8_t hello[NET_HELLO_SIZE])
{
	struct handed *h = malloc(sizeof(*h));

	if (!h) {
		close(fd);
		return;
	}
	h->fd = fd;
	memcpy(h->hello, hello, sizeof(h->hello));
	pthread_mutex_lock(&l->lock);
	h->next = l->handed;
	l->handed = h;
	pthread_mutex_unlock(&l->lock);
	eventfd_write(l->handed_fd, 1);
}

/* ---- life ---- */

static int watch(struct net_listener *l, struct err *err)
{
	l->handed_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->handed_fd < 0)
		return err_sys(err, errno, "eventfd");
	l->handed_watch = loop_fd_add(l->loop, l->handed_fd, EPOLLIN, on_handed, l, err);
	if (l->tcp >= 0)
		l->tcp_watch =
			loop_fd_add(l->loop, l->tcp, EPOLLIN, on_connection, l, err);
	if (l->udp >= 0)
		l->udp_watch = loop_fd_add(l->loop, l->udp, EPOLLIN, on_datagram, l, err);
	l->sweep =
		loop_timer_add(l->loop, clock_ns() + NS_PER_SEC, NS_PER_SEC, on_sweep, l);
	return l->handed_watch && (l->tcp < 0 || l->tcp_watch) &&
			       (l->udp < 0 || l->udp_watch)
		       ? 0
		       : -1;
}

struct net_listener *net_listener_create(struct loop *loop,
	const struct net_listen *where, struct remarks *remarks, struct net_why *why)
{
	struct net_listener *l = calloc(1, sizeof(*l));

	if (!l) {
		net_failed(why, NET_FAIL_RESOURCES, "no memory");
		return NULL;
	}
	l->loop = loop;
	l->tcp = l->udp = l->handed_fd = -1;
	for (unsigned i = 0; i < STRANGERS; i++)
		l->strangers[i].fd = -1;
	pthread_mutex_init(&l->lock, NULL);
	if (listener_open(where, &l->address, &l->tcp, &l->udp, remarks, why) < 0 ||
		watch(l, &why->err) < 0) {
		net_listener_destroy(l);
		return NULL;
	}
	return l;
}

void net_listener_destroy(struct net_listener *l)
{
	if (!l)
		return;
	for (unsigned i = 0; i < STRANGERS; i++)
		if (l->strangers[i].fd >= 0)
			close(leave(&l->strangers[i]));
	loop_timer_del(l->sweep);
	loop_fd_del(l->tcp_watch);
	loop_fd_del(l->udp_watch);
	loop_fd_del(l->handed_watch);
	if (l->tcp >= 0)
		close(l->tcp);
	if (l->udp >= 0)
		close(l->udp);
	if (l->handed_fd >= 0)
		close(l->handed_fd);
	while (l->handed) {
		struct handed *h = l->handed;

		l->handed = h->next;
		close(h->fd);
		free(h);
	}
	while (l->expected)
		net_listener_forget(l, l->expected->token);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

uint16_t net_listener_port(const struct net_listener *l)
{
	return net_address_port(&l->address);
}

void net_listener_expect(struct net_listener *l, const uint8_t token[NET_TOKEN_SIZE],
	net_guest_fn *fn, void *user)
{
	struct expected *e = calloc(1, sizeof(*e));

	if (!e)
		abort();
	memcpy(e->token, token, sizeof(e->token));
	e->fn = fn;
	e->user = user;
	e->next = l->expected;
	l->expected = e;
}

void net_listener_forget(struct net_listener *l, const uint8_t token[NET_TOKEN_SIZE])
{
	for (struct expected **e = &l->expected; *e; e = &(*e)->next) {
		struct expected *gone = *e;

		if (!net_token_equal(gone->token, token))
			continue;
		*e = gone->next;
		explicit_bzero(gone, sizeof(*gone));
		free(gone);
		return;
	}
}

int net_listener_connect(struct net_listener *l, const struct net_guest *g)
{
	return listener_connect(l->udp, &l->address, g);
}

int net_listener_fd(const struct net_listener *l)
{
	return l->tcp;
}

void net_listener_pause(struct net_listener *l, bool pause)
{
	l->paused = pause;
	watch_again(l);
}
