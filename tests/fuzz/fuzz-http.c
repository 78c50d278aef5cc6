/* fuzz-http: any bytes as a response: its head, its fields, its chunks; whole and split at a place that the first
 * byte names, which must make no difference. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "http/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The size of the body, and how much was used up (-1: malformed, with what was used before). */
static long decode(const uint8_t *data, size_t size, size_t cut, uint64_t *ret_body)
{
	struct parse_chunks c = {0};
	size_t at = 0;

	*ret_body = 0;
	while (at < size && !c.done) {
		const uint8_t *body;
		size_t len, end = at < cut ? cut : size;
		long used = parse_chunk(&c, data + at, end - at, &body, &len);

		if (used < 0)
			return -1;
		assert(used > 0 && (size_t)used <= end - at);
		assert(len == 0 || (body >= data + at && body + len <= data + at + used));
		at += (size_t)used;
		*ret_body += len;
	}
	return (long)at;
}

static void check_head(const char *text, size_t size, size_t cut, bool is_head)
{
	static const char *const names[] = {"etag", "content-length", "x"};
	struct parse_head whole, part;
	long used = parse_head(text, size, is_head, &whole);
	long first = parse_head(text, cut, is_head, &part);

	if (used < 0) {
		assert(first <= 0);
		return;
	}
	assert((size_t)used <= size && used <= PARSE_HEAD_MAX);
	/* with less of it, it is the same or not whole yet */
	assert(first == used || (first == 0 && (used == 0 || cut < (size_t)used)));
	if (used == 0)
		return;
	assert(whole.status >= 100 && whole.status <= 599);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t len;
		const char *value = parse_field(text, (size_t)used, names[i], &len);

		assert(!value || (value >= text && value + len <= text + used));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t body, body_cut;
	size_t cut;
	long used;

	if (size < 2)
		return 0;
	cut = data[0] * (size - 2) / 255;
	data++;
	size--;
	check_head((const char *)data, size, cut, (cut & 1) != 0);
	used = decode(data, size, 0, &body);
	assert(decode(data, size, cut, &body_cut) == used);
	assert(used < 0 || body == body_cut);
	return 0;
}
