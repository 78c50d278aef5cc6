/* select: which of its keys an op of one engine thread takes next. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/rng.h"
#include "proto/job.h"
#include "worker/objects/set.h"
#include "worker/objects/zipf.h"

struct keyset;

#define SELECT_NONE UINT64_MAX

/* One of those among which the keys are dealt out: the i-th takes i, i + of, ... */
struct lane {
	uint64_t i, of;
};

struct select {
	enum selection how;
	bool plain; /* uniform over all keys: most ops are */
	bool once;
	uint64_t n; /* keys */
	/* of these the first are this worker's own part of a tree, and others are taken with probability
	 * overlap; n: there are no parts */
	uint64_t own;
	double overlap;
	/* sequential, once: this lane's keys, from first on, count of them; round: behind the last one (below
	 * limit) comes number 0 */
	uint64_t first, step, count, limit;
	uint64_t taken; /* of count */
	bool in_order;  /* once: else shuffled */
	uint64_t order; /* what shuffles */
	uint64_t
		spread; /* zipf: rank * spread mod n is the key; without common divisor with n */
	uint64_t own_spread;
	struct zipf zipf, own_zipf;
};

/* Which share of the keys this worker goes through, where the workers share them out: all, when they are its own
 * already. */
struct share select_share(const struct job *j, const struct keyset *keys);

/* How many keys there are to be shared out: all, or those that are this worker's own part. */
uint64_t select_span(const struct job *j, const struct keyset *keys);

/* op, one of j's, chooses from keys. lane: of all that share them out. once: every key of the lane is taken once, in
 * their order where the selection is sequential (and by delete and rmdir), else shuffled. */
void select_init(struct select *s, const struct job *j, const struct job_op *op,
	const struct keyset *keys, struct lane lane, bool once);

uint64_t select_any(struct select *s, struct rng *r, uint64_t newer);

/* The number of a key below n; SELECT_NONE: once, and they are used up. newer: keys beyond n that were made since
 * (dynamic_put_pool), the latest last; a result of n + i means the i-th of them. Sequential and once
 * leave them out. */
static inline uint64_t select_next(struct select *s, struct rng *r, uint64_t newer)
{
	if (__builtin_expect(s->plain, 1))
		return rng_below(r, s->n + newer);
	return select_any(s, r, newer);
}

/* once: keys that are still to come. */
static inline uint64_t select_left(const struct select *s)
{
	return s->count - s->taken;
}
