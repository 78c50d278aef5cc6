/* askpass: both ends of the socket. */
#include "transport/openssh/askpass.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/file.h"
#include "common/loop.h"
#include "common/text.h"
#include "transport/transport.h"

#define VARIABLE "MUSTER_ASKPASS"
#define NAME_SIZE 40
#define PROMPT_MAX 512
#define SECRET_SIZE 1025 /* of OpenSSH's own buffer, with the NUL */

struct askpass {
	struct loop *loop;
	const char *secret;
	pid_t ssh;
	int listener, peer;
	struct loop_fd *watch, *peer_watch;
	bool given;
	char *other;
	char *env[5];
};

/* "\0NAME": no file, and gone with us. */
static socklen_t address_of(const char *name, struct sockaddr_un *to)
{
	size_t len = strlen(name);

	*to = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (len > sizeof(to->sun_path) - 1)
		len = sizeof(to->sun_path) - 1;
	memcpy(to->sun_path + 1, name, len);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len);
}

/* ---- the side that knows ---- */

static pid_t parent_of(pid_t pid)
{
	char path[40], text[512] = "";
	const char *end;
	int parent = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	/* the name of the program, in brackets, may hold anything */
	end = fgets(text, sizeof(text), f) ? strrchr(text, ')') : NULL;
	fclose(f);
	return end && sscanf(end + 1, " %*c %d", &parent) == 1 ? parent : 0;
}

static bool may_ask(const struct askpass *a, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       peer.uid == getuid() && a->ssh > 0 && parent_of(peer.pid) == a->ssh;
}

/* "u@h's password: ", and for keyboard-interactive "(u@h) " with the host's words behind. Passphrases and
 * PINs of keys read otherwise. */
static bool wants_password(const char *prompt)
{
	return text_ends_with(prompt, "'s password: ") || text_starts_with(prompt, "(");
}

static void close_peer(struct askpass *a)
{
	loop_fd_del(a->peer_watch);
	a->peer_watch = NULL;
	cleanup_close(&a->peer);
	a->peer = -1;
}

/* What only a person can answer. ssh would send an empty answer instead, and a host may count that as one
 * more attempt. */
static void end_of_questions(struct askpass *a, const char *prompt, size_t len)
{
	size_t n;

	free(a->other);
	a->other = text_sanitize(prompt, len);
	n = a->other ? strlen(a->other) : 0;
	while (n && strchr(" :", a->other[n - 1]))
		a->other[--n] = '\0';
	kill(a->ssh, SIGTERM);
}

static void on_question(struct loop_fd *w, uint32_t events, void *user)
{
	struct askpass *a = user;
	char prompt[PROMPT_MAX + 1];
	ssize_t n = recv(a->peer, prompt, PROMPT_MAX, MSG_DONTWAIT);

	(void)w;
	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	prompt[n > 0 ? n : 0] = '\0';
	if (n > 0 && wants_password(prompt) && may_ask(a, a->peer)) {
		if (a->given)
			end_of_questions(a, prompt, (size_t)n);
		else
			send(a->peer, a->secret, strlen(a->secret),
				MSG_DONTWAIT | MSG_NOSIGNAL);
		a->given = true;
	}
	close_peer(a);
}

/* One at a time: ssh asks one question after the other. */
static void on_connect(struct loop_fd *w, uint32_t events, void *user)
{
	struct askpass *a = user;
	struct err err = ERR_INIT;
	int fd = accept4(a->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)w;
	(void)events;
	if (fd < 0)
		return;
	if (a->peer >= 0 || !may_ask(a, fd)) {
		close(fd);
		return;
	}
	a->peer = fd;
	a->peer_watch = loop_fd_add(a->loop, fd, EPOLLIN, on_question, a, &err);
	if (!a->peer_watch)
		close_peer(a);
}

static char *own_program(void)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	return n > 0 ? text_printf("SSH_ASKPASS=%.*s", (int)n, path) : NULL;
}

static int start(struct askpass *a, struct err *err)
{
	char name[NAME_SIZE] = "muster-";
	struct sockaddr_un address;
	socklen_t len;

	digest_random_hex(16, name + strlen(name));
	len = address_of(name, &address);
	a->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (a->listener < 0 || bind(a->listener, (struct sockaddr *)&address, len) < 0 ||
		listen(a->listener, 4) < 0)
		return err_sys(err, errno, "cannot make a socket for ssh's question");
	a->watch = loop_fd_add(a->loop, a->listener, EPOLLIN, on_connect, a, err);
	a->env[0] = own_program();
	a->env[1] = strdup("SSH_ASKPASS_REQUIRE=force");
	a->env[2] = text_printf(VARIABLE "=%s", name);
	/* before OpenSSH 8.4 there had to be a display to ask on */
	if (!getenv("DISPLAY"))
		a->env[3] = strdup("DISPLAY=none");
	if (!a->env[0] || !a->env[1] || !a->env[2])
		return err_set(
			err, ERR_SYSTEM, "muster cannot tell where it lies itself");
	return a->watch ? 0 : -1;
}

struct askpass *askpass_create(struct loop *loop, const char *secret, struct err *err)
{
	struct askpass *a = calloc(1, sizeof(*a));

	if (!a)
		abort();
	a->loop = loop;
	a->secret = secret;
	a->listener = a->peer = -1;
	if (start(a, err) < 0) {
		askpass_destroy(a);
		return NULL;
	}
	return a;
}

void askpass_destroy(struct askpass *a)
{
	if (!a)
		return;
	close_peer(a);
	loop_fd_del(a->watch);
	cleanup_close(&a->listener);
	for (size_t i = 0; i < ARRAY_LEN(a->env); i++)
		free(a->env[i]);
	free(a->other);
	free(a);
}

const char *const *askpass_env(const struct askpass *a)
{
	return (const char *const *)a->env;
}

void askpass_allow(struct askpass *a, pid_t ssh)
{
	a->ssh = ssh;
}

bool askpass_given(const struct askpass *a)
{
	return a->given;
}

const char *askpass_other(const struct askpass *a)
{
	return a->other;
}

/* ---- the side that ssh runs ---- */

int transport_askpass(int argc, char **argv)
{
	const char *name = getenv(VARIABLE);
	const struct rlimit no_core = {0, 0};
	char secret[SECRET_SIZE];
	struct sockaddr_un address;
	AUTO_CLOSE int fd = -1;
	socklen_t len;
	ssize_t n = -1;

	if (!name || argc != 2)
		return -1;
	/* a limit is nothing to a core_pattern that is a program */
	setrlimit(RLIMIT_CORE, &no_core);
	prctl(PR_SET_DUMPABLE, 0);
	len = address_of(name, &address);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, len) == 0 &&
		send(fd, argv[1], strnlen(argv[1], PROMPT_MAX), MSG_NOSIGNAL) > 0)
		n = recv(fd, secret, sizeof(secret) - 1, 0);
	if (n > 0) {
		secret[n++] = '\n';
		if (file_write_all(STDOUT_FILENO, secret, (size_t)n) < 0)
			n = -1;
	}
	explicit_bzero(secret, sizeof(secret));
	return n > 0 ? 0 : 1;
}
