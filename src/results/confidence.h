/* confidence: how well repeated measurements tell the mean, and when there are enough of them.
 *
 * Student's t interval: of k values with mean m and standard deviation s (of the sample, k - 1), the
 * interval of level P around m is 2 t s / sqrt(k) wide, t the (1 + P) / 2 quantile of Student's
 * distribution of k - 1 degrees of freedom. Widths are of the full interval, as netperf's -I has them,
 * and relative to the mean. Median and spread stand beside it: they need no distribution. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define CONFIDENCE_ITERATIONS_MIN 3
#define CONFIDENCE_ITERATIONS_MAX 30

struct confidence {
	size_t n;
	double mean, median, min, max;
	double stddev; /* of the sample; 0 of one value */
	double cv;     /* stddev / mean; 0 when the mean is 0 */
	double spread; /* (max - min) / median; 0 when the median is 0 */
	double width;  /* relative to the mean; INFINITY of one value or a mean of 0 */
	double level;  /* as asked for: 0.99 */
};

/* level in (0, 1). n may be 0: all 0, width infinite. Returns 0 or -ENOMEM. */
int confidence_of(const double *values, size_t n, double level, struct confidence *ret);

/* As -i and -I ask for it. */
struct confidence_goal {
	size_t min, max; /* iterations; max 1: just one */
	double level;    /* 0.99 */
	double width;    /* 0.05 */
};
/* True when there are enough values: max of them, or min of them within the width. */
bool confidence_enough(const struct confidence_goal *goal, const struct confidence *c);

/* x with P(T <= x) = p of Student's distribution; p in (0, 1), freedom >= 1. Relative error below 1e-12
 * for the p of confidence intervals. */
double student_quantile(double p, double freedom);
/* I_x(a, b), the regularized incomplete beta function (continued fraction: Abramowitz and Stegun
 * 26.5.8, evaluated by Lentz's method). */
double incomplete_beta(double a, double b, double x);

/* Marks values more than 1.5 interquartile ranges outside the quartiles (Tukey's fences; fewer than 5
 * values have none). outlier has room for n. Returns how many, or -ENOMEM. */
int confidence_outliers(const double *values, size_t n, bool *outlier);
