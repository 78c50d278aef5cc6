/* test-first-done: sums up to a moment that is known only later. */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "results/first_done.h"
#include "results/run_info.h"

CLEANUP_DEFINE(struct first_done, first_done_destroy)

#define S UINT64_C(1000000000)
#define BEGIN (100 * S)

/* A second of measure: n gets and n puts of 10 bytes. */
static void report(
	struct first_done *f, size_t worker, uint64_t from_ns, uint64_t to_ns, uint64_t n)
{
	const struct op_delta ops[] = {
		{.kind = OP_GET, .count = n},
		{.kind = OP_PUT, .count = n, .bytes = 10 * n},
	};

	first_done_stats(f, worker, BEGIN + from_ns, BEGIN + to_ns, ops, 2);
}

static void interpolates(void)
{
	CLEANUP(cleanup_first_done_destroy) struct first_done *f = first_done_create(2);
	struct first_done_report d;

	report(f, 0, 0, S, 100);
	report(f, 1, 0, S, 40);
	CHECK(!first_done_find(f, BEGIN, &d), "nobody is through");
	report(f, 0, S, 3 * S / 2, 50);
	CHECK(first_done_end(f, 0, BEGIN + 3 * S / 2, true), "the first one");
	/* a report of just behind the moment: half of a second and a tenth of that */
	report(f, 1, S, S + 550000000, 22);
	report(f, 1, S + 550000000, 3 * S, 60);
	CHECK(!first_done_end(f, 1, BEGIN + 3 * S, true), "the second one");
	CHECK(first_done_find(f, BEGIN, &d));
	CHECK(d.first_ns == 3 * S / 2 && d.last_ns == 3 * S);
	CHECK(d.first == 0 && d.last == 1 && d.through == 2 && d.workers == 2);
	CHECK(d.ops[OP_GET].seen && d.ops[OP_GET].first.count == 150 + 40 + 20, "%lu",
		(unsigned long)d.ops[OP_GET].first.count);
	CHECK(d.ops[OP_PUT].first.bytes == 2100 && !d.ops[OP_STAT].seen);
	CHECK(d.ops[OP_GET].last.count == 150 + 122 && d.last_all.count == 2 * 272);
	CHECK(d.spread_ns == 50000000, "%lu", (unsigned long)d.spread_ns);
	CHECK(d.left > 0.508 && d.left < 0.509, "%f", d.left);
}

/* What a message takes is far less than what is kept; what is older stays counted. */
static void long_runs(void)
{
	CLEANUP(cleanup_first_done_destroy) struct first_done *f = first_done_create(2);
	struct first_done_report d;

	for (uint64_t i = 0; i < 100; i++) {
		report(f, 0, i * S, (i + 1) * S, 10);
		report(f, 1, i * S, (i + 1) * S, 10);
	}
	first_done_end(f, 0, BEGIN + 100 * S, true);
	for (uint64_t i = 100; i < 200; i++)
		report(f, 1, i * S, (i + 1) * S, 10);
	/* somebody was through before, and its message took its time */
	CHECK(!first_done_end(f, 1, BEGIN + 200 * S, true));
	CHECK(first_done_find(f, BEGIN, &d));
	CHECK(d.ops[OP_GET].first.count == 2000 && d.ops[OP_GET].last.count == 3000,
		"%lu", (unsigned long)d.ops[OP_GET].first.count);
	CHECK(d.left == 0.5);
}

static void late_message(void)
{
	CLEANUP(cleanup_first_done_destroy) struct first_done *f = first_done_create(3);
	struct first_done_report d;

	for (size_t w = 0; w < 3; w++)
		report(f, w, 0, 4 * S, 400);
	CHECK(first_done_end(f, 0, BEGIN + 4 * S, true));
	report(f, 2, 4 * S, 5 * S, 100);
	CHECK(!first_done_end(f, 1, BEGIN + 3 * S, true));
	CHECK(first_done_find(f, BEGIN, &d));
	CHECK(d.first == 1 && d.first_ns == 3 * S && d.ops[OP_GET].first.count == 900);
}

static void nobody(void)
{
	CLEANUP(cleanup_first_done_destroy) struct first_done *f = first_done_create(2);
	struct first_done_report d;

	report(f, 0, 0, S, 1);
	/* at the end of the time; and one that had nothing to do */
	CHECK(!first_done_end(f, 0, BEGIN + S, false));
	CHECK(!first_done_end(f, 1, 0, true));
	CHECK(!first_done_find(f, BEGIN, &d));
	/* in warm-up */
	CHECK(first_done_end(f, 0, BEGIN - S, true));
	CHECK(!first_done_find(f, BEGIN, &d));
	CHECK(!first_done_end(f, 7, BEGIN, true));
	report(f, 7, 0, S, 1);
}

static void says(void)
{
	CLEANUP(cleanup_first_done_destroy) struct first_done *f = first_done_create(3);
	AUTO_BUF struct buf table = BUF_INIT, tail = BUF_INIT;
	struct run_worker workers[] = {
		{.id = (char *)"a"}, {.id = (char *)"b"}, {.id = (char *)"c"}};
	struct run_info info = {.workers = workers, .n_workers = 3};
	const struct op_delta get = {.kind = OP_GET, .count = 3000, .bytes = 300 << 20};
	struct first_done_report d;

	first_done_stats(f, 0, BEGIN, BEGIN + S, &get, 1);
	first_done_stats(f, 1, BEGIN, BEGIN + 4 * S, &get, 1);
	first_done_stats(f, 2, BEGIN, BEGIN + 2 * S, &get, 1);
	first_done_end(f, 0, BEGIN + S, true);
	first_done_end(f, 1, BEGIN + 4 * S, true);
	CHECK(first_done_find(f, BEGIN, &d));
	first_done_table(&d, &table);
	CHECK_STR(table.data,
		"OPERATION   RESULT               FIRST DONE     LAST DONE\n"
		"GET         Elapsed time     :       1.000s        4.000s\n"
		"            Ops/s            :         5250          2250\n"
		"            Throughput MiB/s :          525           225\n"
		"            Total MiB        :          525           900\n"
		"            Operations total :         5250          9000\n");
	first_done_tail(&info, &d, &tail);
	CHECK_STR(tail.data, "b ended 3.000 s after a, and had 75.0 % of its operations "
			     "left then; 1 of "
			     "3 workers did not come to their end");
}

TEST_MAIN(
	TEST(interpolates), TEST(long_runs), TEST(late_message), TEST(nobody), TEST(says))
