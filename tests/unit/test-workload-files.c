/* Workload files as text: secrets blanked in place, and the examples that come with muster. */
#include <stdlib.h>

#include "common/file.h"
#include "workload-data.h"
#include "yaml/decode.h"

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
		{"url: http://user:pa%ss@host:9000/x@y\n",
			"url: http://***@host:9000/x@y\n"},
		{"url: s3://AKIA:wJ/al+r@host/b\n", "url: s3://***@host/b\n"},
		{"a: https://h/c?sv=1&sig=abc%2F&se=2\n",
			"a: https://h/c?sv=1&sig=***&se=2\n"},
		{"a: https://h/c?X-Amz-Signature=abc x\n",
			"a: https://h/c?X-Amz-Signature=*** x\n"},
		{"# AWS_SECRET_ACCESS_KEY: abc def\n  # key_path: x\n#token=1\na: b\n",
			"# AWS_SECRET_ACCESS_KEY: ***\n  # key_path: x\n#token= ***\na: "
			"b\n"},
		{"# client_key: c.pem # is a file\n# client_keys: x\n",
			"# client_key: c.pem # is a file\n# client_keys: ***\n"},
		{"a: 1\r\nenv: {A: b}\r\n", "a: 1\r\nenv: {A: \"***\"}\r\n"},
		{"\xef\xbb\xbf"
		 "env: {A: b}\n",
			"\xef\xbb\xbf"
			"env: {A: \"***\"}\n"},
		{"distributed: {deployment: {image: i, docker_args: [--cpus=2, -e, "
		 "T=x, \"-e U=x\", --env=V=x, -e, W]}}\n",
			"distributed: {deployment: {image: i, docker_args: [--cpus=2, "
			"-e, "
			"\"***\", \"***\", \"***\", -e, W]}}\n"},
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

static const char *const examples[] = {"sample.yaml", "s3.yaml", "azure.yaml", "gcs.yaml",
	"multi-endpoint.yaml", "multi-region.yaml", "presets/concurrent-access.yaml",
	"presets/metadata-intensive.yaml", "presets/mixed-workload.yaml",
	"presets/read-overload.yaml", "presets/s3-large-objects.yaml",
	"presets/small-objects.yaml", "null-smoke.yaml", "sample-load.yaml",
	"sample-objects.yaml", "local-files.yaml", "mixed-sizes.yaml", "shared-nfs.yaml",
	"delete-churn.yaml"};

/* Plans w over the hosts that it names, or two without a name. */
static int plan_example(
	const struct workload *w, const char *target, struct plan *ret, struct err *err)
{
	const struct workload_overrides o = {.target = target, .shared_prepare = -1};
	const struct inventory *hosts = workload_inventory(w);
	struct plan_worker workers[8] = {{"one", NULL, 0}, {"two", NULL, 1}};
	size_t n = hosts->n ? hosts->n : 2;

	for (size_t i = 0; i < hosts->n && i < ARRAY_LEN(workers); i++)
		workers[i] =
			(struct plan_worker){hosts->hosts[i].name, &hosts->hosts[i], 0};
	return workload_plan(w, &o, workers, n, RUN, 1, ret, err);
}

static void test_examples(void)
{
	for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
		AUTO_FREE char *path =
			text_printf("%s/workloads/%s", SOURCE_DIR, examples[i]);
		struct buf warnings AUTO_BUF = BUF_INIT;
		struct workload_options o = {.warn = collect, .user = &warnings};
		struct workload *w = NULL;
		struct err err = ERR_INIT;
		/* presets run where people say */
		const char *target = strchr(examples[i], '/') ? "az://a/c/x/" : NULL;
		struct plan p;
		AUTO_FREE char *text = NULL;

		if (!CHECK(workload_load(path, &o, &w, &err) == 0, "%s", err.text))
			continue;
		CHECK(warnings.len == 0, "%s", warnings.data);
		CHECK(!target || workload_description(w), "%s", path);
		if (CHECK(plan_example(w, target, &p, &err) == 0, "%s", err.text))
			plan_finish(&p);
		text = workload_text_redacted(w);
		CHECK(text && !strstr(text, "***") == !strstr(text, " env: {"), "%s: %s",
			path, text ? text : "");
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

/* "  # key: value" shows a key that cannot stand beside another one, or names a file. */
static bool has_comment(const char *text, const char *key)
{
	AUTO_FREE char *line = text_printf("# %s: ", key);

	return strstr(text, line) != NULL;
}

static const char *const samples[] = {
	"sample.yaml", "sample-load.yaml", "sample-objects.yaml"};

static bool is_in_sample(const char *name, const char *key)
{
	AUTO_FREE char *path = text_printf("%s/workloads/%s", SOURCE_DIR, name);
	struct yaml_doc *doc = NULL;
	struct buf text AUTO_BUF = BUF_INIT;
	struct err err = ERR_INIT;
	bool found;

	if (!CHECK(yaml_load(path, &doc, &err) == 0 &&
			    file_read(path, 1 << 20, &text, &err) == 0,
		    "%s", err.text))
		return false;
	found = has_key(doc->root, key) || has_comment(text.data, key);
	yaml_destroy(doc);
	return found;
}

/* The samples show every key that works. */
static void test_samples_are_whole(void)
{
	for (const struct workload_table *t = workload_tables; t->name; t++)
		for (const struct key *k = t->keys; k->name; k++) {
			bool found = k->type == KEY_LATER || k->type == KEY_IGNORED;

			for (size_t i = 0; !found && i < ARRAY_LEN(samples); i++)
				found = is_in_sample(samples[i], k->name);
			CHECK(found, "%s %s", t->name, k->name);
		}
}

static void test_tables_are_documented(void)
{
	for (const struct workload_table *t = workload_tables; t->name; t++)
		for (const struct key *k = t->keys; k->name; k++)
			CHECK(k->help && *k->help, "%s %s", t->name, k->name);
}

/* Keys of stores and hosts are in the manual page alone. */
static bool is_in_page(const char *table)
{
	static const char *const elsewhere[] = {"storage", "error_handling",
		"multi_endpoint", "distributed.agents[]", "distributed.ssh",
		"distributed.deployment"};

	for (size_t i = 0; i < ARRAY_LEN(elsewhere); i++)
		if (strcmp(table, elsewhere[i]) == 0)
			return false;
	return true;
}

/* docs/workloads.md says of each key what its table says. */
static void test_page_of_keys(void)
{
	struct buf page AUTO_BUF = BUF_INIT;
	struct err err = ERR_INIT;

	if (!CHECK(file_read(SOURCE_DIR "/docs/workloads.md", 1 << 20, &page, &err) == 0,
		    "%s", err.text))
		return;
	for (const struct workload_table *t = workload_tables; t->name; t++)
		for (const struct key *k = t->keys; k->name && is_in_page(t->name); k++) {
			AUTO_FREE char *row = text_printf("| `%s` |", k->name);

			if (k->type == KEY_LATER || k->type == KEY_IGNORED)
				continue;
			CHECK(strstr(page.data, row), "%s %s has no row", t->name,
				k->name);
			CHECK(strstr(page.data, k->help), "%s %s: \"%s\" is not there",
				t->name, k->name, k->help);
		}
}

TEST_MAIN(TEST(test_redaction), TEST(test_secret_names), TEST(test_examples),
	TEST(test_samples_are_whole), TEST(test_tables_are_documented),
	TEST(test_page_of_keys))
