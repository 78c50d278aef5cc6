/* cleanup: removes what muster made, and nothing else. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "worker/engine.h"

struct task;
struct err;

/* An object to be removed; its name is computed. */
struct leftover {
	uint64_t n;      /* seq of a put, index of a set's object */
	uint32_t thread; /* put */
	uint16_t who;    /* put: 0 this worker, i + 1: job.heirs_of[i] */
	bool of_set;
	uint32_t where; /* op or set */
};

struct cleanup {
	struct task *task;
	struct leftover *items;
	uint64_t n, cap;
	uint64_t cursor;        /* atomic */
	uint32_t batch;         /* objects of one op */
	size_t more_bytes;      /* room for the names of the others of it */
	uint64_t removed, gone; /* objects; gone: that were not there any more (atomic) */
	uint64_t failed;        /* objects that are still there (atomic) */
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

/* Lists what there is of this run's puts, and of the sets that are ours; cancel (atomic) ends it early.
 * 0 or -1 with err. */
int cleanup_plan(
	struct cleanup *c, struct task *task, const uint32_t *cancel, struct err *err);
void cleanup_finish(struct cleanup *c);
/* Objects that have been removed, or turned out to be gone, so far. */
uint64_t cleanup_done(const struct cleanup *c);

/* After the engine: the owner objects of sets of which nothing is left anywhere, and directories. */
int cleanup_owners(struct cleanup *c, uint64_t left, struct err *err);
