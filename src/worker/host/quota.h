/* quota: how much of the processor time that a control group lets it have this process and its neighbours in the group
 * took, and how often they were held back. */
#pragma once

#include <stdint.h>

#include "worker/host/limits.h"

struct machine_stats;

struct quota {
	const char *root; /* as of limits_read; stays */
	double cpus;      /* 0: there is none */
	char group[LIMITS_GROUP];
	uint64_t used_ns, periods, throttled; /* at the last look */
};

/* Finds the quota, and looks for the first time. */
void quota_init(struct quota *q, const char *root);

/* Fills quota_cpus, quota_cpu and throttled of ret with what came since the last look. worker_ns: processor time of this
 * process in it, for where nobody counts that of the group. */
void quota_sample(struct quota *q, uint64_t interval_ns, uint64_t worker_ns,
	struct machine_stats *ret);
