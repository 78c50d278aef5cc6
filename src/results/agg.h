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

/* A delta of a worker. Stats whose phase is MEASURE count for a lost worker's sum and for agg_rows while
 * the run is on; others only feed the live interval. Gaps in seq behind the first
 * one given are remembered for agg_check, and so
 * are repeats, which do not count again. */
int agg_add_stats(
	struct agg *a, size_t worker, const struct msg_stats *s, struct err *err);
/* A line that came before is refused with err. */
int agg_add_result(
	struct agg *a, size_t worker, const struct msg_result *r, struct err *err);
int agg_add_endpoint(
	struct agg *a, size_t worker, const struct msg_endpoint *m, struct err *err);
/* Another message came behind the worker's result lines: they are complete, also when it is lost before
 * bye (agg_add_stats says so itself). Nothing happens before the first result line. */
void agg_results_end(struct agg *a, size_t worker);
/* bye came with its number of lines: the worker's results are complete when it matches. */
void agg_bye(struct agg *a, size_t worker, uint64_t lines);
/* Forgets everything of all workers (a new generation). */
void agg_reset(struct agg *a);

/* Live: the newest interval, one delta of each worker that reports, per op. It is closed as soon as all
 * workers of the interval before have reported, or one of them again: asking more often gives the
 * same rows, with the same interval number. */
struct live_op {
	enum op_kind op;
	uint64_t count, bytes, errors, retries;
	double seconds;       /* count / seconds is the sum of the workers' rates */
	struct hist response; /* 2 digits, of this interval; owned by the agg */
	size_t workers;       /* how many are in it */
	unsigned interval;    /* its number: the same as last time: nothing new */
};
/* Rows of the ops seen so far in its phase; 0 before the first. Valid until the agg changes. */
size_t agg_live(struct agg *a, const struct live_op **ret);

/* One row of the final table. Histograms are owned by the agg, and valid until it changes; those of
 * one worker only until rows of another worker are asked for. */
struct agg_row {
	enum op_kind op;
	unsigned bucket; /* 0..8, or BUCKET_ALL */
	uint64_t count, bytes;
	const struct hist *kinds[SAMPLE_KINDS]; /* 3 digits; NULL: no samples */
	uint64_t errors[OP_ERRORS];             /* ALL rows */
	uint64_t drained, abandoned;
	uint64_t retries; /* attempts beyond the first, of all operations */
	uint64_t pages, entries;
	const char *error_sample; /* or NULL */
};

/* All classes but OP_OK. */
uint64_t op_errors_total(const uint64_t errors[OP_ERRORS]);

/* A partial worker has ALL rows only: its deltas know no size buckets.
 * Rows sorted by op, then bucket, ALL last per op. worker: index, or AGG_ALL for the merge. ret is
 * malloc'ed (free). */
#define AGG_ALL SIZE_MAX
int agg_rows(struct agg *a, size_t worker, struct agg_row **ret, size_t *ret_n,
	struct err *err);
bool agg_partial(const struct agg *a, size_t worker); /* deltas stand in for results */

/* The sum of the response times of all operations of a worker, failed ones too, in ns: in a closed loop the time
 * that its slots waited. Interval reports know no times of failed ones. */
double agg_waited_ns(const struct agg *a, size_t worker);

/* What went through one endpoint, of all kinds of operations. Deltas know no endpoints: a partial worker has
 * none. */
struct agg_endpoint {
	const char *
		uri; /* "": operations that were at none of them; the agg's, until it changes */
	uint64_t count, bytes;
	uint64_t errors[OP_ERRORS];
	struct hist response; /* 3 digits */
};
/* Of a worker, or of all (AGG_ALL: endpoints of the same URI are one), in the order in which they stand in
 * the workload; "" comes last, and only when something was there. None without endpoints. Free with
 * agg_endpoints_free. */
int agg_endpoints(struct agg *a, size_t worker, struct agg_endpoint **ret, size_t *ret_n,
	struct err *err);
void agg_endpoints_free(struct agg_endpoint *list, size_t n);

/* The self-check: merged counts, bytes and errors = sum of the workers'; complete workers' deltas agree
 * with their result lines (measure phase: count and bytes exact); a complete worker's endpoints add up to its
 * operations; bye's lines; gaps in seq. Appends one line per disagreement to out; returns how many. */
struct buf;
size_t agg_check(struct agg *a, struct buf *out);
