/* cpu: what the processors did between two looks at /proc/stat, and where threads run. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "proto/net.h"

#define NET_CPUS 1024

struct net_cpu_times {
	uint64_t busy, all; /* clock ticks */
};

struct net_cpu_look {
	struct net_cpu_times total, cpu[NET_CPUS];
	uint32_t count;
	uint64_t user_ns, system_ns; /* of this process */
};

void net_cpu_look(struct net_cpu_look *ret);
/* Fills all of ret but placement. */
void net_cpu_between(const struct net_cpu_look *from, const struct net_cpu_look *to,
	struct net_cpu *ret);

/* The processor on which thread tid of this process ran last; -1: not known. */
int net_cpu_of_thread(pid_t tid);

/* "3" or "0-3,8" into cpus, of which there are max. The number of them, or -1: no such list. */
int net_cpu_list(const char *text, unsigned *cpus, int max);
/* How many processors this process may use. */
unsigned net_cpu_usable(void);
