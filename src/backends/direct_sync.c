/* direct_sync: ops past the page cache by blocking calls, one at a time: for what the ring does not do, and
 * for all where there is no ring. Names and listings are those of file://. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backends/content.h"
#include "backends/direct.h"

static const struct direct_job *job_of(const struct file_thread *t)
{
	return (const struct direct_job *)t->job;
}

static uint64_t round_up(uint64_t n, uint32_t block)
{
	return (n + block - 1) / block * block;
}

uint32_t direct_read_len(const struct direct_job *job, const struct io *io)
{
	uint64_t left;

	if (io->size == UINT64_MAX || io->size - io->bytes >= DIRECT_PIECE)
		return DIRECT_PIECE;
	left = io->size - io->bytes;
	return (uint32_t)(left ? round_up(left, job->block) : job->block);
}

void direct_content(const struct data *data, const struct io *io, uint64_t done,
	uint8_t *out, size_t len)
{
	uint64_t left = io->size - done, at = io->offset + done;
	size_t have = left < len ? (size_t)left : len;

	if (!content_is_in_place(io)) {
		content_build(data, io, at, out, have);
	} else {
		for (size_t n = 0, piece; n < have; n += piece) {
			const uint8_t *p = content_in_place(data, io, at + n, &piece);

			/* of a part of an object its end is another one */
			piece = have - n < data->size ? have - n : data->size;
			memcpy(out + n, p, piece);
		}
	}
	memset(out + have, 0, len - have);
}

void direct_judge(const struct direct_job *job, struct io *io, int errnum)
{
	if (io->error)
		return;
	if (errnum == 0) {
		if (op_infos[io->kind].moves_data && io->size != UINT64_MAX &&
			io->bytes < io->size)
			file_fail_short(io);
		return;
	}
	if (errnum != EINVAL) {
		file_fail(io, errnum);
		return;
	}
	io_fail(io, op_error_from_errno(errnum),
		"%s (direct I/O in multiples of %u bytes)", strerrordesc_np(errnum),
		io->kind == OP_RANGE_GET || io->kind == OP_RANGE_PUT ? job->align
								     : job->block);
}

/* ---- reading ---- */

/* Reads what io asks for, or what there is of it; of what is empty, too. 0 or errno. */
static int read_all(struct file_thread *t, struct io *io, int fd)
{
	do {
		uint32_t len = direct_read_len(job_of(t), io);
		uint64_t at = io->offset + io->bytes;
		ssize_t n = pread(fd, t->chunk, len, (off_t)at);
		uint64_t got;

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return errno;
		}
		io->end_ns = file_clock(t);
		if (!io->first_byte_ns && n > 0)
			io->first_byte_ns = io->end_ns;
		got = (uint64_t)n < io->size - io->bytes ? (uint64_t)n
							 : io->size - io->bytes;
		if (io->verify && got > 0 && !file_verify(t, io, at, (size_t)got))
			return 0;
		io->bytes += got;
		if ((uint64_t)n < len)
			return 0;
	} while (io->bytes < io->size);
	return 0;
}

static void get(struct file_thread *t, struct io *io)
{
	int rc = 0, fd;

	io->start_ns = clock_ns();
	fd = open(file_path(io->uri), O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (fd < 0) {
		rc = errno;
	} else {
		rc = read_all(t, io, fd);
		if (close(fd) < 0 && rc == 0)
			rc = errno;
	}
	io->end_ns = file_clock(t);
	direct_judge(job_of(t), io, rc);
}

/* ---- writing ---- */

/* Each piece is made ready while the clock stands, but for the first one, which was before it. Behind the
 * end of a file (pad) its last block is written whole. 0 or errno. */
static int write_all(struct file_thread *t, struct io *io, int fd, bool pad)
{
	while (io->bytes < io->size) {
		uint64_t left = io->size - io->bytes, begun_ns;
		size_t len = left < DIRECT_PIECE ? (size_t)left : DIRECT_PIECE;
		size_t whole = pad ? (size_t)round_up(len, job_of(t)->block) : len;
		ssize_t n;

		if (io->bytes > 0) {
			begun_ns = clock_ns();
			direct_content(t->job->data, io, io->bytes, t->chunk, whole);
			t->paused_ns += clock_ns() - begun_ns;
		}
		do
			n = pwrite(fd, t->chunk, whole, (off_t)(io->offset + io->bytes));
		while (n < 0 && errno == EINTR);
		if (n < 0)
			return errno;
		io->bytes += (size_t)n < len ? (size_t)n : len;
		/* the kernel says why it wrote no more when it is asked for the rest */
		if ((size_t)n < whole && io->bytes % job_of(t)->block)
			return ENOSPC;
	}
	return 0;
}

static void first_piece(struct file_thread *t, const struct io *io, bool pad)
{
	size_t len = io->size < DIRECT_PIECE ? (size_t)io->size : DIRECT_PIECE;

	direct_content(t->job->data, io, 0, t->chunk,
		pad ? (size_t)round_up(len, job_of(t)->block) : len);
}

/* All of it goes past the page cache: the last block is written whole, and the file cut to its size. */
static int fill_file(struct file_thread *t, struct io *io, int fd)
{
	int rc = write_all(t, io, fd, true);

	if (rc == 0 && io->size % job_of(t)->block && ftruncate(fd, (off_t)io->size) < 0)
		rc = errno;
	if (rc == 0 && io->fsync && fsync(fd) < 0)
		rc = errno;
	return rc;
}

static void put(struct file_thread *t, struct io *io)
{
	const char *path = file_path(io->uri);
	int rc = file_put_parent(t, path), fd = -1;

	first_piece(t, io, true);
	io->start_ns = clock_ns();
	if (rc == 0) {
		fd = file_put_open(path, O_DIRECT | (io->in_place ? 0 : O_TRUNC));
		rc = fd < 0 ? errno : fill_file(t, io, fd);
		if (fd >= 0 && close(fd) < 0 && rc == 0)
			rc = errno;
	}
	io->end_ns = file_clock(t);
	direct_judge(job_of(t), io, rc);
	/* nobody shall take the half of it for an object; what is written over as it lies stays one */
	if (rc && fd >= 0 && !io->in_place)
		unlink(path);
}

/* ---- ranges of files that stay open ---- */

static int write_range(struct file_thread *t, struct io *io, int fd)
{
	int rc = write_all(t, io, fd, false);

	return rc == 0 && io->fsync && fsync(fd) < 0 ? errno : rc;
}

static void range(struct file_thread *t, struct io *io)
{
	bool writes = io->kind == OP_RANGE_PUT;
	struct open_file *f;
	int rc = 0;

	if (writes)
		first_piece(t, io, false);
	f = open_files_take(&t->open, file_path(io->uri), writes);
	io->start_ns = clock_ns();
	if (!f)
		rc = ENOMEM;
	else if (f->fd < 0)
		rc = open_files_open(&t->open, f);
	if (rc == 0) {
		rc = writes ? write_range(t, io, f->fd) : read_all(t, io, f->fd);
		if (rc || io->error || io->bytes < io->size)
			open_files_drop(&t->open, f);
	}
	io->end_ns = file_clock(t);
	direct_judge(job_of(t), io, rc);
}

void direct_sync_run(struct file_thread *t, struct io *io)
{
	static void (*const run[OP_KINDS])(struct file_thread *, struct io *) = {
		[OP_GET] = get,
		[OP_RANGE_GET] = range,
		[OP_PUT] = put,
		[OP_RANGE_PUT] = range,
	};

	if (!run[io->kind]) {
		file_run(t, io);
		return;
	}
	t->paused_ns = 0;
	run[io->kind](t, io);
}
