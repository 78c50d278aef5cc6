/* schedule: when transactions of an open loop are due. The dues of all flows together are evenly spread;
 * those of flow i are start + (m * flows + i) * gap. One that cannot begin in time keeps its due. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct flow;
struct net_thread;

struct schedule {
	uint64_t owed, begun; /* transactions that were due; that have begun */
	double first_ns, gap_ns;
	uint64_t start_ns;
};

static inline bool schedule_owes(const struct schedule *s)
{
	return s->owed > s->begun;
}

/* When the next one to begin was due. */
static inline uint64_t schedule_next(const struct schedule *s)
{
	return s->start_ns + (uint64_t)(s->first_ns + (double)s->begun * s->gap_ns);
}

static inline void schedule_begun(struct schedule *s)
{
	s->begun++;
}

/* For method.due: notes what has become due in the flows of t by now, lets start begin it, and returns when
 * the next will be. of gives the schedule of a flow. t->state holds what it needs. */
uint64_t schedule_run(struct net_thread *t, uint64_t now_ns,
	struct schedule *(*of)(struct flow *),
	void (*start)(struct net_thread *, struct flow *));
