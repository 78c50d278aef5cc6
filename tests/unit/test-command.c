/* transport, command: words that go through any shell, and programs that others run behind. */
#include "check.h"

#include <stdlib.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/loop.h"
#include "common/text.h"
#include "common/units.h"
#include "inventory/inventory.h"
#include "transport/impl.h"
#include "transport/transport.h"

static const char *const shells[] = {
	"sh", "dash", "bash", "zsh", "fish", "tcsh", "csh", "mksh", "busybox sh"};

/* What a command says, read whole. */
static char *say(const char *command)
{
	AUTO_BUF struct buf out = BUF_INIT;
	FILE *f = popen(command, "re");
	int c;

	while (f && (c = getc(f)) != EOF)
		buf_putc(&out, (char)c);
	if (f)
		pclose(f);
	return buf_puts(&out, "") == 0 && out.data ? buf_steal(&out) : strdup("");
}

/* Each word of the line, in brackets, as each shell here hands it on. */
static void test_words_through_shells(void)
{
	static const char *const rows[][4] = {
		{"a", "b c", "", NULL},
		{"--x=1", "=ls", "~", NULL},
		{"$HOME", "`id`", "%self", NULL},
		{"*", "{a,b}", "[x]", NULL},
		{"a\\b", "\\", "a\\\\b", NULL},
		{"it's", "say \"hi\"", "''", NULL},
		{"wow!", "!!", "a!'b", NULL},
		{"two\nlines", "\ttab", "100%%s", NULL},
		{"{\"a\": [\"it's $1\\n\"]}", "\\047", "\\n", NULL},
		{"gr\xc3\xbc\xc3\x9f", "#", ";|&<>()", NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *argv[] = {"/usr/bin/printf", "[%s]", rows[i][0], rows[i][1],
			rows[i][2], NULL};
		AUTO_FREE char *want =
			text_printf("[%s][%s][%s]", rows[i][0], rows[i][1], rows[i][2]);
		AUTO_BUF struct buf line = BUF_INIT;

		CHECK(transport_argv_line(&line, argv) == 0);
		setenv("LINE", line.data, 1);
		for (size_t s = 0; s < ARRAY_LEN(shells); s++) {
			AUTO_FREE char *probe = text_printf(
				"command -v %.*s >/dev/null && %s -c \"$LINE\" 2>&1",
				(int)strcspn(shells[s], " "), shells[s], shells[s]);
			AUTO_FREE char *got = say(probe);

			if (*got)
				CHECK(strcmp(got, want) == 0, "%s: %s gives %s",
					shells[s], line.data, got);
			else
				CHECK(s > 0, "%s says nothing to %s", shells[s],
					line.data);
		}
	}
	unsetenv("LINE");
}

struct run {
	struct loop *loop;
	struct conn *conn;
	struct buf out[2];
	const char *line;
	const char *const *argv;
	bool up, down, closed;
	struct chan_exit exit;
	char why[1000];
	char address[100];
};

static void on_data(struct chan *ch, int stream, const char *data, size_t len, void *user)
{
	struct run *r = user;

	(void)ch;
	buf_append(&r->out[stream - 1], data, len);
}

static void on_closed(struct chan *ch, const struct chan_exit *e, void *user)
{
	struct run *r = user;

	(void)ch;
	r->closed = true;
	r->exit = *e;
	snprintf(r->why, sizeof(r->why), "%s", e->why ? e->why : "");
	loop_stop(r->loop);
}

static void on_up(struct conn *c, void *user)
{
	static const struct chan_events events = {.data = on_data, .closed = on_closed};
	struct run *r = user;
	struct chan *ch;

	r->up = true;
	snprintf(r->address, sizeof(r->address), "%s", conn_info(c)->address);
	CHECK_STR(conn_info(c)->transport, "command");
	ch = r->argv ? chan_open_argv(c, r->argv, &events, r)
		     : chan_open(c, r->line, &events, r);
	chan_write(ch, "in", 2);
	chan_eof(ch);
}

static void on_down(
	struct conn *c, enum conn_failure why, const struct err *err, void *user)
{
	struct run *r = user;

	(void)c;
	(void)why;
	r->down = true;
	snprintf(r->why, sizeof(r->why), "%s", err->text);
	loop_stop(r->loop);
}

static void on_deadline(struct loop_timer *t, void *user)
{
	struct run *r = user;

	(void)t;
	CHECK(false, "in time");
	loop_stop(r->loop);
}

static void go(struct run *r, const char *const *command)
{
	static const struct conn_events events = {on_up, on_down};
	const struct transport_config config = {0};
	struct host host = {.name = (char[]){"there"},
		.transport = TRANSPORT_COMMAND,
		.command = (char **)command};
	const struct host *hosts[] = {&host};
	struct err err = ERR_INIT;
	struct transport *t;
	struct loop_timer *timer;

	r->loop = loop_create(&err);
	t = transport_create(r->loop, &config, &err);
	CHECK(transport_prepare(t, hosts, 1, &err) == 0);
	r->conn = conn_open(t, &host, &events, r);
	timer = loop_timer_add(r->loop, clock_ns() + 20 * NS_PER_SEC, 0, on_deadline, r);
	CHECK(loop_run(r->loop, &err) == 0, "%s", err.text);
	loop_timer_del(timer);
	transport_destroy(t);
	loop_destroy(r->loop);
}

static void finish(struct run *r)
{
	buf_finish(&r->out[0]);
	buf_finish(&r->out[1]);
}

static void test_programs(void)
{
	static const struct {
		const char *command[4];
		const char *line;
		const char *argv[4]; /* or these words */
		const char *out, *errors, *why;
		int status;
	} rows[] = {
		{{"env", "-i", "A=b", NULL}, "echo $A; cat", {NULL}, "b\nin", "", "", 0},
		{{"env", "A=b c", NULL}, NULL, {"/bin/sh", "-c", "echo $A >&2; exit 4"},
			"", "", "env ended with status 4: b c", 4},
		{{"env", NULL}, NULL, {"/usr/bin/printf", "%s|", "it's $A"}, "it's $A|",
			"", "", 0},
		{{"env", NULL}, "echo out; echo err >&2; exit 3", {NULL}, "out\n",
			"err\n", "", 3},
		/* what is no failure is passed on */
		{{"env", NULL}, "echo err >&2", {NULL}, "", "err\n", "", 0},
		{{"env", NULL}, "exit 9", {NULL}, "", "", "", 9},
		{{"no-such-runtime", "exec", NULL}, "true", {NULL}, "", "",
			"cannot start no-such-runtime: No such file or directory (is it "
			"installed, and in PATH?)",
			0},
		{{"sh", "-c", "echo 'Error: no such container: c1' >&2; exit 125", NULL},
			"true", {NULL}, "", "",
			"sh ended with status 125: Error: no such container: c1", 125},
		{{"sh", "-c", "printf 'a\\nb\\033[1m\\r\\n' >&2; exit 126", NULL}, "true",
			{NULL}, "", "",
			"sh ended with status 126 (it cannot be run): a b", 126},
		{{"sh", "-c", "exit 127", NULL}, "true", {NULL}, "", "",
			"sh ended with status 127 (not found)", 127},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct run r = {.line = rows[i].line,
			.argv = rows[i].argv[0] ? rows[i].argv : NULL};

		go(&r, rows[i].command);
		CHECK(r.up && r.closed, "row %zu", i);
		CHECK_STR(r.out[0].data ? r.out[0].data : "", rows[i].out);
		CHECK_STR(r.out[1].data ? r.out[1].data : "", rows[i].errors);
		CHECK_STR(r.why, rows[i].why);
		CHECK(r.exit.status == rows[i].status, "row %zu: %d", i, r.exit.status);
		finish(&r);
	}
}

static void test_address(void)
{
	const char *words[] = {"env", "A=\033[31m", "B=bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
		"C=cccccccccccccccccccccccccccccccccc", NULL};
	struct run r = {.line = "true"};

	go(&r, words);
	CHECK_STR(r.address, "env A= B=bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb C=cccccccccc...");
	finish(&r);
	r = (struct run){.line = "true"};
	go(&r, NULL);
	CHECK(r.down && strstr(r.why, "needs the key command"), "%s", r.why);
	finish(&r);
}

TEST_MAIN(TEST(test_words_through_shells), TEST(test_programs), TEST(test_address))
