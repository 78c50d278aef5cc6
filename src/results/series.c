/* series: deltas come from clocks that are not quite in step; each is sorted into the interval in which
 * its middle lies. Intervals that are open form a short list, in order of (phase, time). */
#include "results/series.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "results/agg.h"
#include "results/series_row.h"
#include "results/series_state.h"

#define MAX_NS (UINT64_C(1) << 60) /* 36 years */

static void bin_destroy(struct bin *b)
{
	if (!b)
		return;
	for (int i = 0; i <= NO_OP; i++) {
		hist_finish(&b->ops[i].response);
		hist_finish(&b->ops[i].service);
	}
	free(b->lengths_ns);
	free(b);
}

static struct bin *bin_create(size_t n)
{
	struct bin *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->lengths_ns = calloc(n ? n : 1, sizeof(b->lengths_ns[0]));
	for (int i = 0; i <= NO_OP; i++) {
		hist_init(&b->ops[i].response, 2);
		hist_init(&b->ops[i].service, 2);
	}
	if (!b->lengths_ns) {
		bin_destroy(b);
		return NULL;
	}
	return b;
}

static void bin_clear(struct bin *b, size_t n)
{
	for (int i = 0; i <= NO_OP; i++) {
		struct cell *c = &b->ops[i];

		c->seen = false;
		c->count = c->bytes = c->errors = 0;
		hist_reset(&c->response);
		hist_reset(&c->service);
	}
	memset(b->lengths_ns, 0, n * sizeof(b->lengths_ns[0]));
	b->late_max_ns = 0;
	memset(b->machine, 0, sizeof(b->machine));
}

void series_destroy(struct series *s)
{
	if (!s)
		return;
	for (struct bin *next, *b = s->open; b; b = next) {
		next = b->next;
		bin_destroy(b);
	}
	for (struct bin *next, *b = s->spare; b; b = next) {
		next = b->next;
		bin_destroy(b);
	}
	for (size_t i = 0; s->workers && i < s->n; i++)
		free(s->workers[i].id);
	free(s->workers);
	free(s->groups);
	buf_finish(&s->text);
	free(s);
}

/* A copy of id that cannot break a line or a cell. */
static char *cell_text(const char *id)
{
	char *copy = strdup(id);

	for (char *p = copy; p && *p; p++)
		if ((unsigned char)*p < 0x20)
			*p = ' ';
	return copy;
}

struct series *series_create(const char *const *ids, size_t n, uint64_t interval_ns,
	struct series_sink sink, struct err *err)
{
	struct series *s = calloc(1, sizeof(*s));

	if (s)
		s->workers = calloc(n ? n : 1, sizeof(s->workers[0]));
	if (!s || !s->workers)
		goto fail;
	s->n = n;
	s->interval_ns = interval_ns ? interval_ns : UINT64_C(1000000000);
	s->sink = sink;
	for (size_t i = 0; i < n; i++) {
		s->workers[i].id = cell_text(ids[i]);
		if (!s->workers[i].id)
			goto fail;
	}
	return s;
fail:
	series_destroy(s);
	err_sys(err, ENOMEM, "cannot keep a time series");
	return NULL;
}

/* Index of the group, or -ENOMEM. */
static long find_group(struct series *s, enum phase phase, uint64_t start_ns, int64_t idx)
{
	struct group *groups;

	for (size_t i = s->n_groups; i-- > 0;)
		if (s->groups[i].phase == phase && s->groups[i].start_ns == start_ns)
			return (long)i;
	groups = reallocarray(s->groups, s->n_groups + 1, sizeof(groups[0]));
	if (!groups)
		return -ENOMEM;
	s->groups = groups;
	s->groups[s->n_groups] = (struct group){.phase = phase,
		.start_ns = start_ns,
		.first_idx = idx,
		.reached_ns = INT64_MIN};
	s->newest_idx = idx;
	return (long)s->n_groups++;
}

/* The open bin at (group, idx), opened if need be; NULL: no memory. */
static struct bin *find_bin(struct series *s, size_t group, int64_t idx)
{
	struct bin **at = &s->open, *b;

	while (*at &&
		((*at)->group < group || ((*at)->group == group && (*at)->idx < idx)))
		at = &(*at)->next;
	if (*at && (*at)->group == group && (*at)->idx == idx)
		return *at;
	b = s->spare;
	if (b)
		s->spare = b->next;
	else
		b = bin_create(s->n);
	if (!b)
		return NULL;
	bin_clear(b, s->n);
	b->group = group;
	b->idx = idx;
	b->next = *at;
	*at = b;
	return b;
}

static int add_op(struct bin *b, const struct op_delta *d)
{
	struct cell *c = &b->ops[d->kind];

	c->seen = true;
	c->count += d->count;
	c->bytes += d->bytes;
	c->errors += op_errors_total(d->errors);
	if (hist_add(&c->response, &d->response) < 0 ||
		hist_add(&c->service, &d->service) < 0)
		return -ENOMEM;
	return 0;
}

/* Objects of prepare or cleanup. */
struct done {
	uint64_t count, bytes;
};

/* Per-worker rows: each op of the delta, zeros for those it did before, one of its own for the objects of
 * prepare and cleanup, and for a delta without anything. */
static void send_rows(struct series *s, size_t worker, const struct msg_stats *stats,
	struct series_row row, struct done done)
{
	unsigned missing = s->workers[worker].ops_seen;
	int rc = 0;

	for (size_t i = 0; i < stats->n_ops && rc == 0; i++) {
		const struct op_delta *d = &stats->ops[i];
		struct series_row op_row = row;

		missing &= ~(1u << d->kind);
		op_row.op = op_infos[d->kind].display;
		op_row.count = d->count;
		op_row.bytes = d->bytes;
		op_row.errors = op_errors_total(d->errors);
		op_row.response = &d->response;
		op_row.service = &d->service;
		rc = series_row_put(&s->text, &op_row);
	}
	for (unsigned op = 0; op < OP_KINDS && rc == 0; op++) {
		if (!(missing & 1u << op))
			continue;
		row.op = op_infos[op].display;
		rc = series_row_put(&s->text, &row);
	}
	if (rc == 0 && (!is_load(row.phase) || !s->text.len)) {
		row.op = "-";
		row.count = done.count;
		row.bytes = done.bytes;
		rc = series_row_put(&s->text, &row);
	}
	series_send(s, worker);
}

/* What came since the worker's last delta; done counts from the start of the phase. */
static uint64_t since(uint64_t *last, uint64_t now)
{
	uint64_t more = now > *last ? now - *last : 0;

	*last = now;
	return more;
}

static void enter_group(struct place *w, size_t group)
{
	if (w->seen && w->group == group)
		return;
	w->group = group;
	w->ops_seen = 0;
	w->done = w->done_bytes = 0;
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* Where a delta lies, in ns since the group's start on our clock. */
struct span {
	int64_t from, to, idx;
	double seconds;
};

/* False: times that no run can have. */
static bool find_span(const struct series *s, const struct msg_stats *stats,
	int64_t offset_ns, uint64_t start_ns, struct span *ret)
{
	uint64_t length =
		stats->to_ns > stats->from_ns ? stats->to_ns - stats->from_ns : 1;
	int64_t from = (int64_t)(stats->from_ns - (uint64_t)offset_ns - start_ns);

	if (length > MAX_NS || from > (int64_t)MAX_NS || from < -(int64_t)MAX_NS)
		return false;
	ret->from = from;
	ret->to = from + (int64_t)length;
	ret->idx = floor_div(from + (int64_t)(length / 2), (int64_t)s->interval_ns);
	ret->seconds = (double)length / 1e9;
	return true;
}

static int add_to_bin(struct bin *b, size_t worker, const struct msg_stats *stats,
	const struct span *span)
{
	double machine[SERIES_MACHINE];

	for (size_t i = 0; i < stats->n_ops; i++)
		if (add_op(b, &stats->ops[i]) < 0)
			return -ENOMEM;
	b->lengths_ns[worker] += (uint64_t)(span->to - span->from);
	if (stats->late_max_ns > b->late_max_ns)
		b->late_max_ns = stats->late_max_ns;
	series_machine_of(&stats->machine, span->seconds, machine);
	series_machine_merge(b->machine, machine);
	return 0;
}

static struct series_row worker_row(const struct series *s, const struct place *w,
	const struct msg_stats *stats, const struct span *span)
{
	struct series_row row = {
		.time_s = idx_time(s, span->idx),
		.interval_s = span->seconds,
		.worker = w->id,
		.phase = stats->phase,
		.state = "ok",
		.late_max_ns = stats->late_max_ns,
		.workers = 1,
	};

	series_machine_of(&stats->machine, span->seconds, row.machine);
	return row;
}

/* Objects since the worker's last delta of a phase that is not load. */
static struct done new_objects(struct place *w, const struct msg_stats *stats)
{
	struct done d = {0};

	if (!is_load(stats->phase)) {
		d.count = since(&w->done, stats->done);
		d.bytes = since(&w->done_bytes, stats->done_bytes);
	}
	return d;
}

/* The clocks move on: what that closes is closed. */
static void advance(
	struct series *s, struct place *w, size_t group, const struct span *span)
{
	w->seen = true;
	w->idx = span->idx;
	w->covered_ns = span->to;
	if (span->to > s->groups[group].reached_ns)
		s->groups[group].reached_ns = span->to;
	if (group == s->n_groups - 1 && span->idx > s->newest_idx)
		s->newest_idx = span->idx;
	series_close_over(s);
}

int series_add(struct series *s, size_t worker, const struct msg_stats *stats,
	int64_t offset_ns, uint64_t start_ns)
{
	struct span span;
	struct done done;
	struct place *w;
	struct bin *b;
	long group;

	if (worker >= s->n || stats->phase == PHASE_NONE ||
		!find_span(s, stats, offset_ns, start_ns, &span))
		return 0;
	group = find_group(s, stats->phase, start_ns, span.idx);
	b = group < 0 ? NULL : find_bin(s, (size_t)group, span.idx);
	if (!b || add_to_bin(b, worker, stats, &span) < 0)
		return -ENOMEM;
	w = &s->workers[worker];
	enter_group(w, (size_t)group);
	for (size_t i = 0; i < stats->n_ops; i++)
		w->ops_seen |= 1u << stats->ops[i].kind;
	s->groups[group].ops_seen |= w->ops_seen;
	done = new_objects(w, stats);
	b->ops[NO_OP].seen = true;
	b->ops[NO_OP].count += done.count;
	b->ops[NO_OP].bytes += done.bytes;
	send_rows(s, worker, stats, worker_row(s, w, stats, &span), done);
	advance(s, w, (size_t)group, &span);
	return 0;
}
