/* load_job: the load of a job on one engine, without a worker around it. */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "common/units.h"
#include "worker/engine/engine.h"
#include "worker/load/load.h"
#include "worker/load/task.h"

/* With room for n ops; the rest is up to who measures. task_create takes it over. */
static inline struct job load_job(uint64_t duration_ns, uint32_t concurrency, size_t n)
{
	return (struct job){
		.generation = 1,
		.run = strdup("benchbenchbe"),
		.worker = strdup("w"),
		.seed = 1,
		.count = 1,
		.share_count = 1,
		.concurrency = concurrency,
		.duration_ns = duration_ns,
		.op_timeout_ns = NS_PER_SEC,
		.stats_interval_ns = NS_PER_SEC,
		.load = true,
		.n_ops = n,
		.ops = calloc(n, sizeof(struct job_op)),
	};
}

/* Begins when the gate opens. NULL with err. */
static inline struct engine *load_engine(
	struct task *t, const struct pacing *pacing, struct gate *gate, struct err *err)
{
	const struct engine_config cfg = {
		.pacing = pacing,
		.backend = t->backend,
		.job = t->job_state,
		.threads = t->threads,
		.slots = t->slots,
		.source = &load_source,
		.source_user = t,
		.kinds = load_kinds(t),
		.gate = gate,
		.measure_ns = t->job.duration_ns,
		.op_timeout_ns = t->job.op_timeout_ns,
	};

	return engine_create(&cfg, err);
}
