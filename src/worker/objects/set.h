/* set: a prepared set as it lies in the store: whose it is, and what is missing. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/job.h"
#include "worker/objects/sizes.h"

struct storage;
struct err;

/* Indices have to fit into memory as bits, and into names. */
#define SET_COUNT_MAX UINT64_C(100000000000)

enum set_owner {
	SET_OURS,    /* the owner object names this spec, or nothing is there yet */
	SET_FOREIGN, /* objects without an owner: used, never overwritten or deleted */
};

struct set {
	const struct job_set *spec;
	struct sizes sizes;
	enum set_owner owner;
	bool verify;        /* content goes by keys (job.verify) */
	bool trusted;       /* nobody has looked: it is as the job says */
	bool owner_written; /* the owner object is there */
	bool made_holder;   /* muster made, or will make, what holds the objects */
	/* a tree: the same of all its directories: none of level 1 was there before muster came */
	bool made_dirs;
	uint64_t owner_count; /* of the owner object: indices below it may exist */
	uint64_t *complete;   /* bit per index: there, with its size (atomic) */
	uint64_t *
		made; /* bit per index: made by this process (atomic); foreign sets only */
	uint64_t *
		listed; /* foreign sets: sizes of those that were there, UINT64_MAX: was not;
			   * NULL: too many to remember */
	uint64_t existing, to_make, foreign; /* of what this worker makes */
	/* of a tree, where the store has directories: the same of those of the last level */
	uint64_t dirs_to_make;
	uint64_t strangers; /* objects in the tree's directories that are not its files */
	bool looked; /* all that is there was listed, by this worker or the one that makes all */
};

/* Index mod count == index: who makes and removes what. count 0: nothing. */
struct share {
	uint32_t index, count;
};

/* What this worker has of a set on storage that it may share with others. */
static inline struct share share_of(const struct job *j)
{
	return (struct share){j->share_index, j->share_count ? j->share_count : 1};
}

/* What it makes of it: with a coordinator, the first makes all. */
static inline struct share share_to_make(const struct job *j)
{
	if (j->coordinator)
		return (struct share){0, j->share_index == 0};
	return share_of(j);
}

static inline bool share_has(struct share s, uint64_t index)
{
	return s.count > 0 && index % s.count == s.index;
}

/* How many numbers below n it has: index, index + count, ... */
static inline uint64_t share_size(struct share s, uint64_t n)
{
	return s.count > 0 && n > s.index ? (n - s.index - 1) / s.count + 1 : 0;
}

static inline bool set_is_complete(const struct set *s, uint64_t index)
{
	return __atomic_load_n(&s->complete[index / 64], __ATOMIC_RELAXED) >>
		       (index % 64) &
	       1;
}

/* Whether there is something to be made: objects, or the directories of a tree. */
bool set_wants(const struct job_set *spec);

/* Writes the URI of an object, with a NUL, to out (set_key_room bytes); returns its length. */
size_t set_key(const struct job_set *spec, uint64_t index, char *out);
size_t set_key_room(const struct job_set *spec);
/* The same of directory dir of a tree, with '/' at its end. */
size_t set_dir(const struct job_set *spec, uint64_t dir, char *out);
/* Whether an object of this name below the set's uri is one of its names, and which index it has. */
bool set_index(const struct job_set *spec, const char *name, uint64_t *ret_index);

/* Looks at the store, as far as the job wants it (trust, overwrite). Returns 0, or -1 with err: it cannot be
 * read, or the place belongs to a set of another spec, or (overwrite) to somebody else (ERR_INPUT). cancel
 * (atomic) ends a long listing early. set_inspect.c. */
int set_inspect(struct set *s, const struct job_set *spec, const struct job *job,
	const struct storage *store, const uint32_t *cancel, struct err *err);
void set_finish(struct set *s);

/* Takes over what an earlier job of this run has made in the same set. */
void set_inherit(struct set *s, const struct set *earlier);

/* Marks an object as made; threads may do so at the same time. */
void set_mark_made(struct set *s, uint64_t index);
bool set_was_made(const struct set *s, uint64_t index);

/* The size of an object; UINT64_MAX: nobody knows. */
uint64_t set_size(const struct set *s, uint64_t index);

/* Reads the owner object again. 1: it is there and names this spec; 0: none; -1: err. */
int set_read_owner(struct set *s, const struct storage *store, struct err *err);
/* Makes the set this spec's, before its first object: reads the owner object again, since another run may
 * have taken the place after the inspection (-1 with err, ERR_INPUT, when its spec is another), and writes
 * it when it is not there, or when its count is lower. Nothing to do for a foreign set. */
int set_take(struct set *s, const struct storage *store, struct err *err);
/* Its URI; malloc, NULL when out of memory. */
char *set_owner_uri(const struct set *s);
