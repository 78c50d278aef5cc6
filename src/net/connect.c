/* connect: the flows of a client, side by side: connected, hello said, answer heard. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/loop.h"
#include "common/units.h"
#include "net/impl.h"
#include "net/options.h"
#include "net/udp_header.h"

/* Flows whose answer is awaited: less than the strangers that a server takes. */
#define SIDE_BY_SIDE 32u
#define LOOK_NS (20 * NS_PER_MS)
/* A hello over udp that was not answered is said again. */
#define AGAIN_NS (100 * NS_PER_MS)

enum hello { HELLO_NONE, HELLO_CONNECTING, HELLO_SAID, HELLO_HEARD };

static void next_flows(struct net_pair *p);

static void fail(struct net_pair *p, int errnum, uint64_t waited_ns)
{
	struct net_why why = NET_WHY_INIT;
	const char *bound = p->open.bind && *p->open.bind ? p->open.bind : NULL;

	net_connect_failed(errnum, &p->peer, bound, waited_ns, &why);
	net_pair_fail(p, &why);
}

static void fail_answer(struct net_pair *p, const char *what)
{
	struct net_why why = NET_WHY_INIT;
	char host[NET_ADDRESS_TEXT];

	net_address_text(&p->peer, host);
	net_failed(&why, NET_FAIL_TOKEN,
		"%s port %u %s: the server of this test has ended, "
		"or another program has that port",
		host, net_address_port(&p->peer), what);
	net_pair_fail(p, &why);
}

/* All flows, and the anchor behind them. */
static uint32_t total(const struct net_pair *p)
{
	uint32_t flows = p->spec->test == NET_CRR ? 0 : p->n_flows;

	return flows + (p->anchor != NULL);
}

static struct flow *nth(struct net_pair *p, uint32_t i)
{
	/* the anchor first: it tells whether anybody is there */
	if (p->anchor)
		return i == 0 ? p->anchor : &p->flows[i - 1];
	return &p->flows[i];
}

static void heard(struct net_pair *p, struct flow *f)
{
	loop_fd_del(f->watch);
	f->watch = NULL;
	f->hello = HELLO_HEARD;
	p->connecting--;
	p->n_here++;
	if (p->n_here < total(p)) {
		next_flows(p);
		return;
	}
	loop_timer_stop(p->connect_timer);
	net_pair_connected(p);
}

static void say(struct net_pair *p, struct flow *f)
{
	uint8_t hello[NET_HELLO_SIZE];
	ssize_t n;

	net_hello_make(p->token, f->index, hello);
	n = send(f->fd, hello, sizeof(hello), MSG_NOSIGNAL);
	explicit_bzero(hello, sizeof(hello));
	f->said_ns = clock_ns();
	/* what an earlier datagram met is told by the next call */
	if (n < 0 && errno == EAGAIN && p->spec->protocol == NET_UDP)
		return;
	if (n != NET_HELLO_SIZE) {
		fail(p, n < 0 ? errno : ECONNRESET, 0);
		return;
	}
	f->hello = HELLO_SAID;
	loop_fd_set(f->watch, EPOLLIN);
}

static void hear(struct net_pair *p, struct flow *f)
{
	uint8_t answer[NET_HELLO_SIZE];
	size_t want = p->spec->protocol == NET_UDP ? sizeof(answer) : 1;
	ssize_t n = recv(f->fd, answer, want, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0 && p->spec->protocol == NET_UDP)
		fail(p, errno, 0);
	else if (n <= 0)
		fail_answer(p, "closed the connection");
	else if ((size_t)n != want || answer[0] != NET_HELLO_YES)
		fail_answer(p, "gave an answer that no server of muster gives");
	else
		heard(p, f);
}

static void on_flow(struct loop_fd *w, uint32_t events, void *user)
{
	struct flow *f = user;
	int errnum = 0;
	socklen_t len = sizeof(errnum);

	(void)w;
	(void)events;
	if (f->hello == HELLO_SAID) {
		hear(f->pair, f);
		return;
	}
	getsockopt(f->fd, SOL_SOCKET, SO_ERROR, &errnum, &len);
	if (errnum)
		fail(f->pair, errnum, clock_ns() - f->since_ns);
	else
		say(f->pair, f);
}

static int bind_flow(struct net_pair *p, struct flow *f, struct net_why *why)
{
	struct net_address from;
	uint32_t port = p->open.local_port;
	bool bound = p->open.bind && *p->open.bind;
	int on = 1;

	port = port && f != p->anchor ? port + f->index : 0;
	if (!bound && !port)
		return 0;
	if (port > 65535)
		return net_failed(why, NET_FAIL_PORT,
			"%u flows from port %u on are more than there are ports",
			p->n_flows, p->open.local_port);
	if (net_address_parse(bound ? p->open.bind : NULL, (uint16_t)port,
		    p->peer.sa.any.sa_family == AF_INET6 ? 6 : 4, &from, why) < 0)
		return -1;
	if (port && p->spec->protocol == NET_TCP)
		setsockopt(f->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(f->fd, &from.sa.any, from.len) == 0)
		return 0;
	return net_connect_failed(errno, &p->peer, bound ? p->open.bind : NULL, 0, why);
}

static int open_flow(struct net_pair *p, struct flow *f, struct net_why *why)
{
	int type = p->spec->protocol == NET_UDP ? SOCK_DGRAM : SOCK_STREAM;

	f->fd = socket(p->peer.sa.any.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (f->fd < 0)
		return net_connect_failed(errno, &p->peer, NULL, 0, why);
	if (net_options_set(f->fd, p->spec, p->end, &p->remarks, why) < 0 ||
		bind_flow(p, f, why) < 0)
		return -1;
	f->since_ns = clock_ns();
	f->hello = HELLO_CONNECTING;
	if (connect(f->fd, &p->peer.sa.any, p->peer.len) < 0 && errno != EINPROGRESS)
		return net_connect_failed(errno, &p->peer, p->open.bind, 0, why);
	f->watch = loop_fd_add(p->loop, f->fd, EPOLLOUT, on_flow, f, &why->err);
	return f->watch ? 0 : -1;
}

static void next_flows(struct net_pair *p)
{
	struct net_why why = NET_WHY_INIT;

	while (p->connecting < SIDE_BY_SIDE && p->next_flow < total(p)) {
		if (open_flow(p, nth(p, p->next_flow), &why) < 0) {
			net_pair_fail(p, &why);
			return;
		}
		p->next_flow++;
		p->connecting++;
	}
}

static void on_look(struct loop_timer *t, void *user)
{
	struct net_pair *p = user;
	uint64_t now = clock_ns();

	(void)t;
	for (uint32_t i = 0; i < p->next_flow && !p->failing; i++) {
		struct flow *f = nth(p, i);
		uint64_t waited = now > f->since_ns ? now - f->since_ns : 0;

		if (f->hello == HELLO_HEARD)
			continue;
		if (waited > p->spec->timeout_ns && p->spec->protocol == NET_TCP &&
			f->hello == HELLO_SAID)
			fail_answer(p, "took the connection and did not answer");
		else if (waited > p->spec->timeout_ns)
			fail(p, ETIMEDOUT, p->spec->timeout_ns);
		else if (p->spec->protocol == NET_UDP && now > f->said_ns + AGAIN_NS)
			say(p, f);
	}
}

int net_connect_begin(struct net_pair *p, struct net_why *why)
{
	if (net_address_parse(p->open.address, (uint16_t)p->open.port, p->spec->family,
		    &p->peer, why) < 0)
		return -1;
	if (p->spec->test == NET_CRR && p->open.local_port)
		return net_failed(why, NET_FAIL_OPTION,
			"crr takes a new port for each connection: it cannot be told to "
			"connect from port %u",
			p->open.local_port);
	p->connect_timer =
		loop_timer_add(p->loop, clock_ns() + LOOK_NS, LOOK_NS, on_look, p);
	next_flows(p);
	return 0;
}

void net_connect_stop(struct net_pair *p)
{
	loop_timer_del(p->connect_timer);
	p->connect_timer = NULL;
	for (uint32_t i = 0; i < p->n_flows; i++) {
		loop_fd_del(p->flows[i].watch);
		p->flows[i].watch = NULL;
	}
}
