/* listener: a port where the flows of pairs arrive. It reads the hello of each and hands it to the pair
 * whose token it shows; one port can serve many pairs. Strangers get nothing: they are closed without a
 * word after 5 s or a wrong token, and there are never more than 64 of them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "net/address.h"
#include "net/hello.h"
#include "net/remarks.h"

struct loop;
struct net_listener;

struct net_listen {
	const char *address; /* numeric; "" or NULL: any */
	uint32_t family;
	uint16_t port; /* 0: one from port_min to port_max; these 0 too: any */
	uint16_t port_min, port_max;
	bool tcp, udp; /* on the same port */
	/* Options for the sockets before they listen; NULL: none */
	const struct net_spec *spec;
	const struct net_end *end;
};

/* NULL with why. Remarks are those of the options. */
struct net_listener *net_listener_create(struct loop *loop,
	const struct net_listen *where, struct remarks *remarks, struct net_why *why);
/* Those that were handed out stay open. Takes NULL. */
void net_listener_destroy(struct net_listener *l);
uint16_t net_listener_port(const struct net_listener *l);

/* One that has shown a token. */
struct net_guest {
	/* tcp: the connection, non-blocking, of whoever is called. udp: -1, see net_listener_answer */
	int fd;
	uint32_t flow;
	struct net_address from, to;
};
typedef void net_guest_fn(const struct net_guest *g, void *user);

/* From now on guests with this token go to fn. */
void net_listener_expect(struct net_listener *l, const uint8_t token[NET_TOKEN_SIZE],
	net_guest_fn *fn, void *user);
void net_listener_forget(struct net_listener *l, const uint8_t token[NET_TOKEN_SIZE]);

/* A udp socket on the listener's port that is connected to the guest, so that its datagrams go there
 * from now on; or -1 with errno. */
int net_listener_connect(struct net_listener *l, const struct net_guest *g);

/* For a pair that accepts by itself, in threads of its own: the listening socket, which stays the listener's,
 * and whether the listener itself is to leave new connections alone. */
int net_listener_fd(const struct net_listener *l);
void net_listener_pause(struct net_listener *l, bool pause);
/* From any thread: a connection whose hello is of another pair; fd is taken over. */
void net_listener_hand_over(
	struct net_listener *l, int fd, const uint8_t hello[NET_HELLO_SIZE]);
