/* clock: the one clock. CLOCK_MONOTONIC in nanoseconds; wall time only for names and records. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <time.h>

static inline uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

/* Wall clock, ns since 1970. */
uint64_t clock_wall_ns(void);

/* Sleeps until clock_ns() >= at_ns (absolute, so interruptions do not add up). */
void clock_sleep_until(uint64_t at_ns);

/* RFC 3339 in UTC with milliseconds "2026-11-20T14:30:05.123Z"; out needs 32 bytes. */
void clock_format_rfc3339(uint64_t wall_ns, char *out, size_t size);
/* "20261120T143005Z"; out needs 20 bytes. */
void clock_format_compact(uint64_t wall_ns, char *out, size_t size);
