/* load: the workload itself as a source of ops.
 *
 * Every slot draws its next op by weight; load_fill.c says which object it is for, load_begin.c what a thread
 * begins with. A delete removes each object once: the keys are dealt out over the threads that may run it; a
 * thread that has used its part up does not draw the op again, and when it has nothing left to draw it is
 * done; an rmdir takes the directories of a tree as removal.h says. With job.once so do reads and overwrites.
 * Deletes of this run's own puts take the thread's oldest one that has ended, and are left out of a draw while
 * there is none.
 *
 * A seed repeats what a thread chooses whatever the timing: which op is drawn comes from one stream of random
 * numbers, what each op is for from a stream of its own, and what depends on time (a draw among the ops that
 * are possible at this moment) from another one. */
#include "worker/load/load.h"

#include <string.h>

#include "worker/load/load_impl.h"
#include "worker/load/task.h"

unsigned load_kinds(const struct task *t)
{
	unsigned kinds = 0;

	for (size_t i = 0; i < t->job.n_ops; i++)
		kinds |= 1u << t->job.ops[i].kind;
	return kinds;
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
	if (op->removal.removal)
		return removal_through(&op->removal);
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

/* Whether op removes what this thread has made, and that is nothing. */
static bool has_none(const struct load_thread *l, const struct load_op *op)
{
	return op->puts_of != UINT32_MAX && l->ops[op->puts_of].ring->n == 0;
}

/* Whether op i can begin now. */
static bool possible(const struct load_thread *l, uint32_t i)
{
	const struct load_op *op = &l->ops[i];

	if (op->busy >= op->cap || (op->removal.removal && !removal_can(&op->removal)))
		return false;
	return !has_none(l, op);
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

/* Draws an op where the one that is drawn may have to wait; false: all have to. Then the same one is drawn
 * again: how often that happens is a matter of time. */
static bool draw_now(struct load_thread *l, uint32_t *ret_op)
{
	const struct rng before = l->rng;
	int other;

	*ret_op = mix_draw(&l->mix, rng_u64(&l->rng));
	if (possible(l, *ret_op)) {
		l->stuck = false;
		return true;
	}
	if (!l->stuck && has_none(l, &l->ops[*ret_op]))
		l->missed[*ret_op]++;
	other = draw_possible(l);
	l->stuck = other < 0;
	if (l->stuck)
		l->rng = before;
	else
		*ret_op = (uint32_t)other;
	return !l->stuck;
}

static enum next load_next(void *state, struct io *io, char *uri, char *more)
{
	struct load_thread *l = state;
	uint32_t i;

	if (l->exhausted || (__builtin_expect(l->waits, 0) &&
				    !__atomic_load_n(&l->once->busy, __ATOMIC_RELAXED)))
		return NEXT_END;
	if (__builtin_expect(!l->may_refuse, 1))
		i = mix_draw(&l->mix, rng_u64(&l->rng));
	else if (!draw_now(l, &i))
		return NEXT_LATER;
	io->entry = i;
	l->ops[i].busy++;
	load_fill(l, &l->ops[i], io, uri, more);
	if (__builtin_expect(l->choices.file != NULL, 0))
		choices_add(&l->choices, io);
	return NEXT_OP;
}

/* One of the objects of an op that come to an end. A directory that is gone: the one that it was in may be next, or
 * nothing is left. */
static void object_ended(struct load_thread *l, struct load_op *op, const struct io *io)
{
	if (l->once && !io->given_up)
		once_add(l->lane, 1 + (uint64_t)io->n_more);
	if (!op->removal.removal)
		return;
	removal_done(&op->removal, io->tag);
	if (load_through(op))
		load_rebuild(l);
}

static void load_done(void *state, const struct io *io)
{
	struct load_thread *l = state;
	struct load_op *op = &l->ops[io->entry];

	op->busy--;
	if ((op->ring || op->pool) && op->put_prefix && !io->error)
		load_put_ended(l, op, io);
	if (__builtin_expect(op->finite, 0))
		object_ended(l, op, io);
}

const struct source load_source = {
	.thread_init = load_begin,
	.next = load_next,
	.done = load_done,
	.thread_fini = load_end,
};
