/* Workload files: the words of each refusal, and the jobs that become of the others. */
#include <inttypes.h>
#include <stdlib.h>

#include "check.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "common/units.h"
#include "inventory/inventory.h"
#include "workload/workload.h"
#include "yaml/decode.h"

#define RUN "abcdefghijkl"
#define GET "workload: [{op: get, path: a, weight: 1}]\n"
#define TARGET "target: file:///t/\n"

static void collect(const char *text, void *user)
{
	buf_printf(user, "%s\n", text);
}

/* Parses and plans for n workers w0, w1, ... with hosts (which may be NULL). On failure ret_plan and
 * *ret_workload are empty and err says why. */
static int plan_text(const char *text, const struct workload_overrides *o,
	const struct host *hosts, size_t n, struct workload **ret_workload,
	struct plan *ret_plan, struct err *err)
{
	static const char *const ids[] = {"w0", "w1", "w2"};
	struct plan_worker workers[3];

	for (size_t i = 0; i < n; i++)
		workers[i] = (struct plan_worker){hosts ? hosts[i].name : ids[i],
			hosts ? &hosts[i] : NULL, hosts ? 0 : (unsigned)i};
	if (workload_parse("w.yaml", text, strlen(text), NULL, ret_workload, err) < 0)
		return -1;
	if (workload_plan(*ret_workload, o, workers, n, RUN, 1, ret_plan, err) < 0) {
		workload_destroy(*ret_workload);
		return -1;
	}
	return 0;
}

static void check_refused(const char *text, const char *want)
{
	struct workload *w = NULL;
	struct plan plan;
	struct err err = ERR_INIT;

	if (!CHECK(plan_text(text, NULL, NULL, 1, &w, &plan, &err) < 0, "%s", text)) {
		plan_finish(&plan);
		workload_destroy(w);
		return;
	}
	CHECK_STR(err.text, want);
	CHECK(err.kind == ERR_INPUT, "%s", text);
}

struct refusal {
	const char *text, *want;
};

static void check_refusals(const struct refusal *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		check_refused(rows[i].text, rows[i].want);
}

static void test_top_level(void)
{
	static const struct refusal rows[] = {
		{"", "w.yaml:1:1: a workload is a mapping with 'target', 'workload' and "
		     "so on"},
		{"- a", "w.yaml:1:1: a workload is a mapping with 'target', 'workload' "
			"and so on"},
		{"just text", "w.yaml:1:1: a workload is a mapping with 'target', "
			      "'workload' and so on"},
		{"target: x", "w.yaml:1:1: key 'workload' is missing"},
		{"workload:", "w.yaml:1:10: key 'workload' wants a list of ops"},
		{"workload: []", "w.yaml:1:11: the workload is empty"},
		{"workload: {op: get}",
			"w.yaml:1:11: key 'workload' wants a list of ops"},
		{"a: 1\n", "w.yaml:1:1: unknown key 'a' in a workload"},
		{"wrkload: []\n",
			"w.yaml:1:1: unknown key 'wrkload' in a workload (did you mean "
			"'workload'?)"},
		{"duration: 10s\n" GET "\nrate: 5\n",
			"w.yaml:4:1: key 'rate' is not supported yet"},
		{"duration: 0s\n" GET,
			"w.yaml:1:11: key 'duration' wants a duration such as 500ms, "
			"30s or 1h30m from 1ms to 365d, not '0s'"},
		{"concurrency: 0\n" GET, "w.yaml:1:14: key 'concurrency' wants a count "
					 "from 1 to 65,536, not '0'"},
		{"concurrency: 70000\n" GET, "w.yaml:1:14: key 'concurrency' wants a "
					     "count from 1 to 65,536, not "
					     "'70000'"},
		{"processes: many\n" GET,
			"w.yaml:1:12: engine threads are auto, single or a number "
			"from 1 to 1024"},
		{"processes: 0\n" GET,
			"w.yaml:1:12: engine threads are auto, single or a number "
			"from 1 to 1024"},
		{"perf_log: {interval: 10ms}\n" GET,
			"w.yaml:1:22: key 'interval' wants a duration such as 500ms, 30s "
			"or 1h30m "
			"from 100ms to 1m, not '10ms'"},
		{"perf_log: {intervall: 1s}\n" GET,
			"w.yaml:1:12: unknown key 'intervall' in a perf_log section (did "
			"you mean "
			"'interval'?)"},
	};

	check_refusals(rows, ARRAY_LEN(rows));
}

/* Every key whose time has not come, in its section. */
static void test_later_keys(void)
{
	static const struct {
		const char *section, *before, *after;
	} sections[] = {
		{"", "", "\n" GET TARGET},
		{"workload[]", TARGET "workload: [{op: get, path: a, weight: 1, ", "}]"},
		{"prepare", TARGET GET "prepare: {", "}"},
		{"distributed", TARGET GET "distributed: {", "}"},
		{"distributed.agents[]",
			TARGET GET "distributed: {agents: [{address: a, ", "}]}"},
	};
	unsigned seen = 0;

	for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
		const struct workload_table *t = workload_tables;

		while (strcmp(t->name, sections[i].section) != 0)
			t++;
		for (const struct key *k = t->keys; k->name; k++) {
			AUTO_FREE char *text = text_printf("%s%s: 1%s",
				sections[i].before, k->name, sections[i].after);
			AUTO_FREE char *want =
				text_printf("key '%s' is not supported yet", k->name);
			struct workload *w = NULL;
			struct err err = ERR_INIT;

			if (k->type != KEY_LATER)
				continue;
			seen++;
			if (!CHECK(workload_parse(
					   "w", text, strlen(text), NULL, &w, &err) < 0,
				    "%s", text))
				workload_destroy(w);
			CHECK(strstr(err.text, want), "%s: %s", text, err.text);
		}
	}
	CHECK(seen > 30, "%u", seen);
}

static void test_ignored_keys(void)
{
	static const char text[] =
		TARGET GET "range_engine: {a: 1}\nautotune: true\nperf_log: {path: x}\n"
			   "distributed: {grpc_keepalive_interval: 30}\n";
	struct buf b AUTO_BUF = BUF_INIT;
	struct workload_options o = {.warn = collect, .user = &b};
	struct workload *w = NULL;
	struct err err = ERR_INIT;

	if (!CHECK(workload_parse("w", text, strlen(text), &o, &w, &err) == 0, "%s",
		    err.text))
		return;
	CHECK_STR(b.data, "w:3:1: key 'range_engine' does nothing here\n"
			  "w:4:1: key 'autotune' does nothing here\n"
			  "w:5:12: key 'path' does nothing here (timeseries.tsv is in "
			  "every results "
			  "directory)\n"
			  "w:6:15: key 'grpc_keepalive_interval' does nothing here "
			  "(hosts are reached "
			  "over SSH)\n");
	workload_destroy(w);
}

static void test_lenient(void)
{
	static const char text[] =
		TARGET "workload: [{op: get, path: a, weight: 1, wieght: 2}]";
	struct buf b AUTO_BUF = BUF_INIT;
	struct workload_options o = {.lenient = true, .warn = collect, .user = &b};
	struct workload *w = NULL;
	struct err err = ERR_INIT;

	CHECK(workload_parse("w", text, strlen(text), &o, &w, &err) == 0, "%s", err.text);
	CHECK_STR(b.data,
		"w:2:42: unknown key 'wieght' in a workload entry (did you mean "
		"'weight'?)\n");
	workload_destroy(w);
}

static void test_entries(void)
{
#define OP(rest) TARGET "workload:\n  - {" rest "}\n"
	static const struct refusal rows[] = {
		{TARGET "workload: [get]", "w.yaml:2:12: a workload entry is a mapping "
					   "such as {op: get, path: "
					   "\"small/*\", weight: 1}"},
		{OP("path: a, weight: 1"), "w.yaml:3:5: a workload entry needs 'op'"},
		{OP("op: [get], weight: 1"),
			"w.yaml:3:10: key 'op' wants the name of an op"},
		{OP("op: gett, weight: 1"),
			"w.yaml:3:10: unknown op 'gett' (did you mean 'get'?)"},
		{OP("op: frobnicate, weight: 1"), "w.yaml:3:10: unknown op 'frobnicate'"},
		{OP("op: range_get, range_size: 1, weight: 1"),
			"w.yaml:3:10: op 'range_get' is not supported yet"},
		{OP("op: mkdir"), "w.yaml:3:10: op 'mkdir' is not supported yet"},
		{OP("op: rmdir"), "w.yaml:3:10: op 'rmdir' is not supported yet"},
		{OP("op: copy"), "w.yaml:3:10: op 'copy' is not supported yet"},
		{OP("op: multipart_put"),
			"w.yaml:3:10: op 'multipart_put' is not supported yet"},
		{OP("op: get, path: a, wieght: 1"), "w.yaml:3:24: unknown key 'wieght' "
						    "in a workload entry (did you mean "
						    "'weight'?)"},
		{OP("op: get, path: a"), "w.yaml:3:5: a get needs a weight"},
		{OP("op: get, path: a, weight: 0"),
			"w.yaml:3:32: a weight must be a number above 0"},
		{OP("op: get, path: a, weight: -1"),
			"w.yaml:3:32: a weight must be a number above 0"},
		{OP("op: get, path: a, weight: much"),
			"w.yaml:3:32: key 'weight' wants a number, not 'much'"},
		{OP("op: get, weight: 1"), "w.yaml:3:5: a get needs a path"},
		{OP("op: get, path: \"\", weight: 1"), "w.yaml:3:21: the path is empty"},
		{OP("op: get, path: ../a, weight: 1"),
			"w.yaml:3:21: '..' cannot stand in a path"},
		{OP("op: get, path: \"file:///t/../../etc/passwd\", weight: 1"),
			"w.yaml:3:21: '..' cannot stand in a path"},
		{OP("op: get, path: /etc/passwd, weight: 1"),
			"w.yaml:3:21: '/etc/passwd' begins with '/': write "
			"file:///etc/passwd, or a "
			"path relative to target"},
		{OP("op: get, path: \"a\\nb\", weight: 1"),
			"w.yaml:3:21: the path holds a control character"},
		{OP("op: put, path: a/, weight: 1"),
			"w.yaml:3:5: a put needs object_size or size_distribution"},
		{OP("op: put, path: a/, weight: 1, object_size: 1, size_spec: 2"),
			"w.yaml:3:5: object_size and size_distribution exclude each "
			"other"},
		{OP("op: put, path: a/, weight: 1, size_distribution: 1, size_spec: 2"),
			"w.yaml:3:58: key 'size_spec' says the same as "
			"'size_distribution' in "
			"line 3"},
		{OP("op: put, path: a/, weight: 1, object_size: big"),
			"w.yaml:3:49: key 'object_size' wants a size such as 4096, 4KB "
			"or 4KiB from "
			"0 B to 1.0 PiB, not 'big'"},
		{OP("op: put, path: \"a/*/b\", weight: 1, object_size: 1"),
			"w.yaml:3:21: a put takes a prefix, not a glob"},
		{OP("op: put, path: a/, weight: 1, object_size: 1, dedup_factor: 2"),
			"w.yaml:3:66: a factor other than 1 is not supported yet"},
		{OP("op: put, path: a/, weight: 1, object_size: 1, compress_factor: 3"),
			"w.yaml:3:69: a factor other than 1 is not supported yet"},
		{OP("op: put, path: a/, weight: 1, object_size: 1, fill: 0xff"),
			"w.yaml:3:58: key 'fill' wants one of random, zero, unique, not "
			"'0xff'"},
		{OP("op: get, path: a, weight: 1, object_size: 1"),
			"w.yaml:3:35: a get takes no 'object_size'"},
		{OP("op: stat, path: a, weight: 1, max_keys: 1"),
			"w.yaml:3:36: a stat takes no 'max_keys'"},
		{OP("op: list, path: a, weight: 1, fsync: true"),
			"w.yaml:3:36: a list takes no 'fsync'"},
		{OP("op: list, path: \"a[b]\", weight: 1"),
			"w.yaml:3:22: a list takes a prefix, not a glob"},
		{OP("op: list, path: a, weight: 1, delimiter: ab"),
			"w.yaml:3:47: key 'delimiter' wants '/' or nothing"},
		{OP("op: get, path: a, weight: 1, selection: {type: zipf, theta: 1}"),
			"w.yaml:3:46: a selection other than uniform is not supported "
			"yet"},
		{OP("op: get, path: a, weight: 1, selection: latest"),
			"w.yaml:3:46: a selection other than uniform is not supported "
			"yet"},
		{OP("op: get, path: a, weight: 1, concurrency: 0"),
			"w.yaml:3:48: key 'concurrency' wants a count from 1 to 65,536, "
			"not '0'"},
	};

	check_refusals(rows, ARRAY_LEN(rows));
}

static void test_weight_not_a_number(void)
{
	static const char *const words[] = {".nan", "nan", ".inf", "inf", "1e999"};

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		AUTO_FREE char *text = text_printf(
			TARGET "workload: [{op: get, path: a, weight: %s}]", words[i]);
		struct workload *w = NULL;
		struct err err = ERR_INIT;

		if (!CHECK(workload_parse("w", text, strlen(text), NULL, &w, &err) < 0,
			    "%s", text))
			workload_destroy(w);
		CHECK(strstr(err.text, "w:2:39: "), "%s", err.text);
	}
}

static void test_sizes(void)
{
#define SIZE(rest)                                                                       \
	TARGET "workload:\n  - {op: put, path: a/, weight: 1, size_spec: {" rest "}}\n"
	static const struct refusal rows[] = {
		{SIZE("size: 1"), "w.yaml:3:47: a size distribution needs 'type'"},
		{SIZE("type: normal"),
			"w.yaml:3:54: key 'type' wants one of fixed, uniform, "
			"lognormal, mix, not 'normal'"},
		{SIZE("type: fixed"), "w.yaml:3:47: a fixed size needs 'size'"},
		{SIZE("type: fixed, size: 1, mean: 2"),
			"w.yaml:3:76: a size distribution of type fixed takes no 'mean'"},
		{SIZE("type: uniform, min: 5, max: 4"),
			"w.yaml:3:68: min 5 is larger than max 4"},
		{SIZE("type: uniform, max: 100"),
			"w.yaml:3:47: min 1024 is larger than max 100"},
		{SIZE("type: lognormal, mean: 5"),
			"w.yaml:3:47: a lognormal size needs 'std_dev'"},
		{SIZE("type: lognormal, std_dev: 5"),
			"w.yaml:3:47: a lognormal size needs 'mean'"},
		{SIZE("type: lognormal, mean: 0, std_dev: 5"),
			"w.yaml:3:71: key 'mean' wants a size such as 4096, 4KB or 4KiB "
			"from 1 B to "
			"1.0 PiB, not '0'"},
		{SIZE("type: lognormal, mean: 5, std_dev: -5"),
			"w.yaml:3:83: key 'std_dev' wants a size such as 4096, 4KB or "
			"4KiB from 0 B "
			"to 1.0 PiB, not '-5'"},
		{SIZE("type: lognormal, mean: 5, std_dev: 1, min: 6"),
			"w.yaml:3:71: mean 5 does not lie between min and max"},
		{SIZE("type: lognormal, mean: 5, std_dev: 1, min: 4, max: 3"),
			"w.yaml:3:91: min 4 is larger than max 3"},
		{SIZE("type: mix"),
			"w.yaml:3:47: a mix needs 'parts', a list of sizes with weights"},
		{SIZE("type: mix, parts: []"),
			"w.yaml:3:66: a mix needs 'parts', a list of sizes with weights"},
		{SIZE("type: mix, parts: [{size: 1}]"),
			"w.yaml:3:67: a part of a mix needs a weight"},
		{SIZE("type: mix, parts: [{weight: 0, size: 1}]"),
			"w.yaml:3:76: a weight must be a number above 0"},
		{SIZE("type: mix, parts: [{weight: 1}]"),
			"w.yaml:3:67: a part of a mix needs either size, or min and max"},
		{SIZE("type: mix, parts: [{weight: 1, min: 2, max: 1}]"),
			"w.yaml:3:84: min 2 is larger than max 1"},
	};

	check_refusals(rows, ARRAY_LEN(rows));
}

static void test_prepare(void)
{
#define ENSURE(rest) TARGET GET "prepare:\n  ensure_objects:\n  - {" rest "}\n"
	static const struct refusal rows[] = {
		{TARGET GET "prepare: []",
			"w.yaml:3:10: a prepare section is a mapping, not a "
			"list"},
		{TARGET GET "prepare: {ensure_objects: {}}",
			"w.yaml:3:27: ensure_objects wants a list"},
		{ENSURE("base_uri: a/, min_size: 1, max_size: 1"),
			"w.yaml:5:5: ensure_objects needs a count"},
		{ENSURE("base_uri: a/, count: 0, min_size: 1, max_size: 1"),
			"w.yaml:5:27: count 0 (from the directory tree) is not supported "
			"yet"},
		{ENSURE("base_uri: a/, count: 1"),
			"w.yaml:5:5: ensure_objects needs min_size and max_size, or "
			"size_distribution"},
		{ENSURE("base_uri: a/, count: 1, min_size: 1"),
			"w.yaml:5:5: ensure_objects needs max_size beside min_size"},
		{ENSURE("base_uri: a/, count: 1, max_size: 1"),
			"w.yaml:5:5: ensure_objects needs min_size beside max_size"},
		{ENSURE("base_uri: a/, count: 1, min_size: 2, max_size: 1"),
			"w.yaml:5:40: min_size 2 is larger than max_size 1"},
		{ENSURE("count: 1, min_size: 1, max_size: 1, size_distribution: 1"),
			"w.yaml:5:5: size_distribution excludes min_size and max_size"},
		{ENSURE("base_uri: \"a/*\", count: 1, min_size: 1, max_size: 1"),
			"w.yaml:5:16: base_uri takes no wildcards"},
		{ENSURE("base_uri: ../a, count: 1, min_size: 1, max_size: 1"),
			"w.yaml:5:16: base_uri: '..' cannot stand in a path"},
		{ENSURE("count: 1, min_size: 1, max_size: 1, dedup_factor: 4"),
			"w.yaml:5:56: a factor other than 1 is not supported yet"},
		{TARGET GET "prepare: {cleanup_mode: nice}",
			"w.yaml:3:25: key 'cleanup_mode' wants one of tolerant, strict, "
			"besteffort, "
			"not 'nice'"},
	};

	check_refusals(rows, ARRAY_LEN(rows));
}

static void test_uris(void)
{
	static const struct refusal rows[] = {
		{GET, "w.yaml:1:28: 'a' is relative, and there is no target"},
		{"workload:\n- {op: get, path: \"file:///x\", weight: 1}\n- {op: get, "
		 "path: b, "
		 "weight: 1}",
			"w.yaml:3:19: 'b' is relative, and there is no target"},
		{"target: s3://b/\n" GET,
			"w.yaml:1:9: target: 's3://' is not supported yet"},
		{"target: az://b/\n" GET,
			"w.yaml:1:9: target: 'az://' is not supported yet"},
		{"target: gs://b/\n" GET,
			"w.yaml:1:9: target: 'gs://' is not supported yet"},
		{"target: gcs://b/\n" GET,
			"w.yaml:1:9: target: 'gcs://' is not supported yet"},
		{"target: direct:///b/\n" GET,
			"w.yaml:1:9: target: 'direct://' is not supported yet"},
		{"target: fil:///b/\n" GET,
			"w.yaml:1:9: target: unknown scheme 'fil://' (did you "
			"mean 'file://'?)"},
		{"target: file://b/\n" GET, "w.yaml:1:9: target: 'file://b/' needs three "
					    "slashes: file:///b/"},
		{"target: /mnt\n" GET,
			"w.yaml:1:9: target: '/mnt' begins with '/': write "
			"file:///mnt, or a path relative to target"},
		{"target: mnt\n" GET,
			"w.yaml:1:9: target: 'mnt' is no URI such as file:///mnt/test/"},
		{"target: \"\"\n" GET,
			"w.yaml:1:9: target: '' is no URI such as file:///mnt/test/"},
		{"target: \"file:///a*/\"\n" GET, "w.yaml:1:9: target: 'file:///a*/' has "
						  "a wildcard, and names one place"},
		{TARGET "workload: [{op: get, path: \"s3://b/k\", weight: 1}]",
			"w.yaml:2:28: 's3://' is not supported yet"},
		{TARGET "workload: [{op: get, path: \"null://b/k\", weight: 1}]",
			"w.yaml:2:28: 'null://b/k' is null://, while target is file://: "
			"a workload "
			"has one scheme"},
		{"workload:\n- {op: get, path: \"null://k\", weight: 1}\n- {op: get, "
		 "path: "
		 "\"file:///k\", weight: 1}",
			"w.yaml:3:19: 'file:///k' is file://, while an earlier path is "
			"null://: a "
			"workload has one scheme"},
		{TARGET "workload: [{op: get, path: k, target: x, weight: 1}]",
			"w.yaml:2:39: target: 'x' is no URI such as file:///mnt/test/"},
		{TARGET "workload: [{op: get, path: k, target: \"null://\", weight: 1}]",
			"w.yaml:2:39: 'null://' is null://, while target is file://: a "
			"workload has "
			"one scheme"},
		{TARGET GET
			"prepare: {ensure_objects: [{base_uri: \"null://x/\", count: 1, "
			"min_size: 1, max_size: 1}]}",
			"w.yaml:3:39: 'null://x/' is null://, while target is file://: a "
			"workload "
			"has one scheme"},
	};

	check_refusals(rows, ARRAY_LEN(rows));
}

static void test_rubbish(void)
{
	static const struct {
		const char *text;
		size_t len;
	} rows[] = {{"\x7f"
		     "ELF\x02\x01\x01\0\0\0",
			    10},
		{"\xff\xfe\xfd", 3}, {"{", 1}, {"a: b: c", 7}, {"\0\0\0\0", 4},
		{"workload: *x", 12}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct workload *w = NULL;
		struct err err = ERR_INIT;

		if (!CHECK(workload_parse("w.yaml", rows[i].text, rows[i].len, NULL, &w,
				   &err) < 0,
			    "row %zu", i))
			workload_destroy(w);
		CHECK(err.kind == ERR_INPUT, "row %zu", i);
		CHECK(strncmp(err.text, "w.yaml:", 7) == 0, "row %zu: %s", i, err.text);
	}
}

static void test_too_many(void)
{
	struct buf b AUTO_BUF = BUF_INIT;

	buf_puts(&b, TARGET "workload:\n");
	for (int i = 0; i < 1001; i++)
		buf_puts(&b, "- {op: get, path: a, weight: 1}\n");
	check_refused(b.data, "w.yaml:3:1: the workload has more than 1000 entries");
	buf_clear(&b);
	buf_puts(&b, TARGET "workload:\n");
	for (int i = 0; i < 1000; i++)
		buf_printf(&b,
			"- {op: get, path: %0200d/%0200d/%0200d/%0200d/%0200d, weight: "
			"1}\n",
			i, i, i, i, i);
	check_refused(b.data,
		"w.yaml: the job of w0 would be larger than a message may be; fewer or "
		"shorter entries are needed");
}

/* ---- what becomes of the others ---- */

static void test_defaults(void)
{
	struct workload *w = NULL;
	struct plan p;
	struct err err = ERR_INIT;
	const struct job *j;

	if (!CHECK(plan_text("target: \"null://\"\n" GET, NULL, NULL, 1, &w, &p, &err) ==
			    0,
		    "%s", err.text))
		return;
	j = &p.jobs[0];
	CHECK(p.n == 1 && p.duration_ns == 60 * NS_PER_SEC && p.warmup_ns == 0);
	CHECK(!p.shared && p.prepare_objects == 0 && p.stats_interval_ns == NS_PER_SEC);
	CHECK_STR(p.target, "null://");
	CHECK(p.notes[0] == NULL);
	CHECK(j->generation == 1 && j->index == 0 && j->count == 1);
	CHECK(j->share_index == 0 && j->share_count == 1);
	CHECK(j->concurrency == 16 && j->threads == 0);
	CHECK(j->op_timeout_ns == 30 * NS_PER_SEC && j->load && !j->prepare &&
		!j->cleanup);
	CHECK(j->deadline_ns == (60 + 30 + 120) * NS_PER_SEC, "%" PRIu64, j->deadline_ns);
	CHECK(j->seed == p.seed && p.seed != 0);
	CHECK_STR(j->run, RUN);
	CHECK_STR(j->worker, "w0");
	CHECK_STR(j->ops[0].uri, "null://a");
	CHECK_STR(j->ops[0].place, "w.yaml:2:12");
	CHECK_STR(workload_name(w), "w");
	plan_finish(&p);
	workload_destroy(w);
}

static void test_fields(void)
{
	static const char text[] = TARGET
		"duration: 2m\nwarmup_period: 5s\nstart_delay: 3s\nconcurrency: 1_000\n"
		"processes: 4\nperf_log: {interval: 500ms}\n"
		"prepare:\n"
		"  cleanup: yes\n  cleanup_mode: best_effort\n  post_prepare_delay: 2s\n"
		"  ensure_objects:\n"
		"  - {base_uri: small/, count: \"1,000\", min_size: 4Ki, max_size: 8KiB, "
		"fill: prand}\n"
		"  - {count: 10, size_distribution: 1MB, fill: unique}\n"
		"workload:\n"
		"- {op: head, path: small/*, weight: 1.5, concurrency: 3}\n"
		"- {op: put, path: out, weight: 2, object_size: 4k, fsync: true, fill: "
		"zero}\n"
		"- {op: list, path: small, weight: 1, max_keys: 7, delimiter: /}\n"
		"distributed: {start_delay: 4s, agent_ready_timeout: 90s}\n";
	struct workload *w = NULL;
	struct plan p;
	struct err err = ERR_INIT;
	const struct job *j;

	if (!CHECK(plan_text(text, NULL, NULL, 1, &w, &p, &err) == 0, "%s", err.text))
		return;
	j = &p.jobs[0];
	CHECK(p.duration_ns == 120 * NS_PER_SEC && p.warmup_ns == 5 * NS_PER_SEC);
	CHECK(p.start_delay_ns == 4 * NS_PER_SEC &&
		p.post_prepare_delay_ns == 2 * NS_PER_SEC);
	CHECK(p.stats_interval_ns == NS_PER_SEC / 2 &&
		j->stats_interval_ns == NS_PER_SEC / 2);
	CHECK(workload_ready_timeout_ns(w) == 90 * NS_PER_SEC);
	CHECK(j->concurrency == 1000 && j->threads == 4 && j->deadline_ns == 0);
	CHECK(j->prepare && j->cleanup && j->cleanup_mode == CLEANUP_BEST_EFFORT);
	CHECK(p.prepare_objects == 1010, "%" PRIu64, p.prepare_objects);
	CHECK(p.prepare_bytes == 1000 * 6144 + 10 * 1000000, "%" PRIu64, p.prepare_bytes);
	CHECK(j->n_sets == 2 && j->sets[0].count == 1000 &&
		j->sets[0].fill == FILL_RANDOM);
	CHECK(j->sets[0].size.type == SIZE_UNIFORM && j->sets[0].size.min == 4096 &&
		j->sets[0].size.max == 8192);
	CHECK_STR(j->sets[0].uri, "file:///t/small/");
	CHECK_STR(j->sets[0].name, "prepared");
	CHECK_STR(j->sets[0].place, "w.yaml:13:5");
	CHECK_STR(j->sets[1].uri, "file:///t/");
	CHECK(j->sets[1].size.type == SIZE_FIXED && j->sets[1].size.max == 1000000);
	CHECK(j->n_ops == 3 && j->ops[0].kind == OP_STAT && j->ops[0].concurrency == 3);
	CHECK(j->ops[0].weight > 1.4 && j->ops[0].weight < 1.6);
	CHECK_STR(j->ops[0].uri, "file:///t/small/*");
	CHECK_STR(j->ops[1].uri, "file:///t/out/");
	CHECK(j->ops[1].fsync && j->ops[1].fill == FILL_ZERO &&
		j->ops[1].size.min == 4000);
	CHECK_STR(j->ops[2].uri, "file:///t/small/");
	CHECK(j->ops[2].max_keys == 7);
	CHECK_STR(j->ops[2].delimiter, "/");
	plan_finish(&p);
	workload_destroy(w);
}

/* Paths as written, and as the first of n workers gets them. */
static void test_paths(void)
{
	static const struct {
		const char *op, *path;
		size_t workers;
		const char *want;
	} rows[] = {
		{"get", "a", 1, "file:///t/a"},
		{"get", "small/*", 1, "file:///t/small/*"},
		{"get", "./a//b/./c/", 1, "file:///t/a/b/c/"},
		{"get", "./", 1, "file:///t/"},
		{"get", "file:///x//y", 1, "file:///x/y"},
		{"get", "file:///", 1, "file:///"},
		{"put", "out", 1, "file:///t/out/"},
		{"put", "out/", 1, "file:///t/out/"},
		{"put", "out/new-", 1, "file:///t/out/new-"},
		{"put", "out/obj*", 1, "file:///t/out/obj"},
		{"put", "out/*", 1, "file:///t/out/"},
		{"put", "*", 1, "file:///t/"},
		{"list", "small/*", 1, "file:///t/small/"},
		{"list", "small", 1, "file:///t/small/"},
		{"get", "a", 2, "file:///t/w0/a"},
		{"get", "small/*", 2, "file:///t/w0/small/*"},
		{"get", "file:///t/small/*", 2, "file:///t/w0/small/*"},
		{"get", "file:///x/small/*", 2, "file:///x/small/w0/*"},
		{"get", "file:///x/key", 2, "file:///x/w0/key"},
		{"put", "file:///x/out/", 2, "file:///x/out/w0/"},
		{"get", "file:///x*/y", 2, "file:///w0/x*/y"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *text = text_printf(TARGET
			"workload: [{op: %s, path: \"%s\", weight: 1%s}]",
			rows[i].op, rows[i].path,
			strcmp(rows[i].op, "put") ? "" : ", object_size: 1");
		struct workload *w = NULL;
		struct plan p;
		struct err err = ERR_INIT;

		if (!CHECK(plan_text(text, NULL, NULL, rows[i].workers, &w, &p, &err) ==
				    0,
			    "%s: %s", text, err.text))
			continue;
		CHECK_STR(p.jobs[0].ops[0].uri, rows[i].want);
		plan_finish(&p);
		workload_destroy(w);
	}
}

/* What lies below one another stays so when a folder comes between. */
static void test_anchors(void)
{
	static const char text[] =
		"prepare: {ensure_objects: [{base_uri: \"file:///x/data/small\", count: "
		"1, "
		"min_size: 1, max_size: 1}]}\n"
		"workload:\n"
		"- {op: get, path: \"file:///x/data/small/*\", weight: 1}\n"
		"- {op: list, path: \"file:///x/data/\", weight: 1}\n"
		"- {op: put, path: out/, target: \"file:///y\", object_size: 1, weight: "
		"1}\n";
	struct workload *w = NULL;
	struct plan p;
	struct err err = ERR_INIT;

	if (!CHECK(plan_text(text, NULL, NULL, 2, &w, &p, &err) == 0, "%s", err.text))
		return;
	CHECK_STR(p.jobs[1].sets[0].uri, "file:///x/data/w1/small/");
	CHECK_STR(p.jobs[1].ops[0].uri, "file:///x/data/w1/small/*");
	CHECK_STR(p.jobs[1].ops[1].uri, "file:///x/data/w1/");
	CHECK_STR(p.jobs[1].ops[2].uri, "file:///y/w1/out/");
	CHECK_STR(p.jobs[1].target, NULL);
	CHECK_STR(p.target, NULL);
	plan_finish(&p);
	workload_destroy(w);
}

#define SET_OF(n)                                                                        \
	"prepare: {ensure_objects: [{base_uri: small/, count: " #n                       \
	", min_size: 2, max_size: 2}]}\n"

static void test_shared_and_local(void)
{
	static const struct {
		const char *text;
		int shared_prepare;
		bool shared;
		uint64_t objects;
		const char *uri; /* of the second worker */
		const char *note;
	} rows[] = {
		{TARGET GET SET_OF(10), -1, false, 20, "file:///t/w1/a",
			"storage is each host's own: every worker works in a folder of "
			"its own, the "
			"first one in file:///t/w0/"},
		{TARGET GET SET_OF(10), 1, true, 10, "file:///t/a", NULL},
		{TARGET GET SET_OF(10) "distributed: {shared_filesystem: true}", -1, true,
			10, "file:///t/a", NULL},
		{TARGET GET SET_OF(10) "distributed: {shared_filesystem: true}", 0, false,
			20, "file:///t/w1/a",
			"storage is each host's own: every worker works in a folder of "
			"its own, the "
			"first one in file:///t/w0/"},
		{TARGET GET SET_OF(10) "distributed: {path_template: \"agent-{n}\"}", -1,
			false, 20, "file:///t/agent-2/a",
			"storage is each host's own: every worker works in a folder of "
			"its own, the "
			"first one in file:///t/agent-1/"},
		{TARGET GET SET_OF(10) "distributed: {shared_filesystem: true, "
				       "path_template: \"{id}/\"}",
			-1, true, 10, "file:///t/a",
			"storage is shared by all workers: path_template is not used"},
		{"target: \"null://\"\n" GET SET_OF(10), -1, false, 20, "null://a", NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct workload_overrides o = {.shared_prepare = rows[i].shared_prepare};
		struct workload *w = NULL;
		struct plan p;
		struct err err = ERR_INIT;

		if (!CHECK(plan_text(rows[i].text, &o, NULL, 2, &w, &p, &err) == 0, "%s",
			    err.text))
			continue;
		CHECK(p.shared == rows[i].shared, "row %zu", i);
		CHECK(p.prepare_objects == rows[i].objects, "row %zu: %" PRIu64, i,
			p.prepare_objects);
		CHECK(p.jobs[1].share_index == (rows[i].shared ? 1 : 0) &&
				p.jobs[1].share_count == (rows[i].shared ? 2 : 1),
			"row %zu", i);
		CHECK(p.jobs[1].index == 1 && p.jobs[1].count == 2);
		CHECK_STR(p.jobs[1].ops[0].uri, rows[i].uri);
		CHECK_STR(p.notes[0], rows[i].note);
		CHECK(p.jobs[0].sets[0].id == p.jobs[1].sets[0].id, "row %zu", i);
		plan_finish(&p);
		workload_destroy(w);
	}
}

static void test_bad_templates(void)
{
	static const struct refusal rows[] = {
		{"same/", "w.yaml:3:30: path_template puts two workers of one host into "
			  "the same "
			  "folder (this machine: file:///t/same/); use {name}"},
		{"{host}/", "w.yaml:3:30: path_template: '{host}/' is none of {name}, "
			    "{id}, {n}"},
		{"../{n}/", "w.yaml:3:30: path_template: '..' cannot stand in a path"},
		{"/{n}/", "w.yaml:3:30: path_template: '/1/' begins with '/': write "
			  "file:///1/, or "
			  "a path relative to target"},
		{"*{n}/",
			"w.yaml:3:30: path_template: '*1/' is no folder below a target"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *text = text_printf(
			TARGET GET "distributed: {path_template: \"%s\"}", rows[i].text);
		struct workload *w = NULL;
		struct plan p;
		struct err err = ERR_INIT;

		if (!CHECK(plan_text(text, NULL, NULL, 2, &w, &p, &err) < 0, "%s",
			    text)) {
			plan_finish(&p);
			workload_destroy(w);
		}
		CHECK_STR(err.text, rows[i].want);
	}
}

static void test_hosts(void)
{
	static const char text[] = TARGET
		"concurrency: 4\n" GET SET_OF(3) "distributed:\n"
						 "  agents:\n"
						 "  - {address: a, env: {X: agent, Y: "
						 "agent}, concurrency_override: 9}\n";
	char name_a[] = "a", name_b[] = "b:22", own[] = "file:///o",
	     place[] = "h.yaml:2:3";
	char x[] = "X=host";
	char *env[] = {x, NULL};
	struct host hosts[] = {{.name = name_a,
				       .address = name_a,
				       .env = env,
				       .target_override = own,
				       .place = place},
		{.name = name_b,
			.address = name_b,
			.concurrency_override = 5,
			.place = place}};
	struct workload_overrides o = {.shared_prepare = -1,
		.concurrency = 6,
		.duration_ns = 7 * NS_PER_SEC,
		.seed_set = true,
		.seed = UINT64_MAX,
		.target = "file:///cli"};
	struct workload *w = NULL;
	struct plan p;
	struct err err = ERR_INIT;

	if (!CHECK(plan_text(text, &o, hosts, 2, &w, &p, &err) == 0, "%s", err.text))
		return;
	CHECK_STR(p.jobs[0].target, "file:///o/a/");
	CHECK_STR(p.jobs[0].ops[0].uri, "file:///o/a/a");
	CHECK_STR(p.jobs[1].target, "file:///cli/b-22/");
	CHECK_STR(p.jobs[1].worker, "b-22");
	CHECK(p.jobs[0].concurrency == 9 && p.jobs[1].concurrency == 5);
	CHECK_STR(p.jobs[0].env[0], "X=host");
	CHECK_STR(p.jobs[0].env[1], "Y=agent");
	CHECK(p.jobs[0].env[2] == NULL && p.jobs[1].env == NULL);
	CHECK(p.duration_ns == 7 * NS_PER_SEC && p.seed == UINT64_MAX);
	CHECK_STR(p.target, "file:///cli/");
	CHECK(p.jobs[0].sets[0].id == p.jobs[1].sets[0].id);
	CHECK_STR(p.notes[1],
		"1 of 2 workers have a target_override, which wins over --target");
	CHECK_STR(p.notes[2], "1 of 2 workers have a concurrency_override, which wins "
			      "over --concurrency");
	CHECK(p.notes[3] == NULL);
	plan_finish(&p);
	hosts[0].target_override = x;
	workload_destroy(w);
	CHECK(plan_text(text, &o, hosts, 2, &w, &p, &err) < 0);
	CHECK_STR(err.text, "h.yaml:2:3: target_override: 'X=host' is no URI such as "
			    "file:///mnt/test/");
}

/* One host with an inventory has a folder of its own, one machine without does not. */
static void test_single_host(void)
{
	char name[] = "solo";
	struct host host = {.name = name, .address = name};
	struct workload *w = NULL;
	struct plan p;
	struct err err = ERR_INIT;

	if (!CHECK(plan_text(TARGET GET, NULL, &host, 1, &w, &p, &err) == 0, "%s",
		    err.text))
		return;
	CHECK_STR(p.jobs[0].target, "file:///t/solo/");
	plan_finish(&p);
	workload_destroy(w);
}

static void test_names_stay_apart(void)
{
	struct plan_worker workers[] = {
		{"a:1", NULL, 0}, {"a-1", NULL, 1}, {".x/../y", NULL, 2}};
	struct workload *w = NULL;
	struct plan p;
	struct err err = ERR_INIT;

	if (!CHECK(workload_parse("w", TARGET GET, strlen(TARGET GET), NULL, &w, &err) ==
		    0))
		return;
	if (CHECK(workload_plan(w, NULL, workers, 3, RUN, 2, &p, &err) == 0, "%s",
		    err.text)) {
		CHECK(text_starts_with(p.jobs[0].worker, "a-1-"), "%s", p.jobs[0].worker);
		CHECK_STR(p.jobs[1].worker, "a-1");
		CHECK_STR(p.jobs[2].worker, "-x-..-y");
		CHECK(p.jobs[2].generation == 2);
		plan_finish(&p);
	}
	CHECK(workload_plan(w, NULL, workers, 0, RUN, 2, &p, &err) < 0);
	workload_destroy(w);
}

static void test_deletable(void)
{
#define CHURN(get, del)                                                                  \
	TARGET SET_OF(10000) "workload: [{op: " get                                      \
			     ", weight: 1}, {op: delete, path: \"" del "\", weight: 1}]"
	static const struct {
		const char *text;
		size_t sets;
		const char *note;
	} rows[] = {
		{CHURN("get, path: \"small/*\"", "small/*"), 2,
			"delete shares small/ with get: prepare makes a second set of "
			"10,000 "
			"objects deletable-*"},
		{CHURN("stat, path: small/", "./"), 2,
			"delete shares small/ with stat: prepare makes a second set of "
			"10,000 "
			"objects deletable-*"},
		{CHURN("get, path: small/prepared-00000001.dat", "small/"), 2,
			"delete shares small/ with get: prepare makes a second set of "
			"10,000 "
			"objects deletable-*"},
		{CHURN("get, path: \"small/*\"", "small/prepared-*"), 1,
			"delete 'small/prepared-*' takes objects that get reads: expect "
			"not_found "
			"errors"},
		{CHURN("list, path: small/", "small/*"), 1, NULL},
		{CHURN("get, path: other/", "small/*"), 1, NULL},
		{CHURN("get, path: \"small/*\"", "other/*"), 1, NULL},
		{CHURN("get, path: \"*\"", "small/*"), 1, NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct workload *w = NULL;
		struct plan p;
		struct err err = ERR_INIT;
		const struct job_set *sets;

		if (!CHECK(plan_text(rows[i].text, NULL, NULL, 1, &w, &p, &err) == 0,
			    "%s", err.text))
			continue;
		sets = p.jobs[0].sets;
		CHECK(p.jobs[0].n_sets == rows[i].sets, "row %zu", i);
		CHECK_STR(p.notes[0], rows[i].note);
		CHECK(p.prepare_objects == rows[i].sets * 10000, "row %zu", i);
		if (p.jobs[0].n_sets == 2) {
			CHECK_STR(sets[1].name, "deletable");
			CHECK_STR(sets[1].uri, sets[0].uri);
			CHECK(sets[1].count == sets[0].count && sets[1].id != sets[0].id);
		}
		plan_finish(&p);
		workload_destroy(w);
	}
}

static uint64_t id_of(const char *rest, const char *target)
{
	AUTO_FREE char *text = text_printf(
		GET "target: file:///t\nprepare: {ensure_objects: [{%s}]}", rest);
	struct workload_overrides o = {.shared_prepare = -1, .target = target};
	struct workload *w = NULL;
	struct plan p;
	struct err err = ERR_INIT;
	uint64_t id;

	if (!CHECK(plan_text(text, &o, NULL, 1, &w, &p, &err) == 0, "%s", err.text))
		return 0;
	id = p.jobs[0].sets[0].id;
	plan_finish(&p);
	workload_destroy(w);
	return id;
}

/* The identity of a set: where it lies, its sizes and its content, and not how many there are. */
static void test_ids(void)
{
	uint64_t id = id_of("base_uri: a/, count: 1, min_size: 1, max_size: 2", NULL);
	static const char *const same[] = {
		"base_uri: a/, count: 9, min_size: 1, max_size: 2",
		"base_uri: \"file:///t/a/\", count: 1, min_size: 1, max_size: 2",
		"base_uri: a/, count: 1, size_spec: {type: uniform, min: 1, max: 2}"};
	static const char *const other[] = {
		"base_uri: b/, count: 1, min_size: 1, max_size: 2",
		"base_uri: a/, count: 1, min_size: 1, max_size: 3",
		"base_uri: a/, count: 1, min_size: 1, max_size: 2, fill: zero"};

	for (size_t i = 0; i < ARRAY_LEN(same); i++)
		CHECK(id_of(same[i], NULL) == id, "%s", same[i]);
	for (size_t i = 0; i < ARRAY_LEN(other); i++)
		CHECK(id_of(other[i], NULL) != id, "%s", other[i]);
	CHECK(id_of("base_uri: a/, count: 1, min_size: 1, max_size: 2", "file:///u") !=
		id);
}

/* ---- secrets ---- */

static void test_redaction(void)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"distributed: {agents: [{address: a, env: {X: plain, Y: \"in quotes\", "
		 "Z: 'it''s'}}"
		 "]} # end\n",
			"distributed: {agents: [{address: a, env: {X: \"***\", Y: "
			"\"***\", Z: '***'}}"
			"]} # end\n"},
		{"distributed_env:\n  é: \"ü\"  # ü\n  B: &x two\n     lines\n  C: |\n   "
		 " se\n\n    "
		 "cret\n  D: *x\nduration: 5s\n",
			"distributed_env:\n  é: \"***\"  # ü\n  B: &x \"***\"\n  C: "
			"\"***\"\n  D: "
			"*x\nduration: 5s\n"},
		{"aws_secret_key: wJalr\nmax_keys: 5\n",
			"aws_secret_key: \"***\"\nmax_keys: 5\n"},
		{"my_token: [a, {b: \"c\\\"d\"}]\n",
			"my_token: [\"***\", {b: \"***\"}]\n"},
		{"endpoint: http://user:pa%ss@host:9000/x@y\n",
			"endpoint: http://***@host:9000/x@y\n"},
		{"endpoint: s3://AKIA:wJ/al+r@host/b\n", "endpoint: s3://***@host/b\n"},
		{"a: https://h/c?sv=1&sig=abc%2F&se=2\n",
			"a: https://h/c?sv=1&sig=***&se=2\n"},
		{"a: https://h/c?X-Amz-Signature=abc x\n",
			"a: https://h/c?X-Amz-Signature=*** x\n"},
		{"# AWS_SECRET_ACCESS_KEY: abc def\n  # key_path: x\n#token=1\na: b\n",
			"# AWS_SECRET_ACCESS_KEY: ***\n  # key_path: x\n#token= ***\na: "
			"b\n"},
		{"a: 1\r\nenv: {A: b}\r\n", "a: 1\r\nenv: {A: \"***\"}\r\n"},
		{"\xef\xbb\xbf"
		 "env: {A: b}\n",
			"\xef\xbb\xbf"
			"env: {A: \"***\"}\n"},
		{"env: {A: , B: ~, C: \"\"}\n", "env: {A: , B: ~, C: \"\"}\n"},
		{"env:\n  ? A\n  : !!str  b\n", "env:\n  ? A\n  : !!str  \"***\"\n"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *in = text_printf("%s" GET, rows[i].in);
		AUTO_FREE char *want = text_printf("%s" GET, rows[i].out);
		struct workload_options o = {.lenient = true};
		struct workload *w = NULL;
		struct err err = ERR_INIT;
		AUTO_FREE char *got = NULL;

		/* keys of the later kind are refused even so; the text is all that counts here */
		if (workload_parse("w", in, strlen(in), &o, &w, &err) < 0) {
			CHECK(strstr(err.text, "not supported yet"), "%s", err.text);
			continue;
		}
		got = workload_text_redacted(w);
		CHECK_STR(got, want);
		workload_destroy(w);
	}
}

static void test_secret_names(void)
{
	static const char *const yes[] = {"AWS_ACCESS_KEY_ID", "aws_secret", "Token",
		"DB_PASSWORD", "GOOGLE_APPLICATION_CREDENTIALS"};
	static const char *const no[] = {"PATH", "AWS_REGION", ""};

	for (size_t i = 0; i < ARRAY_LEN(yes); i++)
		CHECK(workload_is_secret_name(yes[i]), "%s", yes[i]);
	for (size_t i = 0; i < ARRAY_LEN(no); i++)
		CHECK(!workload_is_secret_name(no[i]), "%s", no[i]);
}

/* ---- examples ---- */

static const char *const examples[] = {"sample.yaml", "null-smoke.yaml",
	"local-files.yaml", "mixed-sizes.yaml", "shared-nfs.yaml", "delete-churn.yaml"};

static void test_examples(void)
{
	for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
		AUTO_FREE char *path =
			text_printf("%s/workloads/%s", SOURCE_DIR, examples[i]);
		struct buf warnings AUTO_BUF = BUF_INIT;
		struct workload_options o = {.warn = collect, .user = &warnings};
		struct workload *w = NULL;
		struct err err = ERR_INIT;
		struct plan_worker workers[] = {{"one", NULL, 0}, {"two", NULL, 1}};
		struct plan p;
		AUTO_FREE char *text = NULL;

		if (!CHECK(workload_load(path, &o, &w, &err) == 0, "%s", err.text))
			continue;
		CHECK(warnings.len == 0, "%s", warnings.data);
		if (CHECK(workload_plan(w, NULL, workers, 2, RUN, 1, &p, &err) == 0, "%s",
			    err.text))
			plan_finish(&p);
		text = workload_text_redacted(w);
		CHECK(text && (strstr(text, "***") != NULL) == (i == 0), "%s", path);
		workload_destroy(w);
	}
}

/* Whether n, or what is below it, has the key. */
static bool has_key(const struct node *n, const char *key)
{
	for (size_t i = 0; i < n->n; i++)
		if ((n->type == NODE_MAP && strcmp(n->keys[i]->value, key) == 0) ||
			has_key(n->items[i], key))
			return true;
	return false;
}

/* sample.yaml shows every key that works. */
static void test_sample_is_whole(void)
{
	struct yaml_doc *doc = NULL;
	struct err err = ERR_INIT;

	if (!CHECK(yaml_load(SOURCE_DIR "/workloads/sample.yaml", &doc, &err) == 0, "%s",
		    err.text))
		return;
	for (const struct workload_table *t = workload_tables; t->name; t++)
		for (const struct key *k = t->keys; k->name; k++)
			CHECK(k->type == KEY_LATER || k->type == KEY_IGNORED ||
					has_key(doc->root, k->name),
				"%s %s", t->name, k->name);
	yaml_destroy(doc);
}

static void test_tables_are_documented(void)
{
	for (const struct workload_table *t = workload_tables; t->name; t++)
		for (const struct key *k = t->keys; k->name; k++)
			CHECK(k->help && *k->help, "%s %s", t->name, k->name);
}

TEST_MAIN(TEST(test_top_level), TEST(test_later_keys), TEST(test_ignored_keys),
	TEST(test_lenient), TEST(test_entries), TEST(test_weight_not_a_number),
	TEST(test_sizes), TEST(test_prepare), TEST(test_uris), TEST(test_rubbish),
	TEST(test_too_many), TEST(test_defaults), TEST(test_fields), TEST(test_paths),
	TEST(test_anchors), TEST(test_shared_and_local), TEST(test_bad_templates),
	TEST(test_hosts), TEST(test_single_host), TEST(test_names_stay_apart),
	TEST(test_deletable), TEST(test_ids), TEST(test_redaction),
	TEST(test_secret_names), TEST(test_examples), TEST(test_sample_is_whole),
	TEST(test_tables_are_documented))
