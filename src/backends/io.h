/* io: what all backends do with ops: put them in line, and say why one failed. */
#pragma once

#include "backends/backend.h"

/* Linked by io.next, the oldest first. */
struct io_list {
	struct io *head, **tail;
};

static inline void io_list_init(struct io_list *l)
{
	l->head = NULL;
	l->tail = &l->head;
}

static inline void io_list_add(struct io_list *l, struct io *io)
{
	io->next = NULL;
	*l->tail = io;
	l->tail = &io->next;
}

/* The oldest one; there must be one. */
static inline struct io *io_list_take(struct io_list *l)
{
	struct io *io = l->head;

	l->head = io->next;
	if (!l->head)
		l->tail = &l->head;
	return io;
}

/* The oldest ones, max at most, as a backend's wait gives them back. */
static inline size_t io_list_give(struct io_list *l, struct io **done, size_t max)
{
	size_t n = 0;

	while (n < max && l->head)
		done[n++] = io_list_take(l);
	return n;
}

/* Sets the error, and what is kept for a sample: "put URI: why". Where there is no room for all of it the URI keeps its
 * end, and why its beginning. */
void io_fail(struct io *io, enum op_error error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
