/* Directories go when those in them are gone: whatever threads and workers there are and however long each
 * removal takes, none waits, none comes too early, and all are done. */
#include "worker/objects/removal.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "common/cleanup.h"
#include "common/rng.h"
#include "worker/objects/keyset.h"

#define SLOTS 3
#define LANES_MAX 16

/* A forest of two trees, as a keyset has them. */
struct forest {
	struct job_set specs[2];
	struct set sets[2];
	struct keyset_part parts[2];
	struct keyset keys;
};

static const char *name_of(const struct forest *f, uint64_t key)
{
	return f->keys.names + f->keys.offsets[key];
}

/* Those in a directory that was listed are gone. */
static void check_listed(const struct forest *f, const unsigned char *gone, uint64_t key)
{
	const char *name = name_of(f, key);

	for (uint64_t i = 0; i < f->keys.n; i++)
		CHECK(i == key || gone[i] == 1 ||
				strncmp(name_of(f, i), name, strlen(name)) != 0,
			"%s before %s", name, name_of(f, i));
}

static void plant(struct forest *f, size_t trees, uint32_t width, uint32_t depth)
{
	*f = (struct forest){.keys = {.parts = f->parts, .n_parts = trees}};
	for (size_t i = 0; i < trees; i++) {
		/* the second one is less deep */
		f->specs[i].tree = (struct job_tree){
			.width = width, .depth = i && depth > 1 ? depth - 1 : depth};
		f->sets[i].spec = &f->specs[i];
		f->parts[i] = (struct keyset_part){.set = &f->sets[i],
			.dirs = true,
			.step = 1,
			.n = job_tree_dirs(&f->specs[i].tree)};
		f->keys.n += f->parts[i].n;
	}
}

/* Which of the trees a key is of. */
static size_t part_of(const struct forest *f, uint64_t *key)
{
	size_t i = 0;

	for (; *key >= f->parts[i].n; i++)
		*key -= f->parts[i].n;
	return i;
}

/* Those in directory key are gone. */
static void check_empty(const struct forest *f, const unsigned char *gone, uint64_t key)
{
	uint64_t dir = key;

	if (f->keys.offsets) {
		check_listed(f, gone, key);
		return;
	}
	const struct keyset_part *p = &f->parts[part_of(f, &dir)];
	const uint64_t width = p->set->spec->tree.width;
	const uint64_t begin = key - dir, first = (dir + 1) * width;

	for (uint64_t k = first; k < first + width && k < p->n; k++)
		CHECK(gone[begin + k] == 1, "%ju before %ju", (uintmax_t)key,
			(uintmax_t)(begin + k));
}

struct lane {
	struct removal_lane lane;
	uint64_t flying[SLOTS];
	uint32_t n;
};

/* One of the lanes begins or ends something, as chance has it; false: all are through. */
static bool step(struct lane *lanes, uint32_t n, const struct forest *f,
	unsigned char *gone, struct rng *rng)
{
	uint32_t at = (uint32_t)rng_below(rng, n), tries = 0;

	while (tries < n && removal_through(&lanes[at].lane)) {
		at = (at + 1) % n;
		tries++;
	}
	if (tries == n)
		return false;
	struct lane *l = &lanes[at];

	if (l->n < SLOTS && removal_can(&l->lane) && rng_below(rng, 2)) {
		l->flying[l->n++] = removal_take(&l->lane);
		check_empty(f, gone, l->flying[l->n - 1]);
	} else if (l->n > 0) {
		const uint32_t which = (uint32_t)rng_below(rng, l->n);
		const uint64_t key = l->flying[which];

		l->flying[which] = l->flying[--l->n];
		CHECK(gone[key]++ == 0, "%ju twice", (uintmax_t)key);
		removal_done(&l->lane, key);
	}
	return true;
}

/* What worker w of n removes, with some threads; returns how many that were. */
static uint64_t remove_all(const struct forest *f, struct share share, uint32_t threads,
	unsigned char *gone, struct rng *rng)
{
	struct lane lanes[LANES_MAX] = {0};
	struct removal r = {0};
	uint64_t before = 0, after = 0;

	for (uint64_t i = 0; i < f->keys.n; i++)
		before += gone[i];
	CHECK(removal_init(&r, &f->keys, share) == 0);
	for (uint32_t i = 0; i < threads; i++)
		CHECK(removal_lane_init(&lanes[i].lane, &r, i, threads, SLOTS) == 0);
	while (step(lanes, threads, f, gone, rng))
		;
	for (uint32_t i = 0; i < threads; i++)
		removal_lane_finish(&lanes[i].lane);
	for (uint64_t i = 0; i < f->keys.n; i++)
		after += gone[i];
	CHECK(after - before == r.n, "%ju, not %ju", (uintmax_t)(after - before),
		(uintmax_t)r.n);
	removal_finish(&r);
	return after - before;
}

/* The directories that hold directories of more than one worker. */
static uint64_t count_shared(const struct forest *f, uint32_t workers)
{
	uint64_t left = 0;

	for (size_t i = 0; i < f->keys.n_parts; i++) {
		const struct job_tree *t = &f->specs[i].tree;

		left += job_tree_dirs(t);
		for (uint32_t w = 0; w < workers; w++)
			left -= job_tree_part(t, w, workers).dirs;
	}
	return left;
}

static void test_all_in_order(void)
{
	const struct {
		uint32_t trees, width, depth, workers, threads;
		uint64_t left;
	} rows[] = {
		{1, 3, 3, 1, 1, 0},
		{1, 3, 3, 1, 4, 0},
		{1, 2, 6, 1, 16, 0},
		{1, 1, 5, 1, 4, 0},
		{1, 7, 1, 1, 4, 0},
		{2, 3, 3, 1, 5, 0},
		{1, 4, 3, 2, 4, 0},
		{1, 4, 3, 4, 4, 0},
		{1, 3, 3, 2, 4, 2},
		{1, 2, 4, 4, 2, 2},
		{2, 3, 4, 5, 3, 16},
		{1, 2, 2, 8, 2, 2},
		{1, 1, 3, 2, 2, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct forest f;
		struct rng rng;
		uint64_t removed = 0;

		plant(&f, rows[i].trees, rows[i].width, rows[i].depth);
		rng_seed(&rng, i);
		AUTO_FREE unsigned char *gone = calloc(f.keys.n, 1);
		CHECK(gone != NULL);
		for (uint32_t w = 0; gone && w < rows[i].workers; w++)
			removed += remove_all(&f, (struct share){w, rows[i].workers},
				rows[i].threads, gone, &rng);
		CHECK(count_shared(&f, rows[i].workers) == rows[i].left &&
				f.keys.n - removed == rows[i].left,
			"row %zu: %ju left, %ju shared", i,
			(uintmax_t)(f.keys.n - removed),
			(uintmax_t)count_shared(&f, rows[i].workers));
	}
}

/* What a listing found, the last name first. */
static void test_listed(void)
{
	static char names[] = "u/c/\0u/b/x/y/z/\0u/b/x/y/\0u/a0/\0u/a/b/d/\0"
			      "u/a/b/c/\0u/a/b-/\0u/a/\0u/a-b/q/\0u/a-b/\0";
	uint64_t offsets[16] = {0};

	for (uint32_t threads = 1; threads < LANES_MAX; threads++) {
		struct forest f = {.keys = {.names = names, .offsets = offsets}};
		unsigned char gone[16] = {0};
		struct rng rng;

		for (size_t at = 0; names[at]; at += strlen(names + at) + 1)
			offsets[f.keys.n++] = at;
		rng_seed(&rng, threads);
		CHECK(remove_all(&f, (struct share){0, 1}, threads, gone, &rng) ==
			f.keys.n);
	}
}

/* One thread with one slot goes depth first. */
static void test_depth_first(void)
{
	const uint64_t want[] = {2, 3, 0, 4, 5, 1};
	struct removal r = {0};
	struct removal_lane l;
	struct forest f;

	plant(&f, 1, 2, 2);
	CHECK(removal_init(&r, &f.keys, (struct share){0, 1}) == 0 && r.n == 6);
	CHECK(removal_lane_init(&l, &r, 0, 1, 1) == 0);
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		CHECK(removal_can(&l));
		CHECK(removal_take(&l) == want[i], "%zu", i);
		CHECK(!removal_through(&l));
		removal_done(&l, want[i]);
	}
	CHECK(removal_through(&l));
	removal_lane_finish(&l);
	removal_finish(&r);
}

TEST_MAIN(TEST(test_all_in_order), TEST(test_listed), TEST(test_depth_first))
