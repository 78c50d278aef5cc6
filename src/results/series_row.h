/* series_row: one line of timeseries.tsv. */
#pragma once

#include "proto/msg.h"

struct buf;

struct series_row {
	double time_s, interval_s;
	const char *worker;
	enum phase phase;
	const char *op;    /* "-": none */
	const char *state; /* "ok" "late" "missing" "lost" */
	uint64_t count, bytes, errors;
	const struct hist *response, *service; /* NULL: none */
	uint64_t late_max_ns;
	double busiest_core, cpu, worker_cpu;
	double net_rx, net_tx; /* bytes per second */
	size_t workers;
};

/* Appends the line: 0 or -ENOMEM. */
int series_row_put(struct buf *out, const struct series_row *row);
