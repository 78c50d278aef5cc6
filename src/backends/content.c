/* content: see the header. */
#include "backends/content.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backends/io.h"
#include "common/rng.h"

/* Tells what is left behind the blocks from the blocks of the same number. */
#define TAIL UINT64_C(0x7461696c) /* "tail" */
/* Where an object is known by an id, its content begins at a multiple of this in the pool. */
#define ALIGN 64u
#define MARK 8u

/* A run of content that comes from one place of the pool. */
struct run {
	uint64_t at;    /* in the pool, modulo its size */
	uint64_t stamp; /* of the run's first sector; each next one has the next number */
	uint64_t len;   /* from the offset that was asked for */
	uint32_t head;  /* of the first sector: bytes before that offset */
};

/* How each sector looks, the same for all of an object. */
struct look {
	bool zero, stamped;
	uint32_t kept;
	uint64_t end; /* of the object; UINT64_MAX: nobody knows */
};

static bool is_range(const struct io *io)
{
	return io->kind == OP_RANGE_GET || io->kind == OP_RANGE_PUT;
}

static struct look look_of(const struct io *io)
{
	struct look l = {
		.zero = io->fill == FILL_ZERO,
		.stamped = io->fill == FILL_UNIQUE || io->dedup > 1,
		.kept = CONTENT_STAMP,
		.end = io->size,
	};

	if (io->compress > 1)
		l.kept = io->compress < CONTENT_STAMP / CONTENT_KEPT
				 ? CONTENT_STAMP / io->compress
				 : CONTENT_KEPT;
	if (is_range(io))
		l.end = io->object_size ? io->object_size : UINT64_MAX;
	return l;
}

/* Block by block: which one of the group's blocks this is. */
static uint64_t block_id(const struct io *io, uint64_t end, uint64_t block)
{
	const uint64_t whole = end / CONTENT_BLOCK;

	if (block < whole || end == UINT64_MAX)
		return rng_mix(io->stamp ^ rng_mix((io->block + block) / io->dedup));
	return rng_mix(
		io->stamp ^ rng_mix(TAIL ^ io->block / content_blocks(end) / io->dedup));
}

/* What stands at offset, as far as it comes from one place. */
static struct run run_at(const struct data *data, const struct io *io,
	const struct look *l, uint64_t offset)
{
	const uint32_t in_block = (uint32_t)(offset % CONTENT_BLOCK);
	struct run r = {.head = (uint32_t)(offset % CONTENT_STAMP)};
	uint64_t id;

	if (io->dedup <= 1) {
		r.at = io->data_at + offset;
		r.stamp = io->stamp + offset / CONTENT_STAMP;
		r.len = UINT64_MAX - offset;
		return r;
	}
	id = block_id(io, l->end, offset / CONTENT_BLOCK);
	r.at = (id & (data->size - 1) & ~(uint64_t)(ALIGN - 1)) + in_block;
	r.stamp = id + in_block / CONTENT_STAMP;
	r.len = CONTENT_BLOCK - in_block;
	return r;
}

const uint8_t *content_in_place(
	const struct data *data, const struct io *io, uint64_t offset, size_t *ret_len)
{
	uint64_t left = io->size - offset;

	/* the pool is mapped twice in a row: as much as it holds lies in one piece from anywhere */
	*ret_len = left < data->size ? (size_t)left : data->size;
	if (io->fill == FILL_ZERO)
		return data->zero;
	return data->random + ((io->data_at + offset) & (data->size - 1));
}

static void copy_pool(const struct data *data, uint64_t at, uint8_t *out, size_t len)
{
	while (len > 0) {
		size_t n = len < data->size ? len : data->size;

		memcpy(out, data->random + (at & (data->size - 1)), n);
		at += n;
		out += n;
		len -= n;
	}
}

/* Stamps and zeros of a run that begins with a sector. */
static void finish_run(const struct look *l, const struct run *r, uint64_t offset,
	uint8_t *out, size_t len)
{
	for (size_t i = 0; i < len; i += CONTENT_STAMP) {
		const size_t n = len - i < CONTENT_STAMP ? len - i : CONTENT_STAMP;
		uint64_t mark = rng_mix(r->stamp + i / CONTENT_STAMP);

		if (l->stamped && l->end - offset - i >= MARK)
			memcpy(out + i, &mark, n < MARK ? n : MARK);
		if (n > l->kept)
			memset(out + i + l->kept, 0, n - l->kept);
	}
}

void content_build(const struct data *data, const struct io *io, uint64_t offset,
	uint8_t *out, size_t len)
{
	const struct look l = look_of(io);

	if (l.zero) {
		memset(out, 0, len);
		return;
	}
	while (len > 0) {
		struct run r = run_at(data, io, &l, offset);
		size_t n = r.len < len ? (size_t)r.len : len;

		copy_pool(data, r.at, out, n);
		if (l.stamped || l.kept < CONTENT_STAMP)
			finish_run(&l, &r, offset, out, n);
		offset += n;
		out += n;
		len -= n;
	}
}

void content_of(const struct data *data, uint64_t id, struct io *io)
{
	io->data_at = id & (data->size - 1) & ~(uint64_t)(ALIGN - 1);
	io->stamp = id;
}

uint64_t content_key_id(const char *uri, const char *target)
{
	const size_t len = target ? strlen(target) : 0;

	/* whether the target is written with its '/' makes no difference */
	if (len > 0 && strncmp(uri, target, len) == 0 &&
		(target[len - 1] == '/' || uri[len] == '/' || !uri[len])) {
		uri += len;
		while (*uri == '/')
			uri++;
	}
	return rng_hash(uri, strlen(uri));
}

/* ---- checking ---- */

static bool is_zero(const struct data *data, const uint8_t *read, size_t len)
{
	while (len > 0) {
		size_t n = len < data->size ? len : data->size;

		if (memcmp(data->zero, read, n) != 0)
			return false;
		read += n;
		len -= n;
	}
	return true;
}

static bool is_pool(const struct data *data, uint64_t at, const uint8_t *read, size_t len)
{
	while (len > 0) {
		size_t n = len < data->size ? len : data->size;

		if (memcmp(data->random + (at & (data->size - 1)), read, n) != 0)
			return false;
		at += n;
		read += n;
		len -= n;
	}
	return true;
}

/* [from, to) of a sector, whose first byte lies at `at` in the pool. */
static bool is_sector(const struct data *data, const struct look *l, uint64_t mark,
	bool marked, uint64_t at, uint32_t from, uint32_t to, const uint8_t *read)
{
	uint32_t n;

	if (marked && from < MARK) {
		n = (to < MARK ? to : MARK) - from;
		if (memcmp((const uint8_t *)&mark + from, read, n) != 0)
			return false;
		from += n;
		read += n;
	}
	if (from < to && from < l->kept) {
		n = (to < l->kept ? to : l->kept) - from;
		if (!is_pool(data, at + from, read, n))
			return false;
		from += n;
		read += n;
	}
	return from >= to || is_zero(data, read, to - from);
}

/* Sector by sector. */
static bool is_run(const struct data *data, const struct look *l, const struct run *r,
	uint64_t offset, const uint8_t *read, size_t len)
{
	uint64_t at = r->at - r->head, begin = offset - r->head, stamp = r->stamp;
	uint32_t from = r->head;

	while (len > 0) {
		size_t n = CONTENT_STAMP - from < len ? CONTENT_STAMP - from : len;
		bool marked = l->stamped && l->end - begin >= MARK;

		if (!is_sector(data, l, marked ? rng_mix(stamp) : 0, marked, at, from,
			    from + (uint32_t)n, read))
			return false;
		stamp++;
		at += CONTENT_STAMP;
		begin += CONTENT_STAMP;
		read += n;
		len -= n;
		from = 0;
	}
	return true;
}

static bool is_content(const struct data *data, const struct io *io, uint64_t offset,
	const uint8_t *read, size_t len)
{
	const struct look l = look_of(io);

	if (l.zero)
		return is_zero(data, read, len);
	while (len > 0) {
		struct run r = run_at(data, io, &l, offset);
		size_t n = r.len < len ? (size_t)r.len : len;
		bool same = l.stamped || l.kept < CONTENT_STAMP
				    ? is_run(data, &l, &r, offset, read, n)
				    : is_pool(data, r.at, read, n);

		if (!same)
			return false;
		offset += n;
		read += n;
		len -= n;
	}
	return true;
}

/* What is shown of both sides. */
#define SHOWN 8u

static void show(const uint8_t *bytes, size_t n, char out[2 * SHOWN + 1])
{
	for (size_t i = 0; i < n; i++)
		snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static void say_corrupt(struct io *io, uint64_t offset, const uint8_t *expected,
	const uint8_t *found, size_t n)
{
	char e[2 * SHOWN + 1] = "", f[2 * SHOWN + 1] = "";

	show(expected, n, e);
	show(found, n, f);
	io_fail(io, OP_ERR_CORRUPT,
		"corrupt at offset %" PRIu64 ": expected 0x%s found 0x%s", offset, e, f);
}

/* Finds the first byte that differs. */
static void find_corrupt(const struct data *data, struct io *io, uint64_t offset,
	const uint8_t *read, size_t len)
{
	uint8_t expected[2 * CONTENT_STAMP];

	for (size_t done = 0; done < len;) {
		const size_t head = (size_t)((offset + done) % CONTENT_STAMP);
		size_t n = CONTENT_STAMP - head;

		content_build(data, io, offset + done - head, expected, sizeof(expected));
		n = n < len - done ? n : len - done;
		for (size_t i = 0; i < n; i++) {
			size_t left = len - done - i;

			if (expected[head + i] == read[done + i])
				continue;
			say_corrupt(io, offset + done + i, expected + head + i,
				read + done + i, left < SHOWN ? left : SHOWN);
			return;
		}
		done += n;
	}
}

bool content_check(const struct data *data, struct io *io, uint64_t offset,
	const uint8_t *read, size_t len)
{
	if (io->error == OP_ERR_CORRUPT)
		return false;
	if (is_content(data, io, offset, read, len))
		return true;
	find_corrupt(data, io, offset, read, len);
	return false;
}
