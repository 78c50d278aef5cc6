/* run_info: what is to be said about a run besides its samples: metadata.json's content. Filled by the
 * orchestrator; strings are owned by the struct (malloc) and already safe to show. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/msg.h"

struct run_worker {
	char *id, *host, *address, *transport, *login, *host_key;
	struct msg_hello hello; /* facts; zeroed when it never said hello */
	bool said_hello;
	const char *state; /* "COMPLETED" "LOST" "ERROR" ... static text */
	char *reason;      /* why, or NULL */
	char *target;      /* or NULL */
	uint64_t lost_ns;  /* orchestrator's clock, 0: not lost */
	enum phase lost_in;
	int64_t offset_ns; /* worker's clock minus ours */
	uint64_t bound_ns; /* half the smallest round trip: |error of offset| at most */
	int64_t skew_ns; /* when its first thread began, minus the planned start, on our clock */
	bool skew_known;
	char **warnings; /* NULL-terminated, or NULL */
	/* maxima over measure, for machine limits */
	double busiest_core, cpu, worker_cpu;
	uint64_t rss_bytes, late_max_ns;
	uint64_t net_rx_max, net_tx_max; /* bytes/s, best interval */
	bool partial;
	/* open loop (run_rate.h) */
	double rate; /* operations per second that were asked of it; 0: closed loop */
	uint64_t started, never_started; /* of measure */
	double slots_busy; /* 0 to 1: part of the time in which operations were due and no slot was free */
	bool rate_known; /* it said so itself; else started is what it reported, and the rest 0 */
};

struct run_phase {
	enum phase phase;
	uint64_t start_ns, end_ns; /* orchestrator's monotonic clock */
	uint64_t planned_ns;       /* 0: as long as it takes */
	uint64_t done, errors, bytes, left;
};

struct run_info {
	char *run, *name, *version, *config, *command_line, *hostname, *target;
	bool shared;
	/* of object stores alone: whether it is one, and its certificate was verified where it has one */
	bool object_store, tls_verified;
	/* whether what writes files waits for stable storage: "all" of its ops do, "some", or "none"; static;
	 * NULL: nothing writes, or no files */
	const char *fsync;
	uint64_t seed;
	enum arrival arrival; /* of an open loop, and the timer that was asked for */
	enum timer timer;
	uint64_t wall_start_ns, wall_end_ns, start_ns, end_ns;
	uint64_t
		measured_ns; /* the denominator of rates: the planned length, or what was measured when
			       * the run was ended early */
	struct run_worker *workers;
	size_t n_workers;
	struct run_phase phases[8];
	size_t n_phases;
	const char *
		outcome; /* "completed" "degraded" "failed" "interrupted" ... static text */
	int exit_code;
	char **remarks; /* NULL-terminated, or NULL: warnings, limits, what was left behind */
};

/* Releases everything; r is empty then. */
void run_info_finish(struct run_info *r);

/* Limits of a machine that may have set the numbers instead of the storage. */
enum run_limit_kind { RUN_LIMIT_CORE, RUN_LIMIT_CPU, RUN_LIMIT_LATENESS, RUN_LIMITS };

struct run_limit {
	const char *name;  /* as in metadata.json: "core" */
	const char *label; /* for a person: "busiest core" */
	const char *unit;  /* of value: "%" "us" */
	double from;       /* it was hit when value reached this */
	double (*value)(const struct run_worker *rw);
};
extern const struct run_limit run_limits[RUN_LIMITS];

/* Bit per run_limit_kind that the worker's maxima reached. */
unsigned run_worker_limits(const struct run_worker *rw);
