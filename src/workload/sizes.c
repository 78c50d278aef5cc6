/* sizes: object sizes as a workload says them. */
#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "workload/spec.h"

#define SIZE_MAX_BYTES (UINT64_C(1) << 50)
#define PARTS_MAX 100
#define UNIFORM_MIN 1024
#define UNIFORM_MAX 1048576

static const char *const size_types[] = {"fixed", "uniform", "lognormal", "mix", NULL};

struct size_map {
	int type;
	uint64_t size, min, max, mean, std_dev;
	bool has_type, has_size, has_min, has_max, has_mean, has_std_dev, has_parts;
	const struct node *parts;
};

#define AT(member) .offset = offsetof(struct size_map, member)
#define SET(member) .set_offset = offsetof(struct size_map, member)

const struct key size_keys[] = {
	{"type", KEY_ENUM, AT(type), size_types, SET(has_type),
		.help = "fixed, uniform, lognormal or mix."},
	{"size", KEY_SIZE, AT(size), SET(has_size), .max = SIZE_MAX_BYTES,
		.help = "fixed: the size."},
	{"min", KEY_SIZE, AT(min), SET(has_min), .max = SIZE_MAX_BYTES,
		.def = "uniform: 1024, lognormal: 1", .help = "Smallest size."},
	{"max", KEY_SIZE, AT(max), SET(has_max), .max = SIZE_MAX_BYTES,
		.def = "uniform: 1048576, lognormal: none", .help = "Largest size."},
	{"mean", KEY_SIZE, AT(mean), SET(has_mean), .min = 1, .max = SIZE_MAX_BYTES,
		.help = "lognormal: mean of the sizes themselves."},
	{"std_dev", KEY_SIZE, AT(std_dev), SET(has_std_dev), .max = SIZE_MAX_BYTES,
		.help = "lognormal: standard deviation of the sizes themselves."},
	{"parts", KEY_NODE, AT(parts), SET(has_parts),
		.help = "mix: what sizes are drawn from, by weight."},
	{.name = NULL},
};

struct part_map {
	double weight;
	uint64_t size, min, max;
	bool has_weight, has_size, has_min, has_max;
};

#define PART(member) .offset = offsetof(struct part_map, member)
#define PART_SET(member) .set_offset = offsetof(struct part_map, member)

const struct key size_part_keys[] = {
	{"weight", KEY_DOUBLE, PART(weight), PART_SET(has_weight),
		.help = "Share of the part, relative to the others."},
	{"size", KEY_SIZE, PART(size), PART_SET(has_size), .max = SIZE_MAX_BYTES,
		.help = "The size, instead of min and max."},
	{"min", KEY_SIZE, PART(min), PART_SET(has_min), .max = SIZE_MAX_BYTES,
		.help = "Smallest size."},
	{"max", KEY_SIZE, PART(max), PART_SET(has_max), .max = SIZE_MAX_BYTES,
		.help = "Largest size."},
	{.name = NULL},
};

static const struct node *at_key(const struct node *map, const char *key)
{
	const struct node *n = node_get(map, key);

	return n ? n : map;
}

/* Which keys a type takes; any other would be silently ignored. */
static int check_keys(
	struct decode *d, const struct node *n, const struct size_map *m, struct err *err)
{
	const struct {
		const char *name;
		bool given;
		unsigned types;
	} keys[] = {
		{"size", m->has_size, 1 << SIZE_FIXED},
		{"min", m->has_min, 1 << SIZE_UNIFORM | 1 << SIZE_LOGNORMAL},
		{"max", m->has_max, 1 << SIZE_UNIFORM | 1 << SIZE_LOGNORMAL},
		{"mean", m->has_mean, 1 << SIZE_LOGNORMAL},
		{"std_dev", m->has_std_dev, 1 << SIZE_LOGNORMAL},
		{"parts", m->has_parts, 1 << SIZE_MIX},
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (keys[i].given && !(keys[i].types & 1u << m->type))
			return node_error(d->doc, at_key(n, keys[i].name), err,
				"a size distribution of type %s takes no '%s'",
				size_types[m->type], keys[i].name);
	return 0;
}

static int check_bounds(struct decode *d, const struct node *n, uint64_t min,
	uint64_t max, struct err *err)
{
	if (min <= max)
		return 0;
	return node_error(d->doc, at_key(n, "min"), err,
		"min %llu is larger than max %llu", (unsigned long long)min,
		(unsigned long long)max);
}

static int fixed_size(struct decode *d, const struct node *n, const struct size_map *m,
	struct size_spec *ret, struct err *err)
{
	if (!m->has_size)
		return node_error(d->doc, n, err, "a fixed size needs 'size'");
	*ret = (struct size_spec){.type = SIZE_FIXED, .min = m->size, .max = m->size};
	return 0;
}

static int uniform_size(struct decode *d, const struct node *n, const struct size_map *m,
	struct size_spec *ret, struct err *err)
{
	uint64_t min = m->has_min ? m->min : UNIFORM_MIN;
	uint64_t max = m->has_max ? m->max : UNIFORM_MAX;

	*ret = (struct size_spec){.type = SIZE_UNIFORM, .min = min, .max = max};
	return check_bounds(d, n, min, max, err);
}

static int lognormal_size(struct decode *d, const struct node *n,
	const struct size_map *m, struct size_spec *ret, struct err *err)
{
	uint64_t min = m->has_min ? m->min : 1;

	if (!m->has_mean || !m->has_std_dev)
		return node_error(d->doc, n, err, "a lognormal size needs '%s'",
			m->has_mean ? "std_dev" : "mean");
	if (m->has_max && check_bounds(d, n, min, m->max, err) < 0)
		return -1;
	if (m->mean < min || (m->has_max && m->mean > m->max))
		return node_error(d->doc, at_key(n, "mean"), err,
			"mean %llu does not lie between min and max",
			(unsigned long long)m->mean);
	*ret = (struct size_spec){.type = SIZE_LOGNORMAL,
		.min = min,
		.max = m->has_max ? m->max : 0,
		.mean = (double)m->mean,
		.std_dev = (double)m->std_dev};
	return 0;
}

static int decode_part(
	struct decode *d, const struct node *n, struct size_part *ret, struct err *err)
{
	struct part_map m = {.weight = 1};

	if (decode_map(d, n, size_part_keys, "part of a mix", &m, err) < 0)
		return -1;
	if (!m.has_weight)
		return node_error(d->doc, n, err, "a part of a mix needs a weight");
	if (!isfinite(m.weight) || m.weight <= 0)
		return node_error(d->doc, at_key(n, "weight"), err,
			"a weight must be a number above 0");
	if (m.has_size ? m.has_min || m.has_max : !m.has_min || !m.has_max)
		return node_error(d->doc, n, err,
			"a part of a mix needs either size, or min and max");
	*ret = (struct size_part){
		m.weight, m.has_size ? m.size : m.min, m.has_size ? m.size : m.max};
	return check_bounds(d, n, ret->min, ret->max, err);
}

static int mix_size(struct decode *d, const struct node *n, const struct size_map *m,
	struct size_spec *ret, struct err *err)
{
	if (!m->has_parts || m->parts->type != NODE_SEQ || m->parts->n == 0)
		return node_error(d->doc, at_key(n, "parts"), err,
			"a mix needs 'parts', a list of sizes with weights");
	if (m->parts->n > PARTS_MAX)
		return node_error(
			d->doc, m->parts, err, "a mix has at most %d parts", PARTS_MAX);
	*ret = (struct size_spec){.type = SIZE_MIX};
	ret->parts = calloc(m->parts->n, sizeof(*ret->parts));
	if (!ret->parts)
		return err_sys(err, ENOMEM, "workload");
	ret->n_parts = m->parts->n;
	for (size_t i = 0; i < ret->n_parts; i++)
		if (decode_part(d, m->parts->items[i], &ret->parts[i], err) < 0)
			return -1;
	return 0;
}

static int bare_size(struct decode *d, const struct node *n, const char *name,
	struct size_spec *size, struct err *err)
{
	const struct key key = {.name = name, .type = KEY_SIZE, .max = SIZE_MAX_BYTES};
	uint64_t bytes;

	if (decode_value(d, n, &key, &bytes, err) < 0)
		return -1;
	size_spec_finish(size);
	*size = (struct size_spec){.type = SIZE_FIXED, .min = bytes, .max = bytes};
	return 0;
}

int decode_size_distribution(
	struct decode *d, const struct node *n, void *dst, struct err *err)
{
	static int (*const makers[])(struct decode *, const struct node *,
		const struct size_map *, struct size_spec *, struct err *) = {
		[SIZE_FIXED] = fixed_size,
		[SIZE_UNIFORM] = uniform_size,
		[SIZE_LOGNORMAL] = lognormal_size,
		[SIZE_MIX] = mix_size,
	};
	struct size_spec made = {.type = SIZE_FIXED}, *size = dst;
	struct size_map m = {.type = 0};

	if (n->type == NODE_SCALAR)
		return bare_size(d, n, "size_distribution", size, err);
	if (decode_map(d, n, size_keys, "size distribution", &m, err) < 0)
		return -1;
	if (!m.has_type)
		return node_error(d->doc, n, err, "a size distribution needs 'type'");
	if (check_keys(d, n, &m, err) < 0 || makers[m.type](d, n, &m, &made, err) < 0) {
		size_spec_finish(&made);
		return -1;
	}
	size_spec_finish(size);
	*size = made;
	return 0;
}

int decode_object_size(struct decode *d, const struct node *n, void *dst, struct err *err)
{
	return bare_size(d, n, "object_size", dst, err);
}
