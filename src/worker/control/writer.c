/* writer: a thread of its own for stdout. */
#include "worker/control/writer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/units.h"

/* Lines that can wait do so while more than this is queued. */
#define ROOM_BYTES (512u * 1024u)
/* Nothing at all is queued beyond this: only a reader that is gone gets here. */
#define HARD_BYTES (64u * 1024u * 1024u)

struct chunk {
	struct chunk *next;
	struct buf bytes;
};

struct writer {
	int fd, wake_fd;
	pthread_t id;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct chunk *head, **tail;
	size_t queued; /* bytes, with what is being written */
	bool failed, quit;
};

/* 0 or -errno. Whoever made the pipe may have made it non-blocking; the flag is theirs too, and stays. */
static int write_out(int fd, const char *p, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EAGAIN) {
			struct pollfd room = {.fd = fd, .events = POLLOUT};

			poll(&room, 1, -1);
		} else if (n < 0 && errno != EINTR) {
			return -errno;
		} else if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static void *writer_main(void *arg)
{
	struct writer *w = arg;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		while (!w->head && !w->quit)
			pthread_cond_wait(&w->changed, &w->lock);
		struct chunk *c = w->head;

		if (!c)
			break;
		w->head = c->next;
		if (!w->head)
			w->tail = &w->head;
		bool failed = w->failed;

		pthread_mutex_unlock(&w->lock);
		if (!failed)
			failed = write_out(w->fd, c->bytes.data, c->bytes.len) < 0;
		pthread_mutex_lock(&w->lock);

		bool was_full = w->queued >= ROOM_BYTES;

		w->queued -= c->bytes.len;
		if ((was_full && w->queued < ROOM_BYTES) || (failed && !w->failed))
			eventfd_write(w->wake_fd, 1);
		w->failed = failed;
		pthread_cond_broadcast(&w->changed);
		buf_finish(&c->bytes);
		free(c);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

struct writer *writer_create(int fd, int wake_fd, struct err *err)
{
	struct writer *w = calloc(1, sizeof(*w));
	pthread_condattr_t attr;
	int rc;

	if (!w) {
		err_sys(err, ENOMEM, "no memory");
		return NULL;
	}
	w->fd = fd;
	w->wake_fd = wake_fd;
	w->tail = &w->head;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->changed, &attr);
	pthread_condattr_destroy(&attr);
	rc = pthread_create(&w->id, NULL, writer_main, w);
	if (rc == 0)
		return w;
	err_sys(err, rc, "cannot start a thread");
	free(w);
	return NULL;
}

void writer_put(struct writer *w, struct buf *b)
{
	struct chunk *c = calloc(1, sizeof(*c));

	pthread_mutex_lock(&w->lock);
	if (c && !w->failed && w->queued < HARD_BYTES) {
		c->bytes = *b;
		*b = (struct buf)BUF_INIT;
		w->queued += c->bytes.len;
		*w->tail = c;
		w->tail = &c->next;
		c = NULL;
		pthread_cond_broadcast(&w->changed);
	}
	pthread_mutex_unlock(&w->lock);
	buf_finish(b);
	free(c);
}

bool writer_has_room(struct writer *w)
{
	pthread_mutex_lock(&w->lock);
	bool room = w->queued < ROOM_BYTES;

	pthread_mutex_unlock(&w->lock);
	return room;
}

bool writer_failed(struct writer *w)
{
	pthread_mutex_lock(&w->lock);
	bool failed = w->failed;

	pthread_mutex_unlock(&w->lock);
	return failed;
}

bool writer_flush(struct writer *w, uint64_t until_ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(until_ns / NS_PER_SEC),
		.tv_nsec = (long)(until_ns % NS_PER_SEC),
	};
	int rc = 0;

	pthread_mutex_lock(&w->lock);
	while (w->queued > 0 && !w->failed && rc == 0)
		rc = pthread_cond_timedwait(&w->changed, &w->lock, &ts);
	bool done = w->queued == 0;

	pthread_mutex_unlock(&w->lock);
	return done;
}

void writer_destroy(struct writer *w)
{
	pthread_mutex_lock(&w->lock);
	w->quit = true;
	bool hangs = w->queued > 0 && !w->failed;

	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	if (hangs)
		return;
	pthread_join(w->id, NULL);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
