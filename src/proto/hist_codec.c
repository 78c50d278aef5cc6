/* hist_codec: the V2 payload of HdrHistogram (AbstractHistogram.encodeIntoByteBuffer of
 * HdrHistogram 2.1, ZigZagEncoding.java), uncompressed: a header of 40 bytes, big-endian,
 * then the counts from index 0 to that of the maximum as zigzag LEB128 of at most 9
 * bytes, where -n stands for n counts of zero. */
#include "proto/hist.h"

#include <errno.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"

#define COOKIE UINT32_C(0x1c849313)
#define HEADER_BYTES 40u
#define LEB_MAX_BYTES 9u

/* Offsets in the header. */
enum {
	AT_COOKIE = 0,
	AT_PAYLOAD_LEN = 4,
	AT_NORMALIZING_OFFSET = 8,
	AT_DIGITS = 12,
	AT_LOWEST = 16,
	AT_HIGHEST = 24,
	AT_RATIO = 32, /* integer to double, 1.0 */
};
#define RATIO_BITS UINT64_C(0x3ff0000000000000)

static void put_be(uint8_t *to, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		to[i] = (uint8_t)(v >> (8 * (bytes - 1 - i)));
}

static uint64_t get_be(const uint8_t *from, unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < bytes; i++)
		v = v << 8 | from[i];
	return v;
}

static size_t put_leb(uint8_t *to, int64_t value)
{
	uint64_t v = ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
	size_t n = 0;

	while (v >= 0x80 && n < LEB_MAX_BYTES - 1) {
		to[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	to[n++] = (uint8_t)v; /* the ninth byte has eight bits */
	return n;
}

/* Bytes read, or 0 when there is no whole, shortest encoding. */
static inline size_t get_leb(const uint8_t *from, size_t len, int64_t *ret)
{
	uint64_t v = 0;
	size_t n = 0;

	for (;;) {
		uint8_t byte;

		if (n == len)
			return 0;
		byte = from[n];
		if (n == LEB_MAX_BYTES - 1) {
			v |= (uint64_t)byte << 56;
			n++;
			break;
		}
		v |= (uint64_t)(byte & 0x7f) << (7 * n);
		n++;
		if (byte < 0x80)
			break;
	}
	if (n > 1 && from[n - 1] == 0)
		return 0;
	*ret = (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
	return n;
}

static uint8_t *put_counts(const struct hist *h, uint8_t *at)
{
	uint32_t end, i = 0;

	end = h->total ? hist_index(
				 h, h->max > HIST_HIGHEST_NS ? HIST_HIGHEST_NS : h->max) +
				 1
		       : 1;
	while (i < end) {
		uint32_t zeros = i;

		while (zeros < end && (h->total == 0 || h->counts[zeros] == 0))
			zeros++;
		zeros -= i;
		if (zeros > 1)
			at += put_leb(at, -(int64_t)zeros);
		else
			at += put_leb(at, zeros ? 0 : (int64_t)h->counts[i]);
		i += zeros > 1 ? zeros : 1;
	}
	return at;
}

/* Bytes that put_counts may need: a count takes as many as its value asks for. */
static size_t counts_bound(const struct hist *h)
{
	size_t counts = h->total ? h->counts_len : 1;
	unsigned bits =
		64u - (unsigned)__builtin_clzll(h->total | 1) + 1; /* one for the sign */
	size_t each = bits / 7 + 1;

	/* A run of zeros: one of up to 16 bits and a sign, so no more than 3. */
	return counts * (each < LEB_MAX_BYTES ? each : LEB_MAX_BYTES) + 3;
}

int hist_encode(const struct hist *h, struct buf *out)
{
	char *room = buf_reserve(out, HEADER_BYTES + counts_bound(h));
	uint8_t *header = (uint8_t *)room, *end;

	if (!header)
		return -ENOMEM;
	end = put_counts(h, header + HEADER_BYTES);
	put_be(header + AT_COOKIE, COOKIE, 4);
	put_be(header + AT_PAYLOAD_LEN, (uint64_t)(end - header) - HEADER_BYTES, 4);
	put_be(header + AT_NORMALIZING_OFFSET, 0, 4);
	put_be(header + AT_DIGITS, h->digits, 4);
	put_be(header + AT_LOWEST, 1, 8);
	put_be(header + AT_HIGHEST, HIST_HIGHEST_NS, 8);
	put_be(header + AT_RATIO, RATIO_BITS, 8);
	out->len += (size_t)(end - header);
	out->data[out->len] = '\0';
	return 0;
}

static int check_header(const uint8_t *p, size_t len, struct err *err)
{
	if (len < HEADER_BYTES)
		return err_set(err, ERR_FAILED, "histogram: %zu bytes are too few", len);
	if (get_be(p + AT_COOKIE, 4) != COOKIE)
		return err_set(err, ERR_FAILED,
			"histogram: cookie 0x%08x is not V2's 0x%08x",
			(unsigned)get_be(p + AT_COOKIE, 4), (unsigned)COOKIE);
	if (get_be(p + AT_PAYLOAD_LEN, 4) != len - HEADER_BYTES)
		return err_set(err, ERR_FAILED,
			"histogram: says %u bytes of counts, has %zu",
			(unsigned)get_be(p + AT_PAYLOAD_LEN, 4), len - HEADER_BYTES);
	if (get_be(p + AT_DIGITS, 4) != 2 && get_be(p + AT_DIGITS, 4) != 3)
		return err_set(err, ERR_FAILED, "histogram: %u digits, neither 2 nor 3",
			(unsigned)get_be(p + AT_DIGITS, 4));
	if (get_be(p + AT_NORMALIZING_OFFSET, 4) != 0 || get_be(p + AT_LOWEST, 8) != 1 ||
		get_be(p + AT_HIGHEST, 8) != HIST_HIGHEST_NS ||
		get_be(p + AT_RATIO, 8) != RATIO_BITS)
		return err_set(
			err, ERR_FAILED, "histogram: its range is not 1 ns to 3600 s");
	return 0;
}

/* Adds a count of the payload; false when the total no longer fits. */
static bool take_count(struct hist *h, uint32_t index, uint64_t count, uint32_t *first)
{
	if (h->total == 0)
		*first = index;
	h->counts[index] = count;
	return !__builtin_add_overflow(h->total, count, &h->total);
}

static int get_counts(struct hist *h, const uint8_t *p, size_t len, uint32_t *ret_first,
	uint32_t *ret_last, struct err *err)
{
	/* The array has room for a little more than the range, but readers stop at its
	 * end. */
	uint32_t index = 0, end = hist_index(h, HIST_HIGHEST_NS) + 1;

	for (size_t at = 0; at < len;) {
		int64_t value;
		size_t n = get_leb(p + at, len - at, &value);

		if (n == 0)
			return err_set(err, ERR_FAILED,
				"histogram: bad number at byte %zu", HEADER_BYTES + at);
		if (value < -(int64_t)(end - index) || index == end)
			return err_set(
				err, ERR_FAILED, "histogram: counts beyond 3600 s");
		if (value > 0) {
			*ret_last = index;
			if (!take_count(h, index, (uint64_t)value, ret_first))
				return err_set(err, ERR_FAILED,
					"histogram: the counts add up to more than 2^64");
		}
		index += value < 0 ? (uint32_t)-value : 1;
		at += n;
	}
	return 0;
}

/* What the counts say of min, max and sum. */
static void estimate(struct hist *h, uint32_t first, uint32_t last)
{
	for (uint32_t i = first; i <= last; i++) {
		uint64_t width, lowest = hist_lowest_at(h, i, &width), product;

		if (h->counts[i] == 0)
			continue;
		if (i == first)
			h->min = lowest;
		h->max = lowest + width - 1;
		if (__builtin_mul_overflow(h->counts[i], lowest + width / 2, &product) ||
			__builtin_add_overflow(h->sum, product, &h->sum))
			h->sum = UINT64_MAX;
	}
}

int hist_decode(const void *data, size_t len, struct hist *h, struct err *err)
{
	const uint8_t *p = data;
	uint32_t first = 0, last = 0;

	hist_finish(h);
	if (check_header(p, len, err) < 0)
		return -1;
	hist_init(h, (unsigned)get_be(p + AT_DIGITS, 4));
	if (hist_alloc(h) < 0)
		return err_sys(err, ENOMEM, "histogram");
	if (get_counts(h, p + HEADER_BYTES, len - HEADER_BYTES, &first, &last, err) < 0) {
		hist_finish(h);
		return -1;
	}
	if (h->total)
		estimate(h, first, last);
	return 0;
}
