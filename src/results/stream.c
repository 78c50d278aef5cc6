/* stream: each file has a queue of bytes; one thread takes all queues in turn and appends them.
 *
 * What a full disk refuses stays queued (up to the file's bound) and is tried again with the next write
 * and at the end: when space comes back, nothing is missing. */
#include "results/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"

struct stream {
	struct streams *owner;
	struct stream *next;
	char *path;
	bool keep_open, sync_each;
	size_t max_queued;
	uint64_t max_size;

	/* under the owner's lock */
	struct buf queued;
	size_t unwritten; /* bytes that the writer holds in backlog */
	uint64_t accepted;
	uint64_t left_out; /* writes that did not fit */
	bool full;         /* max_size was reached */
	int errnum;        /* of the last try; 0: all is well */

	/* the writer's own */
	struct buf backlog;
	int fd;
};

struct streams {
	int dir;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool work, ending;
	struct stream *first, **last;
};

/* Devices and pipes cannot be synced, and need not be. */
static int sync_file(struct stream *f)
{
	if (f->fd < 0 || fsync(f->fd) == 0 || errno == EINVAL || errno == ENOTSUP)
		return 0;
	return errno;
}

/* 0 or errno. Takes what was written out of the backlog. */
static int append(struct stream *f)
{
	int errnum = 0;

	if (f->fd < 0)
		f->fd = openat(f->owner->dir, f->path,
			O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);
	if (f->fd < 0)
		return errno;
	while (f->backlog.len && !errnum) {
		ssize_t n = write(f->fd, f->backlog.data, f->backlog.len);

		if (n > 0)
			buf_consume(&f->backlog, (size_t)n);
		else if (n < 0 && errno != EINTR)
			errnum = errno;
	}
	if (!errnum && f->sync_each)
		errnum = sync_file(f);
	if (!f->keep_open && close(steal_fd(&f->fd)) < 0 && !errnum)
		errnum = errno;
	return errnum;
}

/* Called with the lock, which is given up while the disk is busy. The list only grows at its end,
 * so f stays valid. */
static void write_one(struct streams *s, struct stream *f)
{
	int errnum;

	if (f->queued.len == 0 && f->backlog.len == 0)
		return;
	if (f->backlog.len == 0) {
		struct buf empty = f->backlog;

		f->backlog = f->queued;
		f->queued = empty;
	} else if (buf_append(&f->backlog, f->queued.data, f->queued.len) == 0) {
		buf_clear(&f->queued);
	}
	f->unwritten = f->backlog.len;
	pthread_mutex_unlock(&s->lock);
	errnum = append(f);
	pthread_mutex_lock(&s->lock);
	f->unwritten = f->backlog.len;
	f->errnum = errnum;
}

static void *writer(void *user)
{
	struct streams *s = user;
	bool ending;

	pthread_mutex_lock(&s->lock);
	do {
		while (!s->work && !s->ending)
			pthread_cond_wait(&s->wake, &s->lock);
		ending = s->ending;
		s->work = false;
		for (struct stream *f = s->first; f; f = f->next)
			write_one(s, f);
	} while (!ending);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* The thread takes no signals: they belong to the loop. */
static int start_thread(struct streams *s)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&s->thread, NULL, writer, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

struct streams *streams_create(int dir, struct err *err)
{
	struct streams *s = calloc(1, sizeof(*s));
	int rc;

	if (!s) {
		err_sys(err, ENOMEM, "cannot write results");
		return NULL;
	}
	s->dir = dir;
	s->last = &s->first;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->wake, NULL);
	rc = start_thread(s);
	if (rc) {
		err_sys(err, rc, "cannot start the thread that writes results");
		free(s);
		return NULL;
	}
	return s;
}

struct stream *stream_open(struct streams *s, const char *path, bool keep_open,
	size_t max_queued, uint64_t max_size)
{
	struct stream *f = calloc(1, sizeof(*f));

	if (f)
		f->path = strdup(path);
	if (!f || !f->path) {
		free(f);
		return NULL;
	}
	f->owner = s;
	f->keep_open = keep_open;
	f->max_queued = max_queued;
	f->max_size = max_size;
	f->fd = -1;
	pthread_mutex_lock(&s->lock);
	*s->last = f;
	s->last = &f->next;
	pthread_mutex_unlock(&s->lock);
	return f;
}

void stream_sync_each(struct stream *f)
{
	pthread_mutex_lock(&f->owner->lock);
	f->sync_each = true;
	pthread_mutex_unlock(&f->owner->lock);
}

/* What comes instead of data that would make the file larger than it may be. */
static void end_of_file(struct stream *f)
{
	f->full = true;
	buf_printf(&f->queued, "\n[muster: cut here, the file has its %llu MiB]\n",
		(unsigned long long)(f->max_size >> 20));
}

void stream_write(struct stream *f, const void *data, size_t len)
{
	struct streams *s = f->owner;

	pthread_mutex_lock(&s->lock);
	if (!f->full && f->max_size && f->accepted + len > f->max_size) {
		end_of_file(f);
	} else if (!f->full) {
		if (f->queued.len + f->unwritten + len > f->max_queued ||
			buf_append(&f->queued, data, len) < 0)
			f->left_out++;
		else
			f->accepted += len;
	}
	s->work = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

/* Called with the lock, or without the thread. */
static int stream_error(const struct stream *f, struct err *err)
{
	if (f->errnum && f->left_out)
		return err_sys(err, f->errnum, "%s: %llu pieces were left out", f->path,
			(unsigned long long)f->left_out);
	if (f->errnum)
		return err_sys(err, f->errnum, "cannot write %s", f->path);
	if (f->left_out)
		return err_set(err, ERR_SYSTEM,
			"%s: %llu pieces were left out, since the disk did not keep up",
			f->path, (unsigned long long)f->left_out);
	return 0;
}

int streams_error(struct streams *s, struct err *err)
{
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	for (struct stream *f = s->first; f && rc == 0; f = f->next)
		rc = stream_error(f, err);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

static int stream_destroy(struct stream *f, struct err *err)
{
	int rc;

	if (!f->errnum)
		f->errnum = sync_file(f);
	if (f->fd >= 0 && close(f->fd) < 0 && !f->errnum)
		f->errnum = errno;
	rc = stream_error(f, err);
	buf_finish(&f->queued);
	buf_finish(&f->backlog);
	free(f->path);
	free(f);
	return rc;
}

int streams_close(struct streams *s, struct err *err)
{
	int rc = 0;

	if (!s)
		return 0;
	pthread_mutex_lock(&s->lock);
	s->ending = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	while (s->first) {
		struct stream *f = s->first;
		struct err later = ERR_INIT;

		s->first = f->next;
		if (stream_destroy(f, rc == 0 ? err : &later) < 0)
			rc = -1;
	}
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->wake);
	free(s);
	return rc;
}
