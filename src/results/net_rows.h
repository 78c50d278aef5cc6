/* net_rows: rows.jsonl, what a matrix has measured so far: a line for each pair as it ends, with all that
 * its record has, so that a matrix which was cut off can go on. docs/results.md is the schema. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "results/net_record.h"

struct buf;
struct err;

/* One line of a pair, newline excluded. cv: of the rate over iterations, NAN: not known. 0 or -ENOMEM. */
int net_row_print(const struct net_record *r, double cv, struct buf *out);
/* The line with which another session begins: when, what it kept, and what is left to it. */
int net_row_print_resumed(uint64_t wall_ns, size_t kept, size_t left, struct buf *out);

struct net_row {
	char *client, *server, *test;
	/* Its names are those above; engine, spec and output are not there. */
	struct net_record record;
	double cv; /* NAN: not known */
	size_t line;
};

struct net_session {
	uint64_t wall_ns;
	size_t kept, left;
};

struct net_rows {
	struct net_row *items;
	size_t n;
	struct net_session *sessions; /* those that were resumed, in their order */
	size_t n_sessions;
};

/* text is rows.jsonl, called name in errors. What stands behind the last newline was cut off in the middle
 * and is left out. -1 with err: a line that is none of this file's, by its number. */
int net_rows_parse(const char *name, const char *text, size_t len, struct net_rows *ret,
	struct err *err);
void net_rows_finish(struct net_rows *r);
