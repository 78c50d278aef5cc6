/* prepare: makes what is missing of this worker's share of the sets.
 *
 * All threads take positions from one cursor per set: next to writing an object its cost is nothing, and no
 * thread is left with the largest ones. The directories of trees come first; an object that overtakes its
 * own makes it. What fails is tried again a few times, unless the reason is one that trying cannot
 * mend. */
#include "worker/load/prepare.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "worker/load/task.h"
#include "worker/objects/tree.h"

#define TRIES 3
/* io.tag: the index or directory, and the number of tries above it */
#define TAG_TRIES_SHIFT 56
#define TAG_NUMBER ((UINT64_C(1) << TAG_TRIES_SHIFT) - 1)

/* Something to be made. */
struct piece {
	uint32_t set;
	bool dir;
	uint64_t tag;
};

/* One thread's part. */
struct maker {
	struct prepare *p;
	struct piece *again; /* a stack; at most one per slot */
	uint32_t n_again, in_flight;
};

int prepare_init(struct prepare *p, struct task *task, struct err *err)
{
	*p = (struct prepare){.task = task};
	pthread_mutex_init(&p->lock, NULL);
	p->cursors = calloc(task->job.n_sets + 1, sizeof(*p->cursors));
	return p->cursors ? 0 : err_sys(err, ENOMEM, "no memory to prepare");
}

void prepare_finish(struct prepare *p)
{
	free(p->cursors);
	p->cursors = NULL;
	pthread_mutex_destroy(&p->lock);
}

int prepare_owners(struct prepare *p, struct err *err)
{
	struct task *t = p->task;

	/* every worker, not only the first: an object must never be there without its owner, also
	 * when the first worker is lost at this moment */
	for (size_t i = 0; i < t->job.n_sets; i++)
		if (set_wants(&t->job.sets[i]) &&
			set_take(&t->sets[i], &t->store, err) < 0)
			return -1;
	return 0;
}

uint64_t prepare_total(const struct task *task)
{
	uint64_t total = 0;

	for (size_t i = 0; i < task->job.n_sets; i++)
		total += task->sets[i].to_make + task->sets[i].dirs_to_make;
	return total;
}

unsigned prepare_kinds(const struct task *task)
{
	unsigned kinds = 1u << OP_PUT;

	for (size_t i = 0; i < task->job.n_sets; i++)
		if (task->sets[i].dirs_to_make > 0)
			kinds |= 1u << OP_MKDIR;
	return kinds;
}

static int maker_init(void *user, uint32_t index, uint32_t n, uint32_t slots,
	void **ret_state, struct err *err)
{
	struct maker *m = calloc(1, sizeof(*m));

	(void)index;
	(void)n;
	if (m)
		m->again = calloc(slots, sizeof(*m->again));
	if (!m || !m->again) {
		free(m);
		return err_sys(err, ENOMEM, "no memory to prepare");
	}
	m->p = user;
	*ret_state = m;
	return 0;
}

static void maker_fini(void *state)
{
	struct maker *m = state;

	if (!m)
		return;
	free(m->again);
	free(m);
}

/* The next of n that nobody has looked at; false: there is none. */
static bool take(uint64_t *cursor, uint64_t n, uint64_t *ret_at)
{
	if (__atomic_load_n(cursor, __ATOMIC_RELAXED) >= n)
		return false;
	*ret_at = __atomic_fetch_add(cursor, 1, __ATOMIC_RELAXED);
	return *ret_at < n;
}

static bool next_dir(struct prepare *p, uint32_t i, uint64_t *ret_dir)
{
	const struct share share = share_to_make(&p->task->job);
	uint64_t at;

	if (!take(&p->cursors[i].dir, p->task->sets[i].dirs_to_make, &at))
		return false;
	*ret_dir = share.index + at * share.count;
	return true;
}

static bool next_object(struct prepare *p, uint32_t i, uint64_t *ret_index)
{
	const struct task *t = p->task;
	const struct share share = share_to_make(&t->job);
	uint64_t n = t->sets[i].to_make ? share_size(share, t->job.sets[i].count) : 0;
	uint64_t at;

	while (take(&p->cursors[i].object, n, &at)) {
		*ret_index = share.index + at * share.count;
		if (!set_is_complete(&t->sets[i], *ret_index))
			return true;
	}
	return false;
}

/* What is missing next: sets one behind the other, or (interleave) one of each in turn. */
static bool next_missing(struct prepare *p, struct piece *ret)
{
	const struct job *j = &p->task->job;
	uint32_t n = (uint32_t)j->n_sets, first = 0;

	if (j->interleave && n > 0)
		first = (uint32_t)(__atomic_fetch_add(&p->turn, 1, __ATOMIC_RELAXED) % n);
	*ret = (struct piece){.dir = true};
	for (uint32_t i = 0; i < n; i++)
		if (next_dir(p, ret->set = (first + i) % n, &ret->tag))
			return true;
	ret->dir = false;
	for (uint32_t i = 0; i < n; i++)
		if (next_object(p, ret->set = (first + i) % n, &ret->tag))
			return true;
	return false;
}

static void fill_dir(
	const struct task *t, uint32_t set, uint64_t dir, struct io *io, char *uri)
{
	const struct job_tree *tree = &t->job.sets[set].tree;

	set_dir(&t->job.sets[set], job_tree_dirs(tree) - tree_leaves(tree) + dir, uri);
	io->kind = OP_MKDIR;
	io->entry = set;
	io->recursive = io->may_exist = true;
}

static void fill_object(
	const struct task *t, uint32_t set, uint64_t index, struct io *io, char *uri)
{
	const struct job_set *spec = &t->job.sets[set];

	set_key(spec, index, uri);
	io->kind = OP_PUT;
	io->entry = set;
	io->size = sizes_at(&t->sets[set].sizes, spec->id, index);
	contents_of_set(&t->contents, &t->sets[set], index, uri, io);
}

static enum next maker_next(void *state, struct io *io, char *uri, char *more)
{
	struct maker *m = state;
	struct piece piece;
	uint64_t number, tries;

	(void)more;
	if (__atomic_load_n(&m->p->hopeless, __ATOMIC_RELAXED)) {
		return m->in_flight ? NEXT_LATER : NEXT_END;
	} else if (m->n_again > 0) {
		piece = m->again[--m->n_again];
	} else if (!next_missing(m->p, &piece)) {
		/* those in flight may have to be done again */
		return m->in_flight ? NEXT_LATER : NEXT_END;
	}
	number = piece.tag & TAG_NUMBER;
	tries = piece.tag >> TAG_TRIES_SHIFT;
	if (piece.dir)
		fill_dir(m->p->task, piece.set, number, io, uri);
	else
		fill_object(m->p->task, piece.set, number, io, uri);
	io->tag = number | (tries + 1) << TAG_TRIES_SHIFT;
	m->in_flight++;
	return NEXT_OP;
}

static bool can_be_mended(enum op_error error)
{
	return error != OP_ERR_NO_SPACE && error != OP_ERR_DENIED;
}

static void give_up(struct maker *m, const struct io *io)
{
	struct prepare *p = m->p;

	__atomic_fetch_add(&p->failed, 1, __ATOMIC_RELAXED);
	if (!can_be_mended(io->error))
		__atomic_store_n(&p->hopeless, 1, __ATOMIC_RELAXED);
	pthread_mutex_lock(&p->lock);
	if (p->first.kind == ERR_NONE)
		err_set(&p->first, ERR_FAILED, "%s", io->error_text);
	pthread_mutex_unlock(&p->lock);
}

static void maker_done(void *state, const struct io *io)
{
	struct maker *m = state;
	const bool dir = io->kind == OP_MKDIR;

	m->in_flight--;
	if (dir && io->error == OP_OK)
		return;
	if (io->error == OP_OK)
		set_mark_made(&m->p->task->sets[io->entry], io->tag & TAG_NUMBER);
	else if (can_be_mended(io->error) && io->tag >> TAG_TRIES_SHIFT < TRIES)
		m->again[m->n_again++] =
			(struct piece){.set = io->entry, .dir = dir, .tag = io->tag};
	else
		give_up(m, io);
}

int prepare_result(struct prepare *p, struct err *err)
{
	uint64_t failed = __atomic_load_n(&p->failed, __ATOMIC_RELAXED);

	if (failed == 0)
		return 0;
	pthread_mutex_lock(&p->lock);
	*err = p->first;
	pthread_mutex_unlock(&p->lock);
	return err_prefix(err,
		"prepare: %" PRIu64 " of %" PRIu64 " objects could not be made", failed,
		prepare_total(p->task));
}

const struct source prepare_source = {
	.thread_init = maker_init,
	.next = maker_next,
	.done = maker_done,
	.thread_fini = maker_fini,
};
