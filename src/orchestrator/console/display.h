/* display: the texts of a run, as lines. Pure: what to show, never where. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "results/agg.h"

struct buf;

/* What there is to say of operations. */
struct display_counts {
	const char *what; /* "GET" */
	bool moves_data;
	uint64_t count, bytes, errors, retries;
	double seconds;
	const struct hist *response; /* NULL: none succeeded */
};
/* "GET: 19882 ops/s, 19.4 MiB/s (mean: 95µs, p50: 96µs, p95: 135µs, p99: 160µs, errors: 0)", with
 * "retries: 12" behind the errors when there were any. */
void display_counts(struct buf *out, const struct display_counts *c, bool utf8);

/* The same of numbers that were written down. */
struct display_rates {
	const char *operation; /* "GET" */
	bool moves_data;
	double ops_per_s, bytes_per_s;
	double mean_us, p50_us, p95_us, p99_us;
	uint64_t errors, retries;
};
void display_rates(struct buf *out, const struct display_rates *r, bool utf8);

/* "[#####-----]  15/30s  measure" with done of total seconds, cut to columns. */
void display_bar_time(struct buf *out, const char *phase, double done_s, double total_s,
	unsigned columns, bool utf8);
/* "[#####-----]  1,200/10,000 objects  410 objects/s  prepare" */
void display_bar_objects(struct buf *out, const char *phase, uint64_t done,
	uint64_t total, double per_s, unsigned columns, bool utf8);

/* Whether a line is such a bar: what a run without a terminal says from time to time. */
bool display_is_bar(const char *line);

/* "a, b, c and 12 more"; of names only the first `most` are looked at. */
void display_names(struct buf *out, const char *const *names, size_t n, size_t most);

/* How many of those that are waited for are named in a line of the moment. */
#define DISPLAY_WAITED_MAX 3
/* "; waiting for a, b, c and 12 more", or nothing with n 0. The same of names. */
void display_waited(struct buf *out, const char *const *names, size_t n);
