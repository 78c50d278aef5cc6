/* The jobs that become of workload files. */
#include <inttypes.h>
#include <stdlib.h>

#include "common/units.h"
#include "inventory/inventory.h"
#include "workload-data.h"

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
	CHECK(j->deadline_ns == (60 + 60 + 30 + 120) * NS_PER_SEC, "%" PRIu64,
		j->deadline_ns);
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

/* A hard deadline is only for jobs of which it is known how long they take. */
static void test_deadline(void)
{
	static const struct {
		const char *text;
		uint64_t wait_s, want_s;
	} rows[] = {
		{TARGET GET "duration: 5s\nwarmup_period: 1s\nstart_delay: 2s", 0, 218},
		{TARGET GET "duration: 5s", 10, 165},
		{TARGET GET "duration: 5s", UINT64_MAX / NS_PER_SEC, 0},
		{TARGET GET "duration: 5s\ndistributed: {agent_ready_timeout: 10s}", 0,
			165},
		{TARGET GET "duration: 5s\ndistributed: {agent_ready_timeout: 0}", 0, 0},
		{TARGET GET "duration: 5s\nprepare: {cleanup: true}", 0, 0},
		{TARGET "duration: 5s\nworkload: [{op: get, path: a/, weight: 1}]", 0, 0},
		{TARGET "duration: 5s\nworkload: [{op: stat, path: \"a?\", weight: 1}]",
			0, 0},
		{TARGET "duration: 5s\nworkload: [{op: list, path: a/, weight: 1}]", 0,
			215},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct workload_overrides o = {.shared_prepare = -1,
			.ready_wait_ns = rows[i].wait_s * NS_PER_SEC};
		struct workload *w = NULL;
		struct plan p;
		struct err err = ERR_INIT;

		if (!CHECK(plan_text(rows[i].text, &o, NULL, 1, &w, &p, &err) == 0, "%s",
			    err.text))
			continue;
		CHECK(p.jobs[0].deadline_ns == rows[i].want_s * NS_PER_SEC,
			"row %zu: %" PRIu64, i, p.jobs[0].deadline_ns);
		plan_finish(&p);
		workload_destroy(w);
	}
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
	static const struct {
		const char *text, *want;
	} rows[] = {
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
	CHECK(id_of("base_uri: a/, count: 1, min_size: 1, max_size: 2", "direct:///t") ==
		id);
}

TEST_MAIN(TEST(test_defaults), TEST(test_fields), TEST(test_deadline), TEST(test_paths),
	TEST(test_anchors), TEST(test_shared_and_local), TEST(test_bad_templates),
	TEST(test_hosts), TEST(test_single_host), TEST(test_names_stay_apart),
	TEST(test_deletable), TEST(test_ids))
