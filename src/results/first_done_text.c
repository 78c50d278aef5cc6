/* first_done_text: first done and last done, for people as elbencho shows it, and for programs. */
#include <inttypes.h>
#include <stdio.h>

#include "common/buf.h"
#include "common/units.h"
#include "results/first_done.h"
#include "results/json_writer.h"
#include "results/run_info.h"

#define MIB (1024.0 * 1024.0)

static double seconds(uint64_t ns)
{
	return ns ? (double)ns / 1e9 : 1e-9;
}

/* ---- for programs ---- */

static void put_counts(struct json_writer *w, const char *key,
	const struct done_counts *c, uint64_t elapsed_ns)
{
	jw_object(w, key);
	jw_uint(w, "count", c->count);
	jw_uint(w, "bytes", c->bytes);
	jw_real(w, "ops_per_sec", (double)c->count / seconds(elapsed_ns), 3);
	jw_real(w, "throughput_mibps", (double)c->bytes / seconds(elapsed_ns) / MIB, 3);
	jw_object_end(w);
}

static void put_end(struct json_writer *w, const char *key, const struct run_info *info,
	size_t worker, uint64_t at_ns)
{
	jw_object(w, key);
	jw_text(w, "worker", info->workers[worker].id);
	jw_real(w, "at_s", (double)at_ns / 1e9, 6);
	jw_object_end(w);
}

void first_done_members(struct json_writer *w, const struct run_info *info,
	const struct first_done_report *d)
{
	if (!d || d->workers > info->n_workers) {
		jw_null(w, "first_done");
		return;
	}
	jw_object(w, "first_done");
	put_end(w, "first", info, d->first, d->first_ns);
	put_end(w, "last", info, d->last, d->last_ns);
	jw_uint(w, "workers_through", d->through);
	jw_real(w, "tail_s", (double)(d->last_ns - d->first_ns) / 1e9, 6);
	jw_real(w, "tail_left_pct", d->left * 100, 3);
	jw_real(w, "spread_s", (double)d->spread_ns / 1e9, 6);
	jw_array(w, "ops");
	for (unsigned op = 0; op < OP_KINDS; op++) {
		if (!d->ops[op].seen)
			continue;
		jw_object(w, NULL);
		jw_text(w, "operation", op_infos[op].display);
		put_counts(w, "first", &d->ops[op].first, d->first_ns);
		put_counts(w, "last", &d->ops[op].last, d->last_ns);
		jw_object_end(w);
	}
	jw_array_end(w);
	jw_object(w, "all");
	put_counts(w, "first", &d->first_all, d->first_ns);
	put_counts(w, "last", &d->last_all, d->last_ns);
	jw_object_end(w);
	jw_object_end(w);
}

/* ---- for people ---- */

static void put_row(struct buf *out, const char *op, const char *what, const char *first,
	const char *last)
{
	buf_printf(out, "%-11s %-16s :%13s %13s\n", op, what, first, last);
}

static void put_real(struct buf *out, const char *what, double first, double last)
{
	char cells[2][32];

	snprintf(cells[0], sizeof(cells[0]), "%.*f", first < 10 ? 2 : 0, first);
	snprintf(cells[1], sizeof(cells[1]), "%.*f", last < 10 ? 2 : 0, last);
	put_row(out, "", what, cells[0], cells[1]);
}

static void put_op(struct buf *out, const struct first_done_report *d, const char *name,
	const struct done_counts *first, const struct done_counts *last)
{
	char cells[2][32];

	snprintf(cells[0], sizeof(cells[0]), "%.3fs", (double)d->first_ns / 1e9);
	snprintf(cells[1], sizeof(cells[1]), "%.3fs", (double)d->last_ns / 1e9);
	put_row(out, name, "Elapsed time", cells[0], cells[1]);
	put_real(out, "Ops/s", (double)first->count / seconds(d->first_ns),
		(double)last->count / seconds(d->last_ns));
	if (last->bytes) {
		put_real(out, "Throughput MiB/s",
			(double)first->bytes / seconds(d->first_ns) / MIB,
			(double)last->bytes / seconds(d->last_ns) / MIB);
		put_real(out, "Total MiB", (double)first->bytes / MIB,
			(double)last->bytes / MIB);
	}
	snprintf(cells[0], sizeof(cells[0]), "%" PRIu64, first->count);
	snprintf(cells[1], sizeof(cells[1]), "%" PRIu64, last->count);
	put_row(out, "", "Operations total", cells[0], cells[1]);
}

void first_done_table(const struct first_done_report *d, struct buf *out)
{
	unsigned n = 0;

	buf_printf(out, "%-11s %-16s  %13s %13s\n", "OPERATION", "RESULT", "FIRST DONE",
		"LAST DONE");
	for (unsigned op = 0; op < OP_KINDS; op++) {
		if (!d->ops[op].seen)
			continue;
		n++;
		put_op(out, d, op_infos[op].display, &d->ops[op].first, &d->ops[op].last);
	}
	if (n > 1)
		put_op(out, d, "ALL", &d->first_all, &d->last_all);
}

void first_done_tail(
	const struct run_info *info, const struct first_done_report *d, struct buf *out)
{
	if (d->workers < 2 || d->workers > info->n_workers)
		return;
	buf_printf(out,
		"%s ended %.3f s after %s, and had %.1f %% of its operations left then",
		info->workers[d->last].id, (double)(d->last_ns - d->first_ns) / 1e9,
		info->workers[d->first].id, d->left * 100);
	if (d->through < d->workers)
		buf_printf(out, "; %zu of %zu workers did not come to their end",
			d->workers - d->through, d->workers);
}
