/* address: numeric addresses in and out, and why a socket does not get anywhere with one. */
#pragma once

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/err.h"
#include "proto/net.h"

/* Why something failed, for a program and for a person. */
struct net_why {
	enum net_failure failure;
	struct err err;
};

#define NET_WHY_INIT                                                                     \
	{                                                                                \
		.failure = NET_FAIL_OTHER                                                \
	}

struct net_address {
	union {
		struct sockaddr any;
		struct sockaddr_in in4;
		struct sockaddr_in6 in6;
		struct sockaddr_storage storage;
	} sa;
	socklen_t len;
};

/* "10.0.0.1", "fe80::1%eth0", "" or NULL: any address of the family. family: 4, 6, or 0 for either; any of
 * either is the one of IPv6, which takes IPv4 too. 0, or -1 with why. */
int net_address_parse(const char *text, uint16_t port, uint32_t family,
	struct net_address *ret, struct net_why *why);

void net_address_set_port(struct net_address *a, uint16_t port);
uint16_t net_address_port(const struct net_address *a);

#define NET_ADDRESS_TEXT 80
/* Numeric, without brackets; IPv4 that came to a socket of IPv6 as IPv4. */
void net_address_text(const struct net_address *a, char out[NET_ADDRESS_TEXT]);

/* Fills why for what connect (or the bind before it) said. -1. bound: the address or port to connect from
 * was given. */
int net_connect_failed(int errnum, const struct net_address *to, const char *bound,
	uint64_t waited_ns, struct net_why *why);
/* The same for bind and listen. */
int net_listen_failed(
	int errnum, const char *address, uint16_t port, struct net_why *why);

int __attribute__((format(printf, 3, 4)))
net_failed(struct net_why *why, enum net_failure failure, const char *fmt, ...);
