/* sizes: draws object sizes from a size_spec. */
#include "worker/objects/sizes.h"

#include <math.h>
#include <stdio.h>

#include "common/rng.h"
#include "common/units.h"

void sizes_init(struct sizes *s, const struct size_spec *spec)
{
	*s = (struct sizes){.spec = spec};
	if (spec->type == SIZE_LOGNORMAL && spec->mean > 0) {
		double ratio = spec->std_dev / spec->mean;
		double variance = log1p(ratio * ratio);

		s->mu = log(spec->mean) - variance / 2;
		s->sigma = sqrt(variance);
	}
	for (size_t i = 0; i < spec->n_parts; i++)
		s->weight_total += spec->parts[i].weight;
}

static uint64_t between(struct rng *r, uint64_t min, uint64_t max)
{
	if (max <= min)
		return min;
	return max - min == UINT64_MAX ? rng_u64(r) : min + rng_below(r, max - min + 1);
}

static uint64_t draw_lognormal(const struct sizes *s, struct rng *r)
{
	double x = round(exp(s->mu + s->sigma * rng_normal(r)));
	uint64_t max = s->spec->max ? s->spec->max : INT64_MAX;

	if (!(x > (double)s->spec->min))
		return s->spec->min;
	return x >= (double)max ? max : (uint64_t)x;
}

static uint64_t draw_mix(const struct sizes *s, struct rng *r)
{
	const struct size_part *part = s->spec->parts;
	double at = rng_double(r) * s->weight_total;

	for (size_t left = s->spec->n_parts; left > 1 && at >= part->weight; left--)
		at -= part++->weight;
	return between(r, part->min, part->max);
}

uint64_t sizes_draw(const struct sizes *s, struct rng *r)
{
	switch (s->spec->type) {
	case SIZE_FIXED:
		break;
	case SIZE_UNIFORM:
		return between(r, s->spec->min, s->spec->max);
	case SIZE_LOGNORMAL:
		return draw_lognormal(s, r);
	case SIZE_MIX:
		return draw_mix(s, r);
	}
	return s->spec->min;
}

uint64_t sizes_at(const struct sizes *s, uint64_t set_id, uint64_t index)
{
	struct rng r;

	if (s->spec->type == SIZE_FIXED)
		return s->spec->min;
	rng_seed(&r, rng_mix(set_id) ^ index);
	return sizes_draw(s, &r);
}

void sizes_describe(const struct size_spec *spec, char *out, size_t size)
{
	static const char *const names[] = {[SIZE_UNIFORM] = "uniform",
		[SIZE_LOGNORMAL] = "lognormal",
		[SIZE_MIX] = "mix"};

	if (spec->type == SIZE_FIXED)
		snprintf(out, size, "%s", units_bytes(spec->min).s);
	else if (spec->type == SIZE_UNIFORM)
		snprintf(out, size, "%s..%s uniform", units_bytes(spec->min).s,
			units_bytes(spec->max).s);
	else
		snprintf(out, size, "%s, mean %s", names[spec->type],
			units_bytes((uint64_t)size_spec_mean(spec)).s);
}
