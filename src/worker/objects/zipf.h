/* zipf: ranks by Zipf's law: rank r of n has probability proportional to 1 / (r + 1)^theta.
 *
 * Rejection-inversion (W. Hoermann and G. Derflinger, "Rejection-inversion to generate variates from monotone
 * discrete distributions", ACM TOMACS 6(3), 1996): exact, no table, the same cost for any n. */
#pragma once

#include <stdint.h>

struct rng;

struct zipf {
	uint64_t n;
	double theta;
	/* integrals of x^-theta at the ends of the range that is drawn from, and how near to its rank a draw
	 * is taken at once */
	double h_x1, h_n, near;
};

/* n > 0, theta > 0 (1 too). */
void zipf_init(struct zipf *z, uint64_t n, double theta);
/* Another n, for the price of a logarithm and an exponential. */
void zipf_resize(struct zipf *z, uint64_t n);
/* A rank below n. */
uint64_t zipf_draw(const struct zipf *z, struct rng *r);
