/* agg_state: what an agg keeps of each worker, shared by the agg_*.c.
 *
 * Result lines are kept encoded (a few KB each) and decoded when rows are asked for: the counts of all
 * lines of all workers at once would take hundreds of MB. */
#pragma once

#include "results/agg.h"

/* Where lines without a size bucket stand in arrays that are indexed by bucket. */
#define BUCKET_SLOTS (BUCKETS + 1)
#define SLOT_ALL BUCKETS

/* One histogram line of the authority. */
struct stored_line {
	enum op_kind op;
	unsigned slot;
	enum sample_kind kind;
	uint64_t bytes;
	uint64_t total, min, max, sum; /* exact; the payload does not carry them */
	char *data;                    /* V2 payload, NULL when total is 0 */
	size_t len;
};

/* The totals line of an op. */
struct stored_totals {
	bool seen;
	uint64_t count;
	uint64_t errors[OP_ERRORS];
	uint64_t drained, abandoned, retries, pages, entries;
	char *error_sample;
};

/* An endpoint line of the authority. */
struct stored_endpoint {
	char *uri;
	uint64_t bytes;
	uint64_t errors[OP_ERRORS];
	uint64_t total, min, max, sum;
	char *data; /* V2 payload, NULL when total is 0 */
	size_t len;
};

/* The sum of an op's measure deltas. */
struct delta_sum {
	bool seen;
	uint64_t count, bytes, retries;
	uint64_t errors[OP_ERRORS];
	struct hist response, service; /* 2 digits */
	char *error_sample;
};

struct worker_sum {
	char *id;
	struct stored_line *lines;
	size_t n_lines, cap_lines;
	struct stored_totals totals[OP_KINDS];
	struct stored_endpoint *endpoints;
	size_t n_endpoints;
	struct delta_sum deltas[OP_KINDS];
	uint64_t n_results; /* result and endpoint messages */
	bool ended;         /* another message came behind the result lines */
	bool bye;
	uint64_t bye_lines;
	bool stats_seen;
	uint32_t last_seq;
	uint64_t seq_missing, seq_repeated; /* deltas */
};

/* A row before it is handed out. */
struct row_cell {
	bool used;
	uint64_t count, bytes;
	uint64_t errors[OP_ERRORS];
	uint64_t drained, abandoned, retries, pages, entries;
	const char *error_sample; /* of a worker_sum */
	struct hist hists[SAMPLE_KINDS];
};

struct row_set {
	struct row_cell *cells[OP_KINDS]; /* BUCKET_SLOTS each, NULL: op not seen */
	bool valid;
	size_t worker; /* AGG_ALL: all of them */
};

/* One interval of the live view: one delta of each worker. */
struct live_interval {
	enum phase phase;
	bool *from; /* which workers are in it */
	size_t n_from;
	double seconds; /* sum of the deltas' lengths */
	struct {
		bool seen;
		uint64_t count, bytes, errors, retries;
		double rate; /* sum over workers */
		struct hist response;
	} ops[OP_KINDS];
};

struct agg {
	struct worker_sum *workers;
	size_t n;
	struct row_set all, one;
	struct live_interval intervals[2];
	struct live_interval *open, *newest;
	size_t open_lacks; /* workers of newest that open has not heard of yet */
	unsigned serial;   /* of newest */
	unsigned live_ops; /* bit per op seen in this phase */
	struct live_op rows[OP_KINDS];
};

/* All its result lines came: bye said so, or, without one, something else followed them. */
bool worker_complete(const struct worker_sum *w);
/* Lines are used for rows; else the sums of deltas. */
bool worker_uses_lines(const struct worker_sum *w);

void row_set_finish(struct row_set *s);
/* Computes s for worker (or AGG_ALL) unless it is still valid. */
int row_set_make(struct agg *a, struct row_set *s, size_t worker, struct err *err);

/* A histogram as it is kept: 0 or -ENOMEM; *ret NULL when h is empty. */
int hist_store(const struct hist *h, char **ret, size_t *ret_len);
/* Frees the endpoint lines of w. */
void endpoints_clear(struct worker_sum *w);

void live_init(struct live_interval *l);
void live_clear(struct live_interval *l, size_t n);
/* Takes a delta into the open interval, which may close it: 0 or -ENOMEM. */
int live_take(struct agg *a, size_t worker, const struct msg_stats *s);
