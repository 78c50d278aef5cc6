/* program: started, watched until it listens, ended, and nothing of it left, whatever ends us. */
#include "worker/net/program.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/loop.h"
#include "common/units.h"

#define LONG_NS (60 * NS_PER_SEC)

struct seen {
	struct loop *loop;
	struct program_end end;
	char out[256], err[256];
	bool listens, ended, stop_when_listening;
};

static void on_ended(struct program *p, const struct program_end *end, void *user)
{
	struct seen *s = user;

	(void)p;
	s->end = *end;
	s->ended = true;
	snprintf(s->out, sizeof(s->out), "%s", end->out);
	snprintf(s->err, sizeof(s->err), "%s", end->err);
	loop_stop(s->loop);
}

static void on_listening(struct program *p, void *user)
{
	struct seen *s = user;

	s->listens = true;
	program_stop(p);
}

static const struct program_events events = {on_listening, on_ended};

static struct program *start(struct seen *s, const char *script, uint32_t port,
	uint64_t deadline_ns, struct err *err)
{
	const char *const argv[] = {"sh", "-c", script, NULL};

	*s = (struct seen){.loop = loop_create(err)};
	return program_start(s->loop, argv, port, deadline_ns, &events, s, err);
}

static void run(struct seen *s, const char *script, uint32_t port, uint64_t deadline_ns)
{
	struct err err = ERR_INIT;
	struct program *p = start(s, script, port, deadline_ns, &err);

	if (CHECK(p != NULL, "%s: %s", script, err.text))
		CHECK(loop_run(s->loop, &err) == 0);
	program_destroy(p);
	loop_destroy(s->loop);
}

static void test_ends(void)
{
	static const struct {
		const char *script, *out, *err;
		int exit_code, signo;
	} rows[] = {
		{"echo hello; echo oh >&2; exit 3", "hello\n", "oh\n", 3, 0},
		{"cat; echo nothing came", "nothing came\n", "", 0, 0},
		{"kill -9 $$", "", "", -1, SIGKILL},
		{"pwd; echo $LC_ALL", "/\nC\n", "", 0, 0},
		/* our signals are not its own */
		{"grep SigBlk /proc/self/status | tr -d '\\t '",
			"SigBlk:0000000000000000\n", "", 0, 0},
		{"ls /proc/self/fd | wc -l | tr -d ' '", "4\n", "", 0, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct seen s;

		run(&s, rows[i].script, 0, clock_ns() + LONG_NS);
		CHECK(s.end.exit_code == rows[i].exit_code, "%s: %d", rows[i].script,
			s.end.exit_code);
		CHECK(s.end.signo == rows[i].signo, "%s: %d", rows[i].script,
			s.end.signo);
		CHECK_STR(s.out, rows[i].out);
		CHECK_STR(s.err, rows[i].err);
		CHECK(!s.end.late && !s.end.stopped && !s.end.cut);
		CHECK(s.end.to_ns > s.end.from_ns);
	}
}

static void test_output_is_bounded(void)
{
	struct seen s;

	run(&s, "head -c 3000000 /dev/zero; head -c 100000 /dev/zero >&2", 0,
		clock_ns() + LONG_NS);
	CHECK(s.end.exit_code == 0 && s.end.cut);
	CHECK(s.end.out_len == PROGRAM_OUT_MAX, "%zu", s.end.out_len);
	CHECK(s.end.err_len == PROGRAM_ERR_MAX, "%zu", s.end.err_len);
}

static void test_cpu_is_counted(void)
{
	struct seen s;

	run(&s, "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done", 0,
		clock_ns() + LONG_NS);
	CHECK(s.end.user_ns + s.end.system_ns > NS_PER_MS);
	CHECK(s.end.user_ns + s.end.system_ns < LONG_NS);
}

/* Whenever it is stopped, also while it ends by itself: how it ended, and what it cost, are its own. */
static void test_stopped_at_its_end(void)
{
	for (unsigned i = 0; i < 150; i++) {
		struct err err = ERR_INIT;
		struct seen s;
		struct program *p = start(&s, "exit 7", 0, LONG_NS, &err);

		if (!CHECK(p != NULL, "%s", err.text))
			return;
		clock_sleep_until(clock_ns() + i * 30 * NS_PER_US);
		program_stop(p);
		CHECK(loop_run(s.loop, &err) == 0);
		CHECK(s.end.exit_code == 7 || s.end.signo == SIGTERM,
			"%u: exit %d, signal %d", i, s.end.exit_code, s.end.signo);
		CHECK(s.end.user_ns + s.end.system_ns > 0, "%u", i);
		program_destroy(p);
		loop_destroy(s.loop);
	}
}

static void test_deadline(void)
{
	struct seen s;

	run(&s, "exec sleep 1000", 0, clock_ns() + 20 * NS_PER_MS);
	CHECK(s.end.late && s.end.stopped && s.end.signo == SIGTERM, "%d", s.end.signo);
	/* what does not listen to SIGTERM is killed */
	run(&s, "trap '' TERM; while :; do sleep 1000; done", 0,
		clock_ns() + 20 * NS_PER_MS);
	CHECK(s.end.late && s.end.signo == SIGKILL, "%d", s.end.signo);
	/* what never stops printing keeps nobody from anything */
	run(&s, "exec yes", 0, clock_ns() + 20 * NS_PER_MS);
	CHECK(s.end.late && s.end.signo == SIGTERM, "%d", s.end.signo);
}

static bool lives(pid_t pid)
{
	return kill(pid, 0) == 0 || errno != ESRCH;
}

static pid_t parent_of(pid_t pid)
{
	char path[64], stat[512] = "";
	FILE *f;
	int parent = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (f && fgets(stat, sizeof(stat), f) && strrchr(stat, ')'))
		sscanf(strrchr(stat, ')') + 1, " %*c %d", &parent);
	if (f)
		fclose(f);
	return parent;
}

/* It is told of, and the program goes with it. */
static void test_keeper_killed(void)
{
	struct err err = ERR_INIT;
	struct seen s;
	struct program *p = start(&s, "exec sleep 1007", 0, clock_ns() + LONG_NS, &err);
	pid_t pid = p ? program_pid(p) : 0, keeper = pid ? parent_of(pid) : 0;

	struct pollfd program = {.events = POLLIN};

	program.fd = pid ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	if (CHECK(keeper > 1 && keeper != getpid() && program.fd >= 0, "%s", err.text)) {
		kill(keeper, SIGKILL);
		CHECK(loop_run(s.loop, &err) == 0);
		CHECK(s.ended && s.end.signo == SIGKILL, "%d", s.end.signo);
		CHECK(poll(&program, 1, (int)(LONG_NS / NS_PER_MS)) == 1);
		close(program.fd);
	}
	program_destroy(p);
	loop_destroy(s.loop);
}

/* Children in groups and sessions of their own end with it too, before the end is told. */
static void test_nothing_is_left(void)
{
	static const char *const scripts[] = {
		"sleep 1001 & echo $!",
		"setsid sleep 1002 & echo $!",
		"setsid sh -c 'sleep 1003 & echo $!'",
	};

	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		struct seen s;

		run(&s, scripts[i], 0, clock_ns() + LONG_NS);
		CHECK(atoi(s.out) > 1, "%s: %s", scripts[i], s.out);
		CHECK(!lives(atoi(s.out)), "%s: %s", scripts[i], s.out);
	}
}

static void test_destroy_kills(void)
{
	struct err err = ERR_INIT;
	struct seen s;
	struct program *p = start(&s, "trap '' TERM; sleep 1004", 0, 0, &err);
	pid_t pid = p ? program_pid(p) : 0;

	if (CHECK(p != NULL, "%s", err.text))
		CHECK(pid > 0 && lives(pid));
	program_destroy(p);
	CHECK(!lives(pid) && !s.ended);
	loop_destroy(s.loop);
}

/* In a process of its own, which then dies as a worker may. */
static void start_and_die(int report)
{
	struct err err = ERR_INIT;
	struct seen s;
	struct program *p = start(&s, "setsid sleep 1005 & sleep 1006", 0, 0, &err);
	pid_t pid = p ? program_pid(p) : 0;

	if (write(report, &pid, sizeof(pid)) == sizeof(pid))
		kill(getpid(), SIGKILL);
	_exit(1);
}

static void test_our_death(void)
{
	pid_t child, pid = 0;
	int report[2];

	if (!CHECK(pipe(report) == 0))
		return;
	/* so that its keeper, which comes last, is ours to wait for */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	child = fork();
	if (child == 0)
		start_and_die(report[1]);
	CHECK(read(report[0], &pid, sizeof(pid)) == sizeof(pid) && pid > 0);
	while (waitpid(-1, NULL, 0) > 0)
		;
	CHECK(!lives(pid), "%d", (int)pid);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	close(report[0]);
	close(report[1]);
}

/* A port that was free a moment ago. */
static uint32_t free_port(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK(bind(fd, (struct sockaddr *)&at, len) == 0);
	CHECK(getsockname(fd, (struct sockaddr *)&at, &len) == 0);
	close(fd);
	return ntohs(at.sin_port);
}

static void test_listening(void)
{
	uint32_t port = free_port();
	char script[512];
	struct seen s;

	snprintf(script, sizeof(script),
		"python3 -c 'import socket, time\n"
		"s = socket.create_server((\"127.0.0.1\", %u))\n"
		"time.sleep(1000)'\n:",
		port);
	run(&s, script, port, clock_ns() + LONG_NS);
	CHECK(s.listens && s.end.stopped && !s.end.late, "%s", s.err);
	/* another one's socket is not its own */
	snprintf(script, sizeof(script), "sleep 0.1; echo over");
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t len = sizeof(at);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK(bind(fd, (struct sockaddr *)&at, len) == 0 && listen(fd, 1) == 0);
	CHECK(getsockname(fd, (struct sockaddr *)&at, &len) == 0);
	run(&s, script, ntohs(at.sin_port), clock_ns() + LONG_NS);
	CHECK(!s.listens);
	CHECK_STR(s.out, "over\n");
	close(fd);
}

static void test_not_there(void)
{
	static const struct {
		const char *name, *words;
	} rows[] = {
		{"no-such-program", "there is no program no-such-program in "},
		{"/no/such/program", "/no/such/program is not there"},
		{"/etc/passwd", "/etc/passwd is no file that can be run"},
		{"/usr", "/usr is no file that can be run"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *const argv[] = {rows[i].name, NULL};
		struct err err = ERR_INIT;
		struct seen s = {.loop = loop_create(&err)};

		CHECK(program_start(s.loop, argv, 0, 0, &events, &s, &err) == NULL);
		CHECK(err.kind == ERR_HOST && strstr(err.text, rows[i].words), "%s",
			err.text);
		loop_destroy(s.loop);
	}
}

TEST_MAIN(TEST(test_ends), TEST(test_output_is_bounded), TEST(test_cpu_is_counted),
	TEST(test_stopped_at_its_end), TEST(test_deadline), TEST(test_keeper_killed),
	TEST(test_nothing_is_left), TEST(test_destroy_kills), TEST(test_our_death),
	TEST(test_listening), TEST(test_not_there))
