/* select: what choosing the next key costs an engine thread, in CPU time, per selection. Prints one JSON line. */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "common/cleanup.h"
#include "common/rng.h"
#include "worker/objects/keyset.h"
#include "worker/objects/select.h"

#define KEYS 10000000u
#define DRAWS 5000000u
#define ROUNDS 5

static double cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* The best of a few rounds. newer: what was made since. */
static double measure(
	enum selection how, double theta, bool once, uint64_t newer, uint64_t *sum)
{
	const struct keyset keys = {.n = KEYS, .own = KEYS};
	struct job_op op = {.kind = OP_GET, .selection = how, .theta = theta};
	const struct job j = {.ops = &op, .n_ops = 1, .share_count = 1};
	double best = 1e9;
	struct select s;
	struct rng r;

	rng_seed(&r, 1);
	for (int round = 0; round < ROUNDS; round++) {
		double begin, each;

		select_init(&s, &j, &op, &keys, (struct lane){0, 1}, once);
		begin = cpu_ns();
		for (uint32_t i = 0; i < DRAWS; i++)
			*sum += select_next(&s, &r, newer ? newer + i / 1024 : 0);
		each = (cpu_ns() - begin) / DRAWS;
		best = each < best ? each : best;
	}
	return best;
}

int main(void)
{
	static const struct {
		const char *name;
		enum selection how;
		double theta;
		bool once;
		uint64_t newer;
	} rows[] = {
		{"uniform_ns", SELECT_UNIFORM, 0, false, 0},
		{"sequential_ns", SELECT_SEQUENTIAL, 0, false, 0},
		{"zipf_ns", SELECT_ZIPF, 0.99, false, 0},
		{"zipf_12_ns", SELECT_ZIPF, 1.2, false, 0},
		{"latest_ns", SELECT_LATEST, 0.99, false, 1000},
		{"once_ns", SELECT_UNIFORM, 0, true, 0},
	};
	uint64_t sum = 0;

	printf("{\"bench\":\"select\"");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		printf(",\"%s\":%.1f", rows[i].name,
			measure(rows[i].how, rows[i].theta, rows[i].once, rows[i].newer,
				&sum));
	/* so that no draw is in vain */
	printf(",\"sum\":%" PRIu64 "}\n", sum);
	return 0;
}
