/* content: what puts write: bytes of the data pool, zeros, or stamped copies. Byte n of an object depends on
 * its io alone (data_at, stamp, fill), never on the pieces it is written in. */
#pragma once

#include "backends/backend.h"

/* A stamp of 8 bytes stands at each multiple of it: stamped pieces begin at one. */
#define CONTENT_STAMP 512u

/* FILL_RANDOM, FILL_ZERO: the content from offset on, in place, *ret_len > 0 bytes of it (offset below
 * io->size). */
const uint8_t *content_in_place(
	const struct data *data, const struct io *io, uint64_t offset, size_t *ret_len);
/* FILL_UNIQUE: copies [offset, offset + len) of the object; offset is a multiple of CONTENT_STAMP. */
void content_stamp(const struct data *data, const struct io *io, uint64_t offset,
	uint8_t *out, size_t len);
