/* lines: messages over a unix socket. Nobody waits: what the other end does not take is queued, up to a bound. */
#include "worker/lease/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/loop.h"
#include "proto/msg.h"

#define READ_BYTES 65536u
/* What may wait to be written before things are left out, and before the connection is given up. */
#define ROOM_BYTES (1024u * 1024u)
#define QUEUE_BYTES (64u * 1024u * 1024u)

struct lines {
	struct loop *loop;
	int fd;
	struct loop_fd *watch;
	const struct lines_events *events;
	void *user;
	struct buf in, out;
	bool closed;          /* said, or about to be */
	bool busy, destroyed; /* a callback is on; it ended with destroy */
};

static void release(struct lines *l)
{
	buf_finish(&l->in);
	buf_finish(&l->out);
	free(l);
}

void lines_destroy(struct lines *l)
{
	if (!l)
		return;
	if (l->out.len)
		(void)!send(l->fd, l->out.data, l->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	loop_fd_del(l->watch);
	close(l->fd);
	if (l->busy)
		l->destroyed = true;
	else
		release(l);
}

/* false: it cannot be written to any more. */
static bool flush(struct lines *l)
{
	while (l->out.len) {
		ssize_t n =
			send(l->fd, l->out.data, l->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN && l->out.len <= QUEUE_BYTES;
		buf_consume(&l->out, (size_t)n);
	}
	return true;
}

static void watch_again(struct lines *l)
{
	loop_fd_set(l->watch, EPOLLIN | (l->out.len ? EPOLLOUT : 0));
}

/* false: no more of it. */
static bool take(struct lines *l)
{
	char *room = buf_reserve(&l->in, READ_BYTES);
	ssize_t n = room ? recv(l->fd, room, READ_BYTES, MSG_DONTWAIT) : 0;
	size_t used = 0;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	l->in.len += (size_t)n;
	while (!l->destroyed && !l->closed) {
		const char *line = l->in.data + used;
		const char *end = memchr(line, '\n', l->in.len - used);

		if (!end)
			break;
		used += (size_t)(end - line) + 1;
		l->events->line(l, line, (size_t)(end - line), l->user);
	}
	buf_consume(&l->in, used);
	return l->in.len < MSG_MAX_LINE;
}

static void on_ready(struct loop_fd *w, uint32_t events, void *user)
{
	struct lines *l = user;

	(void)w;
	l->busy = true;
	if ((events & EPOLLOUT) && !flush(l))
		l->closed = true;
	if (!l->closed && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && !take(l))
		l->closed = true;
	if (l->closed && !l->destroyed) {
		loop_fd_set(l->watch, 0);
		l->events->closed(l, l->user);
	} else if (!l->destroyed) {
		watch_again(l);
	}
	l->busy = false;
	if (l->destroyed)
		release(l);
}

struct lines *lines_create(struct loop *loop, int fd, const struct lines_events *events,
	void *user, struct err *err)
{
	struct lines *l = calloc(1, sizeof(*l));

	if (!l)
		abort();
	*l = (struct lines){.loop = loop, .fd = fd, .events = events, .user = user};
	l->watch = loop_fd_add(loop, fd, EPOLLIN, on_ready, l, err);
	if (l->watch)
		return l;
	close(fd);
	free(l);
	return NULL;
}

int lines_say(struct lines *l, const struct msg *m)
{
	if (msg_encode(m, &l->out) < 0)
		return -1;
	if (l->closed)
		return 0;
	if (flush(l))
		watch_again(l);
	else
		shutdown(l->fd, SHUT_RDWR); /* `closed` comes from the loop */
	return 0;
}

bool lines_has_room(const struct lines *l)
{
	return l->out.len < ROOM_BYTES;
}
