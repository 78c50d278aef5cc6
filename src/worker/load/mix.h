/* mix: which op comes next, by weight; and how weights are spread over threads when an op may run
 * in some of them only.
 *
 * Every op is drawn anew (alias method, Walker 1977 in Vose's form: one random number, one table
 * row). A cap on an op's concurrency is kept exactly: thread t of n may have cap/n (rounded, the
 * remainder to the first threads) of it in flight. So that a cap which does not bind does not
 * change the mix, a thread that may run the op draws it more often and the others never:
 * mix_spread solves for per-thread weights whose sums over all threads are the asked ones (iterative
 * proportional fitting), and where no such weights exist, the capped op gets what its cap lets it
 * have and the others keep their relation to each other. An op that is at its cap at the moment of a
 * draw is left out of that draw. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mix_row {
	uint64_t threshold; /* below: this row's op, else its alias */
	uint32_t alias;
};

struct mix {
	struct mix_row *rows;
	uint32_t n;
};

/* (Re)builds the table; m starts zeroed. Weights may be 0; false when all are (or without memory). */
bool mix_build(struct mix *m, const double *weights, uint32_t n);
void mix_finish(struct mix *m);

/* The op that a random 64-bit number stands for. */
static inline uint32_t mix_draw(const struct mix *m, uint64_t random)
{
	__extension__ typedef unsigned __int128 u128;
	u128 scaled = (u128)random * m->n;
	uint32_t i = (uint32_t)(scaled >> 64);

	return (uint64_t)scaled < m->rows[i].threshold ? i : m->rows[i].alias;
}

/* The share of op's cap that thread has (0: none; cap 0: UINT32_MAX, no cap). The shares of all
 * threads add up to the cap; those of different ops begin at different threads. */
uint32_t mix_cap_share(
	const uint32_t *caps, uint32_t op, uint32_t thread, uint32_t n_threads);

/* out[thread * n_ops + op]: weights per thread, each thread's sum 1 (or 0: it may run nothing). with (or NULL): per
 * op another one that its threads have to run as well, or UINT32_MAX. Returns 0 or -EINVAL. */
int mix_spread(const double *weights, const uint32_t *caps, const uint32_t *with,
	uint32_t n_ops, uint32_t n_threads, double *out);
