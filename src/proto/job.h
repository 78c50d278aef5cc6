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
 * list: a prefix that ends with '/'. */
struct job_op {
	enum op_kind kind;
	double weight;
	char *uri; /* absolute, this worker's own; may hold * ? [] (get, stat, delete) */
	struct size_spec size;            /* put, multipart_put */
	enum fill fill;                   /* put, multipart_put */
	uint64_t range_size, range_align; /* range_get; align 0 or 1: any offset */
	uint64_t part_size;               /* multipart_put; 0: the backend's choice */
	char *to;                         /* copy: absolute, where copies go */
	uint32_t batch;                   /* delete: objects per request; 0 or 1: one */
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
	uint64_t id; /* hash of base_uri as written, name, sizes, fill: all but count */
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
	uint64_t op_timeout_ns;      /* bound on draining */
	uint64_t stats_interval_ns;  /* one delta each */
	uint64_t deadline_ns;        /* hard end, from when the job came; 0: none */
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
double size_spec_mean(const struct size_spec *s); /* expected bytes, before clamping */

void job_finish(struct job *j);

/* JSON of a job; job_from_json refuses missing, unknown-typed and out-of-range members by
 * name. The returned json is a new reference, NULL when out of memory. */
json_t *job_to_json(const struct job *j);
int job_from_json(const json_t *json, struct job *ret, struct err *err);
