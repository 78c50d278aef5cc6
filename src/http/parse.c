/* parse: status line, fields and chunks, each byte looked at once where that can be. */
#include "http/parse.h"

#include <string.h>
#include <strings.h>

/* Digits of a length at most: 2^63 has 19. */
#define LENGTH_DIGITS 18

struct line {
	const char *text;
	size_t len;
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

static struct line trim(struct line l)
{
	while (l.len > 0 && is_space(l.text[0])) {
		l.text++;
		l.len--;
	}
	while (l.len > 0 && is_space(l.text[l.len - 1]))
		l.len--;
	return l;
}

/* The line at text without its end, LF or CRLF: bytes with it, 0 when it is not whole. */
static size_t take_line(const char *text, size_t len, struct line *ret)
{
	const char *end = memchr(text, '\n', len);

	if (!end)
		return 0;
	ret->text = text;
	ret->len = (size_t)(end - text);
	if (ret->len > 0 && text[ret->len - 1] == '\r')
		ret->len--;
	return (size_t)(end - text) + 1;
}

static bool equals(struct line l, const char *lower)
{
	return strlen(lower) == l.len && strncasecmp(l.text, lower, l.len) == 0;
}

/* Bits from a to b of a word. */
#define BITS(a, b) ((~UINT64_C(0) >> (63 - ((b) - (a)))) << (a))

/* tchar of RFC 9110 5.6.2 */
static bool is_token(struct line l)
{
	static const uint64_t tchar[4] = {
		BITS('!', '!') | BITS('#', '\'') | BITS('*', '+') | BITS('-', '.') |
			BITS('0', '9'),
		BITS('A' - 64, 'Z' - 64) | BITS('^' - 64, 'z' - 64) |
			BITS('|' - 64, '|' - 64) | BITS('~' - 64, '~' - 64),
	};

	for (size_t i = 0; i < l.len; i++) {
		uint8_t c = (uint8_t)l.text[i];

		if (!(tchar[c >> 6] >> (c & 63) & 1))
			return false;
	}
	return l.len > 0;
}

/* status-line: "HTTP/1." DIGIT SP 3DIGIT [SP reason]. The minor version, or -1. */
static int read_status_line(struct line l, int *ret_status)
{
	const char *t = l.text;

	if (l.len < 12 || memcmp(t, "HTTP/1.", 7) != 0 || t[7] < '0' || t[7] > '9' ||
		t[8] != ' ')
		return -1;
	for (int i = 9; i < 12; i++)
		if (t[i] < '0' || t[i] > '9')
			return -1;
	if (t[9] < '1' || t[9] > '5' || (l.len > 12 && t[12] != ' '))
		return -1;
	*ret_status = (t[9] - '0') * 100 + (t[10] - '0') * 10 + (t[11] - '0');
	return t[7] - '0';
}

/* What the fields say of framing. */
struct framing {
	bool has_length, has_coding, chunked;
	bool close, keep_alive;
	uint64_t length;
};

static int read_one_length(struct line value, struct framing *f)
{
	uint64_t n = 0;

	if (value.len == 0 || value.len > LENGTH_DIGITS)
		return -1;
	for (size_t i = 0; i < value.len; i++) {
		if (value.text[i] < '0' || value.text[i] > '9')
			return -1;
		n = n * 10 + (uint64_t)(value.text[i] - '0');
	}
	if (f->has_length && f->length != n)
		return -1;
	f->has_length = true;
	f->length = n;
	return 0;
}

/* Calls fn for each element of a list that commas divide. */
static int each_element(struct line value,
	int (*fn)(struct line element, struct framing *f), struct framing *f)
{
	for (;;) {
		const char *comma = memchr(value.text, ',', value.len);
		struct line one = {
			value.text, comma ? (size_t)(comma - value.text) : value.len};

		if (fn(trim(one), f) < 0)
			return -1;
		if (!comma)
			return 0;
		value.len -= one.len + 1;
		value.text = comma + 1;
	}
}

/* "42, 42", which a proxy may have made of two fields, is one length (RFC 9110 8.6) */
static int read_length(struct line value, struct framing *f)
{
	return each_element(value, read_one_length, f);
}

static int read_one_coding(struct line coding, struct framing *f)
{
	f->has_coding = true;
	if (f->chunked || !equals(coding, "chunked"))
		return -1; /* nothing else was asked for, and nothing may come behind it */
	f->chunked = true;
	return 0;
}

static int read_coding(struct line value, struct framing *f)
{
	return each_element(value, read_one_coding, f);
}

static int read_one_connection(struct line word, struct framing *f)
{
	f->close |= equals(word, "close");
	f->keep_alive |= equals(word, "keep-alive");
	return 0;
}

static int read_connection(struct line value, struct framing *f)
{
	return each_element(value, read_one_connection, f);
}

/* The fields that framing depends on; their lengths differ, which most others fail by. */
static int read_field(struct line name, struct line value, struct framing *f)
{
	switch (name.len) {
	case sizeof("connection") - 1:
		return equals(name, "connection") ? read_connection(value, f) : 0;
	case sizeof("content-length") - 1:
		return equals(name, "content-length") ? read_length(value, f) : 0;
	case sizeof("transfer-encoding") - 1:
		return equals(name, "transfer-encoding") ? read_coding(value, f) : 0;
	default:
		return 0;
	}
}

/* RFC 9112 6.3 */
static int decide(
	const struct framing *f, int minor, bool is_head, struct parse_head *ret)
{
	if (f->has_length && f->has_coding)
		return -1;
	if (f->has_coding && minor == 0)
		return -1;
	ret->length = 0;
	ret->close = f->close || (minor == 0 && !f->keep_alive);
	if (is_head || ret->status < 200 || ret->status == 204 || ret->status == 304) {
		ret->framing = PARSE_NO_BODY;
	} else if (f->chunked) {
		ret->framing = PARSE_CHUNKED;
	} else if (f->has_length) {
		ret->framing = PARSE_LENGTH;
		ret->length = f->length;
	} else {
		ret->framing = PARSE_UNTIL_CLOSE;
		ret->close = true;
	}
	return 0;
}

static int split_field(struct line l, struct line *name, struct line *value)
{
	const char *colon = memchr(l.text, ':', l.len);

	if (!colon)
		return -1;
	*name = (struct line){l.text, (size_t)(colon - l.text)};
	*value = trim((struct line){colon + 1, l.len - name->len - 1});
	return 0;
}

long parse_head(const char *text, size_t len, bool is_head, struct parse_head *ret)
{
	struct framing f = {0};
	struct line l, name, value;
	const size_t whole = len;
	size_t at;
	int minor;

	if (len == 0)
		return 0;
	if (len > PARSE_HEAD_MAX)
		len = PARSE_HEAD_MAX;
	at = take_line(text, len, &l);
	if (at == 0) {
		/* what does not begin like HTTP is refused before a whole line is there */
		if (memcmp(text, "HTTP/1.", len < 7 ? len : 7) != 0)
			return -1;
		return whole >= PARSE_HEAD_MAX ? -1 : 0;
	}
	minor = read_status_line(l, &ret->status);
	if (minor < 0 || memchr(l.text, '\0', l.len))
		return -1;
	for (;;) {
		size_t used = take_line(text + at, len - at, &l);

		if (used == 0)
			return whole >= PARSE_HEAD_MAX ? -1 : 0;
		at += used;
		if (l.len == 0)
			break;
		if (split_field(l, &name, &value) < 0 || !is_token(name) ||
			memchr(value.text, '\0', value.len) ||
			memchr(value.text, '\r', value.len) ||
			read_field(name, value, &f) < 0)
			return -1;
	}
	return decide(&f, minor, is_head, ret) < 0 ? -1 : (long)at;
}

const char *parse_field(const char *head, size_t len, const char *name, size_t *ret_len)
{
	size_t name_len = strlen(name);
	struct line l, got, value;
	size_t at = take_line(head, len, &l);

	while (at > 0 && at < len) {
		size_t used = take_line(head + at, len - at, &l);

		if (used == 0 || l.len == 0)
			return NULL;
		at += used;
		if (l.len > name_len && l.text[name_len] == ':' &&
			split_field(l, &got, &value) == 0 && equals(got, name)) {
			*ret_len = value.len;
			return value.text;
		}
	}
	return NULL;
}

/* --- chunks (RFC 9112 7.1) */

enum {
	SIZE_FIRST, /* the first digit of a size */
	SIZE,
	EXTENSION, /* behind a size, to the end of the line */
	SIZE_END,  /* LF behind CR */
	DATA,
	DATA_END, /* CR or LF behind the data */
	DATA_LF,
	TRAILER_FIRST, /* first byte of a line of the trailer */
	TRAILER,
	LAST_LF, /* behind the CR of the empty line */
};

/* Lines of a trailer and extensions together, at most. */
#define CHUNK_LINES_MAX PARSE_HEAD_MAX

static int hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int end_of_size(struct parse_chunks *c)
{
	c->state = c->left ? DATA : TRAILER_FIRST;
	c->line_len = 0;
	return 0;
}

static int take_size(struct parse_chunks *c, uint8_t byte)
{
	int digit = hex(byte);

	if (digit >= 0) {
		if (c->left >> 58)
			return -1;
		c->left = c->left << 4 | (unsigned)digit;
		c->state = SIZE;
		return 0;
	}
	if (c->state == SIZE_FIRST)
		return -1;
	if (byte == '\n')
		return end_of_size(c);
	if (byte == '\r')
		c->state = SIZE_END;
	else if (byte == ';' || byte == ' ' || byte == '\t')
		c->state = EXTENSION;
	else
		return -1;
	return 0;
}

static int take_extension(struct parse_chunks *c, uint8_t byte)
{
	if (byte == '\n')
		return end_of_size(c);
	return byte == '\0' ? -1 : 0;
}

static int take_lf_of_size(struct parse_chunks *c, uint8_t byte)
{
	return byte == '\n' ? end_of_size(c) : -1;
}

static int take_end_of_data(struct parse_chunks *c, uint8_t byte)
{
	if (byte == '\r' && c->state == DATA_END) {
		c->state = DATA_LF;
		return 0;
	}
	c->state = SIZE_FIRST;
	return byte == '\n' ? 0 : -1;
}

static int take_trailer(struct parse_chunks *c, uint8_t byte)
{
	bool first = c->state == TRAILER_FIRST;

	if (c->state == LAST_LF) {
		c->done = true;
		return byte == '\n' ? 0 : -1;
	}
	if (byte == '\0')
		return -1;
	if (byte == '\n') {
		c->done = first;
		c->state = TRAILER_FIRST;
	} else {
		c->state = first && byte == '\r' ? LAST_LF : TRAILER;
	}
	return 0;
}

static int (*const takers[])(struct parse_chunks *c, uint8_t byte) = {
	[SIZE_FIRST] = take_size,
	[SIZE] = take_size,
	[EXTENSION] = take_extension,
	[SIZE_END] = take_lf_of_size,
	[DATA_END] = take_end_of_data,
	[DATA_LF] = take_end_of_data,
	[TRAILER_FIRST] = take_trailer,
	[TRAILER] = take_trailer,
	[LAST_LF] = take_trailer,
};

long parse_chunk(struct parse_chunks *c, const uint8_t *data, size_t len,
	const uint8_t **ret_body, size_t *ret_body_len)
{
	size_t at = 0;

	*ret_body = NULL;
	*ret_body_len = 0;
	while (at < len && !c->done && c->state != DATA) {
		if (takers[c->state](c, data[at++]) < 0 ||
			++c->line_len > CHUNK_LINES_MAX)
			return -1;
	}
	if (at < len && c->state == DATA && !c->done) {
		size_t n = len - at < c->left ? len - at : (size_t)c->left;

		*ret_body = data + at;
		*ret_body_len = n;
		at += n;
		c->left -= n;
		if (c->left == 0)
			c->state = DATA_END;
	}
	return (long)at;
}
