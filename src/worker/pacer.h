/* pacer: when the next op of an engine thread is due, apart from the slots that run it.
 *
 * Closed loop: an op is due when a slot is free. Its due time is its start: the response time is then
 * the service time. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct pacer {
	/* When the last op of a continuous clock ended is when the next one is due; other backends
	 * read the clock as late as they can, and the due time is set from that. */
	bool continuous_clock;
};

/* Whether an op may begin, and when it is due (0: when it starts). */
static inline bool pacer_due(const struct pacer *s, uint64_t now_ns, uint64_t *ret_due_ns)
{
	*ret_due_ns = s->continuous_clock ? now_ns : 0;
	return true;
}

/* The due time of an op that has started. */
static inline uint64_t pacer_due_of(
	const struct pacer *s, uint64_t due_ns, uint64_t start_ns)
{
	(void)s;
	(void)due_ns;
	return start_ns;
}
