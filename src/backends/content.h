/* content: what objects hold. Byte n of an object depends on its io alone (data_at, stamp, fill, dedup, compress,
 * block), never on the pieces it is written or read in, so that whoever knows these can check it.
 *
 * random: a piece of the data pool. zero. unique: the same piece, with 8 bytes of their own at each
 * multiple of CONTENT_STAMP. dedup N: of each N blocks in a row (counted from io->block) one is new and
 * the others are its copies; blocks differ from all others as those of unique do. compress N: of each block
 * the first 1/N is kept, the rest is zero. */
#pragma once

#include "backends/backend.h"

/* A stamp of 8 bytes stands at each multiple of it: pieces that are built begin at one. */
#define CONTENT_STAMP 512u
/* What storage removes copies of. */
#define CONTENT_BLOCK 4096u

/* Whether it lies in the pool as it is; else it has to be built. */
static inline bool content_is_in_place(const struct io *io)
{
	return io->fill != FILL_UNIQUE && io->dedup <= 1 && io->compress <= 1;
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

/* Compares len bytes that were read at offset of the object (any offset) with what stands there. True: the
 * same. Else it is an error of io: class corrupt, with key, offset, expected and found. */
bool content_check(const struct data *data, struct io *io, uint64_t offset,
	const uint8_t *read, size_t len);
