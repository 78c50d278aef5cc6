/* hello: the first bytes of each connection of a pair (docs/protocol.md, "Between the two ends"). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/net.h"

#define NET_HELLO_SIZE 32
#define NET_HELLO_YES '+'
#define NET_ANCHOR UINT32_MAX /* the flow number of the connection beside the flows */

void net_hello_make(
	const uint8_t token[NET_TOKEN_SIZE], uint32_t flow, uint8_t ret[NET_HELLO_SIZE]);
/* Whether it is a hello at all; token (inside of hello) and flow then. */
bool net_hello_read(
	const uint8_t hello[NET_HELLO_SIZE], const uint8_t **token, uint32_t *flow);
/* In a time that says nothing of where they differ. */
bool net_token_equal(const uint8_t a[NET_TOKEN_SIZE], const uint8_t b[NET_TOKEN_SIZE]);
/* From 32 hex digits. */
void net_token_parse(const char *hex, uint8_t ret[NET_TOKEN_SIZE]);

/* All little-endian on the wire. */
static inline void net_put32(uint8_t *p, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static inline uint32_t net_get32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	       (uint32_t)p[3] << 24;
}

static inline void net_put64(uint8_t *p, uint64_t v)
{
	net_put32(p, (uint32_t)v);
	net_put32(p + 4, (uint32_t)(v >> 32));
}

static inline uint64_t net_get64(const uint8_t *p)
{
	return net_get32(p) | (uint64_t)net_get32(p + 4) << 32;
}
