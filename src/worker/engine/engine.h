/* engine: threads with slots that drive a backend through a phase, and what they recorded.
 *
 * A thread owns its slots, backend state, source state and recorders: per op it takes no lock and no
 * memory and writes nothing that another thread writes. Where the ops come from (the mix, a set to be
 * made, objects to be removed) is the source's; when they are due is the pacer's; how they are done is
 * the backend's. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "backends/backend.h"
#include "worker/engine/endpoints.h"
#include "worker/engine/gate.h"
#include "worker/engine/pacer.h"
#include "worker/engine/record.h"
#include "worker/engine/samples.h"

struct err;

/* Room for the URI of an object, in each slot. */
#define ENGINE_URI 4352
/* Finished ops taken at once. */
#define ENGINE_BATCH 64

enum next {
	NEXT_OP,    /* io is filled */
	NEXT_LATER, /* nothing until an op in flight has ended */
	NEXT_END,   /* nothing any more for this thread */
};

/* Where ops come from. All but the first are called by the thread itself. */
struct source {
	/* Makes the state of thread index of n; before the clock, on the caller's thread. NULL in
	 * ret_state is fine. */
	int (*thread_init)(void *user, uint32_t index, uint32_t n, uint32_t slots,
		void **ret_state, struct err *err);
	/* Fills io (zeroed but for uri, which points to ENGINE_URI writable bytes: uri). more: engine_config's
	 * more_bytes writable bytes, for io->more or io->to. */
	enum next (*next)(void *state, struct io *io, char *uri, char *more);
	/* Hears of every op that ended, also of those that do not count. */
	void (*done)(void *state, const struct io *io);
	void (*thread_fini)(void *state); /* takes NULL */
};

struct engine_config {
	const struct backend *backend;
	void *job;               /* the backend's job state */
	uint32_t threads, slots; /* slots: of all threads together, at least one each */
	const struct source *source;
	void *source_user;
	size_t more_bytes; /* of the longest io->more or io->to, at any endpoint */
	const struct job_endpoints *endpoints; /* or NULL */
	const struct pacing *pacing;           /* open loop; NULL: closed */
	unsigned kinds;                        /* mask of the ops that may come */
	struct gate *gate;
	uint64_t warmup_ns;
	uint64_t
		measure_ns; /* 0: until the source ends; then every op counts, whenever it ends */
	uint64_t op_timeout_ns;
	bool moves;               /* engine_measure may be called */
	const char *samples_path; /* raw samples for tests, or NULL */
};

/* The parts of a run that are recorded apart. */
enum part { PART_WARMUP, PART_MEASURE, PARTS };

struct engine_slot {
	struct io io;
	char *uri, *more;
	uint8_t busy; /* kind + 1 while in flight (atomic) */
};

struct engine_thread {
	struct engine *engine;
	pthread_t id;
	void *backend, *source; /* states */
	struct engine_slot *slots;
	char *uris;
	char *mores; /* more_bytes for each slot, and for one more op that is being made */
	size_t mores_bytes;
	struct io **free;  /* stack: the last one used comes first */
	struct io **batch; /* to be submitted */
	uint32_t n_slots, n_free, n_batch;
	bool ended;     /* begins no new op */
	bool cancelled; /* has given up what was in flight */
	uint64_t now_ns, warm_end_ns, planned_end_ns;
	uint64_t last_end_ns; /* of a counted op (atomic) */
	struct pacer pacer;
	uint64_t started; /* open loop: ops that began in the measured part (atomic) */
	uint64_t overdue; /* that began after its end, and were due before (atomic) */
	uint64_t carried; /* of both, those that were due in warm-up (atomic) */
	uint64_t held_ns; /* and for how long due ops waited for a slot there (atomic) */
	struct recorder record[PARTS];
	struct endpoints endpoints; /* of the measured part */
	struct samples samples;
	uint32_t ran_out;  /* its source has no more (atomic) */
	uint32_t finished; /* nothing of it is touched by its thread any more (atomic) */
};

struct engine;

/* Starts the threads; they wait at the gate. NULL with err. */
struct engine *engine_create(const struct engine_config *cfg, struct err *err);

/* For backend_config.page: a page of a list, recorded where it ended. */
void engine_page(void *thread, const struct io *io, uint64_t start_ns, uint64_t end_ns);

/* Begins no op from now on; drains those in flight, or (now) gives them up. Any thread may call. */
void engine_stop(struct engine *e, bool now);

/* Makes the measured part begin and end earlier than it would; 0: that one stays where it is. Neither may have
 * passed. Any thread may call, once the load has begun. */
void engine_measure(struct engine *e, uint64_t at_ns, uint64_t end_ns);

/* Waits until all threads have ended, or those in flight have had their time (op_timeout_ns after the
 * end). Then the records of all threads are complete but for stuck ones. */
void engine_wait(struct engine *e);

/* False: threads are stuck in the backend; then neither the engine nor anything that it was given may
 * be freed. */
bool engine_all_ended(struct engine *e);

/* When the measured part ended: planned, or at the stop, or when the source had no more. Valid after
 * engine_wait. */
uint64_t engine_end_ns(const struct engine *e);

/* Whether every thread's source came to its end before the time was over. After engine_wait. */
bool engine_ran_out(const struct engine *e);

/* After engine_all_ended. Takes NULL. */
void engine_destroy(struct engine *e);

/* Adds what came since the last call to deltas[kind] of a part. Only one thread may read. */
int engine_delta(struct engine *e, enum part part, struct op_delta deltas[OP_KINDS],
	uint64_t *late_max_ns, char *sample);

/* After engine_wait: one histogram of the measured part over all threads, added to out. */
int engine_merge(const struct engine *e, enum op_kind kind, unsigned bucket,
	enum sample_kind sample, struct hist *out, uint64_t *bytes);

/* After engine_wait: what is not in histograms, of the measured part. */
struct engine_totals {
	uint64_t count, bytes, errors[OP_ERRORS];
	uint64_t retries, pages, entries, drained, abandoned;
	char first_error[RECORD_TEXT];
};
void engine_totals(const struct engine *e, enum op_kind kind, struct engine_totals *ret);

/* After engine_wait: what became of an open loop's rate. Zeros in a closed loop. */
struct engine_rate {
	uint64_t started;       /* in the measured part */
	uint64_t never_started; /* due before the end, and begun by nobody */
	uint64_t carried; /* of both: due in warm-up, and not begun when it was over */
	double slots_busy; /* 0..1: part of the time in which ops were due and no slot was free */
};
void engine_rate(const struct engine *e, struct engine_rate *ret);

/* After engine_wait: what went through an endpoint in the measured part, over all threads; index n of n is
 * what went elsewhere. Adds to response (3 digits), bytes and errors. 0 or -ENOMEM. */
int engine_endpoint(const struct engine *e, uint32_t index, struct hist *response,
	uint64_t *bytes, uint64_t errors[OP_ERRORS]);
/* How many endpoints the engine has. */
uint32_t engine_endpoints(const struct engine *e);
