/* workload: a workload file, decoded and checked: the top level. */
#include "workload/workload.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"
#include "common/text.h"
#include "common/units.h"
#include "inventory/endpoints.h"
#include "inventory/keys.h"
#include "workload/spec.h"
#include "workload/uri.h"

#define FILE_BYTES_MAX (16u << 20)
#define THREADS_MAX 1024
#define PARTITION_OVERLAP 0.3

/* auto, single or a number. */
static int decode_processes(
	struct decode *d, const struct node *n, void *dst, struct err *err)
{
	unsigned *threads = dst;
	uint64_t v;

	if (n->type == NODE_SCALAR && strcmp(n->value, "auto") == 0)
		*threads = 0;
	else if (n->type == NODE_SCALAR && strcmp(n->value, "single") == 0)
		*threads = 1;
	else if (n->type == NODE_SCALAR && units_parse_count(n->value, &v) == 0 &&
		 v >= 1 && v <= THREADS_MAX)
		*threads = (unsigned)v;
	else
		return node_error(d->doc, n, err,
			"engine threads are auto, single or a number from 1 to %d",
			THREADS_MAX);
	return 0;
}

#define AT(member) .offset = offsetof(struct workload, member)

const struct key workload_keys[] = {
	{"description", KEY_STR, AT(description),
		.help = "What the workload is about, for people."},
	{"target", KEY_STR, AT(target), .help = "URI that relative paths are below."},
	{"duration", KEY_DURATION, AT(duration_ns), .def = "60s", .min = NS_PER_MS,
		.max = WORKLOAD_DURATION_MAX_NS, .help = "Length of the measured phase."},
	{"concurrency", KEY_COUNT, AT(concurrency), .def = "16, with a rate 1024",
		.set_offset = offsetof(struct workload, concurrency_set), .min = 1,
		.max = WORKLOAD_SLOTS_MAX,
		.help = "Slots per worker: ops in flight at once."},
	{"warmup_period", KEY_DURATION, AT(warmup_ns), .def = "0",
		.max = WORKLOAD_DURATION_MAX_NS,
		.help = "Load runs so long before what is measured."},
	{"start_delay", KEY_DURATION, AT(start_delay_ns), .def = "0",
		.max = WORKLOAD_DURATION_MAX_NS,
		.help = "Extra lead before the common start."},
	{"workload", KEY_NODE, AT(ops_node), .help = "The weighted ops; required."},
	{"prepare", KEY_NODE, AT(prepare_node),
		.help = "What is to be there before the load, and what is removed after "
			"it."},
	{"distributed", KEY_NODE, AT(distributed_node),
		.help = "The hosts, and how they share the work."},
	{"perf_log", KEY_NODE, AT(perf_log_node), .help = "How often figures are taken."},
	{"processes", KEY_CUSTOM, AT(threads), .fn = decode_processes, .def = "auto",
		.help = "Engine threads per worker: auto, single or a number."},
	{"processing_mode", KEY_CUSTOM, AT(threads), .fn = decode_processes,
		.def = "auto", .help = "(old) The same as processes."},
	{"users", KEY_LATER, .help = "Closed loop of so many users over all workers."},
	{"spawn_rate", KEY_LATER, .help = "Users that begin per second."},
	{"think_time", KEY_LATER, .help = "Pause of a user between ops."},
	{"rate", KEY_CUSTOM, AT(rate), .fn = decode_rate, .def = "none: closed loop",
		.help = "Open loop: ops per second over all workers, or {ops, arrival, "
			"timer}; concurrency then bounds what is in flight."},
	{"io_rate", KEY_CUSTOM, AT(rate), .fn = decode_io_rate,
		.help = "(old) Open loop, per worker: {iops, distribution}."},
	{"stages", KEY_LATER, .help = "Phases that follow one another."},
	{"page_cache_mode", KEY_ENUM, AT(page_cache), page_cache_names, .def = "auto",
		.help = "file://: advice to the kernel: auto (none), normal, sequential, "
			"random, or dontneed: files leave the page cache."},
	{"endpoint", KEY_STR, AT(storage.options.endpoint),
		.def = "that of the environment, else the store's own",
		.help = "URL of an object store; the same as storage.endpoint."},
	{"http_engine", KEY_ENUM, AT(storage.options.engine), store_engine_names,
		.def = "own", .help = "The same as storage.http_engine."},
	{"storage", KEY_NODE, AT(storage_node),
		.help = "How an object store is reached."},
	{"multi_endpoint", KEY_CUSTOM, AT(endpoints), .fn = endpoints_decode,
		.help = "Endpoints that ops are spread over."},
	{"error_handling", KEY_NODE, AT(error_handling_node),
		.help = "What is tried again."},
	{"dynamic_put_pool", KEY_BOOL, AT(dynamic_put_pool), .def = "false",
		.help = "Gets, range_gets, stats and copies also choose from what the "
			"puts "
			"of their worker have made in the same folder."},
	{"op_log_path", KEY_LATER, .help = "A line per op."},
	{"verify", KEY_BOOL, AT(verify), .def = "false",
		.help = "Gets and range_gets check content, which is then a function of "
			"name and offset: any host checks what any other wrote."},
	{"range_engine", KEY_IGNORED, .help = "(old) Tuning of another program."},
	{"s3dlio_optimization", KEY_IGNORED, .help = "(old) Tuning of another program."},
	{"enable_metadata_cache", KEY_IGNORED,
		.help = "(old) Tuning of another program."},
	{"cache_checkpoint_interval_secs", KEY_IGNORED,
		.help = "(old) Tuning of another program."},
	{"autotune", KEY_IGNORED, .help = "(old) Tuning of another program."},
	{"distributed_env", KEY_IGNORED, .help = "(old) Tuning of another program."},
	{.name = NULL},
};

#define DIST(member) .offset = offsetof(struct distributed_spec, member)
#define DIST_SET(member) .set_offset = offsetof(struct distributed_spec, member)
static const char no_grpc[] = "hosts are reached over SSH";

/* as enum tree_mode */
static const char *const tree_modes[] = {"concurrent", "coordinator", "isolated", NULL};

const struct key distributed_keys[] = {
	{"agents", KEY_NODE, DIST(agents), .help = "The hosts, one worker each."},
	{"ssh", KEY_NODE, DIST(ssh), .help = "How they are logged in to."},
	{"shared_filesystem", KEY_BOOL, DIST(shared_filesystem), DIST_SET(shared_set),
		.def = "by the target's scheme", .help = "All hosts see the same files."},
	{"path_template", KEY_STR, DIST(path_template), .def = "{name}/",
		.help = "Subdirectory of each worker on local storage; {name}, {id}: its "
			"name, "
			"{n}: its number from 1."},
	{"start_delay", KEY_DURATION, DIST(start_delay_ns), DIST_SET(start_delay_set),
		.def = "that of the top level", .max = WORKLOAD_DURATION_MAX_NS,
		.help = "Extra lead before the common start."},
	{"agent_ready_timeout", KEY_DURATION, DIST(ready_timeout_ns),
		DIST_SET(ready_timeout_set), .def = "60s",
		.max = WORKLOAD_DURATION_MAX_NS,
		.help = "How long hosts may take to be ready; 0: for ever."},
	{"tree_creation_mode", KEY_ENUM, DIST(tree_mode), tree_modes, .def = "concurrent",
		DIST_SET(tree_mode_set),
		.help = "Who makes a directory_structure on shared storage: all "
			"(concurrent), the first worker (coordinator), or each one of "
			"its own in a folder of its own (isolated)."},
	{"path_selection", KEY_ENUM, DIST(path_selection), path_selection_names,
		.def = "random", DIST_SET(path_selection_set),
		.help = "Which part of a tree on shared storage a worker works in: "
			"random (all), partitioned (its own and some of the others'), "
			"exclusive (its own), weighted (its own, sometimes any)."},
	{"partition_overlap", KEY_DOUBLE, DIST(partition_overlap), .def = "0.3",
		DIST_SET(overlap_set),
		.help = "partitioned, weighted: how much of the others' parts, from 0 "
			"to 1."},
	{"multi_endpoint", KEY_CUSTOM, DIST(endpoints), .fn = endpoints_decode,
		.def = "that of the top level",
		.help = "Endpoints that ops are spread over."},
	{"deployment", KEY_NODE, DIST(deployment),
		.help = "Containers that workers run in."},
	{"stages", KEY_LATER, .help = "Phases that follow one another."},
	{"barrier_sync", KEY_LATER, .help = "What happens when a host misses a stage."},
	{"custom", KEY_LATER, .help = "Commands to run on the hosts."},
	{"grpc_keepalive_interval", KEY_IGNORED, .arg = no_grpc, .help = "(old)"},
	{"grpc_keepalive_timeout", KEY_IGNORED, .arg = no_grpc, .help = "(old)"},
	{.name = NULL},
};

static const char always_there[] = "timeseries.tsv is in every results directory";

const struct key perf_log_keys[] = {
	{"interval", KEY_DURATION, offsetof(struct perf_log_spec, interval_ns),
		.def = "1s", .min = 100 * NS_PER_MS, .max = 60 * NS_PER_SEC,
		.help = "Length of a row of timeseries.tsv."},
	{"path", KEY_IGNORED, .arg = always_there, .help = "(old) File of the figures."},
	{"enabled", KEY_IGNORED, .arg = always_there,
		.help = "(old) Whether they are kept."},
	{.name = NULL},
};

const struct workload_table workload_tables[] = {
	{"", workload_keys},
	{"rate", rate_keys},
	{"io_rate", io_rate_keys},
	{"workload[]", entry_keys},
	{"workload[].selection", selection_keys},
	{"size_distribution", size_keys},
	{"size_distribution.parts[]", size_part_keys},
	{"prepare", prepare_keys},
	{"prepare.ensure_objects[]", set_keys},
	{"prepare.directory_structure", structure_keys},
	{"perf_log", perf_log_keys},
	{"storage", storage_keys},
	{"error_handling", error_handling_keys},
	{"multi_endpoint", endpoints_keys},
	{"distributed", distributed_keys},
	{"distributed.agents[]", distributed_agent_keys},
	{"distributed.ssh", distributed_ssh_keys},
	{"distributed.deployment", distributed_deployment_keys},
	{NULL, NULL},
};

/* File name without folder and ending, of characters that can name a folder. */
static char *short_name(const char *path)
{
	const char *base = strrchr(path, '/');
	char *name, *dot;

	base = base ? base + 1 : path;
	name = strdup(strcmp(path, "<stdin>") == 0 ? "stdin" : base);
	if (!name)
		return NULL;
	dot = strrchr(name, '.');
	if (dot && dot != name)
		*dot = '\0';
	for (char *c = name; *c; c++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ01234567"
			    "89._-",
			    *c) ||
			(c == name && *c == '.'))
			*c = '-';
	return name;
}

static int check_overlap(struct decode *d, const struct distributed_spec *s,
	const struct node *n, struct err *err)
{
	if (!s->overlap_set)
		return 0;
	if (!(s->partition_overlap >= 0 && s->partition_overlap <= 1))
		return node_error(d->doc, node_get(n, "partition_overlap"), err,
			"partition_overlap must be from 0 to 1");
	if (s->path_selection != PATHS_PARTITIONED && s->path_selection != PATHS_WEIGHTED)
		decode_warn(d, node_get(n, "partition_overlap"),
			"partition_overlap is for path_selection partitioned and "
			"weighted, and not used with %s",
			path_selection_names[s->path_selection]);
	return 0;
}

static int decode_distributed(struct decode *d, struct workload *w,
	const struct workload_options *o, struct err *err)
{
	const struct node *n = w->distributed_node;
	struct inventory_options own = {
		.lenient = d->lenient, .warn = d->warn, .user = d->user};
	const struct inventory_options *hosts = o && o->hosts ? o->hosts : &own;

	if (!n || n->type == NODE_NULL)
		return 0;
	if (decode_map(d, n, distributed_keys, "distributed section", &w->distributed,
		    err) < 0)
		return -1;
	if (check_overlap(d, &w->distributed, n, err) < 0)
		return -1;
	return inventory_from_distributed(
		d->doc, n, hosts, &w->distributed.inventory, err);
}

static int decode_perf_log(struct decode *d, struct workload *w, struct err *err)
{
	if (!w->perf_log_node || w->perf_log_node->type == NODE_NULL)
		return 0;
	return decode_map(d, w->perf_log_node, perf_log_keys, "perf_log section",
		&w->perf_log, err);
}

static int decode_workload(
	struct workload *w, const struct workload_options *o, struct err *err)
{
	struct decode d = {.doc = w->doc,
		.lenient = o && o->lenient,
		.warn = o ? o->warn : NULL,
		.user = o ? o->user : NULL};

	if (w->doc->root->type != NODE_MAP)
		return node_error(w->doc, w->doc->root, err,
			"a workload is a mapping with 'target', 'workload' and so on");
	if (decode_map(&d, w->doc->root, workload_keys, "workload", w, err) < 0)
		return -1;
	if (workload_decode_prepare(&d, w->prepare_node, &w->prepare, err) < 0 ||
		workload_decode_ops(&d, w, err) < 0 || decode_perf_log(&d, w, err) < 0 ||
		storage_decode(&d, w, err) < 0)
		return -1;
	return decode_distributed(&d, w, o, err);
}

int workload_parse(const char *name, const char *text, size_t len,
	const struct workload_options *o, struct workload **ret, struct err *err)
{
	struct workload *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return err_sys(err, ENOMEM, "workload");
	w->duration_ns = 60 * NS_PER_SEC;
	w->concurrency = 16;
	w->perf_log.interval_ns = NS_PER_SEC;
	w->distributed.partition_overlap = PARTITION_OVERLAP;
	storage_init(w);
	w->name = short_name(name);
	if (!w->name || buf_append(&w->text, text, len) < 0)
		r = err_sys(err, ENOMEM, "workload");
	else
		r = yaml_parse(name, text, len, &w->doc, err);
	if (r == 0)
		r = decode_workload(w, o, err);
	if (r < 0) {
		workload_destroy(w);
		return -1;
	}
	*ret = w;
	return 0;
}

int workload_load(const char *path, const struct workload_options *o,
	struct workload **ret, struct err *err)
{
	struct buf text AUTO_BUF = BUF_INIT;

	if (file_read(path, FILE_BYTES_MAX, &text, err) < 0) {
		err->kind = ERR_INPUT; /* a file that cannot be accepted */
		return -1;
	}
	if (workload_parse(strcmp(path, "-") == 0 ? "<stdin>" : path,
		    text.data ? text.data : "", text.len, o, ret, err) < 0)
		return -1;
	if (storage_read(*ret, err) < 0) {
		workload_destroy(STEAL_PTR(ret));
		return -1;
	}
	return 0;
}

void workload_destroy(struct workload *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->n_ops; i++)
		op_spec_finish(&w->ops[i]);
	free(w->ops);
	prepare_spec_finish(&w->prepare);
	storage_finish(w);
	decode_release(endpoints_keys, &w->endpoints);
	decode_release(endpoints_keys, &w->distributed.endpoints);
	inventory_finish(&w->distributed.inventory);
	free(w->distributed.path_template);
	free(w->target);
	free(w->name);
	free(w->description);
	buf_finish(&w->text);
	yaml_destroy(w->doc);
	free(w);
}

const struct inventory *workload_inventory(const struct workload *w)
{
	return &w->distributed.inventory;
}

uint64_t workload_ready_timeout_ns(const struct workload *w)
{
	const struct distributed_spec *d = &w->distributed;

	if (d->ready_timeout_set && d->ready_timeout_ns == 0)
		return UINT64_MAX;
	return d->ready_timeout_ns;
}

uint64_t workload_duration_ns(const struct workload *w)
{
	return w->duration_ns;
}

const char *workload_description(const struct workload *w)
{
	return w->description;
}

uint64_t workload_start_delay_ns(const struct workload *w)
{
	return w->distributed.start_delay_set ? w->distributed.start_delay_ns
					      : w->start_delay_ns;
}

const char *workload_name(const struct workload *w)
{
	return w->name;
}
