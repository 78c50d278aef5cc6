/* writer: a thread of its own for stdout, so that a channel that does not take bytes holds nobody up. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct err;
struct writer;

/* Writes to fd. wake_fd (an eventfd) is written when there is room again and when writing failed. */
struct writer *writer_create(int fd, int wake_fd, struct err *err);

/* Queues the bytes (taken over; b is empty then). Always accepted, but for more than a sane reader
 * leaves lying about: look at writer_has_room before sending what can wait. */
void writer_put(struct writer *w, struct buf *b);
bool writer_has_room(struct writer *w);
/* Nobody reads any more. */
bool writer_failed(struct writer *w);

/* Waits until all is written or the time has come. True when all is. */
bool writer_flush(struct writer *w, uint64_t until_ns);

/* After a flush that succeeded or a failure; a writer that still hangs in write is left alone. */
void writer_destroy(struct writer *w);
