/* transport, local: commands of this machine through the whole channel interface. */
#include "check.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/loop.h"
#include "common/rng.h"
#include "common/units.h"
#include "inventory/inventory.h"
#include "transport/transport.h"

/* One run of a command, or several on one connection. */
struct run {
	struct loop *loop;
	struct transport *t;
	struct host host;
	struct conn *conn;
	struct chan *chan;
	const char *command;
	struct buf out[2];
	struct chan_exit exit;
	const char *to_send;
	size_t send_left;
	bool up, closed, down, timed_out, close_in_data, close_conn_in_data;
	unsigned drained, open;
};

static void on_closed(struct chan *ch, const struct chan_exit *e, void *user)
{
	struct run *r = user;

	(void)ch;
	r->closed = true;
	r->chan = NULL;
	r->exit = *e;
	if (r->open && --r->open)
		return;
	loop_stop(r->loop);
}

static void on_data(struct chan *ch, int stream, const char *data, size_t len, void *user)
{
	struct run *r = user;

	buf_append(&r->out[stream - 1], data, len);
	if (r->close_conn_in_data) {
		conn_close(r->conn);
		r->conn = NULL;
		loop_stop(r->loop);
	} else if (r->close_in_data) {
		chan_close(ch);
		loop_stop(r->loop);
	}
}

static void send_more(struct run *r)
{
	size_t n = r->send_left < 1 << 20 ? r->send_left : 1 << 20;

	CHECK(chan_write(r->chan, r->to_send, n) == 0);
	r->to_send += n;
	r->send_left -= n;
	if (!r->send_left)
		chan_eof(r->chan);
}

static void on_drained(struct chan *ch, void *user)
{
	struct run *r = user;

	(void)ch;
	r->drained++;
	if (r->send_left)
		send_more(r);
}

static const struct chan_events chan_events = {on_data, on_drained, on_closed};

static void on_up(struct conn *c, void *user)
{
	struct run *r = user;

	r->up = true;
	if (!r->command)
		return;
	r->chan = chan_open(c, r->command, &chan_events, r);
	CHECK(!r->closed, "no callback from within chan_open");
	if (r->send_left)
		send_more(r);
}

static void on_down(
	struct conn *c, enum conn_failure why, const struct err *err, void *user)
{
	struct run *r = user;

	(void)c;
	(void)why;
	r->down = true;
	CHECK(false, "%s", err->text);
	loop_stop(r->loop);
}

static void on_deadline(struct loop_timer *t, void *user)
{
	struct run *r = user;

	(void)t;
	r->timed_out = true;
	loop_stop(r->loop);
}

static void setup(struct run *r)
{
	static const struct conn_events events = {on_up, on_down};
	const struct transport_config config = {0};
	const struct host *hosts[] = {&r->host};
	struct err err = ERR_INIT;

	r->loop = loop_create(&err);
	r->host.name = (char[]){"here"};
	r->host.transport = TRANSPORT_LOCAL;
	r->t = transport_create(r->loop, &config, &err);
	CHECK(transport_prepare(r->t, hosts, 1, &err) == 0);
	r->conn = conn_open(r->t, &r->host, &events, r);
	CHECK(!r->up, "no callback from within conn_open");
}

static void loop(struct run *r)
{
	struct err err = ERR_INIT;
	struct loop_timer *t =
		loop_timer_add(r->loop, clock_ns() + 20 * NS_PER_SEC, 0, on_deadline, r);

	CHECK(loop_run(r->loop, &err) == 0, "%s", err.text);
	CHECK(!r->timed_out);
	loop_timer_del(t);
}

static void teardown(struct run *r)
{
	conn_close(r->conn);
	transport_destroy(r->t);
	loop_destroy(r->loop);
	buf_finish(&r->out[0]);
	buf_finish(&r->out[1]);
}

static void test_exits(void)
{
	static const struct {
		const char *command, *input, *out, *errors;
		bool exited;
		int status;
		const char *signal;
	} rows[] = {
		{"true", "", "", "", true, 0, ""},
		{"exit 7", "", "", "", true, 7, ""},
		{"echo out; echo err >&2; exit 255", "", "out\n", "err\n", true, 255, ""},
		{"kill -9 $$", "", "", "", false, 0, "KILL"},
		{"kill -TERM $$", "", "", "", false, 0, "TERM"},
		{"cat", "abc", "abc", "", true, 0, ""},
		{"cat >&2; exit 3", "abc", "", "abc", true, 3, ""},
		/* who does not read his input can still be heard */
		{"exec <&-; echo x; exit 4", "abc", "x\n", "", true, 4, ""},
		{"no-such-command-at-all 2>/dev/null", "", "", "", true, 127, ""},
		/* ends its streams first, and goes later */
		{"exec >&- 2>&-; sleep 0.05; exit 5", "", "", "", true, 5, ""},
		/* signals are as they should be, and so is the session */
		{"trap", "", "", "", true, 0, ""},
		{"sleep 5 & kill -INT $!; kill -PIPE $!; wait $!; exit $?", "", "", "",
			true, 141, ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct run r = {.command = rows[i].command};

		r.to_send = rows[i].input;
		r.send_left = strlen(rows[i].input);
		setup(&r);
		loop(&r);
		CHECK(r.closed, "%s", rows[i].command);
		CHECK(r.exit.exited == rows[i].exited, "%s", rows[i].command);
		CHECK(!r.exit.exited || r.exit.status == rows[i].status, "%s: %d",
			rows[i].command, r.exit.status);
		CHECK_STR(r.exit.signal, rows[i].signal);
		CHECK_STR(r.out[0].data ? r.out[0].data : "", rows[i].out);
		CHECK_STR(r.out[1].data ? r.out[1].data : "", rows[i].errors);
		teardown(&r);
	}
}

/* What goes in comes out, with the queue filled and emptied many times. */
static void test_duplex(void)
{
	const size_t size = 20u << 20;
	AUTO_FREE uint64_t *data = malloc(size);
	struct run r = {.command = "cat"};
	char sent[DIGEST_SHA256_HEX], got[DIGEST_SHA256_HEX];
	struct rng rng;

	rng_seed(&rng, 1);
	for (size_t i = 0; i < size / sizeof(*data); i++)
		data[i] = rng_u64(&rng);
	r.to_send = (const char *)data;
	r.send_left = size;
	setup(&r);
	loop(&r);
	CHECK(r.out[0].len == size, "%zu", r.out[0].len);
	CHECK(r.drained >= 20, "%u", r.drained);
	digest_sha256_hex(data, size, sent);
	digest_sha256_hex(r.out[0].data, r.out[0].len, got);
	CHECK_STR(got, sent);
	teardown(&r);
}

static void test_queue_bound(void)
{
	struct run r = {.command = NULL};
	AUTO_FREE char *data = calloc(1, 32u << 20);

	setup(&r);
	r.chan = chan_open(r.conn, "cat >/dev/null", &chan_events, &r);
	CHECK(chan_write(r.chan, data, 32u << 20) == 0);
	CHECK(chan_write(r.chan, data, 32u << 20) == 0);
	CHECK(chan_queued(r.chan) == 64u << 20);
	CHECK(chan_write(r.chan, data, 1) == -ENOBUFS);
	chan_eof(r.chan);
	loop(&r);
	CHECK(r.exit.exited && r.exit.status == 0);
	teardown(&r);
}

static void test_many_channels(void)
{
	struct run r = {.open = 20};

	setup(&r);
	for (int i = 0; i < 20; i++)
		chan_open(r.conn, "echo x", &chan_events, &r);
	loop(&r);
	CHECK(r.out[0].len == 40, "%zu", r.out[0].len);
	teardown(&r);
}

/* Closing from within a callback, the channel or all of it, with a command that would never end. */
static void test_close_in_callback(void)
{
	for (int conn = 0; conn < 2; conn++) {
		struct run r = {.command = "echo x; exec sleep 1000"};
		uint64_t start_ns = clock_ns();

		r.close_in_data = !conn;
		r.close_conn_in_data = conn;
		setup(&r);
		loop(&r);
		CHECK(!r.closed, "no callback after chan_close");
		teardown(&r);
		CHECK(clock_ns() - start_ns < NS_PER_SEC, "it is told to end");
	}
}

static void test_destroy_while_open(void)
{
	struct run r = {.command = NULL};

	setup(&r);
	chan_open(r.conn, "cat", &chan_events, &r);
	r.conn = NULL; /* transport_destroy closes it */
	teardown(&r);
}

/* A reader that goes away must not kill us. */
static void test_no_sigpipe(void)
{
	AUTO_FREE char *data = calloc(1, 1 << 20);
	struct run r = {.command = "head -c 10 >/dev/null"};

	r.to_send = data;
	r.send_left = 1 << 20;
	setup(&r);
	loop(&r);
	CHECK(r.exit.exited && r.exit.status == 0);
	teardown(&r);
}

TEST_MAIN(TEST(test_exits), TEST(test_duplex), TEST(test_queue_bound),
	TEST(test_many_channels), TEST(test_close_in_callback),
	TEST(test_destroy_while_open), TEST(test_no_sigpipe))
