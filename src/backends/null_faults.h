/* null_faults: the times and errors that null is told to have, so that what a test measures is known. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct err;
struct rng;

enum null_latency { NULL_CONSTANT, NULL_UNIFORM, NULL_EXPONENTIAL, NULL_BIMODAL };

struct null_faults {
	enum null_latency how;
	uint64_t a_ns, b_ns; /* constant, mean, bounds, or the two modes */
	double share;        /* bimodal: of the ops that take b_ns */
	uint64_t ramp_from_ns, ramp_to_ns, ramp_over_ns; /* over 0: no ramp */
	uint64_t stall_ns, stall_at_ns;
	double errors;     /* share of the ops that fail */
	uint64_t first_ns; /* when the first op began; 0: not yet (atomic) */
};

/* Whether anything was asked for that takes time or fails. */
bool null_faults_any(const struct null_faults *f);

/* Values of the options "latency", "ramp", "stall" and "errors". -1 with err (ERR_INPUT). */
int null_set_latency(struct null_faults *f, const char *value, struct err *err);
int null_set_ramp(struct null_faults *f, const char *value, struct err *err);
int null_set_stall(struct null_faults *f, const char *value, struct err *err);
int null_set_errors(struct null_faults *f, const char *value, struct err *err);

/* When an op that begins at start_ns ends. Threads may call it at the same time, each with an r of its
 * own. */
uint64_t null_end_ns(struct null_faults *f, uint64_t start_ns, struct rng *r);
/* Whether it fails. */
bool null_fails(const struct null_faults *f, struct rng *r);
