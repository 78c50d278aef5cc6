/* test-yaml: trees with places, and decoding by tables. */
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "yaml/decode.h"
#include "yaml/node.h"

CLEANUP_DEFINE(struct yaml_doc, yaml_destroy)
#define AUTO_DOC CLEANUP(cleanup_yaml_destroy)

static struct yaml_doc *parse(const char *text, struct err *err)
{
	struct yaml_doc *doc = NULL;

	yaml_parse("f.yaml", text, strlen(text), &doc, err);
	return doc;
}

/* ---- the tree ---- */

/* The tree on one line: maps {k: v}, lists [v], null ~, quoted "v". */
static void show(struct buf *b, const struct node *n)
{
	switch (n->type) {
	case NODE_NULL:
		buf_puts(b, "~");
		break;
	case NODE_SCALAR:
		buf_printf(b, n->quoted ? "\"%s\"" : "%s", n->value);
		break;
	case NODE_SEQ:
	case NODE_MAP:
		buf_putc(b, n->type == NODE_MAP ? '{' : '[');
		for (size_t i = 0; i < n->n; i++) {
			buf_puts(b, i ? ", " : "");
			if (n->type == NODE_MAP)
				buf_printf(b, "%s: ", n->keys[i]->value);
			show(b, n->items[i]);
		}
		buf_putc(b, n->type == NODE_MAP ? '}' : ']');
	}
}

static void test_trees(void)
{
	static const struct {
		const char *text, *tree;
	} rows[] = {
		{"", "~"},
		{"# nothing\n", "~"},
		{"---\n...\n", "~"},
		{"a: 1\nb: [x, 'y', \"z\"]\n", "{a: 1, b: [x, \"y\", \"z\"]}"},
		{"a:\nb: ~\nc: null\nd: ''\ne: 'null'\n",
			"{a: ~, b: ~, c: ~, d: \"\", e: \"null\"}"},
		{"- a: {}\n- []\n", "[{a: {}}, []]"},
		{"a: |\n  x\n  y\n", "{a: \"x\ny\n\"}"},
		{"a: !!int 5\nb: !own x\n", "{a: 5, b: x}"},
		{"null: 1\n~: 2\n", "{null: 1, ~: 2}"},
		{"a: &x {b: 1}\nc: *x\n", "{a: {b: 1}, c: {b: 1}}"},
		{"a: &x 1\nb: &x 2\nc: *x\n", "{a: 1, b: 2, c: 2}"},
		{"d: &d {a: 1, b: 2}\ne: {<<: *d, b: 3}\n",
			"{d: {a: 1, b: 2}, e: {b: 3, a: 1}}"},
		{"e: {<<: [{a: 1}, {a: 2, b: 2}], c: 3}\n", "{e: {c: 3, a: 1, b: 2}}"},
		{"e: {'<<': 1}\n", "{e: {<<: 1}}"},
		{"\xef\xbb\xbf"
		 "a: 1\r\nb: 2\r\n",
			"{a: 1, b: 2}"},
		{"- \"caf\xc3\xa9 \\x41\"\n", "[\"caf\xc3\xa9 A\"]"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = ERR_INIT;
		struct buf b AUTO_BUF = BUF_INIT;
		struct yaml_doc *doc AUTO_DOC = parse(rows[i].text, &err);

		if (!CHECK(doc != NULL, "%s: %s", rows[i].text, err.text))
			continue;
		show(&b, doc->root);
		CHECK_STR(b.data, rows[i].tree);
	}
}

static void test_refused(void)
{
	static const struct {
		const char *text, *error;
	} rows[] = {
		{"a: 1\nb: 2\n  a: 3\n",
			"f.yaml:3:4: mapping values are not allowed in this context"},
		{"a: [1, 2\n",
			"f.yaml:2:1: did not find expected ',' or ']' (while parsing a "
			"flow sequence)"},
		{"a:\n\tb: 1\n", "f.yaml:2:1: a tab cannot indent YAML, only blanks can"},
		{"\xc3\xa9: 1\na:\n\tb: 1\n",
			"f.yaml:3:1: a tab cannot indent YAML, only blanks can"},
		{"a: @x\n",
			"f.yaml:1:4: found character that cannot start any token (while "
			"scanning for the next token)"},
		{"a: 1\nb: 2\na: 3\n",
			"f.yaml:3:1: duplicate key 'a', first seen in line 1"},
		{"{a: 1, a: 3}", "f.yaml:1:8: duplicate key 'a', first seen in line 1"},
		{"[a, b]: 1\n", "f.yaml:1:1: a key must be plain text"},
		{"a: &x [*x]\n", "f.yaml:1:8: an alias inside of its own anchor"},
		{"a: *x\n", "f.yaml:1:4: an alias without an anchor"},
		{"a: 1\n---\nb: 1\n", "f.yaml:2:1: more than one document in the file"},
		{"a: {<<: 1}\n",
			"f.yaml:1:5: '<<' wants a mapping or a list of mappings"},
		{"a: {<<: [1]}\n",
			"f.yaml:1:5: '<<' wants a mapping or a list of mappings"},
		{"a: \"x\\0y\"\n", "f.yaml:1:4: a NUL character in a text"},
		{"a: 1\nb: \xff\n", "f.yaml:2:4: invalid leading UTF-8 octet"},
		{"a: 1\nb: \x01\n", "f.yaml:2:4: control characters are not allowed"},
		{"\"a\\e[31m\": 1\n\"a\\e[31m\": 2\n",
			"f.yaml:2:1: duplicate key 'a', first seen in line 1"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = ERR_INIT;
		struct yaml_doc *doc AUTO_DOC = parse(rows[i].text, &err);

		CHECK(!doc && err.kind == ERR_INPUT, "%s", rows[i].text);
		CHECK_STR(err.text, rows[i].error);
	}
}

/* Files that are small and mean to be large. */
static void test_bounds(void)
{
	struct err err = ERR_INIT;
	struct buf deep AUTO_BUF = BUF_INIT, many AUTO_BUF = BUF_INIT,
			laughs AUTO_BUF = BUF_INIT;
	struct yaml_doc *doc AUTO_DOC = NULL;

	for (int i = 0; i < 64; i++)
		buf_putc(&deep, '[');
	CHECK(!parse(deep.data, &err));
	CHECK(strstr(err.text, "did not find") != NULL, "64 levels: %s", err.text);
	buf_puts(&deep, "[[[[");
	CHECK(!parse(deep.data, &err));
	CHECK_STR(err.text, "f.yaml:1:65: nested deeper than 64 levels");

	for (int i = 0; i < 99999; i++)
		buf_puts(&many, "- a\n");
	doc = parse(many.data, &err);
	CHECK(doc && doc->root->n == 99999, "%s", err.text);
	buf_puts(&many, "- a\n");
	CHECK(!parse(many.data, &err));
	CHECK(strstr(err.text, ": more than 100,000 nodes") != NULL, "%s", err.text);

	buf_puts(&laughs, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
	for (int i = 1; i < 20; i++) {
		buf_printf(&laughs, "a%d: &a%d [", i, i);
		for (int j = 0; j < 10; j++)
			buf_printf(&laughs, "*a%d,", i - 1);
		buf_puts(&laughs, "]\n");
	}
	CHECK(!parse(laughs.data, &err));
	CHECK(strstr(err.text, ": more than 100,000 nodes") != NULL, "%s", err.text);

	/* each alias adds a level to the depth */
	buf_clear(&laughs);
	buf_puts(&laughs, "a0: &a0 [x]\n");
	for (int i = 1; i < 80; i++)
		buf_printf(&laughs, "a%d: &a%d [*a%d]\n", i, i, i - 1);
	CHECK(!parse(laughs.data, &err));
	CHECK(strstr(err.text, ": nested deeper than 64 levels") != NULL, "%s", err.text);
}

static void test_places(void)
{
	struct err err = ERR_INIT;
	struct yaml_doc *doc AUTO_DOC =
		parse("hosts:\n  - name: \xc3\xa9\n    port: 22\n", &err);
	const struct node *host = node_get(doc->root, "hosts")->items[0];
	AUTO_FREE char *place = node_place(doc, node_get(host, "port"));

	CHECK_STR(place, "f.yaml:3:11");
	CHECK(host->line == 2 && host->column == 5);
	CHECK(host->keys[1]->line == 3 && host->keys[1]->column == 5);
	CHECK(!node_get(doc->root, "nothing") && !node_get(node_get(host, "port"), "x"));
	CHECK(node_error(doc, host, &err, "%s", "bad\033[31m host") == -1);
	CHECK_STR(err.text, "f.yaml:2:5: bad host");
	CHECK(err.kind == ERR_INPUT);
}

static void test_load(void)
{
	char path[] = "/tmp/test-yaml-XXXXXX";
	AUTO_CLOSE int fd = mkstemp(path);
	struct yaml_doc *doc AUTO_DOC = NULL;
	struct err err = ERR_INIT;

	CHECK(write(fd, "a: 1\n", 5) == 5);
	CHECK(yaml_load(path, &doc, &err) == 0, "%s", err.text);
	CHECK_STR(doc ? doc->name : NULL, path);
	unlink(path);
	CHECK(yaml_load(path, &doc, &err) == -1 && err.kind == ERR_INPUT);
	CHECK(strstr(err.text, "No such file") != NULL, "%s", err.text);
}

/* ---- decoding ---- */

struct thing {
	char *name, **list, **env;
	bool on, name_set;
	uint64_t count, size, duration;
	unsigned workers;
	double weight;
	uint16_t port;
	int mode;
	const struct node *node;
	uint64_t custom;
};

static int decode_twice(
	struct decode *d, const struct node *n, void *dst, struct err *err)
{
	static const struct key plain = {.name = "custom", .type = KEY_COUNT};

	if (decode_value(d, n, &plain, dst, err) < 0)
		return -1;
	*(uint64_t *)dst *= 2;
	return 0;
}

static const char *const modes[] = {"strict|yes", "accept-new", "off|no|never", NULL};
static const char *const name_aliases[] = {"id", "host_name", NULL};

static const struct key keys[] = {
	{"name", KEY_STR, offsetof(struct thing, name), .aliases = name_aliases,
		.set_offset = offsetof(struct thing, name_set)},
	{"on", KEY_BOOL, offsetof(struct thing, on)},
	{"count", KEY_COUNT, offsetof(struct thing, count), .min = 1},
	{"workers", KEY_UINT, offsetof(struct thing, workers), .min = 1, .max = 64},
	{"size", KEY_SIZE, offsetof(struct thing, size), .max = 1 << 20},
	{"duration", KEY_DURATION, offsetof(struct thing, duration)},
	{"weight", KEY_DOUBLE, offsetof(struct thing, weight)},
	{"port", KEY_PORT, offsetof(struct thing, port)},
	{"mode", KEY_ENUM, offsetof(struct thing, mode), .arg = modes},
	{"list", KEY_STRV, offsetof(struct thing, list)},
	{"env", KEY_ENV, offsetof(struct thing, env)},
	{"node", KEY_NODE, offsetof(struct thing, node)},
	{"custom", KEY_CUSTOM, offsetof(struct thing, custom), .fn = decode_twice},
	{"autotune", KEY_IGNORED, .arg = "tuning of another program"},
	{"old", KEY_IGNORED},
	{"rate", KEY_LATER},
	{NULL},
};

static void keep_warning(const char *text, void *user)
{
	buf_printf(user, "%s\n", text);
}

static int decode(struct yaml_doc *doc, bool lenient, struct thing *thing,
	struct buf *warnings, struct err *err)
{
	struct decode d = {
		.doc = doc, .lenient = lenient, .warn = keep_warning, .user = warnings};

	return decode_map(&d, doc->root, keys, "thing", thing, err);
}

static void test_decode(void)
{
	static const char text[] =
		"id: me\non: Yes\ncount: 100_000\nworkers: 4\nsize: 4KiB\n"
		"duration: 1h30m\nweight: 2.5\nport: 2222\nmode: never\n"
		"list: [a, 'b c']\nenv: {A: 1, B: ~, C: x=y}\nnode: {z: 1}\n"
		"custom: 21\nautotune: {deep: [1]}\nold: 1\n";
	struct err err = ERR_INIT;
	struct buf warnings AUTO_BUF = BUF_INIT;
	struct yaml_doc *doc AUTO_DOC = parse(text, &err);
	struct thing t = {.name = strdup("old value")};

	CHECK(decode(doc, false, &t, &warnings, &err) == 0, "%s", err.text);
	CHECK_STR(t.name, "me");
	CHECK(t.name_set && t.on && t.count == 100000 && t.workers == 4 &&
		t.size == 4096);
	CHECK(t.duration == UINT64_C(5400000000000) && t.weight == 2.5 && t.port == 2222);
	CHECK(t.mode == 2 && t.custom == 42);
	CHECK(t.node == node_get(doc->root, "node"));
	CHECK_STR(t.list[0], "a");
	CHECK_STR(t.list[1], "b c");
	CHECK(!t.list[2]);
	CHECK_STR(t.env[0], "A=1");
	CHECK_STR(t.env[1], "B=");
	CHECK_STR(t.env[2], "C=x=y");
	CHECK(!t.env[3]);
	CHECK_STR(warnings.data, "f.yaml:14:1: key 'autotune' does nothing here (tuning "
				 "of another program)\n"
				 "f.yaml:15:1: key 'old' does nothing here\n");
	decode_release(keys, &t);
	CHECK(!t.name && !t.list && !t.env);
	decode_release(keys, &t);
}

static void test_decode_lists(void)
{
	struct err err = ERR_INIT;
	struct yaml_doc *doc AUTO_DOC = parse("list: one\nenv:\n", &err);
	struct yaml_doc *none AUTO_DOC = parse("list:\n", &err);
	struct thing t = {0};

	CHECK(decode(doc, false, &t, NULL, &err) == 0, "%s", err.text);
	CHECK_STR(t.list[0], "one");
	CHECK(!t.list[1] && t.env && !t.env[0]);
	CHECK(decode(none, false, &t, NULL, &err) == 0, "%s", err.text);
	CHECK(!t.list[0]);
	decode_release(keys, &t);
}

static void test_decode_refused(void)
{
	static const struct {
		const char *text, *error;
	} rows[] = {
		{"wieght: 1",
			"1:1: unknown key 'wieght' in a thing (did you mean 'weight'?)"},
		{"hostname: 1", "1:1: unknown key 'hostname' in a thing (did you mean "
				"'host_name'?)"},
		{"on: yes\nxyzzy: 1", "2:1: unknown key 'xyzzy' in a thing"},
		{"rate: 5", "1:1: key 'rate' is not supported yet"},
		{"ratee: 5",
			"1:1: unknown key 'ratee' in a thing (did you mean 'rate'?)"},
		{"id: 1\nname: 2", "2:1: key 'name' says the same as 'id' in line 1"},
		{"[a]", "1:1: a thing is a mapping, not a list"},
		{"", "1:1: a thing is a mapping, not nothing"},
		{"word", "1:1: a thing is a mapping, not 'word'"},
		{"name: [a]", "1:7: key 'name' wants a text, not a list"},
		{"name: ", "1:6: key 'name' wants a text, not nothing"},
		{"on: maybe", "1:5: key 'on' wants true or false, not 'maybe'"},
		{"on: 'true'",
			"1:5: key 'on' wants true or false without quotes, not 'true'"},
		{"count: -1", "1:8: key 'count' wants a count of at least 1, not '-1'"},
		{"count: 0", "1:8: key 'count' wants a count of at least 1, not '0'"},
		{"count: {a: 1}",
			"1:8: key 'count' wants a count of at least 1, not a mapping"},
		{"workers: 65",
			"1:10: key 'workers' wants a count from 1 to 64, not '65'"},
		{"size: 2MiB", "1:7: key 'size' wants a size such as 4096, 4KB or 4KiB "
			       "from 0 B to "
			       "1.0 MiB, not '2MiB'"},
		{"duration: 5x",
			"1:11: key 'duration' wants a duration such as 500ms, 30s or "
			"1h30m, not '5x'"},
		{"weight: heavy", "1:9: key 'weight' wants a number, not 'heavy'"},
		{"port: 0", "1:7: key 'port' wants a port from 1 to 65535, not '0'"},
		{"port: 65536",
			"1:7: key 'port' wants a port from 1 to 65535, not '65536'"},
		{"mode: of",
			"1:7: key 'mode' wants one of strict, accept-new, off, not 'of'"},
		{"mode: 'off|no'",
			"1:7: key 'mode' wants one of strict, accept-new, off, not "
			"'off|no'"},
		{"list: {a: 1}", "1:7: key 'list' wants a list, not a mapping"},
		{"list: [a, [b]]", "1:11: key 'list' wants a text, not a list"},
		{"env: [a]",
			"1:6: key 'env' wants a mapping of names to values, not a list"},
		{"env: {A=B: 1}", "1:7: 'A=B' cannot name an environment variable"},
		{"env: {A: 1, B: [x]}",
			"1:16: environment variable 'B' wants a text, not a list "
			"or mapping"},
		{"custom: x", "1:9: key 'custom' wants a count, not 'x'"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = ERR_INIT;
		struct yaml_doc *doc AUTO_DOC = parse(rows[i].text, &err);
		struct thing t = {0};
		struct buf want AUTO_BUF = BUF_INIT;

		buf_printf(&want, "f.yaml:%s", rows[i].error);
		CHECK(decode(doc, false, &t, NULL, &err) == -1, "%s", rows[i].text);
		CHECK(err.kind == ERR_INPUT);
		CHECK_STR(err.text, want.data);
		decode_release(keys, &t);
	}
}

static void test_decode_lenient(void)
{
	struct err err = ERR_INIT;
	struct buf warnings AUTO_BUF = BUF_INIT;
	struct yaml_doc *doc AUTO_DOC = parse("nmae: a\nport: 5\nzzzz: 1\n", &err);
	struct thing t = {0};

	CHECK(decode(doc, true, &t, &warnings, &err) == 0, "%s", err.text);
	CHECK(t.port == 5 && !t.name && !t.name_set);
	CHECK_STR(warnings.data,
		"f.yaml:1:1: unknown key 'nmae' in a thing (did you mean 'name'?)\n"
		"f.yaml:3:1: unknown key 'zzzz' in a thing\n");
	decode_release(keys, &t);
}

TEST_MAIN(TEST(test_trees), TEST(test_refused), TEST(test_bounds), TEST(test_places),
	TEST(test_load), TEST(test_decode), TEST(test_decode_lists),
	TEST(test_decode_refused), TEST(test_decode_lenient))
