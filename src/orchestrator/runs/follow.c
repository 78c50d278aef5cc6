/* follow: new lines of a file. */
#include "orchestrator/runs/follow.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"

#define PIECE_BYTES ((size_t)64 << 10)

static void start(struct follow *f)
{
	struct stat st;

	f->fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (f->fd < 0)
		return;
	if (fstat(f->fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(steal_fd(&f->fd));
		return;
	}
	if ((uint64_t)st.st_size > f->tail_bytes) {
		/* one byte more: when it is a newline the first line is whole */
		lseek(f->fd, st.st_size - (off_t)f->tail_bytes - 1, SEEK_SET);
		f->cut = true;
	}
}

int follow_init(struct follow *f, const char *path, uint64_t tail_bytes)
{
	*f = (struct follow){.path = strdup(path), .fd = -1, .tail_bytes = tail_bytes};
	if (!f->path)
		return -1;
	start(f);
	f->tail_bytes = UINT64_MAX; /* what comes later counts as a whole */
	return 0;
}

void follow_finish(struct follow *f)
{
	if (f->fd >= 0)
		close(f->fd);
	buf_finish(&f->rest);
	free(f->path);
	*f = (struct follow){.fd = -1};
}

static void take_lines(struct follow *f, follow_fn *fn, void *user)
{
	size_t at = 0;
	char *newline;

	while (at < f->rest.len &&
		(newline = memchr(f->rest.data + at, '\n', f->rest.len - at))) {
		*newline = '\0';
		if (!f->cut)
			fn(f->rest.data + at, user);
		f->cut = false;
		at = (size_t)(newline - f->rest.data) + 1;
	}
	buf_consume(&f->rest, at);
}

void follow_poll(struct follow *f, follow_fn *fn, void *user)
{
	ssize_t n = 1;

	if (f->fd < 0)
		start(f);
	while (f->fd >= 0 && n > 0) {
		char *room = buf_reserve(&f->rest, PIECE_BYTES);

		if (!room)
			return;
		n = read(f->fd, room, PIECE_BYTES);
		if (n > 0)
			f->rest.len += (size_t)n;
		f->rest.data[f->rest.len] = '\0';
		take_lines(f, fn, user);
	}
}
