/* udp_header: what each datagram of a stream begins with, and the one that says that no more comes
 * (docs/protocol.md, "Between the two ends"). */
#pragma once

#include <string.h>

#include "net/impl.h"

#define UDP_HEADER 32u

enum { UDP_WINDOW = 1, UDP_END = 2 };

static inline void udp_header_write(
	uint8_t *at, const struct flow *f, uint64_t number, uint64_t now, uint32_t flags)
{
	memcpy(at, f->pair->token, 8);
	net_put64(at + 8, number);
	net_put64(at + 16, now);
	net_put32(at + 24, f->index);
	net_put32(at + 28, flags);
}

static inline bool udp_header_is_ours(
	const struct net_pair *p, const uint8_t *at, size_t len)
{
	return len >= UDP_HEADER && memcmp(at, p->token, 8) == 0;
}

static inline uint64_t udp_header_number(const uint8_t *at)
{
	return net_get64(at + 8);
}

static inline uint64_t udp_header_time(const uint8_t *at)
{
	return net_get64(at + 16);
}

static inline uint32_t udp_header_flags(const uint8_t *at)
{
	return net_get32(at + 28);
}

static inline bool udp_header_is_end(
	const struct net_pair *p, const uint8_t *at, size_t len)
{
	return len == UDP_HEADER && udp_header_is_ours(p, at, len) &&
	       udp_header_flags(at) & UDP_END;
}

/* Tells the other end that no more comes; to be repeated, since datagrams get lost. */
void udp_say_end(struct net_pair *p);

/* Watches a flow in the loop for what may come besides the test: hellos that were repeated, and the other
 * end's word that it is over. To be undone before a thread reads from the socket. */
void udp_watch(struct net_pair *p, struct flow *f);

/* A flow whose other end's port is closed, or worse. */
enum step udp_broke(struct flow *f, int errnum);

/* A thread has read the other side's end. */
static inline void udp_heard_end(struct net_pair *p)
{
	__atomic_store_n(&p->heard_end, 1, __ATOMIC_RELEASE);
}
