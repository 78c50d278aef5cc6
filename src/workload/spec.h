/* spec: a workload file as it was decoded. Private to workload/. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "inventory/inventory.h"
#include "proto/job.h"
#include "workload/rate.h"
#include "workload/storage.h"
#include "yaml/decode.h"

#define WORKLOAD_ENTRIES_MAX 1000
#define WORKLOAD_SLOTS_MAX 65536
#define WORKLOAD_DURATION_MAX_NS (UINT64_C(365) * 86400 * 1000000000)

/* How an op chooses. */
struct selection_spec {
	int how; /* enum selection */
	double theta;
	bool has_theta;
};

/* An entry of `workload:`. */
struct op_spec {
	enum op_kind kind;
	double weight;
	char *path, *target; /* as written; target or NULL */
	char *to;            /* copy: as written, or NULL */
	struct size_spec size;
	bool has_object_size, has_distribution;
	uint64_t range_size, range_align, part_size;
	unsigned batch;
	int fill; /* enum fill */
	unsigned dedup, compress;
	struct selection_spec selection;
	bool fsync, verify, has_verify, recursive;
	unsigned concurrency, max_keys;
	char *delimiter;
	const struct node *node;
};

/* An entry of `prepare.ensure_objects:`. */
struct set_spec {
	char *base_uri; /* as written, or NULL: the target */
	uint64_t count, min_size, max_size;
	bool has_count, has_min, has_max, has_distribution;
	struct size_spec size; /* from either way of saying it */
	int fill;
	unsigned dedup, compress;
	bool tree; /* of directory_structure; then count is that of its files */
	const struct node *node;
};

#define STRUCTURE_MASK "sai3bench.d%d_w%d.dir"

/* `prepare.directory_structure`. */
struct structure_spec {
	unsigned width, depth, files_per_dir;
	bool has_width, has_depth;
	int distribution; /* bottom, all */
	char *dir_mask;
	const struct node *node; /* NULL: there is none */
};

struct prepare_spec {
	const struct node *ensure_objects, *structure_node;
	bool cleanup, trust, overwrite;
	int strategy;     /* sequential, parallel */
	int cleanup_mode; /* enum cleanup_mode */
	uint64_t post_prepare_delay_ns;
	unsigned shards; /* key_prefix_shards */
	struct structure_spec structure;
	struct set_spec *sets;
	size_t n_sets;
};

enum tree_mode { TREE_CONCURRENT, TREE_COORDINATOR, TREE_ISOLATED };

struct distributed_spec {
	const struct node *agents, *ssh, *deployment; /* inventory/ reads them */
	bool shared_filesystem, shared_set;
	bool start_delay_set, ready_timeout_set;
	uint64_t start_delay_ns, ready_timeout_ns;
	char *path_template;
	int tree_mode;      /* enum tree_mode */
	int path_selection; /* enum path_selection */
	bool tree_mode_set, path_selection_set, overlap_set;
	double partition_overlap;
	struct host_endpoints endpoints;
	struct inventory inventory;
};

struct perf_log_spec {
	uint64_t interval_ns;
};

struct workload {
	struct yaml_doc *doc;
	struct buf text; /* the file as given */
	char *name, *description;
	char *target; /* as written, or NULL */
	uint64_t duration_ns, warmup_ns, start_delay_ns;
	uint64_t concurrency;
	bool concurrency_set;
	struct rate_spec rate;
	int page_cache;   /* enum page_cache */
	unsigned threads; /* 0: auto */
	bool dynamic_put_pool, verify;
	const struct node *ops_node, *prepare_node, *distributed_node, *perf_log_node;
	const struct node *storage_node, *error_handling_node;
	struct storage_spec storage;
	struct retry_spec retries;
	struct host_endpoints endpoints;
	struct op_spec *ops;
	size_t n_ops;
	struct prepare_spec prepare;
	struct distributed_spec distributed;
	struct perf_log_spec perf_log;
};

/* Tables, by the section that they are of. */
extern const struct key workload_keys[], entry_keys[], size_keys[], size_part_keys[],
	rate_keys[], io_rate_keys[], selection_keys[], structure_keys[], prepare_keys[],
	set_keys[], perf_log_keys[], distributed_keys[], storage_keys[],
	error_handling_keys[];

/* Each fills what the workload's own table left as nodes; -1 with err. */
int workload_decode_ops(struct decode *d, struct workload *w, struct err *err);
int workload_decode_prepare(struct decode *d, const struct node *n,
	struct prepare_spec *ret, struct err *err);
/* Decodes p's directory_structure; and, when the entries are there, says which of them it fills. */
int structure_decode(struct decode *d, struct prepare_spec *p, struct err *err);
int structure_settle(struct decode *d, struct prepare_spec *p, struct err *err);
/* Its tree; dir_mask is s's own. */
struct job_tree structure_tree(const struct structure_spec *s);
/* Refuses factors beside fill zero, in an entry of workload or ensure_objects. */
int workload_check_fill(struct decode *d, const struct node *entry, int fill,
	unsigned dedup, unsigned compress, struct err *err);
void op_spec_finish(struct op_spec *op);
void prepare_spec_finish(struct prepare_spec *p);

/* decode_fns of values that stand in several sections. */
decode_fn decode_size_distribution,      /* struct size_spec */
	decode_object_size,              /* struct size_spec: a bare size */
	decode_selection,                /* struct selection_spec */
	decode_factor;                   /* unsigned: dedup_factor, compress_factor */
extern const char *const fill_choices[]; /* for KEY_ENUM, as enum fill */
