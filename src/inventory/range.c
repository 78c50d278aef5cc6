/* range: node[01-16,20] into the names it stands for; several ranges in one name multiply. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "inventory/build.h"

#define RANGES_MAX 16
#define PIECES_MAX 512
#define DIGITS_MAX 9

struct piece {
	unsigned long first, last;
	int width; /* leading zeros up to here */
};

/* Text up to a range, and the range: pieces first_piece to end_piece, n numbers in all. The last
 * segment has no range. */
struct segment {
	const char *text;
	size_t len;
	size_t first_piece, end_piece;
	size_t n, at;
};

struct expansion {
	struct segment segments[RANGES_MAX + 1];
	size_t n_segments;
	struct piece pieces[PIECES_MAX];
	size_t n_pieces;
};

/* Digits at *s; *width is their number when a zero leads. */
static int take_number(const char **s, unsigned long *ret, int *width, struct err *err)
{
	size_t digits = strspn(*s, "0123456789");

	if (digits == 0)
		return err_set(err, ERR_INPUT,
			"a range like [01-16,20] needs a number here: '%.20s'", *s);
	if (digits > DIGITS_MAX)
		return err_set(err, ERR_INPUT,
			"numbers in a range have at most %d digits", DIGITS_MAX);
	*ret = strtoul(*s, NULL, 10);
	if (**s == '0' && digits > 1 && (int)digits > *width)
		*width = (int)digits;
	*s += digits;
	return 0;
}

static int take_piece(const char **s, struct piece *p, struct err *err)
{
	*p = (struct piece){.width = 0};
	if (take_number(s, &p->first, &p->width, err) < 0)
		return -1;
	p->last = p->first;
	if (**s == '-') {
		(*s)++;
		if (take_number(s, &p->last, &p->width, err) < 0)
			return -1;
	}
	if (p->last < p->first)
		return err_set(err, ERR_INPUT, "the range %lu-%lu goes backwards",
			p->first, p->last);
	return 0;
}

/* s: behind '['. Leaves it behind ']'. */
static int take_range(
	struct expansion *x, struct segment *g, const char **s, struct err *err)
{
	g->first_piece = x->n_pieces;
	for (;;) {
		struct piece *p = &x->pieces[x->n_pieces];

		if (x->n_pieces == PIECES_MAX)
			return err_set(err, ERR_INPUT, "more than %d ranges in one name",
				PIECES_MAX);
		if (take_piece(s, p, err) < 0)
			return -1;
		x->n_pieces++;
		g->n += p->last - p->first + 1;
		if (**s == ']')
			break;
		if (**s != ',')
			return err_set(err, ERR_INPUT, "a range ends with ']'");
		(*s)++;
	}
	(*s)++;
	g->end_piece = x->n_pieces;
	return 0;
}

/* Whether s, behind '[', is a range: digits, '-' and ',' up to a ']'. */
static bool is_range(const char *s)
{
	return s[strspn(s, "0123456789-,")] == ']';
}

static int split(struct expansion *x, const char *text, size_t max, struct err *err)
{
	const char *s = text, *from = text;
	size_t product = 1;

	while (*s) {
		struct segment *g = &x->segments[x->n_segments];

		if (*s != '[' || !is_range(s + 1)) {
			s++;
			continue;
		}
		if (x->n_segments == RANGES_MAX)
			return err_set(err, ERR_INPUT, "more than %d ranges in one name",
				RANGES_MAX);
		*g = (struct segment){.text = from, .len = (size_t)(s - from)};
		s++;
		if (take_range(x, g, &s, err) < 0)
			return -1;
		x->n_segments++;
		from = s;
		if (g->n > max || product * g->n > max)
			return err_set(err, ERR_INPUT, "more than %zu hosts", max);
		product *= g->n;
	}
	x->segments[x->n_segments++] =
		(struct segment){.text = from, .len = (size_t)(s - from)};
	return 0;
}

static int append_number(
	struct buf *b, const struct expansion *x, const struct segment *g)
{
	size_t at = g->at;

	for (size_t i = g->first_piece; i < g->end_piece; i++) {
		const struct piece *p = &x->pieces[i];
		size_t n = p->last - p->first + 1;

		if (at < n)
			return buf_printf(b, "%0*lu", p->width, p->first + at);
		at -= n;
	}
	return 0;
}

static int compose(const struct expansion *x, struct buf *b)
{
	buf_clear(b);
	for (size_t i = 0; i < x->n_segments; i++) {
		const struct segment *g = &x->segments[i];
		int r = buf_append(b, g->text, g->len);

		if (r == 0)
			r = append_number(b, x, g);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The next combination, the last range turning fastest. */
static bool advance(struct expansion *x)
{
	for (size_t i = x->n_segments - 1; i-- > 0;) {
		struct segment *g = &x->segments[i];

		if (++g->at < g->n)
			return true;
		g->at = 0;
	}
	return false;
}

int expand_ranges(
	const char *text, size_t max, expand_fn *fn, void *user, struct err *err)
{
	struct buf b AUTO_BUF = BUF_INIT;
	struct expansion x;

	x.n_segments = x.n_pieces = 0;
	if (split(&x, text, max, err) < 0)
		return -1;
	do {
		if (compose(&x, &b) < 0)
			return err_sys(err, ENOMEM, "hosts");
		if (fn(b.data ? b.data : "", user, err) < 0)
			return -1;
	} while (advance(&x));
	return 0;
}
