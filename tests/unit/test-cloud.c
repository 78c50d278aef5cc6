/* test-cloud: bytes and times as requests have them, and hashes. */
#include <stdlib.h>

#include "check.h"
#include "cloud/encode.h"
#include "cloud/mac.h"
#include "common/cleanup.h"
#include "common/err.h"

CLEANUP_DEFINE(struct mac, mac_destroy)

/* ---- bytes ---- */

static void test_uri(void)
{
	static const struct {
		const char *text;
		size_t len;
		bool keep_slash;
		const char *encoded;
	} rows[] = {
		{"", 0, false, ""},
		{"AZaz09-_.~", 10, false, "AZaz09-_.~"},
		{"a/b", 3, false, "a%2Fb"},
		{"a/b", 3, true, "a/b"},
		{" +&=?#%", 7, true, "%20%2B%26%3D%3F%23%25"},
		{"\0\x01\x7f\x80\xff", 5, true, "%00%01%7F%80%FF"},
		{"*'()!$,;:@", 10, true, "%2A%27%28%29%21%24%2C%3B%3A%40"},
		{"\xe1\x88\xb4", 3, true, "%E1%88%B4"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char out[64], back[64];
		size_t n = encode_uri(rows[i].text, rows[i].len, rows[i].keep_slash, out);

		CHECK_STR(out, rows[i].encoded);
		CHECK(n == strlen(out), "row %zu", i);
		CHECK(decode_uri(out, n, back) == (long)rows[i].len, "row %zu", i);
		CHECK(memcmp(back, rows[i].text, rows[i].len) == 0, "row %zu", i);
	}
}

static void test_uri_decode(void)
{
	static const struct {
		const char *text, *decoded; /* NULL: refused */
	} rows[] = {
		{"a+b", "a+b"},
		{"%2f%2F", "//"},
		{"%", NULL},
		{"%4", NULL},
		{"a%4", NULL},
		{"%zz", NULL},
		{"%4g", NULL},
		{"%41", "A"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char out[32];
		long n = decode_uri(rows[i].text, strlen(rows[i].text), out);

		if (rows[i].decoded)
			CHECK_STR(out, rows[i].decoded);
		else
			CHECK(n == -1, "%s", rows[i].text);
	}
}

static void test_base64url_and_hex(void)
{
	static const uint8_t bytes[] = {0xfb, 0xff, 0xfe, 0x00, 0x9a};
	char out[32];

	CHECK(encode_base64url(bytes, 5, out) == 7);
	CHECK_STR(out, "-__-AJo");
	CHECK(encode_base64url(bytes, 0, out) == 0);
	CHECK_STR(out, "");
	encode_hex(bytes, sizeof(bytes), out);
	CHECK_STR(out, "fbfffe009a");
}

/* ---- times ---- */

static void test_times(void)
{
	static const struct {
		uint64_t unix_s;
		const char *amz, *http, *iso;
	} rows[] = {
		{0, "19700101T000000Z", "Thu, 01 Jan 1970 00:00:00 GMT",
			"1970-01-01T00:00:00Z"},
		{951782399, "20000228T235959Z", "Mon, 28 Feb 2000 23:59:59 GMT",
			"2000-02-28T23:59:59Z"},
		{951782400, "20000229T000000Z", "Tue, 29 Feb 2000 00:00:00 GMT",
			"2000-02-29T00:00:00Z"},
		{1369353600, "20130524T000000Z", "Fri, 24 May 2013 00:00:00 GMT",
			"2013-05-24T00:00:00Z"},
		{1795277100, "20261121T160500Z", "Sat, 21 Nov 2026 16:05:00 GMT",
			"2026-11-21T16:05:00Z"},
		{4107542400, "21000301T000000Z", "Mon, 01 Mar 2100 00:00:00 GMT",
			"2100-03-01T00:00:00Z"},
		{253402300799, "99991231T235959Z", "Fri, 31 Dec 9999 23:59:59 GMT",
			"9999-12-31T23:59:59Z"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char amz[17], http[30], iso[21];
		uint64_t back = 1;

		encode_time_amz(rows[i].unix_s, amz);
		encode_time_http(rows[i].unix_s, http);
		encode_time_iso(rows[i].unix_s, iso);
		CHECK_STR(amz, rows[i].amz);
		CHECK_STR(http, rows[i].http);
		CHECK_STR(iso, rows[i].iso);
		CHECK(decode_time(http, &back) && back == rows[i].unix_s, "%s", http);
		CHECK(decode_time(iso, &back) && back == rows[i].unix_s, "%s", iso);
	}
}

static void test_times_read(void)
{
	static const struct {
		const char *text;
		uint64_t unix_s; /* 0: refused */
	} rows[] = {
		{"2026-11-21", 1795219200},
		{"2026-11-21T16:05Z", 1795277100},
		{"2026-11-21T16:05:00.1234567Z", 1795277100},
		{"2026-11-21T16:05:00+00:00", 1795277100},
		{"2026-11-21T17:05:00+01:00", 1795277100},
		{"2026-11-21T10:35:00-0530", 1795277100},
		{"2026-11-21T16:05:00", 1795277100},
		{"", 0},
		{"2026", 0},
		{"2026-11-21 16:05:00Z", 0},
		{"2026-13-01T00:00:00Z", 0},
		{"2026-00-01T00:00:00Z", 0},
		{"2026-02-29T00:00:00Z", 0},
		{"2026-11-21T24:00:00Z", 0},
		{"2026-11-21T16:05:00Zx", 0},
		{"2026-11-21T16:05:00+99:00", 0},
		{"1969-12-31T23:59:59Z", 0},
		{"1970-01-01T00:00:00+01:00", 0},
		{"Sat, 21 Nov 2026 16:05:00 UTC", 0},
		{"Sat, 21 Nix 2026 16:05:00 GMT", 0},
		{"Sat, 2", 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t got = 0;
		bool ok = decode_time(rows[i].text, &got);

		CHECK(ok == (rows[i].unix_s != 0) && got == rows[i].unix_s, "%s: %llu",
			rows[i].text, (unsigned long long)got);
	}
}

/* ---- hashes: RFC 4231 and FIPS 180 ---- */

static void test_mac(void)
{
	static const struct {
		const char *key, *data, *hex;
	} rows[] = {
		{"\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"
		 "\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b",
			"Hi There",
			"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff"
			"7"},
		{"Jefe", "what do ya want for nothing?",
			"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec384"
			"3"},
		/* the same key again, and an empty one */
		{"Jefe", "what do ya want for nothing?",
			"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec384"
			"3"},
		{"", "",
			"b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5a"
			"d"},
		{"Jefe", "what do ya want for nothing?",
			"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec384"
			"3"},
	};
	struct err err = ERR_INIT;
	struct mac *m CLEANUP(cleanup_mac_destroy) = mac_create(&err);
	uint8_t out[32], key[131];
	char hex[65];

	for (size_t i = 0; m && i < ARRAY_LEN(rows); i++) {
		mac_hmac(m, rows[i].key, strlen(rows[i].key), rows[i].data,
			strlen(rows[i].data), out);
		encode_hex(out, sizeof(out), hex);
		CHECK_STR(hex, rows[i].hex);
	}
	if (!CHECK(m != NULL))
		return;
	memset(key, 0xaa, sizeof(key));
	for (int again = 0; again < 2; again++) {
		static const char text[] =
			"Test Using Larger Than Block-Size Key - Hash Key First";

		mac_hmac(m, key, sizeof(key), text, strlen(text), out);
		encode_hex(out, sizeof(out), hex);
		CHECK_STR(hex,
			"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f5"
			"4");
	}
	mac_sha256_begin(m);
	mac_sha256_add(m, "a", 1);
	mac_sha256_add(m, "bc", 2);
	mac_sha256_end(m, out);
	encode_hex(out, sizeof(out), hex);
	CHECK_STR(
		hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	mac_sha256(m, "", 0, out);
	encode_hex(out, sizeof(out), hex);
	CHECK_STR(
		hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST_MAIN(TEST(test_uri), TEST(test_uri_decode), TEST(test_base64url_and_hex),
	TEST(test_times), TEST(test_times_read), TEST(test_mac))
