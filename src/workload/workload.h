/* workload: a workload file, checked, and planned into one job per worker. Pure.
 *
 * Paths. A path of an op is an absolute URI, which wins, or relative to the op's target, else to the
 * worker's: the host's target_override, else --target, else the file's target, else the first of its
 * endpoints. A target names a folder, with or without '/' at its end. Nothing is percent-decoded. Empty and
 * "." parts of paths of files are dropped, and ".." is refused; keys of objects are bytes, of which all stay. get, stat, delete: an exact key, `prefix/` (everything below), or a glob. put: what
 * names begin with; "out" means "out/", while "out/new-" stays, and a '*' at its end is dropped. list:
 * a prefix.
 *
 * Storage. file:// is each host's own, unless `shared_filesystem: true` or --shared-prepare yes. Then
 * every worker works in a folder of its own (path_template, default "{name}/"; {name} and {id} are its
 * id in the characters [A-Za-z0-9._-], {n} its number in the run, from 1): behind the worker's target in
 * URIs that begin with it, target_override or not; else behind the topmost folder that an absolute URI
 * of the workload names on the way. Only a worker without a host that is alone has none. On shared
 * storage there are no such folders, and prepared sets are split by index mod count; but with a tree and
 * tree_creation_mode isolated there are, as on local storage. null:// is neither: no folders, nothing split.
 *
 * Endpoints. Those of the host count, else those of the agent of its name, of distributed, of the top
 * level. All endpoints of a workload see the same objects: an absolute URI below any of them means what lies
 * below the worker's target.
 *
 * Sets. A delete whose path covers a set that a get or stat uses too gets a second set, "deletable", of
 * the same count and sizes (a note says so); proto/job.h has what covers means. The id of a set comes
 * from its place (by the file's or the command line's target, whatever target_override says), name,
 * sizes and fill (with factors, a tree, or verify: from these, too), so that all workers and later runs
 * agree on it.
 *
 * Precedence: a host's concurrency_override and target_override win over the command line, the command
 * line over the file; where the host has none, the workload's agent of the same name counts. Environment:
 * agent's and host's together, the host's wins. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "inventory/inventory.h"
#include "proto/job.h"

struct err;

struct workload_options {
	bool lenient; /* unknown keys are warnings */
	void (*warn)(const char *text, void *user);
	void *user;
	const struct inventory_options *hosts; /* for distributed.agents */
};

/* workload_load also reads the files that `storage:` names; workload_parse reads none.
 *
 * A decoded file; URIs as written. Its parts are workload/'s own; others use what follows. */
struct workload;

int workload_load(const char *path, const struct workload_options *o,
	struct workload **ret, struct err *err);
int workload_parse(const char *name, const char *text, size_t len,
	const struct workload_options *o, struct workload **ret, struct err *err);
void workload_destroy(struct workload *w);

/* Hosts of `distributed.agents`; empty when there are none. */
const struct inventory *workload_inventory(const struct workload *w);
/* NULL / 0 where the file says nothing. */
uint64_t workload_ready_timeout_ns(
	const struct workload *w); /* distributed.agent_ready_timeout */
uint64_t workload_start_delay_ns(const struct workload *w);
uint64_t workload_duration_ns(const struct workload *w);
const char *workload_description(const struct workload *w);
/* "get 80, list 10, put 10": the share of each kind of op in %. malloc. */
char *workload_mix_text(const struct workload *w);

/* Run overrides of the command line; NULL / 0 / -1: not given. */
struct workload_overrides {
	const char *target;
	uint64_t duration_ns;
	uint64_t concurrency;
	double rate; /* ops per second over all workers; below 0: none, whatever the file says */
	int arrival, timer;               /* 1 + enum arrival, 1 + enum timer */
	bool once, verify, allow_foreign; /* as in a job */
	double autoterm; /* warm-up and measure last until steady within this: 0.05 is 5 %; 0: they do not */
	bool seed_set;
	uint64_t seed;
	int shared_prepare; /* -1 not given, 0 no, 1 yes */
	/* how long others may take to be ready: --expect-workers-max-wait; UINT64_MAX: for ever, 0: as
	 * the file says, else 60 s. Only the hard deadline of a job depends on it. */
	uint64_t ready_wait_ns;
	/* of object stores */
	const char *endpoint; /* URL */
	int http_engine;      /* 0: not given, else 1 + enum store_engine */
	bool insecure_tls;
	/* Becomes env of all jobs, below those of agents and hosts; as the next one. */
	char *const *env;
	/* Becomes env_default of all jobs: NAME=VALUE, NULL-terminated or NULL; outlives the call. */
	char *const *env_default;
};

/* "5000", "5,000/s": ops per second above 0. 0, or -1: it is none. */
int workload_parse_rate(const char *text, double *ret);

/* A worker process to plan for. */
struct plan_worker {
	const char *id; /* its name; unique */
	const struct host
		*host;   /* NULL: this machine without an inventory; outlives the call */
	unsigned number; /* of the worker on its host, from 0 */
};

/* What a run will do, for the header, the progress bar and metadata. */
struct plan {
	struct job *jobs; /* one per worker, same order */
	size_t n;
	bool shared;   /* storage that all workers see alike, and share */
	bool isolated; /* they see the same, and each works in a folder of its own */
	char *target;  /* as shown; may be NULL */
	uint64_t warmup_ns, duration_ns, start_delay_ns, post_prepare_delay_ns;
	double autoterm; /* of the overrides: warmup_ns and duration_ns are bounds then, */
	uint64_t least_warmup_ns; /* and warm-up lasts so long at least */
	uint64_t stats_interval_ns;
	uint64_t prepare_objects, prepare_bytes; /* over all workers; bytes expected */
	uint64_t prepare_dirs;                   /* the same, of trees */
	uint64_t seed;
	bool object_store;
	bool tls_unverified; /* certificates of the store are not verified: said wherever results are */
	char **notes; /* NULL-terminated: what planning decided and people should know */
};

/* Plans w over workers[0..n). run: RUN of put names (12 of [a-z0-9]); generation goes into each job.
 * Without a seed in the overrides, one is drawn from run. Errors (ERR_INPUT) name FILE:LINE:COLUMN. */
int workload_plan(const struct workload *w, const struct workload_overrides *o,
	const struct plan_worker *workers, size_t n, const char *run, uint32_t generation,
	struct plan *ret, struct err *err);
void plan_finish(struct plan *p);
/* Whether uri of an op means the files of a tree. */
bool workload_in_tree(const struct job *j, const char *uri);

/* The file as given with secrets blanked in place ("***"), for config.yaml. malloc. */
char *workload_text_redacted(const struct workload *w);
const char *workload_name(
	const struct workload *w); /* file name without folder and ending */

/* Values of NAME=VALUE lists and URIs that are secrets are replaced by "***": names that contain KEY,
 * SECRET, TOKEN, PASSWORD or CREDENTIAL, and userinfo or sig= of URIs. */
bool workload_is_secret_name(const char *name);

/* The key tables, for documentation, sample files and tests. */
struct key;
struct workload_table {
	const char *name; /* "" top level, "workload[]", "prepare", ... */
	const struct key *keys;
};
extern const struct workload_table workload_tables[]; /* ends with a NULL name */
