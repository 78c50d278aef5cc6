/* prepare: makes what is missing of this worker's share of the sets.
 *
 * All threads take positions from one cursor: next to writing an object its cost is nothing, and no
 * thread is left with the largest ones. An object that fails is tried again a few times, unless the
 * reason is one that trying cannot mend. */
#include "worker/prepare.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/rng.h"
#include "worker/task.h"

#define TRIES 3
/* io.tag: the index, and the number of tries above it */
#define TAG_TRIES_SHIFT 56

struct again {
	uint32_t set;
	uint64_t tag;
};

/* One thread's part. */
struct maker {
	struct prepare *p;
	struct again *again; /* a stack; at most one per slot */
	uint32_t n_again, in_flight;
};

void prepare_init(struct prepare *p, struct task *task)
{
	*p = (struct prepare){.task = task};
	pthread_mutex_init(&p->lock, NULL);
}

void prepare_finish(struct prepare *p)
{
	pthread_mutex_destroy(&p->lock);
}

int prepare_owners(struct prepare *p, struct err *err)
{
	struct task *t = p->task;

	/* every worker, not only the first: an object must never be there without its owner, also
	 * when the first worker is lost at this moment */
	for (size_t i = 0; i < t->job.n_sets; i++)
		if (t->job.sets[i].count > 0 && set_take(&t->sets[i], &t->store, err) < 0)
			return -1;
	return 0;
}

uint64_t prepare_total(const struct task *task)
{
	uint64_t total = 0;

	for (size_t i = 0; i < task->job.n_sets; i++)
		total += task->sets[i].to_make;
	return total;
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

/* The next index that is missing; false at the end of the last set. */
static bool next_missing(struct prepare *p, uint32_t *ret_set, uint64_t *ret_index)
{
	const struct task *t = p->task;
	const struct share share = task_share(t);

	for (;;) {
		uint64_t at = __atomic_fetch_add(&p->cursor, 1, __ATOMIC_RELAXED);
		uint32_t i = 0;

		/* sets one behind the other, each with its share of indices */
		for (; i < t->job.n_sets; i++) {
			uint64_t count = t->job.sets[i].count, n = 0;

			if (count > share.index)
				n = (count - share.index - 1) / share.count + 1;
			if (at < n)
				break;
			at -= n;
		}
		if (i == t->job.n_sets)
			return false;
		*ret_index = share.index + at * share.count;
		*ret_set = i;
		if (!set_is_complete(&t->sets[i], *ret_index))
			return true;
	}
}

static void fill_object(
	const struct task *t, uint32_t set, uint64_t index, struct io *io, char *uri)
{
	const struct job_set *spec = &t->job.sets[set];
	uint64_t content = rng_mix(rng_mix(spec->id) ^ index);

	set_key(spec, index, uri);
	io->kind = OP_PUT;
	io->entry = set;
	io->size = sizes_at(&t->sets[set].sizes, spec->id, index);
	io->data_at = content & (t->data->size - 1) & ~UINT64_C(63);
	io->stamp = content;
	io->fill = (uint8_t)spec->fill;
}

static enum next maker_next(void *state, struct io *io, char *uri, char *more)
{
	struct maker *m = state;
	uint64_t index, tries = 0;
	uint32_t set;

	(void)more;
	if (__atomic_load_n(&m->p->hopeless, __ATOMIC_RELAXED)) {
		return m->in_flight ? NEXT_LATER : NEXT_END;
	} else if (m->n_again > 0) {
		const struct again *a = &m->again[--m->n_again];

		set = a->set;
		index = a->tag & ((UINT64_C(1) << TAG_TRIES_SHIFT) - 1);
		tries = a->tag >> TAG_TRIES_SHIFT;
	} else if (!next_missing(m->p, &set, &index)) {
		/* those in flight may have to be done again */
		return m->in_flight ? NEXT_LATER : NEXT_END;
	}
	fill_object(m->p->task, set, index, io, uri);
	io->tag = index | (tries + 1) << TAG_TRIES_SHIFT;
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

	m->in_flight--;
	if (io->error == OP_OK)
		set_mark_made(&m->p->task->sets[io->entry],
			io->tag & ((UINT64_C(1) << TAG_TRIES_SHIFT) - 1));
	else if (can_be_mended(io->error) && io->tag >> TAG_TRIES_SHIFT < TRIES)
		m->again[m->n_again++] = (struct again){.set = io->entry, .tag = io->tag};
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
