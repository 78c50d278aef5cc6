/* null_faults: the times and errors that null is told to have. */
#include "backends/null_faults.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/rng.h"
#include "common/units.h"

#define WORDS_MAX 4u
#define WORD_BYTES 24u

bool null_faults_any(const struct null_faults *f)
{
	return f->how != NULL_CONSTANT || f->a_ns || f->ramp_over_ns || f->stall_ns ||
	       f->errors > 0;
}

/* A:B:C into words; how many, or 0 when there are too many or one is too long. */
static unsigned split(const char *value, char words[WORDS_MAX][WORD_BYTES])
{
	unsigned n = 0;

	for (;;) {
		size_t len = strcspn(value, ":");

		if (n == WORDS_MAX || len >= WORD_BYTES)
			return 0;
		snprintf(words[n++], WORD_BYTES, "%.*s", (int)len, value);
		if (!value[len])
			return n;
		value += len + 1;
	}
}

static bool is_share(const char *text, double *ret)
{
	char *end;
	double x = strtod(text, &end);

	if (end == text || *end || !(x >= 0 && x <= 1))
		return false;
	*ret = x;
	return true;
}

static bool are_durations(char words[][WORD_BYTES], uint64_t *ret_a, uint64_t *ret_b)
{
	return units_parse_duration_ns(words[0], ret_a) == 0 &&
	       (!ret_b || units_parse_duration_ns(words[1], ret_b) == 0);
}

int null_set_latency(struct null_faults *f, const char *value, struct err *err)
{
	char words[WORDS_MAX][WORD_BYTES];
	unsigned n = split(value, words);

	f->how = NULL_CONSTANT;
	f->b_ns = 0;
	if (n == 1 && are_durations(words, &f->a_ns, NULL))
		return 0;
	if (n == 2 && strcmp(words[0], "exp") == 0) {
		f->how = NULL_EXPONENTIAL;
		if (are_durations(words + 1, &f->a_ns, NULL))
			return 0;
	}
	if (n == 3 && strcmp(words[0], "uniform") == 0) {
		f->how = NULL_UNIFORM;
		if (are_durations(words + 1, &f->a_ns, &f->b_ns) && f->a_ns <= f->b_ns)
			return 0;
	}
	if (n == 4 && strcmp(words[0], "bimodal") == 0) {
		f->how = NULL_BIMODAL;
		if (are_durations(words + 1, &f->a_ns, &f->b_ns) &&
			is_share(words[3], &f->share))
			return 0;
	}
	return err_set(err, ERR_INPUT,
		"null: latency \"%s\" is not a duration, uniform:MIN:MAX, exp:MEAN or "
		"bimodal:MOST:FEW:SHARE_OF_THE_FEW",
		value);
}

int null_set_ramp(struct null_faults *f, const char *value, struct err *err)
{
	char words[WORDS_MAX][WORD_BYTES];

	if (split(value, words) == 3 &&
		are_durations(words, &f->ramp_from_ns, &f->ramp_to_ns) &&
		are_durations(words + 2, &f->ramp_over_ns, NULL) && f->ramp_over_ns)
		return 0;
	return err_set(err, ERR_INPUT,
		"null: ramp \"%s\" is not FROM:TO:OVER, three durations", value);
}

int null_set_stall(struct null_faults *f, const char *value, struct err *err)
{
	const char *at = strchr(value, '@');
	char length[WORD_BYTES];

	if (at && (size_t)(at - value) < sizeof(length)) {
		snprintf(length, sizeof(length), "%.*s", (int)(at - value), value);
		if (units_parse_duration_ns(length, &f->stall_ns) == 0 &&
			units_parse_duration_ns(at + 1, &f->stall_at_ns) == 0)
			return 0;
	}
	return err_set(err, ERR_INPUT,
		"null: stall \"%s\" is not LENGTH@TIME, two durations", value);
}

int null_set_errors(struct null_faults *f, const char *value, struct err *err)
{
	if (is_share(value, &f->errors))
		return 0;
	return err_set(
		err, ERR_INPUT, "null: errors \"%s\" is not a share from 0 to 1", value);
}

/* When the first op of all began. */
static uint64_t first_ns(struct null_faults *f, uint64_t now_ns)
{
	uint64_t first = __atomic_load_n(&f->first_ns, __ATOMIC_RELAXED);

	if (first)
		return first;
	return __atomic_compare_exchange_n(&f->first_ns, &first, now_ns, false,
		       __ATOMIC_RELAXED, __ATOMIC_RELAXED)
		       ? now_ns
		       : first;
}

/* Linear from the first op on. */
static uint64_t ramp(const struct null_faults *f, uint64_t since_ns)
{
	double done = (double)since_ns / (double)f->ramp_over_ns;
	double from = (double)f->ramp_from_ns, to = (double)f->ramp_to_ns;

	return done < 1 ? (uint64_t)(from + (to - from) * done) : f->ramp_to_ns;
}

static uint64_t draw(const struct null_faults *f, struct rng *r)
{
	switch (f->how) {
	case NULL_UNIFORM:
		return f->a_ns + rng_below(r, f->b_ns - f->a_ns + 1);
	case NULL_EXPONENTIAL:
		return (uint64_t)(-log(1.0 - rng_double(r)) * (double)f->a_ns);
	case NULL_BIMODAL:
		return rng_double(r) < f->share ? f->b_ns : f->a_ns;
	default:
		return f->a_ns;
	}
}

uint64_t null_end_ns(struct null_faults *f, uint64_t start_ns, struct rng *r)
{
	uint64_t first, since, latency;

	if (!f->ramp_over_ns && !f->stall_ns)
		return start_ns + draw(f, r);
	first = first_ns(f, start_ns);
	since = start_ns > first ? start_ns - first : 0;
	latency = f->ramp_over_ns ? ramp(f, since) : draw(f, r);
	/* in a stall the store stands still: what it has begun before goes on behind it */
	if (since >= f->stall_at_ns) {
		if (since < f->stall_at_ns + f->stall_ns)
			return first + f->stall_at_ns + f->stall_ns + latency;
		return start_ns + latency;
	}
	return start_ns + latency + (since + latency < f->stall_at_ns ? 0 : f->stall_ns);
}

bool null_fails(const struct null_faults *f, struct rng *r)
{
	return f->errors > 0 && rng_double(r) < f->errors;
}
