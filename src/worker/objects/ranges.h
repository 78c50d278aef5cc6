/* ranges: the ranges of objects, one after the other: all of an object, then those of the next.
 *
 * Objects are dealt out whole as long as there are enough of them; where there are fewer objects than workers, or
 * than threads in a worker, these take turns with the ranges of each. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "worker/objects/select.h"

struct ranges {
	const struct keyset *keys;
	struct select objects;
	struct rng *rng;
	uint64_t bytes;   /* of a range */
	uint32_t unit;    /* job_op.range_unit */
	struct lane lane; /* of the ranges */
	bool shuffled;    /* those within an object */
	bool through;     /* once: there are no more */
	uint64_t object;  /* number of a key */
	/* of the object, as far as ranges reach; UINT64_MAX: unknown, its beginning is its only range */
	uint64_t size;
	uint64_t n, at; /* its ranges, and the next one of this lane */
};

/* How much of an object of this size (UINT64_MAX: unknown, and so is this) ranges reach that are written in multiples
 * of unit. */
static inline uint64_t ranges_within(uint64_t size, uint32_t unit)
{
	return unit > 1 && size != UINT64_MAX ? size - size % unit : size;
}

/* op (a range_get or range_put of j) in thread of threads that may run it. once: each range of the worker's share is
 * taken by one thread, once. rng is kept. room: ENGINE_URI bytes. */
void ranges_init(struct ranges *r, const struct job *j, const struct job_op *op,
	const struct keyset *keys, uint32_t thread, uint32_t threads, bool once,
	struct rng *rng, char *room);

/* Takes the next one (not when through): number of the key, offset and bytes. */
void ranges_next(struct ranges *r, char *room, uint64_t *ret_key, uint64_t *ret_offset,
	uint64_t *ret_size);

/* once: how many are still to come; looks at the size of every object. */
uint64_t ranges_left(const struct ranges *r, char *room);
