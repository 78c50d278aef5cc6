/* listener_socket: the sockets of a listener. Private to the listener. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "net/listener.h"

/* Opens what where asks for, -1 stays for the rest. 0, or -1 with why and nothing open. */
int listener_open(const struct net_listen *where, struct net_address *address, int *tcp,
	int *udp, struct remarks *remarks, struct net_why *why);

/* One datagram with both its addresses; -1: there is none. Longer ones are cut but count in full. */
ssize_t listener_receive(int fd, void *into, size_t size, struct net_address *from,
	struct net_address *to);

int listener_connect(
	int udp, const struct net_address *listen, const struct net_guest *g);
