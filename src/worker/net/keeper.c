/* keeper: starts the program as its only child, waits, and leaves nothing of it behind. */
#include "worker/net/keeper.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/units.h"

#define GRACE_NS NS_PER_SEC
/* How long what was killed may take to go: something may hang in a file system. */
#define GOING_NS (2 * NS_PER_SEC)
#define CANNOT_EXEC 127

struct state {
	const struct keeper *k;
	pid_t pid;
	int signals;
	int status;
	bool ended;
	uint64_t end_ns;
	uint64_t kill_ns; /* 0: nobody wants its end */
};

/* ---- descriptors ---- */

static bool is_kept(int fd, const int *kept, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (kept[i] == fd)
			return true;
	return fd <= STDERR_FILENO;
}

/* Kernels before 5.9. */
static void close_listed(const int *kept, size_t n)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		int fd = atoi(e->d_name);

		if (fd != dirfd(dir) && !is_kept(fd, kept, n))
			close(fd);
	}
	if (dir)
		closedir(dir);
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Nothing of the worker may be held open by it: its channel least of all. */
static void close_others(const struct keeper *k)
{
	int kept[] = {k->socket, k->null, k->out, k->err};
	unsigned from = STDERR_FILENO + 1;

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		dup2(k->null, fd);
	qsort(kept, ARRAY_LEN(kept), sizeof(*kept), by_number);
	for (size_t i = 0; i <= ARRAY_LEN(kept); i++) {
		bool last = i == ARRAY_LEN(kept);
		unsigned to = last ? ~0u : (unsigned)kept[i] - 1;

		if (from <= to && syscall(SYS_close_range, from, to, 0) < 0) {
			close_listed(kept, ARRAY_LEN(kept));
			return;
		}
		from = last ? from : (unsigned)kept[i] + 1;
	}
}

/* ---- the program ---- */

static void reset_signals(void)
{
	sigset_t none;

	for (int signo = 1; signo < NSIG; signo++)
		signal(signo, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void __attribute__((noreturn))
become_program(const struct keeper *k, pid_t keeper, int report)
{
	int errnum;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* should the keeper itself be killed */
	if (getppid() != keeper)
		_exit(CANNOT_EXEC);
	reset_signals();
	dup2(k->null, STDIN_FILENO);
	dup2(k->out, STDOUT_FILENO);
	dup2(k->err, STDERR_FILENO);
	if (chdir("/") == 0)
		execve(k->path, k->argv, k->environment);
	errnum = errno;
	if (write(report, &errnum, sizeof(errnum)) < 0)
		_exit(CANNOT_EXEC);
	_exit(CANNOT_EXEC);
}

/* 0, or the errno of what went wrong. */
static int start(struct state *s)
{
	pid_t self = getpid();
	int report[2], errnum = 0;

	if (pipe2(report, O_CLOEXEC) < 0)
		return errno;
	s->pid = fork();
	if (s->pid < 0)
		return errno;
	if (s->pid == 0)
		become_program(s->k, self, report[1]);
	setpgid(s->pid, s->pid); /* whoever is first */
	close(report[1]);
	if (read(report[0], &errnum, sizeof(errnum)) != sizeof(errnum))
		errnum = 0; /* it is another program now */
	close(report[0]);
	close(s->k->out);
	close(s->k->err);
	return errnum;
}

/* ---- its end ---- */

/* While it is not reaped its number, and so its group's, cannot be another's. */
static void reap_program(struct state *s)
{
	s->ended = true;
	s->end_ns = clock_ns();
	kill(-s->pid, SIGKILL);
	waitpid(s->pid, &s->status, 0);
}

/* false: there are no children left. */
static bool reap(struct state *s)
{
	siginfo_t info = {.si_pid = 0};

	while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0) {
		if (!info.si_pid)
			return true;
		if (info.si_pid == s->pid)
			reap_program(s);
		else /* one that it left to us */
			waitpid(info.si_pid, NULL, 0);
		info.si_pid = 0;
	}
	return false;
}

/* Those that have a group of their own. All that it leaves behind become our children. */
static void kill_children(void)
{
	char path[64], list[4096], *at = list, *end;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read(fd, list, sizeof(list) - 1);
	close(fd);
	list[n > 0 ? n : 0] = '\0';
	for (;;) {
		long pid = strtol(at, &end, 10);

		if (end == at || pid <= 0)
			return;
		kill((pid_t)pid, SIGKILL);
		at = end;
	}
}

static void kill_all(struct state *s)
{
	uint64_t until_ns = clock_ns() + GOING_NS;
	struct pollfd none = {.fd = -1};

	if (!s->ended)
		kill(-s->pid, SIGKILL);
	while (reap(s) && clock_ns() < until_ns) {
		if (s->ended)
			kill_children();
		poll(&none, 1, 1);
	}
}

static void say(const struct state *s, int errnum)
{
	struct keeper_word word;
	struct rusage usage;

	/* padding too: it goes over a socket */
	memset(&word, 0, sizeof(word));
	word.pid = s->pid;
	word.errnum = errnum;
	word.status = s->status;
	word.end_ns = s->end_ns;
	if (getrusage(RUSAGE_CHILDREN, &usage) == 0) {
		word.user_ns = (uint64_t)usage.ru_utime.tv_sec * NS_PER_SEC +
			       (uint64_t)usage.ru_utime.tv_usec * NS_PER_US;
		word.system_ns = (uint64_t)usage.ru_stime.tv_sec * NS_PER_SEC +
				 (uint64_t)usage.ru_stime.tv_usec * NS_PER_US;
	}
	send(s->k->socket, &word, sizeof(word), MSG_NOSIGNAL);
}

/* A byte tells it to end the program; nothing at all, that we are gone. */
static void listen_to_worker(struct state *s)
{
	char word;

	if (recv(s->k->socket, &word, 1, MSG_DONTWAIT) <= 0) {
		s->kill_ns = 1;
	} else if (word == KEEPER_STOP && !s->kill_ns) {
		kill(-s->pid, SIGTERM);
		s->kill_ns = clock_ns() + GRACE_NS;
	}
}

static void watch(struct state *s)
{
	struct pollfd p[] = {{.fd = s->k->socket, .events = POLLIN},
		{.fd = s->signals, .events = POLLIN}};

	while (!s->ended && (!s->kill_ns || clock_ns() < s->kill_ns)) {
		struct signalfd_siginfo ignored;

		poll(p, ARRAY_LEN(p), s->kill_ns ? 20 : -1);
		if (p[0].revents)
			listen_to_worker(s);
		while (read(s->signals, &ignored, sizeof(ignored)) > 0)
			;
		reap(s);
	}
}

void keeper_run(const struct keeper *k)
{
	struct state s = {.k = k};
	sigset_t all, child;
	int errnum;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	close_others(k);
	setsid();
	prctl(PR_SET_NAME, "muster-keeper");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	signal(SIGCHLD, SIG_DFL);
	s.signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	errnum = s.signals < 0 ? errno : start(&s);
	say(&s, errnum);
	if (!errnum) {
		watch(&s);
		kill_all(&s);
		if (!s.ended) { /* it hangs where no signal reaches */
			s.status = SIGKILL;
			s.end_ns = clock_ns();
		}
		say(&s, 0);
	}
	_exit(0);
}
