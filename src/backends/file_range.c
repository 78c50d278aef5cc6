/* file_range: range_get and range_put, on files that stay open (file_open.h). The first op on a file opens it
 * within its time. */
#include <errno.h>
#include <unistd.h>

#include "backends/file.h"

/* Reads size bytes from offset on, or what there is of them. 0 or errno. */
static int read_range(struct file_thread *t, struct io *io, int fd)
{
	int rc = file_pages_drop(t, fd);

	if (rc)
		return rc;
	while (io->bytes < io->size) {
		uint64_t left = io->size - io->bytes, at = io->offset + io->bytes;
		ssize_t n = pread(
			fd, t->chunk, left < FILE_CHUNK ? left : FILE_CHUNK, (off_t)at);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return errno;
		}
		io->end_ns = file_clock(t);
		if (n == 0)
			return 0;
		if (!io->first_byte_ns)
			io->first_byte_ns = io->end_ns;
		if (io->verify && !file_verify(t, io, at, (size_t)n))
			return 0;
		io->bytes += (uint64_t)n;
	}
	return 0;
}

static int write_range(struct file_thread *t, struct io *io, int fd)
{
	int rc = file_content_write(t, io, fd);

	if (rc == 0 && io->fsync && fsync(fd) < 0)
		rc = errno;
	io->end_ns = file_clock(t);
	return rc ? rc : file_pages_drop(t, fd);
}

typedef int move_fn(struct file_thread *t, struct io *io, int fd);

/* Opens it when it is not open yet. What something went wrong with is not kept: the next op begins with
 * its name again. 0 or errno. */
static int on_file(
	struct file_thread *t, struct io *io, struct open_file *f, move_fn *move)
{
	int rc;

	if (__builtin_expect(f->fd < 0, 0)) {
		rc = open_files_open(&t->open, f);
		if (rc)
			return rc;
		file_pages_opened(t, f->fd);
	}
	rc = move(t, io, f->fd);
	if (__builtin_expect(rc || io->error || io->bytes < io->size, 0))
		open_files_drop(&t->open, f);
	return rc;
}

static void run(struct file_thread *t, struct io *io, bool writes, move_fn *move)
{
	const char *path = file_path(io->uri);
	struct open_file *f = open_files_take(&t->open, path, writes);
	bool was_open = f && f->fd >= 0;
	int rc;

	io->start_ns = clock_ns();
	rc = f ? on_file(t, io, f, move) : ENOMEM;
	/* another machine has replaced it */
	if (__builtin_expect(rc == ESTALE && was_open && io->bytes == 0, 0)) {
		f = open_files_take(&t->open, path, writes);
		rc = f ? on_file(t, io, f, move) : ENOMEM;
	}
	if (rc || !io->end_ns)
		io->end_ns = file_clock(t);
	if (rc)
		file_fail(io, rc);
	else if (io->bytes < io->size && !io->error)
		file_fail_short(io);
}

void file_range_get(struct file_thread *t, struct io *io)
{
	run(t, io, false, read_range);
}

void file_range_put(struct file_thread *t, struct io *io)
{
	int rc = file_content_ready(t, io);

	if (rc == 0) {
		run(t, io, true, write_range);
		return;
	}
	io->start_ns = io->end_ns = clock_ns();
	file_fail(io, rc);
}
