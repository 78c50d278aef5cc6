/* machine: what the machine did between two looks: processors, memory, network cards. */
#pragma once

#include <stdint.h>

struct machine_stats;

#define MACHINE_CPUS 1024

struct machine_cpu {
	uint64_t busy, all; /* clock ticks */
};

struct machine {
	struct machine_cpu total, cpu[MACHINE_CPUS];
	uint64_t at_ns, worker_cpu_ns;
	uint64_t rx_bytes, tx_bytes;
};

/* The first look. */
void machine_init(struct machine *m);

/* What came since the last look. Without /proc everything but worker_cpu and rss is 0. */
void machine_sample(struct machine *m, struct machine_stats *ret);
