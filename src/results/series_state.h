/* series_state: what a series keeps; series.c fills bins, series_close.c empties them. */
#pragma once

#include <stdbool.h>

#include "common/buf.h"
#include "results/series.h"
#include "results/series_row.h"

#define NO_OP                                                                            \
	OP_KINDS /* behind the ops: the objects of prepare and cleanup, or nothing */

/* A stretch of time with one start: a phase of one generation. */
struct group {
	enum phase phase;
	uint64_t start_ns;
	int64_t first_idx;  /* of its bins */
	int64_t closed_idx; /* highest index that was closed */
	int64_t reached_ns; /* greatest end of a delta, since start_ns */
	unsigned ops_seen;  /* bit per op */
	bool any_closed;
};

struct cell {
	bool seen;
	uint64_t count, bytes, errors;
	struct hist response, service;
};

/* An interval of a group that is not closed yet. */
struct bin {
	struct bin *next;
	size_t group;
	int64_t idx;
	struct cell ops[OP_KINDS + 1]; /* the last: NO_OP */
	uint64_t *lengths_ns;          /* per worker; 0: not in it */
	uint64_t late_max_ns;
	double machine[SERIES_MACHINE];
};

struct place {
	char *id; /* safe in a TSV cell */
	bool seen, lost;
	size_t group; /* of its newest delta */
	int64_t idx;
	int64_t covered_ns; /* end of it, since the group's start */
	unsigned ops_seen;  /* in the group */
	uint64_t done, done_bytes;
};

struct series {
	size_t n;
	uint64_t interval_ns;
	struct series_sink sink;
	struct place *workers;
	struct group *groups;
	size_t n_groups;
	int64_t newest_idx; /* in the last group */
	struct bin *open, *spare;
	struct buf text;
};

static inline bool is_load(enum phase phase)
{
	return phase == PHASE_WARMUP || phase == PHASE_MEASURE;
}

static inline double idx_time(const struct series *s, int64_t idx)
{
	return (double)idx * (double)s->interval_ns / 1e9;
}

/* Hands the rows in s->text to the sink. */
void series_send(struct series *s, size_t worker);
/* Closes the bins that nothing more will come for, or that are too old. */
void series_close_over(struct series *s);
