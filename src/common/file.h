/* file: whole files, in and out. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

struct buf;
struct err;

/* Reads a whole file ("-": stdin) of at most max bytes, appended to b. */
int file_read(const char *path, size_t max, struct buf *b, struct err *err);

/* Writes path by a temporary file beside it, fsync and rename: old or new, never half. What is no
 * regular file (/dev/null, a pipe) is written to and stays what it is. */
int file_write_atomic(
	const char *path, const void *data, size_t len, mode_t mode, struct err *err);

/* Creates a directory and its parents; fine when it exists. */
int file_mkdir_p(const char *path, mode_t mode, struct err *err);

/* Writes all of it to a blocking descriptor, over EINTR and short writes. 0 or -errno. */
int file_write_all(int fd, const void *data, size_t len);

/* "~/x" or "~" with HOME in front, else a copy. malloc; NULL only when out of memory. */
char *file_expand_home(const char *path);
