/* first_done: how far all workers were when the first of them had worked through its share, and when the last
 * had. Pure.
 *
 * Counts come from interval reports. Of the report within which the first worker ended, the operations are spread evenly
 * over its length; workers report at once when the first has ended, so that what lies behind that moment is
 * little. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/msg.h"

struct first_done;
struct run_info;
struct json_writer;
struct buf;

struct first_done *first_done_create(size_t workers); /* NULL: no memory */
void first_done_destroy(struct first_done *f);        /* takes NULL */

/* A report on measure; all times are of one clock. */
void first_done_stats(struct first_done *f, size_t worker, uint64_t from_ns,
	uint64_t to_ns, const struct op_delta *ops, size_t n);
/* A worker has ended measure; through: with all of its share; at_ns 0: that was nothing. True: it is the first
 * that is through. */
bool first_done_end(struct first_done *f, size_t worker, uint64_t at_ns, bool through);

struct done_counts {
	uint64_t count, bytes;
};

struct first_done_report {
	uint64_t first_ns, last_ns; /* since measure began */
	size_t first, last;         /* the workers */
	size_t through, workers;    /* how many were through, of how many */
	uint64_t
		spread_ns; /* the longest part of a report behind the first moment: where counts are not
			     * exact */
	struct {
		bool seen;
		struct done_counts first, last;
	} ops[OP_KINDS];
	struct done_counts first_all, last_all;
	double left; /* 0 to 1: of the operations of the last worker, when the first had ended */
};

/* False: no worker has been through, or not in measure, which began at begin_ns. */
bool first_done_find(
	const struct first_done *f, uint64_t begin_ns, struct first_done_report *ret);

/* Member first_done of results.json: null with d NULL. */
void first_done_members(struct json_writer *w, const struct run_info *info,
	const struct first_done_report *d);

/* The table of the console, a line for each result. */
void first_done_table(const struct first_done_report *d, struct buf *out);
/* "host2 ended 1.4 s after host1, and had 12 % of its operations left then"; nothing of one worker. */
void first_done_tail(
	const struct run_info *info, const struct first_done_report *d, struct buf *out);
