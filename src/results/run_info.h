/* run_info: what is to be said about a run besides its samples: metadata.json's content. Filled by the
 * orchestrator; strings are owned by the struct (malloc) and already safe to show. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/msg.h"
#include "results/machine_seen.h"

struct first_done_report;

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
	/* over measure; the caller's, and may be NULL */
	const struct machine_seen *machine;
	uint64_t late_max_ns;
	uint32_t threads, slots; /* of its engine; 0: not known */
	double waited; /* 0 to 1: part of the time that a slot waited for the store, on average */
	/* where its files lie; the caller's */
	const struct msg_mount *mounts;
	size_t n_mounts;
	bool partial;
	/* open loop (run_rate.h) */
	double rate; /* operations per second that were asked of it; 0: closed loop */
	uint64_t started, never_started, carried; /* of measure */
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
	const struct first_done_report
		*first_done; /* the caller's; NULL: not such a run */
	bool shared;
	/* of object stores alone: whether it is one, and its certificate was verified where it has one */
	bool object_store, tls_verified;
	/* whether what writes files waits for stable storage: "all" of its ops do, "some", or "none"; static;
	 * NULL: nothing writes, or no files. And the same of each operation */
	const char *fsync, *fsync_of[OP_KINDS];
	uint64_t seed;
	enum arrival arrival; /* of an open loop, and the timer that was asked for */
	enum timer timer;
	uint64_t ended,
		failed; /* the same: operations that ended in measure, and those of them that failed */
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
