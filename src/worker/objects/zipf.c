/* zipf: ranks by Zipf's law. */
#include "worker/objects/zipf.h"

#include <math.h>

#include "common/rng.h"

/* log(1 + x) / x and (exp(x) - 1) / x, also where x is next to nothing: what is left of theta near 1. */
static double log_ratio(double x)
{
	return fabs(x) > 1e-8 ? log1p(x) / x : 1 - x * (0.5 - x * (1.0 / 3));
}

static double exp_ratio(double x)
{
	return fabs(x) > 1e-8 ? expm1(x) / x : 1 + x * 0.5 * (1 + x * (1.0 / 3));
}

/* The integral of x^-theta from 1 to x: (x^(1 - theta) - 1) / (1 - theta), log x for theta 1. */
static double integral(const struct zipf *z, double x)
{
	const double log_x = log(x);

	return exp_ratio((1 - z->theta) * log_x) * log_x;
}

static double inverse(const struct zipf *z, double area)
{
	double t = area * (1 - z->theta);

	/* rounding may take it out of the range of the logarithm */
	if (t < -1)
		t = -1;
	return exp(log_ratio(t) * area);
}

static double density(const struct zipf *z, double x)
{
	return exp(-z->theta * log(x));
}

void zipf_init(struct zipf *z, uint64_t n, double theta)
{
	*z = (struct zipf){.theta = theta};
	z->h_x1 = integral(z, 1.5) - 1;
	z->near = 2 - inverse(z, integral(z, 2.5) - density(z, 2));
	zipf_resize(z, n);
}

void zipf_resize(struct zipf *z, uint64_t n)
{
	z->n = n;
	z->h_n = integral(z, (double)n + 0.5);
}

uint64_t zipf_draw(const struct zipf *z, struct rng *r)
{
	for (;;) {
		const double area = z->h_n + rng_double(r) * (z->h_x1 - z->h_n);
		const double x = inverse(z, area);
		double k = floor(x + 0.5);

		if (!(k > 1))
			k = 1;
		else if (k > (double)z->n)
			k = (double)z->n;
		if (k - x <= z->near || area >= integral(z, k + 0.5) - density(z, k))
			return (uint64_t)k - 1;
	}
}
