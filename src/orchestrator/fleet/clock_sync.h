/* clock_sync: how far another machine's CLOCK_MONOTONIC is from ours, and how sure that is.
 *
 * A burst of exchanges gives one anchor: the exchange with the smallest round trip, whose offset is
 * wrong by at most half of it (Cristian 1989). Between anchors the offset is interpolated, so that
 * drift is followed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLOCK_SYNC_EXCHANGES 20
#define CLOCK_SYNC_EVERY_NS UINT64_C(10000000000)

struct clock_anchor {
	uint64_t at_ns;    /* our clock, middle of the exchange */
	int64_t offset_ns; /* theirs minus ours */
	uint64_t bound_ns; /* half the round trip */
};

struct clock_sync {
	struct clock_anchor *anchors; /* in order of time */
	size_t n;
	struct clock_anchor best; /* of the burst that is on */
	unsigned exchanges;       /* done in the burst that is on */
	uint64_t rtt_ns;          /* smallest round trip ever */
};

void clock_sync_finish(struct clock_sync *c);

/* One exchange: we sent, they received and answered, we got the answer (sent and got on our clock).
 * Returns true when this one ended a burst and made an anchor. */
bool clock_sync_add(struct clock_sync *c, uint64_t sent_ns, uint64_t their_received_ns,
	uint64_t their_sent_ns, uint64_t got_ns);

/* Offset at a time of our clock: interpolated between anchors, the nearest one outside of them.
 * false while there is none. */
bool clock_sync_at(const struct clock_sync *c, uint64_t our_ns, int64_t *ret_offset_ns,
	uint64_t *ret_bound_ns);
