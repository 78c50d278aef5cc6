/* buf: a byte buffer that grows to a bound. Always NUL-terminated behind its length. */
#pragma once

#include <stdarg.h>
#include <stddef.h>

struct buf {
	char *data; /* NULL while empty and never grown */
	size_t len;
	size_t cap;
	size_t max; /* 0: no bound */
};

#define BUF_INIT                                                                         \
	{                                                                                \
		.data = NULL                                                             \
	}
#define BUF_INIT_MAX(m)                                                                  \
	{                                                                                \
		.max = (m)                                                               \
	}

/* Releases the memory; b may be used again. */
void buf_finish(struct buf *b);
#define AUTO_BUF CLEANUP(buf_finish)

/* Each returns 0, -ENOMEM, or -ENOBUFS past max; then nothing was added. */
int buf_append(struct buf *b, const void *data, size_t len);
int buf_puts(struct buf *b, const char *s);
int buf_putc(struct buf *b, char c);
int buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int buf_vprintf(struct buf *b, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));

/* Makes room for len more bytes and returns where they go (then set b->len), or NULL. */
char *buf_reserve(struct buf *b, size_t len);

/* Removes the first n bytes. */
void buf_consume(struct buf *b, size_t n);
void buf_clear(struct buf *b);

/* Hands the memory to the caller (free()); never NULL but when out of memory. */
char *buf_steal(struct buf *b);
