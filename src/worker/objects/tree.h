/* tree: the names of a tree of directories (job_tree). The only place that knows them.
 *
 * Directories are numbered level by level, those of level 1 first, each level in the order of the one above:
 * with width 2 and depth 2: d1_w1, d1_w2, d1_w1/d2_w1, d1_w1/d2_w2, d1_w2/d2_w1, d1_w2/d2_w2. Those that hold
 * files are the last level, or all, in the same order; file i lies in the (i / files_per_dir)th of
 * them and is called file_%08d.dat with i. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/job.h"

static inline bool tree_is(const struct job_tree *t)
{
	return t->depth > 0;
}

/* Directories of the last level: they have the highest numbers, and who makes them makes all. */
static inline uint64_t tree_leaves(const struct job_tree *t)
{
	struct job_tree above = *t;

	above.depth--;
	return job_tree_dirs(t) - job_tree_dirs(&above);
}

/* Bytes that "DIR/.../" or "DIR/.../file_00000000.dat" takes at most, with a NUL. */
size_t tree_room(const struct job_tree *t);
/* Writes the path of directory dir, relative to the set's uri, with '/' at its end and a NUL; returns its
 * length. out: tree_room bytes. */
size_t tree_dir(const struct job_tree *t, uint64_t dir, char *out);
/* The same of file i, from its directory on. */
size_t tree_file(const struct job_tree *t, uint64_t i, char *out);
/* Its name alone, with a NUL; returns the length. out: tree_room bytes. */
size_t tree_file_name(uint64_t i, char *out);
/* Whether a name below the set's uri is a file of the tree, and which. */
bool tree_file_index(const struct job_tree *t, const char *name, uint64_t *ret_i);
/* Whether a name below the set's uri, with '/' at its end, is a directory of the tree, and which. */
bool tree_dir_index(const struct job_tree *t, const char *name, uint64_t *ret_dir);
/* Whether what is called name lies in a directory of the tree. */
bool tree_holds(const struct job_tree *t, const char *name);
