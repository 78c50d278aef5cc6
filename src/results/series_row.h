/* series_row: one line of timeseries.tsv. */
#pragma once

#include "proto/msg.h"

struct buf;

/* What is said of a machine, in the order of the columns. */
enum series_machine {
	SERIES_BUSIEST_CORE,
	SERIES_CPU,
	SERIES_WORKER_CPU,
	SERIES_NET_RX, /* MiB/s */
	SERIES_NET_TX,
	SERIES_BEHIND_WORKERS, /* later columns stand behind that of workers */
	SERIES_USER = SERIES_BEHIND_WORKERS,
	SERIES_SYSTEM,
	SERIES_IOWAIT,
	SERIES_STEAL,
	SERIES_AVAILABLE, /* MiB */
	SERIES_SWAP,      /* MiB/s, in and out */
	SERIES_CARD,      /* share of its speed, of the card that has the highest */
	SERIES_DISK,      /* of the busiest disk */
	SERIES_DISK_READ, /* MiB/s, of all disks below the targets */
	SERIES_DISK_WRITE,
	SERIES_DISK_OPS,
	SERIES_MACHINE,
};

struct series_row {
	double time_s, interval_s;
	const char *worker;
	enum phase phase;
	const char *op;    /* "-": none */
	const char *state; /* "ok" "late" "missing" "lost" */
	uint64_t count, bytes, errors;
	const struct hist *response, *service; /* NULL: none */
	uint64_t late_max_ns;
	double machine[SERIES_MACHINE];
	size_t workers;
};

/* Of an interval that was so many seconds long. */
void series_machine_of(
	const struct machine_stats *s, double seconds, double ret[SERIES_MACHINE]);
/* Makes into what is to be said of both: the highest, of memory the least. */
void series_machine_merge(double into[SERIES_MACHINE], const double more[SERIES_MACHINE]);

/* Appends the line: 0 or -ENOMEM. */
int series_row_put(struct buf *out, const struct series_row *row);
