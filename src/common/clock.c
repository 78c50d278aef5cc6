/* clock: sleeping to an absolute time, and wall time as text. */
#include "common/clock.h"

#include <errno.h>
#include <stdio.h>

#include "common/units.h"

uint64_t clock_wall_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

void clock_sleep_until(uint64_t at_ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(at_ns / NS_PER_SEC),
		.tv_nsec = (long)(at_ns % NS_PER_SEC),
	};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

static struct tm utc(uint64_t wall_ns)
{
	time_t seconds = (time_t)(wall_ns / NS_PER_SEC);
	struct tm tm = {0};

	gmtime_r(&seconds, &tm);
	return tm;
}

void clock_format_rfc3339(uint64_t wall_ns, char *out, size_t size)
{
	struct tm tm = utc(wall_ns);

	snprintf(out, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ", tm.tm_year + 1900,
		tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		(unsigned)(wall_ns % NS_PER_SEC / NS_PER_MS));
}

void clock_format_compact(uint64_t wall_ns, char *out, size_t size)
{
	struct tm tm = utc(wall_ns);

	snprintf(out, size, "%04d%02d%02dT%02d%02d%02dZ", tm.tm_year + 1900,
		tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}
