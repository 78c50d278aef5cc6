/* program: our side of a program: its keeper, its output, and what is said of its end. */
#include "worker/net/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
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
#include "worker/host/own_dirs.h"
#include "worker/net/keeper.h"
#include "worker/net/program_port.h"

#define USUAL_FOLDERS "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
#define READ_BYTES 65536u
/* More than a pipe holds. */
#define PIPE_MAX (2u * 1024u * 1024u)
/* How often it is looked whether it listens: at first, and at the longest. */
#define LOOK_FIRST_NS (3 * NS_PER_MS)
#define LOOK_LAST_NS (50 * NS_PER_MS)

/* One of its two outputs, as far as it is kept. */
struct stream {
	int fd;
	struct loop_fd *watch;
	struct buf text;
	size_t max;
};

struct program {
	struct loop *loop;
	struct program_events events;
	void *user;
	pid_t keeper, pid;
	int socket;
	struct loop_fd *watch;
	struct stream out, err;
	struct loop_timer *deadline, *look;
	uint64_t look_ns;
	uint32_t port;
	bool stopped, late, cut;
	uint64_t from_ns;
};

/* ---- where it is ---- */

static bool can_run(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static char *find_in(const char *folders, const char *name)
{
	AUTO_FREE char *list = strdup(folders);
	char *rest = list;

	for (char *dir; rest && (dir = strsep(&rest, ":"));) {
		char *path = *dir == '/' ? text_printf("%s/%s", dir, name) : NULL;

		if (path && can_run(path))
			return path;
		free(path);
	}
	return NULL;
}

/* What `muster setup` has put there for this user comes before what is installed. */
static char *find_own(const char *name)
{
	char **dirs = own_dirs();
	char *found = NULL;

	for (char **d = dirs; *d && !found; d++)
		if (own_dir_ok(*d))
			found = find_in(*d, name);
	own_dirs_free(dirs);
	return found;
}

static char *find_by_path(const char *name, struct err *err)
{
	const char *folders = getenv("PATH");
	char *found = find_own(name);

	if (!found && folders)
		found = find_in(folders, name);
	if (!found)
		found = find_in(USUAL_FOLDERS, name);
	if (!found)
		err_set(err, ERR_HOST, "there is no program %s in PATH or %s", name,
			USUAL_FOLDERS);
	return found;
}

char *program_find(const char *name, struct err *err)
{
	char *path;

	if (!strchr(name, '/'))
		return find_by_path(name, err);
	path = file_expand_home(name);
	if (!path) {
		err_sys(err, ENOMEM, "%s", name);
	} else if (!can_run(path)) {
		err_set(err, ERR_HOST, "%s is %s", path,
			access(path, F_OK) == 0 ? "no file that can be run"
						: "not there");
		free(path);
		path = NULL;
	}
	return path;
}

/* ---- output ---- */

static void stream_close(struct stream *s)
{
	loop_fd_del(s->watch);
	s->watch = NULL;
	cleanup_close(&s->fd);
	s->fd = -1;
}

/* Takes some of what there is: one that never stops printing must not keep the loop to itself. What is too much is
 * read all the same, so that the program never waits for us. False: there is no more just now. */
static bool stream_read(struct program *p, struct stream *s)
{
	char chunk[READ_BYTES];
	ssize_t n = read(s->fd, chunk, sizeof(chunk));
	size_t room = s->max - s->text.len;

	if (n < 0 && errno == EINTR)
		return true;
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0) {
		stream_close(s);
		return false;
	}
	p->cut |= (size_t)n > room;
	if (buf_append(&s->text, chunk, (size_t)n < room ? (size_t)n : room) < 0)
		p->cut = true;
	return true;
}

/* What is left of it in the pipe, and no more, should somebody still write. */
static void stream_drain(struct program *p, struct stream *s)
{
	for (size_t taken = 0; taken < PIPE_MAX && s->fd >= 0; taken += READ_BYTES)
		if (!stream_read(p, s))
			return;
}

static void on_out(struct loop_fd *w, uint32_t events, void *user)
{
	struct program *p = user;

	(void)w;
	(void)events;
	stream_read(p, &p->out);
}

static void on_err(struct loop_fd *w, uint32_t events, void *user)
{
	struct program *p = user;

	(void)w;
	(void)events;
	stream_read(p, &p->err);
}

/* ---- its life ---- */

static void say_end(struct program *p, const struct keeper_word *word)
{
	struct program_end end = {.stopped = p->stopped,
		.late = p->late,
		.from_ns = p->from_ns,
		.to_ns = word->end_ns,
		.user_ns = word->user_ns,
		.system_ns = word->system_ns};

	end.exit_code = WIFEXITED(word->status) ? WEXITSTATUS(word->status) : -1;
	end.signo = WIFSIGNALED(word->status) ? WTERMSIG(word->status) : 0;
	stream_drain(p, &p->out);
	stream_drain(p, &p->err);
	end.cut = p->cut;
	end.out = p->out.text.data ? p->out.text.data : "";
	end.out_len = p->out.text.len;
	end.err = p->err.text.data ? p->err.text.data : "";
	end.err_len = p->err.text.len;
	p->events.ended(p, &end, p->user);
}

static void on_word(struct loop_fd *w, uint32_t events, void *user)
{
	struct program *p = user;
	struct keeper_word word;
	ssize_t n = recv(p->socket, &word, sizeof(word), MSG_DONTWAIT);

	(void)w;
	(void)events;
	/* it went before it read that it should stop: that is told first, and once; its word is still there */
	if (n < 0 && errno == ECONNRESET)
		n = recv(p->socket, &word, sizeof(word), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != sizeof(word)) {
		/* somebody killed the keeper, and the kernel the program with it */
		word = (struct keeper_word){.status = SIGKILL, .end_ns = clock_ns()};
	}
	loop_fd_del(p->watch);
	p->watch = NULL;
	loop_timer_stop(p->deadline);
	loop_timer_stop(p->look);
	waitpid(p->keeper, NULL, 0);
	p->keeper = 0;
	say_end(p, &word);
}

static void on_deadline(struct loop_timer *t, void *user)
{
	struct program *p = user;

	(void)t;
	p->late = true;
	program_stop(p);
}

static void on_look(struct loop_timer *t, void *user)
{
	struct program *p = user;

	if (program_port_listens(p->pid, p->port)) {
		p->events.listening(p, p->user);
		return;
	}
	p->look_ns = p->look_ns * 5 / 4;
	if (p->look_ns > LOOK_LAST_NS)
		p->look_ns = LOOK_LAST_NS;
	loop_timer_set(t, clock_ns() + p->look_ns, 0);
}

static int open_stream(struct program *p, struct stream *s, size_t max, loop_fd_fn *fn,
	int *ret_write, struct err *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, errno, "pipe");
	s->fd = fds[0];
	s->max = max;
	*ret_write = fds[1];
	if (fcntl(s->fd, F_SETFL, O_NONBLOCK) < 0)
		return err_sys(err, errno, "pipe");
	s->watch = loop_fd_add(p->loop, s->fd, EPOLLIN, fn, p, err);
	return s->watch ? 0 : -1;
}

/* Its first word comes at once: the program runs, or why it does not. */
static int hear_start(struct program *p, const char *path, struct err *err)
{
	struct keeper_word word;
	ssize_t n;

	do
		n = recv(p->socket, &word, sizeof(word), 0);
	while (n < 0 && errno == EINTR);
	if (n != sizeof(word))
		return err_set(err, ERR_SYSTEM, "%s could not be started", path);
	p->pid = word.pid;
	return word.errnum ? err_sys(err, word.errnum, "%s cannot be run", path) : 0;
}

static int start_keeper(
	struct program *p, struct keeper *k, int sockets[2], struct err *err)
{
	p->keeper = fork();
	if (p->keeper < 0) {
		p->keeper = 0;
		return err_sys(err, errno, "fork");
	}
	if (p->keeper == 0) {
		k->socket = sockets[1];
		keeper_run(k);
	}
	cleanup_close(&sockets[1]);
	sockets[1] = -1;
	return hear_start(p, k->path, err);
}

static int watch(struct program *p, uint64_t deadline_ns, struct err *err)
{
	p->deadline = loop_timer_add(p->loop, UINT64_MAX, 0, on_deadline, p);
	p->look = loop_timer_add(p->loop, UINT64_MAX, 0, on_look, p);
	if (deadline_ns)
		loop_timer_set(p->deadline, deadline_ns, 0);
	if (p->port && p->events.listening)
		loop_timer_set(p->look, clock_ns() + p->look_ns, 0);
	p->watch = loop_fd_add(p->loop, p->socket, EPOLLIN, on_word, p, err);
	return p->watch ? 0 : -1;
}

/* Little more than it needs to be found and understood: what a job was given is no business of it. */
static char **make_environment(void)
{
	static const char *const names[] = {"PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH"};
	char **all = calloc(ARRAY_LEN(names) + 2, sizeof(*all));
	size_t n = 0;

	for (size_t i = 0; all && i < ARRAY_LEN(names); i++) {
		const char *value = getenv(names[i]);

		if (value && (all[n] = text_printf("%s=%s", names[i], value)))
			n++;
	}
	if (all)
		all[n] = strdup("LC_ALL=C");
	return all;
}

static void free_list(char **list)
{
	for (char **s = list; s && *s; s++)
		free(*s);
	free(list);
}

static int start(
	struct program *p, const char *const *argv, uint64_t deadline_ns, struct err *err)
{
	int sockets[2] = {-1, -1}, rc;
	AUTO_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	AUTO_CLOSE int out = -1;
	AUTO_CLOSE int errors = -1;
	AUTO_FREE char *path = program_find(argv[0], err);
	char **environment = make_environment();
	struct keeper k = {.path = path,
		.argv = (char *const *)(uintptr_t)argv,
		.environment = environment,
		.null = null};

	if (!path || !environment)
		rc = path ? err_sys(err, ENOMEM, "%s", path) : -1;
	else if (null < 0 ||
		 socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
		rc = err_sys(err, errno, "%s cannot be started", path);
	else
		rc = open_stream(p, &p->out, PROGRAM_OUT_MAX, on_out, &out, err);
	p->socket = sockets[0];
	if (rc == 0)
		rc = open_stream(p, &p->err, PROGRAM_ERR_MAX, on_err, &errors, err);
	if (rc == 0) {
		k.out = out;
		k.err = errors;
		p->from_ns = clock_ns();
		rc = start_keeper(p, &k, sockets, err);
	}
	cleanup_close(&sockets[1]);
	free_list(environment);
	return rc < 0 ? rc : watch(p, deadline_ns, err);
}

struct program *program_start(struct loop *loop, const char *const *argv, uint32_t port,
	uint64_t deadline_ns, const struct program_events *events, void *user,
	struct err *err)
{
	struct program *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	p->loop = loop;
	p->events = *events;
	p->user = user;
	p->port = port;
	p->socket = p->out.fd = p->err.fd = -1;
	p->look_ns = LOOK_FIRST_NS;
	if (start(p, argv, deadline_ns, err) == 0)
		return p;
	program_destroy(p);
	return NULL;
}

pid_t program_pid(const struct program *p)
{
	return p->pid;
}

void program_stop(struct program *p)
{
	const char word = KEEPER_STOP;

	p->stopped = true;
	loop_timer_stop(p->deadline);
	/* when it has gone already, its last word is on the way */
	(void)!send(p->socket, &word, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void program_destroy(struct program *p)
{
	if (!p)
		return;
	loop_fd_del(p->watch);
	cleanup_close(&p->socket);
	stream_close(&p->out);
	stream_close(&p->err);
	if (p->keeper)
		waitpid(p->keeper, NULL, 0);
	loop_timer_del(p->deadline);
	loop_timer_del(p->look);
	buf_finish(&p->out.text);
	buf_finish(&p->err.text);
	free(p);
}
