/* record: what an engine thread writes down about its ops.
 *
 * One recorder per thread and phase, written by that thread alone. The control thread may read the
 * live part at any time (relaxed atomics, no lock, no flag): record_delta takes what came since the
 * last time. The exact part, per size bucket at 3 digits, is read when the threads are done. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "backends/backend.h"
#include "proto/hist.h"
#include "proto/msg.h"

#define RECORD_TEXT sizeof(((struct io *)0)->error_text)

/* One kind of op. */
struct op_record {
	/* exact */
	struct hist hist[BUCKETS][SAMPLE_KINDS];
	uint64_t bucket_bytes[BUCKETS];
	uint64_t pages, entries, drained, abandoned;
	char first_error[RECORD_TEXT]; /* valid when any errors[] is not 0 */

	/* live: over all buckets */
	struct hist response, service; /* 2 digits */
	uint64_t bytes, retries;
	uint64_t errors[OP_ERRORS];
	uint64_t late_max_ns;
	/* hand-over of one error text per delta: the thread fills it while 0, the reader empties */
	uint32_t sample_ready;
	char sample[RECORD_TEXT];

	/* of the reader alone: what it has seen */
	struct {
		struct hist response, service;
		uint64_t bytes, retries;
		uint64_t errors[OP_ERRORS];
	} seen;
};

/* The counts of all histograms lie in one mapping, made before the clock starts: threads that map memory
 * while they measure wait for each other. Only what is touched takes memory. */
struct recorder {
	struct op_record *ops[OP_KINDS]; /* NULL: not part of this phase */
	uint8_t *counts;
	size_t counts_bytes;
};

/* kinds: bit mask of 1 << enum op_kind. 0 or -ENOMEM (then record_finish is still due). */
int record_init(struct recorder *r, unsigned kinds);
void record_finish(struct recorder *r);

/* Adds a finished op. */
void record_op(struct recorder *r, const struct io *io);
/* Adds a page of a list. */
void record_page(struct recorder *r, enum op_kind kind, uint64_t ns);

/* Adds what came since the last call to delta (its histograms at 2 digits), the largest lateness to
 * late_max_ns, and an error text to sample (RECORD_TEXT bytes) when that is empty and there is one.
 * 0 or -ENOMEM. */
int record_delta(
	struct op_record *o, struct op_delta *delta, uint64_t *late_max_ns, char *sample);
