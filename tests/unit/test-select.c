/* Which key comes next: the distributions, parts of a tree, and that all is taken once where that is asked. Seeds
 * are fixed: what passes once passes always. */
#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "common/cleanup.h"
#include "common/rng.h"
#include "worker/engine/engine.h"
#include "worker/objects/keyset.h"
#include "worker/objects/permute.h"
#include "worker/objects/ranges.h"
#include "worker/objects/select.h"
#include "worker/objects/zipf.h"

/* Where nothing is drawn. */
static struct rng nobody;

/* The value that chi-square with so many degrees of freedom exceeds once in 10,000 (Wilson and Hilferty). */
static double chi_bound(double df)
{
	double a = 2 / (9 * df);

	return df * pow(1 - a + 3.719 * sqrt(a), 3);
}

static double chi_square(
	const uint64_t *seen, const double *expected, size_t n, double draws)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++) {
		double want = expected[i] * draws, off = (double)seen[i] - want;

		sum += off * off / want;
	}
	return sum;
}

static struct job_op op_of(enum selection how, double theta)
{
	return (struct job_op){.kind = OP_GET, .selection = how, .theta = theta};
}

static struct select selects(struct job *j, enum selection how, uint64_t n, uint64_t own,
	struct lane lane, bool once)
{
	const struct keyset keys = {.n = n, .own = own};
	struct job_op op = op_of(how, 0.99);
	struct select s;

	j->ops = &op;
	j->n_ops = 1;
	select_init(&s, j, &op, &keys, lane, once);
	return s;
}

static void test_permute(void)
{
	const uint64_t counts[] = {1, 2, 3, 4, 5, 16, 17, 1000, 4097};
	bool same = true;

	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		AUTO_FREE bool *seen = calloc(counts[i], sizeof(*seen));

		for (uint64_t k = 0; k < counts[i]; k++) {
			uint64_t at = permute(k, counts[i], 99);

			if (CHECK(at < counts[i], "%ju of %ju", (uintmax_t)at,
				    (uintmax_t)counts[i]))
				CHECK(!seen[at]), seen[at] = true;
		}
	}
	for (uint64_t k = 0; k < 20; k++)
		same &= permute(k, 1000, 1) == permute(k, 1000, 2);
	CHECK(!same, "a key makes no difference");
	CHECK(permute(UINT64_MAX - 7, UINT64_MAX, 5) < UINT64_MAX);
}

static void test_uniform(void)
{
	struct job j = {.share_count = 1};
	struct select s =
		selects(&j, SELECT_UNIFORM, 100, 100, (struct lane){0, 1}, false);
	uint64_t seen[110] = {0};
	double expected[110];
	struct rng r;

	CHECK(s.plain);
	rng_seed(&r, 1);
	for (int k = 0; k < 100000; k++)
		seen[select_next(&s, &r, 0)]++;
	for (int k = 0; k < 110; k++)
		expected[k] = 1.0 / (k < 100 ? 100 : 110);
	CHECK(chi_square(seen, expected, 100, 1e5) < chi_bound(99));
	/* what was made since is as likely as the rest */
	memset(seen, 0, sizeof(seen));
	for (int k = 0; k < 110; k++)
		expected[k] = 1.0 / 110;
	for (int k = 0; k < 100000; k++)
		seen[select_next(&s, &r, 10)]++;
	CHECK(chi_square(seen, expected, 110, 1e5) < chi_bound(109));
}

/* Weight of ranks from first on, before last; beyond the first thousand by the integral, which is the sum
 * to seven digits there. */
static double zipf_mass(double theta, double first, double last)
{
	double sum = 0, a, b;

	while (first < last && first < 1000)
		sum += pow(++first, -theta);
	if (first >= last)
		return sum;
	a = first + 0.5;
	b = last + 0.5;
	if (fabs(theta - 1) < 1e-9)
		return sum + log(b / a);
	return sum + (pow(b, 1 - theta) - pow(a, 1 - theta)) / (1 - theta);
}

#define BINS 64

/* Ranks 0 to 15 apart, then ever wider ranges that make up a part of all each. */
static void check_zipf(double theta, uint64_t n)
{
	enum { DRAWS = 200000 };
	double edges[BINS + 1] = {0}, expected[BINS];
	uint64_t seen[BINS] = {0};
	size_t bins = 0;
	struct zipf z;
	struct rng r;

	while (edges[bins] < (double)n && bins < BINS) {
		double next = bins < 16 ? edges[bins] + 1 : floor(edges[bins] * 1.6);

		if (next > (double)n || bins == BINS - 1)
			next = (double)n;
		expected[bins] = zipf_mass(theta, edges[bins], next) /
				 zipf_mass(theta, 0, (double)n);
		/* too rare a rest goes with what is before it */
		if (expected[bins] * DRAWS < 10 && bins > 0) {
			edges[bins] = (double)n;
			expected[bins - 1] =
				zipf_mass(theta, edges[bins - 1], (double)n) /
				zipf_mass(theta, 0, (double)n);
			break;
		}
		edges[++bins] = next;
	}
	zipf_init(&z, n, theta);
	rng_seed(&r, rng_mix(n) ^ (uint64_t)(theta * 1e9));
	for (int k = 0; k < DRAWS; k++) {
		uint64_t rank = zipf_draw(&z, &r);
		size_t b = 0;

		if (!CHECK(rank < n, "rank %ju", (uintmax_t)rank))
			return;
		while (b + 1 < bins && (double)rank >= edges[b + 1])
			b++;
		seen[b]++;
	}
	double chi = bins > 1 ? chi_square(seen, expected, bins, DRAWS) : 0;

	CHECK(bins < 2 || chi < chi_bound((double)bins - 1),
		"theta %g of %ju: %.1f with %zu bins", theta, (uintmax_t)n, chi, bins);
}

static void test_zipf(void)
{
	const double thetas[] = {
		0.01, 0.5, 0.9, 0.99, 1 - 1e-9, 1, 1 + 1e-9, 1.2, 2.5, 8};
	const uint64_t counts[] = {1, 2, 10, 1000, 10000000, UINT64_C(100000000000)};

	for (size_t t = 0; t < ARRAY_LEN(thetas); t++)
		for (size_t c = 0; c < ARRAY_LEN(counts); c++)
			check_zipf(thetas[t], counts[c]);
}

/* Each rank is another key, the popular ones lie apart, and are the same for every worker. */
static void test_zipf_keys(void)
{
	const uint64_t counts[] = {1, 2, 3, 10, 97, 1000};

	for (size_t c = 0; c < ARRAY_LEN(counts); c++) {
		struct job j = {.share_count = 3, .share_index = (uint32_t)c % 3};
		struct select s = selects(&j, SELECT_ZIPF, counts[c], counts[c],
			(struct lane){0, 1}, false);
		AUTO_FREE bool *taken = calloc(counts[c], sizeof(*taken));
		uint64_t n = 0;

		for (uint64_t rank = 0; rank < counts[c]; rank++) {
			uint64_t key = rank * s.spread % counts[c];

			n += !taken[key];
			taken[key] = true;
		}
		CHECK(n == counts[c], "%ju: %ju", (uintmax_t)counts[c], (uintmax_t)n);
	}
	struct job j = {.share_count = 1};
	struct select s =
		selects(&j, SELECT_ZIPF, 1000, 1000, (struct lane){0, 1}, false);
	uint64_t seen[1100] = {0};
	struct rng r;

	rng_seed(&r, 5);
	for (int k = 0; k < 110000; k++)
		seen[select_next(&s, &r, 100)]++;
	CHECK(seen[0] > 2 * seen[s.spread] * 9 / 10 &&
			seen[0] < 2 * seen[s.spread] * 11 / 10,
		"%ju, %ju", (uintmax_t)seen[0], (uintmax_t)seen[s.spread]);
	/* a new object is as likely as another one on average */
	uint64_t newer = 0;

	for (int k = 1000; k < 1100; k++)
		newer += seen[k];
	CHECK(newer > 9500 && newer < 10500, "%ju", (uintmax_t)newer);
}

/* The newest comes first, and those that come to be while it runs are newer. */
static void test_latest(void)
{
	struct job j = {.share_count = 1};
	struct select s =
		selects(&j, SELECT_LATEST, 1000, 1000, (struct lane){0, 1}, false);
	uint64_t seen[1010] = {0};
	struct rng r;

	rng_seed(&r, 9);
	for (int k = 0; k < 50000; k++)
		seen[select_next(&s, &r, 0)]++;
	CHECK(seen[999] > seen[998] && seen[998] > seen[990] && seen[990] > seen[900]);
	memset(seen, 0, sizeof(seen));
	for (uint64_t newer = 0; newer <= 10; newer++) {
		for (int k = 0; k < 10; k++)
			CHECK(select_next(&s, &r, newer) < 1000 + newer);
	}
	for (int k = 0; k < 50000; k++)
		seen[select_next(&s, &r, 10)]++;
	CHECK(seen[1009] > seen[1008] && seen[1008] > seen[1000] &&
		seen[1000] > seen[900]);
	/* half as often as the first, the second */
	CHECK(fabs((double)seen[1009] / (double)seen[1008] - pow(2, 0.99)) < 0.1);
}

/* Threads and workers share the keys out, and each goes round. */
static void test_sequential(void)
{
	const struct {
		uint64_t n;
		uint32_t lanes;
	} rows[] = {{100, 1}, {100, 3}, {7, 7}, {8, 7}, {1, 1}, {1, 5}, {3, 16}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE unsigned *seen = calloc(rows[i].n, sizeof(*seen));

		for (uint32_t lane = 0; lane < rows[i].lanes; lane++) {
			struct job j = {.share_count = 1};
			struct select s = selects(&j, SELECT_SEQUENTIAL, rows[i].n,
				rows[i].n, (struct lane){lane, rows[i].lanes}, false);
			uint64_t first[2] = {0}, round = s.count;

			CHECK(round > 0);
			for (uint64_t k = 0; k < 2 * round; k++) {
				uint64_t key = select_next(&s, &nobody, 0);

				seen[key]++;
				if (k % round == 0)
					first[k / round] = key;
			}
			CHECK(first[0] == first[1]);
		}
		for (uint64_t k = 0; k < rows[i].n; k++)
			CHECK(seen[k] == (rows[i].n < rows[i].lanes ? 2 * rows[i].lanes
								    : 2),
				"row %zu: key %ju: %u", i, (uintmax_t)k, seen[k]);
	}
}

static void test_once(void)
{
	const enum selection hows[] = {
		SELECT_UNIFORM, SELECT_SEQUENTIAL, SELECT_ZIPF, SELECT_LATEST};
	const uint64_t counts[] = {1, 2, 5, 100, 1001};

	for (size_t h = 0; h < ARRAY_LEN(hows); h++) {
		for (size_t c = 0; c < ARRAY_LEN(counts); c++) {
			const uint32_t lanes = 12;
			AUTO_FREE unsigned *seen = calloc(counts[c], sizeof(*seen));
			bool ordered = true;

			for (uint32_t lane = 0; lane < lanes; lane++) {
				struct job j = {.share_count = 1};
				struct select s = selects(&j, hows[h], counts[c],
					counts[c], (struct lane){lane, lanes}, true);
				uint64_t key, last = 0, left = select_left(&s);

				while ((key = select_next(&s, &nobody, 5)) !=
					SELECT_NONE) {
					CHECK(select_left(&s) == --left);
					if (key < counts[c])
						seen[key]++;
					ordered &= key >= last;
					last = key;
				}
				CHECK(left == 0);
			}
			for (uint64_t k = 0; k < counts[c]; k++)
				CHECK(seen[k] == 1, "%s of %ju: key %ju: %u",
					selection_names[hows[h]], (uintmax_t)counts[c],
					(uintmax_t)k, seen[k]);
			CHECK(counts[c] < 100 ||
				ordered == (hows[h] == SELECT_SEQUENTIAL));
		}
	}
}

/* Its own part, and with a probability anywhere, its own included. */
static void test_weighted(void)
{
	const enum selection hows[] = {
		SELECT_UNIFORM, SELECT_SEQUENTIAL, SELECT_ZIPF, SELECT_LATEST};

	for (size_t h = 0; h < ARRAY_LEN(hows); h++) {
		struct job j = {.share_count = 4,
			.path_selection = PATHS_WEIGHTED,
			.partition_overlap = 0.3};
		struct select s =
			selects(&j, hows[h], 400, 100, (struct lane){0, 1}, false);
		uint64_t own = 0, draws = 40000;
		struct rng r;

		rng_seed(&r, 3);
		for (uint64_t k = 0; k < draws; k++) {
			uint64_t key = select_next(&s, &r, 0);

			CHECK(key < 400);
			own += key < 100;
		}
		double share = (double)own / (double)draws;

		/* of those anywhere a quarter is its own, too, when all are as likely */
		if (hows[h] == SELECT_UNIFORM || hows[h] == SELECT_SEQUENTIAL)
			CHECK(fabs(share - (0.7 + 0.3 / 4)) < 0.01, "%s: %.3f",
				selection_names[hows[h]], share);
		else
			CHECK(share > 0.69 && share < 0.93, "%s: %.3f",
				selection_names[hows[h]], share);
	}
}

/* --- ranges --- */

struct objects {
	struct keyset keys;
	char name[8];
	uint64_t offsets[64], sizes[64];
};

static void objects_init(struct objects *o, uint64_t n, uint64_t seed)
{
	struct rng r;

	*o = (struct objects){.name = "null://x"};
	rng_seed(&r, seed);
	for (uint64_t i = 0; i < n; i++)
		o->sizes[i] = rng_below(&r, 4) ? rng_below(&r, 700) : 0;
	o->keys = (struct keyset){.n = n,
		.own = n,
		.names = o->name,
		.offsets = o->offsets,
		.sizes = o->sizes};
	o->name[7] = '\0';
}

/* What a thread takes; returns how many ranges. */
static uint64_t take_all(const struct objects *o, struct ranges *r, unsigned char *seen)
{
	char room[ENGINE_URI];
	uint64_t n = 0;

	while (!r->through) {
		uint64_t key, offset, size;

		ranges_next(r, room, &key, &offset, &size);
		CHECK(size > 0 && offset + size <= o->sizes[key], "%ju at %ju of %ju",
			(uintmax_t)size, (uintmax_t)offset, (uintmax_t)o->sizes[key]);
		for (uint64_t b = offset; b < offset + size; b++)
			seen[key * 1000 + b]++;
		n++;
	}
	return n;
}

/* Every byte of every object once, whatever the number of objects, workers and threads. */
static void test_ranges_once(void)
{
	const struct {
		uint64_t objects;
		uint32_t workers, threads;
	} rows[] = {{1, 1, 1}, {1, 3, 4}, {2, 3, 2}, {3, 3, 4}, {10, 3, 4}, {60, 3, 4},
		{60, 1, 7}, {5, 2, 1}, {16, 1, 16}};

	for (size_t i = 0; i < ARRAY_LEN(rows) * 2; i++) {
		AUTO_FREE unsigned char *seen = calloc(64, 1000);
		const uint32_t workers = rows[i / 2].workers;
		struct job_op op = {.kind = OP_RANGE_GET,
			.range_size = 64,
			.selection = i % 2 ? SELECT_SEQUENTIAL : SELECT_UNIFORM};
		char room[ENGINE_URI];
		struct objects o;

		objects_init(&o, rows[i / 2].objects, i / 2);
		for (uint32_t w = 0; w < workers; w++) {
			/* one worker has more threads than the others */
			const uint32_t threads = rows[i / 2].threads + (w == 1);
			struct job j = {.ops = &op,
				.n_ops = 1,
				.seed = 4,
				.share_index = w,
				.share_count = workers};

			for (uint32_t t = 0; t < threads; t++) {
				struct ranges r;
				uint64_t left;

				ranges_init(&r, &j, &op, &o.keys, t, threads, true,
					&nobody, room);
				left = ranges_left(&r, room);
				CHECK(take_all(&o, &r, seen) == left);
			}
		}
		for (uint64_t k = 0; k < rows[i / 2].objects; k++)
			for (uint64_t b = 0; b < 1000; b++)
				CHECK(seen[k * 1000 + b] == (b < o.sizes[k]),
					"row %zu: object %ju, byte %ju: %u", i,
					(uintmax_t)k, (uintmax_t)b, seen[k * 1000 + b]);
	}
}

/* From the beginning of an object to its end, then the next one, and round. */
static void test_ranges_in_order(void)
{
	struct job_op op = {
		.kind = OP_RANGE_GET, .range_size = 100, .selection = SELECT_SEQUENTIAL};
	struct job j = {.ops = &op, .n_ops = 1, .share_count = 1};
	const struct {
		uint64_t key, offset, size;
	} want[] = {{0, 0, 100}, {0, 100, 100}, {0, 200, 50}, {2, 0, 100}, {0, 0, 100}};
	char room[ENGINE_URI];
	struct ranges r;
	struct objects o;

	objects_init(&o, 3, 0);
	o.sizes[0] = 250;
	o.sizes[1] = 0;
	o.sizes[2] = 100;
	ranges_init(&r, &j, &op, &o.keys, 0, 1, false, &nobody, room);
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		uint64_t key, offset, size;

		ranges_next(&r, room, &key, &offset, &size);
		CHECK(key == want[i].key && offset == want[i].offset &&
				size == want[i].size,
			"row %zu: %ju: %ju at %ju", i, (uintmax_t)key, (uintmax_t)size,
			(uintmax_t)offset);
	}
	/* more threads than objects: they take turns */
	o.keys.n = 1;
	for (uint32_t t = 0; t < 2; t++) {
		uint64_t key, offset, size;

		ranges_init(&r, &j, &op, &o.keys, t, 2, false, &nobody, room);
		for (unsigned k = 0; k < 4; k++) {
			ranges_next(&r, room, &key, &offset, &size);
			CHECK(key == 0 && offset == 100 * ((t + 2 * k) % 3),
				"thread %u: %ju", t, (uintmax_t)offset);
		}
	}
}

/* Empty objects alone, and objects whose size nobody knows. */
static void test_ranges_odd(void)
{
	struct job_op op = {
		.kind = OP_RANGE_GET, .range_size = 100, .selection = SELECT_SEQUENTIAL};
	struct job j = {.ops = &op, .n_ops = 1, .share_count = 1};
	uint64_t key, offset, size;
	char room[ENGINE_URI];
	struct ranges r;
	struct objects o;

	objects_init(&o, 3, 0);
	memset(o.sizes, 0, sizeof(o.sizes));
	ranges_init(&r, &j, &op, &o.keys, 0, 1, true, &nobody, room);
	CHECK(r.through);
	for (uint32_t t = 0; t < 5; t++) {
		ranges_init(&r, &j, &op, &o.keys, t, 5, false, &nobody, room);
		for (int k = 0; k < 10; k++) {
			ranges_next(&r, room, &key, &offset, &size);
			CHECK(key < 3 && offset == 0 && size == 0);
		}
	}
	memset(o.sizes, 0xff, sizeof(o.sizes));
	ranges_init(&r, &j, &op, &o.keys, 0, 1, true, &nobody, room);
	for (unsigned k = 0; k < 3; k++) {
		CHECK(!r.through);
		ranges_next(&r, room, &key, &offset, &size);
		CHECK(key == k && offset == 0 && size == 100);
	}
	CHECK(r.through);
}

TEST_MAIN(TEST(test_permute), TEST(test_uniform), TEST(test_zipf), TEST(test_zipf_keys),
	TEST(test_latest), TEST(test_sequential), TEST(test_once), TEST(test_weighted),
	TEST(test_ranges_once), TEST(test_ranges_in_order), TEST(test_ranges_odd))
