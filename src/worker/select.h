/* select: which of its keys an op of one engine thread takes next.
 *
 * zipf: drawn by rejection-inversion (W. Hoermann and G. Derflinger, "Rejection-inversion to generate variates
 * from monotone discrete distributions", 1996): exact, no table, the same cost for any n. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/job.h"

struct rng;
struct keyset;

#define SELECT_NONE UINT64_MAX

struct select {
	enum selection how;
	bool once;
	uint64_t n; /* keys */
	uint64_t
		own; /* of these the first are this worker's own part of a tree; n: there are no parts */
	double overlap;      /* weighted: probability of drawing from all */
	uint64_t next, step; /* sequential, once: this thread's */
	uint64_t
		spread; /* zipf: rank * spread mod n is the key; without common divisor with n */
	double theta, h_x1, h_n, s; /* zipf: constants of the method */
};

/* op chooses from keys in thread (of threads that may run it, from 0). once: job.once. */
void select_init(struct select *s, const struct job *j, const struct job_op *op,
	const struct keyset *keys, uint32_t thread, uint32_t threads);

/* The number of a key below n; SELECT_NONE: once, and they are used up. newer: keys beyond n that were made since
 * (dynamic_put_pool), the latest last; a result of n + i means the i-th of them. */
uint64_t select_next(struct select *s, struct rng *r, uint64_t newer);
