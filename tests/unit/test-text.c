/* test-text: text that is safe to show, to quote, to match and to suggest. */
#include <stdlib.h>

#include "check.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/text.h"

#define TEXT(s) s, sizeof(s) - 1

static void test_sanitize(void)
{
	static const struct {
		const char *in;
		size_t len;
		const char *out;
	} rows[] = {
		{TEXT(""), ""},
		{TEXT("plain text"), "plain text"},
		{TEXT("\xc3\xa9t\xc3\xa9 \xe2\x9c\x85 \xf0\x9f\x98\x80"),
			"\xc3\xa9t\xc3\xa9 \xe2\x9c\x85 \xf0\x9f\x98\x80"},
		/* controls */
		{TEXT("a\tb\nc"), "a b c"},
		{TEXT("line\r\n"), "line "},
		{TEXT("a\0b"), "a?b"},
		{TEXT("a\x01\x7f\bz"), "a???z"},
		{TEXT("bell\a"), "bell?"},
		/* CSI */
		{TEXT("\033[31mred\033[0m"), "red"},
		{TEXT("\033[38;2;1;2;3mx"), "x"},
		{TEXT("\033[?25l\033[2J\033[Hx"), "x"},
		{TEXT("\033[1 qx"), "x"},
		{TEXT("x\033[31"), "x"},
		{TEXT("\033[3\nx"), " x"},
		{TEXT("\033[\033[31mx"), "x"},
		/* strings */
		{TEXT("\033]0;title\ax"), "x"},
		{TEXT("\033]0;title\033\\x"), "x"},
		{TEXT("\033]8;;http://a\033\\link\033]8;;\033\\"), "link"},
		{TEXT("\033]52;c;aGk=\xc2\x9cx"), "x"},
		{TEXT("\033Pq#0;2\033\\x"), "x"},
		{TEXT("\033_app\033\\x\033^pm\033\\y\033Xsos\033\\z"), "xyz"},
		{TEXT("\033]never ends"), ""},
		{TEXT("\033]never ends\nbut the line does"), " but the line does"},
		{TEXT("\033]0;a\033[31mx"), "x"},
		/* others */
		{TEXT("\033(Bx"), "x"},
		{TEXT("\033cx"), "x"},
		{TEXT("\0337x\0338"), "x"},
		{TEXT("x\033"), "x"},
		{TEXT("\033\033\033x"), ""},
		{TEXT("\033\xc3\xa9"), "\xc3\xa9"},
		/* C1 in UTF-8 */
		{TEXT("\xc2\x9b"
		      "31mx"),
			"x"},
		{TEXT("\xc2\x9d"
		      "0;t\ax"),
			"x"},
		{TEXT("\xc2\x90q\xc2\x9cx"), "x"},
		{TEXT("a\xc2\x85z"), "az"},
		/* C1 as bytes are no UTF-8 */
		{TEXT("\x9b"
		      "31mx"),
			"?31mx"},
		/* not UTF-8 */
		{TEXT("a\xff"
		      "b\xfe"),
			"a?b?"},
		{TEXT("\xc0\xaf"), "??"},
		{TEXT("\xe0\x80\xaf"), "???"},
		{TEXT("\xf0\x80\x80\xaf"), "????"},
		{TEXT("\xed\xa0\x80"), "???"},
		{TEXT("\xf4\x90\x80\x80"), "????"},
		{TEXT("\xf8\x88\x80\x80\x80"), "?????"},
		{TEXT("x\xe2\x82"), "x??"},
		{TEXT("x\xe2\x82z"), "x??z"},
		{TEXT("\xc0\x9b"
		      "31m"),
			"??31m"},
		{TEXT("\xc2"), "?"},
		/* what turns the direction of text */
		{TEXT("a\xe2\x80\xaez"), "a?z"},
		{TEXT("a\xe2\x81\xa6z"), "a?z"},
		{TEXT("\xef\xbb\xbfz"), "?z"},
		{TEXT("a\xe2\x80\xa8z"), "a?z"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *got = text_sanitize(rows[i].in, rows[i].len);
		AUTO_FREE char *copy = strdup(rows[i].in);

		CHECK(strcmp(got, rows[i].out) == 0, "row %zu: \"%s\"", i, rows[i].out);
		if (strlen(rows[i].in) != rows[i].len)
			continue;
		text_sanitize_inplace(copy);
		CHECK(strcmp(copy, rows[i].out) == 0, "in place, row %zu", i);
	}
}

static void test_shell_quote(void)
{
	static const struct {
		const char *in, *out;
	} rows[] = {{"", "''"}, {"abc", "abc"},
		{"/a-b_c.d:e=f@g%h+i,j", "/a-b_c.d:e=f@g%h+i,j"}, {"a b", "'a b'"},
		{"it's", "'it'\\''s'"}, {"'", "''\\'''"}, {"$(x)", "'$(x)'"},
		{"a\nb", "'a\nb'"}, {"~", "'~'"}, {"\xc3\xa9", "'\xc3\xa9'"}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf b AUTO_BUF = BUF_INIT;

		CHECK(text_shell_quote(&b, rows[i].in) == 0);
		CHECK_STR(b.data, rows[i].out);
	}
}

static void test_match(void)
{
	static const struct {
		const char *pattern, *s;
		bool within, cross; /* without and with '*' matching '/' */
	} rows[] = {
		{"", "", true, true},
		{"", "a", false, false},
		{"abc", "abc", true, true},
		{"abc", "abd", false, false},
		{"abc", "abcd", false, false},
		{"*", "", true, true},
		{"*", "abc", true, true},
		{"*", "a/b", false, true},
		{"a*c", "abbbc", true, true},
		{"a*c", "ab/bc", false, true},
		{"a/*", "a/b", true, true},
		{"a/*", "a/b/c", false, true},
		{"*/*", "a/b", true, true},
		{"*a/b*", "xa/a/b", false, true},
		{"*.dat", "x.dat.dat", true, true},
		{"**", "abc", true, true},
		{"a*b*c", "aXbXbXc", true, true},
		{"a*b*c", "aXbXbX", false, false},
		{"*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false, false},
		{"?", "a", true, true},
		{"?", "/", false, true},
		{"?", "", false, false},
		{"?", "\xc3\xa9", true, true},
		{"?", "\xff", true, true},
		{"a?c",
			"a\xe2\x82\xac"
			"c",
			true, true},
		{"[a-c]x", "bx", true, true},
		{"[a-c]x", "dx", false, false},
		{"[!a-c]x", "dx", true, true},
		{"[!a-c]x", "ax", false, false},
		{"[!a]", "/", false, true},
		{"[]]", "]", true, true},
		{"[!]]", "a", true, true},
		{"[a-]", "-", true, true},
		{"[-a]", "-", true, true},
		{"[\xc3\xa0-\xc3\xaf]", "\xc3\xa9", true, true},
		{"[abc", "[abc", true, true},
		{"[", "[", true, true},
		{"[]", "[]", true, true},
		{"a[", "ab", false, false},
		{"node-[0-9][0-9]", "node-17", true, true},
		{"\\*", "\\x", true, true},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK(text_match(rows[i].pattern, rows[i].s, false) == rows[i].within,
			"%s against %s", rows[i].pattern, rows[i].s);
		CHECK(text_match(rows[i].pattern, rows[i].s, true) == rows[i].cross,
			"%s against %s, across slashes", rows[i].pattern, rows[i].s);
	}
	CHECK(text_has_wildcard("a*") && text_has_wildcard("a?") &&
		text_has_wildcard("[a]"));
	CHECK(!text_has_wildcard("a]b"));
}

static void test_nearest(void)
{
	static const char *const names[] = {
		"target", "duration", "rate", "port", "user", "op"};
	static const struct {
		const char *word, *nearest;
	} rows[] = {{"tagret", "target"}, {"TARGET", "target"}, {"durration", "duration"},
		{"drtn", NULL}, {"prot", "port"}, {"pot", "port"}, {"x", NULL},
		{"OP", "op"}, {"oq", NULL}, {"", NULL}, {"xyzzy", NULL},
		{"targettargettargettargettargettargettargettargettargettargettargettarge"
		 "t",
			NULL}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_STR(text_nearest(rows[i].word, names, ARRAY_LEN(names)),
			rows[i].nearest);
}

static void test_width(void)
{
	static const struct {
		const char *s;
		size_t width;
	} rows[] = {{"", 0}, {"abc", 3}, {"\xc2\xb5s", 2}, {"\xe2\x9c\x85", 2},
		{"\xe2\x9d\x8c", 2}, {"\xe2\x9c\x93", 1}, {"e\xcc\x81", 1},
		{"\xe4\xb8\xad\xe6\x96\x87", 4}, {"\xf0\x9f\x98\x80", 2}, {"\xff\xff", 2},
		{"\xe2\x96\x88", 1}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK(text_width(rows[i].s) == rows[i].width, "%s: %zu", rows[i].s,
			text_width(rows[i].s));
}

static void test_tail(void)
{
	static const struct {
		const char *s;
		size_t room;
		const char *cut, *end;
	} rows[] = {{"", 5, "", ""}, {"abcde", 5, "", "abcde"},
		{"abcdef", 5, "...", "ef"}, {"s3://b/\xc3\xa4/x", 6, "...", "/x"},
		{"s3://b/\xc3\xa4/x", 7, "...", "\xc3\xa4/x"}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *cut, *end = text_tail(rows[i].s, rows[i].room, &cut);

		CHECK_STR(cut, rows[i].cut);
		CHECK_STR(end, rows[i].end);
		CHECK(strlen(cut) + strlen(end) <= rows[i].room, "row %zu", i);
	}
}

static void test_small(void)
{
	AUTO_FREE char *s = text_printf("%d-%s", 1, "x");

	CHECK_STR(s, "1-x");
	CHECK(text_starts_with("abc", "ab") && text_starts_with("abc", ""));
	CHECK(!text_starts_with("a", "ab"));
	CHECK(text_ends_with("a.zst", ".zst") && !text_ends_with("zst", ".zst"));
}

TEST_MAIN(TEST(test_sanitize), TEST(test_shell_quote), TEST(test_match),
	TEST(test_nearest), TEST(test_width), TEST(test_tail), TEST(test_small))
