/* gather: how much a receiver of a stream lets come together before it wakes up.
 *
 * On a fast link the waking costs more than the bytes do, so the kernel is told to wake us for more at once
 * (SO_RCVLOWAT). Counters must not lag for that: it is never more than comes in GATHER_NS, and a receive that
 * waits longer than the kernel's shortest time-out takes what is there, and the next ones whatever comes, until
 * the link has shown that it is fast again. */
#pragma once

#include <stdint.h>

#define GATHER_NS UINT64_C(250000)
/* What is not worth it below, nor above. */
#define GATHER_LEAST (64u * 1024u)
#define GATHER_MOST (256u * 1024u)
/* How fast the link is is looked at every so many bytes. */
#define GATHER_PORTION (1024u * 1024u)
/* A sender with little room may itself be waiting for us. When two receives wait in vain within so long, the most
 * is half as much... */
#define GATHER_SOON_NS UINT64_C(50000000)
/* ...and grows again after so long without. */
#define GATHER_WARY_NS UINT64_C(4000000000)

/* Of one socket that blocks. All zero but for the ceiling. */
struct gather {
	uint32_t low;             /* bytes that a receive waits for; 0: any */
	uint32_t ceiling;         /* of that */
	uint64_t bytes, since_ns; /* they came since then; since_ns 0: nobody looked */
	uint64_t wary_ns; /* when a receive last waited in vain, or ceiling grew */
};

void gather_init(struct gather *g);
/* GATHER_PORTION has come: sets low. room: the socket's receive buffer, as the kernel counts it. */
void gather_look(struct gather *g, uint64_t now_ns, uint64_t room);
/* A receive has waited in vain. */
void gather_slows(struct gather *g, uint64_t now_ns);

/* A receive of size gave n bytes (0: none in time): adapts fd. */
void gather_came(struct gather *g, int fd, uint64_t n, uint64_t size);
