/* agg_check: a run checks itself. The merged histograms are held against what the workers said in
 * numbers, and what each said while it ran against what it said at the end. */
#include <inttypes.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "results/agg_state.h"

struct check {
	struct buf *out;
	size_t n;
};

#define SAY(c, ...) ((c)->n++, (void)buf_printf((c)->out, __VA_ARGS__))

/* What an op's numbers should be; counted apart from the rows. */
struct expected {
	uint64_t count, bytes, errors;
};

static void compare(struct check *c, const char *who, enum op_kind op,
	struct expected got, struct expected want)
{
	const struct {
		const char *what;
		uint64_t got, want;
	} rows[] = {
		{"operations", got.count, want.count},
		{"bytes", got.bytes, want.bytes},
		{"errors", got.errors, want.errors},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].got != rows[i].want)
			SAY(c, "%s: %s: %" PRIu64 " %s, but %" PRIu64 " were expected\n",
				who, op_infos[op].display, rows[i].got, rows[i].what,
				rows[i].want);
}

/* Samples in the response histograms of a worker's lines, and their bytes. */
static struct expected lines_of(const struct worker_sum *w, enum op_kind op)
{
	struct expected e = {.errors = op_errors_total(w->totals[op].errors)};

	for (size_t i = 0; i < w->n_lines; i++) {
		if (w->lines[i].op != op || w->lines[i].kind != SAMPLE_RESPONSE)
			continue;
		e.count += w->lines[i].total;
		e.bytes += w->lines[i].bytes;
	}
	return e;
}

static void check_complete(struct check *c, const struct worker_sum *w)
{
	for (unsigned i = 0; i < OP_KINDS; i++) {
		enum op_kind op = (enum op_kind)i;
		struct expected lines = lines_of(w, op);
		const struct delta_sum *d = &w->deltas[op];

		if (w->totals[op].seen && w->totals[op].count != lines.count)
			SAY(c,
				"%s: %s: histograms hold %" PRIu64
				" operations, the worker "
				"counted %" PRIu64 "\n",
				w->id, op_infos[op].display, lines.count,
				w->totals[op].count);
		/* a gap has its own line */
		if (w->seq_missing)
			continue;
		if (d->count != lines.count || d->bytes != lines.bytes)
			SAY(c,
				"%s: %s: interval reports add up to %" PRIu64
				" operations and "
				"%" PRIu64 " bytes, the final lines to %" PRIu64
				" and %" PRIu64 "\n",
				w->id, op_infos[op].display, d->count, d->bytes,
				lines.count, lines.bytes);
	}
}

/* Each operation went through one endpoint, or is among those that went through none. */
static void check_endpoints(struct check *c, const struct worker_sum *w)
{
	struct expected got = {0}, want = {0};

	for (size_t i = 0; i < w->n_endpoints; i++) {
		got.count += w->endpoints[i].total;
		got.bytes += w->endpoints[i].bytes;
		got.errors += op_errors_total(w->endpoints[i].errors);
	}
	for (unsigned op = 0; op < OP_KINDS; op++) {
		struct expected e = lines_of(w, (enum op_kind)op);

		want.count += e.count;
		want.bytes += e.bytes;
		want.errors += e.errors;
	}
	if (w->n_endpoints && (got.count != want.count || got.bytes != want.bytes ||
				      got.errors != want.errors))
		SAY(c,
			"%s: the endpoints add up to %" PRIu64 " operations, %" PRIu64
			" bytes and %" PRIu64 " errors, the operations to %" PRIu64
			", %" PRIu64 " and %" PRIu64 "\n",
			w->id, got.count, got.bytes, got.errors, want.count, want.bytes,
			want.errors);
}

static void check_worker(struct check *c, const struct worker_sum *w)
{
	if (w->bye && w->bye_lines != w->n_results)
		SAY(c, "%s: sent %" PRIu64 " result lines, %" PRIu64 " came\n", w->id,
			w->bye_lines, w->n_results);
	if (w->seq_missing)
		SAY(c, "%s: %" PRIu64 " interval reports are missing\n", w->id,
			w->seq_missing);
	if (w->seq_repeated)
		SAY(c, "%s: %" PRIu64 " interval reports came twice\n", w->id,
			w->seq_repeated);
	if (!worker_complete(w))
		return;
	check_complete(c, w);
	check_endpoints(c, w);
}

/* What the worker says it did: its totals lines, or the sums of its deltas. */
static void expect_worker(const struct worker_sum *w, struct expected want[OP_KINDS])
{
	for (unsigned op = 0; op < OP_KINDS; op++) {
		struct expected e = lines_of(w, (enum op_kind)op);

		if (!worker_uses_lines(w))
			e = (struct expected){w->deltas[op].count, w->deltas[op].bytes,
				op_errors_total(w->deltas[op].errors)};
		else if (w->totals[op].seen)
			e.count = w->totals[op].count;
		want[op].count += e.count;
		want[op].bytes += e.bytes;
		want[op].errors += e.errors;
	}
}

/* A delta's histogram may lag its count by what was recorded while it was made, so the sums of a
 * lost worker need not agree to the last operation. */
static bool any_partial(const struct agg *a)
{
	for (size_t i = 0; i < a->n; i++)
		if (agg_partial(a, i))
			return true;
	return false;
}

static void check_merged(struct check *c, struct agg *a)
{
	struct expected want[OP_KINDS] = {{0}};
	struct err err = ERR_INIT;

	if (row_set_make(a, &a->all, AGG_ALL, &err) < 0) {
		SAY(c, "merging failed: %s\n", err.text);
		return;
	}
	for (size_t i = 0; i < a->n; i++)
		expect_worker(&a->workers[i], want);
	for (unsigned op = 0; op < OP_KINDS; op++) {
		const struct row_cell *all;
		struct expected got;

		if (!a->all.cells[op])
			continue;
		all = &a->all.cells[op][SLOT_ALL];
		got = (struct expected){
			all->count, all->bytes, op_errors_total(all->errors)};
		compare(c, "all workers", (enum op_kind)op, got, want[op]);
		if (!any_partial(a) && all->hists[SAMPLE_RESPONSE].total != all->count)
			SAY(c,
				"all workers: %s: the merged histogram holds %" PRIu64
				" operations, the table %" PRIu64 "\n",
				op_infos[op].display, all->hists[SAMPLE_RESPONSE].total,
				all->count);
	}
}

size_t agg_check(struct agg *a, struct buf *out)
{
	struct check c = {.out = out};

	for (size_t i = 0; i < a->n; i++)
		check_worker(&c, &a->workers[i]);
	check_merged(&c, a);
	return c.n;
}
