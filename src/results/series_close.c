/* series_close: an interval is closed when all workers have gone on: its gaps and its sums are
 * written, and its bin is kept for the next one. */
#include <string.h>

#include "results/series_row.h"
#include "results/series_state.h"

#define MAX_AGE 3 /* intervals that a bin waits for its workers */

/* The row's text goes to the sink when the caller is done with all of them. */
void series_send(struct series *s, size_t worker)
{
	if (s->text.len)
		s->sink.rows(s->sink.user, worker, s->text.data, s->text.len);
	buf_clear(&s->text);
}

static void send_gap(
	struct series *s, const struct bin *b, size_t worker, const char *state)
{
	struct series_row row = {
		.time_s = idx_time(s, b->idx),
		.interval_s = (double)s->interval_ns / 1e9,
		.worker = s->workers[worker].id,
		.phase = s->groups[b->group].phase,
		.op = "-",
		.state = state,
	};

	if (series_row_put(&s->text, &row) == 0)
		series_send(s, worker);
}

/* Why a worker is not in a bin; NULL: nothing to say. */
static const char *gap_state(
	const struct series *s, const struct bin *b, const struct place *w)
{
	const struct group *g = &s->groups[b->group];
	int64_t middle = b->idx * (int64_t)s->interval_ns + (int64_t)s->interval_ns / 2;

	if (w->lost)
		return "lost";
	if (w->seen && w->group > b->group)
		return NULL; /* its phase was over */
	if (w->seen && w->group == b->group && w->covered_ns > middle)
		return "late";
	/* the end of a phase cuts the last interval short */
	return g->reached_ns >= middle ? "missing" : NULL;
}

static void send_gaps(struct series *s, const struct bin *b)
{
	const struct group *g = &s->groups[b->group];

	/* workers end their part of prepare at different times; a bin that is opened again had
	 * its gaps the first time */
	if (!is_load(g->phase) || (g->any_closed && b->idx <= g->closed_idx))
		return;
	for (size_t i = 0; i < s->n; i++) {
		const char *state =
			b->lengths_ns[i] ? NULL : gap_state(s, b, &s->workers[i]);

		if (state)
			send_gap(s, b, i, state);
	}
}

static struct series_row sum_row(const struct series *s, const struct bin *b)
{
	struct series_row row = {
		.time_s = idx_time(s, b->idx),
		.worker = "all",
		.phase = s->groups[b->group].phase,
		.state = "ok",
		.late_max_ns = b->late_max_ns,
	};
	uint64_t longest = 0;

	memcpy(row.machine, b->machine, sizeof(row.machine));
	for (size_t i = 0; i < s->n; i++) {
		row.workers += b->lengths_ns[i] > 0;
		longest = b->lengths_ns[i] > longest ? b->lengths_ns[i] : longest;
	}
	/* a delta that took up an earlier one is longer than its interval */
	longest = longest > s->interval_ns ? s->interval_ns : longest;
	row.interval_s = (double)longest / 1e9;
	return row;
}

static void send_sums(struct series *s, const struct bin *b)
{
	const struct group *g = &s->groups[b->group];
	struct series_row row = sum_row(s, b);

	for (unsigned op = 0; op <= NO_OP; op++) {
		const struct cell *c = &b->ops[op];

		if (op == NO_OP ? !c->seen || (is_load(g->phase) && g->ops_seen)
				: !(g->ops_seen & 1u << op))
			continue;
		row.op = op == NO_OP ? "-" : op_infos[op].display;
		row.count = c->count;
		row.bytes = c->bytes;
		row.errors = c->errors;
		row.response = &c->response;
		row.service = &c->service;
		if (series_row_put(&s->text, &row) < 0)
			buf_clear(&s->text);
		if (op != NO_OP && g->phase == PHASE_MEASURE && c->response.total)
			s->sink.interval(s->sink.user, (enum op_kind)op, row.time_s,
				row.interval_s, &c->response);
	}
	series_send(s, SERIES_ALL);
}

/* Closes the first of the open bins. */
static void close_first(struct series *s)
{
	struct bin *b = s->open;
	struct group *g = &s->groups[b->group];

	send_gaps(s, b);
	send_sums(s, b);
	if (!g->any_closed || b->idx > g->closed_idx)
		g->closed_idx = b->idx;
	g->any_closed = true;
	s->open = b->next;
	b->next = s->spare;
	s->spare = b;
}

static bool is_later(const struct place *w, const struct bin *b)
{
	return w->seen &&
	       (w->group > b->group || (w->group == b->group && w->idx > b->idx));
}

/* Nothing more will come for it, or too much time has passed. */
static bool is_over(const struct series *s, const struct bin *b)
{
	size_t last = s->n_groups - 1;
	int64_t age = b->group == last ? s->newest_idx - b->idx
				       : s->newest_idx - s->groups[last].first_idx + 1;

	if (age >= MAX_AGE)
		return true;
	for (size_t i = 0; i < s->n; i++)
		if (!s->workers[i].lost && !is_later(&s->workers[i], b))
			return false;
	return true;
}

void series_close_over(struct series *s)
{
	while (s->open && is_over(s, s->open))
		close_first(s);
}

void series_flush(struct series *s)
{
	while (s->open)
		close_first(s);
}

void series_lost(struct series *s, size_t worker)
{
	if (worker >= s->n)
		return;
	s->workers[worker].lost = true;
	if (s->open)
		series_close_over(s);
}
