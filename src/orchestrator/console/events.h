/* events: what happens, as JSON objects: one line each in events.jsonl and on --json-lines.
 *
 * Every object has "time" (RFC 3339, ms) and "event"; docs/results.md has the list. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "proto/msg.h"

struct context;
struct fleet_worker;
struct live_op;
struct rundir;
typedef struct json_t json_t;

/* Takes over members (an object, may be NULL for none). d may be NULL. */
void events_emit(struct context *c, struct rundir *d, const char *event, json_t *members);

void events_state(struct context *c, struct rundir *d, const struct fleet_worker *w);
/* start_s: since the run began; planned_s: 0 when it takes as long as it takes. */
void events_phase_begun(struct context *c, struct rundir *d, enum phase phase,
	double start_s, double planned_s);
void events_phase_done(struct context *c, struct rundir *d, enum phase phase);
/* Objects of prepare and cleanup. */
void events_progress(struct context *c, struct rundir *d, enum phase phase, uint64_t done,
	uint64_t total);
void events_interval(struct context *c, struct rundir *d, double time_s, enum phase phase,
	const struct live_op *rows, size_t n);
