/* process: which process of which machine something is. A pid alone is never enough: it may be another's by
 * now. A process is its pid, the time it started, the boot it started in, and the machine. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

struct err;

struct process_id {
	pid_t pid;
	uint64_t start_ticks; /* of /proc/PID/stat, since the boot */
	uint64_t pid_ns; /* inode of the pid namespace: containers count for themselves */
	char boot_id[64];
	char machine[128]; /* machine-id, or the host name where there is none */
};

enum process_state {
	PROCESS_RUNS,
	PROCESS_GONE,
	PROCESS_ELSEWHERE, /* of another machine or container: nothing can be said */
};

/* This process. */
int process_self(struct process_id *ret, struct err *err);

enum process_state process_state(const struct process_id *p);

/* Sends it a signal, after making sure that it is still the same. */
int process_signal(const struct process_id *p, int signo, struct err *err);
