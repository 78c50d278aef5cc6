/* progress: how far a run is, as its events.jsonl tells it; and the live block made of that. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "orchestrator/console/display.h"
#include "orchestrator/console/live.h"
#include "proto/msg.h"

struct progress {
	struct {
		bool on;
		double start_s, planned_s; /* since the run began */
	} phases[PHASES];
	/* objects of prepare and cleanup, and of a load that works through them once */
	uint64_t done, total;
	struct display_rates ops[OP_KINDS];
	size_t n_ops;
	/* the last lines that only the next of their kind replaces: interval, progress */
	struct buf latest[2];
};

/* Takes a line. Only lines that change what is on are read at once, the others when they are asked for: a
 * run of a day has a hundred thousand of those. */
void progress_line(struct progress *p, const char *line);
void progress_finish(struct progress *p);

/* The block at now_s since the run began; empty when no phase is on. */
void progress_block(struct progress *p, double now_s, unsigned columns, bool utf8,
	struct live_block *b);
