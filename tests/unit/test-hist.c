/* test-hist: layout, percentiles, sums of differences, and the V2 payload against known
 * bytes. */
#include "proto/hist.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "check.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/rng.h"

#define AUTO_HIST CLEANUP(hist_finish)

static void record_all(struct hist *h, const uint64_t *values, size_t n)
{
	CHECK(hist_alloc(h) == 0);
	for (size_t i = 0; i < n; i++)
		hist_record(h, values[i]);
}

/* HdrHistogram's countsArrayIndex, term by term as in AbstractHistogram.java
 * (unitMagnitude 0). */
static uint32_t reference_index(unsigned half_magnitude, uint64_t value)
{
	uint64_t sub_bucket_count = UINT64_C(2) << half_magnitude;
	uint64_t sub_bucket_mask = sub_bucket_count - 1;
	int leading_zero_count_base = 64 - (int)half_magnitude - 1;
	int bucket = leading_zero_count_base - __builtin_clzll(value | sub_bucket_mask);
	int64_t sub_bucket = (int64_t)(value >> bucket);
	int64_t bucket_base = (int64_t)(bucket + 1) << half_magnitude;

	return (uint32_t)(bucket_base + sub_bucket - (int64_t)(sub_bucket_count / 2));
}

static void test_layout(void)
{
	static const uint64_t values[] = {0, 1, 127, 128, 255, 256, 257, 1023, 1024, 2047,
		2048, 2049, 4095, 4096, 5000, 1000000, 123456789, 3599999999999,
		HIST_HIGHEST_NS};
	static const unsigned magnitudes[] = {[2] = 7, [3] = 10};

	CHECK(hist_counts_len(3) == 33792, "%u", hist_counts_len(3));
	CHECK(hist_counts_len(2) == 4608, "%u", hist_counts_len(2));
	for (unsigned digits = 2; digits <= 3; digits++) {
		struct hist h;

		hist_init(&h, digits);
		for (size_t i = 0; i < ARRAY_LEN(values); i++) {
			uint64_t v = values[i], width, lowest;
			uint32_t index = hist_index(&h, v);

			lowest = hist_lowest_at(&h, index, &width);
			CHECK(index == reference_index(magnitudes[digits], v), "%lu", v);
			CHECK(index < h.counts_len, "%lu", v);
			CHECK(lowest <= v && v < lowest + width, "%lu", v);
			CHECK(hist_lowest_equivalent(&h, v) == lowest, "%lu", v);
			CHECK(hist_highest_equivalent(&h, v) == lowest + width - 1, "%lu",
				v);
			CHECK((double)width <=
					fmax(1, (double)v * (digits == 2 ? 0.01 : 0.001)),
				"%lu", v);
		}
		for (uint32_t i = 0; i < h.counts_len; i++) {
			uint64_t width, lowest = hist_lowest_at(&h, i, &width);

			if (hist_index(&h, lowest) != i ||
				hist_index(&h, lowest + width - 1) != i)
				CHECK(false, "index %u", i);
		}
	}
}

static void test_percentiles(void)
{
	static const struct {
		uint64_t values[5];
		size_t n;
		double p;
		uint64_t want;
	} rows[] = {
		{{0}, 0, 50, 0},
		{{7}, 1, 0, 7},
		{{7}, 1, 50, 7},
		{{7}, 1, 100, 7},
		{{1, 2, 3, 4, 5}, 5, 0, 1},
		{{1, 2, 3, 4, 5}, 5, 20, 1},
		{{1, 2, 3, 4, 5}, 5, 20.1, 2},
		{{1, 2, 3, 4, 5}, 5, 50, 3},
		{{1, 2, 3, 4, 5}, 5, 99.99, 5},
		{{1, 2, 3, 4, 5}, 5, 100, 5},
		{{1, 2, 3, 4, 5}, 5, NAN, 1},
		/* never above the exact maximum, nor below the exact minimum */
		{{1000001, 1000001}, 2, 50, 1000001},
		{{1000001, 1000300}, 2, 50, 1000300}, /* one count: 999936..1000447 */
		{{1000001, 1000300, 2000001}, 3, 50, 1000447},
		/* beyond the range: counted at the top, shown exactly at the end */
		{{5, HIST_HIGHEST_NS * 2}, 2, 100, HIST_HIGHEST_NS * 2},
		{{5, UINT64_MAX / 4}, 2, 50, 5},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_HIST struct hist h;
		uint64_t got;

		hist_init(&h, 3);
		record_all(&h, rows[i].values, rows[i].n);
		got = hist_percentile(&h, rows[i].p);
		CHECK(got == rows[i].want, "row %zu: p%g is %lu, want %lu", i, rows[i].p,
			got, rows[i].want);
	}
}

static void test_moments(void)
{
	static const struct {
		uint64_t values[4];
		size_t n;
		double mean, stddev;
	} rows[] = {
		{{0}, 0, 0, 0},
		{{123456789}, 1, 123456789, 0},
		{{123456789, 123456789}, 2, 123456789, 0},
		{{2, 4}, 2, 3, 1},
		{{1, 1, 3, 5000}, 4, 1251.25, 2164.341},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_HIST struct hist h;

		hist_init(&h, 3);
		record_all(&h, rows[i].values, rows[i].n);
		CHECK(hist_mean(&h) == rows[i].mean, "row %zu: %f", i, hist_mean(&h));
		CHECK(fabs(hist_stddev(&h) - rows[i].stddev) < 0.01, "row %zu: %f", i,
			hist_stddev(&h));
	}
}

/* Same samples, same counts: memory and all the rest. */
static bool same(const struct hist *a, const struct hist *b)
{
	return a->digits == b->digits && a->total == b->total && a->min == b->min &&
	       a->max == b->max && a->sum == b->sum &&
	       (a->total == 0 || memcmp(a->counts, b->counts, a->counts_len * 8ul) == 0);
}

/* Values from 1 ns to beyond the top, of all magnitudes. */
static uint64_t draw(struct rng *r)
{
	return rng_u64(r) >> (20 + rng_below(r, 44));
}

static void test_add(void)
{
	static const struct {
		unsigned into, from;
	} rows[] = {{3, 3}, {2, 2}, {2, 3}, {3, 2}};
	struct rng r;

	rng_seed(&r, 1);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_HIST struct hist into, from, both;
		uint64_t counted = 0;

		hist_init(&into, rows[i].into);
		hist_init(&from, rows[i].from);
		hist_init(&both, rows[i].into);
		CHECK(hist_add(&into, &from) == 0 && into.total == 0 && !into.counts);
		CHECK(hist_alloc(&into) == 0 && hist_alloc(&from) == 0 &&
			hist_alloc(&both) == 0);
		for (int n = 0; n < 2000; n++) {
			uint64_t v = draw(&r);

			hist_record(n & 1 ? &into : &from, v);
			hist_record(&both, v);
		}
		CHECK(hist_add(&into, &from) == 0);
		CHECK(into.total == both.total && into.min == both.min &&
				into.max == both.max && into.sum == both.sum,
			"row %zu", i);
		/* fewer digits hold the same counts, more digits cannot */
		if (rows[i].into <= rows[i].from)
			CHECK(same(&into, &both), "row %zu", i);
		for (uint32_t c = 0; c < into.counts_len; c++)
			counted += into.counts[c];
		CHECK(counted == into.total, "row %zu: %lu", i, counted);
		hist_reset(&into);
		hist_reset(&both);
		CHECK(same(&into, &both) && into.counts, "row %zu", i);
		CHECK(hist_add(&into, &from) == 0);
		CHECK(into.total == from.total, "row %zu", i);
	}
}

static void test_add_saturates(void)
{
	AUTO_HIST struct hist a, b;

	hist_init(&a, 3);
	hist_init(&b, 3);
	record_all(&a, (const uint64_t[]){UINT64_MAX - 1}, 1);
	record_all(&b, (const uint64_t[]){UINT64_MAX - 1}, 1);
	CHECK(hist_add(&a, &b) == 0);
	CHECK(a.sum == UINT64_MAX);
}

static void test_diff(void)
{
	static const unsigned digits[] = {3, 2};
	struct rng r;

	rng_seed(&r, 2);
	for (size_t i = 0; i < ARRAY_LEN(digits); i++) {
		AUTO_HIST struct hist live, seen, out, sum, want;

		hist_init(&live, 3);
		hist_init(&seen, 3);
		hist_init(&out, digits[i]);
		hist_init(&sum, digits[i]);
		hist_init(&want, digits[i]);
		CHECK(hist_diff(&live, &seen, &out) == 0 && out.total == 0 &&
			!seen.counts);
		CHECK(hist_alloc(&live) == 0);
		for (int part = 0; part < 50; part++) {
			for (int n = part % 7 * 10; n > 0; n--)
				hist_record(&live, draw(&r));
			hist_reset(&out);
			CHECK(hist_diff(&live, &seen, &out) == 0);
			CHECK(out.total == (uint64_t)(part % 7) * 10, "part %d: %lu",
				part, out.total);
			CHECK(out.total == 0 ||
					(out.min >= live.min && out.max <= live.max),
				"part %d", part);
			CHECK(hist_add(&sum, &out) == 0);
			CHECK(same(&live, &seen), "part %d", part);
		}
		CHECK(hist_add(&want, &live) == 0);
		CHECK(same(&sum, &want), "%u digits", digits[i]);
	}
}

#define RACE_SAMPLES 200000

static void *record_thread(void *user)
{
	struct hist *live = user;
	struct rng r;

	rng_seed(&r, 3);
	if (hist_alloc(live) == 0)
		for (int i = 0; i < RACE_SAMPLES; i++)
			hist_record(live, draw(&r));
	return NULL;
}

static void test_diff_while_recording(void)
{
	AUTO_HIST struct hist live, seen, out, want;
	pthread_t thread;
	int calls = 0;

	hist_init(&live, 3);
	hist_init(&seen, 3);
	hist_init(&out, 2);
	hist_init(&want, 2);
	if (!CHECK(pthread_create(&thread, NULL, record_thread, &live) == 0))
		return;
	while (out.total < RACE_SAMPLES && calls++ < 1000000) {
		AUTO_HIST struct hist part;

		hist_init(&part, 2);
		CHECK(hist_diff(&live, &seen, &part) == 0);
		CHECK(hist_add(&out, &part) == 0);
	}
	pthread_join(thread, NULL);
	CHECK(hist_diff(&live, &seen, &out) == 0);
	CHECK(hist_add(&want, &live) == 0);
	CHECK(same(&out, &want), "after %d calls", calls);
}

static size_t from_hex(const char *hex, uint8_t *out)
{
	size_t n = 0;

	for (; *hex; hex++) {
		char two[3] = {hex[0], hex[0] == ' ' ? '\0' : hex[1], '\0'};

		if (*hex == ' ')
			continue;
		out[n++] = (uint8_t)strtoul(two, NULL, 16);
		hex++;
	}
	return n;
}

/* Written down from the format's description; the counts bytes are also what
 * HdrHistogram for JavaScript 3.0 gives.
 *
 *   1c849313            cookie of V2
 *   LLLLLLLL            bytes of counts
 *   00000000            normalizing index offset
 *   0000000D            digits
 *   0000000000000001    lowest discernible value
 *   0000034630b8a000    highest trackable value: 3 600 000 000 000
 *   3ff0000000000000    1.0, integer to double
 *
 * Then counts as zigzag (n -> 2n, -n -> 2n-1) LEB128. 1 1 3 5000 at 3 digits: index 0 has
 * none: 00; 1 has 2: 04; 2 has none: 00; 3 has 1: 02; then zeros up to the index of 5000:
 * it is in bucket 2 (4096..8191, steps of 4): 2 * 1024 + 5000 / 4 = 3298, so 3294 zeros:
 * zigzag 6587 = 51 * 128 + 59: bb 33; its 1: 02. */
#define HEADER(len, digits)                                                              \
	"1c849313 000000" len " 00000000 0000000" digits                                 \
	" 0000000000000001 0000034630b8a000 3ff0000000000000 "

static const struct {
	const char *hex;
	unsigned digits;
	struct {
		uint64_t value, n;
	} samples[5];
} payloads[] = {
	{HEADER("01", "3") "00", 3, {{0, 0}}},
	{HEADER("01", "2") "00", 2, {{0, 0}}},
	{HEADER("07", "3") "0004 0002 bb33 02", 3, {{1, 2}, {3, 1}, {5000, 1}}},
	{HEADER("07", "2") "0004 0002 af0c 02", 2, {{1, 2}, {3, 1}, {5000, 1}}},
	{HEADER("08", "3") "fd1f 0204 fb0f 0202", 3,
		{{2047, 1}, {2048, 1}, {2049, 1}, {4095, 1}, {4096, 1}}},
	{HEADER("08", "3") "b59d02 8040 00d804", 3,
		{{123456789, 4096}, {123600000, 300}}},
	{HEADER("0d", "2") "02fb03 0602 e517 c09a0c b72b 02", 2,
		{{0, 1}, {255, 3}, {256, 1}, {1000000, 100000}, {HIST_HIGHEST_NS, 1}}},
};

static void test_known_payloads(void)
{
	for (size_t i = 0; i < ARRAY_LEN(payloads); i++) {
		AUTO_HIST struct hist h, back;
		AUTO_BUF struct buf out = BUF_INIT;
		struct err err = ERR_INIT;
		uint8_t want[128];
		size_t len = from_hex(payloads[i].hex, want);

		hist_init(&h, payloads[i].digits);
		hist_init(&back, 3);
		CHECK(hist_alloc(&h) == 0);
		for (size_t s = 0; s < 5; s++)
			for (uint64_t n = 0; n < payloads[i].samples[s].n; n++)
				hist_record(&h, payloads[i].samples[s].value);
		CHECK(hist_encode(&h, &out) == 0);
		CHECK(out.len == len && memcmp(out.data, want, len) == 0,
			"row %zu: %zu bytes", i, out.len);
		if (!CHECK(hist_decode(want, len, &back, &err) == 0, "row %zu: %s", i,
			    err.text))
			continue;
		CHECK(back.digits == h.digits && back.total == h.total, "row %zu", i);
		CHECK(memcmp(back.counts, h.counts, h.counts_len * 8ul) == 0, "row %zu",
			i);
		CHECK(h.total == 0 ||
				(back.min == hist_lowest_equivalent(&h, h.min) &&
					back.max == hist_highest_equivalent(&h, h.max)),
			"row %zu", i);
	}
}

static void test_round_trips(void)
{
	struct rng r;

	rng_seed(&r, 4);
	for (int round = 0; round < 60; round++) {
		AUTO_HIST struct hist h, back;
		AUTO_BUF struct buf out = BUF_INIT;
		struct err err = ERR_INIT;

		hist_init(&h, round & 1 ? 3 : 2);
		hist_init(&back, 3);
		CHECK(hist_alloc(&h) == 0);
		for (int n = 1 << (round / 5); n > 0; n--)
			hist_record(&h, draw(&r));
		/* counts of all lengths: the largest takes nine bytes */
		if (round % 3 == 0) {
			uint64_t more = rng_u64(&r) >> (2 + round % 60);

			h.counts[hist_index(&h, h.min)] += more;
			h.total += more;
		}
		CHECK(hist_encode(&h, &out) == 0);
		if (!CHECK(hist_decode(out.data, out.len, &back, &err) == 0, "%s",
			    err.text))
			continue;
		back.min = h.min;
		back.max = h.max;
		back.sum = h.sum;
		CHECK(same(&h, &back), "round %d", round);
	}
}

static void test_bad_payloads(void)
{
	static const struct {
		const char *hex, *want;
	} rows[] = {
		{"", "histogram: 0 bytes are too few"},
		{"1c849313", "histogram: 4 bytes are too few"},
		{"1c849314 00000001 00000000 00000003 0000000000000001 0000034630b8a000 "
		 "3ff0000000000000 00",
			"histogram: cookie 0x1c849314 is not V2's 0x1c849313"},
		{HEADER("02", "3") "00", "histogram: says 2 bytes of counts, has 1"},
		{HEADER("01", "3") "0000", "histogram: says 1 bytes of counts, has 2"},
		{HEADER("01", "4") "00", "histogram: 4 digits, neither 2 nor 3"},
		{"1c849313 00000001 00000001 00000003 0000000000000001 0000034630b8a000 "
		 "3ff0000000000000 00",
			"histogram: its range is not 1 ns to 3600 s"},
		{"1c849313 00000001 00000000 00000003 0000000000000001 0000000000002710 "
		 "3ff0000000000000 00",
			"histogram: its range is not 1 ns to 3600 s"},
		{HEADER("01", "3") "80", "histogram: bad number at byte 40"},
		{HEADER("03", "3") "02 8000", "histogram: bad number at byte 41"},
		{HEADER("03", "3") "02 ffff", "histogram: bad number at byte 41"},
		{HEADER("09", "3") "ffffffffffffffffff",
			"histogram: counts beyond 3600 s"},
		/* -33421, which is all, and one more */
		{HEADER("04", "3") "998a04 00", "histogram: counts beyond 3600 s"},
		{HEADER("03", "3") "9b8a04", "histogram: counts beyond 3600 s"},
		{HEADER("12", "3") "feffffffffffffffff feffffffffffffffff", ""},
		{HEADER("1b",
			 "3") "feffffffffffffffff feffffffffffffffff feffffffffffffffff",
			"histogram: the counts add up to more than 2^64"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_HIST struct hist h;
		struct err err = ERR_INIT;
		uint8_t bytes[128];
		size_t len = from_hex(rows[i].hex, bytes);
		int r;

		hist_init(&h, 3);
		r = hist_decode(bytes, len, &h, &err);
		CHECK(r == (*rows[i].want ? -1 : 0), "row %zu", i);
		CHECK_STR(err.text, rows[i].want);
		if (r < 0)
			CHECK(h.total == 0 && !h.counts, "row %zu", i);
	}
}

TEST_MAIN(TEST(test_layout), TEST(test_percentiles), TEST(test_moments), TEST(test_add),
	TEST(test_add_saturates), TEST(test_diff), TEST(test_diff_while_recording),
	TEST(test_known_payloads), TEST(test_round_trips), TEST(test_bad_payloads))
