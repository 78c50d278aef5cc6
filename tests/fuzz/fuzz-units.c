/* fuzz-units: quantities, text that is made safe, wildcards and base64. The first byte of the
 * input chooses, the rest is the text. */
#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/digest.h"
#include "common/text.h"
#include "common/units.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is shown can be read again, within the precision that is shown. */
static void quantities(const char *s, size_t len)
{
	uint64_t v, again;
	double d;

	(void)len;
	if (units_parse_duration_ns(s, &v) == 0) {
		int rc = units_parse_duration_ns(units_duration(v).s, &again);

		assert(rc == 0 || v > UINT64_MAX - NS_PER_SEC);
		assert(rc < 0 ||
			(again > v ? again - v : v - again) <= v / 100 + NS_PER_MS / 2);
	}
	if (units_parse_size_bytes(s, &v) == 0) {
		int rc = units_parse_size_bytes(units_bytes(v).s, &again);

		assert(rc == 0 || v > UINT64_MAX / 2);
		assert(rc < 0 || (again > v ? again - v : v - again) <= v / 19);
	}
	if (units_parse_count(s, &v) == 0) {
		assert(units_parse_count(units_count(v).s, &again) == 0);
		assert(again == v);
	}
	if (units_parse_double(s, &d) == 0) {
		assert(isfinite(d));
		assert(strlen(units_latency(d, 1).s) > 0 &&
			strlen(units_mib_per_s(d).s) > 0);
	}
}

/* No byte that a terminal acts on is left, and safe text stays as it is. */
static void sanitizing(const char *s, size_t len)
{
	AUTO_FREE char *safe = text_sanitize(s, len);
	AUTO_FREE char *again = NULL;
	AUTO_FREE char *in_place = strdup(s);
	AUTO_FREE char *copy = text_sanitize(s, strlen(s));

	if (!safe || !in_place || !copy)
		return;
	assert(strlen(safe) <= len);
	for (const unsigned char *p = (const unsigned char *)safe; *p; p++) {
		assert(*p >= 0x20 && *p != 0x7f && *p < 0xf5 && *p != 0xc0 && *p != 0xc1);
		assert(!(p[0] == 0xc2 && p[1] < 0xa0));
	}
	again = text_sanitize(safe, strlen(safe));
	assert(!again || strcmp(again, safe) == 0);
	assert(text_width(safe) <= 2 * strlen(safe));
	text_sanitize_inplace(in_place);
	assert(strcmp(in_place, copy) == 0);
}

/* Two texts, apart at the first newline; one is a word, a pattern or an option. */
static void matching(const char *s, size_t len)
{
	const char *newline = strchr(s, '\n');
	AUTO_FREE char *first = strndup(s, newline ? (size_t)(newline - s) : strlen(s));
	const char *second = newline ? newline + 1 : "";
	const char *candidates[] = {second, "target", "duration"};
	struct buf quoted AUTO_BUF = BUF_INIT;

	(void)len;
	if (!first)
		return;
	/* what matches within slashes does so across them */
	assert(!text_match(first, second, false) || text_match(first, second, true));
	assert(text_has_wildcard(first) || text_match(first, first, false));
	assert(text_has_wildcard(first) ||
		text_match(first, second, true) == (strcmp(first, second) == 0));
	text_nearest(first, candidates, ARRAY_LEN(candidates));
	assert(text_shell_quote(&quoted, first) == 0 && quoted.len >= strlen(first));
}

static void base64(const char *s, size_t len)
{
	AUTO_FREE char *text = malloc(digest_base64_len(len) + 1);
	AUTO_FREE uint8_t *raw = malloc(len + 1);
	size_t n;
	long back;

	if (!text || !raw)
		return;
	back = digest_base64_decode(s, len, raw);
	if (back >= 0) {
		/* there is one text for one value */
		n = digest_base64_encode(raw, (size_t)back, text);
		assert(n == len && memcmp(text, s, n) == 0);
	}
	n = digest_base64_encode(s, len, text);
	assert(n == digest_base64_len(len));
	free(raw);
	raw = malloc(n / 4 * 3 + 1);
	back = raw ? digest_base64_decode(text, n, raw) : -1;
	assert(back == (long)len && memcmp(raw, s, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const targets[])(const char *s, size_t len) = {
		quantities, sanitizing, matching, base64};
	AUTO_FREE char *text = NULL;

	if (!size)
		return 0;
	text = malloc(size);
	if (!text)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	targets[data[0] % ARRAY_LEN(targets)](text, size - 1);
	return 0;
}
