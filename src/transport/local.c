/* local: commands of this machine over pipes: the same worker and the same protocol without SSH. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "common/cleanup.h"
#include "transport/impl.h"
#include "transport/reaper.h"
#include "transport/subprocess.h"

/* One running command. */
struct proc {
	struct chan *chan;
	struct child *child; /* NULL: has ended */
	struct stream {
		struct proc *proc;
		int number; /* 0, 1, 2 */
		int fd;
		struct loop_fd *watch;
	} streams[3];
};

static void stream_close(struct stream *s)
{
	loop_fd_del(s->watch);
	s->watch = NULL;
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

static void finish_if_over(struct proc *p)
{
	if (p->child || p->streams[1].fd >= 0 || p->streams[2].fd >= 0)
		return;
	stream_close(&p->streams[0]);
	chan_done(p->chan);
}

static void read_stream(struct stream *s)
{
	struct chan *ch = s->proc->chan;
	struct transport *t = ch->conn->t;
	ssize_t n = read(s->fd, t->iobuf, TRANSPORT_IO_SIZE);

	if (n > 0) {
		chan_deliver(ch, s->number, t->iobuf, (size_t)n);
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		stream_close(s);
		finish_if_over(s->proc);
	}
}

static void write_queue(struct stream *s)
{
	struct chan *ch = s->proc->chan;
	const struct chunk *k;

	while ((k = chan_head(ch)) && s->fd >= 0) {
		ssize_t n = write(s->fd, k->data + k->off, k->len - k->off);

		if (n > 0) {
			chan_sent(ch, (size_t)n);
		} else if (errno == EAGAIN) {
			break;
		} else if (errno != EINTR) {
			/* it reads no more: what it says and its status tell why */
			chan_drop_queue(ch);
			stream_close(s);
		}
	}
	if (s->fd >= 0 && ch->eof && !chan_head(ch))
		stream_close(s);
	if (s->watch)
		loop_fd_set(s->watch, chan_head(ch) ? EPOLLOUT : 0);
	chan_report(ch);
}

static void on_stream(struct loop_fd *w, uint32_t events, void *user)
{
	struct stream *s = user;
	struct conn *c = s->proc->chan->conn;

	(void)w;
	(void)events;
	conn_enter(c);
	if (s->number == 0)
		write_queue(s);
	else
		read_stream(s);
	conn_leave(c);
}

static void on_exit_status(int status, void *user)
{
	struct proc *p = user;
	struct chan_exit *e = &p->chan->exit;
	struct conn *c = p->chan->conn;

	conn_enter(c);
	p->child = NULL;
	e->exited = WIFEXITED(status);
	e->status = e->exited ? WEXITSTATUS(status) : 0;
	if (WIFSIGNALED(status))
		snprintf(e->signal, sizeof(e->signal), "%s",
			sigabbrev_np(WTERMSIG(status)));
	finish_if_over(p);
	conn_leave(c);
}

/* Pipes for a command: ours are its other ends. -errno: none is open. */
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

static int start(struct chan *ch, struct proc *p, struct err *err)
{
	const char *argv[] = {"/bin/sh", "-c", ch->command, NULL};
	struct transport *t = ch->conn->t;
	int theirs[3], ours[3];
	pid_t pid;
	int rc = make_pipes(theirs, ours);

	if (rc < 0)
		return err_sys(err, -rc, "cannot make pipes");
	rc = spawn_program(argv, theirs, &pid);
	for (int i = 0; i < 3; i++) {
		close(theirs[i]);
		p->streams[i].fd = ours[i];
	}
	if (rc < 0)
		return err_sys(err, -rc, "cannot start /bin/sh");
	p->child = reaper_watch(t->reaper, pid, on_exit_status, p);
	for (int i = 0; i < 3; i++) {
		struct stream *s = &p->streams[i];

		s->watch = loop_fd_add(
			t->loop, s->fd, i == 0 ? 0 : EPOLLIN, on_stream, s, err);
		if (!s->watch)
			return -1;
	}
	return 0;
}

static void local_chan_start(struct chan *ch)
{
	struct proc *p = calloc(1, sizeof(*p));
	struct err err = ERR_INIT;

	if (!p)
		abort();
	p->chan = ch;
	for (int i = 0; i < 3; i++) {
		p->streams[i].proc = p;
		p->streams[i].number = i;
		p->streams[i].fd = -1;
	}
	ch->impl = p;
	ch->state = CHAN_RUNNING;
	if (start(ch, p, &err) < 0) {
		chan_set_why(ch, "%s", err.text);
		chan_done(ch);
	} else {
		write_queue(&p->streams[0]);
	}
}

static void local_chan_fini(struct chan *ch)
{
	struct proc *p = ch->impl;

	if (!p)
		return;
	for (int i = 0; i < 3; i++)
		stream_close(&p->streams[i]);
	if (p->child)
		child_abandon(p->child);
	free(p);
	ch->impl = NULL;
}

static void local_step(struct conn *c)
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
			local_chan_start(ch);
		else
			write_queue(&((struct proc *)ch->impl)->streams[0]);
	}
}

static void local_open(struct conn *c)
{
	c->info.address = "this machine";
	c->info.attempts = 1;
	conn_up(c);
	if (!c->gone)
		local_step(c);
}

static void local_fini(struct conn *c)
{
	(void)c;
}

const struct transport_ops local_ops = {
	.name = "local",
	.open = local_open,
	.step = local_step,
	.chan_fini = local_chan_fini,
	.fini = local_fini,
};
