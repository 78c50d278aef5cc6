/* run_rate: whether an open loop got the rate that was asked for, and if not, why. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct run_info;
struct run_worker;
struct json_writer;
struct buf;

/* Below this part of what was due the rate counts as missed. */
#define RUN_RATE_DELIVERED 0.995

/* Why a worker did not begin all that was due. */
enum rate_limit {
	RATE_KEPT,
	RATE_STORAGE,   /* its slots were all in use */
	RATE_GENERATOR, /* it was late with slots free */
	RATE_LOST,      /* it was not there to the end */
	RATE_LIMITS,
};
extern const char *const rate_limit_names[RATE_LIMITS]; /* "kept" "storage" ... */

struct run_rate {
	double asked; /* operations per second, of all workers; 0: a closed loop */
	double delivered;
	double due; /* operations that were due in measure */
	uint64_t started, never_started;
	uint64_t carried; /* of both: they were due in warm-up */
	bool missed;
};

/* Rates are over measured_ns. What a lost worker began is what it reported. */
void run_rate(const struct run_info *info, struct run_rate *ret);

/* Slots that were busy for a part of the time cannot have kept much more than that part of the operations
 * from beginning: when they were busy for less than half of what was missed, the worker itself was late. So it was
 * when they were busy most of the time and all processors, too, and that by muster's workers: a thread without a free slot
 * waits for the store without spinning, so what kept the processors busy were the operations. */
enum rate_limit run_rate_limit(const struct run_info *info, const struct run_worker *rw);
/* Whether that last rule holds of rw. */
bool run_rate_no_processor(const struct run_info *info, const struct run_worker *rw);
/* How much of what was due a worker missed, in %. */
double run_rate_missed_pct(const struct run_info *info, const struct run_worker *rw);

/* "asked 5,000 ops/s, delivered 4,998 (99.96 %)", or "MISSED: ..." with the reasons. Nothing in a closed
 * loop. */
void run_rate_text(const struct run_info *info, struct buf *out);

/* Member "rate" of results.json and metadata.json; null in a closed loop. */
void run_rate_members(struct json_writer *w, const struct run_info *info);
/* The same of a worker. */
void run_rate_worker(
	struct json_writer *w, const struct run_info *info, const struct run_worker *rw);
