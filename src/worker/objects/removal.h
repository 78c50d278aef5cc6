/* removal: directories are removed from the bottom up, each when those in it are gone.
 *
 * Threads share out the directories of the last level. Who removes the last one of those in a directory has that
 * one next: so nobody ever waits for another thread, and one thread alone goes through a tree depth first.
 * Workers have parts that lie together (job_tree_part). Per directory above the last level there is a count of
 * those in it that are gone: all that threads share, and touched by removals alone. Directories that a listing
 * found (others', with allow_foreign) go the same way, those without any in them first. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/objects/set.h"

struct keyset;
struct job_tree;

/* Of one tree, or of what a listing found. */
struct removal_part {
	uint64_t key;        /* of its first directory, in the keyset */
	uint64_t last;       /* its first one of the last level */
	uint64_t at, leaves; /* of those the ones that are removed here */
	uint32_t width;
	/* per directory above the last level (listed: per directory), of those in it (atomic) */
	uint32_t *gone;
	/* listed: which ones have none in them; and per directory, in which one it is (or NOT_IN_ANY), and how many
	 * are in it */
	uint64_t *empty, *above;
	uint32_t *inside;
};
#define NOT_IN_ANY UINT64_MAX

/* Of all threads of a worker. */
struct removal {
	struct removal_part *parts; /* one per part of the keyset; or the listing */
	size_t n_parts;
	uint64_t leaves; /* of all parts */
	uint64_t n;      /* directories that are removed here */
};

/* Of one thread. */
struct removal_lane {
	struct removal *removal; /* NULL: there is no such thing */
	uint64_t next, end;      /* leaves */
	uint64_t *ready;         /* a stack: keys of directories that are empty now */
	uint32_t n_ready, in_flight;
};

/* What share has of the trees that k holds the directories of: its keys are then those of all directories. Of what
 * a listing found it has all (keyset_resolve has dealt them out). Begins anew. 0 or -ENOMEM. */
int removal_init(struct removal *r, const struct keyset *k, struct share share);
void removal_finish(struct removal *r);

/* Thread i of n, with at most slots removals in flight. 0 or -ENOMEM. */
int removal_lane_init(struct removal_lane *l, struct removal *r, uint32_t i, uint32_t n,
	uint32_t slots);
void removal_lane_finish(struct removal_lane *l);

/* Whether there is a directory to be removed now. */
static inline bool removal_can(const struct removal_lane *l)
{
	return l->n_ready > 0 || l->next < l->end;
}

/* Whether nothing is left, and nothing can come any more. */
static inline bool removal_through(const struct removal_lane *l)
{
	return !removal_can(l) && l->in_flight == 0;
}

/* The key of the next one; only when there is one. */
uint64_t removal_take(struct removal_lane *l);
/* It is removed, or will not be. */
void removal_done(struct removal_lane *l, uint64_t key);
