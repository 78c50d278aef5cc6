/* load_dirs: which directory a mkdir makes, and which one an rmdir removes. */
#include <string.h>

#include "backends/backend.h"
#include "worker/load/load_impl.h"

/* Key dir of the tree, and in it the name; without a tree the name alone. */
static void dir_name(const struct load_op *op, uint64_t dir, uint64_t seq, char *out)
{
	uint64_t size;

	if (op->keys->n > 0) {
		keyset_key(op->keys, dir, out, &size);
		out += strlen(out);
	}
	load_put_name(op, seq, out);
}

void load_fill_mkdir(
	struct load_thread *l, struct load_op *op, struct io *io, char *uri, char *more)
{
	const uint64_t seq = l->seq++;
	uint64_t dir = 0;

	(void)more;
	if (op->keys->n > 0)
		dir = select_next(&op->select, &op->rng, 0);
	dir_name(op, dir, seq, uri);
	io->tag = seq; /* both for the ring, when it is made */
	io->data_at = dir;
	io->recursive = op->spec->recursive;
}

/* The oldest that is there; a draw asks for one only when there is. */
static void own_dir(struct load_op *made, char *out)
{
	struct ring *r = made->ring;

	dir_name(made, r->dir ? r->dir[r->head] : 0, r->seq[r->head], out);
	r->head = (r->head + 1) % RING;
	r->n--;
}

/* One that is there. */
static void take_dir(struct load_op *op, struct io *io, char *out)
{
	uint64_t key = 0, size;
	size_t len;

	if (op->removal.removal)
		key = removal_take(&op->removal);
	else if (op->finite)
		key = select_next(&op->select, &op->rng, 0);
	io->tag = key; /* for the removal, when it has ended */
	keyset_key(op->keys, key, out, &size);
	len = strlen(out);
	if (out[len - 1] == '/')
		out[len - 1] = '\0';
}

void load_fill_rmdir(
	struct load_thread *l, struct load_op *op, struct io *io, char *uri, char *more)
{
	(void)more;
	if (op->puts_of != UINT32_MAX)
		own_dir(&l->ops[op->puts_of], uri);
	else
		take_dir(op, io, uri);
	io->recursive = op->spec->recursive;
	io->others = l->contents->job->allow_foreign;
}
