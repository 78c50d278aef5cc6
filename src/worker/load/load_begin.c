/* load_begin: what a thread of a load begins with: its share of the weights, its part of the keys, its random
 * numbers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "worker/load/load.h"
#include "worker/load/load_impl.h"
#include "worker/load/task.h"

void load_end(void *state)
{
	struct load_thread *l = state;

	if (!l)
		return;
	for (uint32_t i = 0; i < l->n_ops; i++) {
		free(l->ops[i].put_prefix);
		removal_lane_finish(&l->ops[i].removal);
		if (l->ops[i].ring)
			free(l->ops[i].ring->dir);
		free(l->ops[i].ring);
	}
	for (uint32_t i = 0; i < l->n_pools; i++)
		free(l->pools[i].made);
	choices_close(&l->choices);
	free(l->pools);
	free(l->ops);
	free(l->weights);
	mix_finish(&l->mix);
	free(l);
}

/* Caps may leave a thread next to nothing for an op that has objects to work through, and these are this thread's: it
 * keeps half of what was asked for. */
static void keep_once(struct load_thread *l, const double *asked)
{
	double total = 0;

	for (uint32_t i = 0; i < l->n_ops; i++)
		total += asked[i];
	for (uint32_t i = 0; i < l->n_ops; i++) {
		const double least = asked[i] / total / 2;

		if (l->ops[i].finite && l->weights[i] > 0 && l->weights[i] < least)
			l->weights[i] = least;
	}
}

/* This thread's row of the weights, and its share of each cap. */
static int share_weights(
	struct load_thread *l, const struct task *t, uint32_t index, uint32_t n)
{
	size_t n_ops = t->job.n_ops;
	AUTO_FREE double *asked = calloc(n_ops, sizeof(*asked));
	AUTO_FREE uint32_t *caps = calloc(n_ops, sizeof(*caps));
	AUTO_FREE double *all = calloc(n_ops * n, sizeof(*all));

	if (!asked || !caps || !all)
		return -ENOMEM;
	for (size_t i = 0; i < n_ops; i++) {
		asked[i] = t->job.ops[i].weight;
		caps[i] = t->job.ops[i].concurrency;
	}
	/* what a thread removes it has made itself */
	if (mix_spread(asked, caps, t->puts_of, (uint32_t)n_ops, n, all) < 0)
		return -ENOMEM;
	memcpy(l->weights, all + index * n_ops, n_ops * sizeof(*all));
	if (t->job.once)
		keep_once(l, asked);
	for (uint32_t i = 0; i < n_ops; i++) {
		struct load_op *op = &l->ops[i];
		uint32_t runners = 0;

		op->cap = mix_cap_share(caps, i, index, n);
		l->may_refuse |= caps[i] != 0;
		/* which of the threads that may run the op this one is */
		for (uint32_t th = 0; th < n; th++) {
			if (th == index)
				op->runner = runners;
			runners += mix_cap_share(caps, i, th, n) > 0;
		}
		op->runners = runners ? runners : 1;
	}
	return 0;
}

/* Pools have small numbers; the job's own bound is that of its ops. */
static int init_pools(struct load_thread *l, const struct task *t)
{
	uint32_t most = 0;

	for (size_t i = 0; i < t->job.n_ops; i++)
		if (t->job.ops[i].pool > most && t->job.ops[i].pool <= t->job.n_ops)
			most = t->job.ops[i].pool;
	if (most == 0)
		return 0;
	l->pools = calloc(most + 1, sizeof(*l->pools));
	l->n_pools = l->pools ? most + 1 : 0;
	return l->pools ? 0 : -ENOMEM;
}

static int init_pool(struct load_thread *l, struct load_op *op)
{
	uint32_t i = op->spec->pool;

	if (i == 0 || i >= l->n_pools)
		return 0;
	op->pool = &l->pools[i];
	if (!op->pool->made)
		op->pool->made = calloc(POOL, sizeof(*op->pool->made));
	return op->pool->made ? 0 : -ENOMEM;
}

/* Whether the keys of an op come to an end. A delete of one exact key goes on for ever, unless all is to be done
 * once. */
static bool is_finite(const struct task *t, uint32_t i)
{
	const bool once = t->job.once, chooses = t->keys[i].n > 0;

	switch (t->job.ops[i].kind) {
	case OP_DELETE:
	case OP_RMDIR:
		return t->puts_of[i] == UINT32_MAX && (once || !t->keys[i].exact);
	case OP_LIST:
	case OP_MKDIR:
		return false;
	case OP_PUT:
	case OP_MULTIPART_PUT:
		return once && chooses;
	default:
		return once;
	}
}

bool load_has_end(const struct task *t)
{
	for (uint32_t i = 0; i < t->job.n_ops; i++)
		if (is_finite(t, i))
			return true;
	return false;
}

static bool writes(const struct job_op *op)
{
	return op->kind == OP_PUT || op->kind == OP_MULTIPART_PUT ||
	       op->kind == OP_RANGE_PUT;
}

/* What op made is kept for those that remove it. */
static int init_ring(struct load_thread *l, const struct task *t, uint32_t i)
{
	struct load_op *op = &l->ops[i];

	l->may_refuse = true;
	if (op->ring)
		return 0;
	op->ring = calloc(1, sizeof(*op->ring));
	if (!op->ring)
		return -ENOMEM;
	if (t->job.ops[i].kind == OP_MKDIR && t->keys[i].n > 0) {
		op->ring->dir = calloc(RING, sizeof(*op->ring->dir));
		if (!op->ring->dir)
			return -ENOMEM;
	}
	return 0;
}

/* What stands before the names that op makes; NULL: it makes none. */
static const char *prefix_of(const struct load_op *op)
{
	const bool in_tree = op->spec->kind != OP_COPY && op->keys->n > 0;

	if (op->spec->kind == OP_MKDIR)
		return in_tree ? "" : op->spec->uri;
	/* one that overwrites the files of a tree makes no names */
	return in_tree ? NULL : job_op_puts(op->spec);
}

static int init_op(
	struct load_thread *l, const struct task *t, uint32_t i, uint32_t index)
{
	const struct job *j = &t->job;
	struct load_op *op = &l->ops[i];
	const char *puts;

	op->spec = &j->ops[i];
	op->keys = &t->keys[i];
	op->puts_of = t->puts_of[i];
	op->finite = is_finite(t, i);
	op->checks = op->spec->verify &&
		     (op->spec->kind == OP_GET || op->spec->kind == OP_RANGE_GET);
	op->knows = op->checks || (j->verify && op->keys->n > 0 && writes(op->spec));
	sizes_init(&op->sizes, &op->spec->size);
	if (init_pool(l, op) < 0)
		return -ENOMEM;
	if (op->puts_of != UINT32_MAX && init_ring(l, t, op->puts_of) < 0)
		return -ENOMEM;
	puts = prefix_of(op);
	if (!puts)
		return 0;
	op->put_prefix = text_printf("%s%s-%s-%u-", puts, j->run, j->worker, index);
	if (!op->put_prefix)
		return -ENOMEM;
	op->put_prefix_len = strlen(op->put_prefix);
	return 0;
}

/* Directories are removed when those in them are gone, whichever thread removes these. */
static int init_removal(
	struct load_thread *l, struct task *t, uint32_t i, uint32_t index, uint32_t slots)
{
	struct load_op *op = &l->ops[i];
	struct removal *r = &t->removals[i];

	if (op->spec->kind != OP_RMDIR || op->keys->n == 0 || op->keys->exact)
		return 0;
	if (index == 0 && removal_init(r, op->keys, share_of(&t->job)) < 0)
		return -ENOMEM;
	if (index == 0 && l->once)
		l->once->total += r->n;
	l->may_refuse = true;
	return removal_lane_init(&op->removal, r, op->runner, op->runners, slots);
}

/* Only what the load itself makes may not be there. */
static int init_missed(struct load_thread *l, struct task *t, uint32_t index, uint32_t n)
{
	bool any = false;

	for (uint32_t i = 0; i < l->n_ops; i++)
		any |= l->ops[i].puts_of != UINT32_MAX;
	if (!any)
		return 0;
	if (index == 0 && missed_init(&t->missed, n, l->n_ops) < 0)
		return -ENOMEM;
	l->missed = missed_of(&t->missed, index);
	return 0;
}

/* Where this thread begins. */
static void init_choice(struct load_thread *l, const struct task *t, uint32_t i)
{
	struct load_op *op = &l->ops[i];
	const struct job *j = &t->job;
	const struct share share = select_share(j, op->keys);
	const bool range =
		op->spec->kind == OP_RANGE_GET || op->spec->kind == OP_RANGE_PUT;
	char room[ENGINE_URI];

	if (op->keys->n == 0 || op->removal.removal)
		return;
	select_init(&op->select, j, op->spec, op->keys,
		(struct lane){share.index + (uint64_t)share.count * op->runner,
			(uint64_t)share.count * op->runners},
		op->finite);
	if (range && (op->finite || op->spec->selection == SELECT_SEQUENTIAL))
		ranges_init(&op->ranges, j, op->spec, op->keys, op->runner, op->runners,
			op->finite, &op->rng, room);
	if (!l->once || !op->finite || !(l->weights[i] > 0))
		return;
	l->once->total += op->ranges.keys ? ranges_left(&op->ranges, room)
					  : select_left(&op->select);
}

/* Threads are made one after the other, and run when all are there. */
static int init_once(struct load_thread *l, struct task *t, uint32_t index, uint32_t n)
{
	struct once *once = &t->once;

	if (!t->job.once)
		return 0;
	if ((index == 0 || once->n != n) && once_init(once, n) < 0)
		return -ENOMEM;
	l->once = once;
	l->lane = &once->lanes[index];
	once->busy++;
	return 0;
}

static void init_random(struct load_thread *l, const struct task *t, uint32_t index)
{
	const uint64_t seed =
		rng_mix(t->job.seed ^ rng_mix(((uint64_t)t->job.index << 32) + index));

	rng_seed(&l->rng, seed);
	rng_seed(&l->instead, rng_mix(seed));
	for (uint32_t i = 0; i < l->n_ops; i++) {
		rng_seed(&l->ops[i].rng, rng_mix(seed + i + 1));
		l->ops[i].put.group = rng_u64(&l->ops[i].rng);
	}
}

int load_begin(void *user, uint32_t index, uint32_t n, uint32_t slots, void **ret_state,
	struct err *err)
{
	struct task *t = user;
	struct load_thread *l = calloc(1, sizeof(*l));
	int rc = l ? 0 : -ENOMEM;

	if (l) {
		l->contents = &t->contents;
		l->ops = calloc(t->job.n_ops, sizeof(*l->ops));
		l->weights = calloc(t->job.n_ops, sizeof(*l->weights));
		l->n_ops = l->ops ? (uint32_t)t->job.n_ops : 0;
		rc = l->ops && l->weights ? 0 : -ENOMEM;
	}
	if (rc == 0)
		rc = init_pools(l, t);
	for (uint32_t i = 0; rc == 0 && i < l->n_ops; i++)
		rc = init_op(l, t, i, index);
	if (rc == 0)
		rc = share_weights(l, t, index, n);
	if (rc == 0)
		rc = init_once(l, t, index, n);
	if (rc == 0)
		rc = init_missed(l, t, index, n);
	for (uint32_t i = 0; rc == 0 && i < l->n_ops; i++)
		rc = init_removal(l, t, i, index, slots);
	if (rc < 0) {
		load_end(l);
		return err_sys(err, ENOMEM, "no memory for the workload");
	}
	if (choices_open(&l->choices, t->job.worker, index, err) < 0) {
		load_end(l);
		return -1;
	}
	init_random(l, t, index);
	for (uint32_t i = 0; i < l->n_ops; i++)
		init_choice(l, t, i);
	load_rebuild(l);
	*ret_state = l;
	return 0;
}
