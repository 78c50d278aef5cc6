/* hist_record: what one sample costs an engine thread, in CPU time, with values as a
 * store gives them. Prints one JSON line. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/cleanup.h"
#include "common/rng.h"
#include "proto/hist.h"

#define VALUES 4096u
#define RECORDS 100000000u
#define ROUNDS 5

static double cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* Lognormal around 100 us. */
static void draw(uint64_t *values, size_t n)
{
	struct rng r;

	rng_seed(&r, 1);
	for (size_t i = 0; i < n; i++)
		values[i] = (uint64_t)(100e3 * exp(0.5 * rng_normal(&r)));
}

int main(void)
{
	static uint64_t values[VALUES];
	CLEANUP(hist_finish) struct hist h;
	double best = 1e9;

	draw(values, VALUES);
	hist_init(&h, 3);
	if (hist_alloc(&h) < 0)
		return 1;
	for (int round = 0; round < ROUNDS; round++) {
		double begin = cpu_ns(), each;

		for (uint32_t i = 0; i < RECORDS / ROUNDS; i++)
			hist_record(&h, values[i % VALUES]);
		each = (cpu_ns() - begin) / (RECORDS / ROUNDS);
		best = each < best ? each : best;
	}
	printf("{\"name\":\"hist_record\",\"ns\":%.2f,\"samples\":%" PRIu64 "}\n", best,
		h.total);
	return 0;
}
