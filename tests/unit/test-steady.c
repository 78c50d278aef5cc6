/* When a load is steady: made-up series of workers, as --autoterm judges them. */
#include "orchestrator/run/steady.h"

#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/rng.h"

#define BOUND 0.05

/* What a worker does at a time: operations per second. */
typedef double rate_fn(size_t worker, double at_s, struct rng *r);

static double level(size_t worker, double at_s, struct rng *r)
{
	(void)at_s;
	(void)r;
	return 1000.0 * (double)(worker + 1); /* workers need not be alike */
}

static double ramp(size_t worker, double at_s, struct rng *r)
{
	(void)worker;
	(void)r;
	return 1000 * fmin(at_s / 20, 1);
}

/* Nears its level for ever: a cache that warms. */
static double slow(size_t worker, double at_s, struct rng *r)
{
	(void)worker;
	(void)r;
	return 1000 * (1 - exp(-at_s / 15));
}

static double noisy(size_t worker, double at_s, struct rng *r)
{
	(void)worker;
	(void)at_s;
	return 10000 * (1 + 0.1 * rng_normal(r));
}

static double wild(size_t worker, double at_s, struct rng *r)
{
	(void)worker;
	(void)at_s;
	return 10000 * (1 + 0.5 * fmin(fmax(rng_normal(r), -1.9), 1.9));
}

static double saw(size_t worker, double at_s, struct rng *r)
{
	(void)worker;
	(void)r;
	return 500 + 1000 * fmod(at_s, 4) / 4;
}

static double long_saw(size_t worker, double at_s, struct rng *r)
{
	(void)worker;
	(void)r;
	return 500 + 1000 * fmod(at_s, 120) / 120;
}

/* One of twenty ramps up for 30 s, which is 2.5 % of the sum. */
static double one_ramps(size_t worker, double at_s, struct rng *r)
{
	(void)r;
	return worker == 7 ? 1000 * fmin(at_s / 30, 1) : 1000;
}

/* It is slower than the others, and stays so. */
static double one_is_slow(size_t worker, double at_s, struct rng *r)
{
	(void)at_s;
	(void)r;
	return worker == 7 ? 10 : 1000;
}

static double silent(size_t worker, double at_s, struct rng *r)
{
	(void)worker;
	(void)at_s;
	(void)r;
	return 0;
}

static double flat_p99(size_t worker, double at_s, struct rng *r)
{
	(void)worker;
	(void)at_s;
	(void)r;
	return 1000;
}

static double noisy_p99(size_t worker, double at_s, struct rng *r)
{
	(void)worker;
	(void)at_s;
	return 1000 * (1 + 0.3 * rng_double(r));
}

static double falling_p99(size_t worker, double at_s, struct rng *r)
{
	(void)worker;
	(void)r;
	return fmax(1000, 9000 - 200 * at_s);
}

static double tiny_p99(size_t worker, double at_s, struct rng *r)
{
	(void)worker;
	(void)at_s;
	return 2 + 3 * rng_double(r);
}

/* The first second at which windows of 10 s, or a third of the time, were steady three times in a row; 0: in
 * 200 s there was none. */
static double steady_at(rate_fn *rate, rate_fn *p99, size_t workers, uint64_t seed)
{
	struct steady *s = steady_create(workers);
	struct steady_verdict v;
	unsigned streak = 0;
	double found = 0;
	struct rng r;

	rng_seed(&r, seed);
	for (int t = 1; s && found <= 0 && t <= 200; t++) {
		double to = t, window = fmax(10, to / 3);

		for (size_t w = 0; w < workers; w++)
			steady_add(s, w, to - 1, to, rate(w, to - 0.5, &r));
		steady_add_p99(s, to, p99(0, to, &r));
		if (to < 10)
			continue;
		steady_judge(s, STEADY_HALVES, to - window, to, BOUND, &v);
		streak = v.steady ? streak + 1 : 0;
		found = streak == 3 ? to : 0;
	}
	steady_destroy(s);
	return found;
}

static void test_series(void)
{
	static const struct {
		const char *name;
		rate_fn *rate, *p99;
		size_t workers;
		double from, to; /* when it may be found steady; 0, 0: never */
	} rows[] = {
		{"level", level, flat_p99, 3, 12, 12},
		{"level, noisy p99", level, noisy_p99, 3, 12, 40},
		{"level, p99 of a few us", level, tiny_p99, 3, 12, 12},
		{"ramp of 20 s", ramp, flat_p99, 2, 26, 34},
		{"slow", slow, flat_p99, 2, 35, 90},
		{"noise of 10 %", noisy, flat_p99, 1, 12, 60},
		{"noise of 50 %", wild, flat_p99, 4, 12, 200},
		{"saw", saw, flat_p99, 1, 12, 60},
		/* what swings more slowly than the window is long is seen once it is longer */
		{"saw of two minutes", long_saw, flat_p99, 1, 100, 200},
		{"one of twenty ramps", one_ramps, flat_p99, 20, 30, 45},
		{"one is slow", one_is_slow, flat_p99, 20, 12, 12},
		{"nothing happens", silent, flat_p99, 2, 0, 0},
		{"p99 falls for 40 s", level, falling_p99, 2, 42, 62},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (uint64_t seed = 1; seed <= 5; seed++) {
			double at = steady_at(
				rows[i].rate, rows[i].p99, rows[i].workers, seed);

			CHECK(at >= rows[i].from && at <= rows[i].to, "%s: %g s",
				rows[i].name, at);
		}
}

/* A result that no longer moves: its first half says the same as all of it. */
static void test_result(void)
{
	static const struct {
		double first, second;
		bool steady;
	} rows[] = {
		{1000, 1000, true},
		{1000, 1090, true}, /* the mean moved by 4.5 % */
		{1000, 1110, false},
		{1000, 890, false},
		{0, 1000, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct steady *s = steady_create(1);
		struct steady_verdict v;

		for (int t = 0; t < 20; t++) {
			steady_add(s, 0, 30 + t, 31 + t,
				t < 10 ? rows[i].first : rows[i].second);
			steady_add_p99(s, 31 + t, 500);
		}
		steady_judge(s, STEADY_RESULT, 30, 50, BOUND, &v);
		CHECK(v.steady == rows[i].steady, "row %zu: %g", i, v.throughput);
		steady_destroy(s);
	}
}

static void check_text(const struct steady *s, const char *want)
{
	AUTO_BUF struct buf text = BUF_INIT;
	struct steady_verdict v;

	steady_judge(s, STEADY_HALVES, 0, 10, BOUND, &v);
	steady_text(&v, "host3", &text);
	CHECK_STR(text.data, want);
}

/* 10 s of n workers whose rates change in the middle. */
static struct steady *two_levels(size_t n, double a, double b, double p99_a, double p99_b)
{
	struct steady *s = steady_create(n);

	for (int t = 0; t < 10; t++) {
		for (size_t w = 0; w < n; w++)
			steady_add(s, w, t, t + 1, w ? 10000 : t < 5 ? a : b);
		steady_add_p99(s, t + 1, t < 5 ? p99_a : p99_b);
	}
	return s;
}

static void test_text(void)
{
	static const struct {
		size_t workers;
		double a, b, p99_a, p99_b;
		const char *want;
	} rows[] = {
		{1, 1000, 1120, 500, 500, "throughput moved 12 % in 10 s"},
		{1, 1000, 400, 500, 900, "throughput moved 60 % in 10 s"},
		{1, 1000, 1004, 500, 650, "p99 moved 30 % in 10 s"},
		{1, 1000, 1004, 500, 500, "throughput moved 0.4 %, p99 0.0 % in 10 s"},
		{20, 1000, 1500, 500, 500, "throughput of host3 moved 50 % in 10 s"},
		{1, 0, 1000, 500, 500, "throughput moved 100 % in 10 s"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct steady *s = two_levels(rows[i].workers, rows[i].a, rows[i].b,
			rows[i].p99_a, rows[i].p99_b);

		check_text(s, rows[i].want);
		steady_destroy(s);
	}
}

/* What has come is what all workers said; one that is lost is waited for no more. */
static void test_known(void)
{
	struct steady *s = steady_create(3);
	struct steady_verdict v;

	CHECK(steady_known_until(s) == 0);
	steady_add(s, 0, 0, 1, 5);
	steady_add(s, 1, 0, 1, 5);
	CHECK(steady_known_until(s) == 0);
	steady_forget(s, 2);
	CHECK(steady_known_until(s) == 1);
	steady_add(s, 0, 1, 2.5, 5);
	CHECK(steady_known_until(s) == 1);
	steady_add(s, 1, 1, 2, 5);
	CHECK(steady_known_until(s) == 2);
	steady_add(s, 1, 0.5, 1.5, 50); /* a straggler */
	CHECK(steady_known_until(s) == 2);
	steady_judge(s, STEADY_HALVES, 0, 2, BOUND, &v);
	CHECK(!v.steady && v.p99_bad); /* nobody said anything of p99 */
	steady_forget(s, 0);
	steady_forget(s, 1);
	CHECK(steady_known_until(s) == 0);
	steady_destroy(s);
	steady_destroy(NULL);
}

/* Hours of reports are thinned, and say the same. */
static void test_long(void)
{
	struct steady *s = steady_create(1);
	struct steady_verdict v;

	for (int t = 0; t < 100000; t++) {
		steady_add(s, 0, t, t + 1, 1000);
		steady_add_p99(s, t + 1, 500);
	}
	CHECK(steady_known_until(s) == 100000);
	steady_judge(s, STEADY_HALVES, 60000, 100000, BOUND, &v);
	CHECK(v.steady && v.throughput < 0.001, "%g", v.throughput);
	steady_destroy(s);
}

TEST_MAIN(TEST(test_series), TEST(test_result), TEST(test_text), TEST(test_known),
	TEST(test_long))
