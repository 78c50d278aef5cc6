/* agg: what many workers measured, merged by adding counts. Pure: no files, no clock.
 *
 * While a run is on, deltas (msg_stats) feed a live view; result lines (msg_result) are the
 * authority at the end. A worker without a complete set of result lines (lost) counts with the sum of
 * its measure-phase deltas and is marked partial. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/msg.h"

struct err;
struct agg;

/* ids: names of the workers, for rows and remarks (copied). */
struct agg *agg_create(const char *const *ids, size_t n, struct err *err);
void agg_destroy(struct agg *a); /* takes NULL */

/* A delta of a worker. Stats whose phase is MEASURE count for a lost worker's sum and for the live
 * totals; others only feed the live interval. Gaps or repeats in seq are remembered for agg_check. */
int agg_add_stats(struct agg *a, size_t worker, const struct msg_stats *s, struct err *err);
int agg_add_result(struct agg *a, size_t worker, const struct msg_result *r, struct err *err);
/* bye came with its number of lines: the worker's results are complete when it matches. */
void agg_bye(struct agg *a, size_t worker, uint64_t lines);
/* Forgets everything of all workers (a new generation). */
void agg_reset(struct agg *a);

/* Live: sum over workers of their newest deltas since the last call, per op; NULL rows: nothing. */
struct live_op {
	enum op_kind op;
	uint64_t count, bytes, errors;
	double seconds;        /* the length that count stands for */
	struct hist response;  /* 2 digits, of this interval */
};
/* Rows of ops seen so far, newest interval; valid until the next call. */
size_t agg_live(struct agg *a, const struct live_op **ret);

/* One row of the final table. Histograms are owned by the agg, and valid until it changes. */
struct agg_row {
	enum op_kind op;
	unsigned bucket; /* 0..8, or BUCKET_ALL */
	uint64_t count, bytes;
	const struct hist *kinds[SAMPLE_KINDS]; /* NULL: none */
	uint64_t errors[OP_ERRORS]; /* ALL rows */
	uint64_t drained, abandoned;
	uint64_t pages, entries;
	const char *error_sample; /* or NULL */
};

/* Rows sorted by op, then bucket, ALL last per op. worker: index, or AGG_ALL for the merge. ret is
 * malloc'ed (free). */
#define AGG_ALL SIZE_MAX
int agg_rows(struct agg *a, size_t worker, struct agg_row **ret, size_t *ret_n, struct err *err);
bool agg_partial(const struct agg *a, size_t worker); /* deltas stand in for results */

/* The self-check: merged counts, bytes and errors = sum of the workers'; complete workers' deltas agree
 * with their result lines (measure phase: count and bytes exact, a dropped delta excepted); bye's
 * lines. Appends one line per disagreement to out; returns how many. */
struct buf;
size_t agg_check(struct agg *a, struct buf *out);
