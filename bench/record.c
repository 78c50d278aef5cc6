/* record: what writing down an op costs an engine thread, in CPU time; and the memory that its histograms take when
 * all kinds of ops have had objects of all sizes, from 20 us to 200 ms. Prints one JSON line. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/rng.h"
#include "worker/engine/record.h"

#define OPS 4096u
#define RECORDS 4000000u
#define ROUNDS 5
#define TOUCHES 4000u /* latencies of each kind and size */
#define SAMPLES_PER_OP                                                                   \
	5 /* response, service and lateness; response and service of the live part */

static double cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static double resident_mib(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long all = 0, resident = 0;

	if (!f || fscanf(f, "%lu %lu", &all, &resident) != 2)
		resident = 0;
	if (f)
		fclose(f);
	return (double)resident * (double)sysconf(_SC_PAGESIZE) / (1024.0 * 1024.0);
}

/* Bytes that belong to a bucket. */
static uint64_t size_in(unsigned bucket)
{
	return bucket ? UINT64_C(1000) << (3 * bucket) : 0;
}

static struct io make_io(
	enum op_kind kind, unsigned bucket, uint64_t late_ns, uint64_t service_ns)
{
	return (struct io){.kind = kind,
		.bytes = size_in(bucket),
		.due_ns = 1000000000,
		.start_ns = 1000000000 + late_ns,
		.end_ns = 1000000000 + late_ns + service_ns};
}

/* Gets of one size: service around 100 us, and a lateness of some. */
static double time_records(struct recorder *r, struct rng *rng)
{
	static struct io ops[OPS];
	double best = 1e9;

	for (unsigned i = 0; i < OPS; i++)
		ops[i] = make_io(OP_GET, 1, rng_below(rng, 20000),
			(uint64_t)(100e3 * exp(0.5 * rng_normal(rng))));
	for (int round = 0; round < ROUNDS; round++) {
		double begin = cpu_ns(), each;

		for (uint32_t i = 0; i < RECORDS; i++)
			record_op(r, &ops[i % OPS]);
		each = (cpu_ns() - begin) / RECORDS;
		best = each < best ? each : best;
	}
	return best;
}

/* Each kind and each size: latencies that are spread evenly over four decades. */
static void touch_all(struct recorder *r, struct rng *rng)
{
	for (unsigned k = 0; k < OP_KINDS; k++) {
		for (unsigned b = 0; b < BUCKETS; b++) {
			for (unsigned i = 0; i < TOUCHES; i++) {
				struct io io = make_io((enum op_kind)k, b,
					(uint64_t)(20e3 * exp(rng_double(rng) * 9.21)),
					(uint64_t)(20e3 * exp(rng_double(rng) * 9.21)));

				record_op(r, &io);
			}
		}
	}
}

int main(void)
{
	struct recorder r;
	struct rng rng;
	double ns, before, mib;

	rng_seed(&rng, 1);
	if (record_init(&r, (1u << OP_KINDS) - 1) < 0)
		return 1;
	ns = time_records(&r, &rng);
	before = resident_mib();
	touch_all(&r, &rng);
	mib = resident_mib() - before;
	printf("{\"name\":\"record\",\"ns_per_op\":%.2f,\"ns_per_sample\":%.2f,"
	       "\"kinds\":%d,\"buckets\":%d,\"mib\":%.1f}\n",
		ns, ns / SAMPLES_PER_OP, OP_KINDS, BUCKETS, mib);
	record_finish(&r);
	return 0;
}
