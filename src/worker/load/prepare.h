/* prepare: makes what is missing of this worker's share of the sets. */
#pragma once

#include <stdint.h>

#include "common/err.h"
#include "worker/engine/engine.h"

struct task;

/* How far a set is. All atomic. */
struct prepare_cursor {
	uint64_t dir, object; /* of this worker's share: the next one to look at */
};

struct prepare {
	struct task *task;
	struct prepare_cursor *cursors; /* one per set */
	uint64_t turn;     /* sets side by side: the next one to look at (atomic) */
	uint64_t failed;   /* objects that could not be made (atomic) */
	uint32_t hopeless; /* the rest would fail too: nothing more is tried (atomic) */
	pthread_mutex_t lock;
	struct err first; /* under lock */
};

/* source_user is the struct prepare. */
extern const struct source prepare_source;

int prepare_init(struct prepare *p, struct task *task, struct err *err);
void prepare_finish(struct prepare *p);

/* Before the first object: the owner objects. */
int prepare_owners(struct prepare *p, struct err *err);

/* Objects and directories that are to be made. */
uint64_t prepare_total(const struct task *task);

/* Mask of the ops that make them. */
unsigned prepare_kinds(const struct task *task);

/* After the engine: 0, or -1 with err when the sets are not complete. */
int prepare_result(struct prepare *p, struct err *err);
