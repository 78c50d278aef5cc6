/* udp_track: which datagrams of a flow have come: once, twice, in order or late, and how their way through
 * the network varies. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* A datagram later than by so many others is taken for a late one, not for a double. */
#define UDP_TRACK_WINDOW 65536u

struct udp_track {
	uint64_t next;   /* the number behind the highest that came */
	uint64_t *seen;  /* a bit per number, of the last UDP_TRACK_WINDOW */
	int64_t transit; /* of the last one in order; clocks differ, differences do not */
	double jitter_ns; /* RFC 3550, section 6.4.1 */
	bool any;
};

struct udp_track_change {
	bool reordered, duplicate;
};

int udp_track_init(struct udp_track *t); /* 0 or -ENOMEM */
void udp_track_finish(struct udp_track *t);

/* Notes that a datagram came at now_ns of this clock, sent at sent_ns of another. */
struct udp_track_change udp_track_add(
	struct udp_track *t, uint64_t number, uint64_t sent_ns, uint64_t now_ns);
