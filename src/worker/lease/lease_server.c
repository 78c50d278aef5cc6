/* lease_server: the leased process: how it leaves its worker behind, and what it does until it ends. */
#include "worker/lease/lease_server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/file.h"
#include "common/loop.h"
#include "common/units.h"
#include "muster_version.h"
#include "net/listener.h"
#include "proto/msg.h"
#include "worker/lease/lease_file.h"
#include "worker/lease/lease_server_impl.h"
#include "worker/net/program.h"

/* How long a program may take until it listens. */
#define LISTEN_NS (10 * NS_PER_SEC)
#define PARAMETERS_S 20

/* ---- what is said ---- */

struct lease_info lease_server_info(const struct lease_server *s)
{
	uint64_t now = lease_boot_ns(), end = s->file.end_boot_ns;

	return (struct lease_info){.state = LEASE_RUNNING,
		.address = s->file.address,
		.port = s->file.port,
		.pid = (uint64_t)s->file.process.pid,
		.engine = s->file.engine,
		.version = s->file.version,
		.protocol = s->file.protocol,
		.left_ns = end > now ? end - now : 0};
}

/* The first answer, to whoever started it. */
static void answer(struct lease_server *s, const char *error)
{
	struct lease_info info = lease_server_info(s);
	struct msg m = {.type = MSG_LEASES, .u.leases = {.request = s->what.request}};
	AUTO_BUF struct buf line = BUF_INIT;

	if (s->answer_fd < 0)
		return;
	if (error) {
		m.u.leases.error = (char *)(uintptr_t)error;
	} else {
		m.u.leases.items = &info;
		m.u.leases.n_items = 1;
	}
	if (msg_encode(&m, &line) == 0)
		file_write_all(s->answer_fd, line.data, line.len);
	close(s->answer_fd);
	s->answer_fd = -1;
}

/* ---- the lease ---- */

int lease_server_set(struct lease_server *s, uint64_t lease_ns, struct err *err)
{
	struct itimerspec at = {.it_value.tv_sec = 0};

	s->file.end_boot_ns = lease_boot_ns() + lease_ns;
	s->file.end_wall_ns = clock_wall_ns() + lease_ns;
	at.it_value.tv_sec = (time_t)(s->file.end_boot_ns / NS_PER_SEC);
	at.it_value.tv_nsec = (long)(s->file.end_boot_ns % NS_PER_SEC);
	if (timerfd_settime(s->timer_fd, TFD_TIMER_ABSTIME, &at, NULL) < 0)
		return err_sys(err, errno, "the timer of the lease");
	return s->path ? lease_file_write(s->path, &s->file, err) : 0;
}

static void on_lease_end(struct loop_fd *w, uint32_t events, void *user)
{
	struct lease_server *s = user;

	(void)w;
	(void)events;
	loop_stop(s->loop);
}

static int watch_lease(struct lease_server *s, struct err *err)
{
	s->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (s->timer_fd < 0)
		return err_sys(err, errno, "the timer of the lease");
	if (!loop_fd_add(s->loop, s->timer_fd, EPOLLIN, on_lease_end, s, err))
		return -1;
	return lease_server_set(s, s->what.lease_ns, err);
}

/* ---- until it serves ---- */

/* The port is there: from now on it can be found. */
static int announce(struct lease_server *s, struct err *err)
{
	if (lease_file_make(&s->file, &s->path, &s->control_fd, err) < 0)
		return -1;
	if (lease_guests_watch(s, err) < 0)
		return -1;
	answer(s, NULL);
	return 0;
}

static void on_program_listens(struct program *p, void *user)
{
	struct lease_server *s = user;
	struct err err = ERR_INIT;

	(void)p;
	loop_timer_stop(s->patience);
	if (announce(s, &err) < 0) {
		answer(s, err.text);
		loop_stop(s->loop);
	}
}

/* The last line of what it said. */
static const char *last_words(const struct program_end *e, char *room, size_t size)
{
	const char *text = e->err_len ? e->err : e->out;
	size_t len = e->err_len ? e->err_len : e->out_len, from;

	while (len && (text[len - 1] == '\n' || text[len - 1] == ' '))
		len--;
	for (from = len; from && text[from - 1] != '\n';)
		from--;
	snprintf(room, size, "%s%.*s", len > from ? ": " : "", (int)(len - from),
		text + from);
	return room;
}

static void on_program_ended(struct program *p, const struct program_end *end, void *user)
{
	struct lease_server *s = user;
	struct err err = ERR_INIT;
	char words[300];

	(void)p;
	err_set(&err, ERR_FAILED, "%s ended before it listened on port %u%s",
		s->program_path, s->file.port, last_words(end, words, sizeof(words)));
	answer(s, err.text);
	loop_stop(s->loop);
}

static void on_impatient(struct loop_timer *t, void *user)
{
	struct lease_server *s = user;
	struct err err = ERR_INIT;

	(void)t;
	err_set(&err, ERR_FAILED, "%s does not listen on port %u after %s",
		s->program_path, s->file.port, units_duration(LISTEN_NS).s);
	answer(s, err.text);
	loop_stop(s->loop);
}

static int start_program(struct lease_server *s, struct err *err)
{
	static const struct program_events events = {
		.listening = on_program_listens, .ended = on_program_ended};
	char **argv = s->what.argv;

	if (!argv || !argv[0])
		return err_set(
			err, ERR_FAILED, "engine %s without its program", s->what.engine);
	s->program_path = program_find(argv[0], err);
	if (!s->program_path)
		return -1;
	free(argv[0]);
	argv[0] = strdup(s->program_path);
	s->patience = loop_timer_add(s->loop, clock_ns() + LISTEN_NS, 0, on_impatient, s);
	s->program = program_start(
		s->loop, (const char *const *)argv, s->file.port, 0, &events, s, err);
	return s->program ? 0 : -1;
}

static int listen_natively(struct lease_server *s, struct err *err)
{
	const struct net_listen where = {.address = s->file.address,
		.port = (uint16_t)s->file.port,
		.tcp = true,
		.udp = true};
	struct remarks remarks = {.n = 0};
	struct net_why why = NET_WHY_INIT;

	s->listener = net_listener_create(s->loop, &where, &remarks, &why);
	remarks_finish(&remarks);
	if (s->listener)
		return announce(s, err);
	*err = why.err;
	return -1;
}

static void on_term(int signo, void *user)
{
	struct lease_server *s = user;

	(void)signo;
	loop_stop(s->loop);
}

static int describe(struct lease_server *s, struct err *err)
{
	struct err ignored = ERR_INIT;
	struct lease_file *f = &s->file;

	f->address = strdup(s->what.address ? s->what.address : "");
	f->port = s->what.port;
	f->engine = strdup(s->what.engine);
	f->version = strdup(MUSTER_VERSION);
	f->protocol = PROTO_VERSION;
	if (!f->address || !f->engine || !f->version)
		return err_sys(err, ENOMEM, "lease");
	if (digest_sha256_file("/proc/self/exe", f->sha256, &ignored) < 0)
		f->sha256[0] = '\0';
	return process_self(&f->process, err);
}

static int serve(struct lease_server *s, struct err *err)
{
	bool native = strcmp(s->what.engine, "native") == 0;

	s->loop = loop_create(err);
	if (!s->loop || !loop_signal_add(s->loop, SIGTERM, on_term, s, err) ||
		describe(s, err) < 0 || watch_lease(s, err) < 0)
		return -1;
	if ((native ? listen_natively(s, err) : start_program(s, err)) < 0)
		return -1;
	return loop_run(s->loop, err);
}

static void finish(struct lease_server *s)
{
	struct msg m = {.type = MSG_LEASE_START, .u.lease_start = s->what};

	lease_guests_finish(s);
	net_listener_destroy(s->listener);
	program_destroy(s->program);
	free(s->program_path);
	if (s->path)
		lease_file_remove(s->path, &s->file.process);
	free(s->path);
	loop_timer_del(s->patience);
	if (s->loop)
		loop_destroy(s->loop);
	cleanup_close(&s->control_fd);
	cleanup_close(&s->timer_fd);
	lease_file_finish(&s->file);
	msg_finish(&m);
}

/* ---- from a child of the worker to a process of its own ---- */

static int read_parameters(struct lease_server *s, struct err *err)
{
	AUTO_BUF struct buf line = BUF_INIT_MAX(MSG_MAX_LINE);
	struct msg m;
	ssize_t n;

	alarm(PARAMETERS_S);
	do {
		char chunk[4096];

		n = read(STDIN_FILENO, chunk, sizeof(chunk));
		if (n > 0 && buf_append(&line, chunk, (size_t)n) < 0)
			break;
	} while (n > 0 || (n < 0 && errno == EINTR));
	alarm(0);
	if (!line.len || line.data[line.len - 1] != '\n')
		return err_set(err, ERR_FAILED, "no parameters came");
	if (msg_decode(MSG_FROM_ORCHESTRATOR, line.data, line.len - 1, &m, err) < 0)
		return -1;
	if (m.type != MSG_LEASE_START) {
		msg_finish(&m);
		return err_set(err, ERR_FAILED, "these are no parameters of a lease");
	}
	s->what = m.u.lease_start;
	return 0;
}

/* Nothing of the worker stays open but the pipe for the answer. */
static int let_go(struct lease_server *s, struct err *err)
{
	AUTO_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	s->answer_fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	if (null < 0 || s->answer_fd < 0)
		return err_sys(err, errno, "/dev/null");
	for (int fd = 0; fd < 3; fd++)
		if (dup2(null, fd) < 0)
			return err_sys(err, errno, "/dev/null");
	return 0;
}

static void close_inherited(void)
{
	if (syscall(SYS_close_range, 3u, ~0u, 0u) == 0)
		return;
	/* before Linux 5.9 */
	for (int fd = 3; fd < (int)sysconf(_SC_OPEN_MAX); fd++)
		close(fd);
}

int lease_server_run(void)
{
	struct lease_server s = {.answer_fd = -1, .control_fd = -1, .timer_fd = -1};
	struct err err = ERR_INIT;
	pid_t child = fork();

	/* the worker waits for this one alone; init gets the other */
	if (child != 0)
		return child < 0;
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	umask(077);
	close_inherited();
	if (chdir("/") < 0 || read_parameters(&s, &err) < 0 || let_go(&s, &err) < 0 ||
		serve(&s, &err) < 0)
		answer(&s, err.text);
	finish(&s);
	return err.kind != ERR_NONE;
}
