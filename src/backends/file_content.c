/* file_content: what puts write, in place from the pool or built. What has to be built is built before
 * the clock, and of large objects piece by piece while it stands. */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backends/content.h"
#include "backends/file.h"

/* Where the piece begins that holds this offset. */
static uint64_t piece_begin(uint64_t offset)
{
	return offset - offset % CONTENT_STAMP;
}

static size_t piece_len(const struct io *io, uint64_t begin)
{
	uint64_t left = io->offset + io->size - begin;

	return left < FILE_BUILT_MAX ? (size_t)left : FILE_BUILT_MAX;
}

int file_content_ready(struct file_thread *t, const struct io *io)
{
	uint64_t begin = piece_begin(io->offset);

	if (content_is_in_place(io))
		return 0;
	if (!t->built) {
		t->built = mmap(NULL, FILE_BUILT_MAX, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (t->built == MAP_FAILED) {
			t->built = NULL;
			return ENOMEM;
		}
	}
	content_build(t->job->data, io, begin, t->built, piece_len(io, begin));
	return 0;
}

/* The content from offset on, and how much of it lies there in one piece. */
static const uint8_t *content_at(
	struct file_thread *t, const struct io *io, uint64_t offset, size_t *ret_len)
{
	const struct data *data = t->job->data;
	uint64_t begin = piece_begin(offset), left = io->offset + io->size - offset;
	uint64_t begun_ns;

	if (content_is_in_place(io)) {
		const uint8_t *p = content_in_place(data, io, offset, ret_len);

		/* of a part of an object its end is another one */
		*ret_len = left < data->size ? (size_t)left : data->size;
		return p;
	}
	*ret_len = piece_len(io, begin) - (size_t)(offset - begin);
	if (offset != io->offset) {
		begun_ns = clock_ns();
		content_build(data, io, begin, t->built, piece_len(io, begin));
		t->paused_ns += clock_ns() - begun_ns;
	}
	return t->built + (offset - begin);
}

static int write_piece(struct io *io, int fd, const uint8_t *p, size_t len)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, p, len < FILE_CHUNK ? len : FILE_CHUNK,
			(off_t)(io->offset + io->bytes));

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return errno;
		}
		io->bytes += (uint64_t)n;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int file_content_write(struct file_thread *t, struct io *io, int fd)
{
	while (io->bytes < io->size) {
		size_t len;
		const uint8_t *p = content_at(t, io, io->offset + io->bytes, &len);
		int rc = write_piece(io, fd, p, len);

		if (rc)
			return rc;
	}
	return 0;
}

bool file_verify(struct file_thread *t, struct io *io, uint64_t offset, size_t len)
{
	uint64_t begun_ns = clock_ns();
	bool same = content_check(t->job->data, io, offset, t->chunk, len);

	t->paused_ns += clock_ns() - begun_ns;
	return same;
}
