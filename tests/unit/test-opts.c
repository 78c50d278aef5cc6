/* test-opts: command lines, their errors, and help. */
#include <stdlib.h>

#include "check.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/opts.h"
#include "common/text.h"

struct values {
	bool quiet, output_set;
	int verbose, color;
	const char *output, *json;
	struct opt_list limits;
	uint64_t count, duration, size;
	double weight;
	uint16_t port;
};

static const char *const colors[] = {"auto", "always", "never", NULL};
static const char *const output_aliases[] = {"output-dir", "out", NULL};
static const struct opt general[] = {
	{"quiet", 'q', OPT_FLAG, offsetof(struct values, quiet), NULL, "say less"},
	{"verbose", 'v', OPT_COUNTER, offsetof(struct values, verbose), NULL, "say more"},
	{"color", 0, OPT_CHOICE, offsetof(struct values, color), NULL, "colors",
		.choices = colors},
	{NULL},
};
static const struct opt options[] = {
	{"output", 'o', OPT_STR, offsetof(struct values, output), "DIR",
		"where the results go", .aliases = output_aliases,
		.set_offset = offsetof(struct values, output_set)},
	{"json-lines", 'j', OPT_OPTIONAL, offsetof(struct values, json), "FILE",
		"events as they happen"},
	{"limit", 'l', OPT_LIST, offsetof(struct values, limits), "PATTERN",
		"only the hosts whose name or label matches, which may be given several "
		"times "
		"and then takes all that match any"},
	{"count", 'n', OPT_COUNT, offsetof(struct values, count), "N", "how many"},
	{"duration", 'd', OPT_DURATION, offsetof(struct values, duration), "TIME",
		"how long"},
	{"a-rather-long-option", 0, OPT_SIZE, offsetof(struct values, size), "SIZE",
		"how large"},
	{"weight", 'w', OPT_DOUBLE, offsetof(struct values, weight), "X", "how heavy"},
	{"port", 'p', OPT_PORT, offsetof(struct values, port), "PORT", "where to"},
	{"hidden", 0, OPT_FLAG, offsetof(struct values, quiet), NULL, NULL},
	{NULL},
};
static const struct opt *const tables[] = {general, options, NULL};

/* What came of a command line given as one string of words. */
struct outcome {
	struct values v;
	struct err err;
	char *words, *argv[20], *operands, *rest;
	int rc;
};

static void split(struct outcome *o, const char *line, int *argc)
{
	char *next = NULL;

	o->words = strdup(line);
	for (char *w = strtok_r(o->words, " ", &next); w; w = strtok_r(NULL, " ", &next))
		o->argv[(*argc)++] = strcmp(w, "''") == 0 ? w + 2 : w;
}

static void run(struct outcome *o, const char *line)
{
	struct opt_list operands = {0};
	struct buf joined AUTO_BUF = BUF_INIT, tail AUTO_BUF = BUF_INIT;
	char **rest = NULL;
	int argc = 0;

	memset(o, 0, sizeof(*o));
	split(o, line, &argc);
	o->rc = opts_parse(tables, argc, o->argv, &o->v, &operands, &rest, &o->err);
	for (size_t i = 0; i < operands.n; i++)
		buf_printf(&joined, "%s%s", i ? " " : "", operands.items[i]);
	for (; rest && rest < o->argv + argc; rest++)
		buf_printf(&tail, "%s%s", tail.len ? " " : "", *rest);
	o->operands = buf_steal(&joined);
	o->rest = buf_steal(&tail);
	free(operands.items);
}

static void finish(struct outcome *o)
{
	free(o->words);
	free(o->operands);
	free(o->rest);
	free(o->v.limits.items);
}

static void test_values(void)
{
	struct outcome o;

	run(&o, "-vvq -v --output=/tmp/x -n 1_000 -d90s --a-rather-long-option 4KiB -w "
		"-1.5 -p22 "
		"--color never -l a --limit=b -lc");
	CHECK(o.rc == 0, "%s", o.err.text);
	CHECK(o.v.verbose == 3 && o.v.quiet && o.v.count == 1000);
	CHECK(o.v.duration == UINT64_C(90000000000) && o.v.size == 4096 &&
		o.v.weight == -1.5);
	CHECK(o.v.port == 22 && o.v.color == 2 && o.v.output_set);
	CHECK_STR(o.v.output, "/tmp/x");
	CHECK(o.v.limits.n == 3 && !o.v.json);
	CHECK_STR(o.v.limits.items[2], "c");
	CHECK_STR(o.operands, "");
	CHECK_STR(o.rest, "");
	finish(&o);
}

static void test_operands(void)
{
	static const struct {
		const char *line, *operands, *rest, *output, *json;
	} rows[] = {
		{"", "", "", NULL, NULL},
		{"run a.yaml", "run a.yaml", "", NULL, NULL},
		{"run -o dir a.yaml -q b", "run a.yaml b", "", "dir", NULL},
		{"run - -- -x --output y", "run -", "-x --output y", NULL, NULL},
		{"--", "", "", NULL, NULL},
		{"a -- -- b", "a", "-- b", NULL, NULL},
		{"-o -- a", "a", "", "--", NULL},
		{"-o -q", "", "", "-q", NULL},
		{"--output= a", "a", "", "", NULL},
		{"--out x --output-dir y", "", "", "y", NULL},
		{"-ox=y", "", "", "x=y", NULL},
		{"--json-lines a", "a", "", NULL, ""},
		{"--json-lines=f a", "a", "", NULL, "f"},
		{"-j a", "a", "", NULL, ""},
		{"-qjf a", "a", "", NULL, "f"},
		{"-qo d a", "a", "", "d", NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct outcome o;

		run(&o, rows[i].line);
		CHECK(o.rc == 0, "%s: %s", rows[i].line, o.err.text);
		CHECK_STR(o.operands, rows[i].operands);
		CHECK_STR(o.rest, rows[i].rest);
		CHECK_STR(o.v.output, rows[i].output);
		CHECK_STR(o.v.json, rows[i].json);
		CHECK(o.v.output_set == (rows[i].output != NULL));
		finish(&o);
	}
}

static void test_wrong(void)
{
	static const struct {
		const char *line, *error;
	} rows[] = {
		{"--ouptut x", "unknown option '--ouptut' (did you mean '--output'?)"},
		{"--ouptut=x", "unknown option '--ouptut' (did you mean '--output'?)"},
		{"--outt", "unknown option '--outt' (did you mean '--out'?)"},
		{"--outpu", "unknown option '--outpu' (did you mean '--output'?)"},
		{"--xyzzy", "unknown option '--xyzzy'"},
		{"---", "unknown option '---'"},
		{"--=x", "unknown option '--'"},
		{"-x", "unknown option '-x'"},
		{"-qx", "unknown option '-x'"},
		{"-hidden", "unknown option '-hidden' (did you mean '--hidden'?)"},
		{"-hiden", "unknown option '-hiden' (did you mean '--hidden'?)"},
		{"--quiet=yes", "option '--quiet' takes no value, but has 'yes'"},
		{"--port x", "option '--port' wants a port from 1 to 65535, not 'x'"},
		{"--port=0", "option '--port' wants a port from 1 to 65535, not '0'"},
		{"-p70000", "option '-p' wants a port from 1 to 65535, not '70000'"},
		{"-o", "option '-o' wants a value, and none is given"},
		{"--port", "option '--port' wants a port from 1 to 65535, and none is "
			   "given"},
		{"--color blue",
			"option '--color' wants one of auto, always, never, not 'blue'"},
		{"-n -1", "option '-n' wants a count such as 100 or 100_000, not '-1'"},
		{"-n ''", "option '-n' wants a count such as 100 or 100_000, not ''"},
		{"-d 5x", "option '-d' wants a duration such as 500ms, 30s or 1h30m, not "
			  "'5x'"},
		{"--a-rather-long-option=x",
			"option '--a-rather-long-option' wants a size such "
			"as 4096, 4KB or 4KiB, not 'x'"},
		{"-w heavy", "option '-w' wants a number, not 'heavy'"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct outcome o;

		run(&o, rows[i].line);
		CHECK(o.rc == -1 && o.err.kind == ERR_INPUT, "%s", rows[i].line);
		CHECK_STR(o.err.text, rows[i].error);
		finish(&o);
	}
}

static void test_help(void)
{
	struct buf b AUTO_BUF = BUF_INIT;
	static const char want[] = "  -q, --quiet           say less\n"
				   "  -v, --verbose         say more\n"
				   "      --color auto|always|never\n"
				   "                        colors\n"
				   "  -o, --output DIR      where the results go (also "
				   "--output-dir, --out)\n"
				   "  -j, --json-lines[=FILE]\n"
				   "                        events as they happen\n"
				   "  -l, --limit PATTERN   only the hosts whose name or "
				   "label matches, which may be "
				   "given\n"
				   "                        several times and then takes "
				   "all that match any\n"
				   "  -n, --count N         how many\n"
				   "  -d, --duration TIME   how long\n"
				   "      --a-rather-long-option SIZE\n"
				   "                        how large\n"
				   "  -w, --weight X        how heavy\n"
				   "  -p, --port PORT       where to\n";

	opts_help(general, &b);
	opts_help(options, &b);
	CHECK_STR(b.data, want);
	for (char *rest = b.data, *line = strsep(&rest, "\n"); line;
		line = strsep(&rest, "\n"))
		CHECK(text_width(line) <= 90, "%s", line);
}

/* What was given makes words that give the same again. */
static void test_words(void)
{
	static const char *const lines[] = {"-q --output=a,b --json-lines -n 7",
		"--json-lines=x --duration 1h30m --port 22 --color never --weight 0.5",
		"--a-rather-long-option 4KiB --output=", ""};
	static const char *const want[] = {"--quiet|--output=a,b|--json-lines|--count=7|",
		("--color=never|--json-lines=x|--duration=5400.000000000s|--weight=0.5|"
		 "--port=22|"),
		"--output=|--a-rather-long-option=4096|", ""};

	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		AUTO_BUF struct buf words = BUF_INIT;
		struct values copy = {0};
		struct outcome o;

		run(&o, lines[i]);
		CHECK(o.rc == 0, "%s", o.err.text);
		for (const struct opt *const *t = tables; *t; t++)
			for (const struct opt *p = *t; p->name; p++) {
				if (!p->help || !opts_given(p, &o.v))
					continue;
				CHECK(opts_word(p, &o.v, &words) == 0);
				buf_putc(&words, '|');
				opts_copy(p, &o.v, &copy);
				CHECK(opts_given(p, &copy), "%s", p->name);
			}
		CHECK_STR(words.data ? words.data : "", want[i]);
		CHECK(copy.count == o.v.count && copy.output == o.v.output &&
			copy.port == o.v.port && copy.quiet == o.v.quiet);
		finish(&o);
	}
}

TEST_MAIN(TEST(test_values), TEST(test_operands), TEST(test_wrong), TEST(test_help),
	TEST(test_words))
