/* gate: where threads wait for the common start. The start may still be moved while they wait. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct gate {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint64_t at_ns; /* 0: not known yet */
	bool cancelled;
	bool passed;       /* somebody is through: it cannot be moved any more */
	uint64_t first_ns; /* when the first one came through; 0: nobody yet (atomic) */
};

void gate_init(struct gate *g);
void gate_finish(struct gate *g);

/* Sets the time, or moves it. false when somebody is through already. */
bool gate_open(struct gate *g, uint64_t at_ns);
/* Lets everybody who waits go home. */
void gate_cancel(struct gate *g);

/* Waits for the time (to some microseconds). Returns the time that was set, 0 when cancelled. */
uint64_t gate_wait(struct gate *g);

/* When the first one came through; 0: nobody yet. */
uint64_t gate_first_ns(const struct gate *g);
