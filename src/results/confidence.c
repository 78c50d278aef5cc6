/* confidence: Student's t by the incomplete beta function and its inverse. */
#include "results/confidence.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

#define TINY 1e-300

/* One step of Lentz's method: a numerator of the continued fraction comes in. */
static double lentz(double numerator, double *c, double *d)
{
	*d = 1 + numerator * *d;
	*c = 1 + numerator / *c;
	if (fabs(*d) < TINY)
		*d = TINY;
	if (fabs(*c) < TINY)
		*c = TINY;
	*d = 1 / *d;
	return *c * *d;
}

/* Converges quickly for x < (a + 1) / (a + b + 2), which keeps the first denominator off 0 too. */
static double beta_fraction(double a, double b, double x)
{
	double c = 1, d = 1 / (1 - (a + b) * x / (a + 1)), h = d, step;

	for (int m = 1; m < 100000; m++) {
		h *= lentz(m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)), &c, &d);
		step = lentz(-(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
			&c, &d);
		h *= step;
		if (fabs(step - 1) < 1e-16)
			break;
	}
	return h;
}

double incomplete_beta(double a, double b, double x)
{
	double front;

	if (x <= 0)
		return 0;
	if (x >= 1)
		return 1;
	front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
	if (x < (a + 1) / (a + b + 2))
		return front * beta_fraction(a, b, x) / a;
	return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

/* P(T > t) for t >= 0, without the loss of 1 - P. */
static double student_tail(double t, double freedom)
{
	return incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t)) / 2;
}

static double student_density(double t, double freedom)
{
	return exp(lgamma((freedom + 1) / 2) - lgamma(freedom / 2) -
		       (freedom + 1) / 2 * log1p(t * t / freedom)) /
	       sqrt(freedom * M_PI);
}

/* Newton's steps inside a bracket that only shrinks; a step that leaves it is a halving instead. */
double student_quantile(double p, double freedom)
{
	double tail = p < 0.5 ? p : 1 - p, low = 0, high = 1, t;

	if (p == 0.5)
		return 0;
	while (student_tail(high, freedom) > tail && high < 1e150)
		high *= 2;
	t = (low + high) / 2;
	for (int i = 0; i < 2000; i++) {
		double off = student_tail(t, freedom) - tail, next;

		if (off > 0)
			low = t;
		else
			high = t;
		next = t + off / student_density(t, freedom);
		if (!(next > low && next < high))
			next = (low + high) / 2;
		if (fabs(next - t) <= 1e-15 * next)
			break;
		t = next;
	}
	return p < 0.5 ? -t : t;
}

static int ascending(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* A sorted copy; NULL when out of memory. */
static double *sorted(const double *values, size_t n)
{
	double *copy = malloc((n + !n) * sizeof(*copy));

	if (copy && n) {
		memcpy(copy, values, n * sizeof(*copy));
		qsort(copy, n, sizeof(*copy), ascending);
	}
	return copy;
}

/* Between the neighbours of place q (0..1) of the sorted values, in proportion. */
static double quantile_at(const double *order, size_t n, double q)
{
	double place = q * (double)(n - 1);
	size_t below = (size_t)place;
	double part = place - (double)below;

	if (below + 1 >= n)
		return order[n - 1];
	return order[below] + part * (order[below + 1] - order[below]);
}

static double stddev_of(const double *values, size_t n, double mean)
{
	double squares = 0;

	for (size_t i = 0; i < n; i++)
		squares += (values[i] - mean) * (values[i] - mean);
	return n > 1 ? sqrt(squares / (double)(n - 1)) : 0;
}

int confidence_of(const double *values, size_t n, double level, struct confidence *ret)
{
	struct confidence c = {.n = n, .level = level, .width = INFINITY};
	AUTO_FREE double *order = sorted(values, n);
	double sum = 0;

	if (!order)
		return -ENOMEM;
	*ret = c;
	if (n == 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		sum += values[i];
	c.mean = sum / (double)n;
	c.min = order[0];
	c.max = order[n - 1];
	c.median = quantile_at(order, n, 0.5);
	c.stddev = stddev_of(values, n, c.mean);
	c.cv = c.mean != 0 ? c.stddev / fabs(c.mean) : 0;
	c.spread = c.median != 0 ? (c.max - c.min) / fabs(c.median) : 0;
	if (n > 1 && c.mean != 0)
		c.width = 2 * student_quantile((1 + level) / 2, (double)(n - 1)) *
			  c.stddev / sqrt((double)n) / fabs(c.mean);
	*ret = c;
	return 0;
}

bool confidence_enough(const struct confidence_goal *goal, const struct confidence *c)
{
	if (c->n >= goal->max)
		return true;
	return c->n >= goal->min && c->width <= goal->width;
}

int confidence_outliers(const double *values, size_t n, bool *outlier)
{
	AUTO_FREE double *order = sorted(values, n);
	double low, high, fence;
	int found = 0;

	if (!order)
		return -ENOMEM;
	memset(outlier, 0, n * sizeof(*outlier));
	if (n < 5)
		return 0;
	low = quantile_at(order, n, 0.25);
	high = quantile_at(order, n, 0.75);
	fence = 1.5 * (high - low);
	for (size_t i = 0; i < n; i++) {
		outlier[i] = values[i] < low - fence || values[i] > high + fence;
		found += outlier[i];
	}
	return found;
}
