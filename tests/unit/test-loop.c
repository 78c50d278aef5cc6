/* test-loop: descriptors, timers, signals and deferred calls, and what may be deleted when. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/loop.h"
#include "common/rng.h"
#include "common/units.h"

#define MS NS_PER_MS

/* What callbacks share: they note what happened as words. */
struct bench {
	struct loop *l;
	struct buf log;
	struct loop_timer *a, *b;
	struct loop_fd *x, *y;
	struct loop_signal *s;
	int fd, count;
	uint64_t at_ns;
	struct err err;
};

static void setup(struct bench *t)
{
	*t = (struct bench){.fd = -1};
	t->l = loop_create(&t->err);
	buf_puts(&t->log, "");
}

static void teardown(struct bench *t)
{
	loop_destroy(t->l);
	buf_finish(&t->log);
}

static void run(struct bench *t)
{
	CHECK(loop_run(t->l, &t->err) == 0, "%s", t->err.text);
}

static void stop_timer(struct loop_timer *timer, void *user)
{
	struct bench *t = user;

	(void)timer;
	loop_stop(t->l);
}

/* ---- timers ---- */

static void note_a(struct loop_timer *timer, void *user)
{
	(void)timer;
	buf_puts(&((struct bench *)user)->log, "a ");
}

static void note_b(struct loop_timer *timer, void *user)
{
	(void)timer;
	buf_puts(&((struct bench *)user)->log, "b ");
}

static void test_timer_order(void)
{
	struct bench t;
	uint64_t now = clock_ns();

	setup(&t);
	loop_timer_add(t.l, now + 4 * MS, 0, stop_timer, &t);
	loop_timer_add(t.l, now + 2 * MS, 0, note_b, &t);
	loop_timer_add(t.l, now + 1 * MS, 0, note_a, &t);
	loop_timer_add(t.l, now + 2 * MS, 0, note_a, &t);
	loop_timer_add(t.l, 0, 0, note_b, &t);
	t.a = loop_timer_add(t.l, now + 1 * MS, 0, note_b, &t);
	loop_timer_stop(t.a);
	t.b = loop_timer_add(t.l, now + 1 * MS, 0, note_b, &t);
	loop_timer_set(t.b, now + 3 * MS, 0);
	run(&t);
	CHECK_STR(t.log.data, "b a b a b ");
	CHECK(clock_ns() >= now + 4 * MS);
	CHECK(clock_ns() < now + 1000 * MS);
	teardown(&t);
}

static void count_to_five(struct loop_timer *timer, void *user)
{
	struct bench *t = user;

	/* a late one skips what it missed */
	if (t->count++ == 0)
		clock_sleep_until(t->at_ns + 5 * MS + MS / 2);
	else
		CHECK(clock_ns() >= t->at_ns + (uint64_t)(3 + t->count) * MS, "%d",
			t->count);
	if (t->count == 5) {
		loop_timer_del(timer);
		loop_stop(t->l);
	}
}

static void test_timer_period(void)
{
	struct bench t;

	setup(&t);
	t.at_ns = clock_ns();
	loop_timer_add(t.l, t.at_ns, MS, count_to_five, &t);
	run(&t);
	CHECK(t.count == 5);
	teardown(&t);
}

static void delete_both(struct loop_timer *timer, void *user)
{
	struct bench *t = user;

	buf_puts(&t->log, timer == t->a ? "a " : "b ");
	loop_timer_del(t->a);
	loop_timer_del(t->b);
	t->a = NULL;
	t->b = NULL;
}

/* Two are due at once, and the first deletes both. */
static void test_timer_delete(void)
{
	struct bench t;
	uint64_t now = clock_ns();

	setup(&t);
	t.a = loop_timer_add(t.l, now, MS, delete_both, &t);
	t.b = loop_timer_add(t.l, now, MS, delete_both, &t);
	loop_timer_add(t.l, now + 3 * MS, 0, stop_timer, &t);
	run(&t);
	CHECK_STR(t.log.data, "a ");
	loop_timer_del(NULL);
	teardown(&t);
}

static void again_at_once(struct loop_timer *timer, void *user)
{
	struct bench *t = user;

	if (t->count++ < 1000)
		loop_timer_set(timer, 0, 0);
	else
		loop_stop(t->l);
}

static void on_fd_count(struct loop_fd *w, uint32_t events, void *user)
{
	(void)w;
	(void)events;
	++*(int *)user;
}

/* A timer that is always due does not starve descriptors. */
static void test_timer_at_once(void)
{
	struct bench t;
	int ends[2], seen = 0;

	setup(&t);
	CHECK(pipe(ends) == 0 && write(ends[1], "x", 1) == 1);
	loop_fd_add(t.l, ends[0], EPOLLIN, on_fd_count, &seen, &t.err);
	loop_timer_add(t.l, 0, 0, again_at_once, &t);
	run(&t);
	CHECK(t.count == 1001 && seen >= 1000, "%d timers, %d events", t.count, seen);
	teardown(&t);
	close(ends[0]);
	close(ends[1]);
}

struct many {
	struct bench *t;
	struct loop_timer *timer;
	uint64_t at_ns, called_ns;
};

static void on_many(struct loop_timer *timer, void *user)
{
	struct many *m = user;

	(void)timer;
	m->called_ns = clock_ns();
	m->t->count++;
}

/* Several thousand timers in any order, with some moved and some stopped. */
static void test_timer_many(void)
{
	enum { N = 5000 };
	static struct many many[N];
	struct bench t;
	struct rng rng;
	uint64_t now = clock_ns(), last = 0;
	int stopped = 0;

	setup(&t);
	rng_seed(&rng, 1);
	for (int i = 0; i < N; i++) {
		many[i] = (struct many){&t, NULL, now + rng_below(&rng, 20 * MS), 0};
		many[i].timer = loop_timer_add(t.l, many[i].at_ns, 0, on_many, &many[i]);
	}
	for (int i = 0; i < N; i += 3) {
		many[i].at_ns = now + rng_below(&rng, 20 * MS);
		loop_timer_set(many[i].timer, many[i].at_ns, 0);
	}
	for (int i = 0; i < N; i += 7) {
		if (i % 2)
			loop_timer_stop(many[i].timer);
		else
			loop_timer_del(many[i].timer);
		stopped++;
	}
	loop_timer_add(t.l, now + 21 * MS, 0, stop_timer, &t);
	run(&t);
	CHECK(t.count == N - stopped, "%d", t.count);
	for (int i = 0; i < N; i++) {
		if (i % 7 == 0)
			CHECK(many[i].called_ns == 0, "%d", i);
		else if (many[i].called_ns < many[i].at_ns)
			CHECK(false, "timer %d came early", i);
		last = many[i].called_ns > last ? many[i].called_ns : last;
	}
	CHECK(last < now + 1000 * MS);
	teardown(&t);
}

/* ---- descriptors ---- */

static void echo(struct loop_fd *w, uint32_t events, void *user)
{
	struct bench *t = user;
	char c;

	buf_printf(&t->log, "%s%s%s", events & EPOLLIN ? "in " : "",
		events & EPOLLOUT ? "out " : "", events & EPOLLHUP ? "hup " : "");
	if (events & EPOLLOUT)
		loop_fd_set(w, EPOLLIN);
	else if (events & EPOLLIN && read(t->fd, &c, 1) == 1 && c == 'q') {
		loop_fd_set(w, 0);
		loop_timer_add(t->l, clock_ns() + 3 * MS, 0, stop_timer, t);
	}
}

static void write_and_close(struct loop_timer *timer, void *user)
{
	int *fd = user;

	loop_timer_del(timer);
	CHECK(write(*fd, "xq", 2) == 2);
	close(*fd);
}

/* Without events not even the end of the other side is reported: the loop waits for its timer. */
static void test_fd(void)
{
	struct bench t;
	int ends[2];

	setup(&t);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
	t.fd = ends[0];
	t.x = loop_fd_add(t.l, ends[0], EPOLLIN | EPOLLOUT, echo, &t, &t.err);
	loop_timer_add(t.l, clock_ns() + 2 * MS, 0, write_and_close, &ends[1]);
	run(&t);
	CHECK_STR(t.log.data, "out in hup in hup ");
	loop_fd_del(t.x);
	loop_fd_del(NULL);
	teardown(&t);
	close(ends[0]);
}

static void delete_both_fds(struct loop_fd *w, uint32_t events, void *user)
{
	struct bench *t = user;

	(void)w;
	(void)events;
	buf_puts(&t->log, "once ");
	loop_fd_del(t->x);
	loop_fd_del(t->y);
	loop_stop(t->l);
}

/* Both are ready in the same round; whichever comes first deletes both. */
static void test_fd_delete(void)
{
	struct bench t;
	int ends[2];

	setup(&t);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	CHECK(write(ends[0], "x", 1) == 1 && write(ends[1], "x", 1) == 1);
	t.x = loop_fd_add(t.l, ends[0], EPOLLIN, delete_both_fds, &t, &t.err);
	t.y = loop_fd_add(t.l, ends[1], EPOLLIN, delete_both_fds, &t, &t.err);
	run(&t);
	CHECK_STR(t.log.data, "once ");
	teardown(&t);
	close(ends[0]);
	close(ends[1]);
}

static void silence_other(struct loop_fd *w, uint32_t events, void *user)
{
	struct bench *t = user;

	(void)events;
	buf_puts(&t->log, "one ");
	loop_fd_set(w == t->x ? t->y : t->x, 0);
	loop_stop(t->l);
}

static void test_fd_silenced(void)
{
	struct bench t;
	int ends[2];

	setup(&t);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	CHECK(write(ends[0], "x", 1) == 1 && write(ends[1], "x", 1) == 1);
	t.x = loop_fd_add(t.l, ends[0], EPOLLIN, silence_other, &t, &t.err);
	t.y = loop_fd_add(t.l, ends[1], EPOLLIN, silence_other, &t, &t.err);
	run(&t);
	CHECK_STR(t.log.data, "one ");
	teardown(&t);
	close(ends[0]);
	close(ends[1]);
}

static void read_file(struct loop_fd *w, uint32_t events, void *user)
{
	struct bench *t = user;
	char chunk[2];
	ssize_t n = read(t->fd, chunk, sizeof(chunk));

	CHECK(events == EPOLLIN);
	if (n > 0) {
		buf_append(&t->log, chunk, (size_t)n);
		return;
	}
	buf_puts(&t->log, " end");
	loop_fd_del(w);
	loop_stop(t->l);
}

static void test_fd_regular(void)
{
	char path[] = "/tmp/test-loop-XXXXXX";
	struct bench t;
	uint64_t now = clock_ns();

	setup(&t);
	t.fd = mkstemp(path);
	unlink(path);
	CHECK(write(t.fd, "12345", 5) == 5 && lseek(t.fd, 0, SEEK_SET) == 0);
	t.x = loop_fd_add(t.l, t.fd, 0, read_file, &t, &t.err);
	CHECK(t.x != NULL, "%s", t.err.text);
	loop_timer_add(t.l, now + 3 * MS, 0, stop_timer, &t);
	run(&t);
	CHECK_STR(t.log.data, "");
	loop_fd_set(t.x, EPOLLIN);
	run(&t);
	CHECK_STR(t.log.data, "12345 end");
	teardown(&t);
	close(t.fd);
}

static void test_fd_bad(void)
{
	struct bench t;
	int fd = dup(0);

	setup(&t);
	close(fd);
	CHECK(!loop_fd_add(t.l, fd, EPOLLIN, echo, &t, &t.err));
	CHECK(strstr(t.err.text, "Bad file descriptor") != NULL, "%s", t.err.text);
	teardown(&t);
}

static void read_one(struct loop_fd *w, uint32_t events, void *user)
{
	struct bench *t = user;

	(void)events;
	loop_fd_del(w);
	if (--t->count == 0)
		loop_stop(t->l);
}

/* More at once than fit into one batch of events. */
static void test_fd_many(void)
{
	enum { N = 400 };
	struct bench t;
	int ends[N][2];

	setup(&t);
	for (int i = 0; i < N; i++) {
		CHECK(pipe2(ends[i], O_CLOEXEC) == 0 && write(ends[i][1], "x", 1) == 1);
		CHECK(loop_fd_add(t.l, ends[i][0], EPOLLIN, read_one, &t, &t.err) !=
			NULL);
	}
	t.count = N;
	run(&t);
	CHECK(t.count == 0);
	teardown(&t);
	for (int i = 0; i < N; i++) {
		close(ends[i][0]);
		close(ends[i][1]);
	}
}

/* ---- signals ---- */

static void on_usr1(int signo, void *user)
{
	struct bench *t = user;

	buf_printf(&t->log, "%s ", signo == SIGUSR1 ? "usr1" : "?");
	loop_signal_del(t->s);
	t->s = NULL;
}

static void on_usr2(int signo, void *user)
{
	struct bench *t = user;

	buf_printf(&t->log, "%s ", signo == SIGUSR2 ? "usr2" : "?");
	loop_stop(t->l);
}

static void send_usr2(struct loop_timer *timer, void *user)
{
	(void)timer;
	(void)user;
	kill(getpid(), SIGUSR2);
}

static void test_signals(void)
{
	struct bench t;

	setup(&t);
	t.s = loop_signal_add(t.l, SIGUSR1, on_usr1, &t, &t.err);
	CHECK(t.s && loop_signal_add(t.l, SIGUSR2, on_usr2, &t, &t.err), "%s",
		t.err.text);
	CHECK(!loop_signal_add(t.l, 9999, on_usr2, &t, &t.err));
	kill(getpid(), SIGUSR1);
	loop_timer_add(t.l, clock_ns() + MS, 0, send_usr2, &t);
	run(&t);
	CHECK_STR(t.log.data, "usr1 usr2 ");
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR2);
	run(&t);
	CHECK_STR(t.log.data, "usr1 usr2 usr2 ");
	teardown(&t);
}

/* ---- deferred calls ---- */

static void deferred(void *user)
{
	struct bench *t = user;

	buf_printf(&t->log, "%d ", t->count);
	if (t->count++ < 3)
		loop_defer(t->l, deferred, t);
	else
		loop_stop(t->l);
}

static void test_defer(void)
{
	struct bench t;

	setup(&t);
	loop_defer(t.l, deferred, &t);
	run(&t);
	CHECK_STR(t.log.data, "0 1 2 3 ");
	loop_stop(t.l);
	loop_defer(t.l, deferred, &t);
	run(&t);
	CHECK_STR(t.log.data, "0 1 2 3 4 ");
	loop_defer(t.l, deferred, &t);
	teardown(&t);
}

/* An idle loop sleeps: no round in 20 ms uses the CPU. */
static void test_idle(void)
{
	struct bench t;
	struct rusage before, after;
	uint64_t now = clock_ns();
	long switches;

	setup(&t);
	loop_timer_add(t.l, now + 20 * MS, 0, stop_timer, &t);
	getrusage(RUSAGE_THREAD, &before);
	run(&t);
	getrusage(RUSAGE_THREAD, &after);
	switches = after.ru_nvcsw - before.ru_nvcsw;
	CHECK(switches >= 1 && switches <= 5, "%ld", switches);
	teardown(&t);
}

TEST_MAIN(TEST(test_timer_order), TEST(test_timer_period), TEST(test_timer_delete),
	TEST(test_timer_at_once), TEST(test_timer_many), TEST(test_fd),
	TEST(test_fd_delete), TEST(test_fd_silenced), TEST(test_fd_regular),
	TEST(test_fd_bad), TEST(test_fd_many), TEST(test_signals), TEST(test_defer),
	TEST(test_idle))
