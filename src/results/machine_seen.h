/* machine_seen: what a machine did over the measured part, from its interval reports: means weighted by time, and
 * maxima of single intervals. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "proto/msg.h"

struct json_writer;

enum machine_value {
	SEEN_BUSIEST_CORE,
	SEEN_CPU,
	SEEN_OWN_CPU,
	SEEN_USER,
	SEEN_SYSTEM,
	SEEN_IOWAIT,
	SEEN_STEAL,
	SEEN_WORKER_CPU,
	SEEN_QUOTA_CPU,
	SEEN_THROTTLED,
	SEEN_RSS,
	SEEN_AVAILABLE, /* its extreme is the least that there was */
	SEEN_SWAP_IN,
	SEEN_SWAP_OUT,
	SEEN_NET_RX,
	SEEN_NET_TX,
	MACHINE_VALUES,
};

/* A sum over time, and the extreme. */
struct seen_sum {
	double sum, max;
};

struct seen_card {
	char *name;
	uint64_t speed_mbps; /* 0: nobody knows */
	struct seen_sum share, rx, tx;
};

struct seen_disk {
	char *name;
	struct seen_sum busy, read_bytes, write_bytes, reads, writes;
};

struct machine_seen {
	double seconds;    /* of all intervals; 0: nothing is known */
	double quota_cpus; /* processors' time that its control group lets it have; 0: any */
	struct seen_sum values[MACHINE_VALUES];
	struct seen_card *cards;
	size_t n_cards;
	struct seen_disk *disks;
	size_t n_disks;
};

/* An interval of that length. What there is no memory for is left out. */
void machine_seen_add(
	struct machine_seen *m, const struct machine_stats *s, double seconds);
void machine_seen_finish(struct machine_seen *m);

/* Percentages, bytes, or bytes per second; 0 when nothing is known (m may be NULL). */
double machine_seen_mean(const struct machine_seen *m, enum machine_value v);
double machine_seen_max(const struct machine_seen *m, enum machine_value v);
/* Of a card or disk of m. */
double seen_mean(const struct machine_seen *m, const struct seen_sum *s);

/* The one whose share of its speed was the highest, of those that know theirs; which was the busiest. NULL: none. */
const struct seen_card *machine_seen_card(const struct machine_seen *m);
const struct seen_disk *machine_seen_disk(const struct machine_seen *m);

/* Members maxima, means, cards and disks of a worker. */
void machine_seen_members(
	struct json_writer *w, const struct machine_seen *m, uint64_t late_max_ns);
