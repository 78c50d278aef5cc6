/* select: which of its keys an op of one engine thread takes next. */
#include "worker/objects/select.h"

#include "worker/objects/keyset.h"
#include "worker/objects/permute.h"

struct share select_share(const struct job *j, const struct keyset *keys)
{
	return keys->dealt ? (struct share){0, 1} : share_of(j);
}

static bool is_weighted(const struct job *j, const struct keyset *keys)
{
	return j->path_selection == PATHS_WEIGHTED && keys->own > 0 &&
	       keys->own < keys->n;
}

uint64_t select_span(const struct job *j, const struct keyset *keys)
{
	return is_weighted(j, keys) ? keys->own : keys->n;
}

/* Ranks over n keys. */
static void init_ranks(
	struct zipf *z, uint64_t *spread, const struct job_op *op, uint64_t n)
{
	if (n == 0)
		return;
	zipf_init(z, n, op->theta > 0 ? op->theta : 1);
	*spread = permute_step(n);
}

/* Of fewer keys than lanes each begins with another one and goes round. */
static void deal_out(struct select *s, struct lane lane)
{
	s->step = lane.of;
	s->first = lane.i;
	if (s->limit > lane.i)
		s->count = (s->limit - lane.i - 1) / lane.of + 1;
	if (s->once || s->limit >= lane.of || s->limit == 0)
		return;
	s->step = 1;
	s->first = lane.i % s->limit;
	s->count = s->limit;
}

void select_init(struct select *s, const struct job *j, const struct job_op *op,
	const struct keyset *keys, struct lane lane, bool once)
{
	const bool weighted = is_weighted(j, keys);

	*s = (struct select){
		.how = op->selection,
		.once = once,
		.n = keys->n,
		.own = weighted ? keys->own : keys->n,
		.overlap = j->partition_overlap,
		.limit = select_span(j, keys),
		.in_order = op->selection == SELECT_SEQUENTIAL || op->kind == OP_DELETE ||
			    op->kind == OP_RMDIR,
		.order = rng_mix(j->seed + (uint64_t)(op - j->ops)),
	};
	if (once || s->how == SELECT_SEQUENTIAL)
		deal_out(s, lane);
	if (s->how == SELECT_ZIPF || s->how == SELECT_LATEST) {
		init_ranks(&s->zipf, &s->spread, op, s->n);
		init_ranks(&s->own_zipf, &s->own_spread, op, s->own);
	}
	s->plain = !once && s->how == SELECT_UNIFORM && !weighted;
}

static uint64_t take_once(struct select *s)
{
	uint64_t at = s->taken;

	if (at >= s->count)
		return SELECT_NONE;
	s->taken++;
	if (!s->in_order)
		at = permute(at, s->count, s->order);
	return s->first + at * s->step;
}

static uint64_t take_next(struct select *s)
{
	uint64_t key = s->first + s->taken * s->step;

	s->taken = s->taken + 1 < s->count ? s->taken + 1 : 0;
	return key < s->limit ? key : key - s->limit;
}

/* What was made since is as likely as the rest. */
static uint64_t take_zipf(
	struct select *s, struct rng *r, uint64_t n, bool all, uint64_t newer)
{
	const uint64_t spread = all ? s->spread : s->own_spread;
	uint64_t rank;

	if (newer > 0) {
		const uint64_t at = rng_below(r, n + newer);

		if (at >= n)
			return s->n + (at - n);
	}
	rank = zipf_draw(all ? &s->zipf : &s->own_zipf, r);
	if (n <= UINT32_MAX)
		return rank * spread % n;
	return (uint64_t)((rng_wide)rank * spread % n);
}

static uint64_t take_latest(
	struct select *s, struct rng *r, uint64_t n, bool all, uint64_t newer)
{
	struct zipf *z = all ? &s->zipf : &s->own_zipf;
	uint64_t age;

	if (__builtin_expect(z->n != n + newer, 0))
		zipf_resize(z, n + newer);
	age = zipf_draw(z, r);
	return age < newer ? s->n + (newer - 1 - age) : n - 1 - (age - newer);
}

uint64_t select_any(struct select *s, struct rng *r, uint64_t newer)
{
	bool all = true;
	uint64_t n, at;

	if (s->once)
		return take_once(s);
	if (s->own < s->n)
		all = rng_double(r) < s->overlap;
	n = all ? s->n : s->own;
	switch (s->how) {
	case SELECT_SEQUENTIAL:
		return all && s->own < s->n ? rng_below(r, n) : take_next(s);
	case SELECT_ZIPF:
		return take_zipf(s, r, n, all, newer);
	case SELECT_LATEST:
		return take_latest(s, r, n, all, newer);
	case SELECT_UNIFORM:
		break;
	}
	at = rng_below(r, n + newer);
	return at < n ? at : s->n + (at - n);
}
