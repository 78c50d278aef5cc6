/* run_totals: the numbers of a run as its report has them: per operation, per endpoint, per worker. */
#include <inttypes.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/units.h"
#include "orchestrator/console/console.h"
#include "orchestrator/console/display.h"
#include "orchestrator/run/run_private.h"

#define DRAINED_PART 0.01 /* of all ops: more than this is worth a warning */

/* Operations, what they moved or found, and how long it took. */
static void show_sums(struct console *con, const struct agg_row *row, double seconds)
{
	AUTO_BUF struct buf line = BUF_INIT;

	buf_puts(&line, units_of(row->count, "operation").s);
	if (op_infos[row->op].moves_data)
		buf_printf(&line, ", %s", units_bytes(row->bytes).s);
	if (row->pages)
		buf_printf(&line, ", %s", units_of(row->pages, "page").s);
	if (row->entries && (row->pages || row->entries != row->count))
		buf_printf(&line, ", %s",
			units_of(row->entries, row->pages ? "entry" : "object").s);
	console_always(con, "    %s in %.1f s", line.data ? line.data : "", seconds);
}

/* How many failed in which way, and what the first one said. */
static void show_errors(struct console *con, const struct agg_row *row)
{
	AUTO_BUF struct buf line = BUF_INIT;

	for (enum op_error e = OP_OK + 1; e < OP_ERRORS; e++)
		if (row->errors[e])
			buf_printf(&line, "%s%s %s", line.len ? ", " : "",
				op_error_names[e], units_count(row->errors[e]).s);
	if (line.len && row->error_sample)
		buf_printf(&line, "; first error: %s", row->error_sample);
	if (line.len)
		console_always(con, "    %s", line.data);
}

/* Other errors are results; this one says that a store lost what it was given. */
static void note_corrupt(struct run *r, const struct agg_row *rows, size_t n)
{
	uint64_t corrupt = 0;

	for (size_t i = 0; i < n; i++)
		if (rows[i].bucket == BUCKET_ALL &&
			(rows[i].op == OP_GET || rows[i].op == OP_RANGE_GET))
			corrupt += rows[i].errors[OP_ERR_CORRUPT];
	if (!corrupt)
		return;
	r->corrupt = true;
	run_remark(r, "%s found other content than was written there: the exit code is 1",
		units_of(corrupt, "read").s);
}

void run_show_totals(struct run *r, const struct agg_row *rows, size_t n, double seconds)
{
	struct console *con = r->ctx.console;
	AUTO_BUF struct buf late = BUF_INIT;
	uint64_t abandoned = 0;

	for (size_t i = 0; i < n; i++) {
		AUTO_BUF struct buf line = BUF_INIT;
		const struct agg_row *row = &rows[i];
		uint64_t drained = row->drained + row->abandoned;

		if (row->bucket != BUCKET_ALL)
			continue;
		display_counts(&line,
			&(struct display_counts){
				.what = op_infos[row->op].display,
				.moves_data = op_infos[row->op].moves_data,
				.count = row->count,
				.bytes = row->bytes,
				.errors = op_errors_total(row->errors),
				.retries = row->retries,
				.seconds = seconds,
				.response = row->kinds[SAMPLE_RESPONSE],
			},
			console_utf8(con));
		console_always(con, "%s", line.data);
		show_sums(con, row, seconds);
		show_errors(con, row);
		if ((double)drained <= DRAINED_PART * (double)row->count)
			continue;
		buf_printf(&late, "%s%s %" PRIu64, late.len ? ", " : "",
			op_infos[row->op].display, drained);
		abandoned += row->abandoned;
	}
	note_corrupt(r, rows, n);
	if (late.len && abandoned)
		buf_printf(&late, "; %" PRIu64 " of them never ended", abandoned);
	if (late.len)
		run_remark(r,
			"operations that ended after the measured time, and are in no "
			"rate: %s",
			late.data);
}

void run_show_endpoints(struct run *r, double seconds)
{
	struct console *con = r->ctx.console;
	struct err ignored = ERR_INIT;
	struct agg_endpoint *list;
	size_t n;

	if (agg_endpoints(r->agg, AGG_ALL, &list, &n, &ignored) < 0)
		return;
	if (n)
		console_line(con, "Per endpoint, all operations:");
	for (size_t i = 0; i < n; i++) {
		AUTO_BUF struct buf line = BUF_INIT;

		display_counts(&line,
			&(struct display_counts){
				.what = *list[i].uri ? list[i].uri : "elsewhere",
				.moves_data = true,
				.count = list[i].count,
				.bytes = list[i].bytes,
				.errors = op_errors_total(list[i].errors),
				.seconds = seconds,
				.response = &list[i].response,
			},
			console_utf8(con));
		console_line(con, "  %s", line.data ? line.data : "");
	}
	agg_endpoints_free(list, n);
}

void run_show_workers(struct run *r, double seconds)
{
	struct console *con = r->ctx.console;

	console_line(con, "Per worker:");
	for (size_t i = 0; i < r->n; i++) {
		const struct fleet_worker *w = r->members[i].w;
		struct agg_row *rows = NULL;
		struct err err = ERR_INIT;
		size_t n = 0;
		double per_s;
		AUTO_BUF struct buf line = BUF_INIT;

		if (agg_rows(r->agg, i, &rows, &n, &err) < 0)
			continue;
		for (size_t k = 0; k < n; k++) {
			if (rows[k].bucket != BUCKET_ALL)
				continue;
			per_s = (double)rows[k].count / seconds;
			buf_printf(&line, "%s%s %.*f ops/s", line.len ? ", " : "",
				op_infos[rows[k].op].display, per_s < 10 ? 2 : 0, per_s);
			if (op_infos[rows[k].op].moves_data)
				buf_printf(&line, " %s",
					units_mib_per_s((double)rows[k].bytes / seconds)
						.s);
		}
		free(rows);
		console_line(con, "  %-18s %s%s%s", w->id,
			line.data ? line.data : "no results",
			agg_partial(r->agg, i) && line.data ? "  (partial: " : "",
			agg_partial(r->agg, i) && line.data ? "until it was lost)" : "");
	}
}
