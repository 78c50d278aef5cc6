/* colouring: Koenig's alternating paths, and the fans of Misra and Gries. */
#include "workload/colouring.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

#define NONE UINT32_MAX

struct edge {
	uint32_t u, v, colour;
};

struct colouring {
	uint32_t vertices, colours;
	size_t words; /* of a vertex's bits in left */
	struct edge *edges;
	size_t n_edges;
	uint32_t *at;   /* [vertex * colours + colour]: the edge there, or NONE */
	uint64_t *left; /* [vertex * words]: a bit for each colour that it has left */
	size_t *sizes;  /* edges of each colour */
	uint32_t *fan;  /* vertices; room for one per colour and more */
	uint8_t *in_fan;
	uint32_t *path; /* edges; room for one per vertex */
};

struct colouring *colouring_create(uint32_t vertices, uint32_t colours, size_t n_edges)
{
	struct colouring *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->vertices = vertices;
	c->colours = colours;
	c->words = (colours + 63) / 64;
	c->n_edges = n_edges;
	c->edges = malloc(n_edges * sizeof(*c->edges));
	c->at = malloc((size_t)vertices * colours * sizeof(*c->at));
	c->left = malloc(vertices * c->words * sizeof(*c->left));
	c->sizes = calloc(colours, sizeof(*c->sizes));
	c->fan = malloc(((size_t)colours + 1) * sizeof(*c->fan));
	c->in_fan = calloc(vertices, 1);
	c->path = malloc(((size_t)vertices + 1) * sizeof(*c->path));
	if (!c->edges || !c->at || !c->left || !c->sizes || !c->fan || !c->in_fan ||
		!c->path) {
		colouring_destroy(c);
		return NULL;
	}
	for (size_t i = 0; i < n_edges; i++)
		c->edges[i].colour = NONE;
	memset(c->at, 0xff, (size_t)vertices * colours * sizeof(*c->at));
	memset(c->left, 0, vertices * c->words * sizeof(*c->left));
	for (uint32_t v = 0; v < vertices; v++)
		for (uint32_t k = 0; k < colours; k++)
			c->left[v * c->words + k / 64] |= UINT64_C(1) << (k % 64);
	return c;
}

void colouring_destroy(struct colouring *c)
{
	if (!c)
		return;
	free(c->edges);
	free(c->at);
	free(c->left);
	free(c->sizes);
	free(c->fan);
	free(c->in_fan);
	free(c->path);
	free(c);
}

uint32_t colouring_of(const struct colouring *c, size_t e)
{
	return c->edges[e].colour;
}

static uint32_t *slot(struct colouring *c, uint32_t v, uint32_t colour)
{
	return &c->at[(size_t)v * c->colours + colour];
}

static void occupy(struct colouring *c, uint32_t v, uint32_t colour, size_t e)
{
	*slot(c, v, colour) = (uint32_t)e;
	c->left[v * c->words + colour / 64] &= ~(UINT64_C(1) << (colour % 64));
}

static void vacate(struct colouring *c, uint32_t v, uint32_t colour)
{
	*slot(c, v, colour) = NONE;
	c->left[v * c->words + colour / 64] |= UINT64_C(1) << (colour % 64);
}

static void paint(struct colouring *c, size_t e, uint32_t colour)
{
	struct edge *edge = &c->edges[e];

	edge->colour = colour;
	c->sizes[colour]++;
	occupy(c, edge->u, colour, e);
	occupy(c, edge->v, colour, e);
}

static void strip(struct colouring *c, size_t e)
{
	struct edge *edge = &c->edges[e];

	vacate(c, edge->u, edge->colour);
	vacate(c, edge->v, edge->colour);
	c->sizes[edge->colour]--;
	edge->colour = NONE;
}

void colouring_put(struct colouring *c, size_t e, uint32_t u, uint32_t v, uint32_t colour)
{
	c->edges[e].u = u;
	c->edges[e].v = v;
	paint(c, e, colour);
}

static bool has_left(const struct colouring *c, uint32_t v, uint32_t colour)
{
	return c->left[v * c->words + colour / 64] >> (colour % 64) & 1;
}

/* A colour that v has left. There is one: an edge of v has none yet. */
static uint32_t some_left(const struct colouring *c, uint32_t v)
{
	size_t w = 0;

	while (!c->left[v * c->words + w])
		w++;
	return (uint32_t)(w * 64 + (size_t)__builtin_ctzll(c->left[v * c->words + w]));
}

static uint32_t common_left(const struct colouring *c, uint32_t u, uint32_t v)
{
	for (size_t w = 0; w < c->words; w++) {
		uint64_t both = c->left[u * c->words + w] & c->left[v * c->words + w];

		if (both)
			return (uint32_t)(w * 64 + (size_t)__builtin_ctzll(both));
	}
	return NONE;
}

static uint32_t far_end(const struct colouring *c, uint32_t e, uint32_t v)
{
	return c->edges[e].u == v ? c->edges[e].v : c->edges[e].u;
}

/* The edges of colours a and b that hang together, from v on, where they end, into c->path: v has only
 * one of the two, or an edge of colour a to itself. Returns how many. */
static size_t find_path(struct colouring *c, uint32_t v, uint32_t a, uint32_t b)
{
	uint32_t colour = *slot(c, v, a) != NONE ? a : b;
	size_t n = 0;

	for (uint32_t e; (e = *slot(c, v, colour)) != NONE;) {
		c->path[n++] = e;
		if (c->edges[e].u == c->edges[e].v && n > 1)
			break;
		v = far_end(c, e, v);
		colour = colour == a ? b : a;
	}
	return n;
}

/* Swaps colours a and b on the first n edges of c->path, which are all that hang together. */
static void swap_path(struct colouring *c, size_t n, uint32_t a, uint32_t b)
{
	/* first all give up what they have: neighbours want it */
	for (size_t i = 0; i < n; i++) {
		struct edge *e = &c->edges[c->path[i]];
		uint32_t colour = e->colour;

		strip(c, c->path[i]);
		e->colour = colour == a ? b : a;
	}
	for (size_t i = 0; i < n; i++)
		paint(c, c->path[i], c->edges[c->path[i]].colour);
}

void colouring_add_two_sided(struct colouring *c, size_t e, uint32_t u, uint32_t v)
{
	uint32_t colour = common_left(c, u, v);

	if (colour == NONE) {
		uint32_t b = some_left(c, v);

		colour = some_left(c, u);
		/* from v the path comes to u's side by this colour only, which u has left */
		swap_path(c, find_path(c, v, colour, b), colour, b);
	}
	colouring_put(c, e, u, v, colour);
}

/* c->fan: neighbours of u from v on, each joined to u by a colour that the one before has left; as long
 * as it gets. */
static size_t build_fan(struct colouring *c, uint32_t u, uint32_t v)
{
	size_t n = 0;
	uint32_t next = v;

	while (next != NONE) {
		uint32_t last = next;

		c->fan[n++] = last;
		c->in_fan[last] = 1;
		next = NONE;
		for (size_t w = 0; w < c->words && next == NONE; w++) {
			uint64_t bits =
				c->left[last * c->words + w] & ~c->left[u * c->words + w];

			for (; bits && next == NONE; bits &= bits - 1) {
				uint32_t k = (uint32_t)(w * 64 +
							(size_t)__builtin_ctzll(bits));
				uint32_t x = far_end(c, *slot(c, u, k), u);

				if (!c->in_fan[x])
					next = x;
			}
		}
	}
	for (size_t i = 0; i < n; i++)
		c->in_fan[c->fan[i]] = 0;
	return n;
}

/* The colour of the edge between u and its neighbour x: one of few, so it is looked for. */
static uint32_t joined_by(struct colouring *c, uint32_t u, uint32_t x)
{
	for (uint32_t k = 0; k < c->colours; k++)
		if (*slot(c, u, k) != NONE && far_end(c, *slot(c, u, k), u) == x)
			return k;
	return NONE;
}

/* The edges of the fan up to its j-th each take the colour of the next; e, at fan[0], has none. The
 * last one's is free then. */
static void rotate_fan(struct colouring *c, size_t e, uint32_t u, size_t j, uint32_t last)
{
	for (size_t i = 0; i < j; i++) {
		uint32_t colour = joined_by(c, u, c->fan[i + 1]);
		size_t next = *slot(c, u, colour);

		strip(c, next);
		colouring_put(c, e, u, c->fan[i], colour);
		e = next;
	}
	colouring_put(c, e, u, c->fan[j], last);
}

void colouring_add_any(struct colouring *c, size_t e, uint32_t u, uint32_t v)
{
	size_t n = build_fan(c, u, v), j = 0;
	uint32_t a = some_left(c, u), b = some_left(c, c->fan[n - 1]);

	if (!has_left(c, u, b))
		swap_path(c, find_path(c, u, b, a), a, b);
	/* the fan may end earlier now: at the first one that has b left, while it still is a fan */
	while (!has_left(c, c->fan[j], b) && j + 1 < n)
		j++;
	rotate_fan(c, e, u, j, b);
}

/* Moves edges from colour a to colour b, which has fewer, until they are as even as they get: of what
 * the two hold together (paths and rings), a path with one edge more of a is turned round. */
static void even_two(struct colouring *c, uint32_t a, uint32_t b)
{
	for (uint32_t v = 0; v < c->vertices && c->sizes[a] > c->sizes[b] + 1; v++) {
		uint32_t e = *slot(c, v, a);
		size_t n;

		/* a path that begins here, with a */
		if (e == NONE || (!has_left(c, v, b) && c->edges[e].u != c->edges[e].v))
			continue;
		n = find_path(c, v, a, b);
		if (n % 2)
			swap_path(c, n, a, b);
	}
}

void colouring_even_out(struct colouring *c)
{
	for (;;) {
		uint32_t most = 0, least = 0;

		for (uint32_t k = 1; k < c->colours; k++) {
			if (c->sizes[k] > c->sizes[most])
				most = k;
			if (c->sizes[k] < c->sizes[least])
				least = k;
		}
		if (c->sizes[most] <= c->sizes[least] + 1)
			return;
		even_two(c, most, least);
	}
}
