/* exec: pipes, a child that the reaper watches, and the bytes between them and a channel. */
#include "transport/process/exec.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "common/cleanup.h"
#include "transport/process/reaper.h"
#include "transport/process/subprocess.h"

struct stream {
	struct exec *exec;
	int number; /* 0, 1, 2 */
	int fd;
	struct loop_fd *watch;
};

struct exec {
	struct conn *conn;
	struct child *child; /* NULL: has ended */
	pid_t pid;
	enum exec_end end;
	int wait_status;
	const struct exec_events *events;
	void *user;
	struct buf line; /* goes first */
	struct chan *feed;
	struct stream streams[3];
};

static void stream_close(struct stream *s)
{
	loop_fd_del(s->watch);
	s->watch = NULL;
	cleanup_close(&s->fd);
	s->fd = -1;
}

/* Last in whatever calls it: x may be gone. */
static void finish_if_over(struct exec *x)
{
	if (x->child || x->streams[1].fd >= 0 || x->streams[2].fd >= 0)
		return;
	stream_close(&x->streams[0]);
	x->events->ended(x->wait_status, x->user);
}

/* Bytes; 0 or less: nothing more now. */
static ssize_t read_some(struct stream *s)
{
	struct exec *x = s->exec;
	struct transport *t = x->conn->t;
	ssize_t n = read(s->fd, t->iobuf, TRANSPORT_IO_SIZE);

	if (n > 0)
		x->events->data(s->number, t->iobuf, (size_t)n, x->user);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		stream_close(s);
	return n;
}

/* What the program left in its pipe, which holds only so much: somebody who has its other end, too, may
 * write for ever. */
static void read_rest(struct stream *s)
{
	ssize_t n = 1;
	int left = 0;

	if (s->fd >= 0 && ioctl(s->fd, FIONREAD, &left) < 0)
		left = 0;
	for (; left > 0 && n > 0 && s->fd >= 0; left -= (int)n)
		n = read_some(s);
	stream_close(s);
}

/* 0: all is written, else -errno. */
static int write_line(struct exec *x, int fd)
{
	while (x->line.len) {
		ssize_t n = write(fd, x->line.data, x->line.len);

		if (n > 0)
			buf_consume(&x->line, (size_t)n);
		else if (errno != EINTR)
			return -errno;
	}
	return 0;
}

static int write_queue(struct chan *ch, int fd)
{
	const struct chunk *k;

	while (ch && (k = chan_head(ch))) {
		ssize_t n = write(fd, k->data + k->off, k->len - k->off);

		if (n > 0)
			chan_sent(ch, (size_t)n);
		else if (errno != EINTR)
			return -errno;
	}
	return 0;
}

static void write_input(struct exec *x)
{
	struct stream *s = &x->streams[0];
	struct chan *ch = x->feed;
	int rc = s->fd < 0 ? -EPIPE : write_line(x, s->fd);

	if (rc == 0)
		rc = write_queue(ch, s->fd);
	if (rc < 0 && rc != -EAGAIN) {
		/* it reads no more: what it says and its status tell why */
		stream_close(s);
		if (ch)
			chan_drop_queue(ch);
	} else if (rc == 0 && ch && ch->eof) {
		stream_close(s);
	}
	if (s->watch)
		loop_fd_set(s->watch, rc < 0 ? EPOLLOUT : 0);
	if (ch)
		chan_report(ch);
}

static void on_stream(struct loop_fd *w, uint32_t events, void *user)
{
	struct stream *s = user;
	struct exec *x = s->exec;
	struct conn *c = x->conn;

	(void)w;
	(void)events;
	conn_enter(c);
	if (s->number == 0) {
		write_input(x);
	} else {
		read_some(s);
		finish_if_over(x);
	}
	conn_leave(c);
}

static void on_exit_status(int status, void *user)
{
	struct exec *x = user;
	struct conn *c = x->conn;

	conn_enter(c);
	x->child = NULL;
	x->wait_status = status;
	for (int i = 1; i < 3 && x->end == EXEC_END_PROGRAM; i++)
		read_rest(&x->streams[i]);
	finish_if_over(x);
	conn_leave(c);
}

/* Pipes for a program: ours are its other ends. -errno: none is open. */
static int make_pipes(int theirs[3], int ours[3])
{
	for (int i = 0; i < 3; i++) {
		int fds[2];
		int rc = spawn_pipe(fds, i == 0 ? 1 : 0);

		if (rc < 0) {
			while (i--) {
				close(ours[i]);
				close(theirs[i]);
			}
			return rc;
		}
		ours[i] = fds[i == 0 ? 1 : 0];
		theirs[i] = fds[i == 0 ? 0 : 1];
	}
	return 0;
}

static int start(
	struct exec *x, const char *const *argv, const char *const *env, struct err *err)
{
	struct transport *t = x->conn->t;
	int theirs[3], ours[3];
	int rc = make_pipes(theirs, ours);

	if (rc < 0)
		return err_sys(err, -rc, "cannot make pipes");
	rc = spawn_program_env(argv, env, theirs, &x->pid);
	for (int i = 0; i < 3; i++) {
		close(theirs[i]);
		x->streams[i].fd = ours[i];
	}
	if (rc < 0)
		return err_sys(err, -rc, "cannot start %s", argv[0]);
	x->child = reaper_watch(t->reaper, x->pid, on_exit_status, x);
	for (int i = 0; i < 3; i++) {
		struct stream *s = &x->streams[i];

		s->watch = loop_fd_add(
			t->loop, s->fd, i == 0 ? 0 : EPOLLIN, on_stream, s, err);
		if (!s->watch)
			return -1;
	}
	return 0;
}

struct exec *exec_start(struct conn *c, const char *const *argv, const char *const *env,
	enum exec_end end, const struct exec_events *e, void *user, struct err *err)
{
	struct exec *x = calloc(1, sizeof(*x));

	if (!x)
		abort();
	x->conn = c;
	x->end = end;
	x->events = e;
	x->user = user;
	for (int i = 0; i < 3; i++)
		x->streams[i] = (struct stream){.exec = x, .number = i, .fd = -1};
	if (start(x, argv, env, err) < 0) {
		exec_destroy(x);
		return NULL;
	}
	return x;
}

void exec_destroy(struct exec *x)
{
	if (!x)
		return;
	for (int i = 0; i < 3; i++)
		stream_close(&x->streams[i]);
	if (x->child)
		child_abandon(x->child);
	buf_finish(&x->line);
	free(x);
}

pid_t exec_pid(const struct exec *x)
{
	return x->pid;
}

void exec_say(struct exec *x, const char *line)
{
	if (buf_printf(&x->line, "%s\n", line) < 0)
		abort();
}

void exec_feed(struct exec *x, struct chan *ch)
{
	x->feed = ch;
	write_input(x);
}

void exec_exit(struct chan_exit *e, int wait_status)
{
	e->exited = WIFEXITED(wait_status);
	e->status = e->exited ? WEXITSTATUS(wait_status) : 0;
	if (WIFSIGNALED(wait_status))
		snprintf(e->signal, sizeof(e->signal), "%s",
			sigabbrev_np(WTERMSIG(wait_status)));
}

void exec_step(struct conn *c, void (*start_chan)(struct chan *ch),
	struct exec *(*exec_of)(const struct chan *ch))
{
	struct chan *ch;

	TAILQ_FOREACH(ch, &c->chans, link)
	{
		if (c->gone)
			return;
		if (ch->state == CHAN_DONE)
			continue;
		if (ch->gone)
			chan_done(ch);
		else if (ch->state == CHAN_WAITING)
			start_chan(ch);
		else
			exec_feed(exec_of(ch), ch);
	}
}
