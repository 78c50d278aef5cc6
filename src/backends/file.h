/* file: what the parts of the file backend share. URIs are file:///PATH, the path taken literally. */
#pragma once

#include "backends/backend.h"
#include "common/buf.h"

struct err;

/* Bytes per read and write: large enough for network file systems, small enough to stay in cache. */
#define FILE_CHUNK (1024u * 1024u)
/* Up to this size a unique object is stamped before the clock starts; of a larger one the parts
 * behind it are stamped between the writes, while the op's clock stands. */
#define FILE_STAMP_MAX (4u * 1024u * 1024u)

#define FILE_KNOWN_DIRS 256 /* a power of two */

struct file_job {
	const struct data *data;
	void (*page)(void *thread_user, const struct io *io, uint64_t start_ns,
		uint64_t end_ns);
};

struct file_thread {
	struct file_job *job;
	void *user;
	uint8_t *chunk;     /* FILE_CHUNK bytes, page-aligned */
	uint8_t *stamped;   /* FILE_STAMP_MAX bytes, mapped when first needed */
	struct buf pending; /* directories that a list has still to enter */
	uint64_t known[FILE_KNOWN_DIRS]; /* hashes of directories that exist */
	struct io *done, **done_tail;
};

/* The path of a URI (points into it). */
static inline const char *file_path(const char *uri)
{
	return uri + sizeof("file://") - 1;
}

/* Closes an op that failed with errnum. */
void file_fail(struct io *io, int errnum);

/* file_io.c: the ops on one file. Each fills the outcome. */
void file_get(struct file_thread *t, struct io *io);
void file_range_get(struct file_thread *t, struct io *io);
void file_put(struct file_thread *t, struct io *io);
void file_stat(struct file_thread *t, struct io *io);
void file_delete(struct file_thread *t, struct io *io);

/* file_walk.c */
void file_list(struct file_thread *t, struct io *io);
/* Every regular file under the directory, with sizes; the engine's listing outside the clock. */
int file_walk(const char *uri, list_fn *fn, void *user, struct err *err);

/* file_dirs.c: makes the directories above path that are missing. 0 or -errno. */
int file_dirs_make_parent(const char *path);
