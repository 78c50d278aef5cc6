/* load: the workload itself as a source of ops.
 *
 * Every slot draws its next op by weight; load_fill.c says which object it is for. A delete removes each
 * object once: the keys are dealt out over the threads that may run it; a thread that has used its part up
 * does not draw the op again, and when it has nothing left to draw it is done. With job.once so do reads and
 * overwrites. Deletes of this run's own puts take the thread's oldest one that has ended, and are left out of
 * a draw while there is none.
 *
 * A seed repeats what a thread chooses whatever the timing: which op is drawn comes from one stream of random
 * numbers, what each op is for from a stream of its own, and what depends on time (a draw among the ops that
 * are possible at this moment) from another one. */
#include "worker/load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "worker/load_impl.h"
#include "worker/task.h"

unsigned load_kinds(const struct task *t)
{
	unsigned kinds = 0;

	for (size_t i = 0; i < t->job.n_ops; i++)
		kinds |= 1u << t->job.ops[i].kind;
	return kinds;
}

static void load_fini(void *state)
{
	struct load_thread *l = state;

	if (!l)
		return;
	for (uint32_t i = 0; i < l->n_ops; i++) {
		free(l->ops[i].put_prefix);
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
	if (mix_spread(asked, caps, (uint32_t)n_ops, n, all) < 0)
		return -ENOMEM;
	memcpy(l->weights, all + index * n_ops, n_ops * sizeof(*all));
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

size_t load_more_bytes(const struct task *t)
{
	const size_t growth = task_growth(t);
	size_t most = 0;

	for (size_t i = 0; i < t->job.n_ops; i++) {
		const struct job_op *op = &t->job.ops[i];
		const struct job_op *put = op;
		size_t len = 0;

		if (t->puts_of[i] != UINT32_MAX)
			put = &t->job.ops[t->puts_of[i]];
		if (job_op_puts(put))
			len = strlen(job_op_puts(put)) + strlen(t->name) +
			      2 * NAMES_INDEX;
		if (t->keys[i].longest + 1 > len)
			len = t->keys[i].longest + 1;
		len += growth;
		if (op->kind == OP_DELETE)
			len *= op->batch > 1 ? op->batch - 1 : 0;
		else if (op->kind != OP_COPY)
			len = 0;
		if (len > most)
			most = len;
	}
	return most;
}

bool load_through(const struct load_op *op)
{
	return op->ranges.keys ? op->ranges.through : select_left(&op->select) == 0;
}

/* Ops without a key in this thread leave the draw. */
void load_rebuild(struct load_thread *l)
{
	bool left = false;

	for (uint32_t i = 0; i < l->n_ops; i++) {
		const struct load_op *op = &l->ops[i];

		if (op->finite && load_through(op))
			l->weights[i] = 0;
		left |= op->finite && l->weights[i] > 0;
	}
	l->exhausted = !mix_build(&l->mix, l->weights, l->n_ops);
	if (!l->once || left || l->waits)
		return;
	l->waits = true;
	__atomic_fetch_sub(&l->once->busy, 1, __ATOMIC_RELAXED);
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

	if (op->keys->n == 0)
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

static int load_init(void *user, uint32_t index, uint32_t n, uint32_t slots,
	void **ret_state, struct err *err)
{
	struct task *t = user;
	struct load_thread *l = calloc(1, sizeof(*l));
	int rc = l ? 0 : -ENOMEM;

	(void)slots;
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
	if (rc < 0) {
		load_fini(l);
		return err_sys(err, ENOMEM, "no memory for the workload");
	}
	if (choices_open(&l->choices, t->job.worker, index, err) < 0) {
		load_fini(l);
		return -1;
	}
	init_random(l, t, index);
	for (uint32_t i = 0; i < l->n_ops; i++)
		init_choice(l, t, i);
	load_rebuild(l);
	*ret_state = l;
	return 0;
}

/* Whether op i can begin now. */
static bool possible(const struct load_thread *l, uint32_t i)
{
	const struct load_op *op = &l->ops[i];

	if (op->busy >= op->cap)
		return false;
	return op->puts_of == UINT32_MAX || l->ops[op->puts_of].ring->n > 0;
}

/* A draw among those that can begin now, by their weights; -1: none can. */
static int draw_possible(struct load_thread *l)
{
	double total = 0, at;
	int last = -1;

	for (uint32_t i = 0; i < l->n_ops; i++)
		total += possible(l, i) ? l->weights[i] : 0;
	at = rng_double(&l->instead) * total;
	for (uint32_t i = 0; i < l->n_ops; i++) {
		if (!possible(l, i) || !(l->weights[i] > 0))
			continue;
		last = (int)i;
		if (at < l->weights[i])
			break;
		at -= l->weights[i];
	}
	return last;
}

static enum next load_next(void *state, struct io *io, char *uri, char *more)
{
	struct load_thread *l = state;
	uint32_t i;

	if (l->exhausted || (__builtin_expect(l->waits, 0) &&
				    !__atomic_load_n(&l->once->busy, __ATOMIC_RELAXED)))
		return NEXT_END;
	i = mix_draw(&l->mix, rng_u64(&l->rng));
	if (__builtin_expect(l->may_refuse, 0) && !possible(l, i)) {
		int other = draw_possible(l);

		if (other < 0)
			return NEXT_LATER;
		i = (uint32_t)other;
	}
	io->entry = i;
	l->ops[i].busy++;
	load_fill(l, &l->ops[i], io, uri, more);
	if (__builtin_expect(l->choices.file != NULL, 0))
		choices_add(&l->choices, io);
	return NEXT_OP;
}

static void load_done(void *state, const struct io *io)
{
	struct load_thread *l = state;
	struct load_op *op = &l->ops[io->entry];

	op->busy--;
	if ((op->ring || op->pool) && op->put_prefix && !io->error)
		load_put_ended(l, op, io);
	if (__builtin_expect(l->once != NULL, 0) && op->finite)
		once_add(l->lane, 1 + (uint64_t)io->n_more);
}

const struct source load_source = {
	.thread_init = load_init,
	.next = load_next,
	.done = load_done,
	.thread_fini = load_fini,
};
