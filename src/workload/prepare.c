/* prepare: `prepare:` of a workload. */
#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/units.h"
#include "workload/spec.h"
#include "workload/uri.h"

#define COUNT_MAX 100000000 /* names have eight digits */
#define SHARDS_MAX 256      /* two hex digits */
#define FACTOR_MAX 1000000u
#define OBJECT_BYTES_MAX (UINT64_C(1) << 50)

const char *const fill_choices[] = {"random|prand", "zero", "unique", NULL};
static const char *const strategies[] = {"sequential", "parallel", NULL};
static const char *const cleanup_modes[] = {
	"tolerant", "strict", "besteffort|best_effort", NULL};

#define SET_AT(member) .offset = offsetof(struct set_spec, member)
#define SET_SET(member) .set_offset = offsetof(struct set_spec, member)
static const char *const distribution_aliases[] = {"size_spec", NULL};

const struct key set_keys[] = {
	{"base_uri", KEY_STR, SET_AT(base_uri), .def = "target",
		.help = "Where the objects lie: a prefix, absolute or relative to "
			"target."},
	{"count", KEY_COUNT, SET_AT(count), SET_SET(has_count), .max = COUNT_MAX,
		.def = "that of directory_structure",
		.help = "How many objects there are to be."},
	{"min_size", KEY_SIZE, SET_AT(min_size), SET_SET(has_min),
		.max = OBJECT_BYTES_MAX,
		.help = "Smallest size; sizes are uniform between the two."},
	{"max_size", KEY_SIZE, SET_AT(max_size), SET_SET(has_max),
		.max = OBJECT_BYTES_MAX, .help = "Largest size."},
	{"size_distribution", KEY_CUSTOM, SET_AT(size), .fn = decode_size_distribution,
		SET_SET(has_distribution), .aliases = distribution_aliases,
		.help = "Sizes, instead of min_size and max_size."},
	{"fill", KEY_ENUM, SET_AT(fill), fill_choices, .def = "random",
		.help = "Content: random, zero or unique."},
	{"dedup_factor", KEY_CUSTOM, SET_AT(dedup), .fn = decode_factor, .def = "1",
		.help = "Of N blocks of 4 KiB one is new, the others repeat it."},
	{"compress_factor", KEY_CUSTOM, SET_AT(compress), .fn = decode_factor, .def = "1",
		.help = "Data that shrinks about N:1."},
	{.name = NULL},
};

#define AT(member) .offset = offsetof(struct prepare_spec, member)

const struct key prepare_keys[] = {
	{"ensure_objects", KEY_NODE, AT(ensure_objects),
		.help = "Sets of objects that are there before the load begins."},
	{"cleanup", KEY_BOOL, AT(cleanup), .def = "false",
		.help = "Delete after the run what it made, and prepared sets that are "
			"muster's."},
	{"cleanup_mode", KEY_ENUM, AT(cleanup_mode), cleanup_modes, .def = "tolerant",
		.help = "What a missing object means to cleanup: tolerant, strict or "
			"besteffort."},
	{"post_prepare_delay", KEY_DURATION, AT(post_prepare_delay_ns), .def = "0",
		.max = WORKLOAD_DURATION_MAX_NS,
		.help = "Pause after something was made."},
	{"prepare_strategy", KEY_ENUM, AT(strategy), strategies, .def = "sequential",
		.help = "Entries of ensure_objects one after the other, or in parallel: "
			"side by side."},
	{"skip_verification", KEY_BOOL, AT(trust), .def = "false",
		.help = "Trust that all objects are there as described: nobody looks, "
			"nothing is made."},
	{"force_overwrite", KEY_BOOL, AT(overwrite), .def = "false",
		.help = "Make all objects anew: nobody looks what is there."},
	{"key_prefix_shards", KEY_UINT, AT(shards), .def = "0", .max = SHARDS_MAX,
		.help = "Names are behind %02x/ of their number modulo so many; 0: they "
			"are "
			"not."},
	{"directory_structure", KEY_NODE, AT(structure_node),
		.help = "A tree of directories, for the entries of ensure_objects that "
			"have no count."},
	{.name = NULL},
};

int decode_factor(struct decode *d, const struct node *n, void *dst, struct err *err)
{
	unsigned *factor = dst;
	uint64_t count;
	double v = 0;

	if (n->type == NODE_SCALAR && units_parse_count(n->value, &count) == 0)
		v = (double)count;
	else if (n->type == NODE_SCALAR && units_parse_double(n->value, &v) < 0)
		v = 0;
	if (!(v >= 1 && v <= FACTOR_MAX) || v > floor(v))
		return node_error(d->doc, n, err,
			"a factor is a whole number from 1 to %u", FACTOR_MAX);
	*factor = (unsigned)v;
	return 0;
}

static const struct node *at_key(const struct node *map, const char *key)
{
	const struct node *n = node_get(map, key);

	return n ? n : map;
}

static int settle_size(struct decode *d, struct set_spec *s, struct err *err)
{
	bool bounds = s->has_min || s->has_max;

	if (bounds && s->has_distribution)
		return node_error(d->doc, s->node, err,
			"size_distribution excludes min_size and max_size");
	if (s->has_distribution || (!bounds && s->tree && s->count == 0))
		return 0;
	if (!s->has_min || !s->has_max)
		return node_error(d->doc, s->node, err, "ensure_objects needs %s",
			!bounds      ? "min_size and max_size, or size_distribution"
			: s->has_min ? "max_size beside min_size"
				     : "min_size beside max_size");
	if (s->min_size > s->max_size)
		return node_error(d->doc, at_key(s->node, "min_size"), err,
			"min_size %llu is larger than max_size %llu",
			(unsigned long long)s->min_size, (unsigned long long)s->max_size);
	s->size = (struct size_spec){
		.type = s->min_size == s->max_size ? SIZE_FIXED : SIZE_UNIFORM,
		.min = s->min_size,
		.max = s->max_size};
	return 0;
}

static int check_base(struct decode *d, const struct set_spec *s, struct err *err)
{
	struct err why = ERR_INIT;
	const struct node *n = at_key(s->node, "base_uri");

	if (!s->base_uri)
		return 0;
	if (uri_is_absolute(s->base_uri) ? uri_check_target(s->base_uri, &why) < 0
					 : uri_check(s->base_uri, &why) < 0)
		return node_error(d->doc, n, err, "base_uri: %s", why.text);
	if (strpbrk(s->base_uri, "*?["))
		return node_error(d->doc, n, err, "base_uri takes no wildcards");
	return 0;
}

static int decode_set(
	struct decode *d, const struct node *n, struct set_spec *s, struct err *err)
{
	s->node = n;
	if (decode_map(d, n, set_keys, "entry of ensure_objects", s, err) < 0)
		return -1;
	if (workload_check_fill(d, n, s->fill, s->dedup, s->compress, err) < 0)
		return -1;
	return check_base(d, s, err);
}

/* What depends on whether the set is a tree. */
static int settle_set(struct decode *d, struct set_spec *s, struct err *err)
{
	if (!s->tree && !s->has_count)
		return node_error(d->doc, s->node, err, "ensure_objects needs a count");
	if (!s->tree && s->count == 0)
		return node_error(d->doc, at_key(s->node, "count"), err,
			"count 0 means as many as a directory_structure has files, and "
			"there is none");
	return settle_size(d, s, err);
}

static int decode_sets(struct decode *d, struct prepare_spec *p, struct err *err)
{
	const struct node *n = p->ensure_objects;

	if (!n || n->type == NODE_NULL)
		return 0;
	if (n->type != NODE_SEQ)
		return node_error(d->doc, n, err, "ensure_objects wants a list");
	if (n->n > WORKLOAD_ENTRIES_MAX)
		return node_error(d->doc, n, err,
			"ensure_objects has more than %d entries", WORKLOAD_ENTRIES_MAX);
	p->sets = calloc(n->n + 1, sizeof(*p->sets));
	if (!p->sets)
		return err_sys(err, ENOMEM, "workload");
	for (; p->n_sets < n->n; p->n_sets++)
		if (decode_set(d, n->items[p->n_sets], &p->sets[p->n_sets], err) < 0) {
			p->n_sets++; /* what was decoded of it is freed too */
			return -1;
		}
	return 0;
}

int workload_decode_prepare(
	struct decode *d, const struct node *n, struct prepare_spec *ret, struct err *err)
{
	if (!n || n->type == NODE_NULL)
		return 0;
	if (decode_map(d, n, prepare_keys, "prepare section", ret, err) < 0)
		return -1;
	if (ret->trust && ret->overwrite)
		return node_error(d->doc, at_key(n, "force_overwrite"), err,
			"force_overwrite makes all objects, and skip_verification none: "
			"leave one of them out");
	if (structure_decode(d, ret, err) < 0 || decode_sets(d, ret, err) < 0 ||
		structure_settle(d, ret, err) < 0)
		return -1;
	for (size_t i = 0; i < ret->n_sets; i++)
		if (settle_set(d, &ret->sets[i], err) < 0)
			return -1;
	return 0;
}

void prepare_spec_finish(struct prepare_spec *p)
{
	for (size_t i = 0; i < p->n_sets; i++) {
		free(p->sets[i].base_uri);
		size_spec_finish(&p->sets[i].size);
	}
	free(p->sets);
	free(p->structure.dir_mask);
	p->structure.dir_mask = NULL;
	p->sets = NULL;
	p->n_sets = 0;
}
