/* content: what it costs to build content that does not lie in the pool, and to check what was read, in bytes per
 * second of CPU. Objects and their places in the pool are out of the caches near the core, as they are when
 * something has been read. Prints one JSON line. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "backends/content.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/rng.h"
#include "worker/objects/data.h"

#define OBJECTS 64u
#define OBJECT_BYTES (1u << 20)
#define ROUNDS 8

static const struct kind {
	const char *name;
	struct io io;
} kinds[] = {
	{"random", {.fill = FILL_RANDOM}},
	{"unique", {.fill = FILL_UNIQUE}},
	{"zero", {.fill = FILL_ZERO}},
	{"dedup", {.dedup = 3}},
	{"compress", {.compress = 2}},
	{"both", {.dedup = 3, .compress = 2}},
};

static double cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void object(
	const struct data *pool, const struct kind *k, uint64_t i, struct io *io)
{
	*io = k->io;
	io->kind = OP_GET;
	io->uri = "null://object";
	io->size = OBJECT_BYTES;
	content_of(pool, rng_mix(i), io);
}

/* GB/s of the best round; negative when a check went wrong. */
static void measure(const struct data *pool, const struct kind *k, uint8_t *objects,
	double *ret_build, double *ret_check)
{
	const double bytes = (double)OBJECTS * OBJECT_BYTES;

	*ret_build = *ret_check = 0;
	for (int round = 0; round < ROUNDS; round++) {
		double begin = cpu_ns(), built, checked;
		bool good = true;
		struct io io;

		for (uint64_t i = 0; i < OBJECTS; i++) {
			object(pool, k, i, &io);
			content_build(
				pool, &io, 0, objects + i * OBJECT_BYTES, OBJECT_BYTES);
		}
		built = bytes / (cpu_ns() - begin);
		begin = cpu_ns();
		for (uint64_t i = 0; i < OBJECTS; i++) {
			object(pool, k, i, &io);
			good &= content_check(
				pool, &io, 0, objects + i * OBJECT_BYTES, OBJECT_BYTES);
		}
		checked = good ? bytes / (cpu_ns() - begin) : -1;
		*ret_build = built > *ret_build ? built : *ret_build;
		*ret_check = checked > *ret_check ? checked : *ret_check;
	}
}

int main(void)
{
	AUTO_FREE uint8_t *objects = malloc((size_t)OBJECTS * OBJECT_BYTES);
	struct err err = ERR_INIT;
	struct data pool;

	if (!objects || data_init(&pool, &err) < 0) {
		fprintf(stderr, "%s\n", objects ? err.text : "no memory");
		return 1;
	}
	printf("{\"name\":\"content\"");
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		double build, check;

		measure(&pool, &kinds[i], objects, &build, &check);
		printf(",\"%s_build\":%.2f,\"%s_check\":%.2f", kinds[i].name, build,
			kinds[i].name, check);
	}
	printf("}\n");
	data_finish(&pool);
	return 0;
}
