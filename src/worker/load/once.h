/* once: how far a load has come that works through its objects once. Each thread counts for itself, others look. */
#pragma once

#include <stdint.h>

/* A thread's own cache line. */
struct once_lane {
	_Alignas(64) uint64_t done; /* (atomic) */
};

struct once {
	struct once_lane *lanes; /* one per engine thread; NULL: not such a load */
	uint32_t n;
	uint32_t busy;  /* threads that still have objects (atomic) */
	uint64_t total; /* objects (of range ops: ranges) of all threads */
};

/* Begins anew. 0 or -ENOMEM. */
int once_init(struct once *o, uint32_t threads);
void once_finish(struct once *o);

/* A thread's op for n objects has ended, well or not; one that was given up has not. The thread alone may
 * call. */
static inline void once_add(struct once_lane *l, uint64_t n)
{
	__atomic_store_n(&l->done, l->done + n, __ATOMIC_RELAXED);
}

/* Of total, those that are done. */
uint64_t once_done(const struct once *o);
