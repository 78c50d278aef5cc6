/* lease_spawn: a leased server's first steps, seen from the worker. */
#include "worker/lease/lease_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/file.h"
#include "common/loop.h"
#include "common/text.h"
#include "common/units.h"
#include "proto/msg.h"

#define ANSWER_NS (30 * NS_PER_SEC)
#define ENVIRONMENT_MAX 16

struct lease_spawn {
	struct loop *loop;
	lease_spawn_fn *fn;
	void *user;
	int fd;
	struct loop_fd *watch;
	struct loop_timer *patience;
	struct buf in;
};

static void over(struct lease_spawn *s, const struct msg_leases *answer)
{
	loop_fd_set(s->watch, 0);
	loop_timer_stop(s->patience);
	s->fn(answer, s->user);
}

static void on_answer(struct loop_fd *w, uint32_t events, void *user)
{
	struct lease_spawn *s = user;
	struct err err = ERR_INIT;
	struct msg m;
	char chunk[4096];
	ssize_t n = read(s->fd, chunk, sizeof(chunk));

	(void)w;
	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0 && buf_append(&s->in, chunk, (size_t)n) == 0 &&
		s->in.data[s->in.len - 1] != '\n')
		return;
	if (n <= 0 ||
		msg_decode(MSG_FROM_WORKER, s->in.data, s->in.len - 1, &m, &err) < 0) {
		over(s, NULL);
		return;
	}
	over(s, m.type == MSG_LEASES ? &m.u.leases : NULL);
	msg_finish(&m);
}

static void on_impatient(struct loop_timer *t, void *user)
{
	(void)t;
	over(user, NULL);
}

/* A process that stays for hours needs little of the session that it was started in. */
static void pick_environment(char **ret)
{
	static const char *const kept[] = {"HOME=", "PATH=", "LANG=", "XDG_CACHE_HOME=",
		"ASAN_OPTIONS=", "UBSAN_OPTIONS=", "TSAN_OPTIONS="};
	size_t n = 0;

	for (char **e = environ; *e && n < ENVIRONMENT_MAX; e++)
		for (size_t i = 0; i < ARRAY_LEN(kept); i++)
			if (text_starts_with(*e, kept[i]))
				ret[n++] = *e;
	ret[n] = NULL;
}

/* In a session of its own, and with nothing of ours but the two pipes. */
static int spawn(int in, int out, int null, pid_t *ret)
{
	static char *const argv[] = {(char *)(uintptr_t) "muster-worker",
		(char *)(uintptr_t) "--lease-server", NULL};
	char *environment[ENVIRONMENT_MAX + 1];
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int rc;

	pick_environment(environment);
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attr);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_setflags(&attr,
		POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawn_file_actions_adddup2(&actions, in, 0);
	posix_spawn_file_actions_adddup2(&actions, out, 1);
	posix_spawn_file_actions_adddup2(&actions, null, 2);
	rc = posix_spawn(ret, "/proc/self/exe", &actions, &attr, argv, environment);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	return rc;
}

static int start(
	struct lease_spawn *s, const struct msg_lease_start *what, struct err *err)
{
	struct msg m = {.type = MSG_LEASE_START, .u.lease_start = *what};
	AUTO_BUF struct buf line = BUF_INIT;
	AUTO_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int in[2], out[2], rc;
	pid_t child = 0;

	if (msg_encode(&m, &line) < 0)
		return err_set(err, ERR_FAILED, "its parameters do not fit into a line");
	if (null < 0 || pipe2(in, O_CLOEXEC) < 0)
		return err_sys(err, errno, "/dev/null");
	if (pipe2(out, O_CLOEXEC) < 0) {
		rc = errno;
		close(in[0]);
		close(in[1]);
		return err_sys(err, rc, "pipe");
	}
	s->fd = out[0];
	fcntl(s->fd, F_SETFL, O_NONBLOCK);
	rc = spawn(in[0], out[1], null, &child);
	close(in[0]);
	close(out[1]);
	/* fits into the pipe, so that nobody waits */
	if (rc == 0 && line.len <= 32768)
		file_write_all(in[1], line.data, line.len);
	close(in[1]);
	if (rc)
		return err_sys(err, rc, "cannot start the server");
	/* it leaves its own child behind at once */
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		continue;
	return 0;
}

struct lease_spawn *lease_spawn_create(struct loop *loop,
	const struct msg_lease_start *what, lease_spawn_fn *fn, void *user,
	struct err *err)
{
	struct lease_spawn *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	*s = (struct lease_spawn){.loop = loop, .fn = fn, .user = user, .fd = -1};
	if (start(s, what, err) < 0 ||
		!(s->watch = loop_fd_add(loop, s->fd, EPOLLIN, on_answer, s, err))) {
		lease_spawn_destroy(s);
		return NULL;
	}
	s->patience = loop_timer_add(loop, clock_ns() + ANSWER_NS, 0, on_impatient, s);
	return s;
}

void lease_spawn_destroy(struct lease_spawn *s)
{
	if (!s)
		return;
	loop_fd_del(s->watch);
	loop_timer_del(s->patience);
	cleanup_close(&s->fd);
	buf_finish(&s->in);
	free(s);
}
