/* load_impl: what load.c and load_fill.c share: a thread's own view of the ops. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/rng.h"
#include "proto/job.h"
#include "worker/keyset.h"
#include "worker/mix.h"
#include "worker/names.h"
#include "worker/sizes.h"

struct io;

/* Puts that a later delete may take, per op; older ones are left to cleanup. */
#define RING 4096u

struct ring {
	uint64_t seq[RING];
	uint32_t head, n;
};

/* Puts of a thread that its reads of the same pool choose from, too: the newest of them. */
#define POOL 65536u

struct made {
	uint64_t seq, size;
	uint32_t op; /* that made it */
};

struct pool {
	struct made *made; /* POOL of them; NULL: no op of the job is in this pool */
	uint32_t next, n;
};

struct load_op {
	const struct job_op *spec;
	const struct keyset *keys;
	struct sizes sizes;
	char *put_prefix; /* of what it makes: "<uri>RUN-WORKER-THREAD-"; or NULL */
	size_t put_prefix_len;
	struct pool *pool;   /* of the thread's; NULL: none */
	struct ring *ring;   /* of what it made: those that a delete may take; or NULL */
	uint32_t puts_of;    /* delete: the op that made them, or UINT32_MAX */
	uint32_t cap, busy;  /* ops in flight */
	uint64_t next, step; /* delete: the next key of this thread */
};

struct load_thread {
	struct rng rng;
	struct mix mix;
	double *weights;
	struct load_op *ops;
	uint32_t n_ops;
	struct pool *pools;
	uint32_t n_pools;
	bool exhausted;  /* nothing is left to draw */
	bool may_refuse; /* caps or rings: the op drawn may not be possible now */
	uint64_t seq;    /* of the next put */
	uint64_t stamp;
	uint64_t data_mask;
};

/* Chooses object, size and content of an op that was drawn, and writes its names to uri and more. */
void load_fill(
	struct load_thread *l, struct load_op *op, struct io *io, char *uri, char *more);
/* What op has made is there, and may be deleted or chosen. */
void load_put_ended(struct load_thread *l, struct load_op *op, const struct io *io);
/* Takes ops that have no key left in this thread out of the draw. */
void load_rebuild(struct load_thread *l);
