/* ops: `workload:`, the weighted ops. */
#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "workload/spec.h"
#include "workload/uri.h"
#include "workload/workload.h"

#define PAGE_MAX 1000000
#define BATCH_MAX 10000
#define RANGE_MAX (UINT64_C(1) << 50)

/* The kind is known before the other keys are looked at; here it is only accepted. */
static int decode_op(struct decode *d, const struct node *n, void *dst, struct err *err)
{
	(void)d;
	(void)n;
	(void)dst;
	(void)err;
	return 0;
}

#define AT(member) .offset = offsetof(struct op_spec, member)
#define SET(member) .set_offset = offsetof(struct op_spec, member)
static const char *const distribution_aliases[] = {"size_spec", NULL};

const struct key entry_keys[] = {
	{"op", KEY_CUSTOM, .fn = decode_op,
		.help = "get, put, list, stat (head), delete, range_get, range_put, "
			"mkdir, rmdir, copy or multipart_put."},
	{"weight", KEY_DOUBLE, AT(weight),
		.help = "Share of the op, relative to the others."},
	{"path", KEY_STR, AT(path),
		.help = "An exact key, 'prefix/' or a glob; a prefix for put, "
			"multipart_put, list, mkdir and rmdir, by default the target "
			"itself. "
			"Relative to "
			"target, or a URI."},
	{"target", KEY_STR, AT(target), .def = "that of the workload",
		.help = "Base of the path instead of the workload's target."},
	{"concurrency", KEY_UINT, AT(concurrency), .def = "no cap", .min = 1,
		.max = WORKLOAD_SLOTS_MAX, .help = "At most so many of this op at once."},
	{"object_size", KEY_CUSTOM, AT(size), .fn = decode_object_size,
		SET(has_object_size),
		.help = "put, multipart_put: size of each object; puts into a tree need "
			"none."},
	{"size_distribution", KEY_CUSTOM, AT(size), .fn = decode_size_distribution,
		SET(has_distribution), .aliases = distribution_aliases,
		.help = "put, multipart_put: sizes, drawn anew for each op."},
	{"fill", KEY_ENUM, AT(fill), fill_choices, .def = "random",
		.help = "What writes: content: random, zero or unique. get, range_get "
			"with verify: what objects hold that no ensure_objects "
			"describes."},
	{"fsync", KEY_BOOL, AT(fsync), .def = "false",
		.help = "put, range_put: fsync of the file (not of its directory) before "
			"the op ends."},
	{"dedup_factor", KEY_CUSTOM, AT(dedup), .fn = decode_factor, .def = "1",
		.help = "As fill: of N blocks of 4 KiB one is new, the others repeat "
			"it."},
	{"compress_factor", KEY_CUSTOM, AT(compress), .fn = decode_factor, .def = "1",
		.help = "As fill: data that shrinks about N:1."},
	{"max_keys", KEY_UINT, AT(max_keys), .def = "1000", .min = 1, .max = PAGE_MAX,
		.help = "list: entries per page."},
	{"delimiter", KEY_STR, AT(delimiter), .def = "none, everything below",
		.help = "list: '/' lists one level."},
	{"selection", KEY_CUSTOM, AT(selection), .fn = decode_selection, .def = "uniform",
		.help = "get, stat, range_get, range_put, copy, and puts into a tree: "
			"which objects: uniform, sequential, zipf, latest, or {type: "
			"zipf, theta: 0.99}."},
	{"verify", KEY_BOOL, AT(verify), SET(has_verify), .def = "that of the workload",
		.help = "get, range_get: content is checked. What writes: content that "
			"can be."},
	{"range_size", KEY_SIZE, AT(range_size), .min = 1, .max = RANGE_MAX,
		.help = "range_get, range_put: bytes, at an offset drawn anew for each "
			"op."},
	{"range_align", KEY_SIZE, AT(range_align), .def = "1", .min = 1, .max = RANGE_MAX,
		.help = "range_get, range_put: offsets are multiples of it."},
	{"to", KEY_STR, AT(to), .def = "copies/ below the target",
		.help = "copy: what the names of copies begin with, as path of a put."},
	{"part_size", KEY_SIZE, AT(part_size), .def = "what suits the store and the size",
		.min = 1, .max = RANGE_MAX,
		.help = "multipart_put: bytes of each part but the last."},
	{"batch", KEY_UINT, AT(batch), .def = "1", .min = 1, .max = BATCH_MAX,
		.help = "delete: objects per request, where the store can: S3 1000, "
			"Azure 256, "
			"Google 100."},
	{"recursive", KEY_BOOL, AT(recursive), .def = "false",
		.help = "mkdir: parents too. rmdir: with all below."},
	{.name = NULL},
};

#define MASK(kind) (1u << OP_##kind)
#define WRITE (MASK(PUT) | MASK(MULTIPART_PUT))
#define FILL (WRITE | MASK(RANGE_PUT))
#define RANGE (MASK(RANGE_GET) | MASK(RANGE_PUT))
#define CHECK (MASK(GET) | MASK(RANGE_GET))
/* delete takes each object once: `uniform`, as it is written, does no harm there */
#define CHOOSE (MASK(GET) | MASK(STAT) | MASK(DELETE) | RANGE | MASK(COPY) | MASK(PUT))
#define DIRECTORY (MASK(MKDIR) | MASK(RMDIR))
/* take a prefix */
#define PREFIX (WRITE | MASK(LIST) | DIRECTORY)

/* Keys that only some ops take; on another one they would be silently ignored. */
static const struct {
	const char *key;
	unsigned ops;
} key_ops[] = {{"object_size", WRITE}, {"size_distribution", WRITE}, {"size_spec", WRITE},
	{"fill", FILL | CHECK}, {"fsync", MASK(PUT) | MASK(RANGE_PUT)},
	{"dedup_factor", FILL | CHECK}, {"compress_factor", FILL | CHECK},
	{"max_keys", MASK(LIST)}, {"delimiter", MASK(LIST)}, {"selection", CHOOSE},
	{"verify", CHECK | FILL}, {"recursive", DIRECTORY}, {"range_size", RANGE},
	{"range_align", RANGE}, {"to", MASK(COPY)}, {"part_size", MASK(MULTIPART_PUT)},
	{"batch", MASK(DELETE)}};

static const struct node *at_key(const struct node *map, const char *key)
{
	const struct node *n = node_get(map, key);

	return n ? n : map;
}

static int unknown_op(struct decode *d, const struct node *n, struct err *err)
{
	const char *names[OP_KINDS], *near;

	for (size_t i = 0; i < OP_KINDS; i++)
		names[i] = op_infos[i].name;
	near = text_nearest(n->value, names, OP_KINDS);
	return node_error(d->doc, n, err, "unknown op '%.100s'%s%s%s", n->value,
		near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}

static int find_kind(
	struct decode *d, const struct node *map, enum op_kind *ret, struct err *err)
{
	const struct node *n = map->type == NODE_MAP ? node_get(map, "op") : NULL;
	int kind;

	if (map->type != NODE_MAP)
		return node_error(d->doc, map, err,
			"a workload entry is a mapping such as {op: get, path: "
			"\"small/*\", weight: 1}");
	if (!n)
		return node_error(d->doc, map, err, "a workload entry needs 'op'");
	if (n->type != NODE_SCALAR)
		return node_error(d->doc, n, err, "key 'op' wants the name of an op");
	kind = op_kind_from_name(n->value);
	if (kind < 0)
		return unknown_op(d, n, err);
	if (!op_infos[kind].supported)
		return node_error(
			d->doc, n, err, "op '%s' is not supported yet", n->value);
	*ret = (enum op_kind)kind;
	return 0;
}

static int check_keys(struct decode *d, const struct op_spec *op, struct err *err)
{
	for (size_t i = 0; i < op->node->n; i++) {
		const struct node *key = op->node->keys[i];

		for (size_t j = 0; j < ARRAY_LEN(key_ops); j++)
			if (strcmp(key->value, key_ops[j].key) == 0 &&
				!(key_ops[j].ops & 1u << op->kind))
				return node_error(d->doc, key, err, "a %s takes no '%s'",
					op_infos[op->kind].name, key->value);
	}
	return 0;
}

static int check_weight(struct decode *d, const struct op_spec *op, struct err *err)
{
	const struct node *n = node_get(op->node, "weight");

	if (!n)
		return node_error(d->doc, op->node, err, "a %s needs a weight",
			op_infos[op->kind].name);
	if (!isfinite(op->weight) || op->weight <= 0)
		return node_error(d->doc, n, err, "a weight must be a number above 0");
	return 0;
}

static int check_selection(struct decode *d, const struct op_spec *op, struct err *err)
{
	const struct node *n = at_key(op->node, "selection");
	const bool one = !text_has_wildcard(op->path) && !text_ends_with(op->path, "/");

	if (op->selection.how == SELECT_UNIFORM || PREFIX & 1u << op->kind)
		return 0;
	if (op->kind == OP_DELETE)
		return node_error(d->doc, n, err,
			"a delete takes each object once: it has no selection but "
			"uniform");
	/* the ranges of one object can be taken in order */
	if (!one || (RANGE & 1u << op->kind && op->selection.how == SELECT_SEQUENTIAL))
		return 0;
	return node_error(d->doc, n, err,
		"'%s' is one object: there is none to select (a prefix ends with '/')",
		op->path);
}

/* What is all zeros repeats and shrinks as it is. */
int workload_check_fill(struct decode *d, const struct node *entry, int fill,
	unsigned dedup, unsigned compress, struct err *err)
{
	const char *key = dedup > 1 ? "dedup_factor" : "compress_factor";

	if (fill != FILL_ZERO || (dedup <= 1 && compress <= 1))
		return 0;
	return node_error(d->doc, at_key(entry, key), err,
		"fill zero repeats and shrinks as it is: '%s' has nothing to do there",
		key);
}

/* tree: puts may go into one, whose files keep their sizes. */
static int check_sizes(
	struct decode *d, const struct op_spec *op, bool tree, struct err *err)
{
	if (RANGE & 1u << op->kind && op->range_size == 0)
		return node_error(d->doc, op->node, err, "a %s needs range_size",
			op_infos[op->kind].name);
	if (!(WRITE & 1u << op->kind))
		return 0;
	if (op->has_object_size && op->has_distribution)
		return node_error(d->doc, op->node, err,
			"object_size and size_distribution exclude each other");
	if (!op->has_object_size && !op->has_distribution &&
		!(tree && op->kind == OP_PUT))
		return node_error(d->doc, op->node, err,
			"a %s needs object_size or size_distribution",
			op_infos[op->kind].name);
	return 0;
}

/* Appends '/' to a malloc'ed string. */
static int add_slash(char **s, struct err *err)
{
	char *longer = text_printf("%s/", *s);

	if (!longer)
		return err_sys(err, ENOMEM, "workload");
	free(*s);
	*s = longer;
	return 0;
}

/* put, list, mkdir, rmdir and the copies of copy take a prefix. A '*' at its end, as templates of other tools have it, says
 * no more than the prefix does. For put "out/new-" begins the names, while "out" can only mean a folder. */
static int settle_prefix(struct decode *d, const struct op_spec *op, const char *key,
	char **path, struct err *err)
{
	size_t len = strlen(*path);
	bool starred = len && (*path)[len - 1] == '*';

	if (starred)
		(*path)[--len] = '\0';
	if (text_has_wildcard(*path))
		return node_error(d->doc, at_key(op->node, key), err,
			"a %s takes a prefix%s, not a glob", op_infos[op->kind].name,
			op->kind == OP_COPY ? " to copy to" : "");
	if (len == 0 || (*path)[len - 1] == '/')
		return 0;
	if (op->kind != OP_LIST && (starred || strchr("-_.", (*path)[len - 1])))
		return 0;
	return add_slash(path, err);
}

static int check_to(struct decode *d, struct op_spec *op, struct err *err)
{
	struct err why = ERR_INIT;

	if (!op->to && !(op->to = strdup("copies/")))
		return err_sys(err, ENOMEM, "workload");
	if (!*op->to || uri_check(op->to, &why) < 0)
		return node_error(d->doc, at_key(op->node, "to"), err, "to: %s",
			*op->to ? why.text : "it is empty");
	return settle_prefix(d, op, "to", &op->to, err);
}

static int check_path(struct decode *d, struct op_spec *op, struct err *err)
{
	struct err why = ERR_INIT;
	const struct node *n = at_key(op->node, "path");

	/* older files leave it to the target */
	if ((!op->path || !*op->path) && PREFIX & 1u << op->kind) {
		free(op->path);
		op->path = strdup("./");
		if (!op->path)
			return err_sys(err, ENOMEM, "workload");
	}
	if (!op->path)
		return node_error(d->doc, op->node, err, "a %s needs a path",
			op_infos[op->kind].name);
	if (!*op->path)
		return node_error(d->doc, n, err, "the path is empty");
	if (uri_check(op->path, &why) < 0)
		return node_error(d->doc, n, err, "%s", why.text);
	if (op->target && uri_check_target(op->target, &why) < 0)
		return node_error(
			d->doc, at_key(op->node, "target"), err, "target: %s", why.text);
	if (op->target && uri_is_absolute(op->path) &&
		(op->kind != OP_COPY || (op->to && uri_is_absolute(op->to))))
		return node_error(d->doc, at_key(op->node, "target"), err,
			"target is for relative paths, and '%s' is none", op->path);
	if (PREFIX & 1u << op->kind)
		return settle_prefix(d, op, "path", &op->path, err);
	return op->kind == OP_COPY ? check_to(d, op, err) : 0;
}

static int check_delimiter(struct decode *d, struct op_spec *op, struct err *err)
{
	if (!op->delimiter || strcmp(op->delimiter, "/") == 0)
		return 0;
	if (*op->delimiter)
		return node_error(d->doc, at_key(op->node, "delimiter"), err,
			"key 'delimiter' wants '/' or nothing");
	free(op->delimiter);
	op->delimiter = NULL;
	return 0;
}

static int decode_entry(struct decode *d, const struct node *n, bool tree,
	struct op_spec *op, struct err *err)
{
	op->node = n;
	if (find_kind(d, n, &op->kind, err) < 0 ||
		decode_map(d, n, entry_keys, "workload entry", op, err) < 0)
		return -1;
	if (check_keys(d, op, err) < 0 || check_weight(d, op, err) < 0 ||
		check_path(d, op, err) < 0 || check_sizes(d, op, tree, err) < 0 ||
		check_selection(d, op, err) < 0 ||
		workload_check_fill(d, n, op->fill, op->dedup, op->compress, err) < 0)
		return -1;
	return check_delimiter(d, op, err);
}

int workload_decode_ops(struct decode *d, struct workload *w, struct err *err)
{
	const struct node *n = w->ops_node;

	if (!n)
		return node_error(d->doc, d->doc->root, err, "key 'workload' is missing");
	if (n->type != NODE_SEQ)
		return node_error(d->doc, n, err, "key 'workload' wants a list of ops");
	if (n->n == 0)
		return node_error(d->doc, n, err, "the workload is empty");
	if (n->n > WORKLOAD_ENTRIES_MAX)
		return node_error(d->doc, n, err, "the workload has more than %d entries",
			WORKLOAD_ENTRIES_MAX);
	w->ops = calloc(n->n, sizeof(*w->ops));
	if (!w->ops)
		return err_sys(err, ENOMEM, "workload");
	while (w->n_ops < n->n) {
		struct op_spec *op = &w->ops[w->n_ops];

		w->n_ops++; /* what was decoded of it is freed too */
		if (decode_entry(d, n->items[w->n_ops - 1], w->prepare.structure.node, op,
			    err) < 0)
			return -1;
	}
	return 0;
}

char *workload_mix_text(const struct workload *w)
{
	struct buf b AUTO_BUF = BUF_INIT;
	double all = 0;

	for (size_t i = 0; i < w->n_ops; i++)
		all += w->ops[i].weight;
	for (unsigned kind = 0; kind < OP_KINDS; kind++) {
		double weight = 0;

		for (size_t i = 0; i < w->n_ops; i++)
			weight += w->ops[i].kind == kind ? w->ops[i].weight : 0;
		if (weight > 0 && buf_printf(&b, "%s%s %.3g", b.len ? ", " : "",
					  op_infos[kind].name, weight / all * 100) < 0)
			return NULL;
	}
	return buf_steal(&b);
}

void op_spec_finish(struct op_spec *op)
{
	free(op->path);
	free(op->target);
	free(op->to);
	free(op->delimiter);
	size_spec_finish(&op->size);
}
