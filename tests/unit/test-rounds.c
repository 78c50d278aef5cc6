/* Rounds of a matrix: no machine twice, as few as there can be, and even. */
#include "workload/rounds.h"

#include <stdlib.h>

#include "check.h"
#include "common/rng.h"

#define PAIRS_MAX 10000
#define MACHINES_MAX 200

static struct round_pair pairs[PAIRS_MAX];
static uint32_t rounds[PAIRS_MAX];

/* What every plan must keep. Returns how many rounds it has. */
static int plan(size_t n, uint32_t at_most, const char *what, int x, int y)
{
	static uint8_t busy[PAIRS_MAX][MACHINES_MAX];
	static uint32_t sizes[PAIRS_MAX];
	uint32_t most = 0, least = UINT32_MAX;
	int k = rounds_plan(pairs, n, at_most, rounds);

	if (!CHECK(k >= 0 && k < PAIRS_MAX, "%s %d x %d: %d", what, x, y, k))
		return -1;
	for (int r = 0; r < k; r++) {
		memset(busy[r], 0, sizeof(busy[r]));
		sizes[r] = 0;
	}
	for (size_t i = 0; i < n; i++) {
		if (!CHECK(rounds[i] < (uint32_t)k, "%s %d x %d: round %u of %d", what, x,
			    y, rounds[i], k))
			return -1;
		CHECK(!busy[rounds[i]][pairs[i].a] && !busy[rounds[i]][pairs[i].b],
			"%s %d x %d: pair %zu meets a busy machine in round %u", what, x,
			y, i, rounds[i]);
		busy[rounds[i]][pairs[i].a] = busy[rounds[i]][pairs[i].b] = 1;
		sizes[rounds[i]]++;
	}
	for (int r = 0; r < k; r++) {
		most = sizes[r] > most ? sizes[r] : most;
		least = sizes[r] < least ? sizes[r] : least;
	}
	CHECK(!n || most <= least + 1, "%s %d x %d: rounds of %u and of %u pairs", what,
		x, y, most, least);
	CHECK(!at_most || most <= at_most, "%s %d x %d: %u at once", what, x, y, most);
	return k;
}

static int degree(size_t n)
{
	static uint32_t degrees[MACHINES_MAX];
	uint32_t max = 0;

	memset(degrees, 0, sizeof(degrees));
	for (size_t i = 0; i < n; i++) {
		degrees[pairs[i].a]++;
		if (pairs[i].b != pairs[i].a)
			degrees[pairs[i].b]++;
	}
	for (size_t i = 0; i < MACHINES_MAX; i++)
		max = degrees[i] > max ? degrees[i] : max;
	return (int)max;
}

/* Clients 0.., servers behind them; holes: of a hundred pairs that many are left out. */
static size_t disjoint(struct rng *r, int clients, int servers, uint64_t holes)
{
	size_t n = 0;

	for (int c = 0; c < clients; c++)
		for (int s = 0; s < servers; s++)
			if (rng_u64(r) % 100 >= holes)
				pairs[n++] = (struct round_pair){
					(uint32_t)c, (uint32_t)(clients + s)};
	return n;
}

static void disjoint_takes_the_degree(void)
{
	struct rng r;

	rng_seed(&r, 1);
	for (int c = 1; c <= 40; c++) {
		for (int s = 1; s <= 40; s++) {
			size_t n = disjoint(&r, c, s, 0);
			int k = plan(n, 0, "full", c, s);

			CHECK(k == (c > s ? c : s), "full %d x %d: %d", c, s, k);
			n = disjoint(&r, c, s, 10 + (uint64_t)(c * s) % 70);
			k = plan(n, 0, "holes", c, s);
			CHECK(k == degree(n), "holes %d x %d: %d, not %d", c, s, k,
				degree(n));
		}
	}
}

/* All are both. */
static size_t everybody(struct rng *r, int machines, uint64_t holes)
{
	size_t n = 0;

	for (int a = 0; a < machines; a++)
		for (int b = 0; b < machines; b++)
			if (a != b && rng_u64(r) % 100 >= holes)
				pairs[n++] =
					(struct round_pair){(uint32_t)a, (uint32_t)b};
	return n;
}

static void everybody_takes_a_tournament(void)
{
	struct rng r;

	rng_seed(&r, 2);
	for (int m = 2; m <= 60; m++) {
		size_t n = everybody(&r, m, 0);
		int k = plan(n, 0, "all both", m, m);
		int want = m % 2 ? 2 * m : 2 * (m - 1);

		/* three in two directions: a triangle has no two pairs at once */
		CHECK(k == want, "%d machines: %d rounds, not %d", m, k, want);
	}
}

static void mixed_takes_little_more_than_the_degree(void)
{
	struct rng r;

	rng_seed(&r, 3);
	for (int m = 3; m <= 60; m++) {
		for (uint64_t holes = 20; holes < 100; holes += 25) {
			size_t n = everybody(&r, m, holes);
			int k = plan(n, 0, "mixed", m, (int)holes);

			CHECK(k >= degree(n) && k <= degree(n) + 2 + m / 2,
				"%d machines, %d %% holes: %d rounds, degree %d", m,
				(int)holes, k, degree(n));
		}
	}
}

static void no_more_at_once(void)
{
	static const struct {
		int clients, servers;
		uint32_t at_most;
		int want;
	} rows[] = {
		{4, 2, 1, 8},
		{4, 2, 2, 4},
		{4, 2, 7, 4},
		{10, 10, 3, 34},
		{7, 5, 4, 9},
	};
	struct rng r;

	rng_seed(&r, 4);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		size_t n = disjoint(&r, rows[i].clients, rows[i].servers, 0);
		int k = plan(
			n, rows[i].at_most, "bounded", rows[i].clients, rows[i].servers);

		CHECK(k == rows[i].want, "%d x %d, %u at once: %d rounds, not %d",
			rows[i].clients, rows[i].servers, rows[i].at_most, k,
			rows[i].want);
	}
	for (uint32_t at_most = 1; at_most < 9; at_most++)
		plan(everybody(&r, 9, 0), at_most, "bounded, all both", 9, (int)at_most);
}

static void odd_pairs(void)
{
	static const struct {
		struct round_pair pairs[6];
		size_t n;
		int want;
	} rows[] = {
		{{{0, 0}}, 0, 0},
		{{{5, 5}}, 1, 1},
		{{{5, 5}, {5, 5}, {5, 7}}, 3, 3},
		{{{1, 2}, {1, 2}, {2, 1}}, 3, 3},
		{{{1, 2}, {2, 3}, {3, 1}}, 3, 3},
		{{{1, 2}, {3, 4}, {5, 6}, {1, 1}}, 4, 2},
		{{{1, 2}, {2, 3}, {3, 1}, {1, 1}, {2, 2}, {3, 3}}, 6, 3},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		memcpy(pairs, rows[i].pairs, sizeof(rows[i].pairs));
		CHECK(plan(rows[i].n, 0, "odd", (int)i, 0) == rows[i].want, "row %zu", i);
	}
}

TEST_MAIN(TEST(disjoint_takes_the_degree), TEST(everybody_takes_a_tournament),
	TEST(mixed_takes_little_more_than_the_degree), TEST(no_more_at_once),
	TEST(odd_pairs))
