/* buf: growing by doubling, up to the bound of the buffer. */
#include "common/buf.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CAP_MIN 64

void buf_finish(struct buf *b)
{
	free(b->data);
	b->data = NULL;
	b->len = 0;
	b->cap = 0;
}

/* Makes room for len more bytes and the NUL. */
static int grow(struct buf *b, size_t len)
{
	size_t need, cap;
	char *data;

	if (len > SIZE_MAX / 4 - b->len)
		return -ENOMEM;
	if (b->max && b->len + len > b->max)
		return -ENOBUFS;
	need = b->len + len + 1;
	if (need <= b->cap)
		return 0;
	cap = b->cap < CAP_MIN ? CAP_MIN : b->cap;
	while (cap < need)
		cap *= 2;
	data = realloc(b->data, cap);
	if (!data)
		return -ENOMEM;
	b->data = data;
	b->cap = cap;
	return 0;
}

int buf_append(struct buf *b, const void *data, size_t len)
{
	int rc = grow(b, len);

	if (rc < 0)
		return rc;
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
	return 0;
}

int buf_puts(struct buf *b, const char *s)
{
	return buf_append(b, s, strlen(s));
}

int buf_putc(struct buf *b, char c)
{
	return buf_append(b, &c, 1);
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = buf_vprintf(b, fmt, ap);
	va_end(ap);
	return rc;
}

int buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	size_t room = b->cap ? b->cap - b->len : 0;
	va_list again;
	int n, rc;

	va_copy(again, ap);
	n = vsnprintf(room ? b->data + b->len : NULL, room, fmt, again);
	va_end(again);
	rc = n < 0 ? -ENOMEM : grow(b, (size_t)n);
	if (rc < 0) {
		/* the attempt may have written over the NUL */
		if (room)
			b->data[b->len] = '\0';
		return rc;
	}
	if ((size_t)n >= room)
		vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
	b->len += (size_t)n;
	return 0;
}

char *buf_reserve(struct buf *b, size_t len)
{
	if (grow(b, len) < 0)
		return NULL;
	b->data[b->len] = '\0';
	return b->data + b->len;
}

void buf_consume(struct buf *b, size_t n)
{
	if (n >= b->len) {
		buf_clear(b);
		return;
	}
	memmove(b->data, b->data + n, b->len - n + 1);
	b->len -= n;
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	if (b->data)
		b->data[0] = '\0';
}

char *buf_steal(struct buf *b)
{
	char *data = b->data;

	if (!data)
		return calloc(1, 1);
	data[b->len] = '\0';
	b->data = NULL;
	b->len = 0;
	b->cap = 0;
	return data;
}
