/* agg_rows: the final table, of one worker or of all: histograms merged by adding counts. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "results/agg_state.h"

static int no_memory(struct err *err)
{
	return err_sys(err, ENOMEM, "cannot merge results");
}

bool worker_complete(const struct worker_sum *w)
{
	return w->bye ? w->bye_lines == w->n_results : w->ended;
}

static bool any_delta(const struct worker_sum *w)
{
	for (int op = 0; op < OP_KINDS; op++)
		if (w->deltas[op].seen)
			return true;
	return false;
}

bool worker_uses_lines(const struct worker_sum *w)
{
	return worker_complete(w) || !any_delta(w);
}

bool agg_partial(const struct agg *a, size_t worker)
{
	const struct worker_sum *w;

	if (worker >= a->n)
		return false;
	w = &a->workers[worker];
	return !worker_complete(w) && (any_delta(w) || w->n_results);
}

double agg_waited_ns(const struct agg *a, size_t worker)
{
	const struct worker_sum *w;
	double sum = 0;

	if (worker >= a->n)
		return 0;
	w = &a->workers[worker];
	for (size_t i = 0; worker_uses_lines(w) && i < w->n_lines; i++)
		if (w->lines[i].kind == SAMPLE_RESPONSE ||
			w->lines[i].kind == SAMPLE_FAILED)
			sum += (double)w->lines[i].sum;
	for (int op = 0; !worker_uses_lines(w) && op < OP_KINDS; op++)
		sum += (double)w->deltas[op].response.sum;
	return sum;
}

void row_set_finish(struct row_set *s)
{
	for (int op = 0; op < OP_KINDS; op++) {
		for (unsigned i = 0; s->cells[op] && i < BUCKET_SLOTS; i++)
			for (int k = 0; k < SAMPLE_KINDS; k++)
				hist_finish(&s->cells[op][i].hists[k]);
		free(s->cells[op]);
		s->cells[op] = NULL;
	}
	s->valid = false;
}

/* The cells of an op, made when they are asked for first; NULL: no memory. */
static struct row_cell *op_cells(struct row_set *s, enum op_kind op)
{
	if (!s->cells[op]) {
		s->cells[op] = calloc(BUCKET_SLOTS, sizeof(struct row_cell));
		for (unsigned i = 0; s->cells[op] && i < BUCKET_SLOTS; i++)
			for (int k = 0; k < SAMPLE_KINDS; k++)
				hist_init(&s->cells[op][i].hists[k], 3);
	}
	return s->cells[op];
}

static int add_line(struct row_cell *cell, const struct stored_line *line,
	struct hist *scratch, struct err *err)
{
	cell->used = true;
	if (line->kind == SAMPLE_RESPONSE) {
		cell->count += line->total;
		cell->bytes += line->bytes;
	}
	if (line->total == 0)
		return 0;
	if (hist_decode(line->data, line->len, scratch, err) < 0)
		return -1;
	scratch->min = line->min;
	scratch->max = line->max;
	scratch->sum = line->sum;
	return hist_add(&cell->hists[line->kind], scratch) < 0 ? no_memory(err) : 0;
}

static void add_totals(struct row_cell *cell, const struct stored_totals *t)
{
	cell->used = true;
	for (int i = 0; i < OP_ERRORS; i++)
		cell->errors[i] += t->errors[i];
	cell->drained += t->drained;
	cell->abandoned += t->abandoned;
	cell->retries += t->retries;
	cell->pages += t->pages;
	cell->entries += t->entries;
	if (!cell->error_sample)
		cell->error_sample = t->error_sample;
}

static int add_deltas(struct row_cell *cell, const struct delta_sum *d, struct err *err)
{
	cell->used = true;
	cell->count += d->count;
	cell->bytes += d->bytes;
	cell->retries += d->retries;
	for (int i = 0; i < OP_ERRORS; i++)
		cell->errors[i] += d->errors[i];
	if (!cell->error_sample)
		cell->error_sample = d->error_sample;
	if (hist_add(&cell->hists[SAMPLE_RESPONSE], &d->response) < 0 ||
		hist_add(&cell->hists[SAMPLE_SERVICE], &d->service) < 0)
		return no_memory(err);
	return 0;
}

static int add_worker_lines(
	struct row_set *s, const struct worker_sum *w, struct err *err)
{
	CLEANUP(hist_finish) struct hist scratch;

	hist_init(&scratch, 3);
	for (size_t i = 0; i < w->n_lines; i++) {
		const struct stored_line *line = &w->lines[i];
		struct row_cell *cells = op_cells(s, line->op);

		if (!cells)
			return no_memory(err);
		if (add_line(&cells[line->slot], line, &scratch, err) < 0)
			return err_prefix(err, "worker %s", w->id);
	}
	for (unsigned op = 0; op < OP_KINDS; op++) {
		struct row_cell *cells;

		if (!w->totals[op].seen)
			continue;
		cells = op_cells(s, (enum op_kind)op);
		if (!cells)
			return no_memory(err);
		add_totals(&cells[SLOT_ALL], &w->totals[op]);
	}
	return 0;
}

static int add_worker_deltas(
	struct row_set *s, const struct worker_sum *w, struct err *err)
{
	for (unsigned op = 0; op < OP_KINDS; op++) {
		struct row_cell *cells;

		if (!w->deltas[op].seen)
			continue;
		cells = op_cells(s, (enum op_kind)op);
		if (!cells)
			return no_memory(err);
		if (add_deltas(&cells[SLOT_ALL], &w->deltas[op], err) < 0)
			return -1;
	}
	return 0;
}

/* ALL += the buckets. */
static int sum_buckets(struct row_cell *cells, struct err *err)
{
	struct row_cell *all = &cells[SLOT_ALL];

	all->used = true;
	for (unsigned i = 0; i < BUCKETS; i++) {
		if (!cells[i].used)
			continue;
		all->count += cells[i].count;
		all->bytes += cells[i].bytes;
		for (int k = 0; k < SAMPLE_KINDS; k++)
			if (hist_add(&all->hists[k], &cells[i].hists[k]) < 0)
				return no_memory(err);
	}
	return 0;
}

int row_set_make(struct agg *a, struct row_set *s, size_t worker, struct err *err)
{
	if (s->valid && s->worker == worker)
		return 0;
	row_set_finish(s);
	for (size_t i = 0; i < a->n; i++) {
		const struct worker_sum *w = &a->workers[i];
		int rc;

		if (worker != AGG_ALL && worker != i)
			continue;
		rc = worker_uses_lines(w) ? add_worker_lines(s, w, err)
					  : add_worker_deltas(s, w, err);
		if (rc < 0)
			return rc;
	}
	for (int op = 0; op < OP_KINDS; op++)
		if (s->cells[op] && sum_buckets(s->cells[op], err) < 0)
			return -1;
	s->worker = worker;
	s->valid = true;
	return 0;
}

/* A bucket of which only failed operations are known has nothing to show beside ALL's errors. */
static bool has_row(const struct row_cell *cell, unsigned slot)
{
	return slot == SLOT_ALL ? cell->used : cell->used && cell->count;
}

static struct agg_row row_of(const struct row_cell *cell, enum op_kind op, unsigned slot)
{
	struct agg_row row = {
		.op = op,
		.bucket = slot == SLOT_ALL ? BUCKET_ALL : slot,
		.count = cell->count,
		.bytes = cell->bytes,
		.drained = cell->drained,
		.abandoned = cell->abandoned,
		.retries = cell->retries,
		.pages = cell->pages,
		.entries = cell->entries,
		.error_sample = cell->error_sample,
	};

	memcpy(row.errors, cell->errors, sizeof(row.errors));
	for (int k = 0; k < SAMPLE_KINDS; k++)
		row.kinds[k] = cell->hists[k].total ? &cell->hists[k] : NULL;
	return row;
}

int agg_rows(struct agg *a, size_t worker, struct agg_row **ret, size_t *ret_n,
	struct err *err)
{
	struct row_set *s = worker == AGG_ALL ? &a->all : &a->one;
	struct agg_row *rows;
	size_t n = 0;

	if (worker != AGG_ALL && worker >= a->n)
		return err_set(
			err, ERR_FAILED, "no worker number %zu in the results", worker);
	if (row_set_make(a, s, worker, err) < 0)
		return -1;
	rows = calloc(OP_KINDS * BUCKET_SLOTS, sizeof(*rows));
	if (!rows)
		return no_memory(err);
	for (unsigned op = 0; op < OP_KINDS; op++)
		for (unsigned i = 0; s->cells[op] && i < BUCKET_SLOTS; i++)
			if (has_row(&s->cells[op][i], i))
				rows[n++] = row_of(&s->cells[op][i], (enum op_kind)op, i);
	*ret = rows;
	*ret_n = n;
	return 0;
}
