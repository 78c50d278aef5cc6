/* What the lab needs below Python: the first process of a host, a way into its namespaces, and a
 * delay line for its cable. One small program, so that nothing of the lab depends on what a kernel
 * or a container happens to offer (sch_netem, nsenter's version).
 *
 *   labhelper init                            reap orphans for ever (PID 1 of a pid namespace)
 *   labhelper enter [-p] [-c DIR] PID CMD...  run CMD in the namespaces of PID
 *   labhelper delay TAP LINK FILE             carry frames between TAP and LINK, late */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "delayline.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

static int complain(const char *what)
{
	fprintf(stderr, "labhelper: %s: %s\n", what, strerror(errno));
	return 125;
}

/* PID 1 of a namespace inherits every orphan; one that does not reap fills the process table with
 * zombies, and `ps` in a test would count them as left behind. */
static void __attribute__((noreturn)) run_init(void)
{
	sigset_t child;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	for (;;) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		sigwaitinfo(&child, NULL);
	}
}

static volatile sig_atomic_t inner;

static void forward(int sig)
{
	if (inner > 0)
		kill((pid_t)inner, sig);
}

/* A process cannot change its own pid namespace, only that of its children. So with -p there are two
 * processes, and the outer one is transparent: signals go in, the exit status comes out. */
static int wait_for_inner(void)
{
	int status = 0;
	while (waitpid((pid_t)inner, &status, 0) < 0)
		if (errno != EINTR)
			return complain("waitpid");
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int join_cgroup(const char *dir)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t n = write(fd, "0", 1);
	close(fd);
	return n == 1 ? 0 : -1;
}

static int run_enter(int argc, char **argv)
{
	int flags = CLONE_NEWNS | CLONE_NEWNET;
	const char *cgroup = NULL;
	int opt;
	while ((opt = getopt(argc, argv, "+pc:")) != -1) {
		if (opt == 'p')
			flags |= CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC;
		else if (opt == 'c')
			cgroup = optarg;
		else
			return 2;
	}
	if (argc - optind < 2)
		return 2;
	bool whole = flags & CLONE_NEWPID;
	if (whole && access("/proc/self/ns/time", F_OK) == 0)
		flags |= CLONE_NEWTIME;

	char cwd[PATH_MAX] = "/";
	if (!getcwd(cwd, sizeof(cwd)))
		strcpy(cwd, "/");
	/* the command never outlives the test that started it */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (cgroup && join_cgroup(cgroup) < 0)
		return complain(cgroup);
	int pidfd = (int)syscall(SYS_pidfd_open, (pid_t)atoi(argv[optind]), 0);
	if (pidfd < 0)
		return complain("no such process");
	if (setns(pidfd, flags) < 0)
		return complain("setns");
	close(pidfd);
	/* setns put us at the new root; a directory that is not there leaves us at it */
	if (chdir(cwd) < 0 && chdir("/") < 0)
		return complain("chdir");
	if (whole) {
		const int passed_on[] = {
			SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
		for (size_t i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++)
			signal(passed_on[i], forward);
		inner = fork();
		if (inner < 0)
			return complain("fork");
		if (inner > 0)
			return wait_for_inner();
		for (size_t i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++)
			signal(passed_on[i], SIG_DFL);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	}
	execvp(argv[optind + 1], argv + optind + 1);
	complain(argv[optind + 1]);
	return errno == ENOENT ? 127 : 126;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "init") == 0)
		run_init();
	if (argc > 2 && strcmp(argv[1], "enter") == 0)
		return run_enter(argc - 1, argv + 1);
	if (argc == 5 && strcmp(argv[1], "delay") == 0)
		return delayline_run(argv[2], argv[3], argv[4]);
	fprintf(stderr, "usage: labhelper init | enter [-p] [-c DIR] PID CMD... |"
			" delay TAP LINK FILE\n");
	return 2;
}
