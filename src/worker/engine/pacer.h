/* pacer: when the next op of an engine thread is due, apart from the slots that run it.
 *
 * Closed loop: an op is due when a slot is free. Its due time is its start: the response time is then
 * the service time, and no pacer is asked.
 *
 * Open loop: ops are due at times that nothing but the rate decides. A thread with many slots has a schedule
 * of its own, rate / threads; all threads of all workers are shifted evenly against each other. A thread of a
 * sync backend has one slot: with schedules of their own some threads would have a queue before them while
 * others idle. They take the next due time from one schedule per worker, one atomic counter that each taker
 * adds its gap to. That is the only word that engine threads share, and it is right there: it is touched
 * once per op, without waiting, by ops that are system calls; and what it is for is an order between threads.
 *
 * Times are offsets from the start in 2^-10 ns, so that the gaps of any rate add up: a billion gaps of a
 * 7 MHz schedule are wrong by less than 2 parts in a million. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/rng.h"
#include "proto/job.h"

/* What the pacers of all threads have in common. */
struct pacing {
	struct job_rate rate;  /* of this worker */
	uint32_t index, count; /* of this worker among all */
	uint64_t seed;
};

/* The schedule of a worker whose threads have one slot each. */
struct pacer_shared {
	_Alignas(64) uint64_t next; /* due time of the next op (atomic) */
};

struct pacer {
	bool open;
	bool poisson;
	bool holds;      /* due_ns is of an op that has not begun */
	uint64_t due_ns; /* of the next op */
	uint64_t next;   /* the same as an offset, in 2^-10 ns; own schedules */
	uint64_t gap;    /* constant: in 2^-10 ns */
	double mean_gap; /* in 2^-10 ns */
	uint64_t start_ns;
	uint64_t spin_ns; /* so long before a due time a wait goes on without sleeping */
	struct pacer_shared *shared; /* or NULL: a schedule of its own */
	struct rng rng;
};

/* Thread index of threads. shared: of all of them, or NULL. Closed loop when p's rate is 0. */
void pacer_init(struct pacer *p, const struct pacing *pacing, struct pacer_shared *shared,
	uint32_t index, uint32_t threads);

/* Once per worker: where the shared schedule begins. */
void pacer_shared_init(struct pacer_shared *s, const struct pacing *pacing);

/* The clock starts. */
void pacer_start(struct pacer *p, uint64_t start_ns);

#define PACER_BITS 10

/* Gaps to the op behind. */
uint64_t pacer_poisson_gap(struct pacer *p);
/* Takes the next due time of the worker's schedule. */
void pacer_take_shared(struct pacer *p);

/* When the next op of this thread is due; the same until it has begun. */
static inline uint64_t pacer_due(struct pacer *p)
{
	if (!p->holds)
		pacer_take_shared(p);
	return p->due_ns;
}

/* That op begins. */
static inline void pacer_begin(struct pacer *p)
{
	if (p->shared) {
		p->holds = false;
		return;
	}
	p->next += p->poisson ? pacer_poisson_gap(p) : p->gap;
	p->due_ns = p->start_ns + (p->next >> PACER_BITS);
}

/* Until when a backend may wait when an op is due at due_ns: now when the rest is for spinning. */
static inline uint64_t pacer_deadline(
	const struct pacer *p, uint64_t due_ns, uint64_t now_ns)
{
	if (due_ns <= now_ns || due_ns - now_ns <= p->spin_ns)
		return now_ns;
	return due_ns - p->spin_ns;
}

/* With nothing in flight: waits until until_ns, as the job's timer says, or until *stopped (atomic) is not
 * 0 (pacer_wake). Returns the time. */
uint64_t pacer_wait(const struct pacer *p, uint64_t until_ns, uint32_t *stopped);
/* Sets *stopped, and wakes those who wait. */
void pacer_wake(uint32_t *stopped);

/* When all threads have ended: ops of this pacer that were due before end_ns and have not begun. Poisson:
 * those that nobody has drawn are one draw of their number. */
uint64_t pacer_left(const struct pacer *p, uint64_t end_ns);
/* The same of what no thread has taken from the shared schedule; p: of any of its threads. */
uint64_t pacer_shared_left(const struct pacer *p, uint64_t end_ns);
