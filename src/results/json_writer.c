/* json_writer: JSON text straight into a buffer. One flag says whether a comma is due, and an error is
 * remembered instead of returned, so that writers read like the schema. */
#include "results/json_writer.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "common/buf.h"

void jw_init(struct json_writer *w, struct buf *out, unsigned flat)
{
	*w = (struct json_writer){.out = out, .flat = flat, .first = true};
}

static void put(struct json_writer *w, const char *data, size_t len)
{
	if (buf_append(w->out, data, len) < 0)
		w->failed = true;
}

static void note(struct json_writer *w, int rc)
{
	if (rc < 0)
		w->failed = true;
}

static void put_text(struct json_writer *w, const char *text)
{
	put(w, text, strlen(text));
}

/* A new line, unless what is at depth stands on the line of its parent. */
static void line_break(struct json_writer *w, unsigned depth)
{
	if (depth > w->flat)
		return;
	put(w, "\n", 1);
	for (unsigned i = 0; i < w->depth; i++)
		put(w, "\t", 1);
}

/* Length of the UTF-8 sequence at s, 0 when it is none (overlong forms and surrogates too). */
static size_t utf8_len(const unsigned char *s)
{
	static const struct {
		unsigned char lead_min, lead_max, next_min, next_max;
		size_t len;
	} forms[] = {
		{0x01, 0x7f, 0, 0, 1},
		{0xc2, 0xdf, 0x80, 0xbf, 2},
		{0xe0, 0xe0, 0xa0, 0xbf, 3},
		{0xe1, 0xec, 0x80, 0xbf, 3},
		{0xed, 0xed, 0x80, 0x9f, 3},
		{0xee, 0xef, 0x80, 0xbf, 3},
		{0xf0, 0xf0, 0x90, 0xbf, 4},
		{0xf1, 0xf3, 0x80, 0xbf, 4},
		{0xf4, 0xf4, 0x80, 0x8f, 4},
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (s[0] < forms[i].lead_min || s[0] > forms[i].lead_max)
			continue;
		if (forms[i].len > 1 &&
			(s[1] < forms[i].next_min || s[1] > forms[i].next_max))
			return 0;
		for (size_t k = 2; k < forms[i].len; k++)
			if (s[k] < 0x80 || s[k] > 0xbf)
				return 0;
		return forms[i].len;
	}
	return 0;
}

static void put_escaped(struct json_writer *w, unsigned char c)
{
	static const char short_from[] = "\"\\\n\r\t\b\f", short_to[] = "\"\\nrtbf";
	const char *at = strchr(short_from, c);

	note(w, at ? buf_printf(w->out, "\\%c", short_to[at - short_from])
		   : buf_printf(w->out, "\\u%04x", c));
}

static void put_quoted(struct json_writer *w, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	put(w, "\"", 1);
	while (*p) {
		size_t len = utf8_len(p);

		if (len == 0)
			put_text(w, "\xef\xbf\xbd");
		else if (*p < 0x20 || *p == '"' || *p == '\\' || *p == 0x7f)
			put_escaped(w, *p);
		else
			put(w, (const char *)p, len);
		p += len ? len : 1;
	}
	put(w, "\"", 1);
}

/* Comma, line break and key: what stands before a value. */
static void begin(struct json_writer *w, const char *key)
{
	if (!w->first)
		put_text(w, w->depth > w->flat ? ", " : ",");
	if (w->depth)
		line_break(w, w->depth);
	w->first = false;
	if (!key)
		return;
	put_quoted(w, key);
	put(w, ": ", 2);
}

static void open_scope(struct json_writer *w, const char *key, const char *bracket)
{
	begin(w, key);
	put_text(w, bracket);
	w->depth++;
	w->first = true;
}

static void close_scope(struct json_writer *w, const char *bracket)
{
	unsigned inside = w->depth--;

	if (!w->first)
		line_break(w, inside);
	put_text(w, bracket);
	w->first = false;
	if (w->depth == 0)
		put(w, "\n", 1);
}

void jw_object(struct json_writer *w, const char *key)
{
	open_scope(w, key, "{");
}

void jw_object_end(struct json_writer *w)
{
	close_scope(w, "}");
}

void jw_array(struct json_writer *w, const char *key)
{
	open_scope(w, key, "[");
}

void jw_array_end(struct json_writer *w)
{
	close_scope(w, "]");
}

void jw_text(struct json_writer *w, const char *key, const char *text)
{
	begin(w, key);
	if (text)
		put_quoted(w, text);
	else
		put_text(w, "null");
}

void jw_uint(struct json_writer *w, const char *key, uint64_t value)
{
	begin(w, key);
	note(w, buf_printf(w->out, "%" PRIu64, value));
}

void jw_int(struct json_writer *w, const char *key, int64_t value)
{
	begin(w, key);
	note(w, buf_printf(w->out, "%" PRId64, value));
}

void jw_real(struct json_writer *w, const char *key, double value, int decimals)
{
	if (!isfinite(value)) {
		jw_null(w, key);
		return;
	}
	begin(w, key);
	note(w, buf_printf(w->out, "%.*f", decimals, value));
}

void jw_bool(struct json_writer *w, const char *key, bool value)
{
	begin(w, key);
	put_text(w, value ? "true" : "false");
}

void jw_null(struct json_writer *w, const char *key)
{
	begin(w, key);
	put_text(w, "null");
}

void jw_texts(struct json_writer *w, const char *key, char *const *texts)
{
	jw_array(w, key);
	for (size_t i = 0; texts && texts[i]; i++)
		jw_text(w, NULL, texts[i]);
	jw_array_end(w);
}
