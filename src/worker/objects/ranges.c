/* ranges: the ranges of objects, one after the other. */
#include "worker/objects/ranges.h"

#include "common/rng.h"
#include "worker/objects/keyset.h"
#include "worker/objects/permute.h"

/* An empty object has no ranges; where all are empty, asking for one is what there is to do. */
#define EMPTY_MAX 16

static uint64_t count_ranges(uint64_t size, uint64_t bytes)
{
	return size == UINT64_MAX ? 1 : size / bytes + (size % bytes > 0);
}

/* The next object. False: there is none. */
static bool next_object(struct ranges *r, char *room)
{
	const uint64_t key = select_any(&r->objects, r->rng, 0);

	if (key == SELECT_NONE)
		return false;
	r->object = key;
	keyset_key(r->keys, key, room, &r->size);
	r->size = ranges_within(r->size, r->unit);
	r->n = count_ranges(r->size, r->bytes);
	return true;
}

/* Moves on to an object that has the next range. The ranges of all objects are numbered through, so that
 * lanes which take turns go on where one object ends and another begins. */
static void settle(struct ranges *r, char *room)
{
	uint32_t empty = 0;

	while (r->at >= r->n) {
		r->at -= r->n;
		if (!next_object(r, room)) {
			r->through = true;
			return;
		}
		empty = r->n == 0 ? empty + 1 : 0;
		if (empty == EMPTY_MAX && !r->objects.once)
			r->n = r->at + 1;
	}
}

void ranges_init(struct ranges *r, const struct job *j, const struct job_op *op,
	const struct keyset *keys, uint32_t thread, uint32_t threads, bool once,
	struct rng *rng, char *room)
{
	const struct share share = select_share(j, keys);
	const uint64_t n = select_span(j, keys);
	struct lane objects = {share.index, share.count};

	*r = (struct ranges){
		.keys = keys,
		.rng = rng,
		.bytes = op->range_size ? op->range_size : 1,
		.unit = op->range_unit,
		.lane = {0, 1},
		.shuffled = op->selection != SELECT_SEQUENTIAL,
	};
	if (n < share.count) {
		r->lane = (struct lane){share.index + (uint64_t)share.count * thread,
			(uint64_t)share.count * threads};
		objects = (struct lane){0, 1};
	} else if (n / share.count < threads) {
		r->lane = (struct lane){thread, threads};
	} else {
		objects = (struct lane){share.index + (uint64_t)share.count * thread,
			(uint64_t)share.count * threads};
	}
	select_init(&r->objects, j, op, keys, objects, once);
	r->at = r->lane.i;
	settle(r, room);
}

void ranges_next(struct ranges *r, char *room, uint64_t *ret_key, uint64_t *ret_offset,
	uint64_t *ret_size)
{
	uint64_t at = r->at;

	if (r->shuffled && at < r->n)
		at = permute(at, r->n, rng_mix(r->objects.order ^ r->object));
	*ret_key = r->object;
	*ret_offset = r->size == UINT64_MAX ? 0 : at * r->bytes;
	if (*ret_offset > r->size)
		*ret_offset = 0;
	*ret_size = r->size - *ret_offset < r->bytes ? r->size - *ret_offset : r->bytes;
	r->at += r->lane.of;
	settle(r, room);
}

uint64_t ranges_left(const struct ranges *r, char *room)
{
	struct ranges rest = *r;
	uint64_t left = 0;

	while (!rest.through) {
		const uint64_t n = (rest.n - rest.at - 1) / rest.lane.of + 1;

		left += n;
		rest.at += n * rest.lane.of;
		settle(&rest, room);
	}
	return left;
}
