/* wire: the encoding of RFC 4251: numbers are big-endian, strings carry their length. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/buf.h"

/* What is left to read. After a failure nothing more can be read. */
struct wire {
	const uint8_t *p;
	size_t left;
	bool bad;
};

static inline struct wire wire_of(const void *data, size_t len)
{
	return (struct wire){.p = data, .left = len};
}

static inline uint32_t wire_load_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* n bytes, or NULL. */
static inline const uint8_t *wire_bytes(struct wire *w, size_t n)
{
	const uint8_t *p = w->p;

	if (w->bad || n > w->left) {
		w->bad = true;
		return NULL;
	}
	w->p += n;
	w->left -= n;
	return p;
}

static inline uint32_t wire_u32(struct wire *w)
{
	const uint8_t *p = wire_bytes(w, 4);

	return p ? wire_load_u32(p) : 0;
}

static inline uint8_t wire_u8(struct wire *w)
{
	const uint8_t *p = wire_bytes(w, 1);

	return p ? *p : 0;
}

/* A string; empty (and w->bad) when there is none. */
static inline struct wire wire_string(struct wire *w)
{
	uint32_t n = wire_u32(w);
	const uint8_t *p = wire_bytes(w, n);

	return (struct wire){.p = p, .left = p ? n : 0, .bad = !p};
}

static inline bool wire_is(const struct wire *w, const char *s)
{
	return !w->bad && w->left == strlen(s) && memcmp(w->p, s, w->left) == 0;
}

static inline int wire_put_u32(struct buf *b, uint32_t v)
{
	uint8_t p[4] = {
		(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};

	return buf_append(b, p, sizeof(p));
}

static inline int wire_put_string(struct buf *b, const void *data, size_t len)
{
	int rc = wire_put_u32(b, (uint32_t)len);

	return rc < 0 ? rc : buf_append(b, data, len);
}
