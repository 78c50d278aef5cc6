/* net_grid: a matrix as a table: clients down, servers across, one number per pair. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "results/net_record.h"

struct buf;
struct err;

enum net_cell_state {
	CELL_NONE,
	CELL_OK,
	CELL_FAILED,
	CELL_UNKNOWN, /* it went well, and has no such value: not one transaction ended */
};

struct net_cell {
	enum net_cell_state state;
	double value; /* of the repeats that went well the median */
	double rank; /* 0 for the best pair of the table to 1 for the worst; 0 when all are alike */
};

/* One test of a matrix. */
struct net_grid {
	const char *test;
	const char *metric, *unit; /* "throughput" "Mb/s", "p99 latency" "us" */
	int decimals;
	bool low_is_good;
	const char **clients,
		**servers; /* in the order in which records name them first */
	size_t n_clients, n_servers;
	struct net_cell *cells; /* n_clients rows of n_servers */
};

/* The records of one test. Names are borrowed from them. 0 or -ENOMEM. */
int net_grid_make(const struct net_record *records, size_t n, const char *test,
	struct net_grid *ret);
void net_grid_finish(struct net_grid *g);

const struct net_cell *net_grid_cell(
	const struct net_grid *g, size_t client, size_t server);
/* "9412", "FAILED", "unknown", "" */
void net_grid_text(
	const struct net_grid *g, const struct net_cell *c, char *out, size_t size);

/* matrix.csv: a row per test and client, a column per server; "FAILED" where a pair failed, nothing where
 * there is none or its value is not known. */
int net_grids_csv(
	const struct net_grid *grids, size_t n, struct buf *out, struct err *err);

/* heatmap.svg: the tables under each other, each cell coloured by its rank; needs nothing but itself. */
int net_grids_svg(const struct net_grid *grids, size_t n, const char *title,
	struct buf *out, struct err *err);
