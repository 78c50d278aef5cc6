/* steady: series of what was reported, and the judgement over two halves of a window. */
#include "orchestrator/run/steady.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"

/* More points than these are thinned: of a long run every second one does. */
#define POINTS_MAX 8192
#define P99_FACTOR 2
#define P99_NOISE_US 10
/* However much it varies from interval to interval. */
#define P99_FACTOR_MAX 4
/* Of the median of n values whose differences have the median deviation d: d * 1.4826 is their standard deviation,
 * sqrt(2) times that of the values, and the median's error is 1.2533 of the mean's. */
#define ERROR_OF_MEDIAN (1.4826 * 0.7071 * 1.2533)
#define WORKER_FACTOR 4
#define WORKER_SIGMAS 2

struct point {
	double at_s, value; /* operations so far; or a p99 */
};

struct series {
	struct point *points;
	size_t n, cap;
	bool forgotten;
};

struct steady {
	struct series *workers, p99;
	size_t n;
};

struct steady *steady_create(size_t workers)
{
	struct steady *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->n = workers;
	s->workers = calloc(workers ? workers : 1, sizeof(*s->workers));
	if (s->workers)
		return s;
	free(s);
	return NULL;
}

void steady_destroy(struct steady *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		free(s->workers[i].points);
	free(s->workers);
	free(s->p99.points);
	free(s);
}

/* Drops every second point, but for the last. */
static void thin(struct series *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n; i++)
		if (i % 2 == 0 || i + 1 == s->n)
			s->points[kept++] = s->points[i];
	s->n = kept;
}

static int add(struct series *s, double at_s, double value)
{
	if (s->n == POINTS_MAX)
		thin(s);
	if (s->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 64;
		struct point *grown = reallocarray(s->points, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		s->points = grown;
		s->cap = cap;
	}
	s->points[s->n++] = (struct point){at_s, value};
	return 0;
}

static const struct point *last_of(const struct series *s)
{
	return s->n ? &s->points[s->n - 1] : NULL;
}

int steady_add(
	struct steady *s, size_t worker, double from_s, double to_s, double operations)
{
	struct series *w = &s->workers[worker];
	const struct point *last = last_of(w);
	double so_far = last ? last->value : 0;

	if (last && to_s <= last->at_s)
		return 0; /* a straggler of warm-up */
	if ((!last || from_s > last->at_s) && add(w, from_s, so_far) < 0)
		return -ENOMEM;
	return add(w, to_s, so_far + operations);
}

int steady_add_p99(struct steady *s, double at_s, double p99_us)
{
	return add(&s->p99, at_s, p99_us);
}

void steady_forget(struct steady *s, size_t worker)
{
	s->workers[worker].forgotten = true;
}

double steady_known_until(const struct steady *s)
{
	double until = INFINITY;

	for (size_t i = 0; i < s->n; i++) {
		const struct point *last = last_of(&s->workers[i]);

		if (s->workers[i].forgotten)
			continue;
		if (!last)
			return 0;
		until = fmin(until, last->at_s);
	}
	return isfinite(until) ? until : 0;
}

/* Operations until a moment, between two points by a straight line. */
static double count_at(const struct series *s, double at_s)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->points[middle].at_s < at_s)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return s->n ? s->points[0].value : 0;
	if (low == s->n)
		return s->points[low - 1].value;
	const struct point *a = &s->points[low - 1], *b = &s->points[low];

	return a->value + (b->value - a->value) * (at_s - a->at_s) / (b->at_s - a->at_s);
}

/* By how much b differs from a, as a part of a. */
static double moved(double a, double b)
{
	if (a <= 0)
		return b > 0 ? 1 : 0;
	return fabs(b - a) / a;
}

static int compare(const void *x, const void *y)
{
	double a = *(const double *)x, b = *(const double *)y;

	return (a > b) - (a < b);
}

static double middle_of(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), compare);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

struct spread {
	double median;
	double error; /* its standard error */
	size_t n;
};

/* From value to value, not around their median: a trend is no noise. */
static double error_of(double *values, size_t n)
{
	double middle;

	if (n < 3)
		return 0;
	for (size_t i = 0; i + 1 < n; i++)
		values[i] = values[i + 1] - values[i];
	middle = middle_of(values, n - 1);
	for (size_t i = 0; i + 1 < n; i++)
		values[i] = fabs(values[i] - middle);
	return ERROR_OF_MEDIAN * middle_of(values, n - 1) / sqrt((double)n);
}

/* Of the values with from_s < time <= to_s. */
static struct spread spread_of(const struct series *s, double from_s, double to_s)
{
	double *values = calloc(s->n ? s->n : 1, 2 * sizeof(*values));
	struct spread ret = {.n = 0};

	for (size_t i = 0; values && i < s->n; i++)
		if (s->points[i].at_s > from_s && s->points[i].at_s <= to_s)
			values[ret.n++] = s->points[i].value;
	if (ret.n) {
		double *sorted = memcpy(values + s->n, values, ret.n * sizeof(*values));

		ret.median = middle_of(sorted, ret.n);
		ret.error = error_of(values, ret.n);
	}
	free(values);
	return ret;
}

/* What is compared: from the first moment to the second, with from the third to the last. */
struct parts {
	double a_from, a_to, b_from, b_to;
};

static void judge_p99(const struct steady *s, const struct parts *p, double bound,
	struct steady_verdict *v)
{
	struct spread a = spread_of(&s->p99, p->a_from, p->a_to);
	struct spread b = spread_of(&s->p99, p->b_from, p->b_to);
	double allowed = P99_FACTOR * bound * a.median + hypot(a.error, b.error);
	double by = fabs(b.median - a.median);

	allowed = fmin(allowed, P99_FACTOR_MAX * bound * a.median);

	if (a.n == 0 || b.n == 0) {
		v->p99_bad = true;
		v->p99 = 1;
		return;
	}
	v->p99 = moved(a.median, b.median);
	v->p99_bad = by > allowed && by > P99_NOISE_US;
}

/* Operations per second of a worker between two moments. */
static double rate_of(const struct series *w, double from_s, double to_s)
{
	return to_s > from_s ? (count_at(w, to_s) - count_at(w, from_s)) / (to_s - from_s)
			     : 0;
}

/* What chance does to the number of its operations, as a part of it. */
static double chance_of(double a, double a_s, double b, double b_s)
{
	if (a <= 0 || b <= 0)
		return 0;
	return WORKER_SIGMAS * sqrt(1 / (a * a_s) + 1 / (b * b_s));
}

void steady_judge(const struct steady *s, enum steady_how how, double from_s, double to_s,
	double bound, struct steady_verdict *ret)
{
	double middle_s = (from_s + to_s) / 2, all_a = 0, all_b = 0;
	const struct parts p = {
		from_s, middle_s, how == STEADY_HALVES ? middle_s : from_s, to_s};

	*ret = (struct steady_verdict){
		.window_s = to_s - from_s, .worst_worker = SIZE_MAX};
	for (size_t i = 0; i < s->n; i++) {
		const struct series *w = &s->workers[i];
		double a = rate_of(w, p.a_from, p.a_to), b = rate_of(w, p.b_from, p.b_to);
		double m = moved(a, b);

		if (w->forgotten)
			continue;
		all_a += a;
		all_b += b;
		if (m > WORKER_FACTOR * bound + chance_of(a, p.a_to - p.a_from, b,
							p.b_to - p.b_from) &&
			m > ret->worker) {
			ret->worker = m;
			ret->worst_worker = i;
		}
	}
	ret->throughput = moved(all_a, all_b);
	ret->throughput_bad = all_a + all_b <= 0 || ret->throughput > bound;
	judge_p99(s, &p, bound, ret);
	ret->steady =
		!ret->throughput_bad && !ret->p99_bad && ret->worst_worker == SIZE_MAX;
}

/* "0.4", "12" */
static void put_percent(struct buf *out, double part)
{
	buf_printf(out, part < 0.0995 ? "%.1f %%" : "%.0f %%", part * 100);
}

void steady_text(const struct steady_verdict *v, const char *name, struct buf *out)
{
	if (!v->throughput_bad && v->worst_worker != SIZE_MAX) {
		buf_printf(out, "throughput of %s moved ", name);
		put_percent(out, v->worker);
	} else if (!v->throughput_bad && v->p99_bad) {
		buf_puts(out, "p99 moved ");
		put_percent(out, v->p99);
	} else {
		buf_puts(out, "throughput moved ");
		put_percent(out, v->throughput);
		if (v->steady) {
			buf_puts(out, ", p99 ");
			put_percent(out, v->p99);
		}
	}
	buf_printf(out, " in %.0f s", v->window_s);
}
