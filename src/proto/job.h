/* job: what a worker is to do, whole. Planned by workload/, run by worker/, JSON in
 * job.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/ops.h"
#include "proto/store.h"

struct err;
typedef struct json_t json_t;

enum size_type { SIZE_FIXED, SIZE_UNIFORM, SIZE_LOGNORMAL, SIZE_MIX };

struct size_part {
	double weight;
	uint64_t min, max; /* bytes, inclusive; equal: fixed */
};

/* Sizes in bytes. Lognormal: mean and std_dev of the sizes themselves, not of their
 * logarithm; a draw outside [min, max] is clamped. */
struct size_spec {
	enum size_type type;
	uint64_t min, max; /* fixed: both the size; max 0 for lognormal: no bound */
	double mean, std_dev;
	struct size_part *parts;
	size_t n_parts;
};

/* Which of its objects an op takes.
 * sequential: one after the other, round and round; the threads of a worker share them out, so do workers on
 * shared storage, and begin anew each for itself. Ranges: all of an object, from its beginning, then those
 * of the next; where there are fewer objects than threads these take turns with the ranges.
 * zipf: rank r has probability proportional to 1 / (r + 1)^theta; ranks are spread over the objects.
 * latest: as zipf, where rank 0 is the object that was made last. */
enum selection { SELECT_UNIFORM, SELECT_SEQUENTIAL, SELECT_ZIPF, SELECT_LATEST };
extern const char *const selection_names[]; /* NULL-terminated */

/* Which part of a tree a worker (job.index of job.count) works in: everywhere alike; in its own
 * directories and partition_overlap of the others' (each of those with that probability, the same ones
 * all the time); in its own alone; or in its own, but for each op with probability partition_overlap
 * anywhere. Its own: directory number mod count == index. */
enum path_selection { PATHS_RANDOM, PATHS_PARTITIONED, PATHS_EXCLUSIVE, PATHS_WEIGHTED };
extern const char *const path_selection_names[]; /* NULL-terminated */

/* Open loop: when ops are due. */
enum arrival { ARRIVAL_CONSTANT, ARRIVAL_POISSON };
extern const char *const arrival_names[]; /* NULL-terminated */
/* How a thread waits for a due time. auto: hybrid where every engine thread can have a processor, else
 * sleep. */
enum timer { TIMER_AUTO, TIMER_SLEEP, TIMER_HYBRID, TIMER_SPIN };
extern const char *const timer_names[]; /* NULL-terminated */

#define JOB_RATE_MAX 1000000000u
#define JOB_THETA_MAX 20u
struct job_rate {
	double ops; /* a second, of this worker; 0: closed loop */
	enum arrival arrival;
	enum timer timer;
};

/* posix_fadvise on files that are opened. dontneed: before a file is read, and when it was written, its
 * pages leave the cache. */
enum page_cache {
	PAGES_AUTO,
	PAGES_NORMAL,
	PAGES_SEQUENTIAL,
	PAGES_RANDOM,
	PAGES_DONTNEED
};
extern const char *const page_cache_names[]; /* NULL-terminated */

/* A tree of directories. Level 1 has width of them, each next level width in each of the one above; files
 * lie in those of the last level, or (all) of every level, files_per_dir in each, numbered through
 * the whole tree: worker/objects/tree.h has the order. */
struct job_tree {
	uint32_t width, depth; /* depth 0: no tree */
	uint32_t files_per_dir;
	bool all;
	char *dir_mask; /* two %d: level and number in the directory above, both from 1 */
};

/* Directories of it, those that hold files, and files; UINT64_MAX: more than a number can say. */
uint64_t job_tree_dirs(const struct job_tree *t);
uint64_t job_tree_file_dirs(const struct job_tree *t);
uint64_t job_tree_files(const struct job_tree *t);
/* Who removes the directories of a tree where several workers do: directories of the last level that lie together, and
 * all that hold nothing but directories of that worker. One that holds some of several workers is nobody's. */
struct job_tree_part {
	uint64_t first, n; /* of those of the last level */
	uint64_t dirs;     /* with those above them */
};
struct job_tree_part job_tree_part(
	const struct job_tree *t, uint32_t index, uint32_t count);
#define JOB_TREE_MAX 100000000u /* directories, and files: names have eight digits */
/* What is wrong with a dir_mask, to go behind what it is called; or NULL. */
const char *job_tree_mask_flaw(const char *mask);

enum cleanup_mode { CLEANUP_TOLERANT, CLEANUP_STRICT, CLEANUP_BEST_EFFORT };
extern const char *const cleanup_mode_names[]; /* NULL-terminated */

/* One entry of the mix.
 *
 * get, stat, delete: uri is an exact key; or `prefix/`, which is everything below it; or
 * a glob, in which '*' and '?' do not match '/'. A uri covers a set when it is a
 * `prefix/` that the set's uri begins with, or a glob that matches
 * "<set uri>NAME-00000000.dat". What a uri covers is computed and never listed: get and
 * stat use the sets named "prepared" (never "deletable" ones); delete uses the covered
 * "deletable" sets when there is one, else the "prepared" ones.
 * range_get: as get; bytes range_size at a random offset that is a multiple of range_align,
 * within the object when its size is known.
 * put, multipart_put: the key is uri followed by RUN-WORKER-THREAD-SEQ (uri ends with '/', or
 * is how names begin).
 * copy: uri is chosen as by get; the copy is `to` followed by RUN-WORKER-THREAD-SEQ.
 * list: a prefix that ends with '/'.
 * range_put: overwrites range_size bytes of an object, chosen as by range_get.
 *
 * Trees. put whose uri covers a set that is a tree overwrites files of it: the key is chosen as by get,
 * the size is the file's own. What overwrites (a range_put, too) writes what is there already with
 * job.verify, else something new.
 * mkdir: a new directory, uri followed by RUN-WORKER-THREAD-SEQ; when uri covers a tree, in a directory
 * of the tree that is chosen as by get. rmdir: the oldest one that a mkdir of this worker with the same uri
 * has made; without such a mkdir uri covers a tree, and each of its directories is removed at most
 * once, when those in it are gone: worker/objects/removal.h. */
struct job_op {
	enum op_kind kind;
	double weight;
	char *uri; /* absolute, this worker's own; may hold * ? [] (get, stat, delete) */
	struct size_spec size; /* put, multipart_put */
	/* put, multipart_put, range_put; get, range_get with verify: what objects hold that no set describes */
	enum fill fill;
	uint32_t dedup, compress; /* as of a set */
	enum selection
		selection; /* get, stat, range_get, range_put, copy; puts into a tree */
	double theta;      /* zipf and latest: 0 < theta, not 1 exactly */
	bool verify;       /* get, range_get: content is checked */
	bool recursive;    /* mkdir: parents too; rmdir: with all below */
	uint64_t range_size,
		range_align; /* range_get, range_put; align 0 or 1: any offset */
	/* range_put, not in JSON: the backend's fit says of what the bytes that are written at once are a
	 * multiple; what an object has beyond is left as it is. 0 or 1: any */
	uint32_t range_unit;
	uint64_t part_size; /* multipart_put; 0: the backend's choice */
	char *to;           /* copy: absolute, where copies go */
	uint32_t batch;     /* delete: objects per request; 0 or 1: one */
	/* dynamic_put_pool: objects that this worker's puts of a pool make are chosen by the gets, range_gets,
	 * stats and copies of the same pool, too, once they are there, as likely as any other object; 0: none */
	uint32_t pool;
	uint32_t concurrency; /* cap for this op, 0: none */
	bool fsync;
	uint32_t max_keys; /* list: page size, 0: 1000 */
	char *delimiter;   /* list: NULL or "/" */
	char *place;       /* FILE:LINE:COLUMN */
};

/* What the keys that an op makes begin with, behind which comes RUN-WORKER-THREAD-SEQ; NULL: it makes
 * none. */
static inline const char *job_op_puts(const struct job_op *op)
{
	if (op->kind == OP_COPY)
		return op->to;
	return op->kind == OP_PUT || op->kind == OP_MULTIPART_PUT ? op->uri : NULL;
}

/* A prepared set: objects NAME-%08u.dat under uri, indices 0..count-1; this worker makes
 * those with index mod job.share_count == job.share_index. Sizes and content are a
 * function of id and index, so any worker makes the same object. The set is owned by
 * muster through "<uri>.muster-owner" (for "deletable" sets ".muster-owner-deletable"), a
 * JSON object with id. */
struct job_set {
	char *uri;  /* absolute, this worker's own, ends with '/' */
	char *name; /* "prepared" or "deletable" */
	uint64_t count;
	/* names are behind "%02x/" of index mod shards (at most 256); 0: no shards */
	uint32_t shards;
	struct size_spec size;
	enum fill fill;
	/* of N blocks of 4 KiB one is new, the others repeat it; about N:1 by compression; 0, 1: neither:
	 * backends/content.h, worker/objects/contents.h */
	uint32_t dedup, compress;
	struct job_tree tree; /* then names are others, and count is that of its files */
	uint64_t
		id; /* hash of base_uri as written, name, sizes, fill, ...: all but count */
	char *place;
};

/* Places that see the same objects. An op on `base`REST goes to uris[i]REST; i is drawn per op by the
 * strategy, per engine thread. */
enum endpoint_strategy { ENDPOINT_ROUND_ROBIN, ENDPOINT_LEAST_CONNECTIONS };
extern const char *const endpoint_strategy_names[]; /* NULL-terminated */
#define JOB_ENDPOINTS_MAX 1000u
struct job_endpoints {
	enum endpoint_strategy strategy;
	char *base; /* absolute, ends with '/': the worker's target */
	char **uris; /* absolute, each ends with '/'; NULL-terminated; NULL: there are none */
		     /* base need not be one of them */
};

struct job {
	uint32_t generation;
	char *run;    /* RUN of put names: unique, [a-z0-9], 12 characters */
	char *worker; /* this worker's id, WORKER of put names: [A-Za-z0-9._-] */
	uint64_t seed;
	uint32_t index, count; /* worker index of all workers of this generation */
	uint32_t share_index, share_count; /* of prepared sets: (index, count) on shared
					    * storage, (0, 1) on local storage */
	char *target;                      /* absolute, this worker's own; NULL: none */
	uint32_t concurrency;              /* slots of this worker */
	uint32_t threads; /* engine threads; 0: the backend's own choice */
	uint64_t warmup_ns, duration_ns;
	uint64_t op_timeout_ns;     /* bound on draining */
	uint64_t stats_interval_ns; /* one delta each */
	uint64_t deadline_ns;       /* hard end, from when the job came; 0: none */
	struct job_rate rate;
	/* Reads, overwrites and deletes work through this worker's share of their objects (ranges) once, in order
	 * with selection sequential, else shuffled; the load ends with the last of them, or with the
	 * duration. Other ops go on until then. */
	bool once;
	/* What muster writes is a function of key (behind the target) and offset, so that any worker can
	 * check it; dedup then repeats blocks within an object alone. */
	bool verify;
	bool interleave; /* prepare: the sets side by side, not one after the other */
	bool trust;      /* sets are there, nobody looks (skip_verification) */
	bool overwrite; /* all objects of the sets are made, nobody looks (force_overwrite) */
	bool coordinator;   /* sets are made by the worker with share_index 0 alone */
	bool allow_foreign; /* delete, rmdir and overwriting of what muster did not make */
	bool open_warmup;   /* warm-up lasts until `measure` says when it is over */
	enum page_cache page_cache;
	enum path_selection path_selection;
	double partition_overlap;    /* 0 to 1 */
	bool prepare, load, cleanup; /* which phases there will be */
	enum cleanup_mode cleanup_mode;
	struct job_op *ops;
	size_t n_ops;
	struct job_set *sets;
	size_t n_sets;
	/* "NAME=VALUE", NULL-terminated or NULL: set before the backend starts */
	char **env;
	/* The same, forwarded from the orchestrator's machine: set only where the host has no value of its
	 * own. Both may hold secrets. */
	char **env_default;
	struct store_options store;
	struct job_endpoints endpoints;
	/* cleanup: besides its own, the put files of these workers (lost ones, on shared
	 * storage); NULL-terminated or NULL */
	char **heirs_of;
};

void size_spec_finish(struct size_spec *s);
int size_spec_copy(struct size_spec *to, const struct size_spec *from); /* 0 or -ENOMEM */
double size_spec_mean(const struct size_spec *s); /* expected bytes, within min and max */

void job_finish(struct job *j);

/* JSON of a job; job_from_json refuses missing, unknown-typed and out-of-range members by
 * name. The returned json is a new reference, NULL when out of memory. */
json_t *job_to_json(const struct job *j);
int job_from_json(const json_t *json, struct job *ret, struct err *err);
