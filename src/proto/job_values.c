/* job_values: what sizes and trees of a job come to. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/job.h"

int size_spec_copy(struct size_spec *to, const struct size_spec *from)
{
	*to = *from;
	to->parts = NULL;
	if (from->n_parts == 0)
		return 0;
	to->parts = calloc(from->n_parts, sizeof(*to->parts));
	if (!to->parts) {
		*to = (struct size_spec){.type = SIZE_FIXED};
		return -ENOMEM;
	}
	memcpy(to->parts, from->parts, from->n_parts * sizeof(*to->parts));
	return 0;
}

static double middle(uint64_t min, uint64_t max)
{
	return (double)min / 2 + (double)max / 2;
}

static double below(double z)
{
	return erfc(-z / M_SQRT2) / 2;
}

/* Sizes below min count as min, those above max as max. */
static double lognormal_mean(const struct size_spec *s)
{
	const double min = (double)s->min, max = s->max ? (double)s->max : INFINITY;
	const double variance = log1p(pow(s->std_dev / s->mean, 2));
	const double sigma = sqrt(variance), mu = log(s->mean) - variance / 2;
	const double low = min > 0 ? (log(min) - mu) / sigma : -INFINITY;
	const double high = (log(max) - mu) / sigma;

	if (!(s->mean > 0) || !(sigma > 0))
		return s->mean;
	return (min > 0 ? min * below(low) : 0) +
	       s->mean * (below(high - sigma) - below(low - sigma)) +
	       (s->max ? max * below(-high) : 0);
}

double size_spec_mean(const struct size_spec *s)
{
	double weight = 0, bytes = 0;

	if (s->type == SIZE_LOGNORMAL)
		return lognormal_mean(s);
	if (s->type != SIZE_MIX)
		return middle(s->min, s->max);
	for (size_t i = 0; i < s->n_parts; i++) {
		weight += s->parts[i].weight;
		bytes += s->parts[i].weight * middle(s->parts[i].min, s->parts[i].max);
	}
	return weight > 0 ? bytes / weight : 0;
}

const char *job_tree_mask_flaw(const char *mask)
{
	unsigned numbers = 0;

	for (const char *c = mask; *c; c++) {
		if (*c == '/' || strchr("*?[]", *c) || (unsigned char)*c < ' ')
			return "holds a '/', a wildcard or a control character";
		if (*c != '%')
			continue;
		if (*++c != 'd')
			return "has a '%' that is no %d";
		numbers++;
	}
	if (numbers != 2)
		return "needs two %d: the level, and the number in the directory above";
	return *mask == '.' ? "begins with '.'" : NULL;
}

uint64_t job_tree_dirs(const struct job_tree *t)
{
	uint64_t level = 1, all = 0;

	for (uint32_t d = 0; d < t->depth; d++)
		if (__builtin_mul_overflow(level, t->width, &level) ||
			__builtin_add_overflow(all, level, &all))
			return UINT64_MAX;
	return all;
}

uint64_t job_tree_file_dirs(const struct job_tree *t)
{
	struct job_tree above = *t;
	uint64_t all = job_tree_dirs(t);

	if (t->all || t->depth == 0 || all == UINT64_MAX)
		return all;
	above.depth--;
	return all - job_tree_dirs(&above);
}

uint64_t job_tree_files(const struct job_tree *t)
{
	uint64_t n;

	if (__builtin_mul_overflow(job_tree_file_dirs(t), t->files_per_dir, &n))
		return UINT64_MAX;
	return n;
}

struct job_tree_part job_tree_part(
	const struct job_tree *t, uint32_t index, uint32_t count)
{
	struct job_tree above = *t;
	struct job_tree_part part = {0};
	uint64_t leaves, from, to;

	if (t->depth == 0)
		return part;
	above.depth--;
	leaves = job_tree_dirs(t) - job_tree_dirs(&above);
	from = leaves * index / count;
	to = leaves * (index + 1) / count;
	part.first = from;
	part.n = to - from;
	/* level by level: of each directory all below it has to be in the part */
	for (uint32_t level = t->depth; level > 0 && from < to; level--) {
		part.dirs += to - from;
		from = (from + t->width - 1) / t->width;
		to /= t->width;
	}
	return part;
}
