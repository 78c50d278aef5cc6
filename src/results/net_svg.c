/* net_svg: heatmap.svg: a rectangle and a number per pair, and nothing that would have to be loaded. */
#include <errno.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "results/net_grid.h"

#define CELL_W 84
#define CELL_H 26
#define CHAR_W 8 /* of a letter, about */
#define MARGIN 16
#define TITLE_H 34 /* of a table's own line */
#define HEAD_H 24  /* of the servers' names */

/* From the best to the worst: colours that also those tell apart who see no red and green (viridis,
 * without its dark end, under black numbers). */
static const struct {
	int r, g, b;
} scale[] = {{110, 206, 88}, {253, 231, 37}, {253, 190, 60}, {240, 130, 80}};

static void put_text(struct buf *out, const char *text)
{
	for (; *text; text++) {
		static const char *const names[256] = {['<'] = "&lt;",
			['>'] = "&gt;",
			['&'] = "&amp;",
			['"'] = "&quot;"};
		const char *name = names[(unsigned char)*text];

		if (name)
			buf_puts(out, name);
		else
			buf_putc(out, *text);
	}
}

static void put_colour(struct buf *out, const struct net_cell *c)
{
	double at = c->rank * (double)(ARRAY_LEN(scale) - 1);
	size_t i = (size_t)at;
	double part;

	if (c->state != CELL_OK) {
		buf_puts(out, c->state == CELL_FAILED ? "#d0d0d0" : "#f4f4f4");
		return;
	}
	if (i > ARRAY_LEN(scale) - 2)
		i = ARRAY_LEN(scale) - 2;
	part = at - (double)i;
	buf_printf(out, "#%02x%02x%02x",
		(unsigned)(scale[i].r + part * (scale[i + 1].r - scale[i].r)),
		(unsigned)(scale[i].g + part * (scale[i + 1].g - scale[i].g)),
		(unsigned)(scale[i].b + part * (scale[i + 1].b - scale[i].b)));
}

static size_t longest(const char *const *names, size_t n)
{
	size_t most = 0;

	for (size_t i = 0; i < n; i++)
		if (text_width(names[i]) > most)
			most = text_width(names[i]);
	return most;
}

static size_t left_of(const struct net_grid *g)
{
	return MARGIN + longest(g->clients, g->n_clients) * CHAR_W + MARGIN;
}

/* As wide as the longest name of a server. */
static size_t cell_width(const struct net_grid *g)
{
	size_t names = longest(g->servers, g->n_servers) * CHAR_W + MARGIN;

	return names > CELL_W ? names : CELL_W;
}

static size_t grid_height(const struct net_grid *g)
{
	return TITLE_H + HEAD_H + g->n_clients * CELL_H + MARGIN;
}

static void put_cell(struct buf *out, const struct net_grid *g, size_t client,
	size_t server, size_t top)
{
	const struct net_cell *c = net_grid_cell(g, client, server);
	size_t w = cell_width(g), x = left_of(g) + server * w, y = top + client * CELL_H;
	char text[64];

	if (c->state == CELL_NONE)
		return;
	net_grid_text(g, c, text, sizeof(text));
	buf_printf(out, "<rect x=\"%zu\" y=\"%zu\" width=\"%zu\" height=\"%d\" fill=\"",
		x, y, w - 2, CELL_H - 2);
	put_colour(out, c);
	buf_puts(out, "\"><title>");
	put_text(out, g->clients[client]);
	buf_puts(out, " → ");
	put_text(out, g->servers[server]);
	buf_printf(out, ": %s%s%s</title></rect>\n", text, c->state == CELL_OK ? " " : "",
		c->state == CELL_OK ? g->unit : "");
	buf_printf(out, "<text x=\"%zu\" y=\"%zu\" text-anchor=\"middle\">%s</text>\n",
		x + w / 2, y + CELL_H - 9, text);
}

static void put_label(
	struct buf *out, size_t x, size_t y, const char *anchor, const char *text)
{
	buf_printf(out, "<text x=\"%zu\" y=\"%zu\" text-anchor=\"%s\">", x, y, anchor);
	put_text(out, text);
	buf_puts(out, "</text>\n");
}

static void put_grid(struct buf *out, const struct net_grid *g, size_t top)
{
	size_t w = cell_width(g), first = top + TITLE_H + HEAD_H;

	buf_printf(out, "<text x=\"%d\" y=\"%zu\" font-weight=\"bold\">", MARGIN,
		top + TITLE_H - 12);
	put_text(out, g->test);
	buf_printf(out, ": %s, %s</text>\n", g->metric, g->unit);
	for (size_t k = 0; k < g->n_servers; k++)
		put_label(out, left_of(g) + k * w + w / 2, first - 8, "middle",
			g->servers[k]);
	for (size_t i = 0; i < g->n_clients; i++) {
		put_label(out, left_of(g) - 8, first + i * CELL_H + CELL_H - 9, "end",
			g->clients[i]);
		for (size_t k = 0; k < g->n_servers; k++)
			put_cell(out, g, i, k, first);
	}
}

int net_grids_svg(const struct net_grid *grids, size_t n, const char *title,
	struct buf *out, struct err *err)
{
	size_t width = 2 * MARGIN + text_width(title) * CHAR_W, height = MARGIN + TITLE_H;
	size_t top = MARGIN + TITLE_H / 2;

	for (size_t i = 0; i < n; i++) {
		size_t w =
			left_of(&grids[i]) + grids[i].n_servers * cell_width(&grids[i]);

		width = w + MARGIN > width ? w + MARGIN : width;
		height += grid_height(&grids[i]);
	}
	buf_printf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%zu\" height=\"%zu\" "
		"viewBox=\"0 0 %zu %zu\" font-family=\"sans-serif\" font-size=\"13\">\n"
		"<rect width=\"%zu\" height=\"%zu\" fill=\"#ffffff\"/>\n",
		width, height, width, height, width, height);
	put_label(out, MARGIN, top, "start", title);
	for (size_t i = 0; i < n; i++) {
		put_grid(out, &grids[i], top);
		top += grid_height(&grids[i]);
	}
	return buf_puts(out, "</svg>\n") < 0 ? err_sys(err, ENOMEM, "heatmap.svg") : 0;
}
