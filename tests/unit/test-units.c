/* test-units: quantities in and out. */
#include <errno.h>

#include "check.h"
#include "common/cleanup.h"
#include "common/units.h"

#define SEC NS_PER_SEC

struct row {
	const char *text;
	int rc;
	uint64_t value;
};

static void check_rows(
	int (*parse)(const char *, uint64_t *), const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t v = 77;
		int rc = parse(rows[i].text, &v);

		CHECK(rc == rows[i].rc, "\"%s\": %d", rows[i].text, rc);
		CHECK(v == (rc ? 77 : rows[i].value), "\"%s\": %llu", rows[i].text,
			(unsigned long long)v);
	}
}

static void test_durations(void)
{
	static const struct row rows[] = {
		{"30", 0, 30 * SEC},
		{"30s", 0, 30 * SEC},
		{"5m", 0, 300 * SEC},
		{"1h30m", 0, 5400 * SEC},
		{"500ms", 0, SEC / 2},
		{"2d", 0, 172800 * SEC},
		{"1d2h3m4s5ms6us7ns", 0, UINT64_C(93784005006007)},
		{"1.5s", 0, 3 * SEC / 2},
		{"0.5", 0, SEC / 2},
		{".5s", 0, SEC / 2},
		{"1.5h", 0, 5400 * SEC},
		{"1m1.5s", 0, UINT64_C(61500000000)},
		{"100us", 0, 100000},
		{"100\xc2\xb5s", 0, 100000},
		{"100\xce\xbcs", 0, 100000},
		{"1.5ns", 0, 2},
		{"0", 0, 0},
		{"0s", 0, 0},
		{"10min", 0, 600 * SEC},
		{"10sec", 0, 10 * SEC},
		{"0.1234567891234567891234s", 0, 123456789},
		{"18446744073709551615ns", 0, UINT64_MAX},
		{"18446744073709551616ns", -ERANGE, 0},
		{"18446744074s", -ERANGE, 0},
		{"213503d23h59m", -ERANGE, 0},
		{"99999999999999999999999d", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"s", -EINVAL, 0},
		{"1x", -EINVAL, 0},
		{"-1s", -EINVAL, 0},
		{"+1s", -EINVAL, 0},
		{" 1s", -EINVAL, 0},
		{"1s ", -EINVAL, 0},
		{"1 s", -EINVAL, 0},
		{"1m30", -EINVAL, 0},
		{"30m1h", -EINVAL, 0},
		{"1h1h", -EINVAL, 0},
		{"1.", -EINVAL, 0},
		{"1..5s", -EINVAL, 0},
		{"1e3", -EINVAL, 0},
		{"0x10", -EINVAL, 0},
		{"1,5s", -EINVAL, 0},
	};

	check_rows(units_parse_duration_ns, rows, ARRAY_LEN(rows));
}

static void test_sizes(void)
{
	static const struct row rows[] = {
		{"0", 0, 0},
		{"4096", 0, 4096},
		{"4096B", 0, 4096},
		{"4k", 0, 4000},
		{"4K", 0, 4000},
		{"4KB", 0, 4000},
		{"4kb", 0, 4000},
		{"4KiB", 0, 4096},
		{"4kib", 0, 4096},
		{"4Ki", 0, 4096},
		{"4 KiB", 0, 4096},
		{"1.5MiB", 0, 1572864},
		{"0.5k", 0, 500},
		{"1.0", 0, 1},
		{"1M", 0, 1000000},
		{"1G", 0, 1000000000},
		{"1GiB", 0, UINT64_C(1) << 30},
		{"2T", 0, UINT64_C(2000000000000)},
		{"2TiB", 0, UINT64_C(2) << 40},
		{"1PiB", 0, UINT64_C(1) << 50},
		{"16383PiB", 0, UINT64_C(16383) << 50},
		{"1.5EiB", 0, UINT64_C(3) << 59},
		{"18.446744073709551615E", 0, UINT64_MAX},
		{"16EiB", -ERANGE, 0},
		{"0.333333333333333333333KiB", 0, 341},
		{"16384PiB", -ERANGE, 0},
		{"18446744073709551615", 0, UINT64_MAX},
		{"18446744073709551616", -ERANGE, 0},
		{"1.5", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"KiB", -EINVAL, 0},
		{"4 ", -EINVAL, 0},
		{"4  KiB", -EINVAL, 0},
		{"4KiBs", -EINVAL, 0},
		{"4iB", -EINVAL, 0},
		{"-4", -EINVAL, 0},
		{"4,096", -EINVAL, 0},
		{"1e6", -EINVAL, 0},
	};

	check_rows(units_parse_size_bytes, rows, ARRAY_LEN(rows));
}

static void test_counts(void)
{
	static const struct row rows[] = {
		{"0", 0, 0},
		{"007", 0, 7},
		{"100000", 0, 100000},
		{"100_000", 0, 100000},
		{"1_0_0", 0, 100},
		{"100,000", 0, 100000},
		{"1,234,567", 0, 1234567},
		{"18446744073709551615", 0, UINT64_MAX},
		{"18446744073709551616", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"1,5", -EINVAL, 0},
		{"1,0000", -EINVAL, 0},
		{"1000,000", -EINVAL, 0},
		{",100", -EINVAL, 0},
		{"100,", -EINVAL, 0},
		{"1,,000", -EINVAL, 0},
		{"1,_00", -EINVAL, 0},
		{"_1", -EINVAL, 0},
		{"1_", -EINVAL, 0},
		{"1__0", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"1.0", -EINVAL, 0},
		{"10k", -EINVAL, 0},
		{" 1", -EINVAL, 0},
	};

	check_rows(units_parse_count, rows, ARRAY_LEN(rows));
}

static void test_doubles(void)
{
	static const struct {
		const char *text;
		int rc;
		double value;
	} rows[] = {{"1", 0, 1}, {"-1.5", 0, -1.5}, {"1e3", 0, 1000}, {".5", 0, .5},
		{"1.", 0, 1}, {"", -EINVAL, 0}, {"x", -EINVAL, 0}, {"1x", -EINVAL, 0},
		{" 1", -EINVAL, 0}, {"nan", -EINVAL, 0}, {"inf", -EINVAL, 0},
		{"0x10", -EINVAL, 0}, {"1e", -EINVAL, 0}, {"1-1", -EINVAL, 0},
		{"1e999", -ERANGE, 0}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		double v = 77;
		int rc = units_parse_double(rows[i].text, &v);

		CHECK(rc == rows[i].rc, "\"%s\": %d", rows[i].text, rc);
		CHECK(v == (rc ? 77 : rows[i].value), "\"%s\": %g", rows[i].text, v);
	}
}

static void test_show_duration(void)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} rows[] = {
		{0, "0s"},
		{1, "1ns"},
		{1500, "1.5us"},
		{NS_PER_MS, "1ms"},
		{500 * NS_PER_MS, "500ms"},
		{NS_PER_MS + 250 * NS_PER_US, "1.25ms"},
		{SEC - 1, "1s"},
		{30 * SEC, "30s"},
		{3 * SEC / 2, "1.5s"},
		{60 * SEC - 1, "1m"},
		{90 * SEC, "1m30s"},
		{90 * SEC + 500 * NS_PER_MS, "1m30.5s"},
		{3600 * SEC, "1h"},
		{5400 * SEC, "1h30m"},
		{3601 * SEC, "1h1s"},
		{172800 * SEC, "2d"},
		{UINT64_MAX, "213503d23h34m33.71s"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t back = 0;

		CHECK_STR(units_duration(rows[i].ns).s, rows[i].text);
		if (rows[i].ns != UINT64_MAX)
			CHECK(units_parse_duration_ns(rows[i].text, &back) == 0, "%s",
				rows[i].text);
	}
}

static void test_show(void)
{
	CHECK_STR(units_bytes(0).s, "0 B");
	CHECK_STR(units_bytes(512).s, "512 B");
	CHECK_STR(units_bytes(1023).s, "1023 B");
	CHECK_STR(units_bytes(4096).s, "4.0 KiB");
	CHECK_STR(units_bytes(1048575).s, "1.0 MiB");
	CHECK_STR(units_bytes(UINT64_C(3) << 29).s, "1.5 GiB");
	CHECK_STR(units_bytes(UINT64_MAX).s, "16.0 EiB");
	CHECK_STR(units_mib_per_s(20342374.4).s, "19.4 MiB/s");
	CHECK_STR(units_mib_per_s(27000).s, "0.026 MiB/s");
	CHECK_STR(units_mib_per_s(0).s, "0.0 MiB/s");
	CHECK_STR(units_count(0).s, "0");
	CHECK_STR(units_count(999).s, "999");
	CHECK_STR(units_count(10000).s, "10,000");
	CHECK_STR(units_count(UINT64_MAX).s, "18,446,744,073,709,551,615");
	CHECK_STR(units_of(0, "object").s, "0 objects");
	CHECK_STR(units_of(1, "object").s, "1 object");
	CHECK_STR(units_of(1, "directory").s, "1 directory");
	CHECK_STR(units_of(12345, "directory").s, "12,345 directories");
	CHECK_STR(units_of(2, "entry").s, "2 entries");
	CHECK_STR(units_of(2, "key").s, "2 keys");
	CHECK_STR(units_of(UINT64_MAX, "directory").s,
		"18,446,744,073,709,551,615 directories");
}

static void test_show_latency(void)
{
	static const struct {
		double us;
		const char *text;
	} rows[] = {{0, "0us"}, {0.0414, "0.041us"}, {0.9996, "1.0us"}, {1.234, "1.2us"},
		{9.94, "9.9us"}, {9.96, "10us"}, {95.2, "95us"}, {999.4, "999us"},
		{999.6, "1.00ms"}, {1250, "1.25ms"}, {999994, "999.99ms"},
		{999996, "1.00s"}, {2.5e6, "2.50s"}, {-1, "-"}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_STR(units_latency(rows[i].us, 0).s, rows[i].text);
	CHECK_STR(units_latency(95, 1).s, "95\xc2\xb5s");
	CHECK_STR(units_latency(0.0 / 0.0, 1).s, "-");
}

TEST_MAIN(TEST(test_durations), TEST(test_sizes), TEST(test_counts), TEST(test_doubles),
	TEST(test_show_duration), TEST(test_show), TEST(test_show_latency))
