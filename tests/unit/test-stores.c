/* What a workload says about object stores, and the jobs that become of it. */
#include <stdlib.h>
#include <unistd.h>

#include "common/file.h"
#include "common/units.h"
#include "inventory/inventory.h"
#include "temp-dir.h"
#include "workload-data.h"
#include "workload/store_config.h"

#define S3 "target: s3://b/t/\n"

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
}

static void test_options(void)
{
	static const char text[] = S3 GET
		"storage: {endpoint: \"https://h:9000\", region: r, addressing: path, "
		"payload_signing: signed, http_engine: curl, anonymous: yes, "
		"expect_continue: yes, proxy: \"http://u:p@proxy:3128\", "
		"connect_timeout: 1s, first_byte_timeout: 2s, stall_timeout: 3s}\n"
		"error_handling: {retry_on_error: true, max_retries: 5, "
		"initial_retry_delay_ms: 10, max_retry_delay_ms: 20, "
		"retry_backoff_multiplier: 1.5, retry_jitter_factor: 0.5}\n";
	const struct workload_overrides o = {.shared_prepare = -1,
		.endpoint = "http://other",
		.http_engine = 1 + STORE_ENGINE_OWN,
		.insecure_tls = true};
	struct workload *w = NULL;
	struct err err = ERR_INIT;
	const struct store_options *s;
	struct plan p;

	if (!CHECK(plan_text(text, NULL, NULL, 1, &w, &p, &err) == 0, "%s", err.text))
		return;
	s = &p.jobs[0].store;
	CHECK_STR(s->endpoint, "https://h:9000");
	CHECK_STR(s->region, "r");
	CHECK_STR(s->proxy, "http://u:p@proxy:3128");
	CHECK(s->addressing == STORE_ADDRESSING_PATH &&
		s->payload == STORE_PAYLOAD_SIGNED);
	CHECK(s->engine == STORE_ENGINE_CURL && s->anonymous && s->expect_continue);
	CHECK(!s->insecure_tls && !s->presigned && !p.tls_unverified && p.object_store);
	CHECK(s->connect_timeout_ns == NS_PER_SEC &&
		s->stall_timeout_ns == 3 * NS_PER_SEC);
	CHECK(s->retries == 5 && s->retry_delay_ns == 10 * NS_PER_MS &&
		s->retry_delay_max_ns == 20 * NS_PER_MS);
	CHECK(s->retry_multiplier > 1.4 && s->retry_jitter > 0.4);
	CHECK(p.shared);
	plan_finish(&p);
	workload_destroy(w);

	if (!CHECK(plan_text(text, &o, NULL, 1, &w, &p, &err) == 0, "%s", err.text))
		return;
	s = &p.jobs[0].store;
	CHECK_STR(s->endpoint, "http://other");
	CHECK(s->engine == STORE_ENGINE_OWN && s->insecure_tls && p.tls_unverified);
	plan_finish(&p);
	workload_destroy(w);
}

/* Without a word about them there are no retries; and nothing of a store is in a job for files. */
static void test_defaults(void)
{
	struct workload *w = NULL;
	struct err err = ERR_INIT;
	struct plan p;

	if (!CHECK(plan_text(S3 GET "error_handling: {max_retries: 9}", NULL, NULL, 1, &w,
			   &p, &err) == 0,
		    "%s", err.text))
		return;
	CHECK(p.jobs[0].store.retries == 0 && !p.jobs[0].store.endpoint);
	plan_finish(&p);
	workload_destroy(w);
	if (!CHECK(plan_text(TARGET GET "storage: {anonymous: true}\nendpoint: "
					"http://h\nerror_handling: {retry_on_error: yes}",
			   NULL, NULL, 1, &w, &p, &err) == 0,
		    "%s", err.text))
		return;
	CHECK(!p.jobs[0].store.endpoint && !p.jobs[0].store.anonymous && !p.object_store);
	CHECK_STR(p.notes[0], "storage is about object stores and not used for file://");
	CHECK_STR(p.notes[1],
		"retry_on_error is about object stores and not used for file://");
	CHECK(!p.notes[2]);
	plan_finish(&p);
	workload_destroy(w);
}

static void test_refusals(void)
{
#define PUT(rest) "workload: [{op: multipart_put, path: p/, weight: 1, " rest "}]\n"
	static const struct {
		const char *text, *want;
	} rows[] = {
		{S3 GET "endpoint: s3.example.com\n",
			"w.yaml:3:11: key 'endpoint' wants a URL such as "
			"https://s3.example.com:9000"},
		{S3 GET "storage: {endpoint: \"http://key:secret@h/\"}\n",
			"w.yaml:3:21: key 'endpoint' takes no name and password"},
		{S3 GET "storage: {endpoint: \"http://h/?x\"}\n",
			"w.yaml:3:21: key 'endpoint' wants a URL without blanks, '?' and "
			"'#'"},
		{S3 GET "endpoint: http://h\nstorage: {endpoint: http://i}\n",
			"w.yaml:4:21: 'endpoint' is said twice: here, and at the top "
			"level"},
		{S3 GET "http_engine: own\nstorage: {http_engine: own}\n",
			"w.yaml:4:24: 'http_engine' is said twice: here, and at the top "
			"level"},
		{S3 GET "storage: {proxy: \"user:secret@h:3128\"}\n",
			"w.yaml:3:18: key 'proxy' wants a URL such as "
			"https://s3.example.com:9000"},
		{S3 GET "storage: {client_key: k.pem}\n",
			"w.yaml:3:23: client_key needs client_cert"},
		{S3 GET "storage: {insecure_tls: yes, ca_file: ca.pem}\n",
			"w.yaml:3:25: insecure_tls verifies nothing, and ca_file says by "
			"what: leave one of them out"},
		{S3 GET "storage: {anonymous: yes, presigned: yes}\n",
			"w.yaml:3:38: presigned needs credentials, and anonymous looks "
			"for "
			"none"},
		{S3 GET "storage: {acces_key: x}\n",
			"w.yaml:3:11: unknown key 'acces_key' in a storage section"},
		{S3 GET "error_handling: {retry_jitter_factor: 2}\n",
			"w.yaml:3:39: retry_jitter_factor must be from 0 to 1"},
		{S3 GET "error_handling: {retry_backoff_multiplier: 0.5}\n",
			"w.yaml:3:44: retry_backoff_multiplier must be from 1 to 1000"},
		{S3 GET "error_handling: {initial_retry_delay_ms: 6000}\n",
			"w.yaml:3:42: initial_retry_delay_ms is larger than "
			"max_retry_delay_ms"},
		{S3 GET "error_handling: {max_total_errors: 6000}\n",
			"w.yaml:3:18: key 'max_total_errors' is not supported yet"},
		{S3 PUT("object_size: 1MiB, part_size: 1MiB"),
			"w.yaml:2:83: a part at s3:// has at least 5.0 MiB"},
		{S3 PUT("object_size: 1MiB, part_size: 6GiB"),
			"w.yaml:2:83: a part at s3:// has at most 5.0 GiB"},
		{S3 PUT("object_size: 1TiB, part_size: 5MiB"),
			"w.yaml:2:83: an object of 1.0 TiB would have more than the "
			"10000 "
			"parts that s3:// takes"},
		{"target: gs://b/\n" PUT("object_size: 1MiB, part_size: 1000000"),
			"w.yaml:2:83: a part at gs:// is a multiple of 256.0 KiB"},
		{S3 "workload: [{op: delete, path: p/, weight: 1, batch: 1001}]",
			"w.yaml:2:53: s3:// deletes at most 1000 objects per request"},
		{"target: az://a/c/\nworkload: [{op: delete, path: p/, weight: 1, batch: "
		 "257}]",
			"w.yaml:2:53: az:// deletes at most 256 objects per request"},
		{"target: gcs://b/\nworkload: [{op: delete, path: p/, weight: 1, batch: "
		 "101}]",
			"w.yaml:2:53: gs:// deletes at most 100 objects per request"},
		{S3 GET "prepare: {key_prefix_shards: 257}",
			"w.yaml:3:30: key 'key_prefix_shards' wants a count from 0 to "
			"256, "
			"not '257'"},
		{S3 GET "multi_endpoint: {endpoints: [\"az://a/c/\"]}",
			"w.yaml:3:17: multi_endpoint: 'az://a/c/' is az://, while target "
			"is "
			"s3://: a workload has one scheme"},
		{GET "multi_endpoint: {endpoints: [\"s3://k:s@h/b/\"]}",
			"w.yaml:2:17: multi_endpoint: credentials cannot stand in a URI: "
			"they come from the environment and from where the store's own "
			"tools keep them"},
		{GET "multi_endpoint: {endpoints: []}",
			"w.yaml:2:17: multi_endpoint needs 'endpoints', a list of URIs"},
		{"target: gs://b/\nworkload: [{op: get, path: \"s3://b/k\", weight: 1}]",
			"w.yaml:2:28: 's3://b/k' is s3://, while target is gs://: a "
			"workload has one scheme"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_refused(rows[i].text, rows[i].want);
}

/* Keys are bytes. */
static void test_keys(void)
{
	static const struct {
		const char *target, *path, *want;
	} rows[] = {
		{"s3://b", "k", "s3://b/k"},
		{"s3://b/p", "a//b/../c/./d%2F#e", "s3://b/p/a//b/../c/./d%2F#e"},
		{"s3://b/p//", "k", "s3://b/p//k"},
		{"s3://b/p", "./k", "s3://b/p/k"},
		{"s3://b/p", "././/k", "s3://b/p//k"},
		{"gcs://b", "k", "gs://b/k"},
		{"s3://b/p", "s3://other", "s3://other/"},
		{"s3://h:9000/b", "x", "s3://h:9000/b/x"},
		{"az://a/c", "k", "az://a/c/k"},
		{"az://a/c", "az://a/d", "az://a/d/"},
		{"file:///t", "a//b/./c", "file:///t/a/b/c"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *text = text_printf(
			"target: \"%s\"\nworkload: [{op: get, path: \"%s\", weight: 1}]",
			rows[i].target, rows[i].path);
		struct workload *w = NULL;
		struct err err = ERR_INIT;
		struct plan p;

		if (!CHECK(plan_text(text, NULL, NULL, 1, &w, &p, &err) == 0, "%s: %s",
			    text, err.text))
			continue;
		CHECK_STR(p.jobs[0].ops[0].uri, rows[i].want);
		plan_finish(&p);
		workload_destroy(w);
	}
}

static void test_ops(void)
{
	static const char text[] = S3
		"prepare: {key_prefix_shards: 16, ensure_objects: [{base_uri: d/, count: "
		"4, min_size: 1, max_size: 1}]}\n"
		"workload:\n"
		"- {op: range_get, path: d/, weight: 1, range_size: 4KiB, range_align: "
		"512}\n"
		"- {op: copy, path: d/, weight: 1}\n"
		"- {op: copy, path: d/, weight: 1, to: \"s3://b/u/new-\"}\n"
		"- {op: multipart_put, weight: 1, object_size: 20MiB, part_size: 5MiB}\n"
		"- {op: delete, path: d/, weight: 1, batch: 1000}\n"
		"- {op: put, path: big/, weight: 1, object_size: 6GiB}\n";
	struct workload *w = NULL;
	struct err err = ERR_INIT;
	const struct job *j;
	struct plan p;

	if (!CHECK(plan_text(text, NULL, NULL, 1, &w, &p, &err) == 0, "%s", err.text))
		return;
	j = &p.jobs[0];
	CHECK(j->ops[0].range_size == 4096 && j->ops[0].range_align == 512);
	CHECK_STR(j->ops[1].to, "s3://b/t/copies/");
	CHECK_STR(j->ops[2].to, "s3://b/u/new-");
	CHECK_STR(j->ops[3].uri, "s3://b/t/");
	CHECK(j->ops[3].part_size == 5 << 20 && j->ops[4].batch == 1000);
	/* reads of all kinds keep what a delete would take */
	CHECK(j->n_sets == 2 && j->sets[0].shards == 16 && j->sets[1].shards == 16);
	CHECK_STR(p.notes[0],
		"put 'big/': objects above 5.0 GiB go to s3:// in parts, and "
		"stay puts in the results");
	CHECK_STR(p.notes[1],
		"delete shares d/ with range_get: prepare makes a second set "
		"of 4 objects deletable-*");
	plan_finish(&p);
	workload_destroy(w);
}

/* Names differ with shards, and so do sets. */
static void test_shards_are_part_of_a_set(void)
{
	static const char *const shards[] = {"", "key_prefix_shards: 0, ",
		"key_prefix_shards: 1, ", "key_prefix_shards: 2, "};
	uint64_t ids[4] = {0};

	for (size_t i = 0; i < 4; i++) {
		AUTO_FREE char *text = text_printf("%s%sprepare: {%sensure_objects: "
						   "[{count: 1, min_size: 1, max_size: "
						   "1}]}",
			S3, GET, shards[i]);
		struct workload *w = NULL;
		struct err err = ERR_INIT;
		struct plan p;

		if (!CHECK(plan_text(text, NULL, NULL, 1, &w, &p, &err) == 0, "%s",
			    err.text))
			continue;
		ids[i] = p.jobs[0].sets[0].id;
		plan_finish(&p);
		workload_destroy(w);
	}
	CHECK(ids[0] == ids[1] && ids[1] != ids[2] && ids[2] != ids[3]);
}

static void test_pools(void)
{
	static const struct {
		const char *ops;
		uint32_t pools[4];
	} rows[] = {
		{"[{op: put, path: a/, weight: 1, object_size: 1}, {op: get, path: a/, "
		 "weight: 1}]",
			{1, 1}},
		{"[{op: put, path: a/new-, weight: 1, object_size: 1}, {op: get, path: "
		 "\"a/*\", weight: 1}]",
			{1, 1}},
		{"[{op: put, path: a/b/, weight: 1, object_size: 1}, {op: get, path: "
		 "\"a/*\", weight: 1}]",
			{0, 0}},
		{"[{op: put, path: a/b/, weight: 1, object_size: 1}, {op: get, path: a/, "
		 "weight: 1}]",
			{1, 1}},
		{"[{op: put, path: a/, weight: 1, object_size: 1}, {op: get, path: b/, "
		 "weight: 1}, {op: get, path: a/k, weight: 1}]",
			{0, 0, 0}},
		{"[{op: put, path: a/, weight: 1, object_size: 1}, {op: put, path: b/, "
		 "weight: 1, object_size: 1}, {op: stat, path: b/, weight: 1}, {op: "
		 "copy, "
		 "path: a/, weight: 1}]",
			{1, 2, 2, 1}},
		{"[{op: put, path: a/, weight: 1, object_size: 1}, {op: put, path: b/, "
		 "weight: 1, object_size: 1}, {op: stat, path: b/, weight: 1}, {op: "
		 "range_get, range_size: 1, path: ./, weight: 1}]",
			{2, 2, 2, 2}},
		{"[{op: put, path: a/, weight: 1, object_size: 1}, {op: list, path: a/, "
		 "weight: 1}, {op: delete, path: a/, weight: 1}]",
			{0, 0, 0}},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *text = text_printf(
			"%sdynamic_put_pool: true\nworkload: %s\n", S3, rows[i].ops);
		struct workload *w = NULL;
		struct err err = ERR_INIT;
		struct plan p;

		if (!CHECK(plan_text(text, NULL, NULL, 1, &w, &p, &err) == 0, "%s: %s",
			    text, err.text))
			continue;
		for (size_t k = 0; k < p.jobs[0].n_ops; k++)
			CHECK(p.jobs[0].ops[k].pool == rows[i].pools[k],
				"row %zu, op %zu: %u", i, k, p.jobs[0].ops[k].pool);
		plan_finish(&p);
		workload_destroy(w);
	}
}

/* ---- endpoints and targets ---- */

#define ENSURE(uri)                                                                      \
	"prepare: {ensure_objects: [{base_uri: \"" uri                                   \
	"\", count: 10, min_size: 1, max_size: 1}]}\n"

static void test_endpoints(void)
{
	static const char text[] =
		"workload: [{op: get, path: d/, weight: 1}, {op: get, path: "
		"\"s3://h:9/x/k\", weight: 1}]\n" ENSURE(
			"s3://h:2/b/d/") "multi_endpoint: {endpoints: [\"s3://h:1/b\", "
					 "\"s3://h:2/b\"]}\n";
	static char own_a[] = "s3://h:3/b/", own_b[] = "s3://h:4/b/", name_a[] = "a",
		    name_b[] = "b";
	char *own[] = {own_a, own_b, NULL};
	const struct host hosts[] = {{.name = name_a, .address = name_a},
		{.name = name_b,
			.address = name_b,
			.endpoints = {
				.strategy = ENDPOINT_LEAST_CONNECTIONS, .uris = own}}};
	struct workload *w = NULL;
	struct err err = ERR_INIT;
	const struct job *j;
	struct plan p;

	if (!CHECK(plan_text(text, NULL, hosts, 2, &w, &p, &err) == 0, "%s", err.text))
		return;
	/* the first endpoint is the base of all of a worker's URIs, below whichever they were said */
	j = &p.jobs[0];
	CHECK_STR(j->target, "s3://h:1/b/");
	CHECK_STR(j->endpoints.base, "s3://h:1/b/");
	CHECK(j->endpoints.strategy == ENDPOINT_ROUND_ROBIN);
	CHECK_STR(j->endpoints.uris[1], "s3://h:2/b/");
	CHECK(!j->endpoints.uris[2]);
	CHECK_STR(j->sets[0].uri, "s3://h:1/b/d/");
	CHECK_STR(j->ops[0].uri, "s3://h:1/b/d/");
	CHECK_STR(j->ops[1].uri, "s3://h:9/x/k");
	CHECK(j->share_index == 0 && j->share_count == 2);
	j = &p.jobs[1];
	CHECK_STR(j->endpoints.base, "s3://h:3/b/");
	CHECK(j->endpoints.strategy == ENDPOINT_LEAST_CONNECTIONS);
	CHECK_STR(j->sets[0].uri, "s3://h:3/b/d/");
	CHECK(j->share_index == 1 && j->share_count == 2);
	CHECK(p.jobs[0].sets[0].id == j->sets[0].id && p.prepare_objects == 10);
	plan_finish(&p);
	workload_destroy(w);
}

/* On storage of their own workers have a folder behind every endpoint. */
static void test_endpoints_of_files(void)
{
	static const char text[] =
		"target: file:///mnt/a\n" GET
		"distributed: {agents: [{address: a, multi_endpoint: {endpoints: "
		"[\"file:///mnt/b\", \"file:///mnt/c\"]}}]}\n";
	struct workload *w = NULL;
	struct err err = ERR_INIT;
	struct plan_worker worker = {.id = "a"};
	struct plan p;

	if (!CHECK(workload_parse("w", text, strlen(text), NULL, &w, &err) == 0, "%s",
		    err.text))
		return;
	worker.host = workload_inventory(w)->hosts;
	if (CHECK(workload_plan(w, NULL, &worker, 1, RUN, 1, &p, &err) == 0, "%s",
		    err.text)) {
		CHECK_STR(p.jobs[0].endpoints.base, "file:///mnt/a/a/");
		CHECK_STR(p.jobs[0].endpoints.uris[0], "file:///mnt/b/a/");
		CHECK_STR(p.jobs[0].endpoints.uris[1], "file:///mnt/c/a/");
		CHECK_STR(p.jobs[0].ops[0].uri, "file:///mnt/a/a/a");
		plan_finish(&p);
	}
	workload_destroy(w);
}

/* Each bucket gets a whole set, by those who work there. */
static void test_targets_of_their_own(void)
{
	static char eu[] = "s3://eu/x", us[] = "s3://us/x/",
		    names[3][2] = {"a", "b", "c"};
	const struct host hosts[] = {
		{.name = names[0], .address = names[0], .target_override = eu},
		{.name = names[1], .address = names[1], .target_override = us},
		{.name = names[2], .address = names[2], .target_override = eu}};
	static const uint32_t want[3][2] = {{0, 2}, {0, 1}, {1, 2}};
	struct workload *w = NULL;
	struct err err = ERR_INIT;
	struct plan p;

	if (!CHECK(plan_text(GET ENSURE("d/"), NULL, hosts, 3, &w, &p, &err) == 0, "%s",
		    err.text))
		return;
	for (size_t i = 0; i < 3; i++)
		CHECK(p.jobs[i].share_index == want[i][0] &&
				p.jobs[i].share_count == want[i][1],
			"%zu: %u of %u", i, p.jobs[i].share_index, p.jobs[i].share_count);
	CHECK(p.prepare_objects == 20);
	CHECK_STR(
		p.notes[0], "workers have 2 targets: each of them gets sets of its own");
	plan_finish(&p);
	workload_destroy(w);
}

/* ---- variables ---- */

static void test_variables(void)
{
	static char name[] = "a", own[] = "A=host";
	char *host_env[] = {own, NULL};
	const struct host host = {.name = name, .address = name, .env = host_env};
	static char said_a[] = "A=said", said_b[] = "B=said", found[] = "C=found";
	char *said[] = {said_a, said_b, NULL}, *forwarded[] = {found, NULL};
	const struct workload_overrides o = {
		.shared_prepare = -1, .env = said, .env_default = forwarded};
	struct workload *w = NULL;
	struct err err = ERR_INIT;
	struct plan p;

	if (!CHECK(plan_text(S3 GET, &o, &host, 1, &w, &p, &err) == 0, "%s", err.text))
		return;
	CHECK_STR(p.jobs[0].env[0], "A=host");
	CHECK_STR(p.jobs[0].env[1], "B=said");
	CHECK(!p.jobs[0].env[2]);
	CHECK_STR(p.jobs[0].env_default[0], "C=found");
	plan_finish(&p);
	workload_destroy(w);
}

/* ---- files ---- */

static int load_with(
	const char *dir, const char *storage, struct workload **ret, struct err *err)
{
	AUTO_FREE char *path = text_printf("%s/w.yaml", dir);
	AUTO_FREE char *text = text_printf("%s%sstorage: {%s}\n", S3, GET, storage);

	if (file_write_atomic(path, text, strlen(text), 0600, err) < 0)
		return -1;
	return workload_load(path, NULL, ret, err);
}

static void check_files(const char *dir)
{
	static const char pem[] = "-----BEGIN CERTIFICATE-----\nx\n",
			  key[] = "-----BEGIN PRIVATE KEY-----\ny\n";
	AUTO_FREE char *ca = text_printf("%s/ca.pem", dir),
		       *no = text_printf("%s/no.pem", dir),
		       *private = text_printf("%s/key.pem", dir);
	AUTO_FREE char *want_missing =
		text_printf("%s/w.yaml:3:20: ca_file: cannot open %s/gone.pem: No such "
			    "file or directory",
			dir, dir);
	AUTO_FREE char *want_no = text_printf("%s/w.yaml:3:20: ca_file: %s holds no PEM "
					      "(-----BEGIN ... CERTIFICATE-----)",
		dir, no);
	AUTO_FREE char *want_content =
		text_printf("%s/w.yaml:3:44: key 'client_key' wants the name of a file, "
			    "not its content",
			dir);
	struct workload *w = NULL;
	struct err err = ERR_INIT;
	struct plan_worker worker = {.id = "a"};
	struct plan p;

	CHECK(file_write_atomic(ca, pem, strlen(pem), 0600, &err) == 0, "%s", err.text);
	CHECK(file_write_atomic(private, key, strlen(key), 0600, &err) == 0, "%s",
		err.text);
	CHECK(file_write_atomic(no, "x\n", 2, 0600, &err) == 0, "%s", err.text);
	CHECK(load_with(dir, "ca_file: gone.pem", &w, &err) < 0);
	CHECK_STR(err.text, want_missing);
	CHECK(load_with(dir, "ca_file: no.pem", &w, &err) < 0);
	CHECK_STR(err.text, want_no);
	CHECK(load_with(dir, "client_cert: ca.pem, client_key: \"-----BEGIN KEY\"", &w,
		      &err) < 0);
	CHECK_STR(err.text, want_content);
	if (CHECK(load_with(dir,
			  "ca_file: ca.pem, client_cert: ./ca.pem, client_key: key.pem",
			  &w, &err) == 0,
		    "%s", err.text)) {
		AUTO_FREE char *shown = workload_text_redacted(w);

		CHECK(strstr(shown, "client_key: key.pem"), "%s", shown);
		if (CHECK(workload_plan(w, NULL, &worker, 1, RUN, 1, &p, &err) == 0, "%s",
			    err.text)) {
			CHECK_STR(p.jobs[0].store.ca_pem, pem);
			CHECK_STR(p.jobs[0].store.client_cert_pem, pem);
			CHECK_STR(p.jobs[0].store.client_key_pem, key);
			plan_finish(&p);
		}
		workload_destroy(w);
	}
}

static void test_files(void)
{
	temp_begin();
	check_files(temp_dir);
	temp_end();
}

static void test_store_config(void)
{
	static const struct {
		const char *text, *want; /* error; NULL: all is well */
	} rows[] = {
		{"endpoint: http://h:1\naccess_key: K\nsecret_key: S\nbucket: b\nregion: "
		 "r\ndriver: s5cmd\nmetrics: {enabled: true}\n",
			NULL},
		{"s3:\n  endpoint: http://h:1\n  access_key: K\n  secret_key: S\n  "
		 "bucket: "
		 "b\n  region: r\nload: {users: 5}\n",
			NULL},
		{"{\"endpoint_url\": \"http://h:1\", \"aws_access_key_id\": \"K\", "
		 "\"secret_access_key\": \"S\", \"bucket\": \"b\", \"region\": \"r\"}",
			NULL},
		{"", "c:1:1: a mapping with endpoint, bucket, access_key and secret_key "
		     "is "
		     "wanted"},
		{"access_key: K\nsecret_key: S", "c:1:1: 'bucket' must name a bucket"},
		{"bucket: a/b", "c:1:9: 'bucket' must name a bucket"},
		{"bucket: \"a*\"", "c:1:9: a wildcard cannot stand in front of the key"},
		{"bucket: b\nsecret_key: Hush", "c:1:1: access_key and secret_key belong "
						"together, and one of them is missing"},
		{"bucket: b\nendpoint: \"http://k:Hush@h\"",
			"c:2:11: key 'endpoint' takes no name and password"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct store_config c;
		struct err err = ERR_INIT;
		int r = store_config_parse(
			"c", rows[i].text, strlen(rows[i].text), &c, &err);

		if (rows[i].want) {
			CHECK(r < 0, "%s", rows[i].text);
			CHECK_STR(err.text, rows[i].want);
			continue;
		}
		if (!CHECK(r == 0, "%s: %s", rows[i].text, err.text))
			continue;
		CHECK_STR(c.endpoint, "http://h:1");
		CHECK_STR(c.target, "s3://b/");
		CHECK_STR(c.env[0], "AWS_ACCESS_KEY_ID=K");
		CHECK_STR(c.env[1], "AWS_SECRET_ACCESS_KEY=S");
		CHECK_STR(c.env[2], "AWS_REGION=r");
		CHECK(!c.env[3]);
		store_config_finish(&c);
	}
}

TEST_MAIN(TEST(test_options), TEST(test_defaults), TEST(test_refusals), TEST(test_keys),
	TEST(test_ops), TEST(test_shards_are_part_of_a_set), TEST(test_pools),
	TEST(test_endpoints), TEST(test_endpoints_of_files),
	TEST(test_targets_of_their_own), TEST(test_variables), TEST(test_files),
	TEST(test_store_config))
