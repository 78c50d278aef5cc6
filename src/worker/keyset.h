/* keyset: the objects that a get, stat or delete chooses from, known before the clock starts.
 *
 * An exact key; parts of prepared sets, whose names and sizes are computed and never listed; or what a
 * listing found. The i-th key of n costs no lookup and no memory. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/job.h"
#include "worker/set.h"

struct storage;
struct err;

/* Indices first, first + step, ... of a set; or those in indices. */
struct keyset_part {
	const struct set *set;
	char *prefix; /* of all names: "<set uri>NAME-"; not of a set in shards */
	size_t prefix_len;
	uint64_t first, step, n;
	uint64_t *indices; /* or NULL */
};

struct keyset {
	uint64_t n; /* keys */
	uint64_t
		own; /* the first so many are this worker's part of a tree; n: no parts */
	size_t longest;      /* bytes of the longest one at most, without its NUL */
	const char *exact;   /* or NULL; the op's own uri */
	uint64_t exact_size; /* UINT64_MAX: unknown, or nobody asked for it */
	struct keyset_part *parts;
	size_t n_parts;
	/* listed: NUL-terminated URIs one after the other, offsets into them, and sizes */
	char *names;
	size_t names_len, names_cap;
	uint64_t *offsets, *sizes;
	uint64_t listed_cap;
};

void keyset_finish(struct keyset *k);

/* The objects that op means (see job_op for the rules); with fewer than all of them when share is of
 * several (a delete: each worker has its own). cancel (atomic) ends a long listing early.
 * -1 with err (ERR_INPUT) when there are none. */
int keyset_resolve(struct keyset *k, const struct job_op *op, const struct set *sets,
	size_t n_sets, struct share share, const struct storage *store,
	const uint32_t *cancel, struct err *err);

/* Whether op's uri covers a set (its name rule is not asked). */
bool keyset_covers(const char *uri, const struct job_set *set);

/* Writes the URI of key i < n to uri (ENGINE_URI bytes) and its size (UINT64_MAX: unknown). */
void keyset_key(const struct keyset *k, uint64_t i, char *uri, uint64_t *ret_size);
