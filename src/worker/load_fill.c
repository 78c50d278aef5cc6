/* load_fill: which object an op is for, how large it is and what it holds. */
#include <string.h>

#include "backends/backend.h"
#include "worker/load_impl.h"

/* The name of the seq-th object that op makes; returns its length. */
static size_t put_name(const struct load_op *op, uint64_t seq, char *out)
{
	memcpy(out, op->put_prefix, op->put_prefix_len);
	return op->put_prefix_len + names_put_seq(out + op->put_prefix_len, seq);
}

static void fill_put(
	struct load_thread *l, struct load_op *op, struct io *io, char *uri, char *more)
{
	uint64_t seq = l->seq++;

	(void)more;
	put_name(op, seq, uri);
	io->tag = seq; /* for the ring, when the put has ended */
	io->size = sizes_draw(&op->sizes, &l->rng);
	io->data_at = rng_u64(&l->rng) & l->data_mask;
	io->stamp = rng_mix(l->stamp ^ seq);
	io->fill = (uint8_t)op->spec->fill;
	io->fsync = op->spec->fsync;
	io->part_size = op->spec->part_size;
}

static void fill_list(
	struct load_thread *l, struct load_op *op, struct io *io, char *uri, char *more)
{
	(void)l;
	(void)uri;
	(void)more;
	io->uri = op->spec->uri;
	io->max_keys = op->spec->max_keys;
	io->delimiter = op->spec->delimiter;
}

/* Of the set, and of what puts of the pool have made since. */
static void fill_key(
	struct load_thread *l, struct load_op *op, struct io *io, char *uri, char *more)
{
	uint64_t n = op->keys->n, at;

	(void)more;
	at = rng_below(&l->rng, n + (op->pool ? op->pool->n : 0));
	if (__builtin_expect(at >= n, 0)) {
		const struct made *m = &op->pool->made[at - n];

		put_name(&l->ops[m->op], m->seq, uri);
		io->size = m->size;
		return;
	}
	keyset_key(op->keys, at, uri, &io->size);
}

static void fill_copy(
	struct load_thread *l, struct load_op *op, struct io *io, char *uri, char *more)
{
	uint64_t seq = l->seq++;

	fill_key(l, op, io, uri, more);
	put_name(op, seq, more);
	io->to = more;
	io->tag = seq;
}

/* An empty object has no parts; where all are empty, asking for one is what there is to do. */
#define RANGE_DRAWS 16

/* Of an object whose size nobody knows the beginning is all that is surely there. */
static void fill_range(
	struct load_thread *l, struct load_op *op, struct io *io, char *uri, char *more)
{
	const uint64_t align = op->spec->range_align ? op->spec->range_align : 1;
	uint64_t size = op->spec->range_size;

	for (int draws = 0; draws < RANGE_DRAWS; draws++) {
		fill_key(l, op, io, uri, more);
		if (io->size > 0)
			break;
	}
	if (io->size == UINT64_MAX)
		io->size = size;
	else if (io->size > size) {
		io->offset = align * rng_below(&l->rng, (io->size - size) / align + 1);
		io->size = size;
	}
}

/* The next object of this run's own that a delete may take; false: there is none. */
static bool own_name(struct load_op *put, char *out, size_t *ret_len)
{
	struct ring *r = put->ring;
	uint64_t seq;

	if (r->n == 0)
		return false;
	seq = r->seq[r->head];
	r->head = (r->head + 1) % RING;
	r->n--;
	*ret_len = put_name(put, seq, out);
	return true;
}

/* The next key of this thread's part of the set; false: it is used up. An exact key never is. */
static bool next_key(struct load_op *op, char *out, size_t *ret_len)
{
	uint64_t size;

	if (!op->keys->exact && op->next >= op->keys->n)
		return false;
	keyset_key(op->keys, op->keys->exact ? 0 : op->next, out, &size);
	op->next += op->step;
	*ret_len = strlen(out);
	return true;
}

static bool next_doomed(
	struct load_thread *l, struct load_op *op, char *out, size_t *ret_len)
{
	return op->puts_of != UINT32_MAX ? own_name(&l->ops[op->puts_of], out, ret_len)
					 : next_key(op, out, ret_len);
}

static void fill_delete(
	struct load_thread *l, struct load_op *op, struct io *io, char *uri, char *more)
{
	char *out = more;
	size_t len;

	next_doomed(l, op, uri, &len);
	while (io->n_more + 1 < op->spec->batch && next_doomed(l, op, out, &len)) {
		out += len + 1;
		io->n_more++;
	}
	io->more = io->n_more ? more : NULL;
	if (op->puts_of == UINT32_MAX && !op->keys->exact && op->next >= op->keys->n)
		load_rebuild(l);
}

typedef void fill_fn(
	struct load_thread *l, struct load_op *op, struct io *io, char *uri, char *more);

static fill_fn *const fills[OP_KINDS] = {
	[OP_GET] = fill_key,
	[OP_PUT] = fill_put,
	[OP_LIST] = fill_list,
	[OP_STAT] = fill_key,
	[OP_DELETE] = fill_delete,
	[OP_RANGE_GET] = fill_range,
	[OP_COPY] = fill_copy,
	[OP_MULTIPART_PUT] = fill_put,
};

void load_fill(
	struct load_thread *l, struct load_op *op, struct io *io, char *uri, char *more)
{
	io->kind = op->spec->kind;
	fills[io->kind](l, op, io, uri, more);
}

static void keep_for_delete(struct ring *r, uint64_t seq)
{
	if (r->n == RING) {
		r->head = (r->head + 1) % RING;
		r->n--;
	}
	r->seq[(r->head + r->n++) % RING] = seq;
}

/* The oldest one makes room. */
static void keep_for_reads(struct pool *p, uint32_t op, const struct io *io)
{
	p->made[p->next] = (struct made){.seq = io->tag, .size = io->size, .op = op};
	p->next = (p->next + 1) % POOL;
	p->n += p->n < POOL;
}

void load_put_ended(struct load_thread *l, struct load_op *op, const struct io *io)
{
	/* what a delete takes is not there for reads */
	if (op->ring)
		keep_for_delete(op->ring, io->tag);
	else if (op->pool && op->spec->kind != OP_COPY)
		keep_for_reads(op->pool, (uint32_t)(op - l->ops), io);
}
