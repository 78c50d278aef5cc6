/* load_impl: what the files of load share: a thread's own view of the ops. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/rng.h"
#include "proto/job.h"
#include "worker/load/choices.h"
#include "worker/load/mix.h"
#include "worker/load/once.h"
#include "worker/objects/contents.h"
#include "worker/objects/keyset.h"
#include "worker/objects/names.h"
#include "worker/objects/ranges.h"
#include "worker/objects/removal.h"
#include "worker/objects/select.h"
#include "worker/objects/sizes.h"

struct err;
struct io;

/* Puts that a later delete may take, per op; older ones are left to cleanup. */
#define RING 4096u

struct ring {
	uint64_t seq[RING];
	uint64_t *
		dir; /* mkdir in a tree: the key in which it is, RING of them; else NULL */
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
	struct pool *pool; /* of the thread's; NULL: none */
	/* of what it made: those that a delete or rmdir may take; or NULL */
	struct ring *ring;
	uint32_t puts_of;   /* delete, rmdir: the op that made them, or UINT32_MAX */
	uint32_t cap, busy; /* ops in flight */
	struct rng rng;     /* of all that is chosen for this op */
	struct select select;
	/* range ops that go through their objects range by range; keys NULL: no */
	struct ranges ranges;
	struct removal_lane removal; /* rmdir of what is there */
	uint32_t runner,
		runners; /* which of how many threads that may run the op this is */
	bool finite;     /* its keys come to an end: then it is not drawn any more */
	bool checks;     /* what it reads */
	bool knows; /* what its objects hold: it checks that, or writes what can be checked */
	struct contents_put put;
};

struct load_thread {
	/* Which op is next; and which one instead, when that one is not possible now: whether it is depends on
	 * time, and must not move what follows. */
	struct rng rng, instead;
	struct mix mix;
	double *weights;
	struct load_op *ops;
	uint32_t n_ops;
	struct pool *pools;
	uint32_t n_pools;
	bool exhausted; /* nothing is left to draw */
	bool waits; /* job.once: it has no keys left, and goes on until no thread has */
	struct once *once;      /* job.once, else NULL */
	struct once_lane *lane; /* the same */
	uint64_t *missed;       /* per op; NULL: none of them can */
	bool stuck;      /* the op that was drawn last could not begin, nor any other */
	bool may_refuse; /* caps or rings: the op drawn may not be possible now */
	uint64_t seq;    /* of the next put */
	struct choices choices;
	const struct contents *contents;
};

/* Of load_source: thread_init and thread_fini. */
int load_begin(void *user, uint32_t index, uint32_t n, uint32_t slots, void **ret_state,
	struct err *err);
void load_end(void *state);
/* Chooses object, size and content of an op that was drawn, and writes its names to uri and more. */
void load_fill(
	struct load_thread *l, struct load_op *op, struct io *io, char *uri, char *more);
/* The name of the seq-th object that op makes; returns its length. */
size_t load_put_name(const struct load_op *op, uint64_t seq, char *out);
/* load_dirs.c: the same as load_fill, of mkdir and rmdir. */
void load_fill_mkdir(
	struct load_thread *l, struct load_op *op, struct io *io, char *uri, char *more);
void load_fill_rmdir(
	struct load_thread *l, struct load_op *op, struct io *io, char *uri, char *more);
/* What op has made is there, and may be deleted or chosen. */
void load_put_ended(struct load_thread *l, struct load_op *op, const struct io *io);
/* Finite: there is no key left for op in this thread. */
bool load_through(const struct load_op *op);
/* Takes ops that have no key left in this thread out of the draw. */
void load_rebuild(struct load_thread *l);
