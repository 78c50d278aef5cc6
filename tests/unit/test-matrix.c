/* The plan of a matrix: pairs, rounds, what is said of them. */
#include "orchestrator/matrix/matrix_plan.h"

#include <stdlib.h>

#include "check.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/units.h"

/* Hosts 0.. are clients, the last ones servers; `both` of them are on both sides. */
static struct matrix_lists lists(size_t clients, size_t servers, size_t both)
{
	struct matrix_lists l = {.n_clients = clients, .n_servers = servers};

	l.clients = calloc(clients + 1, sizeof(*l.clients));
	l.servers = calloc(servers + 1, sizeof(*l.servers));
	for (size_t i = 0; i < clients; i++)
		l.clients[i] = (uint32_t)i;
	for (size_t i = 0; i < servers; i++)
		l.servers[i] = (uint32_t)(clients - both + i);
	return l;
}

static void one_machine_each(uint32_t *machines, size_t n)
{
	for (size_t i = 0; i < n; i++)
		machines[i] = (uint32_t)i;
}

static const struct matrix_work half_a_minute = {.tests = 1,
	.repeats = 1,
	.round_ns = 30 * NS_PER_SEC,
	.duration_ns = 30 * NS_PER_SEC,
	.iterations = {1, 1}};

static void plans_in_words(void)
{
	static const struct {
		size_t clients, servers, both;
		enum matrix_mode mode;
		uint32_t at_most;
		const char *want;
	} rows[] = {
		{4, 2, 0, MATRIX_PARALLEL, 0,
			"8 pairs in 4 rounds of 2, 30 s each: about 2 min 4 s"},
		{4, 2, 0, MATRIX_PARALLEL, 1,
			"8 pairs in 8 rounds, 30 s each: about 4 min 8 s"},
		{4, 2, 0, MATRIX_SEQUENTIAL, 0,
			"8 pairs in 8 rounds, 30 s each: about 4 min 8 s"},
		{4, 2, 0, MATRIX_CONCURRENT, 0,
			"8 pairs all at once (they share machines and links), 30 s each: "
			"about 31 s"},
		{1, 1, 0, MATRIX_PARALLEL, 0, "1 pair in 1 round, 30 s each: about 31 s"},
		{1, 1, 0, MATRIX_CONCURRENT, 0,
			"1 pair in 1 round, 30 s each: about 31 s"},
		{1, 1, 1, MATRIX_PARALLEL, 0, "1 pair in 1 round, 30 s each: about 31 s"},
		{5, 3, 0, MATRIX_PARALLEL, 2,
			"15 pairs in 8 rounds of 1 or 2, 30 s each: about 4 min 8 s"},
		{6, 6, 6, MATRIX_PARALLEL, 0,
			"30 pairs in 10 rounds of 3, 30 s each: about 5 min 10 s"},
		{40, 30, 0, MATRIX_PARALLEL, 0,
			"1,200 pairs in 40 rounds of 30, 30 s each: about 20 min 40 s"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct matrix_lists l =
			lists(rows[i].clients, rows[i].servers, rows[i].both);
		struct matrix_plan p = {0};
		uint32_t machines[100];
		struct err err = ERR_INIT;
		AUTO_BUF struct buf text = BUF_INIT;

		one_machine_each(machines, ARRAY_LEN(machines));
		CHECK(matrix_plan_pairs(&l, &p, &err) == 0, "row %zu: %s", i, err.text);
		CHECK(matrix_plan_rounds(
			      &p, rows[i].mode, rows[i].at_most, machines, &err) == 0,
			"row %zu: %s", i, err.text);
		matrix_plan_text(&p, rows[i].mode, &half_a_minute, &text);
		CHECK_STR(text.data, rows[i].want);
		matrix_plan_finish(&p);
		matrix_lists_finish(&l);
	}
}

static void one_machine_twice(void)
{
	struct matrix_lists l = lists(4, 2, 0);
	struct matrix_plan p;
	struct err err = ERR_INIT;
	uint32_t machines[6];

	one_machine_each(machines, 6);
	CHECK(matrix_plan_pairs(&l, &p, &err) == 0);
	CHECK(matrix_plan_rounds(&p, MATRIX_PARALLEL, 0, machines, &err) == 0);
	CHECK(p.rounds == 4, "%u", p.rounds);
	machines[5] = machines[4]; /* both servers are one machine */
	CHECK(matrix_plan_rounds(&p, MATRIX_PARALLEL, 0, machines, &err) == 0);
	CHECK(p.rounds == 8 && p.most == 1, "%u of %zu", p.rounds, p.most);
	matrix_plan_finish(&p);
	matrix_lists_finish(&l);
}

static void no_host_with_itself(void)
{
	struct matrix_lists l = lists(3, 3, 3);
	struct matrix_plan p;
	struct err err = ERR_INIT;

	CHECK(matrix_plan_pairs(&l, &p, &err) == 0);
	CHECK(p.n == 6 && p.selves == 3, "%zu, %zu", p.n, p.selves);
	for (size_t i = 0; i < p.n; i++)
		CHECK(p.pairs[i].client != p.pairs[i].server, "pair %zu", i);
	matrix_plan_finish(&p);
	matrix_lists_finish(&l);

	l = lists(0, 3, 0);
	CHECK(matrix_plan_pairs(&l, &p, &err) < 0);
	CHECK_STR(err.text, "no clients: the matrix has no pairs");
	matrix_lists_finish(&l);
}

/* Pairs that were measured before take part in no round. */
static void pairs_that_are_done(void)
{
	static const struct matrix_work work = {.tests = 1,
		.repeats = 1,
		.duration_ns = 10 * NS_PER_SEC,
		.round_ns = 10 * NS_PER_SEC,
		.left_ns = 22 * NS_PER_SEC,
		.iterations = {1, 1}};
	static const enum matrix_mode modes[] = {
		MATRIX_PARALLEL, MATRIX_SEQUENTIAL, MATRIX_CONCURRENT};
	static const uint32_t rounds[] = {2, 3, 1};
	struct matrix_lists l = lists(4, 2, 0);
	AUTO_BUF struct buf text = BUF_INIT;
	struct matrix_plan p;
	struct err err = ERR_INIT;
	uint32_t machines[6];

	one_machine_each(machines, 6);
	CHECK(matrix_plan_pairs(&l, &p, &err) == 0);
	for (size_t i = 0; i < p.n; i++)
		p.pairs[i].done = i != 1 && i != 4 && i != 5;
	for (size_t m = 0; m < ARRAY_LEN(modes); m++) {
		CHECK(matrix_plan_rounds(&p, modes[m], 0, machines, &err) == 0);
		CHECK(p.rounds == rounds[m] && p.left == 3, "%u, %zu", p.rounds, p.left);
		for (size_t i = 0; i < p.n; i++)
			CHECK(p.pairs[i].done || p.pairs[i].round < p.rounds, "%zu", i);
	}
	CHECK(matrix_plan_rounds(&p, MATRIX_PARALLEL, 0, machines, &err) == 0);
	matrix_plan_text(&p, MATRIX_PARALLEL, &work, &text);
	CHECK_STR(text.data, "3 of 8 pairs in 2 rounds of 1 or 2, 10 s each: about 22 s");
	for (size_t i = 0; i < p.n; i++)
		p.pairs[i].done = true;
	CHECK(matrix_plan_rounds(&p, MATRIX_PARALLEL, 0, machines, &err) == 0);
	CHECK(p.rounds == 0 && p.left == 0);
	matrix_plan_finish(&p);
	matrix_lists_finish(&l);
}

static void work_in_words(void)
{
	static const struct {
		struct matrix_work work;
		const char *want;
	} rows[] = {
		{{.tests = 3,
			 .repeats = 1,
			 .round_ns = 90 * NS_PER_SEC,
			 .duration_ns = 30 * NS_PER_SEC,
			 .iterations = {1, 1}},
			"2 pairs in 2 rounds, 3 tests of 30 s each: about 3 min 6 s"},
		{{.tests = 2,
			 .repeats = 2,
			 .round_ns = 40 * NS_PER_SEC,
			 .iterations = {1, 1},
			 .rest_ns = 2 * NS_PER_SEC},
			"2 pairs in 2 rounds, 2 tests, 2 times: about 2 min 54 s"},
		{{.tests = 1,
			 .repeats = 1,
			 .round_ns = 10 * NS_PER_SEC,
			 .duration_ns = 10 * NS_PER_SEC,
			 .iterations = {3, 10}},
			"2 pairs in 2 rounds, 10 s each, 3 to 10 iterations: at least 1 "
			"min 6 s"},
		{{.tests = 1,
			 .repeats = 1,
			 .round_ns = NS_PER_SEC / 5,
			 .duration_ns = NS_PER_SEC / 5,
			 .iterations = {1, 1}},
			"2 pairs in 2 rounds, 200ms each: about 2 s"},
		{{.tests = 1,
			 .repeats = 1,
			 .round_ns = NS_PER_SEC * 3 / 2,
			 .duration_ns = NS_PER_SEC * 3 / 2,
			 .iterations = {1, 1}},
			"2 pairs in 2 rounds, 1.5s each: about 5 s"},
		{{.tests = 1,
			 .repeats = 1,
			 .round_ns = 7200 * NS_PER_SEC,
			 .duration_ns = 7200 * NS_PER_SEC,
			 .iterations = {1, 1}},
			"2 pairs in 2 rounds, 2 h 0 min each: about 4 h 0 min"},
		{{.tests = 1,
			 .repeats = 1,
			 .round_ns = 3600 * NS_PER_SEC,
			 .duration_ns = 3600 * NS_PER_SEC,
			 .by_amount = true,
			 .iterations = {1, 1}},
			"2 pairs in 2 rounds, at most 1 h 0 min each: at most 2 h 0 min"},
	};
	struct matrix_lists l = lists(1, 2, 0);
	struct matrix_plan p;
	struct err err = ERR_INIT;
	uint32_t machines[3];

	one_machine_each(machines, 3);
	CHECK(matrix_plan_pairs(&l, &p, &err) == 0);
	CHECK(matrix_plan_rounds(&p, MATRIX_PARALLEL, 0, machines, &err) == 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_BUF struct buf text = BUF_INIT;

		matrix_plan_text(&p, MATRIX_PARALLEL, &rows[i].work, &text);
		CHECK_STR(text.data, rows[i].want);
	}
	matrix_plan_finish(&p);
	matrix_lists_finish(&l);
}

static void port_ranges(void)
{
	static const struct {
		const char *text;
		uint32_t min, max; /* 0: refused */
	} rows[] = {{"5201-5300", 5201, 5300}, {"5201", 5201, 5201},
		{"1-65535", 1, 65535}, {"0-5", 0, 0}, {"5-4", 0, 0}, {"1-65536", 0, 0},
		{"", 0, 0}, {"-5", 0, 0}, {"5-", 0, 0}, {"a-b", 0, 0}, {"1-2-3", 0, 0}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = ERR_INIT;
		uint32_t min = 0, max = 0;
		int rc = matrix_parse_ports(rows[i].text, &min, &max, &err);

		CHECK((rc == 0) == (rows[i].min != 0), "'%s': %d", rows[i].text, rc);
		CHECK(min == rows[i].min && max == rows[i].max, "'%s': %u-%u",
			rows[i].text, min, max);
	}
}

TEST_MAIN(TEST(plans_in_words), TEST(one_machine_twice), TEST(no_host_with_itself),
	TEST(pairs_that_are_done), TEST(work_in_words), TEST(port_ranges))
