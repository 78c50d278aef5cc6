/* Workload files that are refused, and the words of each refusal. */
#include <stdlib.h>

#include "workload-data.h"
#include "yaml/decode.h"

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
		{"duration: 10s\n" GET "\nusers: 5\n",
			"w.yaml:4:1: key 'users' is not supported yet"},
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
	CHECK(seen > 5, "%u", seen);
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
			"w.yaml:3:5: a range_get needs a path"},
		{OP("op: range_get, path: a/, weight: 1"),
			"w.yaml:3:5: a range_get needs range_size"},
		{OP("op: range_get, path: a/, weight: 1, range_size: 0"),
			"w.yaml:3:54: key 'range_size' wants a size such as 4096, 4KB or "
			"4KiB from 1 B to 1.0 PiB, not '0'"},
		{OP("op: get, path: a/, weight: 1, range_size: 1"),
			"w.yaml:3:36: a get takes no 'range_size'"},
		{OP("op: copy"), "w.yaml:3:5: a copy needs a weight"},
		{OP("op: copy, path: a/, weight: 1, to: \"b/*/c\""),
			"w.yaml:3:41: a copy takes a prefix to copy to, not a glob"},
		{OP("op: copy, path: a/, weight: 1, to: \"\""),
			"w.yaml:3:41: to: it is empty"},
		{"target: null://\nworkload: [{op: copy, path: a/, weight: 1, to: "
		 "../b}]\n",
			"w.yaml:2:48: '..' cannot stand in a path"},
		{OP("op: copy, path: a/, weight: 1, to: \"null://b\""),
			"w.yaml:3:41: 'null://b/' is null://, while target is file://: a "
			"workload has one scheme"},
		{OP("op: copy, path: a/, weight: 1, object_size: 1"),
			"w.yaml:3:37: a copy takes no 'object_size'"},
		{OP("op: multipart_put, weight: 1"),
			"w.yaml:3:5: a multipart_put needs object_size or "
			"size_distribution"},
		{OP("op: multipart_put, weight: 1, object_size: 1, fsync: true"),
			"w.yaml:3:52: a multipart_put takes no 'fsync'"},
		{OP("op: delete, path: a/, weight: 1, batch: 2"),
			"w.yaml:3:46: file:// deletes one object per request"},
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
		{OP("op: put, path: a/, weight: 1, size_spec: big"),
			"w.yaml:3:47: key 'size_distribution' wants a size such as 4096, "
			"4KB or 4KiB from 0 B to 1.0 PiB, not 'big'"},
		{OP("op: put, path: a/, weight: 1, object_size: big"),
			"w.yaml:3:49: key 'object_size' wants a size such as 4096, 4KB "
			"or 4KiB from "
			"0 B to 1.0 PiB, not 'big'"},
		{OP("op: put, path: \"a/*/b\", weight: 1, object_size: 1"),
			"w.yaml:3:21: a put takes a prefix, not a glob"},
		{OP("op: put, path: a/, weight: 1, object_size: 1, dedup_factor: 0"),
			"w.yaml:3:66: a factor is a whole number from 1 to 1000000"},
		{OP("op: put, path: a/, weight: 1, object_size: 1, compress_factor: 1.5"),
			"w.yaml:3:69: a factor is a whole number from 1 to 1000000"},
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
			"w.yaml:3:46: theta is a number above 0, at most 20, and not 1: "
			"0.99 or 1.01 is as skewed"},
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
			"w.yaml:5:27: count 0 means as many as a directory_structure has "
			"files, and there is none"},
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
			"w.yaml:5:16: '..' cannot stand in a path"},
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
		{"target: s3://\n" GET,
			"w.yaml:1:9: target: a URI of this store is s3://BUCKET/..."},
		{"target: s3:///b\n" GET,
			"w.yaml:1:9: target: a URI of this store is s3://BUCKET/..."},
		{"target: s3://host:9000/\n" GET,
			"w.yaml:1:9: target: a URI of this store is s3://BUCKET/..."},
		{"target: \"s3://b*/x/\"\n" GET, "w.yaml:1:9: target: a wildcard cannot "
						 "stand in front of the key"},
		{"target: s3://key:secret@b/x/\n" GET,
			"w.yaml:1:9: target: credentials cannot stand in a URI: they "
			"come from the environment and from where the store's own tools "
			"keep them"},
		{"target: az://b/\n" GET, "w.yaml:1:9: target: a URI of this store is "
					  "az://ACCOUNT/CONTAINER/..."},
		{"target: \"az://a/c/x?sv=1&sig=abc\"\n" GET,
			"w.yaml:1:9: target: a signature cannot stand in a URI (Azure: "
			"AZURE_STORAGE_SAS_TOKEN takes it)"},
		{"target: gcs://\n" GET,
			"w.yaml:1:9: target: a URI of this store is gs://BUCKET/..."},
		{"target: direct://b/\n" GET, "w.yaml:1:9: target: 'direct://b/' needs "
					      "three slashes: direct:///b/"},
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
			"w.yaml:2:28: 's3://b/k' is s3://, while target is file://: a "
			"workload has one scheme"},
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

TEST_MAIN(TEST(test_top_level), TEST(test_later_keys), TEST(test_ignored_keys),
	TEST(test_lenient), TEST(test_entries), TEST(test_weight_not_a_number),
	TEST(test_sizes), TEST(test_prepare), TEST(test_uris), TEST(test_rubbish),
	TEST(test_too_many))
