/* matrix_report: the tables of clients and servers, and the final block. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/text.h"
#include "orchestrator/command.h"
#include "orchestrator/console/console.h"
#include "orchestrator/matrix/matrix_private.h"
#include "results/net_grid.h"

#define COLUMN_MIN 9

/* A third of the pairs each, from the best; a failed one cannot be overlooked. */
static const char *cell_colour(const struct net_grid *g, const struct net_cell *c)
{
	if (c->state == CELL_FAILED)
		return "\x1b[1;31m";
	if (c->state == CELL_NONE || g->n_clients * g->n_servers < 2)
		return "";
	if (c->rank < 0.34)
		return "\x1b[32m";
	return c->rank < 0.67 ? "\x1b[33m" : "\x1b[31m";
}

static void pad(struct buf *out, const char *text, size_t width)
{
	size_t own = text_width(text);

	buf_printf(out, "%*s%s", own < width ? (int)(width - own) : 0, "", text);
}

static size_t widest(const char **names, size_t n, size_t least)
{
	for (size_t i = 0; i < n; i++)
		if (text_width(names[i]) > least)
			least = text_width(names[i]);
	return least;
}

/* Servers from `from` to `to`. */
static void show_columns(struct matrix *m, const struct net_grid *g, size_t from,
	size_t to, size_t left, size_t width)
{
	struct console *con = m->ctx.console;
	AUTO_BUF struct buf head = BUF_INIT;

	pad(&head, "", left);
	for (size_t k = from; k < to; k++) {
		buf_puts(&head, "  ");
		pad(&head, g->servers[k], width);
	}
	console_line(con, "%s", head.data);
	for (size_t i = 0; i < g->n_clients; i++) {
		AUTO_BUF struct buf line = BUF_INIT;

		buf_puts(&line, g->clients[i]);
		pad(&line, "", left - text_width(g->clients[i]));
		for (size_t k = from; k < to; k++) {
			const struct net_cell *c = net_grid_cell(g, i, k);
			const char *colour = console_color(con) ? cell_colour(g, c) : "";
			char text[64];

			net_grid_text(g, c, text, sizeof(text));
			buf_printf(&line, "  %s", colour);
			pad(&line, c->state == CELL_NONE ? "-" : text, width);
			buf_puts(&line, *colour ? "\x1b[0m" : "");
		}
		console_line(con, "%s", line.data);
	}
}

static void show_table(struct matrix *m, const struct net_grid *g)
{
	size_t left = widest(g->clients, g->n_clients, 0);
	size_t width = widest(g->servers, g->n_servers, COLUMN_MIN);
	size_t columns = console_columns(m->ctx.console), fit = 1;

	if (columns > left + 2 * (width + 2))
		fit = (columns - left) / (width + 2);
	console_line(m->ctx.console, "%s", "");
	console_line(m->ctx.console, "%s: %s, %s", g->test, g->metric, g->unit);
	for (size_t k = 0; k < g->n_servers; k += fit)
		show_columns(m, g, k, k + fit < g->n_servers ? k + fit : g->n_servers,
			left, width);
}

void matrix_show_tables(struct matrix *m)
{
	struct net_grid *grids = matrix_grids(m);

	for (size_t i = 0; grids && i < m->n_tests; i++)
		show_table(m, &grids[i]);
	matrix_grids_free(grids, m->n_tests);
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* "tcp-send: min 9398, median 9412, max 9433 Mb/s" */
static void show_spread(struct matrix *m, const struct net_grid *g)
{
	size_t n = 0, all = g->n_clients * g->n_servers;
	AUTO_FREE double *values = calloc(all + 1, sizeof(*values));

	for (size_t i = 0; values && i < all; i++)
		if (g->cells[i].state == CELL_OK)
			values[n++] = g->cells[i].value;
	if (!n)
		return;
	qsort(values, n, sizeof(*values), by_value);
	console_always(m->ctx.console, "  %s: %s min %.*f, median %.*f, max %.*f %s",
		g->test, g->metric, g->decimals, values[0], g->decimals,
		n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2,
		g->decimals, values[n - 1], g->unit);
}

void matrix_show_summary(struct matrix *m)
{
	struct console *con = m->ctx.console;
	struct net_grid *grids = matrix_grids(m);
	AUTO_BUF struct buf elapsed = BUF_INIT;

	console_line(con, "%s", "");
	console_always(con, "Summary:");
	console_always(con, "  Pairs: %zu/%zu succeeded, %zu failed", m->done - m->failed,
		m->n_tasks, m->failed);
	for (size_t i = 0; grids && i < m->n_tests; i++)
		show_spread(m, &grids[i]);
	matrix_grids_free(grids, m->n_tests);
	matrix_time_text(clock_ns() - m->began_ns, &elapsed);
	console_always(con, "  Elapsed: %s", elapsed.data);
	for (char **e = m->met; e && *e; e++)
		console_line(con, "✓ Expected: %s", *e);
	for (char **e = m->missed; e && *e; e++)
		console_always(con, "✗ Expected: %s", *e);
	if (m->met && !m->missed)
		console_line(con, "✓ All expectations of %s are met", m->profile.name);
	for (char **r = m->remarks; r && *r; r++)
		console_always(con, "Note: %s", *r);
}
