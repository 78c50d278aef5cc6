/* engine_impl: what engine.c and engine_loop.c share. */
#pragma once

#include "common/err.h"
#include "worker/engine/engine.h"

struct engine {
	struct engine_config cfg;
	struct engine_thread *threads;
	uint32_t n_started;
	struct pacer_shared schedule; /* of a sync backend's open loop */

	/* read by every thread per op, hardly ever written (atomic) */
	uint64_t stop_ns; /* UINT64_MAX: not stopped */
	uint32_t stopped; /* the same for those who sleep (pacer_wait) */
	uint32_t give_up;
	uint64_t give_up_ns; /* when it was said (atomic) */

	uint64_t measure_at_ns; /* where the measured part begins (atomic) */
	uint64_t
		planned_end_ns; /* known when the gate has opened; until then UINT64_MAX (atomic) */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint32_t n_ready, n_ended;
	bool init_failed;
	struct err init_err;
};

void *engine_thread_main(void *thread);
