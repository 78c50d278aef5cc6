/* net_table: a matrix as lines of text: clients down, servers across. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct net_grid;

struct net_table_style {
	size_t columns; /* of the terminal; 0: lines may be of any length */
	bool color;     /* numbers by their rank, failures in any case */
};

/* Appends lines, each with its newline. What is too wide is put into several tables below each other; what would
 * fill screens becomes a map of a digit per pair, with the worst of them in numbers. 0 or -ENOMEM. */
int net_table(
	const struct net_grid *g, const struct net_table_style *style, struct buf *out);
