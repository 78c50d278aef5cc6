/* away: a command of long work, as others on this machine see it, and how it goes on when its terminal does
 * not. Holds its entry in the registry, and what --detach left to do. Nothing here knows what the work is. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "orchestrator/runs/registry.h"

struct context;
struct rundir;

struct away {
	struct context *ctx;
	struct registration *registration; /* NULL: muster runs does not know it */
	const char *directory;             /* results, as the user knows them */
	int detach_fd;                     /* of detach_fork; -1: not asked for */
	bool alone;                        /* without the terminal it was started from */
};

/* Enters it into the registry; a warning when that cannot be done. Of e count command, workload, workers,
 * hosts and the times. directory stays the caller's. */
void away_register(struct away *a, struct context *ctx, const char *directory,
	const struct run_entry *e);

/* What it does now; as registration_state. */
void away_state(
	struct away *a, enum run_state state, uint64_t since_ns, uint64_t length_ns);

/* --detach: the work has begun, so the terminal is left. Nothing without --detach, or when done before. */
void away_hand_over(struct away *a);

/* SIGHUP: the terminal is gone, the work goes on. */
void away_hang_up(struct away *a);

/* It is over. Nothing when it was never entered. */
void away_end(struct away *a, int exit_code);
