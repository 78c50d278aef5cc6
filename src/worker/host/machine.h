/* machine: what the machine did between two looks: processors, memory, network cards, and the disks of the job's
 * targets. Looked at by the control thread, once per interval. */
#pragma once

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/cleanup.h"
#include "proto/msg.h"
#include "worker/host/mounts.h"
#include "worker/host/quota.h"

CLEANUP_DEFINE(FILE, fclose)

#define MACHINE_CPUS CPU_SETSIZE
#define MACHINE_CARDS_SEEN 256u

/* Clock ticks. */
struct machine_cpu {
	uint64_t user, system, iowait,
		steal;      /* user: with nice; system: with interrupts */
	uint64_t busy, all; /* busy: all but idle and iowait */
};

struct card_seen {
	char name[32];
	uint64_t speed_mbps; /* 0: nobody knows */
	uint64_t rx_bytes, tx_bytes;
};

struct disk_seen {
	bool seen;
	uint64_t reads, read_sectors, writes, write_sectors, busy_ms;
};

struct machine {
	struct machine_cpu total, cpu[MACHINE_CPUS];
	bool own[MACHINE_CPUS]; /* this process may run there */
	uint64_t at_ns, worker_cpu_ns;
	struct quota quota;
	uint64_t swap_in_pages, swap_out_pages;
	struct card_seen cards[MACHINE_CARDS_SEEN];
	size_t n_cards;
	const struct mounts *mounts; /* or NULL */
	struct disk_seen disks[MACHINE_DISKS_MAX];
	/* what the last sample points to */
	struct machine_card told_cards[MACHINE_CARDS_MAX];
	struct machine_disk told_disks[MACHINE_DISKS_MAX];
};

/* The first look. mounts (or NULL) must stay. */
void machine_init(struct machine *m, const struct mounts *mounts);

/* What came since the last look; names and arrays are m's, until the next one. Without /proc everything but
 * worker_cpu and rss is 0. */
void machine_sample(struct machine *m, struct machine_stats *ret);

/* machine_io.c: network cards and disks; interval_ns since the last look, 0: the first one. */
void machine_sample_cards(
	struct machine *m, uint64_t interval_ns, struct machine_stats *ret);
void machine_sample_disks(
	struct machine *m, uint64_t interval_ns, struct machine_stats *ret);
