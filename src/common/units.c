/* units: exact decimal arithmetic in 128 bits on the way in, short text on the way out. */
#include "common/units.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

__extension__ typedef unsigned __int128 wide;

/* whole + part / scale, as written. */
struct decimal {
	uint64_t whole, part, scale;
};

#define SCALE_MAX UINT64_C(1000000000000000000)

static int add_digit(uint64_t *v, char c)
{
	if (__builtin_mul_overflow(*v, UINT64_C(10), v) ||
		__builtin_add_overflow(*v, (uint64_t)(c - '0'), v))
		return -ERANGE;
	return 0;
}

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Digits, and after a point at least one more; *s moves behind them. */
static int parse_decimal(const char **s, struct decimal *ret)
{
	struct decimal d = {.scale = 1};
	const char *p = *s;

	if (!digit(*p) && !(*p == '.' && digit(p[1])))
		return -EINVAL;
	for (; digit(*p); p++) {
		if (add_digit(&d.whole, *p) < 0)
			return -ERANGE;
	}
	if (*p == '.') {
		if (!digit(*++p))
			return -EINVAL;
		for (; digit(*p); p++) {
			if (d.scale == SCALE_MAX)
				continue; /* no unit is so large that this digit counts */
			d.part = d.part * 10 + (uint64_t)(*p - '0');
			d.scale *= 10;
		}
	}
	*s = p;
	*ret = d;
	return 0;
}

/* d * unit, rounded to the nearest, added to *total. */
static int add_scaled(uint64_t *total, struct decimal d, uint64_t unit)
{
	wide v = (wide)d.whole * unit + ((wide)d.part * unit + d.scale / 2) / d.scale;

	if (v > UINT64_MAX - *total)
		return -ERANGE;
	*total += (uint64_t)v;
	return 0;
}

struct unit {
	const char *name;
	uint64_t value;
};

static const struct unit duration_units[] = {
	{"ns", 1},
	{"us", NS_PER_US},
	{"\xc2\xb5s", NS_PER_US}, /* micro sign */
	{"\xce\xbcs", NS_PER_US}, /* mu */
	{"ms", NS_PER_MS},
	{"s", NS_PER_SEC},
	{"sec", NS_PER_SEC},
	{"m", 60 * NS_PER_SEC},
	{"min", 60 * NS_PER_SEC},
	{"h", 3600 * NS_PER_SEC},
	{"d", 86400 * NS_PER_SEC},
	{NULL, 0},
};

static const struct unit size_units[] = {
	{"", 1},
	{"b", 1},
	{"k", 1000},
	{"kb", 1000},
	{"m", 1000000},
	{"mb", 1000000},
	{"g", 1000000000},
	{"gb", 1000000000},
	{"t", UINT64_C(1000000000000)},
	{"tb", UINT64_C(1000000000000)},
	{"p", UINT64_C(1000000000000000)},
	{"pb", UINT64_C(1000000000000000)},
	{"e", UINT64_C(1000000000000000000)},
	{"eb", UINT64_C(1000000000000000000)},
	{"ki", UINT64_C(1) << 10},
	{"kib", UINT64_C(1) << 10},
	{"mi", UINT64_C(1) << 20},
	{"mib", UINT64_C(1) << 20},
	{"gi", UINT64_C(1) << 30},
	{"gib", UINT64_C(1) << 30},
	{"ti", UINT64_C(1) << 40},
	{"tib", UINT64_C(1) << 40},
	{"pi", UINT64_C(1) << 50},
	{"pib", UINT64_C(1) << 50},
	{"ei", UINT64_C(1) << 60},
	{"eib", UINT64_C(1) << 60},
	{NULL, 0},
};

/* The unit whose name is the len bytes at s, any case; 0: none. */
static uint64_t find_unit(const struct unit *units, const char *s, size_t len)
{
	for (; units->name; units++) {
		if (strlen(units->name) == len && strncasecmp(units->name, s, len) == 0)
			return units->value;
	}
	return 0;
}

int units_parse_duration_ns(const char *s, uint64_t *ret_ns)
{
	uint64_t total = 0, last = UINT64_MAX;
	const char *p = s;

	do {
		struct decimal d;
		uint64_t unit;
		size_t len;
		int rc = parse_decimal(&p, &d);

		if (rc < 0)
			return rc;
		len = strcspn(p, "0123456789.");
		unit = len || last != UINT64_MAX ? find_unit(duration_units, p, len)
						 : NS_PER_SEC;
		/* from large to small: 1h30m, not 30m1h and not 1h1h */
		if (!unit || unit >= last)
			return -EINVAL;
		rc = add_scaled(&total, d, unit);
		if (rc < 0)
			return rc;
		last = unit;
		p += len;
	} while (*p);
	*ret_ns = total;
	return 0;
}

int units_parse_size_bytes(const char *s, uint64_t *ret_bytes)
{
	uint64_t total = 0, unit;
	struct decimal d;
	int rc = parse_decimal(&s, &d);

	if (rc < 0)
		return rc;
	/* "4 KiB" is how units_bytes writes it */
	if (*s == ' ' && s[1])
		s++;
	unit = find_unit(size_units, s, strlen(s));
	if (!unit || (unit == 1 && d.part))
		return -EINVAL;
	rc = add_scaled(&total, d, unit);
	if (rc == 0)
		*ret_bytes = total;
	return rc;
}

/* Commas stand between groups of three digits, and nowhere else: "1,5" is no count. */
static bool commas_fit(const char *s)
{
	size_t n = strcspn(s, ",");

	if (s[n] && n > 3)
		return false;
	for (s += n; *s; s += 4) {
		if (*s != ',' || strcspn(s + 1, ",") != 3)
			return false;
	}
	return true;
}

int units_parse_count(const char *s, uint64_t *ret)
{
	uint64_t v = 0;

	if (!digit(*s) || (strchr(s, ',') && !commas_fit(s)))
		return -EINVAL;
	for (const char *p = s; *p; p++) {
		if ((*p == '_' || *p == ',') && digit(p[1]))
			continue;
		if (!digit(*p))
			return -EINVAL;
	}
	for (; *s; s++) {
		if (digit(*s) && add_digit(&v, *s) < 0)
			return -ERANGE;
	}
	*ret = v;
	return 0;
}

int units_parse_double(const char *s, double *ret)
{
	char *end;
	double v;

	/* neither blanks nor the hex, inf and nan that strtod knows */
	if (!*s || s[strspn(s, "0123456789.eE+-")])
		return -EINVAL;
	v = strtod(s, &end);
	if (*end)
		return -EINVAL;
	if (!isfinite(v))
		return -ERANGE;
	*ret = v;
	return 0;
}

/* value / unit with at most three decimals and no zeros at their end. */
static void put_fraction(
	char *out, size_t size, uint64_t value, uint64_t unit, const char *name)
{
	unsigned thousandths = (unsigned)((value % unit) * 1000 / unit);
	int digits = 3;

	if (!thousandths) {
		snprintf(out, size, "%llu%s", (unsigned long long)(value / unit), name);
		return;
	}
	for (; thousandths % 10 == 0; digits--)
		thousandths /= 10;
	snprintf(out, size, "%llu.%0*u%s", (unsigned long long)(value / unit), digits,
		thousandths, name);
}

struct units_text units_duration(uint64_t ns)
{
	static const struct unit large[] = {{"d", 86400}, {"h", 3600}, {"m", 60}};
	struct units_text t = {.s = ""};
	uint64_t ms, seconds;
	size_t n = 0;

	if (ns < NS_PER_US) {
		put_fraction(t.s, sizeof(t.s), ns, ns ? 1 : NS_PER_SEC, ns ? "ns" : "s");
		return t;
	}
	if (ns < NS_PER_SEC - NS_PER_US / 2) {
		bool us = ns < NS_PER_MS;

		put_fraction(t.s, sizeof(t.s), ns, us ? NS_PER_US : NS_PER_MS,
			us ? "us" : "ms");
		return t;
	}
	ms = ns / NS_PER_MS + (ns % NS_PER_MS >= NS_PER_MS / 2);
	seconds = ms / 1000;
	for (size_t i = 0; i < 3; i++) {
		if (seconds < large[i].value)
			continue;
		n += (size_t)snprintf(t.s + n, sizeof(t.s) - n, "%llu%s",
			(unsigned long long)(seconds / large[i].value), large[i].name);
		seconds %= large[i].value;
	}
	ms = seconds * 1000 + ms % 1000;
	if (ms || !n)
		put_fraction(t.s + n, sizeof(t.s) - n, ms, 1000, "s");
	return t;
}

struct units_text units_bytes(uint64_t bytes)
{
	static const char *const names[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	struct units_text t;
	double v = (double)bytes / 1024;
	size_t i = 0;

	if (bytes < 1024) {
		snprintf(t.s, sizeof(t.s), "%u B", (unsigned)bytes);
		return t;
	}
	/* what would round to 1024.0 is 1.0 of the next unit */
	for (; v >= 1023.95 && i < 5; i++)
		v /= 1024;
	snprintf(t.s, sizeof(t.s), "%.1f %s", v, names[i]);
	return t;
}

struct units_text units_mib_per_s(double bytes_per_s)
{
	double mib_per_s = bytes_per_s / 1048576;
	struct units_text t;

	snprintf(t.s, sizeof(t.s), "%.*f MiB/s", mib_per_s > 0 && mib_per_s < 1 ? 3 : 1,
		mib_per_s);
	return t;
}

struct units_text units_count(uint64_t n)
{
	struct units_text t;
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);
	char *o = t.s;

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			*o++ = ',';
		*o++ = digits[i];
	}
	*o = '\0';
	return t;
}

static void append(struct units_text *t, const char *s, size_t len)
{
	size_t at = strlen(t->s);

	for (size_t i = 0; i < len && at + 1 < sizeof(t->s); i++)
		t->s[at++] = s[i];
	t->s[at] = '\0';
}

struct units_text units_of(uint64_t n, const char *one)
{
	struct units_text t = units_count(n);
	const size_t len = strlen(one);
	const bool y = len > 1 && one[len - 1] == 'y' && !strchr("aeou", one[len - 2]);

	append(&t, " ", 1);
	append(&t, one, n != 1 && y ? len - 1 : len);
	if (n != 1)
		append(&t, y ? "ies" : "s", y ? 3 : 1);
	return t;
}

struct units_text units_latency(double us, int utf8)
{
	struct units_text t;

	/* the bounds are where rounding would reach the next form */
	if (!(us >= 0))
		snprintf(t.s, sizeof(t.s), "-");
	else if (us < 999.5)
		snprintf(t.s, sizeof(t.s), "%.*f%ss",
			us == 0       ? 0
			: us < 0.9995 ? 3
			: us < 9.95   ? 1
				      : 0,
			us, utf8 ? "\xc2\xb5" : "u");
	else if (us < 999995)
		snprintf(t.s, sizeof(t.s), "%.2fms", us / 1e3);
	else
		snprintf(t.s, sizeof(t.s), "%.2fs", us / 1e6);
	return t;
}
