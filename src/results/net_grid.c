/* net_grid: cells from records, ranks from cells, and matrix.csv. */
#include "results/net_grid.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"

static size_t place_of(const char **names, size_t *n, const char *name)
{
	for (size_t i = 0; i < *n; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	names[*n] = name;
	return (*n)++;
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* What one record has for its cell. */
struct sample {
	size_t cell;
	double value;
};

static int by_cell(const void *a, const void *b)
{
	const struct sample *x = a, *y = b;

	return x->cell != y->cell ? (x->cell > y->cell) - (x->cell < y->cell)
				  : by_value(&x->value, &y->value);
}

static void choose_metric(struct net_grid *g, const struct net_record *r)
{
	if (net_spec_asks(r->spec)) {
		g->metric = "p99 latency";
		g->unit = "us";
		g->decimals = 1;
		g->low_is_good = true;
	} else {
		g->metric = "throughput";
		g->unit = "Mb/s";
	}
}

static const struct net_value *metric_of(
	const struct net_grid *g, const struct net_record *r)
{
	return &r->values.of[g->low_is_good ? SEL_P99_LATENCY : SEL_THROUGHPUT];
}

/* Cells of one record or of all repeats: their median. */
static void fill_cells(struct net_grid *g, struct sample *samples, size_t n)
{
	qsort(samples, n, sizeof(*samples), by_cell);
	for (size_t i = 0, end; i < n; i = end) {
		struct net_cell *c = &g->cells[samples[i].cell];
		size_t middle;

		for (end = i + 1; end < n && samples[end].cell == samples[i].cell;)
			end++;
		middle = i + (end - i) / 2;
		c->state = CELL_OK;
		c->value =
			(end - i) % 2
				? samples[middle].value
				: (samples[middle - 1].value + samples[middle].value) / 2;
	}
}

static void rank_cells(struct net_grid *g, double *values)
{
	size_t n = 0, all = g->n_clients * g->n_servers;

	for (size_t i = 0; i < all; i++)
		if (g->cells[i].state == CELL_OK)
			values[n++] = g->cells[i].value;
	qsort(values, n, sizeof(*values), by_value);
	for (size_t i = 0; n > 1 && i < all; i++) {
		struct net_cell *c = &g->cells[i];
		size_t below = 0;

		if (c->state != CELL_OK || values[0] >= values[n - 1])
			continue;
		while (below < n && values[below] < c->value)
			below++;
		c->rank = (double)below / (double)(n - 1);
		if (!g->low_is_good)
			c->rank = 1 - c->rank;
	}
}

static void name_hosts(struct net_grid *g, const struct net_record *records, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(records[i].test, g->test) != 0)
			continue;
		choose_metric(g, &records[i]);
		place_of(g->clients, &g->n_clients, records[i].client);
		place_of(g->servers, &g->n_servers, records[i].server);
	}
}

/* A pair that has a record is FAILED until one of them went well, and UNKNOWN until one has a value. Returns
 * how many samples there are. */
static size_t take_samples(struct net_grid *g, const struct net_record *records, size_t n,
	struct sample *samples)
{
	size_t have = 0;

	for (size_t i = 0; i < n; i++) {
		const struct net_record *r = &records[i];
		size_t cell;

		if (strcmp(r->test, g->test) != 0)
			continue;
		cell = place_of(g->clients, &g->n_clients, r->client) * g->n_servers;
		cell += place_of(g->servers, &g->n_servers, r->server);
		if (r->success)
			g->cells[cell].state = CELL_UNKNOWN;
		else if (g->cells[cell].state == CELL_NONE)
			g->cells[cell].state = CELL_FAILED;
		if (r->success && metric_of(g, r)->known)
			samples[have++] = (struct sample){cell, metric_of(g, r)->number};
	}
	return have;
}

int net_grid_make(const struct net_record *records, size_t n, const char *test,
	struct net_grid *ret)
{
	AUTO_FREE struct sample *samples = calloc(n + 1, sizeof(*samples));
	AUTO_FREE double *values = NULL;
	struct net_grid *g = ret;

	*g = (struct net_grid){.test = test};
	g->clients = calloc(n + 1, sizeof(*g->clients));
	g->servers = calloc(n + 1, sizeof(*g->servers));
	if (g->clients && g->servers)
		name_hosts(g, records, n);
	g->cells = calloc(g->n_clients * g->n_servers + 1, sizeof(*g->cells));
	values = calloc(g->n_clients * g->n_servers + 1, sizeof(*values));
	if (!samples || !values || !g->clients || !g->servers || !g->cells) {
		net_grid_finish(g);
		return -ENOMEM;
	}
	fill_cells(g, samples, take_samples(g, records, n, samples));
	rank_cells(g, values);
	return 0;
}

void net_grid_finish(struct net_grid *g)
{
	free(g->clients);
	free(g->servers);
	free(g->cells);
	*g = (struct net_grid){0};
}

const struct net_cell *net_grid_cell(
	const struct net_grid *g, size_t client, size_t server)
{
	return &g->cells[client * g->n_servers + server];
}

void net_grid_text(
	const struct net_grid *g, const struct net_cell *c, char *out, size_t size)
{
	static const char *const words[] = {
		[CELL_NONE] = "", [CELL_FAILED] = "FAILED", [CELL_UNKNOWN] = "unknown"};

	int decimals = c->value < 99.95 && g->decimals < 1 ? 1 : g->decimals;

	if (c->state == CELL_OK)
		snprintf(out, size, "%.*f", c->value < 10 ? 3 : decimals, c->value);
	else
		snprintf(out, size, "%s", words[c->state]);
}

/* Names of hosts and tests hold neither commas nor quotes. */
static void grid_csv(const struct net_grid *g, struct buf *out)
{
	for (size_t i = 0; i < g->n_clients; i++) {
		buf_printf(
			out, "%s,%s,%s,%s", g->test, g->metric, g->unit, g->clients[i]);
		for (size_t k = 0; k < g->n_servers; k++) {
			const struct net_cell *c = net_grid_cell(g, i, k);
			char text[64];

			net_grid_text(g, c, text, sizeof(text));
			buf_printf(out, ",%s", c->state == CELL_UNKNOWN ? "" : text);
		}
		buf_putc(out, '\n');
	}
}

int net_grids_csv(
	const struct net_grid *grids, size_t n, struct buf *out, struct err *err)
{
	buf_puts(out, "test,metric,unit,client");
	for (size_t k = 0; n && k < grids[0].n_servers; k++)
		buf_printf(out, ",%s", grids[0].servers[k]);
	buf_putc(out, '\n');
	for (size_t i = 0; i < n; i++)
		grid_csv(&grids[i], out);
	return out->data ? 0 : err_sys(err, ENOMEM, "matrix.csv");
}
