/* net_table: the table, in one piece, in several, or as a map. */
#include "results/net_table.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/text.h"
#include "results/net_grid.h"

#define NAME_LONG 16 /* columns of a name that is worth shortening */
#define NAME_MAX 28  /* of one that is cut */
#define PIECES_MAX 3 /* tables below each other, before a map is easier to read */
#define WORST_MAX 5
#define RESET "\x1b[0m"

struct table {
	const struct net_grid *g;
	const struct net_table_style *style;
	struct buf *out;
	char **clients, **servers; /* names as they are shown */
	size_t left;               /* width of the clients */
	size_t *widths;            /* by server */
};

/* A third of the pairs each, from the best; a failed one cannot be overlooked. */
static const char *colour_of(const struct table *t, const struct net_cell *c)
{
	if (!t->style->color || c->state == CELL_NONE || c->state == CELL_UNKNOWN)
		return "";
	if (c->state == CELL_FAILED)
		return "\x1b[1;31m";
	if (t->g->n_clients * t->g->n_servers < 2)
		return "";
	if (c->rank < 0.34)
		return "\x1b[32m";
	return c->rank < 0.67 ? "\x1b[33m" : "\x1b[31m";
}

static void put_blanks(struct table *t, size_t n)
{
	buf_printf(t->out, "%*s", (int)n, "");
}

/* text at the right of width columns. */
static void put_right(struct table *t, const char *text, size_t width)
{
	size_t own = text_width(text);

	put_blanks(t, own < width ? width - own : 0);
	buf_puts(t->out, text);
}

static void put_left(struct table *t, const char *text, size_t width)
{
	size_t own = text_width(text);

	buf_puts(t->out, text);
	put_blanks(t, own < width ? width - own : 0);
}

/* --- names --- */

/* The beginning of a name, cut between two letters. malloc. */
static char *cut(const char *name)
{
	AUTO_FREE char *text = strdup(name);
	size_t len = text ? strlen(text) : 0;

	if (!text || text_width(text) <= NAME_MAX)
		return STEAL_PTR(&text);
	while (len && text_width(text) >= NAME_MAX) {
		while (len && ((unsigned char)text[len - 1] & 0xc0) == 0x80)
			len--;
		len -= len > 0;
		text[len] = '\0';
	}
	return text_printf("%s…", text);
}

/* A host's own name, without those of its domains; an address has no own name. malloc. */
static char *first_label(const char *name)
{
	bool address = !name[strspn(name, "0123456789.")] || strchr(name, ':');
	size_t len = strcspn(name, ".");

	return !address && len ? strndup(name, len) : strdup(name);
}

static char *whole(const char *name)
{
	return strdup(name);
}

static void free_names(char **names, size_t n)
{
	for (size_t i = 0; names && i < n; i++)
		free(names[i]);
	free(names);
}

static bool ambiguous(char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = i + 1; k < n; k++)
			if (strcmp(names[i], names[k]) == 0)
				return true;
	return false;
}

static size_t widest(const char *const *names, size_t n)
{
	size_t most = 0;

	for (size_t i = 0; i < n; i++)
		if (text_width(names[i]) > most)
			most = text_width(names[i]);
	return most;
}

/* Short where that is needed and leaves them apart. malloc; NULL: no memory. */
static char **shown_names(const char *const *names, size_t n)
{
	static char *(*const ways[])(const char *) = {whole, first_label, cut, whole};
	char **shown = calloc(n + 1, sizeof(*shown));

	for (size_t way = 0; shown && way < ARRAY_LEN(ways); way++) {
		for (size_t i = 0; i < n; i++) {
			free(shown[i]);
			shown[i] = ways[way](names[i]);
			if (!shown[i]) {
				free_names(shown, n);
				return NULL;
			}
		}
		if (!ambiguous(shown, n) && widest((const char *const *)shown, n) <=
						    (way ? NAME_MAX : NAME_LONG))
			break;
	}
	return shown;
}

/* --- the table --- */

static void cell_text(const struct table *t, size_t client, size_t server, char out[64])
{
	const struct net_cell *c = net_grid_cell(t->g, client, server);

	net_grid_text(t->g, c, out, 64);
	if (c->state == CELL_NONE)
		snprintf(out, 64, "-");
}

static void measure(struct table *t)
{
	for (size_t i = 0; i < t->g->n_clients; i++)
		if (text_width(t->clients[i]) > t->left)
			t->left = text_width(t->clients[i]);
	for (size_t k = 0; k < t->g->n_servers; k++) {
		t->widths[k] = text_width(t->servers[k]);
		for (size_t i = 0; i < t->g->n_clients; i++) {
			char text[64];

			cell_text(t, i, k, text);
			if (strlen(text) > t->widths[k])
				t->widths[k] = strlen(text);
		}
	}
}

/* Behind the last server that fits beside `from`, of which there is always one. */
static size_t piece_end(const struct table *t, size_t from)
{
	size_t width = t->left + 2 + t->widths[from], end = from + 1;

	while (end < t->g->n_servers &&
		(!t->style->columns || width + 2 + t->widths[end] <= t->style->columns))
		width += 2 + t->widths[end++];
	return end;
}

static void put_piece(struct table *t, size_t from, size_t end)
{
	put_blanks(t, t->left);
	for (size_t k = from; k < end; k++) {
		buf_puts(t->out, "  ");
		put_right(t, t->servers[k], t->widths[k]);
	}
	buf_putc(t->out, '\n');
	for (size_t i = 0; i < t->g->n_clients; i++) {
		put_left(t, t->clients[i], t->left);
		for (size_t k = from; k < end; k++) {
			const char *colour = colour_of(t, net_grid_cell(t->g, i, k));
			char text[64];

			cell_text(t, i, k, text);
			put_blanks(t, 2 + t->widths[k] - strlen(text));
			buf_printf(t->out, "%s%s%s", colour, text, *colour ? RESET : "");
		}
		buf_putc(t->out, '\n');
	}
}

static size_t count_pieces(const struct table *t)
{
	size_t n = 0;

	for (size_t k = 0; k < t->g->n_servers; k = piece_end(t, k))
		n++;
	return n;
}

static void put_pieces(struct table *t)
{
	for (size_t k = 0, end; k < t->g->n_servers; k = end) {
		end = piece_end(t, k);
		if (k)
			buf_putc(t->out, '\n');
		put_piece(t, k, end);
	}
}

/* --- the map --- */

static bool map_fits(const struct table *t)
{
	return t->left + 2 + t->g->n_servers <= t->style->columns;
}

/* The numbers of the servers, a digit per line: 1 to 9, then 10 ... */
static void put_numbers(struct table *t)
{
	unsigned unit = 1;

	while (t->g->n_servers / unit >= 10)
		unit *= 10;
	for (; unit; unit /= 10) {
		put_blanks(t, t->left + 2);
		for (size_t k = 1; k <= t->g->n_servers; k++)
			buf_putc(t->out, k < unit ? ' ' : (char)('0' + k / unit % 10));
		buf_putc(t->out, '\n');
	}
}

static char digit_of(const struct net_cell *c)
{
	static const char marks[] = {
		[CELL_NONE] = '-', [CELL_FAILED] = 'X', [CELL_UNKNOWN] = '?'};

	if (c->state != CELL_OK)
		return marks[c->state];
	return (char)('0' + (int)((1 - c->rank) * 9 + 0.5));
}

static void put_map_row(struct table *t, size_t client)
{
	put_left(t, t->clients[client], t->left + 2);
	for (size_t k = 0; k < t->g->n_servers; k++) {
		const struct net_cell *c = net_grid_cell(t->g, client, k);
		const char *colour = colour_of(t, c);

		buf_printf(t->out, "%s%c%s", colour, digit_of(c), *colour ? RESET : "");
	}
	buf_putc(t->out, '\n');
}

/* "1 server1  2 server2 ..." in lines. */
static void put_servers(struct table *t)
{
	size_t width = 0;

	for (size_t k = 0; k < t->g->n_servers; k++) {
		AUTO_FREE char *entry = text_printf("%zu %s", k + 1, t->servers[k]);
		size_t own = entry ? text_width(entry) : 0;

		if (k && width + 2 + own > t->style->columns)
			buf_putc(t->out, '\n');
		else if (k)
			buf_puts(t->out, "  ");
		width = k && width + 2 + own <= t->style->columns ? width + 2 + own : own;
		buf_puts(t->out, entry ? entry : "");
	}
	buf_putc(t->out, '\n');
}

/* The worst pairs that went well, in numbers. */
static void put_worst(struct table *t)
{
	size_t worst[WORST_MAX], n = 0, all = t->g->n_clients * t->g->n_servers;

	for (size_t i = 0; i < all; i++) {
		const struct net_cell *c = &t->g->cells[i];
		size_t at = n;

		if (c->state != CELL_OK)
			continue;
		while (at && t->g->cells[worst[at - 1]].rank < c->rank)
			at--;
		if (at == WORST_MAX)
			continue;
		n += n < WORST_MAX;
		memmove(&worst[at + 1], &worst[at], (n - 1 - at) * sizeof(*worst));
		worst[at] = i;
	}
	buf_puts(t->out, n ? "Worst:\n" : "");
	for (size_t i = 0; i < n; i++) {
		char text[64];

		cell_text(
			t, worst[i] / t->g->n_servers, worst[i] % t->g->n_servers, text);
		buf_printf(t->out, "  %s → %s  %s %s\n",
			t->clients[worst[i] / t->g->n_servers],
			t->servers[worst[i] % t->g->n_servers], text, t->g->unit);
	}
}

static void put_map(struct table *t)
{
	buf_puts(t->out, "9: the best pairs, 0: the worst; X: failed. The numbers are in "
			 "matrix.csv and heatmap.svg.\n");
	put_numbers(t);
	for (size_t i = 0; i < t->g->n_clients; i++)
		put_map_row(t, i);
	put_servers(t);
	put_worst(t);
}

int net_table(
	const struct net_grid *g, const struct net_table_style *style, struct buf *out)
{
	struct table t = {.g = g, .style = style, .out = out};
	int rc;

	t.clients = shown_names(g->clients, g->n_clients);
	t.servers = shown_names(g->servers, g->n_servers);
	t.widths = calloc(g->n_servers + 1, sizeof(*t.widths));
	rc = t.clients && t.servers && t.widths ? 0 : -ENOMEM;
	if (rc == 0) {
		measure(&t);
		if (count_pieces(&t) > PIECES_MAX && map_fits(&t))
			put_map(&t);
		else
			put_pieces(&t);
		/* memory that ran out on the way does so here as well */
		rc = buf_puts(out, "");
	}
	free_names(t.clients, g->n_clients);
	free_names(t.servers, g->n_servers);
	free(t.widths);
	return rc;
}
