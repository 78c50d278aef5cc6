/* Confidence: Student's quantiles against tables and closed forms, the rule that ends iterations. */
#include <math.h>

#include "check.h"
#include "common/cleanup.h"
#include "results/confidence.h"

static bool near(double got, double want, double relative)
{
	return fabs(got - want) <= relative * fabs(want);
}

/* Quantiles as tables have them (R's qt, 12 digits). */
static void test_quantiles(void)
{
	static const struct {
		double p, freedom, t;
	} rows[] = {
		{0.975, 1, 12.7062047361747},
		{0.975, 2, 4.30265272974946},
		{0.975, 3, 3.18244630528371},
		{0.975, 4, 2.77644510519779},
		{0.975, 5, 2.57058183563631},
		{0.975, 9, 2.26215716279820},
		{0.975, 10, 2.22813885198627},
		{0.975, 29, 2.04522964213270},
		{0.975, 1000, 1.96233908082641},
		{0.995, 1, 63.6567411628717},
		{0.995, 2, 9.92484320091807},
		{0.995, 9, 3.24983554159213},
		{0.995, 29, 2.75638590367060},
		{0.95, 1, 6.31375151467504},
		{0.95, 4, 2.13184678632665},
		{0.9995, 2, 31.5990545764431},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		double t = student_quantile(rows[i].p, rows[i].freedom);

		CHECK(near(t, rows[i].t, 1e-9), "p %g df %g: got %.15g, want %.15g",
			rows[i].p, rows[i].freedom, t, rows[i].t);
		CHECK(near(student_quantile(1 - rows[i].p, rows[i].freedom), -rows[i].t,
			      1e-9),
			"p %g df %g", 1 - rows[i].p, rows[i].freedom);
	}
	CHECK(student_quantile(0.5, 7) == 0);
}

/* One degree of freedom is Cauchy's distribution; two have a closed form as well. */
static void test_closed_forms(void)
{
	for (double p = 0.51; p < 1; p += 0.0371) {
		double t1 = student_quantile(p, 1), t2 = student_quantile(p, 2);

		CHECK(near(t1, tan(M_PI * (p - 0.5)), 1e-11), "p %g: %.15g", p, t1);
		CHECK(near(t2, (2 * p - 1) / sqrt(2 * p * (1 - p)), 1e-11), "p %g: %.15g",
			p, t2);
	}
}

static void test_beta(void)
{
	static const struct {
		double a, b, x, want;
	} rows[] = {
		{1, 1, 0.3, 0.3},
		{2, 1, 0.3, 0.09},
		{1, 3, 0.5, 0.875},
		{2, 2, 0.25, 0.15625}, /* 3x^2 - 2x^3 */
		{0.5, 0.5, 0.5, 0.5},
		{5, 5, 0.5, 0.5},
		{3, 4, 0, 0},
		{3, 4, 1, 1},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		double got = incomplete_beta(rows[i].a, rows[i].b, rows[i].x);

		CHECK(near(got, rows[i].want, 1e-13), "I_%g(%g, %g): %.15g, want %.15g",
			rows[i].x, rows[i].a, rows[i].b, got, rows[i].want);
	}
}

static void test_interval(void)
{
	static const double values[] = {10, 12, 11, 13, 9};
	struct confidence c;

	/* mean 11, s = sqrt(10 / 4); width = 2 * 2.776445 * 1.581139 / sqrt(5) / 11 */
	CHECK(confidence_of(values, 5, 0.95, &c) == 0);
	CHECK(c.n == 5 && c.mean == 11 && c.median == 11 && c.min == 9 && c.max == 13);
	CHECK(near(c.stddev, 1.58113883008419, 1e-12), "%.15g", c.stddev);
	CHECK(near(c.cv, 1.58113883008419 / 11, 1e-12), "%.15g", c.cv);
	CHECK(near(c.spread, 4.0 / 11, 1e-12), "%.15g", c.spread);
	CHECK(near(c.width, 0.356953153, 1e-6), "%.15g", c.width);
	CHECK(confidence_of(values, 4, 0.95, &c) == 0);
	CHECK(c.median == 11.5, "%g", c.median);
	CHECK(confidence_of(values, 1, 0.95, &c) == 0);
	CHECK(c.n == 1 && c.mean == 10 && isinf(c.width) && c.stddev == 0);
	CHECK(confidence_of(values, 0, 0.95, &c) == 0);
	CHECK(c.n == 0 && c.mean == 0 && isinf(c.width));
}

static void test_enough(void)
{
	static const double even[] = {100, 100.1, 99.9, 100, 100},
			    odd[] = {1, 2, 3, 4, 5};
	static const struct confidence_goal goal = {3, 5, 0.99, 0.05};
	static const struct {
		const double *values;
		size_t n;
		bool enough;
	} rows[] = {{even, 0, false}, {even, 1, false}, {even, 2, false}, {even, 3, true},
		{odd, 3, false}, {odd, 4, false}, {odd, 5, true}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct confidence c;

		CHECK(confidence_of(rows[i].values, rows[i].n, goal.level, &c) == 0);
		CHECK(confidence_enough(&goal, &c) == rows[i].enough, "row %zu", i);
	}
}

static void test_outliers(void)
{
	static const double values[] = {10, 11, 10, 12, 11, 30, 10};
	bool out[ARRAY_LEN(values)];

	CHECK(confidence_outliers(values, ARRAY_LEN(values), out) == 1);
	for (size_t i = 0; i < ARRAY_LEN(values); i++)
		CHECK(out[i] == (i == 5), "value %zu", i);
	CHECK(confidence_outliers(values, 4, out) == 0);
	CHECK(confidence_outliers(values, 0, out) == 0);
}

TEST_MAIN(TEST(test_quantiles), TEST(test_closed_forms), TEST(test_beta),
	TEST(test_interval), TEST(test_enough), TEST(test_outliers))
