/* rng: seeding, hashing and the normal distribution. */
#include "common/rng.h"

void rng_seed(struct rng *r, uint64_t seed)
{
	/* rng_mix adds the increment itself, so stepping the input is splitmix64 */
	for (size_t i = 0; i < 4; i++)
		r->s[i] = rng_mix(seed + i * UINT64_C(0x9e3779b97f4a7c15));
}

uint64_t rng_hash(const void *data, size_t len)
{
	const unsigned char *p = data;
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return rng_mix(h);
}

double rng_normal(struct rng *r)
{
	double u = 1.0 - rng_double(r); /* in (0, 1]: log is finite */
	double v = rng_double(r);

	return sqrt(-2.0 * log(u)) * cos(2.0 * M_PI * v);
}
