/* detach: fork, and what the process in front does meanwhile. */
#include "orchestrator/runs/detach.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/err.h"

#define HANDED_OVER 'h'

/* A signal from the terminal reached both of us; one that somebody sent to this process did not. */
static void pass_on(int signals, pid_t child)
{
	struct signalfd_siginfo info;

	while (read(signals, &info, sizeof(info)) == sizeof(info))
		if (info.ssi_code <= 0)
			kill(child, (int)info.ssi_signo);
}

static int exit_code_of(pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return 1;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int wait_in_front(int fd, int signals, pid_t child)
{
	struct pollfd fds[] = {
		{.fd = fd, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
	char said = 0;
	ssize_t n;

	for (;;) {
		if (poll(fds, ARRAY_LEN(fds), -1) < 0)
			continue;
		if (fds[1].revents & POLLIN)
			pass_on(signals, child);
		if (!fds[0].revents)
			continue;
		n = read(fd, &said, 1);
		if (n >= 0 || errno != EINTR)
			break;
	}
	return said == HANDED_OVER ? 0 : exit_code_of(child);
}

int detach_fork(int *ret_fd, int *ret_exit_code, struct err *err)
{
	AUTO_CLOSE int ours = -1, theirs = -1, signals = -1;
	sigset_t stop, before;
	int fds[2];
	pid_t child;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, errno, "--detach");
	ours = fds[0];
	theirs = fds[1];
	sigemptyset(&stop);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGTERM);
	signals = signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals < 0)
		return err_sys(err, errno, "--detach");
	sigprocmask(SIG_BLOCK, &stop, &before);
	child = fork();
	if (child < 0) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		return err_sys(err, errno, "--detach");
	}
	if (child == 0) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		*ret_fd = steal_fd(&theirs);
		return 0;
	}
	close(steal_fd(&theirs));
	*ret_exit_code = wait_in_front(ours, signals, child);
	return 1;
}

/* Fails only for the leader of a process group, which is whoever a shell started without --detach. */
void detach_session(void)
{
	(void)setsid();
}

void detach_handed_over(int fd)
{
	static const char word = HANDED_OVER;

	(void)!write(fd, &word, 1);
	close(fd);
}
