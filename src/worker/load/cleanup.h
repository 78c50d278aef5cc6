/* cleanup: removes what muster made, and nothing else. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "worker/engine/engine.h"

struct task;
struct err;

enum left_kind {
	LEFT_PUT,         /* where: the op */
	LEFT_DIR,         /* of a mkdir; where: the op */
	LEFT_DIR_IN_TREE, /* of a mkdir, in directory dir of set where */
};

/* An object or directory of this run that is to be removed; its name is computed. */
struct leftover {
	uint64_t n; /* seq */
	uint32_t thread;
	uint32_t where, dir;
	uint16_t who; /* 0 this worker, i + 1: job.heirs_of[i] */
	uint8_t kind; /* enum left_kind */
};

/* Objects of a set that are to be removed. */
struct found {
	uint64_t *bits; /* per index; beyond words * 64 there are none */
	uint64_t words;
};

struct cleanup {
	struct task *task;
	struct found *found;    /* per set */
	struct leftover *items; /* puts, and then directories */
	uint64_t n_items, n_puts, cap;
	uint64_t n;             /* of all that is to be removed */
	uint64_t cursor;        /* atomic */
	uint64_t positions;     /* where it ends */
	uint32_t batch;         /* positions of one op */
	size_t more_bytes;      /* room for the names of the others of it */
	uint64_t removed, gone; /* gone: that were not there any more (atomic) */
	uint64_t kept; /* directories that hold something of others, and stay (atomic) */
	uint64_t failed; /* that are still there (atomic) */
	pthread_mutex_t lock;
	char first_error[RECORD_TEXT]; /* of one that is still there; under lock */
	uint64_t foreign;   /* objects in the way that are not muster's, and stay */
	uint64_t *expected; /* per set: objects that the listing has still to show */
	uint64_t missing;   /* that should have been there */
	bool no_memory;
	const uint32_t *cancel;
};

/* source_user is the struct cleanup. */
extern const struct source cleanup_source;

/* Lists what there is of this run's puts and directories, and of the sets that are ours; cancel (atomic) ends it early.
 * 0 or -1 with err. */
int cleanup_plan(
	struct cleanup *c, struct task *task, const uint32_t *cancel, struct err *err);
void cleanup_finish(struct cleanup *c);
/* Mask of the ops that remove it. */
unsigned cleanup_kinds(const struct cleanup *c);
/* Objects that have been removed, or turned out to be gone, so far. */
uint64_t cleanup_done(const struct cleanup *c);

/* After the engine: the owner objects of sets of which nothing is left anywhere, and directories. */
int cleanup_owners(struct cleanup *c, uint64_t left, struct err *err);
