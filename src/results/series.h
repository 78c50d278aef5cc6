/* series: the rows of timeseries.tsv: deltas of workers sorted into intervals of the orchestrator's clock,
 * with the sums of all workers, and gaps that say so. Pure: text goes to a sink. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "proto/msg.h"

struct err;
struct series;

#define SERIES_ALL SIZE_MAX

struct series_sink {
	/* Whole lines about a worker (index) or SERIES_ALL. */
	void (*rows)(void *user, size_t worker, const char *text, size_t len);
	/* Response times of all workers in one interval of measure. */
	void (*interval)(void *user, enum op_kind op, double start_s, double length_s,
		const struct hist *h);
	void *user;
};

extern const char series_header[]; /* with a newline */

/* ids are copied. NULL: err is set. */
struct series *series_create(const char *const *ids, size_t n, uint64_t interval_ns,
	struct series_sink sink, struct err *err);
void series_destroy(struct series *s); /* takes NULL; what is open is not written */

/* One delta; offset_ns: the worker's clock minus ours, start_ns: what time_s counts from, on our clock.
 * Its rows come at once, those of all workers when the interval is closed: every worker that is left has
 * reported a later one, or 3 intervals are over. 0 or -ENOMEM. */
int series_add(struct series *s, size_t worker, const struct msg_stats *stats,
	int64_t offset_ns, uint64_t start_ns);
void series_lost(struct series *s, size_t worker);
/* Closes all intervals. */
void series_flush(struct series *s);
