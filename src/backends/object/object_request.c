/* object_request: what stores write requests with: head text, dates, body pieces, the parts of a large
 * put. */
#include "backends/object/object.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backends/content.h"
#include "backends/object/object_impl.h"
#include "cloud/encode.h"

bool object_head(struct object_op *op, const char *fmt, ...)
{
	size_t room = OBJECT_HEAD_MAX - op->head_len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(op->head + op->head_len, room, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room)
		return false;
	op->head_len += (size_t)n;
	return true;
}

bool object_head_encoded(
	struct object_op *op, const char *text, size_t len, bool keep_slash)
{
	if (3 * len >= OBJECT_HEAD_MAX - op->head_len)
		return false;
	op->head_len += encode_uri(text, len, keep_slash, op->head + op->head_len);
	return true;
}

uint64_t object_dates(struct object_thread *t)
{
	/* seconds alone come without a look at the hardware's counter */
	uint64_t now_s = (uint64_t)time(NULL);

	if (now_s != t->date_s) {
		encode_time_amz(now_s, t->date_amz);
		encode_time_http(now_s, t->date_http);
		t->date_s = now_s;
	}
	return now_s;
}

const uint8_t *object_text(void *user, uint64_t at, size_t *ret_len)
{
	const struct object_op *op = user;

	*ret_len = op->text.len - (size_t)at;
	return (const uint8_t *)op->text.data + at;
}

/* The stamped piece that holds offset, from there on. */
static const uint8_t *stamped(struct object_op *op, uint64_t offset, size_t *ret_len)
{
	const struct data *data = op->thread->data;
	uint64_t begin = offset & ~(uint64_t)(CONTENT_STAMP - 1);
	uint64_t len;

	if (op->stamped_at == UINT64_MAX || offset < op->stamped_at ||
		offset >= op->stamped_at + OBJECT_STAMPED) {
		len = op->io->size - begin;
		content_build(data, op->io, begin, op->stamped,
			len < OBJECT_STAMPED ? (size_t)len : OBJECT_STAMPED);
		op->stamped_at = begin;
	}
	len = op->io->size - op->stamped_at;
	len = len < OBJECT_STAMPED ? len : OBJECT_STAMPED;
	*ret_len = (size_t)(op->stamped_at + len - offset);
	return op->stamped + (offset - op->stamped_at);
}

const uint8_t *object_content(void *user, uint64_t at, size_t *ret_len)
{
	struct object_op *op = user;
	uint64_t left = op->ex.body_size - at;
	const uint8_t *piece;

	if (!content_is_in_place(op->io))
		piece = stamped(op, op->at + at, ret_len);
	else
		piece = content_in_place(op->thread->data, op->io, op->at + at, ret_len);
	if (*ret_len > left)
		*ret_len = (size_t)left;
	return piece;
}

void object_plan_parts(struct object_op *op)
{
	const struct store *s = op->thread->job->store;
	const struct io *io = op->io;
	uint64_t part = io->part_size ? io->part_size : s->part_default;

	if (part < s->part_min)
		part = s->part_min;
	/* so many parts that a store would refuse them: larger ones, in whole MiB */
	if (io->size > part && (io->size - 1) / part >= s->parts_max)
		part = (io->size / s->parts_max / (1u << 20) + 1) << 20;
	op->step = OBJECT_CREATE;
	op->at = 0;
	op->part = 1;
	op->part_size = part;
	op->parts_n = io->size ? (uint32_t)((io->size + part - 1) / part) : 1;
}

uint64_t object_part_bytes(const struct object_op *op)
{
	uint64_t left = op->io->size - op->at;

	return left < op->part_size ? left : op->part_size;
}
