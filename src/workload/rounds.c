/* rounds: edge colourings of the graph of machines; a colour is a round. */
#include "workload/rounds.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "workload/colouring.h"

/* What rounds_plan works on: machines numbered from 0 without gaps. */
struct plan {
	uint32_t *ends; /* two for each pair */
	uint32_t *degrees;
	uint32_t machines;
	bool two_sided; /* there are two groups of them, with pairs only between */
	uint32_t *
		layer; /* of each pair: so many came before it between the same two machines */
	uint32_t layers;
};

static void plan_finish(struct plan *p)
{
	free(p->ends);
	free(p->degrees);
	free(p->layer);
}

static int by_number(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int number_machines(struct plan *p, const struct round_pair *pairs, size_t n)
{
	AUTO_FREE uint32_t *all = malloc(2 * n * sizeof(*all));
	uint32_t count = 0;

	p->ends = malloc(2 * n * sizeof(*p->ends));
	if (!all || !p->ends)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		all[2 * i] = pairs[i].a;
		all[2 * i + 1] = pairs[i].b;
	}
	memcpy(p->ends, all, 2 * n * sizeof(*all));
	qsort(all, 2 * n, sizeof(*all), by_number);
	for (size_t i = 0; i < 2 * n; i++)
		if (!count || all[count - 1] != all[i])
			all[count++] = all[i];
	for (size_t i = 0; i < 2 * n; i++)
		p->ends[i] = (uint32_t)((uint32_t *)bsearch(&p->ends[i], all, count,
						sizeof(*all), by_number) -
					all);
	p->machines = count;
	p->degrees = calloc(count, sizeof(*p->degrees));
	if (!p->degrees)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		p->degrees[p->ends[2 * i]]++;
		if (p->ends[2 * i] != p->ends[2 * i + 1])
			p->degrees[p->ends[2 * i + 1]]++;
	}
	return 0;
}

static uint32_t busiest(const struct plan *p)
{
	uint32_t max = 0;

	for (uint32_t i = 0; i < p->machines; i++)
		if (p->degrees[i] > max)
			max = p->degrees[i];
	return max;
}

/* Groups of machines that pairs hang together: a machine's parent in its group, and whether it is on
 * the parent's side or on the other. */
struct groups {
	uint32_t *parent;
	uint8_t *other;
};

/* The head of m's group; *ret_other: whether m is on the head's other side. */
static uint32_t group_of(struct groups *g, uint32_t m, uint8_t *ret_other)
{
	uint8_t other = 0;

	while (g->parent[m] != m) {
		/* half the way for the next one */
		g->other[m] ^= g->other[g->parent[m]];
		g->parent[m] = g->parent[g->parent[m]];
		other ^= g->other[m];
		m = g->parent[m];
	}
	*ret_other = other;
	return m;
}

static int find_sides(struct plan *p, size_t n)
{
	AUTO_FREE uint32_t *parent = malloc(p->machines * sizeof(*parent));
	AUTO_FREE uint8_t *other = calloc(p->machines, 1);
	struct groups g = {parent, other};

	if (!parent || !other)
		return -ENOMEM;
	for (uint32_t i = 0; i < p->machines; i++)
		parent[i] = i;
	p->two_sided = true;
	for (size_t i = 0; i < n && p->two_sided; i++) {
		uint32_t a, b;
		uint8_t of_a, of_b;

		if (p->ends[2 * i] == p->ends[2 * i + 1])
			continue;
		a = group_of(&g, p->ends[2 * i], &of_a);
		b = group_of(&g, p->ends[2 * i + 1], &of_b);
		if (a == b)
			p->two_sided = of_a != of_b;
		else
			other[a] = 1 ^ of_a ^ of_b;
		parent[a] = b;
	}
	return 0;
}

struct keyed {
	uint64_t key;
	size_t pair;
};

static int by_key(const void *a, const void *b)
{
	const struct keyed *x = a, *y = b;

	return x->key != y->key ? (x->key > y->key) - (x->key < y->key)
				: (x->pair > y->pair) - (x->pair < y->pair);
}

/* Pairs between the same two machines go to layers of their own: each layer is a simple graph. */
static int find_layers(struct plan *p, size_t n)
{
	AUTO_FREE struct keyed *list = malloc(n * sizeof(*list));

	p->layer = calloc(n, sizeof(*p->layer));
	if (!list || !p->layer)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		uint32_t a = p->ends[2 * i], b = p->ends[2 * i + 1];

		list[i].key = (uint64_t)(a < b ? a : b) << 32 | (a < b ? b : a);
		list[i].pair = i;
	}
	qsort(list, n, sizeof(*list), by_key);
	p->layers = 1;
	for (size_t i = 1; i < n; i++) {
		if (list[i].key != list[i - 1].key ||
			p->ends[2 * list[i].pair] == p->ends[2 * list[i].pair + 1])
			continue;
		p->layer[list[i].pair] = p->layer[list[i - 1].pair] + 1;
		if (p->layer[list[i].pair] + 1 > p->layers)
			p->layers = p->layer[list[i].pair] + 1;
	}
	return 0;
}

/* A round-robin tournament of n machines (the circle method): machines i and j meet in round i + j. */
static uint32_t tournament_round(uint32_t n, uint32_t i, uint32_t j)
{
	uint32_t last = (n + 1) / 2 * 2 - 1; /* rounds, and the one that stands still */

	if (i == last)
		return 2 * j % last;
	if (j == last)
		return 2 * i % last;
	return (i + j) % last;
}

static bool in_layer(const struct plan *p, size_t i, uint32_t layer)
{
	return p->layer[i] == layer && p->ends[2 * i] != p->ends[2 * i + 1];
}

/* Most pairs of one machine in a layer. -ENOMEM */
static int64_t busiest_in(const struct plan *p, size_t n, uint32_t layer)
{
	AUTO_FREE uint32_t *degrees = calloc(p->machines, sizeof(*degrees));
	uint32_t max = 0;

	if (!degrees)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		for (int end = 0; in_layer(p, i, layer) && end < 2; end++)
			if (++degrees[p->ends[2 * i + (size_t)end]] > max)
				max = degrees[p->ends[2 * i + (size_t)end]];
	return max;
}

/* As a tournament has it, numbers without gaps from `first` on. Returns how many rounds, or -ENOMEM. */
static int64_t by_tournament(const struct plan *p, size_t n, uint32_t layer,
	uint32_t first, uint32_t *ret_round)
{
	AUTO_FREE uint32_t *number = calloc(p->machines + 1, sizeof(*number));
	uint32_t rounds = 0;

	if (!number)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (!in_layer(p, i, layer))
			continue;
		ret_round[i] =
			tournament_round(p->machines, p->ends[2 * i], p->ends[2 * i + 1]);
		if (!number[ret_round[i]])
			number[ret_round[i]] = ++rounds;
		ret_round[i] = first + number[ret_round[i]] - 1;
	}
	return rounds;
}

static int by_fans(const struct plan *p, size_t n, uint32_t layer, uint32_t first,
	uint32_t colours, uint32_t *ret_round)
{
	struct colouring *c = colouring_create(p->machines, colours, n);

	if (!c)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (in_layer(p, i, layer))
			colouring_add_any(c, i, p->ends[2 * i], p->ends[2 * i + 1]);
	for (size_t i = 0; i < n; i++)
		if (in_layer(p, i, layer))
			ret_round[i] = first + colouring_of(c, i);
	colouring_destroy(c);
	return 0;
}

/* Rounds from `first` on for one layer, the better of two ways. Returns the first one behind them. */
static int64_t colour_layer(const struct plan *p, size_t n, uint32_t layer,
	uint32_t first, uint32_t *ret_round)
{
	int64_t rounds = by_tournament(p, n, layer, first, ret_round);
	int64_t max = busiest_in(p, n, layer);

	if (rounds < 0 || max < 0)
		return -ENOMEM;
	if (rounds <= max + 1)
		return first + rounds;
	if (by_fans(p, n, layer, first, (uint32_t)max + 1, ret_round) < 0)
		return -ENOMEM;
	return first + max + 1;
}

/* When some machines are on both sides. Returns how many rounds, or -ENOMEM. */
static int64_t colour_mixed(struct plan *p, size_t n, uint32_t *ret_round)
{
	int64_t rounds = 0;
	int rc = find_layers(p, n);

	for (uint32_t l = 0; rc == 0 && rounds >= 0 && l < p->layers; l++)
		rounds = colour_layer(p, n, l, (uint32_t)rounds, ret_round);
	return rc < 0 ? rc : rounds;
}

/* All pairs, coloured. NULL: no memory. ret_round: of mixed graphs, as colour_mixed left it. */
static struct colouring *colour_all(
	const struct plan *p, size_t n, uint32_t colours, const uint32_t *ret_round)
{
	struct colouring *c = colouring_create(p->machines, colours, n);

	for (size_t i = 0; c && i < n; i++) {
		uint32_t a = p->ends[2 * i], b = p->ends[2 * i + 1];

		if (a != b && p->two_sided)
			colouring_add_two_sided(c, i, a, b);
		else if (a != b)
			colouring_put(c, i, a, b, ret_round[i]);
	}
	/* a machine with itself: in any round that it has left */
	for (size_t i = 0; c && i < n; i++)
		if (p->ends[2 * i] == p->ends[2 * i + 1])
			colouring_add_two_sided(c, i, p->ends[2 * i], p->ends[2 * i]);
	return c;
}

int rounds_plan(
	const struct round_pair *pairs, size_t n, uint32_t at_most, uint32_t *ret_round)
{
	CLEANUP(plan_finish) struct plan p = {.machines = 0};
	struct colouring *c;
	int64_t rounds = 0;
	size_t least;

	if (!n)
		return 0;
	if (number_machines(&p, pairs, n) < 0 || find_sides(&p, n) < 0)
		return -ENOMEM;
	if (!p.two_sided)
		rounds = colour_mixed(&p, n, ret_round);
	if (rounds < 0)
		return -ENOMEM;
	least = at_most ? (n + at_most - 1) / at_most : 0;
	if (least < busiest(&p))
		least = busiest(&p);
	if (least < (size_t)rounds)
		least = (size_t)rounds;
	c = colour_all(&p, n, (uint32_t)least, ret_round);
	if (!c)
		return -ENOMEM;
	colouring_even_out(c);
	for (size_t i = 0; i < n; i++)
		ret_round[i] = colouring_of(c, i);
	colouring_destroy(c);
	return (int)least;
}
