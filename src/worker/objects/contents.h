/* contents: what the objects of a job hold. The one place that knows: what prepares, puts, overwrites and checks
 * them asks here.
 *
 * An object of a prepared set: a function of the set's id and the object's index; its blocks are numbered through
 * the whole set, so that dedup finds copies among objects of one block each, too. With job.verify, and where no
 * set describes an object: a function of its key behind the target, so that any worker knows it by name alone;
 * the fill, and what it is to be reduced by, are what the set or the op says. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "backends/backend.h"
#include "worker/objects/keyset.h"
#include "worker/objects/set.h"

struct err;

struct contents {
	const struct job *job;
	const struct data *data;
	const struct set *sets; /* one per job.sets */
	/* dedup over objects of different sizes, per set: number of the first block of each CONTENTS_STEPth
	 * object; NULL: nobody needs it */
	uint64_t **blocks;
};

/* All that is referred to stays in place; the sets need not have been looked at yet. cancel (atomic) ends it early:
 * what is made then is of no use but to be finished. 0, or -1 with err. */
int contents_init(struct contents *c, const struct job *job, const struct data *data,
	const struct set *sets, const uint32_t *cancel, struct err *err);
void contents_finish(struct contents *c);

/* Each fills data_at, stamp, fill, dedup, compress and block of an io. uri is the key, as it stands behind the
 * target, not at an endpoint. */

/* Object index of a set. */
void contents_of_set(const struct contents *c, const struct set *set, uint64_t index,
	const char *uri, struct io *io);
/* One that is known by its key; op has fill, dedup and compress. */
void contents_of_key(const struct contents *c, const struct job_op *op, const char *uri,
	struct io *io);
/* Key i of those that op chooses from: of a set, or by its key. */
void contents_of(const struct contents *c, const struct job_op *op,
	const struct keyset *keys, uint64_t i, const char *uri, struct io *io);

/* What makes the content of a thread's puts by one op: the same seed, the same content. */
struct contents_put {
	uint64_t group; /* of the blocks that dedup repeats */
	uint64_t block; /* the next one's number */
	/* where in the pool the walk at hand begins, how far it is and how much it wrote; how many there were from there,
	 * and how far the furthest went */
	uint64_t at, walked, written, turn, furthest;
};

/* What op writes: a new object of io->size bytes, or (range_put) as much of one at io->offset. random: a number of
 * its own. With job.verify that is a function of the key as well; else it is new each time, also where it overwrites
 * something, since there is storage that does not write what it has. */
void contents_of_put(const struct contents *c, const struct job_op *op,
	struct contents_put *p, uint64_t random, const char *uri, struct io *io);
