/* units: the one parser and the one formatter of quantities. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define NS_PER_SEC UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_US UINT64_C(1000)

/* Grammar (workload-format): durations `30` `30s` `5m` `1h30m` `500ms` `2d`, a bare number is
 * seconds, fractions allowed; sizes `4096` `4k` `4KB` (10^3) `4KiB` `4Ki` (2^10), fractions, any
 * case, a blank before the unit; counts `100000` `100_000` `100,000`. The whole string must match;
 * a double is a plain decimal number. LC_NUMERIC stays "C".
 * Return 0, -EINVAL, or -ERANGE when the value does not fit. */
int units_parse_duration_ns(const char *s, uint64_t *ret_ns);
int units_parse_size_bytes(const char *s, uint64_t *ret_bytes);
int units_parse_count(const char *s, uint64_t *ret);
int units_parse_double(const char *s, double *ret);

/* Fixed-size results, for printf("%s", units_duration(ns).s). */
struct units_text {
	char s[40];
};

struct units_text units_duration(uint64_t ns);         /* "30s" "1m30s" "500ms" "1.5s" */
struct units_text units_bytes(uint64_t bytes);         /* "512 B" "4.0 KiB" "1.5 GiB" */
struct units_text units_mib_per_s(double bytes_per_s); /* "19.4 MiB/s", "0.026 MiB/s" */
struct units_text units_count(uint64_t n);             /* "10,000" */
/* "1 object", "10,000 objects", "2 directories": one is what a single one is called. */
struct units_text units_of(uint64_t n, const char *one);
/* Latency in microseconds as the console shows it: "95µs" (or "95us" when utf8 is 0),
 * one decimal below 10, three below 1, "1.25ms", "2.50s" for larger ones. */
struct units_text units_latency(double us, int utf8);
