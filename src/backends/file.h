/* file: what the parts of the file backend share, and what direct:// takes of it. URIs are
 * SCHEME:///PATH, the path taken literally. */
#pragma once

#include "backends/file_open.h"
#include "backends/io.h"
#include "common/buf.h"
#include "common/clock.h"

struct err;

/* Bytes per read and write: large enough for network file systems, small enough to stay in cache. */
#define FILE_CHUNK (1024u * 1024u)
/* Up to this size content that has to be built is built before the clock starts; of a larger object
 * the parts behind it are built between the writes, while the op's clock stands. */
#define FILE_BUILT_MAX (4u * 1024u * 1024u)

#define FILE_KNOWN_DIRS 256 /* a power of two */

struct file_job {
	const struct data *data;
	void (*page)(void *thread_user, const struct io *io, uint64_t start_ns,
		uint64_t end_ns);
	enum page_cache page_cache;
	bool own_descriptors; /* each thread can have a descriptor table of its own */
	uint32_t keeps;       /* files that a thread keeps open */
};

struct file_thread {
	struct file_job *job;
	void *user;
	uint8_t *chunk;     /* FILE_CHUNK bytes, page-aligned */
	uint8_t *built;     /* FILE_BUILT_MAX bytes, mapped when first needed */
	struct buf pending; /* directories that a list or a removal has still to enter */
	uint64_t known[FILE_KNOWN_DIRS]; /* hashes of directories that exist */
	struct open_files open;          /* of range_get and range_put */
	uint64_t paused_ns; /* how long the clock of the op at hand has stood */
	struct io_list done;
};

/* The path of a URI (points into it). */
static inline const char *file_path(const char *uri)
{
	return uri + (uri[0] == 'd' ? sizeof("direct://") : sizeof("file://")) - 1;
}

/* The clock of the op at hand: it stands while content is built and checked and pages are dropped. */
static inline uint64_t file_clock(const struct file_thread *t)
{
	return clock_ns() - t->paused_ns;
}

/* Closes an op that failed with errnum; or that moved fewer bytes than it should have. */
void file_fail(struct io *io, int errnum);
void file_fail_short(struct io *io);

/* The state that the ops below work on: what a thread has, but for its descriptor table. job outlives
 * it. end takes what begin left half done. */
int file_thread_begin(
	struct file_thread *t, struct file_job *job, void *user, struct err *err);
void file_thread_end(struct file_thread *t);

/* Does one op of those that need no content (stat, delete, list, mkdir, rmdir), or any for file://. */
void file_run(struct file_thread *t, struct io *io);

/* file_io.c: the ops on one file. Each fills the outcome. */
void file_get(struct file_thread *t, struct io *io);
void file_put(struct file_thread *t, struct io *io);
void file_stat(struct file_thread *t, struct io *io);
void file_delete(struct file_thread *t, struct io *io);

/* Makes the directories above the object of a put, before its clock; 0 or errno. Opens it, with flags besides those of
 * a put; -1 with errno. */
int file_put_parent(struct file_thread *t, const char *path);
int file_put_open(const char *path, int flags);

/* file_range.c: a part of a file that is kept open. */
void file_range_get(struct file_thread *t, struct io *io);
void file_range_put(struct file_thread *t, struct io *io);

/* file_content.c: what puts write and reads verify. ready: builds what can be before the clock. write: all of
 * io->size at io->offset. Both: 0 or errno. verify: whether what was read at this offset of the
 * object is right, while the clock stands; else io has the error. */
int file_content_ready(struct file_thread *t, const struct io *io);
int file_content_write(struct file_thread *t, struct io *io, int fd);
bool file_verify(struct file_thread *t, struct io *io, uint64_t offset, size_t len);

/* file_pages.c: the page cache, as page_cache_mode says, while the op's clock stands. opened: advice for a file
 * that was opened. drop: with dontneed its pages are written and leave the cache; 0, or errno when they
 * cannot be written. */
void file_pages_opened(struct file_thread *t, int fd);
int file_pages_drop(struct file_thread *t, int fd);

/* file_tree.c */
void file_mkdir(struct file_thread *t, struct io *io);
void file_rmdir(struct file_thread *t, struct io *io);

/* file_walk.c */
void file_list(struct file_thread *t, struct io *io);
/* Every regular file under the directory, with sizes; the engine's listing outside the clock. */
int file_walk(const char *uri, list_fn *fn, void *user, struct err *err);
/* Every directory below it, with '/' at its end. */
int file_walk_dirs(const char *uri, list_fn *fn, void *user, struct err *err);

/* file_dirs.c: makes the directories above path that are missing. 0 or -errno. */
int file_dirs_make_parent(const char *path);

/* file_control.c: the part of struct backend outside the measured path. None uses its job. */
int file_check(void *job, enum op_kind kind, const char *uri, struct err *err);
bool file_room(void *job, const char *uri, struct backend_room *ret);
int file_list_all(void *job, const char *uri, list_fn *fn, void *user, struct err *err);
int file_list_dirs(void *job, const char *uri, list_fn *fn, void *user, struct err *err);
long file_read_small(void *job, const char *uri, char *out, size_t size, struct err *err);
int file_write_small(void *job, const char *uri, const char *text, struct err *err);
int file_remove_small(void *job, const char *uri, struct err *err);
bool file_holder_missing(void *job, const char *prefix);
int file_holder_make(void *job, const char *prefix, struct err *err);
void file_holder_remove(void *job, const char *prefix);
