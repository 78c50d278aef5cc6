/* work: what takes time, off the control thread: a job being checked, or one phase of it.
 *
 * A store may hang for ever; then the work is never done, and the control thread, which only looks at
 * its state, goes on answering. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "proto/msg.h"
#include "worker/engine/engine.h"
#include "worker/engine/gate.h"
#include "worker/load/cleanup.h"
#include "worker/load/prepare.h"

struct task;
struct data;

enum work_state {
	WORK_SETUP,
	WORK_ARMED, /* waits at the gate, or is through */
	WORK_DONE,
};

struct work {
	enum phase
		phase; /* NONE: a job is checked. WARMUP: measure follows in the same work */
	struct task *task; /* NONE: the result, or NULL */
	struct gate gate;
	int wake_fd; /* eventfd: written when the state changes */

	uint32_t state;  /* enum work_state (atomic) */
	uint32_t cancel; /* end soon (atomic) */
	/* objects to make, to remove or (job.once) to work through (atomic) */
	uint64_t total;
	uint64_t listed; /* objects that a check has seen in listings so far (atomic) */

	pthread_mutex_t lock;
	struct engine *engine; /* under lock until done; NULL: none yet */
	bool stop_now;         /* under lock */

	/* outcome, valid when done */
	bool failed, stuck;
	struct err err;
	char *place;             /* of a refusal, or NULL */
	struct msg_phase result; /* text: malloc */

	/* input of a check */
	struct job job;
	const struct data *data;
	const struct task *earlier;

	struct prepare prepare;
	struct cleanup cleanup;
	pthread_t id;
};

/* Starts checking a job (taken over). earlier must live until the work is destroyed. NULL with err. */
struct work *work_check(struct job *job, const struct data *data,
	const struct task *earlier, int wake_fd, struct err *err);

/* Starts a phase: PREPARE, WARMUP, MEASURE or CLEANUP. task must live until the work is destroyed. It
 * sets up, and begins when work_go has been called. */
struct work *work_phase(
	struct task *task, enum phase phase, int wake_fd, struct err *err);

/* The state; the outcome may be read once it is WORK_DONE. */
enum work_state work_state(const struct work *w);

/* Sets or moves the time of the start. false: it has begun. */
bool work_go(struct work *w, uint64_t at_ns);

/* Ends it early; now: without waiting for ops in flight. A check is only told to hurry. */
void work_stop(struct work *w, bool now);

/* Moves the bounds of the measured part of a load, as engine_measure. */
void work_measure(struct work *w, uint64_t at_ns, uint64_t end_ns);

/* Takes what the engine has recorded since the last call, as engine_delta; without an engine nothing. */
int work_delta(struct work *w, enum part part, struct op_delta deltas[OP_KINDS],
	uint64_t *late_max_ns, char *sample);

/* Cleanup: objects that are gone by now. An op of it may be for many. */
uint64_t work_removed(const struct work *w);

/* A load that works through its objects once: those that are done by now. */
uint64_t work_through(const struct work *w);

/* Releases a work that is done; NULL is fine. One with stuck threads is leaked on purpose, with the
 * task it uses. Returns false then. */
bool work_destroy(struct work *w);
