/* cpu: what this process has spent. */
#pragma once

#include <stdint.h>
#include <time.h>

/* ns of all its threads, user and system. */
static inline uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}
