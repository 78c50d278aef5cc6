/* load_fill: which object an op is for, how large it is and what it holds. */
#include <string.h>

#include "backends/backend.h"
#include "worker/load/load_impl.h"

size_t load_put_name(const struct load_op *op, uint64_t seq, char *out)
{
	memcpy(out, op->put_prefix, op->put_prefix_len);
	return op->put_prefix_len + names_put_seq(out + op->put_prefix_len, seq);
}

/* Of a set or a tree, and of what puts of the pool have made since. */
static void take_key(
	struct load_thread *l, struct load_op *op, struct io *io, char *uri, uint64_t at)
{
	const struct pool *p = op->pool;

	if (__builtin_expect(at >= op->keys->n, 0)) {
		const uint64_t newer = at - op->keys->n;
		const struct made *m = &p->made[(p->next + POOL - p->n + newer) % POOL];

		load_put_name(&l->ops[m->op], m->seq, uri);
		io->size = m->size;
		io->verify = op->checks;
		if (op->knows)
			contents_of_key(l->contents, l->ops[m->op].spec, uri, io);
		return;
	}
	keyset_key(op->keys, at, uri, &io->size);
	io->verify = op->checks;
	if (__builtin_expect(op->knows, 0))
		contents_of(l->contents, op->spec, op->keys, at, uri, io);
}

static void fill_key(
	struct load_thread *l, struct load_op *op, struct io *io, char *uri, char *more)
{
	(void)more;
	take_key(l, op, io, uri,
		select_next(&op->select, &op->rng, op->pool ? op->pool->n : 0));
}

/* A file of a tree is written anew: the size is its own. */
static void overwrite(
	struct load_thread *l, struct load_op *op, struct io *io, char *uri, char *more)
{
	fill_key(l, op, io, uri, more);
	/* who reads it meanwhile finds it whole */
	io->in_place = io->size != UINT64_MAX;
	if (!io->in_place)
		io->size = sizes_draw(&op->sizes, &op->rng);
}

static void write_content(
	struct load_thread *l, struct load_op *op, struct io *io, const char *uri)
{
	uint64_t random = rng_u64(&op->rng);

	if (!op->knows)
		contents_of_put(l->contents, op->spec, &op->put, random, uri, io);
}

static void fill_put(
	struct load_thread *l, struct load_op *op, struct io *io, char *uri, char *more)
{
	const uint64_t seq = l->seq++;

	if (op->keys->n > 0) {
		overwrite(l, op, io, uri, more);
	} else {
		load_put_name(op, seq, uri);
		io->tag = seq; /* for the ring, when the put has ended */
		io->size = sizes_draw(&op->sizes, &op->rng);
	}
	write_content(l, op, io, uri);
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

static void fill_copy(
	struct load_thread *l, struct load_op *op, struct io *io, char *uri, char *more)
{
	uint64_t seq = l->seq++;

	fill_key(l, op, io, uri, more);
	load_put_name(op, seq, more);
	io->to = more;
	io->tag = seq;
}

/* An empty object has no parts; where all are empty, asking for one is what there is to do. */
#define RANGE_DRAWS 16

static void next_range(
	struct load_thread *l, struct load_op *op, struct io *io, char *uri)
{
	uint64_t key, offset, size;

	ranges_next(&op->ranges, uri, &key, &offset, &size);
	take_key(l, op, io, uri, key);
	io->object_size = io->size == UINT64_MAX ? 0 : io->size;
	io->offset = offset;
	io->size = size;
}

/* Of an object whose size nobody knows the beginning is all that is surely there. */
static void any_range(
	struct load_thread *l, struct load_op *op, struct io *io, char *uri, char *more)
{
	const uint64_t align = op->spec->range_align ? op->spec->range_align : 1;
	uint64_t size = op->spec->range_size, whole = 0;

	for (int draws = 0; draws < RANGE_DRAWS; draws++) {
		fill_key(l, op, io, uri, more);
		whole = io->size;
		io->size = ranges_within(whole, op->spec->range_unit);
		if (io->size > 0)
			break;
	}
	io->object_size = whole == UINT64_MAX ? 0 : whole;
	if (io->size == UINT64_MAX)
		io->size = size;
	else if (io->size > size) {
		io->offset = align * rng_below(&op->rng, (io->size - size) / align + 1);
		io->size = size;
	}
}

static void fill_range(
	struct load_thread *l, struct load_op *op, struct io *io, char *uri, char *more)
{
	if (op->ranges.keys)
		next_range(l, op, io, uri);
	else
		any_range(l, op, io, uri, more);
}

/* Bytes of the object, not a new one. */
static void fill_range_put(
	struct load_thread *l, struct load_op *op, struct io *io, char *uri, char *more)
{
	fill_range(l, op, io, uri, more);
	write_content(l, op, io, uri);
	io->fsync = op->spec->fsync;
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
	*ret_len = load_put_name(put, seq, out);
	return true;
}

/* The next key of this thread's part of the set; false: it is used up. An exact key never is, unless once. */
static bool next_key(struct load_op *op, char *out, size_t *ret_len)
{
	uint64_t key = 0, size;

	if (op->finite)
		key = select_next(&op->select, &op->rng, 0);
	if (key == SELECT_NONE)
		return false;
	keyset_key(op->keys, key, out, &size);
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
	[OP_RANGE_PUT] = fill_range_put,
	[OP_MKDIR] = load_fill_mkdir,
	[OP_RMDIR] = load_fill_rmdir,
};

void load_fill(
	struct load_thread *l, struct load_op *op, struct io *io, char *uri, char *more)
{
	io->kind = op->spec->kind;
	fills[io->kind](l, op, io, uri, more);
	if (__builtin_expect(op->finite, 0) && load_through(op))
		load_rebuild(l);
}

static void keep_for_delete(struct ring *r, uint64_t seq, uint64_t dir)
{
	uint32_t at;

	if (r->n == RING) {
		r->head = (r->head + 1) % RING;
		r->n--;
	}
	at = (r->head + r->n++) % RING;
	r->seq[at] = seq;
	if (r->dir)
		r->dir[at] = dir;
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
		keep_for_delete(op->ring, io->tag, io->data_at);
	else if (op->pool && op->spec->kind != OP_COPY)
		keep_for_reads(op->pool, (uint32_t)(op - l->ops), io);
}
