/* content: what objects hold. Byte n of an object depends on its io alone (data_at, stamp, fill, dedup, compress,
 * block, and where the object ends), never on the pieces it is written or read in, so that whoever knows these
 * can check it.
 *
 * random: a piece of the data pool. zero. unique: the same piece, with 8 bytes of their own at each
 * multiple of CONTENT_STAMP, where 8 bytes are left of the object.
 *
 * dedup N: blocks are numbered, those of an object one after the other from io->block on, and N numbers
 * in a row hold the same: a block of the pool, stamped as unique ones are, that is chosen by io->stamp and
 * number / N alone. So io->stamp is the same for all objects that share blocks. What is left behind the whole
 * blocks of an object counts apart: objects of one size in a row have the same tail N times. zero stays zero.
 *
 * compress N: of each CONTENT_STAMP bytes the first 1/N are kept, at least CONTENT_KEPT, the rest is zero. */
#pragma once

#include "backends/backend.h"

/* A stamp of 8 bytes stands at each multiple of it: pieces that are built begin at one. */
#define CONTENT_STAMP 512u
/* What storage removes copies of. */
#define CONTENT_BLOCK 4096u
/* A stamp fits, however much is to be compressed. */
#define CONTENT_KEPT 8u

/* Whether it lies in the pool as it is; else it has to be built. */
static inline bool content_is_in_place(const struct io *io)
{
	return io->fill == FILL_ZERO ||
	       (io->fill != FILL_UNIQUE && io->dedup <= 1 && io->compress <= 1);
}

/* In place: the content from offset on, *ret_len > 0 bytes of it (offset below io->size). */
const uint8_t *content_in_place(
	const struct data *data, const struct io *io, uint64_t offset, size_t *ret_len);
/* Any content: writes [offset, offset + len) of the object to out; offset is a multiple of CONTENT_STAMP. */
void content_build(const struct data *data, const struct io *io, uint64_t offset,
	uint8_t *out, size_t len);

/* Sets data_at and stamp for an object that is known by id alone: the same id, the same content. */
void content_of(const struct data *data, uint64_t id, struct io *io);
/* The id of a key for job.verify: its URI behind the target (a URI that does not begin with it: whole). */
uint64_t content_key_id(const char *uri, const char *target);

/* How many numbers an object of this size takes of those that dedup counts: its whole blocks, at least one. */
static inline uint64_t content_blocks(uint64_t size)
{
	return size >= CONTENT_BLOCK ? size / CONTENT_BLOCK : 1;
}

/* Compares len bytes that were read at offset of the object (any offset) with what stands there. True: the
 * same. Else it is an error of io: class corrupt, with key, offset, expected and found; the first one that is
 * found stays. */
bool content_check(const struct data *data, struct io *io, uint64_t offset,
	const uint8_t *read, size_t len);
