/* reaper: a pidfd for each child; kernels before 5.3 have none, there a timer looks. */
#include "transport/process/reaper.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/loop.h"
#include "common/units.h"

#define LOOK_NS (20 * NS_PER_MS)
#define LAST_WAIT_NS (2 * NS_PER_SEC)

struct child {
	TAILQ_ENTRY(child) link;
	struct reaper *reaper;
	pid_t pid;
	int pidfd;
	struct loop_fd *watch;
	struct loop_timer *look;
	child_fn *fn;
	void *user;
};

TAILQ_HEAD(child_list, child);

struct reaper {
	struct loop *loop;
	struct child_list children;
};

struct reaper *reaper_create(struct loop *loop)
{
	struct reaper *r = calloc(1, sizeof(*r));

	if (!r)
		abort();
	r->loop = loop;
	TAILQ_INIT(&r->children);
	return r;
}

static void child_free(struct child *child)
{
	TAILQ_REMOVE(&child->reaper->children, child, link);
	loop_fd_del(child->watch);
	loop_timer_del(child->look);
	cleanup_close(&child->pidfd);
	free(child);
}

static void try_reap(struct child *child)
{
	child_fn *fn = child->fn;
	void *user = child->user;
	int status = 0;

	/* -1 (somebody else reaped it) ends the wait as well */
	if (waitpid(child->pid, &status, WNOHANG) == 0)
		return;
	child_free(child);
	if (fn)
		fn(status, user);
}

static void on_pidfd(struct loop_fd *w, uint32_t events, void *user)
{
	(void)w;
	(void)events;
	try_reap(user);
}

static void on_look(struct loop_timer *t, void *user)
{
	(void)t;
	try_reap(user);
}

struct child *reaper_watch(struct reaper *r, pid_t pid, child_fn *fn, void *user)
{
	struct child *child = calloc(1, sizeof(*child));
	struct err err = ERR_INIT;

	if (!child)
		abort();
	child->reaper = r;
	child->pid = pid;
	child->fn = fn;
	child->user = user;
	TAILQ_INSERT_TAIL(&r->children, child, link);
	child->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (child->pidfd >= 0)
		child->watch = loop_fd_add(
			r->loop, child->pidfd, EPOLLIN, on_pidfd, child, &err);
	if (!child->watch)
		child->look = loop_timer_add(
			r->loop, clock_ns() + LOOK_NS, LOOK_NS, on_look, child);
	return child;
}

void child_abandon(struct child *child)
{
	child->fn = NULL;
	/* not reaped yet, so the number still belongs to it */
	kill(-child->pid, SIGTERM);
}

void reaper_destroy(struct reaper *r)
{
	uint64_t end_ns = clock_ns() + LAST_WAIT_NS;
	struct child *child;

	if (!r)
		return;
	while ((child = TAILQ_FIRST(&r->children)) && clock_ns() < end_ns) {
		struct pollfd p = {.fd = child->pidfd, .events = POLLIN};

		/* without a pidfd: look again in a moment */
		poll(&p, 1, child->pidfd < 0 ? 5 : 100);
		try_reap(child);
	}
	while ((child = TAILQ_FIRST(&r->children)))
		child_free(child);
	free(r);
}
