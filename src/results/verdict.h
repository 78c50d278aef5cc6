/* verdict: what set the numbers of a run: the load generator, the network, or the storage. A table of rules over
 * what the machines were seen to do; pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct run_info;
struct run_worker;
struct json_writer;
struct buf;

enum bound {
	BOUND_NONE, /* nothing was at its limit */
	BOUND_GENERATOR,
	BOUND_NETWORK,
	BOUND_STORAGE,
	BOUNDS,
};
extern const char *const bound_names[BOUNDS]; /* "none" "generator" "network" "storage" */

/* In the order in which they count: a limit of the generator must not be taken for the store's. */
enum limit_kind {
	LIMIT_OTHERS, /* all processors, and programs that are not muster's had most of them */
	LIMIT_QUOTA,    /* the processor time that a control group lets it have */
	LIMIT_CPU,      /* all processors that the worker may use */
	LIMIT_THREADS,  /* each of its threads had a processor all the time */
	LIMIT_CORE,     /* the core of its only thread, with what else ran there */
	LIMIT_LATENESS, /* open loop: operations began late with slots free */
	LIMIT_MEMORY,
	LIMIT_STEAL,
	LIMIT_NETWORK,
	LIMIT_SLOTS, /* open loop: every slot was in use */
	LIMIT_DISK,
	LIMITS,
};

struct limit_rule {
	const char *name; /* as in metadata.json: "cpu" */
	const char *unit; /* of value: "%" */
	enum bound bound;
	double from; /* it was reached when value reached this */
	/* Negative: it does not apply, or nothing is known. */
	double (*value)(const struct run_info *info, const struct run_worker *rw);
	/* What was seen, to go behind "host1: ". */
	void (*why)(const struct run_info *info, const struct run_worker *rw,
		double value, struct buf *out);
	const char *advice;
};
extern const struct limit_rule limit_rules[LIMITS];

/* Whether a worker's machine reached a limit; ret_value (or NULL): how much of it. */
bool limit_reached(const struct run_info *info, const struct run_worker *rw,
	enum limit_kind kind, double *ret_value);

struct verdict {
	enum bound bound;
	const struct run_worker *worker; /* where; NULL: all of them alike, or nowhere */
	enum limit_kind limit;           /* of worker */
	double value;
	size_t n; /* machines that reached that limit */
};

/* When nothing reached a limit and the slots of a closed loop waited for the store, the store is what is
 * left. */
void verdict_find(const struct run_info *info, struct verdict *ret);

/* How busy all processors were, or those that a worker may use when these were busier, in %. */
double verdict_busy(const struct run_worker *rw);
/* Whether most of what the processors that it may use did was done by muster's workers on that machine. */
bool verdict_is_own(const struct run_info *info, const struct run_worker *rw);

/* "storage bound: host1: disk sda was busy 99 % of the time; ...": one sentence and what to do. */
void verdict_text(const struct run_info *info, struct buf *out);

/* Member "verdict"; null when nothing was measured. */
void verdict_members(struct json_writer *w, const struct run_info *info);
/* Member "limits": all that were reached, of all workers, or by name of one. */
void verdict_limits(struct json_writer *w, const struct run_info *info);
void verdict_worker_limits(
	struct json_writer *w, const struct run_info *info, const struct run_worker *rw);
