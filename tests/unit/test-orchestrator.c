/* Unit tests of what is pure in the orchestrator: clocks, command lines, the texts of a run. */
#include <stdint.h>
#include <stdlib.h>

#include "check.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "orchestrator/command.h"
#include "orchestrator/console/display.h"
#include "orchestrator/fleet/clock_sync.h"

/* --- clock_sync --- */

/* One burst of exchanges at our time `at` with a clock that is `offset` ahead; the round trip is `rtt`
 * in the best of them, and `there` of it is spent on the way there. */
static bool burst(
	struct clock_sync *c, uint64_t at, int64_t offset, uint64_t rtt, uint64_t there)
{
	bool ended = false;

	for (unsigned i = 0; i < CLOCK_SYNC_EXCHANGES; i++) {
		uint64_t slow = i == 7 ? 0 : 1000000 + i;
		uint64_t sent = at + i * 10, arrived = sent + there + slow;

		CHECK(!ended, "burst ended after %u", i);
		ended = clock_sync_add(c, sent, arrived + (uint64_t)offset,
			arrived + 500 + (uint64_t)offset, sent + rtt + slow + 500);
	}
	return ended;
}

static void test_best_exchange_counts(void)
{
	static const struct {
		int64_t offset;
		uint64_t rtt, there;
	} rows[] = {
		{0, 100000, 50000},
		{3600000000000, 100000, 50000},
		{-3600000000000, 100000, 50000},
		{5, 1000,
			1000}, /* all of it on the way there: wrong by half the round trip */
		{-5, 1000, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct clock_sync c = {0};
		int64_t offset;
		uint64_t bound;

		CHECK(!clock_sync_at(&c, 0, &offset, &bound));
		CHECK(burst(&c, UINT64_C(4000000000000), rows[i].offset, rows[i].rtt,
			rows[i].there));
		CHECK(clock_sync_at(&c, UINT64_C(4000000000000), &offset, &bound));
		CHECK(bound == rows[i].rtt / 2, "row %zu: bound %llu", i,
			(unsigned long long)bound);
		CHECK(llabs(offset - rows[i].offset) <= (long long)bound + 1,
			"row %zu: offset %lld", i, (long long)offset);
		clock_sync_finish(&c);
	}
}

static void test_drift_is_interpolated(void)
{
	struct clock_sync c = {0};
	int64_t offset;
	uint64_t bound;

	burst(&c, 1000000000, 0, 2000, 1000);
	burst(&c, 11000000000, 10000, 2000, 1000);
	CHECK(clock_sync_at(&c, 6000000000, &offset, &bound));
	CHECK(llabs(offset - 5000) < 10, "offset %lld", (long long)offset);
	CHECK(clock_sync_at(&c, 99000000000, &offset, &bound) &&
		llabs(offset - 10000) < 10);
	clock_sync_finish(&c);
}

/* --- command lines --- */

struct parse_row {
	const char *argv[8];
	const char *command; /* NULL: none */
	const char *error;   /* NULL: none; else how it begins */
};

static void test_command_lines(void)
{
	static const struct parse_row rows[] = {
		{{"muster", "check", "--hosts", "a,b"}, "check", NULL},
		{{"muster", "--hosts", "a,b", "check"}, "check", NULL},
		{{"muster", "--check", "--hosts", "a"}, "check", NULL},
		{{"muster", "ping"}, "check", NULL},
		{{"muster", "--deploy"}, "setup", NULL},
		{{"muster", "run", "w.yaml", "--duration", "5m"}, "run", NULL},
		{{"muster", "run", "--config", "w.yaml"}, "run", NULL},
		{{"muster", "--help"}, NULL, NULL},
		{{"muster", "chekc"}, NULL,
			"unknown command 'chekc', did you mean 'check'?"},
		{{"muster", "check", "x"}, NULL,
			"muster check takes no operands, not 'x'"},
		{{"muster", "check", "--duration", "1s"}, NULL,
			"muster check: unknown option"},
		{{"muster", "run", "--durration", "1s"}, NULL,
			"unknown option '--durration'"},
		{{"muster", "run", "w.yaml", "--users", "5"}, NULL,
			"option '--users' is not supported yet"},
		{{"muster", "run", "a", "b"}, NULL,
			"muster run takes WORKLOAD.yaml, not 'b'"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct parse_row *row = &rows[i];
		struct err err = ERR_INIT;
		struct app app;
		int argc = 0, r;

		while (row->argv[argc])
			argc++;
		r = command_parse(argc, (char **)row->argv, &app, &err);
		CHECK((r < 0) == (row->error != NULL), "row %zu: %s", i, err.text);
		if (row->error)
			CHECK(strncmp(err.text, row->error, strlen(row->error)) == 0,
				"row %zu: %s", i, err.text);
		else
			CHECK_STR(app.command ? app.command->name : NULL, row->command);
		command_finish(&app);
	}
}

/* Every option that is shown has a help text, and no command has two options of one name. */
/* --port of these is the server's: that of SSH is hidden behind it. */
static bool may_be_twice(const struct command *c, const struct opt *o)
{
	static const char *const names[] = {"start", "status", "stop"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(c->name, names[i]) == 0)
			return strcmp(o->name, "port") == 0;
	return false;
}

static void test_tables_are_whole(void)
{
	for (const struct command *c = commands; c->name; c++) {
		const char *seen[128];
		size_t n = 0;

		CHECK(c->summary && c->text && c->examples && c->run, "%s", c->name);
		for (const struct option_group *const *g = c->groups; *g; g++)
			for (const struct opt *o = (*g)->options; o->name; o++) {
				for (size_t i = 0; i < n; i++)
					CHECK(strcmp(seen[i], o->name) != 0 ||
							may_be_twice(c, o),
						"%s: --%s", c->name, o->name);
				seen[n++] = o->name;
			}
	}
}

/* --- texts --- */

static void test_op_line(void)
{
	AUTO_BUF struct buf out = BUF_INIT;
	struct hist h;

	hist_init(&h, 3);
	hist_alloc(&h);
	for (int i = 0; i < 100; i++)
		hist_record(&h, 95000);
	struct display_counts c = {.what = "GET",
		.moves_data = true,
		.count = 198820,
		.bytes = 198820 * 1024,
		.seconds = 10,
		.response = &h};

	display_counts(&out, &c, true);
	CHECK_STR(out.data,
		"GET: 19882 ops/s, 19.4 MiB/s (mean: 95µs, p50: 95µs, p95: 95µs, p99: "
		"95µs, errors: 0)");
	buf_clear(&out);
	c = (struct display_counts){.what = "STAT", .errors = 2, .retries = 12};
	display_counts(&out, &c, true);
	CHECK_STR(out.data, "STAT: 0.00 ops/s (errors: 2, retries: 12)");
	hist_finish(&h);
}

static void test_bars(void)
{
	static const struct {
		double done, total;
		const char *want;
	} rows[] = {
		{0, 30, "[----------]  0/30s  measure"},
		{15, 30, "[#####-----]  15/30s  measure"},
		{31, 30, "[##########]  30/30s  measure"},
		{1, 2.5, "[####------]  1/2.5s  measure"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_BUF struct buf out = BUF_INIT;

		display_bar_time(&out, "measure", rows[i].done, rows[i].total, 40, false);
		CHECK_STR(out.data, rows[i].want);
	}
}

TEST_MAIN(TEST(test_best_exchange_counts), TEST(test_drift_is_interpolated),
	TEST(test_command_lines), TEST(test_tables_are_whole), TEST(test_op_line),
	TEST(test_bars))
