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
#include "results/net_table.h"

static void show_table(struct matrix *m, const struct net_grid *g)
{
	struct console *con = m->ctx.console;
	const struct net_table_style style = {
		/* a file takes lines of any length, and who reads it wants one table */
		.columns = console_is_tty(con) ? console_columns(con) : 0,
		.color = console_color(con)};
	AUTO_BUF struct buf text = BUF_INIT;

	console_line(con, "%s", "");
	console_line(con, "%s: %s, %s", g->test, g->metric, g->unit);
	if (net_table(g, &style, &text) < 0)
		return;
	for (char *rest = text.data, *line; (line = strsep(&rest, "\n")) && rest;)
		console_line(con, "%s", line);
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

/* As the table has it. */
static void put_value(
	struct buf *out, const char *label, const struct net_grid *g, double v)
{
	const struct net_cell c = {.state = CELL_OK, .value = v};
	char text[64];

	net_grid_text(g, &c, text, sizeof(text));
	buf_printf(out, "%s %s", label, text);
}

/* "tcp-send: throughput min 9398, median 9412, max 9433 Mb/s" */
static void show_spread(struct matrix *m, const struct net_grid *g)
{
	size_t n = 0, all = g->n_clients * g->n_servers;
	AUTO_FREE double *values = calloc(all + 1, sizeof(*values));
	AUTO_BUF struct buf text = BUF_INIT;

	for (size_t i = 0; values && i < all; i++)
		if (g->cells[i].state == CELL_OK)
			values[n++] = g->cells[i].value;
	if (!n)
		return;
	qsort(values, n, sizeof(*values), by_value);
	put_value(&text, "min", g, values[0]);
	put_value(&text, ", median", g,
		n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2);
	put_value(&text, ", max", g, values[n - 1]);
	console_always(m->ctx.console, "  %s: %s %s %s", g->test, g->metric,
		text.data ? text.data : "", g->unit);
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
