/* text: strings as the tool needs them. Everything that walks text walks it by code points, and
 * takes what is not UTF-8 a byte at a time. */
#include "common/text.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"

#define INVALID_BYTE UINT32_C(0x110000) /* + the byte: above all code points */
#define WORD_MAX 64

/* Code point at s (len > 0 bytes are there) and its length; invalid, overlong, surrogate: one
 * byte as INVALID_BYTE + byte. */
static size_t next_point(const char *s, size_t len, uint32_t *ret)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *p = (const unsigned char *)s;
	size_t n = p[0] < 0x80   ? 1
		   : p[0] < 0xc0 ? 0
		   : p[0] < 0xe0 ? 2
		   : p[0] < 0xf0 ? 3
				 : 4;
	uint32_t v = n == 1 ? p[0] : p[0] & (0x7fU >> n);

	*ret = INVALID_BYTE + p[0];
	if (n == 0 || n > len || p[0] > 0xf4)
		return 1;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 1;
		v = v << 6 | (p[i] & 0x3fU);
	}
	if (v < least[n] || v > 0x10ffff || (v >= 0xd800 && v < 0xe000))
		return 1;
	*ret = v;
	return n;
}

struct range {
	uint32_t first, last;
};

static bool in_ranges(const struct range *ranges, size_t n, uint32_t v)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (v > ranges[mid].last)
			low = mid + 1;
		else if (v < ranges[mid].first)
			high = mid;
		else
			return true;
	}
	return false;
}

/* Length of a terminal's escape sequence at s, 0 when none begins there. Unfinished ones end
 * where the text, the line or a byte that cannot belong to them does. */
static size_t escape_len(const char *s, size_t len)
{
	size_t i;
	uint32_t v;
	int kind;

	/* the two-byte form ESC X and its C1 twin X + 0x40 (in UTF-8 two bytes, too) */
	if (s[0] == '\033')
		kind = len > 1 ? s[1] : 0;
	else if (next_point(s, len, &v) == 2 && v >= 0x80 && v < 0xa0)
		kind = (int)v - 0x40;
	else
		return 0;
	i = 2;
	if (kind == '[') {
		while (i < len && s[i] >= 0x20 && s[i] <= 0x3f)
			i++;
		return i < len && s[i] >= 0x40 && s[i] <= 0x7e ? i + 1 : i;
	}
	/* strings: DCS, SOS, OSC, PM, APC up to BEL or ST */
	if (kind && strchr("PX]^_", kind)) {
		for (; i < len && s[i] != '\n' && s[i] != '\030' && s[i] != '\032'; i++) {
			if (s[i] == '\a')
				return i + 1;
			if (s[i] == '\033')
				return i + 1 < len && s[i + 1] == '\\' ? i + 2 : i;
			if (s[i] == '\xc2' && i + 1 < len && s[i + 1] == '\x9c')
				return i + 2;
		}
		return i;
	}
	if (s[0] != '\033')
		return 2;
	for (i = 1; i < len && s[i] >= 0x20 && s[i] <= 0x2f; i++)
		;
	return i < len && s[i] >= 0x30 && s[i] <= 0x7e ? i + 1 : i;
}

/* Not seen, but changes what is seen: marks of direction, line separators, byte order mark. */
static const struct range deceiving[] = {{0x061c, 0x061c}, {0x200b, 0x200b},
	{0x200e, 0x200f}, {0x2028, 0x202e}, {0x2066, 0x2069}, {0xfeff, 0xfeff},
	{0xfff9, 0xfffb}, {0xe0000, 0xe007f}};

/* Writes at most as much as it reads, so out may be s. */
static size_t sanitize(const char *s, size_t len, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < len;) {
		size_t skip = escape_len(s + i, len - i);
		uint32_t v;

		if (skip) {
			i += skip;
			continue;
		}
		skip = next_point(s + i, len - i, &v);
		if (v == '\t' || v == '\n')
			out[n++] = ' ';
		else if (v < 0x20 || v == 0x7f || v >= INVALID_BYTE ||
			 in_ranges(deceiving, ARRAY_LEN(deceiving), v)) {
			if (v != '\r')
				out[n++] = '?';
		} else {
			memmove(out + n, s + i, skip);
			n += skip;
		}
		i += skip;
	}
	out[n] = '\0';
	return n;
}

char *text_sanitize(const char *s, size_t len)
{
	char *out = malloc(len + 1);

	if (out)
		sanitize(s, len, out);
	return out;
}

void text_sanitize_inplace(char *s)
{
	sanitize(s, strlen(s), s);
}

char *text_utf8(const char *s, size_t len)
{
	char *out = malloc(len + 1);
	size_t n = 0, skip;

	for (size_t i = 0; out && i < len; i += skip) {
		uint32_t v;

		skip = next_point(s + i, len - i, &v);
		if (v >= INVALID_BYTE) {
			out[n++] = '?';
		} else if (v) {
			memcpy(out + n, s + i, skip);
			n += skip;
		}
	}
	if (out)
		out[n] = '\0';
	return out;
}

int text_shell_quote(struct buf *b, const char *s)
{
	size_t old = b->len;
	int rc;

	if (*s && !s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			       "0123456789_./:=@%+,-")])
		return buf_puts(b, s);
	rc = buf_putc(b, '\'');
	while (rc == 0 && *s) {
		size_t n = strcspn(s, "'");

		rc = buf_append(b, s, n);
		s += n;
		if (rc == 0 && *s) {
			rc = buf_puts(b, "'\\''");
			s++;
		}
	}
	if (rc == 0)
		rc = buf_putc(b, '\'');
	if (rc < 0 && b->data) {
		b->len = old;
		b->data[old] = '\0';
	}
	return rc;
}

char *text_shell_word(const char *s)
{
	struct buf b = BUF_INIT;

	if (text_shell_quote(&b, s) == 0)
		return buf_steal(&b);
	buf_finish(&b);
	return NULL;
}

static uint32_t take_point(const char **s)
{
	uint32_t v;

	*s += next_point(*s, strnlen(*s, 4), &v);
	return v;
}

/* The end of the bracket that begins behind '[' at p, or NULL when it has none. */
static const char *bracket_end(const char *p)
{
	if (*p == '!')
		p++;
	return *p ? strchr(p + 1, ']') : NULL;
}

static bool bracket_has(const char *p, const char *end, uint32_t v)
{
	bool negated = *p == '!', found = false;

	p += negated;
	while (p < end) {
		uint32_t first = take_point(&p), last = first;

		if (*p == '-' && p + 1 < end) {
			p++;
			last = take_point(&p);
		}
		found = found || (v >= first && v <= last);
	}
	return found != negated;
}

/* Matches one character, neither '*' nor the end; both move on. */
static bool match_one(const char **pattern, const char **s, bool cross_slash)
{
	const char *end;
	uint32_t p = take_point(pattern), v = take_point(s);

	if (p == '?')
		return cross_slash || v != '/';
	if (p == '[' && (end = bracket_end(*pattern))) {
		const char *begin = *pattern;

		*pattern = end + 1;
		return (cross_slash || v != '/') && bracket_has(begin, end, v);
	}
	return p == v;
}

bool text_match(const char *pattern, const char *s, bool cross_slash)
{
	const char *star = NULL, *from = NULL;

	/* Going back to the last star is enough: an earlier one could only give the later one
	 * less. A star that stops at '/' does not change that, for then the slashes of both
	 * sides are paired off in order. */
	for (;;) {
		if (*pattern == '*') {
			star = ++pattern;
			from = s;
			continue;
		}
		if (!*pattern && !*s)
			return true;
		if (*pattern && *s && match_one(&pattern, &s, cross_slash))
			continue;
		if (!star || !*from || (!cross_slash && *from == '/'))
			return false;
		take_point(&from);
		s = from;
		pattern = star;
	}
}

bool text_has_wildcard(const char *s)
{
	return strpbrk(s, "*?[") != NULL;
}

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

/* Optimal string alignment distance; both at most WORD_MAX long. */
static size_t distance(const char *a, const char *b)
{
	size_t rows[3][WORD_MAX + 1];
	size_t *before = rows[0], *last = rows[1], *row = rows[2];
	size_t n = strlen(b);

	for (size_t j = 0; j <= n; j++)
		last[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		int ca = tolower((unsigned char)a[i - 1]);
		size_t *spare = before;

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			int cb = tolower((unsigned char)b[j - 1]);

			row[j] = min3(
				last[j] + 1, row[j - 1] + 1, last[j - 1] + (ca != cb));
			if (i > 1 && j > 1 && ca == tolower((unsigned char)b[j - 2]) &&
				cb == tolower((unsigned char)a[i - 2]) &&
				before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
		before = last;
		last = row;
		row = spare;
	}
	return last[n];
}

const char *text_nearest(const char *word, const char *const *candidates, size_t n)
{
	size_t len = strlen(word), best = (len / 3 < 3 ? len / 3 : 3) + 1;
	const char *nearest = NULL;

	if (len > WORD_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t d = strlen(candidates[i]) <= WORD_MAX
				   ? distance(word, candidates[i])
				   : best;

		if (d < best) {
			best = d;
			nearest = candidates[i];
		}
	}
	return nearest;
}

char *text_printf(const char *fmt, ...)
{
	va_list ap;
	char *out;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&out, fmt, ap);
	va_end(ap);
	return n < 0 ? NULL : out;
}

bool text_starts_with(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

const char *text_tail(const char *s, size_t room, const char **ret_cut)
{
	size_t len = strlen(s);

	*ret_cut = len > room ? "..." : "";
	if (len > room)
		s += len - room + strlen(*ret_cut);
	/* not in the middle of a character */
	while (len > room && ((unsigned char)*s & 0xc0) == 0x80)
		s++;
	return s;
}

bool text_ends_with(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && strcmp(s + n - m, suffix) == 0;
}

/* Combining marks, joiners and variation selectors. */
static const struct range narrow[] = {{0x0300, 0x036f}, {0x0483, 0x0489},
	{0x0591, 0x05bd}, {0x064b, 0x065f}, {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff},
	{0x200b, 0x200f}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f},
	{0xfeff, 0xfeff}};

/* East Asian wide and emoji presentation, Unicode 15, neighbours joined. */
static const struct range wide[] = {{0x1100, 0x115f}, {0x231a, 0x231b}, {0x2329, 0x232a},
	{0x23e9, 0x23ec}, {0x23f0, 0x23f0}, {0x23f3, 0x23f3}, {0x25fd, 0x25fe},
	{0x2614, 0x2615}, {0x2648, 0x2653}, {0x267f, 0x267f}, {0x2693, 0x2693},
	{0x26a1, 0x26a1}, {0x26aa, 0x26ab}, {0x26bd, 0x26be}, {0x26c4, 0x26c5},
	{0x26ce, 0x26ce}, {0x26d4, 0x26d4}, {0x26ea, 0x26ea}, {0x26f2, 0x26f3},
	{0x26f5, 0x26f5}, {0x26fa, 0x26fa}, {0x26fd, 0x26fd}, {0x2705, 0x2705},
	{0x270a, 0x270b}, {0x2728, 0x2728}, {0x274c, 0x274c}, {0x274e, 0x274e},
	{0x2753, 0x2755}, {0x2757, 0x2757}, {0x2795, 0x2797}, {0x27b0, 0x27b0},
	{0x27bf, 0x27bf}, {0x2b1b, 0x2b1c}, {0x2b50, 0x2b50}, {0x2b55, 0x2b55},
	{0x2e80, 0x303e}, {0x3041, 0xa4cf}, {0xa960, 0xa97c}, {0xac00, 0xd7a3},
	{0xf900, 0xfaff}, {0xfe10, 0xfe19}, {0xfe30, 0xfe6f}, {0xff01, 0xff60},
	{0xffe0, 0xffe6}, {0x16fe0, 0x18cff}, {0x1b000, 0x1b2ff}, {0x1f004, 0x1f004},
	{0x1f0cf, 0x1f0cf}, {0x1f18e, 0x1f18e}, {0x1f191, 0x1f19a}, {0x1f200, 0x1f265},
	{0x1f300, 0x1f64f}, {0x1f680, 0x1f6fc}, {0x1f7e0, 0x1f7f0}, {0x1f90c, 0x1f9ff},
	{0x1fa70, 0x1faff}, {0x20000, 0x3fffd}};

size_t text_width(const char *s)
{
	size_t width = 0;

	while (*s) {
		uint32_t v = take_point(&s);

		if (in_ranges(wide, ARRAY_LEN(wide), v))
			width += 2;
		else if (!in_ranges(narrow, ARRAY_LEN(narrow), v))
			width++;
	}
	return width;
}
