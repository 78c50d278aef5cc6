/* Sizes are distributed as they say: chi-square tests with fixed seeds, whose bounds are those of p = 0.001. */
#include "check.h"

#include <math.h>

#include "common/cleanup.h"
#include "common/rng.h"
#include "worker/objects/sizes.h"

#define DRAWS 200000
#define BINS 50

/* The value of chi-square with this many degrees of freedom that is exceeded with probability 0.001 (Wilson and
 * Hilferty, 1931). */
static double bound(unsigned freedom)
{
	double k = freedom, part = 2 / (9 * k);

	return k * pow(1 - part + 3.0902 * sqrt(part), 3);
}

/* seen of n bins against what is expected in each. */
static double chi_square(const uint64_t *seen, const double *expected, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += ((double)seen[i] - expected[i]) * ((double)seen[i] - expected[i]) /
		       expected[i];
	return sum;
}

/* Bins that are all as likely. */
static bool is_even(const uint64_t *seen, size_t n, double draws, const char *what)
{
	double expected[BINS];
	double x;

	for (size_t i = 0; i < n; i++)
		expected[i] = draws / (double)n;
	x = chi_square(seen, expected, n);
	return CHECK(x < bound((unsigned)n - 1), "%s: chi-square %f, bound %f", what, x,
		bound((unsigned)n - 1));
}

/* What is drawn: one after the other, or by index, as prepared sets do. */
struct source {
	struct sizes sizes;
	struct rng rng;
	uint64_t next, set_id;
};

static struct source source(const struct size_spec *spec, uint64_t set_id)
{
	struct source s = {.set_id = set_id};

	sizes_init(&s.sizes, spec);
	rng_seed(&s.rng, 42);
	return s;
}

static uint64_t draw(struct source *s)
{
	return s->set_id ? sizes_at(&s->sizes, s->set_id, s->next++)
			 : sizes_draw(&s->sizes, &s->rng);
}

static void test_fixed(void)
{
	const struct size_spec spec = {.type = SIZE_FIXED, .min = 777, .max = 777};

	for (uint64_t id = 0; id < 2; id++) {
		struct source s = source(&spec, id);

		for (int i = 0; i < 100; i++)
			CHECK(draw(&s) == 777);
	}
}

static void test_uniform(void)
{
	static const struct {
		uint64_t min, max;
		unsigned bins;
	} rows[] = {{1024, 1024 + 50 * 21000 - 1, BINS}, {5, 14, 10}, {0, 1, 2},
		{UINT64_C(1) << 40, (UINT64_C(1) << 41) - 1, 32}};

	for (size_t r = 0; r < 2 * ARRAY_LEN(rows); r++) {
		const uint64_t min = rows[r / 2].min, max = rows[r / 2].max;
		const struct size_spec spec = {
			.type = SIZE_UNIFORM, .min = min, .max = max};
		const uint64_t width = (max - min + 1) / rows[r / 2].bins;
		struct source s = source(&spec, r % 2);
		uint64_t seen[BINS] = {0};

		for (int i = 0; i < DRAWS; i++) {
			uint64_t size = draw(&s);

			if (CHECK(size >= min && size <= max, "row %zu: %ju", r,
				    (uintmax_t)size))
				seen[(size - min) / width]++;
		}
		is_even(seen, rows[r / 2].bins, DRAWS, r % 2 ? "by index" : "drawn");
	}
}

/* The parameters of the logarithm, from mean and standard deviation of the sizes. */
struct normal {
	double mu, sigma;
};

static struct normal logarithm(double mean, double std_dev)
{
	double variance = log(1 + std_dev * std_dev / (mean * mean));

	return (struct normal){log(mean) - variance / 2, sqrt(variance)};
}

static double below(struct normal n, double size)
{
	return 0.5 * erfc(-(log(size) - n.mu) / n.sigma / sqrt(2));
}

static void test_lognormal(void)
{
	static const struct {
		double mean, std_dev, mean_within, std_dev_within;
	} rows[] = {{1048576, 524288, 0.01, 0.02}, {1e6, 1e6, 0.01, 0.05},
		{1e9, 1e8, 0.01, 0.01}};

	for (size_t r = 0; r < 2 * ARRAY_LEN(rows); r++) {
		const double mean = rows[r / 2].mean, std_dev = rows[r / 2].std_dev;
		const struct size_spec spec = {.type = SIZE_LOGNORMAL,
			.min = 1,
			.mean = mean,
			.std_dev = std_dev};
		const struct normal n = logarithm(mean, std_dev);
		struct source s = source(&spec, 100 * (r % 2));
		uint64_t seen[BINS] = {0};
		double sum = 0, squares = 0;

		for (int i = 0; i < DRAWS; i++) {
			double size = (double)draw(&s);

			seen[(int)fmin(BINS * below(n, size), BINS - 1)]++;
			sum += size;
			squares += size * size;
		}
		is_even(seen, BINS, DRAWS, r % 2 ? "by index" : "drawn");
		sum /= DRAWS;
		squares = sqrt(squares / DRAWS - sum * sum);
		CHECK(fabs(sum / mean - 1) < rows[r / 2].mean_within, "row %zu: mean %f",
			r, sum);
		CHECK(fabs(squares / std_dev - 1) < rows[r / 2].std_dev_within,
			"row %zu: standard deviation %f", r, squares);
	}
}

/* What lies beyond a bound becomes the bound. */
static void test_bounds(void)
{
	const struct size_spec spec = {.type = SIZE_LOGNORMAL,
		.min = 500000,
		.max = 2000000,
		.mean = 1e6,
		.std_dev = 1e6};
	const struct normal n = logarithm(spec.mean, spec.std_dev);
	const double low = below(n, 500000.5), high = 1 - below(n, 1999999.5);
	const double expected[] = {low * DRAWS, (1 - low - high) * DRAWS, high * DRAWS};
	struct source s = source(&spec, 0);
	uint64_t seen[3] = {0};

	for (int i = 0; i < DRAWS; i++) {
		uint64_t size = draw(&s);

		CHECK(size >= spec.min && size <= spec.max, "%ju", (uintmax_t)size);
		seen[size == spec.min ? 0 : size == spec.max ? 2 : 1]++;
	}
	CHECK(chi_square(seen, expected, 3) < bound(2), "%ju %ju %ju", (uintmax_t)seen[0],
		(uintmax_t)seen[1], (uintmax_t)seen[2]);
}

static void test_mix(void)
{
	struct size_part parts[] = {{.weight = 5, .min = 4096, .max = 4096},
		{.weight = 0.5, .min = 10000, .max = 10009},
		{.weight = 2, .min = 65536, .max = 65536},
		{.weight = 2.5, .min = 100000, .max = 299999}};
	const struct size_spec spec = {.type = SIZE_MIX, .parts = parts, .n_parts = 4};
	double expected[4];

	for (size_t i = 0; i < 4; i++)
		expected[i] = parts[i].weight / 10 * DRAWS;
	for (uint64_t id = 0; id < 2; id++) {
		struct source s = source(&spec, id);
		uint64_t seen[4] = {0}, small[10] = {0}, large[BINS] = {0};

		for (int i = 0; i < DRAWS; i++) {
			uint64_t size = draw(&s);
			size_t p = size < 10000   ? 0
				   : size < 20000 ? 1
				   : size < 70000 ? 2
						  : 3;

			if (!CHECK(size >= parts[p].min && size <= parts[p].max, "%ju",
				    (uintmax_t)size))
				continue;
			seen[p]++;
			if (p == 1)
				small[size - 10000]++;
			if (p == 3)
				large[(size - 100000) / 4000]++;
		}
		CHECK(chi_square(seen, expected, 4) < bound(3), "%ju %ju %ju %ju",
			(uintmax_t)seen[0], (uintmax_t)seen[1], (uintmax_t)seen[2],
			(uintmax_t)seen[3]);
		is_even(small, 10, (double)seen[1], "small");
		is_even(large, BINS, (double)seen[3], "large");
	}
}

/* One seed, one sequence; one set and index, one size, whoever asks and in whatever order. */
static void test_repeats(void)
{
	struct size_part parts[] = {{.weight = 1, .min = 1, .max = 1u << 30},
		{.weight = 1, .min = 7, .max = 7}};
	const struct size_spec specs[] = {{.type = SIZE_UNIFORM, .max = 1u << 30},
		{.type = SIZE_LOGNORMAL, .min = 1, .mean = 1e6, .std_dev = 1e6},
		{.type = SIZE_MIX, .parts = parts, .n_parts = 2}};

	for (size_t k = 0; k < ARRAY_LEN(specs); k++) {
		struct source one = source(&specs[k], 0), two = source(&specs[k], 0);
		int other_set = 0, other_index = 0;

		for (int i = 0; i < 1000; i++)
			CHECK(draw(&one) == draw(&two));
		for (uint64_t i = 1000; i-- > 0;) {
			uint64_t size = sizes_at(&one.sizes, 9, i);

			CHECK(size == sizes_at(&two.sizes, 9, i));
			other_set += size != sizes_at(&one.sizes, 10, i);
			other_index += size != sizes_at(&one.sizes, 9, i + 1);
		}
		CHECK(other_set > 600 && other_index > 600, "%d, %d", other_set,
			other_index);
	}
}

TEST_MAIN(TEST(test_fixed), TEST(test_uniform), TEST(test_lognormal), TEST(test_bounds),
	TEST(test_mix), TEST(test_repeats))
