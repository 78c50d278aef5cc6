/* keyset_impl: what keyset.c, keyset_parts.c and keyset_resolve.c share. */
#pragma once

#include "worker/objects/keyset.h"

/* Whether a uri that covers a set means all of it: only the directory part, or the name up to its digits, is
 * spelt out. */
bool keyset_matches_all(const char *uri, const struct job_set *set);
/* The name that an object would have without shards, or directories of a tree; and whether a glob matches the
 * first one. */
size_t keyset_flat_key(const struct job_set *set, uint64_t index, char *out);
bool keyset_matches_flat(const char *uri, const struct job_set *set);

/* The number (index, or directory) of key i of a part. */
uint64_t keyset_number(const struct keyset_part *p, uint64_t i);

void keyset_note_length(struct keyset *k, size_t len);

/* Adds what op means of the sets that its uri covers. Returns how many sets that were, or -ENOMEM. */
int keyset_add_sets(struct keyset *k, const struct job_op *op, const struct job *job,
	const struct set *sets);

static inline bool keyset_is_dirs(const struct job_op *op)
{
	return op->kind == OP_MKDIR || op->kind == OP_RMDIR;
}
