/* ask: the terminal edits the line; a signal ends the question and finds the terminal as it was. */
#include "orchestrator/ssh_setup/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "common/cleanup.h"

/* Those that end a program while it asks. */
static void ending_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGQUIT);
}

/* One byte of the answer: 1, 0 at its end, -1 when a signal came (*ret_signo) or the terminal went. */
static int next_byte(int tty, int signals, char *ret, int *ret_signo)
{
	struct pollfd fds[] = {
		{.fd = tty, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
	struct signalfd_siginfo info;
	ssize_t got;

	while (poll(fds, 2, -1) < 0)
		if (errno != EINTR)
			return -1;
	if (fds[1].revents && read(signals, &info, sizeof(info)) == sizeof(info)) {
		*ret_signo = (int)info.ssi_signo;
		return -1;
	}
	got = read(tty, ret, 1);
	/* Ctrl-D ends it as Enter does */
	return got == 1 ? *ret != '\n' : (int)got;
}

static int read_answer(int tty, int signals, char *out, size_t size, int *ret_signo)
{
	size_t n = 0;
	char ch;
	int r;

	while ((r = next_byte(tty, signals, &ch, ret_signo)) == 1)
		if (n + 1 < size)
			out[n++] = ch;
	out[n] = '\0';
	explicit_bzero(&ch, sizeof(ch));
	return r;
}

bool ask_possible(void)
{
	AUTO_CLOSE int tty = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);

	return tty >= 0;
}

int ask_secret(const char *prompt, char *out, size_t size, void *user)
{
	AUTO_CLOSE int tty = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	AUTO_CLOSE int signals = -1;
	struct termios old, quiet;
	sigset_t ending, before;
	int signo = 0, r = -1;

	(void)user;
	if (tty < 0 || tcgetattr(tty, &old) < 0)
		return -1;
	ending_signals(&ending);
	signals = signalfd(-1, &ending, SFD_CLOEXEC);
	if (signals < 0)
		return -1;
	sigprocmask(SIG_BLOCK, &ending, &before);
	quiet = old;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	/* stopped with Ctrl-Z, the shell would have a terminal without echo */
	quiet.c_cc[VSUSP] = _POSIX_VDISABLE;
	if (tcsetattr(tty, TCSAFLUSH, &quiet) == 0) {
		dprintf(tty, "%s", prompt);
		r = read_answer(tty, signals, out, size, &signo);
		tcsetattr(tty, TCSAFLUSH, &old);
		dprintf(tty, "\n");
	}
	if (signo)
		raise(signo);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return r;
}
