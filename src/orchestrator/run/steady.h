/* steady: whether a load has become steady, from what its workers report. Pure: no clock, no files.
 *
 * The rule. Two parts of a window of time are compared: its two halves (is the load steady?), or its first half
 * and all of it (does the result still move?). The load is steady when from one to the other
 * - the throughput of all workers together moved by at most the bound,
 * - the p99 of all operations (the median of its intervals) by at most twice the bound; by its standard error more, and
 *   up to four times the bound, where it varies from interval to interval; or by 10 us,
 * - the throughput of no single worker by more than four times the bound, beyond what chance does to the number of
 *   its operations: one of many that still ramps up hardly shows in their sum. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct buf;

struct steady;

/* NULL: out of memory. */
struct steady *steady_create(size_t workers);
void steady_destroy(struct steady *s); /* takes NULL */

/* What a worker says of an interval; times in seconds since the load began. 0 or -ENOMEM. */
int steady_add(
	struct steady *s, size_t worker, double from_s, double to_s, double operations);
/* The p99 of all workers in an interval that ended then. 0 or -ENOMEM. */
int steady_add_p99(struct steady *s, double at_s, double p99_us);
/* A worker that is lost counts no more. */
void steady_forget(struct steady *s, size_t worker);
/* Until when all workers that count have reported; 0: not all have. */
double steady_known_until(const struct steady *s);

struct steady_verdict {
	bool steady;
	double window_s;
	double throughput, p99; /* how much they moved: 0.05 is 5 % */
	bool p99_bad, throughput_bad;
	double worker;       /* how much the throughput of the one that moved most did */
	size_t worst_worker; /* SIZE_MAX: none moved too much */
};
enum steady_how { STEADY_HALVES, STEADY_RESULT };
/* bound: 0.05 is 5 %. */
void steady_judge(const struct steady *s, enum steady_how how, double from_s, double to_s,
	double bound, struct steady_verdict *ret);

/* "throughput moved 12 % in 10 s": what is in the way, or how steady it is. name: of the worst worker, if there is one. */
void steady_text(const struct steady_verdict *v, const char *name, struct buf *out);
