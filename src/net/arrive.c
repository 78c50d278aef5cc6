/* arrive: the flows of a server: those that have shown the token are given their place. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/loop.h"
#include "net/impl.h"
#include "net/listener.h"
#include "net/options.h"
#include "net/udp_header.h"

void net_arrive_answer(struct flow *f)
{
	uint8_t answer[NET_HELLO_SIZE];
	bool udp = f->pair->spec->protocol == NET_UDP;

	net_hello_make(f->pair->token, f->index, answer);
	answer[0] = NET_HELLO_YES;
	/* a lost answer is asked for again; a broken connection shows in the test */
	if (send(f->fd, answer, udp ? sizeof(answer) : 1, MSG_NOSIGNAL | MSG_DONTWAIT) <
		0)
		net_flow_broke(f, errno);
	explicit_bzero(answer, sizeof(answer));
}

/* The place of a guest; NULL: it has none, or has it already. */
static struct flow *place(struct net_pair *p, uint32_t flow)
{
	if (flow == NET_ANCHOR)
		return p->anchor;
	if (p->method->by_thread || flow >= p->n_flows)
		return NULL;
	return &p->flows[flow];
}

static void settle(struct net_pair *p, struct flow *f, int fd)
{
	struct net_why why = NET_WHY_INIT;

	f->fd = fd;
	p->n_here++;
	if (net_options_set(fd, p->spec, p->end, &p->remarks, &why) < 0) {
		net_pair_fail(p, &why);
		return;
	}
	if (p->spec->protocol == NET_UDP)
		udp_watch(p, f);
	net_arrive_answer(f);
	if (p->n_here == (p->method->by_thread ? 0 : p->n_flows) + (p->anchor != NULL))
		net_pair_connected(p);
}

static void udp_guest(struct net_pair *p, const struct net_guest *g)
{
	struct flow *f = place(p, g->flow);
	int fd;

	if (!f)
		return;
	/* a repeated hello that met the port before the socket of its flow had it */
	if (f->fd >= 0) {
		net_arrive_answer(f);
		return;
	}
	fd = net_listener_connect(p->listener, g);
	if (fd >= 0)
		settle(p, f, fd);
}

static void on_guest(const struct net_guest *g, void *user)
{
	struct net_pair *p = user;
	struct flow *f = place(p, g->flow);

	if (p->failing || (g->fd < 0) != (p->spec->protocol == NET_UDP)) {
		if (g->fd >= 0)
			close(g->fd);
		return;
	}
	if (g->fd < 0)
		udp_guest(p, g);
	else if (f && f->fd < 0)
		settle(p, f, g->fd);
	else if (p->method->by_thread && g->flow != NET_ANCHOR)
		net_crr_adopt(p, g->fd);
	else
		close(g->fd);
}

int net_arrive_begin(struct net_pair *p, struct net_listener *shared, struct net_why *why)
{
	const struct net_listen where = {
		.address = p->open.address,
		.family = p->spec->family,
		.port = (uint16_t)p->open.port,
		.port_min = (uint16_t)p->open.port_min,
		.port_max = (uint16_t)p->open.port_max,
		.tcp = p->spec->protocol == NET_TCP,
		.udp = p->spec->protocol == NET_UDP,
		.spec = p->spec,
		.end = p->end,
	};

	p->listener = shared;
	if (!shared) {
		p->listener = net_listener_create(p->loop, &where, &p->remarks, why);
		p->own_listener = p->listener != NULL;
	}
	if (!p->listener)
		return -1;
	net_listener_expect(p->listener, p->token, on_guest, p);
	p->expected = true;
	return 0;
}

void net_arrive_stop(struct net_pair *p)
{
	if (p->expected)
		net_listener_forget(p->listener, p->token);
	if (p->own_listener)
		net_listener_destroy(p->listener);
	else if (p->listener && p->method->by_thread)
		net_listener_pause(p->listener, false);
	p->expected = p->own_listener = false;
	p->listener = NULL;
}
