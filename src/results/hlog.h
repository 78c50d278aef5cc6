/* hlog: lines of an HdrHistogram log, version 1.2 (HistogramLogWriter.java of HdrHistogram 2.1). */
#pragma once

#include <stdint.h>

struct buf;
struct hist;

/* The lines at the top. wall_ns: the moment that lines count from. Returns 0 or -ENOMEM. */
int hlog_header(struct buf *out, uint64_t wall_ns);

/* One interval: start and length in seconds; the maximum is written in ms. Returns 0 or -ENOMEM. */
int hlog_line(struct buf *out, const char *tag, double start_s, double length_s,
	const struct hist *h);
