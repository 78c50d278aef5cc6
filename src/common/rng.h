/* rng: repeatable pseudo-random numbers.
 *
 * xoshiro256++ 1.0 and splitmix64 (Blackman and Vigna, https://prng.di.unimi.it/). Not for
 * secrets. One state per thread; the same seed gives the same sequence on every machine. */
#pragma once

#include <math.h>
#include <stddef.h>
#include <stdint.h>

struct rng {
	uint64_t s[4];
};

/* Seeds from a 64-bit value through splitmix64. */
void rng_seed(struct rng *r, uint64_t seed);

/* One splitmix64 step: a good 64-bit mix of x. */
static inline uint64_t rng_mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/* FNV-1a of the bytes, then mixed: a stable 64-bit hash for names. */
uint64_t rng_hash(const void *data, size_t len);

static inline uint64_t rng_rotl(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

static inline uint64_t rng_u64(struct rng *r)
{
	uint64_t *s = r->s;
	uint64_t result = rng_rotl(s[0] + s[3], 23) + s[0];
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rng_rotl(s[3], 45);
	return result;
}

__extension__ typedef unsigned __int128 rng_wide;

/* Uniform in [0, n), n > 0; multiply-shift (Lemire), bias below 2^-32 for n < 2^32. */
static inline uint64_t rng_below(struct rng *r, uint64_t n)
{
	return (uint64_t)(((rng_wide)rng_u64(r) * n) >> 64);
}

/* Uniform in [0, 1) with 53 bits. */
static inline double rng_double(struct rng *r)
{
	return (double)(rng_u64(r) >> 11) * 0x1.0p-53;
}

/* Standard normal (Box-Muller, one of the pair). */
double rng_normal(struct rng *r);
