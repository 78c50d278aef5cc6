/* keyset: the objects that a get, stat or delete chooses from, known before the clock starts.
 *
 * An exact key; parts of prepared sets, whose names and sizes are computed and never listed; or what a
 * listing found. The i-th key of n costs no lookup and no memory. Of trees a keyset may hold the
 * directories instead. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/job.h"
#include "worker/objects/set.h"

struct storage;
struct err;

/* Keys of a set: numbers first, first + step, ...; or those of whole directories
 * of a tree; or those in indices. */
struct keyset_part {
	const struct set *set;
	char *prefix; /* of all names: "<set uri>NAME-"; of a set in shards, or a tree: NULL */
	size_t prefix_len;
	bool dirs; /* the keys are directories of the tree, the numbers theirs */
	uint64_t first, step, n;
	/* By directories, per keys in each (0: not): those whose number mod share.count == share.index, or (others)
	 * the first ones of the others, in an order that spread (0: none) and shift make of their own. */
	uint64_t per;
	struct share share;
	bool others;
	uint64_t n_others, spread, shift;
	uint64_t *indices; /* or NULL */
};

struct keyset {
	uint64_t n; /* keys */
	/* The first so many are this worker's part of a tree (path_selection weighted: directories whose number,
	 * among those with files, mod share_count == share_index); n: there are no parts. */
	uint64_t own;
	bool dealt; /* the other workers have other keys: each its share, or its part of a tree */
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

/* What op of a job means (see job_op and enum path_selection for the rules): objects; of mkdir and rmdir the
 * directories of trees, of a put the files of trees. A delete has fewer than all of them when the
 * storage is shared: each worker has its own (of an rmdir removal.h says which); so have all with job.once where path_selection divides trees. sets: as they lie there, one per job.sets. cancel (atomic)
 * ends a long listing early. -1 with err (ERR_INPUT) when there are none. */
int keyset_resolve(struct keyset *k, const struct job_op *op, const struct job *job,
	const struct set *sets, const struct storage *store, const uint32_t *cancel,
	struct err *err);

/* Whether op's uri covers a set (its name rule is not asked). */
bool keyset_covers(const char *uri, const struct job_set *set);
/* Whether it covers a tree of the job. */
bool keyset_covers_tree(const char *uri, const struct job *job);

/* Writes the URI of key i < n to uri (ENGINE_URI bytes; of a directory with '/' at its end) and its size
 * (UINT64_MAX: unknown). */
void keyset_key(const struct keyset *k, uint64_t i, char *uri, uint64_t *ret_size);

/* Which object of which set key i < n is; NULL: of none. */
const struct set *keyset_object(const struct keyset *k, uint64_t i, uint64_t *ret_index);
