/* cleanup_impl: what the files of cleanup share. */
#pragma once

#include "worker/load/cleanup.h"

struct job_set;

/* Lists what there is to be removed: fills found, items, n and missing. 0 or -1 with err. */
int cleanup_find(struct cleanup *c, struct err *err);

/* Removes the directories of a tree that are empty, the deepest first, by as many threads as the task has. What
 * is not empty stays. cancel (atomic) ends it early. */
void cleanup_tree_dirs(
	const struct task *t, const struct job_set *spec, const uint32_t *cancel);
