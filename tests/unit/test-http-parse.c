/* test-http-parse: heads and chunks of responses, whole, in every two parts, and wrong. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "http/parse.h"

#define ARRAY(a) (sizeof(a) / sizeof((a)[0]))

static void test_heads(void)
{
	static const struct {
		const char *text;
		bool is_head;
		int status;
		enum parse_framing framing;
		uint64_t length;
		bool close;
	} rows[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false, 200, PARSE_LENGTH,
			5, false},
		{"HTTP/1.1 200 OK\nContent-Length:5\n\n", false, 200, PARSE_LENGTH, 5,
			false},
		{"HTTP/1.1 200\r\ncontent-length: \t7 \r\n\r\n", false, 200, PARSE_LENGTH,
			7, false},
		{"HTTP/1.1 200 \r\ncontent-length: 0\r\n\r\n", false, 200, PARSE_LENGTH,
			0, false},
		{"HTTP/1.1 404 Not \xc3\xa9t\xff\r\nContent-Length: 1\r\n\r\n", false,
			404, PARSE_LENGTH, 1, false},
		{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
			false, 200, PARSE_LENGTH, 3, false},
		{"HTTP/1.1 200 OK\r\nContent-Length: 42, 42\r\n\r\n", false, 200,
			PARSE_LENGTH, 42, false},
		{"HTTP/1.1 200 OK\r\nContent-Length: 999999999999999999\r\n\r\n", false,
			200, PARSE_LENGTH, UINT64_C(999999999999999999), false},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false, 200,
			PARSE_CHUNKED, 0, false},
		{"HTTP/1.1 200 OK\r\nTRANSFER-ENCODING: Chunked\r\n\r\n", false, 200,
			PARSE_CHUNKED, 0, false},
		{"HTTP/1.1 200 OK\r\n\r\n", false, 200, PARSE_UNTIL_CLOSE, 0, true},
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true, 200, PARSE_NO_BODY,
			0, false},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true, 200,
			PARSE_NO_BODY, 0, false},
		{"HTTP/1.1 204 No Content\r\n\r\n", false, 204, PARSE_NO_BODY, 0, false},
		{"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", false, 304,
			PARSE_NO_BODY, 0, false},
		{"HTTP/1.1 100 Continue\r\n\r\n", false, 100, PARSE_NO_BODY, 0, false},
		{"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n",
			false, 200, PARSE_LENGTH, 5, true},
		{"HTTP/1.1 200 OK\r\nConnection: foo, CLOSE\r\nContent-Length: 5\r\n\r\n",
			false, 200, PARSE_LENGTH, 5, true},
		{"HTTP/1.1 204 OK\r\nConnection: closed\r\n\r\n", false, 204,
			PARSE_NO_BODY, 0, false},
		{"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", false, 200, PARSE_LENGTH,
			5, true},
		{"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n",
			false, 200, PARSE_LENGTH, 5, false},
		{"HTTP/1.1 599 x\r\nX-Empty:\r\nContent-Length: 0\r\n\r\n", false, 599,
			PARSE_LENGTH, 0, false},
	};

	for (size_t i = 0; i < ARRAY(rows); i++) {
		size_t len = strlen(rows[i].text);
		struct parse_head h = {0};
		long used = parse_head(rows[i].text, len, rows[i].is_head, &h);

		CHECK(used == (long)len, "row %zu: %ld of %zu", i, used, len);
		CHECK(h.status == rows[i].status && h.framing == rows[i].framing &&
				h.length == rows[i].length && h.close == rows[i].close,
			"row %zu: %d %d %llu %d", i, h.status, (int)h.framing,
			(unsigned long long)h.length, h.close);
		for (size_t cut = 0; cut < len; cut++)
			CHECK(parse_head(rows[i].text, cut, rows[i].is_head, &h) == 0,
				"row %zu cut at %zu", i, cut);
	}
}

static void test_wrong_heads(void)
{
	static const char *const rows[] = {
		"HTTP/2 200 OK\r\n\r\n",
		"HTTP/1.1 20 OK\r\n\r\n",
		"HTTP/1.1 2000 OK\r\n\r\n",
		"HTTP/1.1 600 OK\r\n\r\n",
		"HTTP/1.1 099 OK\r\n\r\n",
		"HTTP/1.x 200 OK\r\n\r\n",
		"HTTP/1.1  200 OK\r\n\r\n",
		"ICY 200 OK\r\n\r\n",
		"\r\nHTTP/1.1 200 OK\r\n\r\n",
		"<html>",
		("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: "
		 "chunked\r\n\r\n"),
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5,\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5 5\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999999\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n",
		"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n",
		"HTTP/1.1 200 OK\r\nX: a\r\n folded\r\n\r\n",
		"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
		"HTTP/1.1 200 OK\r\n: no name\r\n\r\n",
		"HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n",
	};
	static const char nul[] = "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n";
	struct parse_head h;

	for (size_t i = 0; i < ARRAY(rows); i++)
		CHECK(parse_head(rows[i], strlen(rows[i]), false, &h) == -1, "%s",
			rows[i]);
	CHECK(parse_head(nul, sizeof(nul) - 1, false, &h) == -1);
}

static void test_long_heads(void)
{
	const size_t size = PARSE_HEAD_MAX + 100;
	char *text = malloc(size);
	struct parse_head h;

	memset(text, 'a', size);
	memcpy(text, "HTTP/1.1 200 OK\r\nX: ", 20);
	CHECK(parse_head(text, PARSE_HEAD_MAX - 1, false, &h) == 0);
	CHECK(parse_head(text, PARSE_HEAD_MAX, false, &h) == -1);
	memcpy(text + PARSE_HEAD_MAX - 4, "\r\n\r\n", 4);
	CHECK(parse_head(text, size, false, &h) == PARSE_HEAD_MAX);
	memset(text + PARSE_HEAD_MAX - 4, 'a', 4);
	memcpy(text + PARSE_HEAD_MAX, "\r\n\r\n", 4);
	CHECK(parse_head(text, size, false, &h) == -1);
	free(text);
}

static void test_fields(void)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nETag: \"a "
				   "b\"\r\nx-amz-meta:\r\nX-Amz:  v \t\r\nETag: "
				   "second\nLast: 1\r\n\r\nbody: 5\r\n";
	static const struct {
		const char *name, *value;
	} rows[] = {
		{"etag", "\"a b\""},
		{"x-amz-meta", ""},
		{"x-amz", "v"},
		{"last", "1"},
		{"body", NULL},
		{"eta", NULL},
		{"http/1.1 200 ok", NULL},
	};

	for (size_t i = 0; i < ARRAY(rows); i++) {
		size_t len = 0;
		const char *got = parse_field(head, sizeof(head) - 1, rows[i].name, &len);

		CHECK((got == NULL) == (rows[i].value == NULL), "%s", rows[i].name);
		if (got && rows[i].value)
			CHECK(len == strlen(rows[i].value) &&
					memcmp(got, rows[i].value, len) == 0,
				"%s: %.*s", rows[i].name, (int)len, got);
	}
}

/* Decodes text cut at a place. Bytes used up, or -1. */
static long decode(const char *text, size_t cut, char *body, bool *done)
{
	struct parse_chunks c = {0};
	size_t len = strlen(text), at = 0, body_len = 0;

	for (int part = 0; part < 2; part++) {
		size_t end = part ? len : cut;

		while (at < end && !c.done) {
			const uint8_t *run;
			size_t run_len;
			long used = parse_chunk(
				&c, (const uint8_t *)text + at, end - at, &run, &run_len);

			if (used < 0)
				return -1;
			if (run_len)
				memcpy(body + body_len, run, run_len);
			body_len += run_len;
			at += (size_t)used;
		}
	}
	body[body_len] = '\0';
	*done = c.done;
	return (long)at;
}

static void test_chunks(void)
{
	static const struct {
		const char *text, *body;
		long used; /* -1: malformed */
		bool done;
	} rows[] = {
		{"5\r\nhello\r\n0\r\n\r\n", "hello", 15, true},
		{"5\nhello\n0\n\n", "hello", 11, true},
		{"5;ext=\"x\"\r\nhello\r\n00\r\nTrailer: x\r\nOther: y\r\n\r\nrest",
			"hello", 46, true},
		{"2\r\nab\r\n0A\r\n0123456789\r\n0\r\n\r\n", "ab0123456789", 28, true},
		{"a \r\n0123456789\r\n0 \r\n\r\n", "0123456789", 22, true},
		{"5\r\nhel", "hel", 6, false},
		{"0\r\n\r\n", "", 5, true},
		{"0\r\n\r", "", 4, false},
		{"5\r\nhelloX", "", -1, false},
		{"5\r\nhello\rX", "", -1, false},
		{"\r\n", "", -1, false},
		{"x\r\n", "", -1, false},
		{"-1\r\n", "", -1, false},
		{"5x\r\n", "", -1, false},
		{"fffffffffffffffff\r\n", "", -1, false},
		{"5\rX", "", -1, false},
		{"0\r\n\rX", "", -1, false},
	};

	for (size_t i = 0; i < ARRAY(rows); i++) {
		for (size_t cut = 0; cut <= strlen(rows[i].text); cut++) {
			char body[64] = "";
			bool done = false;
			long used = decode(rows[i].text, cut, body, &done);

			CHECK(used == rows[i].used, "row %zu cut %zu: %ld", i, cut, used);
			if (used >= 0)
				CHECK(done == rows[i].done &&
						strcmp(body, rows[i].body) == 0,
					"row %zu cut %zu: \"%s\"", i, cut, body);
		}
	}
}

TEST_MAIN(TEST(test_heads), TEST(test_wrong_heads), TEST(test_long_heads),
	TEST(test_fields), TEST(test_chunks))
