/* Each key of an op does something, or is refused where it stands, or it is said that it does nothing. */
#include <jansson.h>

#include "common/units.h"
#include "keys-data.h"
#include "proto/job.h"
#include "yaml/decode.h"

/* What becomes of a key. */
enum outcome {
	USED = 'u',    /* the job is another one */
	NO_KEY = 'r',  /* "a get takes no 'batch'" */
	REFUSED = 'c', /* it makes no sense in this entry, which is said at its place */
	TOLD = 'n',    /* a note more than without it */
};

struct row {
	const char *key, *value;
	/* of get, put, list, stat, delete, range_get, mkdir, rmdir, copy, multipart_put, range_put */
	const char outcomes[OP_KINDS + 1];
	struct workload_overrides o;
};

/* Where an op is tried, and what it needs to be one. */
static const struct {
	const char *scheme, *path, *needs;
} tried[OP_KINDS] = {
	[OP_GET] = {"file:///", "s/", ""},
	[OP_PUT] = {"file:///", "out/", ", object_size: 1k"},
	[OP_LIST] = {"file:///", "s/", ""},
	[OP_STAT] = {"file:///", "s/", ""},
	[OP_DELETE] = {"s3://b/", "s/", ""},
	[OP_RANGE_GET] = {"file:///", "s/", ", range_size: 4k"},
	[OP_MKDIR] = {"file:///", "d/", ""},
	[OP_RMDIR] = {"file:///", "d/", ""},
	[OP_COPY] = {"s3://b/", "s/", ""},
	[OP_MULTIPART_PUT] = {"s3://b/", "out/", ", object_size: 64MiB"},
	[OP_RANGE_PUT] = {"file:///", "s/", ", range_size: 4k"},
};

#define VERIFIED                                                                         \
	{                                                                                \
		.shared_prepare = -1, .allow_foreign = true, .verify = true              \
	}
#define ONCE                                                                             \
	{                                                                                \
		.shared_prepare = -1, .allow_foreign = true, .once = true                \
	}
#define PLAIN                                                                            \
	{                                                                                \
		.shared_prepare = -1, .allow_foreign = true                              \
	}

static const struct row rows[] = {
	{"concurrency", "3", "uuuuuuuuuuu", PLAIN},
	{"target", "other/", "uuuuuuuuuuu", PLAIN},
	{"object_size", "5k", "rurrrrrrrur", PLAIN},
	{"size_distribution", "{type: uniform, min: 1, max: 2}", "rurrrrrrrur", PLAIN},
	{"size_spec", "{type: uniform, min: 1, max: 2}", "rurrrrrrrur", PLAIN},
	{"fill", "unique", "currrcrrruu", PLAIN},
	{"dedup_factor", "2", "currrcrrruu", PLAIN},
	{"compress_factor", "2", "currrcrrruu", PLAIN},
	{"fill", "unique", "nurrrnrrrun", VERIFIED},
	{"dedup_factor", "2", "nnrrrnrrrun", VERIFIED},
	{"compress_factor", "2", "nurrrnrrrun", VERIFIED},
	{"fsync", "true", "rurrrrrrrru", PLAIN},
	{"max_keys", "7", "rrurrrrrrrr", PLAIN},
	{"delimiter", "/", "rrurrrrrrrr", PLAIN},
	{"selection", "zipf", "ucrucurruru", PLAIN},
	{"selection", "latest", "ucrucurruru", PLAIN},
	{"selection", "sequential", "ucrucurruru", PLAIN},
	{"selection", "zipf", "ncrncnrrnrn", ONCE},
	{"verify", "true", "uurrrurrruu", PLAIN},
	{"verify", "false", "unrrrurrrnn", VERIFIED},
	{"recursive", "true", "rrrrrruurrr", PLAIN},
	{"range_size", "8k", "rrrrrurrrru", PLAIN},
	{"range_align", "512", "rrrrrurrrru", PLAIN},
	{"range_align", "512", "rrrrrcrrrrc", ONCE},
	{"range_align", "61k", "rrrrrnrrrrn", PLAIN},
	{"to", "x/", "rrrrrrrrurr", PLAIN},
	{"part_size", "8MiB", "rrrrrrrrrur", PLAIN},
	{"batch", "5", "rrrrurrrrrr", PLAIN},
};

/* more: NULL, or what is written behind what the op needs. */
static char *text_of(enum op_kind kind, const char *needs, const char *more)
{
	return text_printf("target: %st/\n"
			   "prepare: {ensure_objects: [{base_uri: s/, count: 9, "
			   "size_spec: 64k}]}\n"
			   "workload:\n- {op: %s, path: %s, weight: 1%s%s}\n",
		tried[kind].scheme, op_infos[kind].name, tried[kind].path, needs, more);
}

static size_t notes_of(const struct planned *m)
{
	size_t n = 0;

	while (m->p.notes[n])
		n++;
	return n;
}

static char *json_of(const struct planned *m)
{
	json_t *json = job_to_json(&m->p.jobs[0]);
	char *text = json_dumps(json, JSON_SORT_KEYS);

	json_decref(json);
	return text;
}

static enum outcome outcome_of(enum op_kind kind, const struct row *row, const char *with,
	const char *without, struct err *err)
{
	struct planned a, b;
	AUTO_FREE char *no_key =
		text_printf("a %s takes no '%s'", op_infos[kind].name, row->key);
	enum outcome found = 0;

	if (plan_text(with, &row->o, NULL, 1, &a.w, &a.p, err) < 0)
		return strstr(err->text, no_key) ? NO_KEY : REFUSED;
	if (make(&b, without, &row->o, 1)) {
		AUTO_FREE char *first = json_of(&a), *second = json_of(&b);

		if (strcmp(first, second) != 0)
			found = USED;
		if (notes_of(&a) > notes_of(&b))
			found = TOLD;
		drop(&b);
	}
	drop(&a);
	return found;
}

static void test_ops_and_keys(void)
{
	for (size_t i = 0; i < ARRAY_LEN(rows) * OP_KINDS; i++) {
		const struct row *row = &rows[i / OP_KINDS];
		const enum op_kind kind = (enum op_kind)(i % OP_KINDS);
		const bool target = strcmp(row->key, "target") == 0;
		const bool size = strstr(row->key, "size") != NULL &&
				  strcmp(row->key, "part_size") != 0;
		const bool instead =
			size && row->outcomes[kind] == (char)USED; /* one size is all */
		AUTO_FREE char *more = text_printf(", %s: %s%s", row->key,
			target ? tried[kind].scheme : "", row->value);
		AUTO_FREE char *with =
			text_of(kind, instead ? "" : tried[kind].needs, more);
		AUTO_FREE char *without = text_of(kind, tried[kind].needs, "");
		struct err err = ERR_INIT;
		const enum outcome found = outcome_of(kind, row, with, without, &err);

		CHECK((char)found == row->outcomes[kind], "%s, %s: %s: '%c': %s",
			op_infos[kind].name, row->key, row->value,
			found ? (char)found : '-', err.text);
		CHECK(found != REFUSED || text_starts_with(err.text, "w.yaml:4:"), "%s",
			err.text);
	}
}

/* A key that is new has its rows. */
static void test_no_key_is_left_out(void)
{
	static const char *const all_have[] = {"op", "weight", "path"};
	const struct workload_table *t = workload_tables;

	while (strcmp(t->name, "workload[]") != 0)
		t++;
	for (const struct key *k = t->keys; k->name; k++) {
		bool found = false;

		for (size_t i = 0; i < ARRAY_LEN(rows); i++)
			found |= strcmp(rows[i].key, k->name) == 0;
		for (size_t i = 0; i < ARRAY_LEN(all_have); i++)
			found |= strcmp(all_have[i], k->name) == 0;
		CHECK(found, "%s", k->name);
	}
}

#define OP(rest) TARGET "workload:\n  - {" rest "}\n"
#define SETS(rest) TARGET GET "prepare: {ensure_objects: [{base_uri: s/, " rest "}]}\n"

static void test_refusals(void)
{
	static const struct {
		const char *text, *want;
	} refused[] = {
		{OP("op: get, path: a/, weight: 1, fill: zero"),
			"w.yaml:3:42: a get that checks nothing takes no 'fill': verify: "
			"true (or --verify) makes it check"},
		{OP("op: put, path: a/, weight: 1, object_size: 1, fill: zero, "
		    "dedup_factor: 2"),
			"w.yaml:3:78: fill zero repeats and shrinks as it is: "
			"'dedup_factor' has nothing to do there"},
		{SETS("count: 1, size_spec: 1, fill: zero, compress_factor: 2"),
			"w.yaml:3:96: fill zero repeats and shrinks as it is: "
			"'compress_factor' has nothing to do there"},
		{OP("op: get, path: a/one, weight: 1, selection: zipf"),
			"w.yaml:3:50: 'a/one' is one object: there is none to select (a "
			"prefix ends with '/')"},
		{OP("op: get, path: \"file:///x/*\", weight: 1, target: file:///y/"),
			"w.yaml:3:55: target is for relative paths, and 'file:///x/*' is "
			"none"},
		{"target: null://\nworkload: [{op: delete, path: a, weight: 1, batch: "
		 "2}]",
			"w.yaml:2:52: 'a' is one object: a delete of it takes no batch"},
		{OP("op: range_get, path: a/, weight: 1, range_size: 6k, range_align: "
		    "4k, selection: sequential"),
			"w.yaml:3:71: selection sequential takes ranges one behind the "
			"other: range_size must be a multiple of range_align, and 6000 "
			"is none of 4000"},
	};

	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		check_refused(refused[i].text, NULL, refused[i].want);
}

static void test_accepted(void)
{
	static const char *const texts[] = {
		OP("op: put, path: a/, weight: 1, object_size: 1, fill: zero, "
		   "dedup_factor: 1, compress_factor: 1"),
		OP("op: range_get, path: a/one, weight: 1, range_size: 4k, selection: "
		   "sequential"),
		OP("op: get, path: a/one, weight: 1, selection: uniform"),
		OP("op: range_get, path: a/, weight: 1, range_size: 8k, range_align: 4k, "
		   "selection: sequential"),
		("target: s3://b/\nworkload:\n- {op: put, path: out/new-, weight: 1, "
		 "object_size: 1}\n- {op: delete, path: out/new-, weight: 1, batch: "
		 "9}\n"),
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct planned m;

		if (!make(&m, texts[i], NULL, 1))
			continue;
		CHECK(!m.p.notes[0], "%s: %s", texts[i], m.p.notes[0]);
		drop(&m);
	}
}

static void test_notes(void)
{
	static const struct {
		const char *text, *want;
	} noted[] = {
		{"target: null://\nworkload: [{op: put, path: a/, weight: 1, "
		 "object_size: 1, fsync: true}]",
			"put 'a/': fsync is about files and not used for null://"},
		{TARGET "dynamic_put_pool: true\n" GET,
			"dynamic_put_pool: no put makes what a get, range_get, stat or "
			"copy chooses from: it is not used"},
		{TARGET "verify: true\nprepare: {ensure_objects: [{base_uri: s/, count: "
			"1, size_spec: 4KiB, dedup_factor: 3}]}\n" GET,
			"file:///t/s/: with verify, blocks of 4 KiB repeat within an "
			"object alone, and objects of 4.0 KiB have one: dedup_factor is "
			"not used"},
		{TARGET "prepare: {ensure_objects: [{base_uri: s/, count: 1, size_spec: "
			"4KiB}]}\nworkload: [{op: range_get, path: s/, weight: 1, "
			"range_size: 8KiB}]\n",
			"range_get 's/': objects have at most 4.0 KiB: each range of 8.0 "
			"KiB "
			"is a whole object"},
		{TARGET "prepare: {ensure_objects: [{base_uri: s/, count: 1, size_spec: "
			"64KiB}]}\nworkload: [{op: range_get, path: s/, weight: 1, "
			"range_size: 8KiB, range_align: 1MiB}]\n",
			"range_get 's/': objects have at most 64.0 KiB: with a "
			"range_align "
			"of 1.0 MiB all ranges begin at 0"},
	};

	for (size_t i = 0; i < ARRAY_LEN(noted); i++) {
		struct planned m;

		if (!make(&m, noted[i].text, NULL, 1))
			continue;
		CHECK(m.p.notes[0] && strcmp(m.p.notes[0], noted[i].want) == 0, "%zu: %s",
			i, m.p.notes[0] ? m.p.notes[0] : "no note");
		drop(&m);
	}
}

TEST_MAIN(TEST(test_ops_and_keys), TEST(test_no_key_is_left_out), TEST(test_refusals),
	TEST(test_accepted), TEST(test_notes))
