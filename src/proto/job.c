/* job: a job's members on the wire, one row each, and what must hold between them. */
#include "proto/job.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "proto/fields.h"
#include "proto/job_fields.h"

#define ENTRIES_MAX 10000u
#define NAME_MAX_BYTES 200u
#define BATCH_MAX 10000u
#define SHARDS_MAX 256u
#define FACTOR_MAX 1000000u /* dedup, compress */
#define LEVELS_MAX 64u      /* depth of a tree */
#define FILES_MAX 100000000u
#define MASK_BYTES_MAX 200u

const char *const fill_names[] = {"random", "zero", "unique", NULL};
const char *const selection_names[] = {"uniform", "sequential", "zipf", "latest", NULL};
const char *const path_selection_names[] = {
	"random", "partitioned", "exclusive", "weighted", NULL};
const char *const arrival_names[] = {"constant", "poisson", NULL};
const char *const timer_names[] = {"auto", "sleep", "hybrid", "spin", NULL};
const char *const page_cache_names[] = {
	"auto", "normal", "sequential", "random", "dontneed", NULL};
const char *const cleanup_mode_names[] = {"tolerant", "strict", "besteffort", NULL};
const char *const endpoint_strategy_names[] = {"round_robin", "least_connections", NULL};
static const char *const size_type_names[] = {"fixed", "uniform", "lognormal", "mix"};

/* of an array that ends with NULL */
#define NAMES(array)                                                                     \
	{                                                                                \
		(array), sizeof(char *), ARRAY_LEN(array) - 1                            \
	}
static const struct names fills = NAMES(fill_names);
static const struct names selections = NAMES(selection_names);
static const struct names path_selections = NAMES(path_selection_names);
static const struct names arrivals = NAMES(arrival_names);
static const struct names timers = NAMES(timer_names);
static const struct names page_caches = NAMES(page_cache_names);
static const struct names cleanup_modes = NAMES(cleanup_mode_names);
static const struct names strategies = NAMES(endpoint_strategy_names);
static const struct names size_types = {
	size_type_names, sizeof(char *), ARRAY_LEN(size_type_names)};
const struct names op_kind_names = {&op_infos[0].name, sizeof(struct op_info), OP_KINDS};

static int check_size_part(const void *object, struct err *err)
{
	const struct size_part *p = object;

	return p->min <= p->max ? 0 : err_set(err, ERR_FAILED, "has a min above its max");
}

static const struct field size_part_fields[] = {
	MEMBER(size_part, weight, FIELD_DOUBLE),
	MEMBER(size_part, min, FIELD_U64),
	MEMBER(size_part, max, FIELD_U64),
	MEMBERS_END,
};

static double parts_weight(const struct size_spec *s)
{
	double weight = 0;

	for (size_t i = 0; i < s->n_parts; i++)
		weight += s->parts[i].weight;
	return weight;
}

static int check_size(const void *object, struct err *err)
{
	const struct size_spec *s = object;

	if (s->type == SIZE_FIXED && s->min != s->max)
		return err_set(
			err, ERR_FAILED, "is fixed, with a min that is not its max");
	if (s->min > s->max && !(s->type == SIZE_LOGNORMAL && s->max == 0))
		return err_set(err, ERR_FAILED, "has a min above its max");
	if (s->type == SIZE_LOGNORMAL && !(s->mean > 0))
		return err_set(err, ERR_FAILED, "is lognormal, with no mean");
	if (s->type == SIZE_MIX && !(parts_weight(s) > 0))
		return err_set(err, ERR_FAILED, "is a mix of no parts with a weight");
	return 0;
}

static const struct field size_fields[] = {
	MEMBER(size_spec, type, FIELD_NAME, .names = &size_types),
	MEMBER(size_spec, min, FIELD_U64, .optional = true),
	MEMBER(size_spec, max, FIELD_U64, .optional = true),
	MEMBER(size_spec, mean, FIELD_DOUBLE, .optional = true),
	MEMBER(size_spec, std_dev, FIELD_DOUBLE, .optional = true),
	MEMBER_ARRAY(size_spec, parts, n_parts, 1000, size_part_fields, .optional = true,
		.check = check_size_part),
	MEMBERS_END,
};
#define SIZE_MEMBER(s)                                                                   \
	MEMBER(s, size, FIELD_OBJECT, .fields = size_fields, .check = check_size,        \
		.size = sizeof(struct size_spec), .optional = true)

#define FACTOR_MEMBERS(s)                                                                \
	MEMBER(s, dedup, FIELD_U32, .max = FACTOR_MAX, .optional = true),                \
		MEMBER(s, compress, FIELD_U32, .max = FACTOR_MAX, .optional = true)

static const struct field op_fields[] = {
	MEMBER_AS(job_op, kind, "op", FIELD_NAME, .names = &op_kind_names),
	MEMBER(job_op, weight, FIELD_DOUBLE),
	MEMBER(job_op, uri, FIELD_EXACT, .max = FIELD_EXACT_MAX),
	SIZE_MEMBER(job_op),
	MEMBER(job_op, fill, FIELD_NAME, .names = &fills, .optional = true),
	FACTOR_MEMBERS(job_op),
	MEMBER(job_op, selection, FIELD_NAME, .names = &selections, .optional = true),
	MEMBER(job_op, theta, FIELD_DOUBLE, .max = JOB_THETA_MAX, .optional = true),
	MEMBER(job_op, verify, FIELD_BOOL, .optional = true),
	MEMBER(job_op, recursive, FIELD_BOOL, .optional = true),
	MEMBER(job_op, range_size, FIELD_U64, .optional = true),
	MEMBER(job_op, range_align, FIELD_U64, .optional = true),
	MEMBER(job_op, part_size, FIELD_U64, .optional = true),
	MEMBER(job_op, to, FIELD_EXACT, .max = FIELD_EXACT_MAX, .optional = true),
	MEMBER(job_op, batch, FIELD_U32, .max = BATCH_MAX, .optional = true),
	MEMBER(job_op, pool, FIELD_U32, .optional = true),
	MEMBER(job_op, concurrency, FIELD_U32, .optional = true),
	MEMBER(job_op, fsync, FIELD_BOOL, .optional = true),
	MEMBER(job_op, max_keys, FIELD_U32, .optional = true),
	MEMBER(job_op, delimiter, FIELD_EXACT, .max = 16, .optional = true),
	MEMBER(job_op, place, FIELD_EXACT, .max = FIELD_EXACT_MAX),
	MEMBERS_END,
};

static int check_op(const void *object, struct err *err)
{
	const struct job_op *op = object;

	bool skewed = op->selection == SELECT_ZIPF || op->selection == SELECT_LATEST;

	if (op->kind == OP_RANGE_GET && op->range_size == 0)
		return err_set(err, ERR_FAILED, "reads a range of no bytes");
	if (op->kind == OP_RANGE_PUT && op->range_size == 0)
		return err_set(err, ERR_FAILED, "writes a range of no bytes");
	if (skewed && (op->theta <= 0 || fabs(op->theta - 1) < 1e-9))
		return err_set(err, ERR_FAILED,
			"needs a \"theta\" above 0 that is not 1 for its selection");
	if ((op->kind == OP_COPY) != (op->to != NULL))
		return err_set(err, ERR_FAILED,
			op->to ? "has a \"to\", and is no copy"
			       : "is a copy without \"to\"");
	return 0;
}

/* A name that becomes part of a file name. */
static bool is_file_name(const char *s)
{
	static const char good[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t len = strlen(s);

	return len > 0 && len <= NAME_MAX_BYTES && strspn(s, good) == len && *s != '.';
}

static bool ends_with_slash(const char *s)
{
	size_t len = strlen(s);

	return len > 0 && s[len - 1] == '/';
}

static const struct field tree_fields[] = {
	MEMBER(job_tree, width, FIELD_U32, .min = 1),
	MEMBER(job_tree, depth, FIELD_U32, .min = 1, .max = LEVELS_MAX),
	MEMBER(job_tree, files_per_dir, FIELD_U32, .max = FILES_MAX, .optional = true),
	MEMBER(job_tree, all, FIELD_BOOL, .optional = true),
	MEMBER(job_tree, dir_mask, FIELD_EXACT, .max = MASK_BYTES_MAX),
	MEMBERS_END,
};

static int check_tree(const void *object, struct err *err)
{
	const struct job_tree *t = object;
	const char *flaw = t->depth ? job_tree_mask_flaw(t->dir_mask) : NULL;

	if (flaw)
		return err_set(err, ERR_FAILED, "has a \"dir_mask\" that %s", flaw);
	if (job_tree_dirs(t) > JOB_TREE_MAX || job_tree_files(t) > JOB_TREE_MAX)
		return err_set(err, ERR_FAILED, "has more than %u directories or files",
			JOB_TREE_MAX);
	return 0;
}

static int check_set(const void *object, struct err *err)
{
	const struct job_set *s = object;

	if (!ends_with_slash(s->uri))
		return err_set(err, ERR_FAILED, "has a uri that does not end with '/'");
	if (!is_file_name(s->name))
		return err_set(
			err, ERR_FAILED, "has a name that cannot begin a file name");
	if (s->tree.depth && (s->shards || s->count != job_tree_files(&s->tree)))
		return err_set(err, ERR_FAILED,
			"is a tree, with shards or a count that is not that of its "
			"files");
	return 0;
}

static const struct field set_fields[] = {
	MEMBER(job_set, uri, FIELD_EXACT, .max = FIELD_EXACT_MAX),
	MEMBER(job_set, name, FIELD_EXACT, .max = NAME_MAX_BYTES),
	MEMBER(job_set, count, FIELD_U64),
	MEMBER(job_set, shards, FIELD_U32, .max = SHARDS_MAX, .optional = true),
	SIZE_MEMBER(job_set),
	MEMBER(job_set, fill, FIELD_NAME, .names = &fills, .optional = true),
	FACTOR_MEMBERS(job_set),
	MEMBER(job_set, tree, FIELD_OBJECT, .fields = tree_fields, .check = check_tree,
		.size = sizeof(struct job_tree), .optional = true),
	MEMBER(job_set, id, FIELD_ID),
	MEMBER(job_set, place, FIELD_EXACT, .max = FIELD_EXACT_MAX),
	MEMBERS_END,
};

static int check_endpoints(const void *object, struct err *err)
{
	const struct job_endpoints *e = object;

	for (char **uri = e->uris; uri && *uri; uri++)
		if (!ends_with_slash(*uri))
			return err_set(
				err, ERR_FAILED, "has a uri that does not end with '/'");
	if (!e->uris || !*e->uris || !ends_with_slash(e->base))
		return err_set(
			err, ERR_FAILED, "needs uris, and a base that ends with '/'");
	return 0;
}

static const struct field endpoints_fields[] = {
	MEMBER(job_endpoints, strategy, FIELD_NAME, .names = &strategies,
		.optional = true),
	MEMBER(job_endpoints, base, FIELD_EXACT, .max = FIELD_EXACT_MAX),
	MEMBER(job_endpoints, uris, FIELD_EXACTS, .max = JOB_ENDPOINTS_MAX),
	MEMBERS_END,
};

static const struct field rate_fields[] = {
	MEMBER(job_rate, ops, FIELD_DOUBLE, .max = JOB_RATE_MAX),
	MEMBER(job_rate, arrival, FIELD_NAME, .names = &arrivals, .optional = true),
	MEMBER(job_rate, timer, FIELD_NAME, .names = &timers, .optional = true),
	MEMBERS_END,
};

const struct field job_fields[] = {
	MEMBER(job, generation, FIELD_U32, .min = 1),
	MEMBER(job, run, FIELD_EXACT, .max = NAME_MAX_BYTES),
	MEMBER(job, worker, FIELD_EXACT, .max = NAME_MAX_BYTES),
	MEMBER(job, seed, FIELD_ID),
	MEMBER(job, index, FIELD_U32),
	MEMBER(job, count, FIELD_U32, .min = 1),
	MEMBER(job, share_index, FIELD_U32),
	MEMBER(job, share_count, FIELD_U32, .min = 1),
	MEMBER(job, target, FIELD_EXACT, .max = FIELD_EXACT_MAX, .optional = true),
	MEMBER(job, concurrency, FIELD_U32, .min = 1),
	MEMBER(job, threads, FIELD_U32, .optional = true),
	MEMBER(job, warmup_ns, FIELD_U64, .optional = true),
	MEMBER(job, duration_ns, FIELD_U64),
	MEMBER(job, op_timeout_ns, FIELD_U64),
	MEMBER(job, stats_interval_ns, FIELD_U64, .min = 1000000),
	MEMBER(job, deadline_ns, FIELD_U64, .optional = true),
	MEMBER(job, rate, FIELD_OBJECT, .fields = rate_fields,
		.size = sizeof(struct job_rate), .optional = true),
	MEMBER(job, once, FIELD_BOOL, .optional = true),
	MEMBER(job, verify, FIELD_BOOL, .optional = true),
	MEMBER(job, interleave, FIELD_BOOL, .optional = true),
	MEMBER(job, trust, FIELD_BOOL, .optional = true),
	MEMBER(job, overwrite, FIELD_BOOL, .optional = true),
	MEMBER(job, coordinator, FIELD_BOOL, .optional = true),
	MEMBER(job, allow_foreign, FIELD_BOOL, .optional = true),
	MEMBER(job, open_warmup, FIELD_BOOL, .optional = true),
	MEMBER(job, page_cache, FIELD_NAME, .names = &page_caches, .optional = true),
	MEMBER(job, path_selection, FIELD_NAME, .names = &path_selections,
		.optional = true),
	MEMBER(job, partition_overlap, FIELD_DOUBLE, .max = 1, .optional = true),
	MEMBER(job, prepare, FIELD_BOOL, .optional = true),
	MEMBER(job, load, FIELD_BOOL, .optional = true),
	MEMBER(job, cleanup, FIELD_BOOL, .optional = true),
	MEMBER(job, cleanup_mode, FIELD_NAME, .names = &cleanup_modes, .optional = true),
	MEMBER_ARRAY(job, ops, n_ops, ENTRIES_MAX, op_fields, .optional = true,
		.check = check_op),
	MEMBER_ARRAY(job, sets, n_sets, ENTRIES_MAX, set_fields, .optional = true,
		.check = check_set),
	MEMBER(job, env, FIELD_EXACTS, .max = ENTRIES_MAX, .optional = true,
		.secret = true),
	MEMBER(job, env_default, FIELD_EXACTS, .max = ENTRIES_MAX, .optional = true,
		.secret = true, .size = STORE_PEM_MAX),
	MEMBER(job, store, FIELD_OBJECT, .fields = store_fields,
		.size = sizeof(struct store_options), .optional = true),
	MEMBER(job, endpoints, FIELD_OBJECT, .fields = endpoints_fields,
		.check = check_endpoints, .size = sizeof(struct job_endpoints),
		.optional = true),
	MEMBER(job, heirs_of, FIELD_EXACTS, .max = ENTRIES_MAX, .optional = true),
	MEMBERS_END,
};

static bool are_variables(char *const *env)
{
	for (; env && *env; env++)
		if (**env == '=' || !strchr(*env, '='))
			return false;
	return true;
}

int job_check(const void *object, struct err *err)
{
	const struct job *j = object;

	if (j->index >= j->count)
		return err_set(err, ERR_FAILED, "\"index\" must be below \"count\"");
	if (j->share_index >= j->share_count)
		return err_set(
			err, ERR_FAILED, "\"share_index\" must be below \"share_count\"");
	if (!is_file_name(j->run) || !is_file_name(j->worker))
		return err_set(err, ERR_FAILED,
			"\"run\" and \"worker\" must be of letters, digits and ._-");
	for (char **heir = j->heirs_of; heir && *heir; heir++)
		if (!is_file_name(*heir))
			return err_set(err, ERR_FAILED,
				"\"heirs_of\" must hold names of letters, digits and "
				"._-");
	if (j->trust && j->overwrite)
		return err_set(err, ERR_FAILED,
			"\"trust\" and \"overwrite\" exclude each other");
	if (!are_variables(j->env))
		return err_set(err, ERR_FAILED, "\"env\" must hold NAME=VALUE");
	if (!are_variables(j->env_default))
		return err_set(err, ERR_FAILED, "\"env_default\" must hold NAME=VALUE");
	return 0;
}

void job_finish(struct job *j)
{
	fields_finish(job_fields, j);
}

json_t *job_to_json(const struct job *j)
{
	json_t *json = json_object();

	if (json && fields_encode(job_fields, j, json) < 0) {
		json_decref(json);
		return NULL;
	}
	return json;
}

int job_from_json(const json_t *json, struct job *ret, struct err *err)
{
	struct err why = ERR_INIT;
	int r;

	*ret = (struct job){.generation = 0};
	r = fields_decode(job_fields, json, ret, "job message", err);
	if (r == 0 && job_check(ret, &why) < 0)
		r = err_set(err, ERR_FAILED, "job message: %s", why.text);
	if (r < 0) {
		job_finish(ret);
		*ret = (struct job){.generation = 0};
	}
	return r;
}

void size_spec_finish(struct size_spec *s)
{
	fields_finish(size_fields, s);
}
