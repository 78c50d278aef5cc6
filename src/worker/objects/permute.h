/* permute: numbers below n in an order that looks random, without a list: a Feistel network of four rounds over
 * the least even number of bits that holds n, followed until it is below n again. */
#pragma once

#include <stdint.h>

#include "common/rng.h"

/* Where i < n goes; each i to another place, and the same key gives the same order on every machine. */
static inline uint64_t permute(uint64_t i, uint64_t n, uint64_t key)
{
	const unsigned bits = n > 1 ? 64 - (unsigned)__builtin_clzll(n - 1) : 1;
	const unsigned half = (bits + 1) / 2;
	const uint64_t mask = (UINT64_C(1) << half) - 1;

	do {
		uint64_t left = i >> half, right = i & mask;

		for (uint64_t round = 0; round < 4; round++) {
			const uint64_t next =
				left ^ (rng_mix(key + (round << half) + right) & mask);

			left = right;
			right = next;
		}
		i = left << half | right;
	} while (i >= n);
	return i;
}

static inline uint64_t permute_common_divisor(uint64_t a, uint64_t b)
{
	while (b > 0) {
		uint64_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* A step that goes through all numbers modulo n, near their golden section: any few in a row lie far apart. */
static inline uint64_t permute_step(uint64_t n)
{
	uint64_t step = (uint64_t)((double)n * 0.6180339887498949) | 1;

	while (permute_common_divisor(n, step) != 1)
		step++;
	return step;
}
