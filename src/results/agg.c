/* agg: takes in what workers report, keeps sums of deltas and result lines per worker, and the newest
 * interval for the live view. agg_rows.c makes tables of it, agg_check.c compares it with itself. */
#include "results/agg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "results/agg_state.h"

static int no_memory(struct err *err)
{
	return err_sys(err, ENOMEM, "cannot add up results");
}

static void delta_sums_init(struct worker_sum *w)
{
	for (int op = 0; op < OP_KINDS; op++) {
		hist_init(&w->deltas[op].response, 2);
		hist_init(&w->deltas[op].service, 2);
	}
}

struct agg *agg_create(const char *const *ids, size_t n, struct err *err)
{
	struct agg *a = calloc(1, sizeof(*a));

	if (a)
		a->workers = calloc(n ? n : 1, sizeof(a->workers[0]));
	if (!a || !a->workers) {
		free(a);
		no_memory(err);
		return NULL;
	}
	a->n = n;
	for (size_t i = 0; i < 2; i++)
		live_init(&a->intervals[i]);
	a->open = &a->intervals[0];
	a->newest = &a->intervals[1];
	a->open_lacks = n;
	for (size_t i = 0; i < n; i++)
		delta_sums_init(&a->workers[i]);
	for (size_t i = 0; i < n; i++) {
		a->workers[i].id = strdup(ids[i]);
		if (!a->workers[i].id)
			goto fail;
	}
	for (size_t i = 0; i < 2; i++) {
		a->intervals[i].from = calloc(n ? n : 1, sizeof(bool));
		if (!a->intervals[i].from)
			goto fail;
	}
	return a;
fail:
	agg_destroy(a);
	no_memory(err);
	return NULL;
}

/* Frees what w has gathered; its id stays. */
static void worker_clear(struct worker_sum *w)
{
	char *id = w->id;

	for (size_t i = 0; i < w->n_lines; i++)
		free(w->lines[i].data);
	free(w->lines);
	endpoints_clear(w);
	for (int op = 0; op < OP_KINDS; op++) {
		free(w->totals[op].error_sample);
		free(w->deltas[op].error_sample);
		hist_finish(&w->deltas[op].response);
		hist_finish(&w->deltas[op].service);
	}
	*w = (struct worker_sum){.id = id};
	delta_sums_init(w);
}

static void forget_rows(struct agg *a)
{
	a->all.valid = false;
	a->one.valid = false;
}

void agg_reset(struct agg *a)
{
	forget_rows(a);
	for (size_t i = 0; i < a->n; i++)
		worker_clear(&a->workers[i]);
	for (size_t i = 0; i < 2; i++) {
		live_clear(&a->intervals[i], a->n);
		a->intervals[i].phase = PHASE_NONE;
	}
	a->open_lacks = a->n;
	a->live_ops = 0;
}

void agg_destroy(struct agg *a)
{
	if (!a)
		return;
	row_set_finish(&a->all);
	row_set_finish(&a->one);
	for (size_t i = 0; i < a->n; i++) {
		worker_clear(&a->workers[i]);
		free(a->workers[i].id);
	}
	for (size_t i = 0; i < 2; i++) {
		for (int op = 0; op < OP_KINDS; op++)
			hist_finish(&a->intervals[i].ops[op].response);
		free(a->intervals[i].from);
	}
	free(a->workers);
	free(a);
}

static int check_worker(const struct agg *a, size_t worker, struct err *err)
{
	if (worker < a->n)
		return 0;
	return err_set(err, ERR_FAILED, "no worker number %zu among %zu in the results",
		worker, a->n);
}

/* False when this delta came before. Remembers gaps: seq has none, also when deltas are folded. The first
 * one may have any number: those of prepare need not be given. */
static bool take_seq(struct worker_sum *w, const struct msg_stats *s)
{
	uint32_t expected = w->stats_seen ? w->last_seq + 1 : s->seq;

	if (w->stats_seen && s->seq <= w->last_seq) {
		w->seq_repeated++;
		return false;
	}
	w->seq_missing += s->seq - expected;
	w->stats_seen = true;
	w->last_seq = s->seq;
	return true;
}

uint64_t op_errors_total(const uint64_t errors[OP_ERRORS])
{
	uint64_t sum = 0;

	for (int i = OP_OK + 1; i < OP_ERRORS; i++)
		sum += errors[i];
	return sum;
}

static int add_delta(struct delta_sum *sum, const struct op_delta *d)
{
	int rc = hist_add(&sum->response, &d->response);

	if (rc == 0)
		rc = hist_add(&sum->service, &d->service);
	if (rc < 0)
		return rc;
	sum->seen = true;
	sum->count += d->count;
	sum->bytes += d->bytes;
	sum->retries += d->retries;
	for (int i = 0; i < OP_ERRORS; i++)
		sum->errors[i] += d->errors[i];
	return 0;
}

/* Deltas have one text for all ops: the first op that failed in it keeps it. */
static void keep_sample(struct worker_sum *w, const struct msg_stats *s)
{
	for (size_t i = 0; s->error_sample && i < s->n_ops; i++) {
		struct delta_sum *sum = &w->deltas[s->ops[i].kind];

		if (op_errors_total(s->ops[i].errors) == 0)
			continue;
		if (!sum->error_sample)
			sum->error_sample = strdup(s->error_sample);
		return;
	}
}

static int add_measured(struct agg *a, struct worker_sum *w, const struct msg_stats *s)
{
	forget_rows(a);
	for (size_t i = 0; i < s->n_ops; i++) {
		int rc = add_delta(&w->deltas[s->ops[i].kind], &s->ops[i]);

		if (rc < 0)
			return rc;
	}
	keep_sample(w, s);
	return 0;
}

int agg_add_stats(
	struct agg *a, size_t worker, const struct msg_stats *s, struct err *err)
{
	struct worker_sum *w;
	int rc = 0;

	if (check_worker(a, worker, err) < 0)
		return -1;
	w = &a->workers[worker];
	agg_results_end(a, worker);
	if (!take_seq(w, s))
		return 0;
	if (s->phase == PHASE_MEASURE)
		rc = add_measured(a, w, s);
	if (rc == 0)
		rc = live_take(a, worker, s);
	return rc < 0 ? no_memory(err) : 0;
}

static struct stored_line *new_line(struct worker_sum *w)
{
	if (w->n_lines == w->cap_lines) {
		size_t cap = w->cap_lines ? 2 * w->cap_lines : 16;
		struct stored_line *lines = reallocarray(w->lines, cap, sizeof(*lines));

		if (!lines)
			return NULL;
		w->lines = lines;
		w->cap_lines = cap;
	}
	return &w->lines[w->n_lines];
}

static bool has_line(
	const struct worker_sum *w, const struct msg_result *r, unsigned slot)
{
	for (size_t i = 0; i < w->n_lines; i++)
		if (w->lines[i].op == r->op && w->lines[i].slot == slot &&
			w->lines[i].kind == r->kind)
			return true;
	return false;
}

int hist_store(const struct hist *h, char **ret, size_t *ret_len)
{
	AUTO_BUF struct buf encoded = BUF_INIT;
	char *data;

	if (h->total == 0)
		return 0;
	if (hist_encode(h, &encoded) < 0)
		return -ENOMEM;
	/* the buffer was sized for the worst case */
	data = malloc(encoded.len);
	if (!data)
		return -ENOMEM;
	memcpy(data, encoded.data, encoded.len);
	*ret = data;
	*ret_len = encoded.len;
	return 0;
}

static int add_line(struct worker_sum *w, const struct msg_result *r, struct err *err)
{
	unsigned slot = r->bucket < BUCKETS ? r->bucket : SLOT_ALL;
	struct stored_line *line;

	if (has_line(w, r, slot))
		return err_set(err, ERR_FAILED, "worker %s sent the %s times of %s twice",
			w->id, sample_names[r->kind], op_infos[r->op].display);
	line = new_line(w);
	if (!line)
		return no_memory(err);
	*line = (struct stored_line){
		.op = r->op,
		.slot = slot,
		.kind = r->kind,
		.bytes = r->bytes,
		.total = r->hist.total,
		.min = r->hist.min,
		.max = r->hist.max,
		.sum = r->hist.sum,
	};
	if (hist_store(&r->hist, &line->data, &line->len) < 0)
		return no_memory(err);
	w->n_lines++;
	return 0;
}

static int add_totals(struct worker_sum *w, const struct msg_result *r, struct err *err)
{
	struct stored_totals *t = &w->totals[r->op];

	if (t->seen)
		return err_set(err, ERR_FAILED, "worker %s sent the totals of %s twice",
			w->id, op_infos[r->op].display);
	if (r->error_sample) {
		t->error_sample = strdup(r->error_sample);
		if (!t->error_sample)
			return no_memory(err);
	}
	t->seen = true;
	t->count = r->count;
	memcpy(t->errors, r->errors, sizeof(t->errors));
	t->drained = r->drained;
	t->abandoned = r->abandoned;
	t->retries = r->retries;
	t->pages = r->pages;
	t->entries = r->entries;
	return 0;
}

int agg_add_result(
	struct agg *a, size_t worker, const struct msg_result *r, struct err *err)
{
	struct worker_sum *w;
	int rc;

	if (check_worker(a, worker, err) < 0)
		return -1;
	forget_rows(a);
	w = &a->workers[worker];
	rc = r->kind == SAMPLE_KINDS ? add_totals(w, r, err) : add_line(w, r, err);
	if (rc == 0)
		w->n_results++;
	return rc;
}

void agg_results_end(struct agg *a, size_t worker)
{
	if (worker >= a->n || a->workers[worker].n_results == 0 ||
		a->workers[worker].ended)
		return;
	forget_rows(a);
	a->workers[worker].ended = true;
}

void agg_bye(struct agg *a, size_t worker, uint64_t lines)
{
	if (worker >= a->n)
		return;
	forget_rows(a);
	a->workers[worker].bye = true;
	a->workers[worker].bye_lines = lines;
}
