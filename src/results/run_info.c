/* run_info: releases what is said about a run, and tells which machine limits a worker hit. */
#include "results/run_info.h"

#include <stdlib.h>

static void free_texts(char **texts)
{
	for (size_t i = 0; texts && texts[i]; i++)
		free(texts[i]);
	free(texts);
}

static void run_worker_finish(struct run_worker *rw)
{
	struct msg hello = {.type = MSG_HELLO, .u.hello = rw->hello};

	msg_finish(&hello);
	free(rw->id);
	free(rw->host);
	free(rw->address);
	free(rw->transport);
	free(rw->login);
	free(rw->host_key);
	free(rw->reason);
	free(rw->target);
	free_texts(rw->warnings);
}

void run_info_finish(struct run_info *r)
{
	for (size_t i = 0; i < r->n_workers; i++)
		run_worker_finish(&r->workers[i]);
	free(r->workers);
	free(r->run);
	free(r->name);
	free(r->version);
	free(r->config);
	free(r->command_line);
	free(r->hostname);
	free(r->target);
	free_texts(r->remarks);
	*r = (struct run_info){.run = NULL};
}

static double core_value(const struct run_worker *rw)
{
	return rw->busiest_core;
}

static double cpu_value(const struct run_worker *rw)
{
	return rw->cpu;
}

static double lateness_value(const struct run_worker *rw)
{
	return (double)rw->late_max_ns / 1e3;
}

const struct run_limit run_limits[RUN_LIMITS] = {
	[RUN_LIMIT_CORE] = {"core", "busiest core", "%", 95, core_value},
	[RUN_LIMIT_CPU] = {"cpu", "all cores", "%", 95, cpu_value},
	[RUN_LIMIT_LATENESS] = {"lateness", "lateness", "us", 10000, lateness_value},
};

unsigned run_worker_limits(const struct run_worker *rw)
{
	unsigned hit = 0;

	/* waiting for due times may take whole cores, and lateness holds waits for slots: whose fault a missed
	 * rate is run_rate_limit says */
	if (rw->rate > 0 && (rw->slots_busy > 0 || rw->never_started == 0))
		return 0;
	for (unsigned i = 0; i < RUN_LIMITS; i++)
		if (run_limits[i].value(rw) >= run_limits[i].from)
			hit |= 1u << i;
	return hit;
}
