/* udp_control: the few words that the ends of a udp test say to each other beside the test. */
#include <sys/socket.h>

#include "common/clock.h"
#include "common/loop.h"
#include "net/udp_header.h"

void udp_say_end(struct net_pair *p)
{
	uint8_t header[UDP_HEADER];

	for (uint32_t i = 0; i < p->n_flows; i++) {
		struct flow *f = &p->flows[i];

		udp_header_write(header, f, 0, clock_ns(), UDP_END);
		send(f->fd, header, sizeof(header), MSG_NOSIGNAL | MSG_DONTWAIT);
	}
}

/* What had come before the port was closed is still to be read, and may say why. */
enum step udp_broke(struct flow *f, int errnum)
{
	struct net_pair *p = f->pair;
	uint8_t bytes[UDP_HEADER + 1];
	ssize_t n;

	if (net_over(p))
		return STEP_DONE;
	while ((n = recv(f->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) >= 0)
		if (udp_header_is_end(p, bytes, (size_t)n))
			udp_heard_end(p);
	net_flow_broke(f, errnum);
	return STEP_DONE;
}

static void on_datagram(struct loop_fd *w, uint32_t events, void *user)
{
	struct flow *f = user;
	struct net_pair *p = f->pair;
	uint8_t bytes[UDP_HEADER + 1];
	const uint8_t *token;
	uint32_t flow;
	ssize_t n = recv(f->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	(void)w;
	(void)events;
	if (n != UDP_HEADER)
		return; /* errors are the threads' to find when they send */
	if (udp_header_is_end(p, bytes, (size_t)n))
		net_peer_stopped(p);
	else if (!p->client && net_hello_read(bytes, &token, &flow) &&
		 net_token_equal(token, p->token))
		net_arrive_answer(f);
}

void udp_watch(struct net_pair *p, struct flow *f)
{
	struct err ignored = ERR_INIT;

	/* without it a repeated hello is not answered: the client then says so */
	f->watch = loop_fd_add(p->loop, f->fd, EPOLLIN, on_datagram, f, &ignored);
}
