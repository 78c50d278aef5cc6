/* contents: see the header. */
#include "worker/objects/contents.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/content.h"
#include "common/err.h"
#include "common/rng.h"

/* Objects between two numbers that are kept: adding a few sizes up costs less than keeping them all. */
#define CONTENTS_STEP 16u
/* Objects between two looks whether all is to end: some milliseconds. */
#define CONTENTS_LOOK_UP 65536u

static uint64_t blocks_of(const struct set *s, uint64_t index)
{
	return content_blocks(sizes_at(&s->sizes, s->spec->id, index));
}

/* Numbers that no formula gives. */
static bool needs_numbers(const struct job *j, const struct job_set *spec)
{
	return spec->dedup > 1 && spec->fill != FILL_ZERO && !j->verify &&
	       spec->size.type != SIZE_FIXED;
}

/* 10 million objects take half a second at most. A cancel leaves the rest without numbers: nobody will ask. */
static uint64_t *number_blocks(const struct job_set *spec, const uint32_t *cancel)
{
	struct set sized = {.spec = spec};
	uint64_t at = 0, *kept;

	sizes_init(&sized.sizes, &spec->size);
	kept = calloc((size_t)(spec->count / CONTENTS_STEP + 1), sizeof(*kept));
	for (uint64_t i = 0; kept && i < spec->count; i++) {
		if (i % CONTENTS_LOOK_UP == 0 &&
			__atomic_load_n(cancel, __ATOMIC_RELAXED))
			break;
		if (i % CONTENTS_STEP == 0)
			kept[i / CONTENTS_STEP] = at;
		at += blocks_of(&sized, i);
	}
	return kept;
}

int contents_init(struct contents *c, const struct job *job, const struct data *data,
	const struct set *sets, const uint32_t *cancel, struct err *err)
{
	*c = (struct contents){.job = job, .data = data, .sets = sets};
	c->blocks = calloc(job->n_sets + 1, sizeof(*c->blocks));
	for (size_t i = 0; c->blocks && i < job->n_sets; i++) {
		if (!needs_numbers(job, &job->sets[i]))
			continue;
		c->blocks[i] = number_blocks(&job->sets[i], cancel);
		if (!c->blocks[i])
			return err_sys(err, ENOMEM, "no memory for the blocks of %s",
				job->sets[i].uri);
	}
	return c->blocks ? 0 : err_sys(err, ENOMEM, "no memory");
}

void contents_finish(struct contents *c)
{
	for (size_t i = 0; c->blocks && i < c->job->n_sets; i++)
		free(c->blocks[i]);
	free(c->blocks);
	c->blocks = NULL;
}

static uint64_t first_block(const struct contents *c, const struct set *s, uint64_t index)
{
	const uint64_t *kept = c->blocks[s - c->sets];
	uint64_t at;

	if (!kept)
		return index * content_blocks(s->spec->size.min);
	at = kept[index / CONTENTS_STEP];
	for (uint64_t i = index - index % CONTENTS_STEP; i < index; i++)
		at += blocks_of(s, i);
	return at;
}

void contents_of_set(const struct contents *c, const struct set *set, uint64_t index,
	const char *uri, struct io *io)
{
	const struct job_set *spec = set->spec;

	io->fill = (uint8_t)spec->fill;
	io->dedup = spec->dedup;
	io->compress = spec->compress;
	if (c->job->verify) {
		content_of(c->data, content_key_id(uri, c->job->target), io);
		return;
	}
	content_of(c->data, rng_mix(rng_mix(spec->id) ^ index), io);
	if (spec->dedup > 1) {
		io->stamp = rng_mix(spec->id);
		io->block = first_block(c, set, index);
	}
}

void contents_of_key(
	const struct contents *c, const struct job_op *op, const char *uri, struct io *io)
{
	io->fill = (uint8_t)op->fill;
	io->dedup = op->dedup;
	io->compress = op->compress;
	content_of(c->data, content_key_id(uri, c->job->target), io);
}

void contents_of(const struct contents *c, const struct job_op *op,
	const struct keyset *keys, uint64_t i, const char *uri, struct io *io)
{
	uint64_t index = 0;
	const struct set *set = keyset_object(keys, i, &index);

	if (set)
		contents_of_set(c, set, index, uri, io);
	else
		contents_of_key(c, op, uri, io);
}

/* Blocks are counted through all that the thread writes, wherever in an object it stands. */
static void number_put(struct contents_put *p, struct io *io)
{
	const uint64_t first = io->offset / CONTENT_BLOCK;
	const uint64_t head = io->offset % CONTENT_BLOCK;

	io->stamp = p->group;
	io->block = p->block - first;
	p->block += io->kind == OP_RANGE_PUT
			    ? (head + io->size + CONTENT_BLOCK - 1) / CONTENT_BLOCK
			    : content_blocks(io->size);
}

/* Places in a block where content may begin. */
#define TURN 64u
#define TURNS (CONTENT_BLOCK / TURN)

/* Puts in a row take one part of the pool, so that it stays in the processor's cache: copying from there is most of
 * what a buffered put costs. Round by round they walk through it, each round from another place within a block on:
 * none has a block of another, as some would by chance; and what lies side by side in a file that is written part
 * by part has nothing in common, as far as compression looks back: for so many bytes. Threads begin anywhere in a
 * block: those whose parts overlap have no blocks in common before they have gone round for long. */
#define WINDOW (1024u * 1024u)

static void place_put(const struct contents *c, struct contents_put *p, struct io *io)
{
	const uint64_t block = CONTENT_BLOCK - 1, head = io->offset & block;

	io->data_at = ((p->group & ~(uint64_t)(TURN - 1)) + p->at + p->walked +
			      p->turn * TURN - (io->offset - head)) &
		      (c->data->size - 1);
	p->walked += (head + io->size + block) & ~block;
	if (p->walked > p->furthest)
		p->furthest = p->walked;
	p->written += io->size;
	if (p->written < WINDOW)
		return;
	p->walked = p->written = 0;
	if (++p->turn < TURNS)
		return;
	p->turn = 0;
	p->at += p->furthest;
	p->furthest = 0;
}

void contents_of_put(const struct contents *c, const struct job_op *op,
	struct contents_put *p, uint64_t random, const char *uri, struct io *io)
{
	if (c->job->verify) {
		contents_of_key(c, op, uri, io);
		return;
	}
	io->fill = (uint8_t)op->fill;
	io->dedup = op->dedup;
	io->compress = op->compress;
	content_of(c->data, random, io);
	if (op->dedup > 1)
		number_put(p, io);
	else
		place_put(c, p, io);
}
