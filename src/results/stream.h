/* stream: files that grow while a run is on, written by a thread of their own, so that a slow disk never
 * blocks who has something to say. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct streams;
struct stream;

/* dir: open directory that paths are below; it stays the caller's, and open until streams_close. */
struct streams *streams_create(int dir, struct err *err);

/* A file that comes into being with the first byte. keep_open: for files that are written all the time;
 * the others are opened for each write, so that many workers need few descriptors. max_queued: bytes
 * that may wait; max_size: bytes of the file, 0: no bound; when it is reached a last line says so. NULL:
 * no memory. Owned by s. */
struct stream *stream_open(struct streams *s, const char *path, bool keep_open,
	size_t max_queued, uint64_t max_size);

/* Each write of f is on the disk, not only with the system, before the next one begins. */
void stream_sync_each(struct stream *f);

/* Appends data as a whole, or leaves it out and counts it when the queue is full. Never blocks. */
void stream_write(struct stream *f, const void *data, size_t len);

/* The first failure so far that lost something or has kept something from the disk: -1 with err, else
 * 0. */
int streams_error(struct streams *s, struct err *err);

/* Writes what waits, syncs, ends the thread, frees everything. -1 with the first failure. Takes NULL. */
int streams_close(struct streams *s, struct err *err);
