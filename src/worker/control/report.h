/* report: what a running phase has to say: stats every interval, and results at its end. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/msg.h"
#include "worker/engine/engine.h"
#include "worker/host/machine.h"

struct buf;
struct work;

/* What of one part has not been sent yet, and what all of it adds up to. */
struct report_part {
	struct op_delta deltas[OP_KINDS];
	uint64_t from_ns, late_max_ns, dropped;
	char sample[RECORD_TEXT];
	uint64_t done, done_bytes, errors; /* of all deltas so far */
};

struct report {
	uint32_t generation, seq;
	struct report_part parts[PARTS];
	struct machine machine;
	const struct mounts *mounts; /* of the task, or NULL */
};

/* A new generation. */
void report_init(struct report *r, uint32_t generation);
void report_finish(struct report *r);

/* Before a phase; from_ns: when it starts. The disks that are looked at are those of mounts, which is set
 * before. */
void report_begin(struct report *r, uint64_t from_ns);

/* Takes what work has recorded since the last call. 0 or -ENOMEM. */
int report_gather(struct report *r, struct work *work);

/* Whether there are ops of a part that have not been sent. */
bool report_pending(const struct report *r, enum part part);

/* What of a stats line is not in the report. */
struct report_stats {
	enum part part;
	enum phase phase;
	/* objects of prepare and cleanup, and of a load that ends with them; of the latter done by now */
	uint64_t total, through;
	uint64_t until_ns; /* where the part ends, when that is before now */
	uint64_t
		least_ns; /* a shorter interval in which nothing happened is not worth a line */
	bool room; /* whether there is room for it; else it is kept for the next one */
};

/* Appends a stats line of what was gathered, or nothing. */
int report_stats(struct report *r, const struct report_stats *ask, struct buf *out);

/* The lines of the authority, one at a time. */
struct results {
	const struct engine *engine;
	uint32_t generation;
	unsigned kinds; /* ops of the job */
	const struct job_endpoints *endpoints;
	uint64_t next; /* position */
	uint64_t lines;
};

/* Appends the next line; 1: there was one, 0: no more, or -ENOMEM. */
int results_next(struct results *r, struct buf *out);
