/* What keys of the load and of its ops become in jobs, and where they are refused. */
#include <stdlib.h>

#include "keys-data.h"

#define CLOSED_LOOP 0.0

/* ---- rate ---- */

static void test_rate(void)
{
#define NONE                                                                             \
	{                                                                                \
		.shared_prepare = -1                                                     \
	}
	static const struct {
		const char *keys;
		struct workload_overrides o;
		double ops; /* of each of two workers */
		enum arrival arrival;
		enum timer timer;
		uint32_t slots;
	} rows[] = {
		{"", NONE, CLOSED_LOOP, ARRIVAL_CONSTANT, TIMER_AUTO, 16},
		{"rate: 5000\n", NONE, 2500, ARRIVAL_CONSTANT, TIMER_AUTO, 1024},
		{"rate: \"5,000/s\"\n", NONE, 2500, ARRIVAL_CONSTANT, TIMER_AUTO, 1024},
		{"rate: 0.5\n", NONE, 0.25, ARRIVAL_CONSTANT, TIMER_AUTO, 1024},
		{"rate: {ops: 100, arrival: poisson, timer: spin}\n", NONE, 50,
			ARRIVAL_POISSON, TIMER_SPIN, 1024},
		{"rate: 100\nconcurrency: 16\n", NONE, 50, ARRIVAL_CONSTANT, TIMER_AUTO,
			16},
		{"rate: 100\n", {.shared_prepare = -1, .concurrency = 4}, 50,
			ARRIVAL_CONSTANT, TIMER_AUTO, 4},
		{"rate: 100\n",
			{.shared_prepare = -1,
				.rate = 7,
				.arrival = 1 + ARRIVAL_POISSON,
				.timer = 1 + TIMER_HYBRID},
			3.5, ARRIVAL_POISSON, TIMER_HYBRID, 1024},
		{"rate: 100\n", {.shared_prepare = -1, .rate = -1}, CLOSED_LOOP,
			ARRIVAL_CONSTANT, TIMER_AUTO, 16},
		{"", {.shared_prepare = -1, .rate = 8}, 4, ARRIVAL_CONSTANT, TIMER_AUTO,
			1024},
		/* the old key is per worker */
		{"io_rate: {iops: 300}\n", NONE, 300, ARRIVAL_POISSON, TIMER_AUTO, 1024},
		{"io_rate: {iops: 300, distribution: exponential}\n", NONE, 300,
			ARRIVAL_POISSON, TIMER_AUTO, 1024},
		{"io_rate: {iops: 300, distribution: uniform}\n", NONE, 300,
			ARRIVAL_CONSTANT, TIMER_AUTO, 1024},
		{"io_rate: {iops: 300, distribution: deterministic}\n", NONE, 300,
			ARRIVAL_CONSTANT, TIMER_AUTO, 1024},
		{"io_rate: {iops: max}\n", NONE, CLOSED_LOOP, ARRIVAL_CONSTANT,
			TIMER_AUTO, 16},
		{"io_rate: {iops: 300}\n", {.shared_prepare = -1, .rate = 8}, 4,
			ARRIVAL_POISSON, TIMER_AUTO, 1024},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *text = text_printf("%s" TARGET GET, rows[i].keys);
		struct planned m;

		if (!make(&m, text, &rows[i].o, 2))
			continue;
		for (size_t k = 0; k < 2; k++) {
			const struct job *j = &m.p.jobs[k];

			CHECK(close_to(j->rate.ops, rows[i].ops), "row %zu: %f", i,
				j->rate.ops);
			CHECK(j->rate.arrival == rows[i].arrival &&
					j->rate.timer == rows[i].timer,
				"row %zu", i);
			CHECK(j->concurrency == rows[i].slots, "row %zu: %u", i,
				j->concurrency);
		}
		drop(&m);
	}
}

static void test_rate_refusals(void)
{
#define A_RATE                                                                           \
	"a rate is a number of ops per second above 0 and up to 1,000,000,000, such as " \
	"5000"
	static const struct {
		const char *keys, *want;
	} rows[] = {
		{"rate: 0\n", "w.yaml:1:7: " A_RATE},
		{"rate:\n", "w.yaml:1:6: " A_RATE},
		{"rate: [1, 2]\n", "w.yaml:1:7: " A_RATE},
		{"rate: -5\n", "w.yaml:1:7: " A_RATE},
		{"rate: fast\n", "w.yaml:1:7: " A_RATE},
		{"rate: 2e9\n", "w.yaml:1:7: " A_RATE},
		{"rate: .nan\n", "w.yaml:1:7: " A_RATE},
		{"rate: {arrival: poisson}\n",
			"w.yaml:1:7: a rate needs 'ops', per second"},
		{"rate: {ops: 0}\n", "w.yaml:1:13: " A_RATE},
		{"rate: {ops: 5, arival: poisson}\n",
			"w.yaml:1:16: unknown key 'arival' in a rate (did you mean "
			"'arrival'?)"},
		{"rate: {ops: 5, arrival: late}\n",
			"w.yaml:1:25: key 'arrival' wants one of constant, poisson, not "
			"'late'"},
		{"rate: {ops: 5, timer: sun}\n",
			"w.yaml:1:23: key 'timer' wants one of auto, sleep, hybrid, "
			"spin, not 'sun'"},
		{"io_rate: {distribution: uniform}\n",
			"w.yaml:1:10: io_rate needs 'iops', or iops: max"},
		{"io_rate: {iops: 5, distribution: normal}\n",
			"w.yaml:1:34: key 'distribution' wants one of exponential, "
			"uniform, deterministic, not 'normal'"},
		{"rate: 5\nio_rate: {iops: 5}\n",
			"w.yaml:2:10: io_rate and rate say the same: leave io_rate out"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *text = text_printf("%s" TARGET GET, rows[i].keys);

		check_refused(text, NULL, rows[i].want);
	}
	check_refused(TARGET GET,
		&(struct workload_overrides){.shared_prepare = -1, .arrival = 1},
		"--arrival is about an open loop: give --rate, or rate in the workload, "
		"too");
	check_refused("rate: 5\n" TARGET GET,
		&(struct workload_overrides){
			.shared_prepare = -1, .rate = -1, .timer = 1},
		"--timer is about an open loop: give --rate, or rate in the workload, "
		"too");
}

static void test_old_rate_warns(void)
{
	check_warned("io_rate: {iops: 5}\n" TARGET GET,
		"w:1:10: io_rate is an old key, of each worker; over all workers it is "
		"rate: {ops: N, arrival: poisson}\n");
	check_warned("io_rate: {iops: max}\n" TARGET GET,
		"w:1:10: io_rate is an old key; iops: max is what happens without a "
		"rate\n");
}

/* ---- ops ---- */

static void test_selections(void)
{
	static const struct {
		const char *value;
		enum selection how;
		double theta;
		const char *want; /* or NULL */
	} rows[] = {
		{"uniform", SELECT_UNIFORM, 0, NULL},
		{"random", SELECT_UNIFORM, 0, NULL},
		{"sequential", SELECT_SEQUENTIAL, 0, NULL},
		{"zipf", SELECT_ZIPF, 0.99, NULL},
		{"zipfian", SELECT_ZIPF, 0.99, NULL},
		{"latest", SELECT_LATEST, 0.99, NULL},
		{"\"zipf:1.2\"", SELECT_ZIPF, 1.2, NULL},
		{"{zipf: 1.2}", SELECT_ZIPF, 1.2, NULL},
		{"{latest: 0.5}", SELECT_LATEST, 0.5, NULL},
		{"{type: zipf}", SELECT_ZIPF, 0.99, NULL},
		{"{type: zipf, theta: 0.8}", SELECT_ZIPF, 0.8, NULL},
		{"{theta: 0.8, type: latest}", SELECT_LATEST, 0.8, NULL},
		{"pareto", 0, 0,
			"w.yaml:2:54: key 'selection' wants one of uniform, sequential, "
			"zipf, latest, not 'pareto'"},
		{"{type: zip}", 0, 0,
			"w.yaml:2:61: key 'type' wants one of uniform, sequential, zipf, "
			"latest, not 'zip'"},
		{"{type: zipf, s: 1}", 0, 0,
			"w.yaml:2:67: unknown key 's' in a selection"},
		{"{type: uniform, theta: 2}", 0, 0,
			"w.yaml:2:54: selection uniform takes no theta"},
		{"\"zipf:x\"", 0, 0, "w.yaml:2:54: 'x' is no theta, which is a number"},
		{"\"zipf:1\"", 0, 0,
			"w.yaml:2:54: theta is a number above 0, at most 20, and not 1: "
			"0.99 or 1.01 is as skewed"},
		{"{zipf: 0}", 0, 0,
			"w.yaml:2:54: theta is a number above 0, at most 20, and not 1: "
			"0.99 or 1.01 is as skewed"},
		{"{zipf: 21}", 0, 0,
			"w.yaml:2:54: theta is a number above 0, at most 20, and not 1: "
			"0.99 or 1.01 is as skewed"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *text = text_printf(TARGET
			"workload: [{op: get, path: a/, weight: 1, selection: %s}]",
			rows[i].value);
		struct planned m;

		if (rows[i].want) {
			check_refused(text, NULL, rows[i].want);
			continue;
		}
		if (!make(&m, text, NULL, 1))
			continue;
		CHECK(m.p.jobs[0].ops[0].selection == rows[i].how, "%s", rows[i].value);
		CHECK(close_to(m.p.jobs[0].ops[0].theta, rows[i].theta), "%s: %f",
			rows[i].value, m.p.jobs[0].ops[0].theta);
		drop(&m);
	}
}

static void test_ops(void)
{
	static const char text[] = TARGET
		"workload:\n"
		"- {op: range_put, path: a/*, weight: 1, range_size: 4k, range_align: "
		"2k, "
		"fill: unique, dedup_factor: 3, compress_factor: 2, fsync: true, "
		"selection: sequential}\n"
		"- {op: mkdir, path: d, weight: 1, recursive: true}\n"
		"- {op: rmdir, path: d/*, weight: 1, recursive: yes}\n"
		"- {op: put, path: p/, weight: 1, object_size: 1, dedup_factor: 1_000, "
		"compress_factor: \"4\"}\n"
		"- {op: mkdir, weight: 1}\n";
	struct planned m;
	const struct job_op *op;

	if (!make(&m, text, NULL, 1))
		return;
	op = m.p.jobs[0].ops;
	CHECK(op[0].kind == OP_RANGE_PUT && op[0].range_size == 4000 &&
		op[0].range_align == 2000);
	CHECK(op[0].fill == FILL_UNIQUE && op[0].dedup == 3 && op[0].compress == 2);
	CHECK(op[0].fsync && op[0].selection == SELECT_SEQUENTIAL);
	CHECK(op[1].kind == OP_MKDIR && op[1].recursive);
	CHECK_STR(op[1].uri, "file:///t/d/");
	CHECK(op[2].kind == OP_RMDIR && op[2].recursive);
	CHECK_STR(op[2].uri, "file:///t/d/");
	CHECK(op[3].dedup == 1000 && op[3].compress == 4);
	CHECK_STR(op[4].uri, "file:///t/");
	CHECK(!op[4].recursive);
	drop(&m);
}

static void test_op_refusals(void)
{
#define OP(rest) TARGET "workload:\n  - {" rest "}\n"
	static const struct {
		const char *text, *want;
	} rows[] = {
		{OP("op: range_put, path: a/, weight: 1"),
			"w.yaml:3:5: a range_put needs range_size"},
		{OP("op: range_put, weight: 1, range_size: 1"),
			"w.yaml:3:5: a range_put needs a path"},
		{OP("op: range_put, path: a/, weight: 1, range_size: 1, object_size: 1"),
			"w.yaml:3:57: a range_put takes no 'object_size'"},
		{OP("op: mkdir, path: a/, weight: 1, range_size: 1"),
			"w.yaml:3:38: a mkdir takes no 'range_size'"},
		{OP("op: mkdir, path: a/, weight: 1, fsync: true"),
			"w.yaml:3:38: a mkdir takes no 'fsync'"},
		{OP("op: mkdir, path: \"a/*/b\", weight: 1"),
			"w.yaml:3:23: a mkdir takes a prefix, not a glob"},
		{OP("op: get, path: a/, weight: 1, recursive: true"),
			"w.yaml:3:36: a get takes no 'recursive'"},
		{OP("op: rmdir, path: a/, weight: 1"),
			"w.yaml:3:23: rmdir 'a/' has nothing to remove: it needs a mkdir "
			"of the same path, or a directory_structure, or --allow-foreign"},
		{OP("op: list, path: a/, weight: 1, selection: zipf"),
			"w.yaml:3:37: a list takes no 'selection'"},
		{OP("op: delete, path: a/, weight: 1, selection: zipf"),
			"w.yaml:3:50: a delete takes each object once: it has no "
			"selection but uniform"},
		{OP("op: put, path: a/, weight: 1, object_size: 1, selection: zipf"),
			"w.yaml:3:63: a put makes new objects and chooses none: "
			"selection is for puts into a directory_structure"},
		{OP("op: stat, path: a/, weight: 1, verify: true"),
			"w.yaml:3:37: a stat takes no 'verify'"},
		{OP("op: stat, path: a/, weight: 1, dedup_factor: 2"),
			"w.yaml:3:37: a stat takes no 'dedup_factor'"},
		{OP("op: put, path: a/, weight: 1, object_size: 1, dedup_factor: "
		    "1000001"),
			"w.yaml:3:66: a factor is a whole number from 1 to 1000000"},
		{"target: s3://b/\nworkload: [{op: mkdir, path: a/, weight: 1}]",
			"w.yaml:2:17: s3:// has no directories: mkdir is for file://, "
			"direct:// and null://"},
		{OP("op: copy, path: a/*, weight: 1"),
			"w.yaml:3:10: file:// has no copy: that is for s3://, az://, "
			"gs:// and null://"},
		{"target: direct:///t\nworkload: [{op: multipart_put, path: a/, weight: "
		 "1, object_size: 1}]",
			"w.yaml:2:17: direct:// has no multipart_put: that is for s3://, "
			"az://, gs:// and null://"},
		{"target: az://a/c/\nworkload: [{op: range_put, path: a/, weight: 1, "
		 "range_size: 1}]",
			"w.yaml:2:17: an object of az:// changes as a whole: range_put "
			"is for file://, direct:// and null://"},
		{TARGET GET "page_cache_mode: warm\n",
			"w.yaml:3:18: key 'page_cache_mode' wants one of auto, normal, "
			"sequential, random, dontneed, not 'warm'"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_refused(rows[i].text, NULL, rows[i].want);
}

static void test_page_cache(void)
{
	static const char *const modes[] = {
		"auto", "normal", "sequential", "random", "dontneed"};
	struct planned m;

	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		AUTO_FREE char *text =
			text_printf("page_cache_mode: %s\n" TARGET GET, modes[i]);

		if (!make(&m, text, NULL, 1))
			continue;
		CHECK(m.p.jobs[0].page_cache == i, "%s", modes[i]);
		CHECK(!*m.p.notes);
		drop(&m);
	}
	if (make(&m, "page_cache_mode: random\ntarget: s3://b/\n" GET, NULL, 1)) {
		CHECK(has_note(
			&m.p, "page_cache_mode is about file:// and not used for s3://"));
		drop(&m);
	}
}

/* What is checked, and whether the job's content can be. */
static void test_verify(void)
{
	static const struct {
		const char *top, *get, *put;
		bool option, job, op;
	} rows[] = {
		{"", "", "", false, false, false},
		{"verify: true\n", "", "", false, true, true},
		{"", "", "", true, true, true},
		{"", ", verify: true", "", false, true, true},
		{"", "", ", verify: true", false, true, false},
		{"verify: true\n", ", verify: false", "", false, true, false},
		{"verify: false\n", "", "", false, false, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct workload_overrides o = {
			.shared_prepare = -1, .verify = rows[i].option};
		AUTO_FREE char *text = text_printf(
			"%s" TARGET "workload:\n- {op: get, path: a/, weight: 1%s}\n"
			"- {op: range_get, path: a/, weight: 1, range_size: 1%s}\n"
			"- {op: put, path: b/, weight: 1, object_size: 1%s}\n",
			rows[i].top, rows[i].get, rows[i].get, rows[i].put);
		struct planned m;

		if (!make(&m, text, &o, 1))
			continue;
		CHECK(m.p.jobs[0].verify == rows[i].job, "row %zu", i);
		CHECK(m.p.jobs[0].ops[0].verify == rows[i].op, "row %zu", i);
		CHECK(m.p.jobs[0].ops[1].verify == rows[i].op, "row %zu", i);
		CHECK(!m.p.jobs[0].ops[2].verify, "row %zu", i);
		drop(&m);
	}
}

static void test_options(void)
{
	struct workload_overrides o = {
		.shared_prepare = -1, .once = true, .allow_foreign = true};
	struct planned m;

	if (make(&m, TARGET GET, &o, 1)) {
		CHECK(m.p.jobs[0].once && m.p.jobs[0].allow_foreign);
		drop(&m);
	}
	if (make(&m, TARGET GET, NULL, 1)) {
		CHECK(!m.p.jobs[0].once && !m.p.jobs[0].allow_foreign);
		drop(&m);
	}
}

TEST_MAIN(TEST(test_rate), TEST(test_rate_refusals), TEST(test_old_rate_warns),
	TEST(test_selections), TEST(test_ops), TEST(test_op_refusals),
	TEST(test_page_cache), TEST(test_verify), TEST(test_options))
