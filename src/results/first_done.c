/* first_done: sums of reports up to a moment that is known only behind them: the last few are kept. */
#include "results/first_done.h"

#include <stdlib.h>
#include <string.h>

#define KEPT 16 /* reports: far more than a message takes */

struct kept {
	uint64_t from_ns, to_ns;
	struct done_counts ops[OP_KINDS];
};

struct worker_done {
	struct done_counts before[OP_KINDS]; /* of what is not kept any more */
	struct done_counts all[OP_KINDS];
	struct kept kept[KEPT];
	size_t n, oldest;
	uint64_t end_ns; /* 0: not yet */
	bool through;
};

struct first_done {
	uint64_t first_ns; /* UINT64_MAX: nobody is through */
	unsigned seen;     /* bit per op */
	size_t n;
	struct worker_done workers[];
};

struct first_done *first_done_create(size_t workers)
{
	struct first_done *f = calloc(1, sizeof(*f) + workers * sizeof(f->workers[0]));

	if (!f)
		return NULL;
	f->n = workers;
	f->first_ns = UINT64_MAX;
	return f;
}

void first_done_destroy(struct first_done *f)
{
	free(f);
}

static void add(struct done_counts *to, const struct done_counts *more)
{
	to->count += more->count;
	to->bytes += more->bytes;
}

/* Room for one more report; NULL: it cannot lie before the moment, since all that are kept end behind it. */
static struct kept *make_room(struct first_done *f, struct worker_done *w)
{
	struct kept *k = &w->kept[w->oldest];

	if (w->n < KEPT)
		return &w->kept[(w->oldest + w->n++) % KEPT];
	if (f->first_ns != UINT64_MAX && k->to_ns > f->first_ns)
		return NULL;
	for (unsigned op = 0; op < OP_KINDS; op++)
		add(&w->before[op], &k->ops[op]);
	w->oldest = (w->oldest + 1) % KEPT;
	return k;
}

void first_done_stats(struct first_done *f, size_t worker, uint64_t from_ns,
	uint64_t to_ns, const struct op_delta *ops, size_t n)
{
	struct worker_done *w;
	struct kept *k;

	if (worker >= f->n)
		return;
	w = &f->workers[worker];
	k = make_room(f, w);
	if (k)
		*k = (struct kept){.from_ns = from_ns, .to_ns = to_ns};
	for (size_t i = 0; i < n; i++) {
		const struct done_counts more = {ops[i].count, ops[i].bytes};

		f->seen |= 1u << ops[i].kind;
		add(&w->all[ops[i].kind], &more);
		if (k)
			k->ops[ops[i].kind] = more;
	}
}

bool first_done_end(struct first_done *f, size_t worker, uint64_t at_ns, bool through)
{
	const bool first = through && at_ns && f->first_ns == UINT64_MAX;

	if (worker >= f->n)
		return false;
	f->workers[worker].end_ns = at_ns;
	f->workers[worker].through = through;
	if (through && at_ns && at_ns < f->first_ns)
		f->first_ns = at_ns;
	return first;
}

/* The part of a report that lies before the moment. */
static double part_before(const struct kept *k, uint64_t at_ns)
{
	if (k->to_ns <= at_ns)
		return 1;
	if (k->from_ns >= at_ns)
		return 0;
	return (double)(at_ns - k->from_ns) / (double)(k->to_ns - k->from_ns);
}

static uint64_t share(uint64_t n, double part)
{
	return (uint64_t)((double)n * part + 0.5);
}

/* Adds what w had done by then, of each op. */
static void add_until(const struct worker_done *w, uint64_t at_ns,
	struct done_counts ops[OP_KINDS], uint64_t *spread_ns)
{
	for (unsigned op = 0; op < OP_KINDS; op++)
		add(&ops[op], &w->before[op]);
	for (size_t i = 0; i < w->n; i++) {
		const struct kept *k = &w->kept[(w->oldest + i) % KEPT];
		const double part = part_before(k, at_ns);

		if (part > 0 && part < 1 && k->to_ns - at_ns > *spread_ns)
			*spread_ns = k->to_ns - at_ns;
		for (unsigned op = 0; op < OP_KINDS; op++) {
			const struct done_counts some = {share(k->ops[op].count, part),
				share(k->ops[op].bytes, part)};

			add(&ops[op], &some);
		}
	}
}

static uint64_t sum_counts(const struct done_counts ops[OP_KINDS])
{
	uint64_t sum = 0;

	for (unsigned op = 0; op < OP_KINDS; op++)
		sum += ops[op].count;
	return sum;
}

/* Of all the operations of w, the part that was left. */
static double left_of(const struct worker_done *w, uint64_t at_ns)
{
	struct done_counts ops[OP_KINDS] = {{0, 0}};
	uint64_t all = sum_counts(w->all), spread = 0;

	add_until(w, at_ns, ops, &spread);
	return all ? 1 - (double)sum_counts(ops) / (double)all : 0;
}

/* Who ended first and last; a worker that was lost has no end. */
static void find_ends(
	const struct first_done *f, uint64_t begin_ns, struct first_done_report *ret)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct worker_done *w = &f->workers[i];

		ret->through += w->through;
		if (w->through && w->end_ns == f->first_ns)
			ret->first = i;
		if (w->end_ns > begin_ns && w->end_ns - begin_ns >= ret->last_ns) {
			ret->last = i;
			ret->last_ns = w->end_ns - begin_ns;
		}
	}
}

bool first_done_find(
	const struct first_done *f, uint64_t begin_ns, struct first_done_report *ret)
{
	struct done_counts first[OP_KINDS] = {{0, 0}};

	*ret = (struct first_done_report){.workers = f->n};
	if (f->first_ns == UINT64_MAX || f->first_ns <= begin_ns)
		return false;
	find_ends(f, begin_ns, ret);
	ret->first_ns = f->first_ns - begin_ns;
	for (size_t i = 0; i < f->n; i++) {
		add_until(&f->workers[i], f->first_ns, first, &ret->spread_ns);
		for (unsigned op = 0; op < OP_KINDS; op++)
			add(&ret->ops[op].last, &f->workers[i].all[op]);
	}
	for (unsigned op = 0; op < OP_KINDS; op++) {
		ret->ops[op].seen = f->seen & 1u << op;
		ret->ops[op].first = first[op];
		add(&ret->first_all, &ret->ops[op].first);
		add(&ret->last_all, &ret->ops[op].last);
	}
	ret->left = left_of(&f->workers[ret->last], f->first_ns);
	return true;
}
