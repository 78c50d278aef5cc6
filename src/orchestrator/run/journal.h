/* journal: what a run makes on its hosts, written before it does, for `clean --data`.
 *
 * journal.json holds each worker's last job without its environment: run id, put prefixes and sets say
 * exactly which objects are the run's own. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct err;
struct plan;
struct rundir;
struct run_member;
struct job;

/* Adds or replaces the jobs of the members that are in (plan's order). Workers of earlier generations
 * keep theirs. */
int journal_write(struct rundir *d, const struct plan *plan,
	const struct run_member *members, size_t n, struct err *err);

struct journal_entry {
	char *worker, *host;
	struct job *job;
};

struct journal {
	struct journal_entry *entries;
	size_t n;
	bool shared;
};

/* Reads DIR/journal.json. */
int journal_read(const char *dir, struct journal *ret, struct err *err);
void journal_finish(struct journal *j);
