/* limits: how many processors and how much memory this process may use: of the machine, or what its control
 * groups (a container, a job of a batch system, a systemd unit) leave of it. */
#pragma once

#include <stdint.h>

#define LIMITS_GROUP                                                                     \
	512u /* bytes of a group's path; one that is longer counts, but is not named */

struct limits {
	uint64_t memory_bytes;
	uint32_t processors; /* that it may run on; at least 1 */
	uint32_t cpus; /* the same, or fewer by a quota; part of one counts as one */
	/* the least quota of processor time, in processors (0: there is none), of which group: the folder below root */
	double quota_cpus;
	char quota_group[LIMITS_GROUP];
};

/* root: "" or, for tests, a folder that holds proc/self/cgroup and sys/fs/cgroup. */
void limits_read(const char *root, struct limits *ret);
