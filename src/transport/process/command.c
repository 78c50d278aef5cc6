/* command: what runs on the host goes through a program that the inventory names: docker exec -i,
 * kubectl exec -i, srun. Where that program itself fails, its words become the reason. */
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/text.h"
#include "transport/process/exec.h"

/* What may be said before it is passed on. */
#define HELD_MAX 4096
#define ADDRESS_MAX 60

/* Of a channel: what came on stderr before anything on stdout. */
struct command {
	struct chan *chan;
	struct exec *exec;
	bool passed; /* nothing is held any more */
	bool heard;  /* something came on stdout */
	struct buf held;
};

static void pass_on(struct command *m)
{
	m->passed = true;
	if (m->held.len)
		chan_deliver(m->chan, 2, m->held.data, m->held.len);
	buf_finish(&m->held);
}

static void on_data(int stream, const char *data, size_t len, void *user)
{
	struct command *m = user;

	if (stream == 1) {
		m->heard = true;
		pass_on(m);
	} else if (!m->passed) {
		if (m->held.len + len <= HELD_MAX && buf_append(&m->held, data, len) == 0)
			return;
		pass_on(m);
	}
	chan_deliver(m->chan, stream, data, len);
}

/* The conventions of shells, docker, podman and env. */
static const char *status_text(int status)
{
	return status == 126   ? " (it cannot be run)"
	       : status == 127 ? " (not found)"
			       : "";
}

/* A container without a shell is of use all the same. */
static const char *shell_hint(const struct command *m, const char *said)
{
	if (m->chan->argv || m->chan->exit.status != 127 || !strstr(said, "/bin/sh"))
		return "";
	return " (where there is no shell: put the worker there, and name it with "
	       "worker_path)";
}

/* What it said, as one line. */
static char *held_text(const struct command *m)
{
	AUTO_BUF struct buf line = BUF_INIT;

	for (size_t i = 0; i < m->held.len; i++) {
		char c = m->held.data[i];

		if (c != '\n' && c != '\r')
			buf_putc(&line, c);
		else if (line.len && line.data[line.len - 1] != ' ')
			buf_putc(&line, ' ');
	}
	while (line.len && line.data[line.len - 1] == ' ')
		line.data[--line.len] = '\0';
	return text_sanitize(line.data ? line.data : "", line.len);
}

static void explain(struct command *m)
{
	const struct chan_exit *e = &m->chan->exit;
	bool says_so = e->exited && e->status >= 125 && e->status <= 127;
	AUTO_FREE char *said = held_text(m);

	if (m->heard || !e->exited || !e->status || m->passed ||
		(!says_so && !m->held.len))
		return;
	buf_clear(&m->held);
	chan_set_why(m->chan, "%s ended with status %d%s%s%.600s%s",
		m->chan->conn->host->command[0], e->status, status_text(e->status),
		said && *said ? ": " : "", said ? said : "",
		shell_hint(m, said ? said : ""));
}

static void on_ended(int wait_status, void *user)
{
	struct command *m = user;

	exec_exit(&m->chan->exit, wait_status);
	explain(m);
	pass_on(m);
	chan_done(m->chan);
}

/* The program's words, then those of the channel, or a shell with its line. Borrows all of them. */
static const char **make_argv(const struct chan *ch)
{
	const char *sh[] = {"/bin/sh", "-c", ch->command, NULL};
	const char *const *tail = ch->argv ? (const char *const *)ch->argv : sh;
	char *const *head = ch->conn->host->command;
	size_t n_head = 0, n_tail = 0;
	const char **argv;

	while (head[n_head])
		n_head++;
	while (tail[n_tail])
		n_tail++;
	argv = calloc(n_head + n_tail + 1, sizeof(*argv));
	if (!argv)
		abort();
	memcpy(argv, head, n_head * sizeof(*argv));
	memcpy(argv + n_head, tail, n_tail * sizeof(*argv));
	return argv;
}

static void command_chan_start(struct chan *ch)
{
	static const struct exec_events events = {on_data, on_ended};
	struct command *m = calloc(1, sizeof(*m));
	AUTO_FREE const char **argv = make_argv(ch);
	struct err err = ERR_INIT;

	if (!m)
		abort();
	m->chan = ch;
	ch->impl = m;
	ch->state = CHAN_RUNNING;
	m->exec = exec_start(ch->conn, argv, NULL, EXEC_END_PIPES, &events, m, &err);
	if (m->exec) {
		exec_feed(m->exec, ch);
	} else {
		chan_set_why(ch, "%s (is it installed, and in PATH?)", err.text);
		chan_done(ch);
	}
}

static struct exec *command_exec(const struct chan *ch)
{
	return ((struct command *)ch->impl)->exec;
}

static void command_step(struct conn *c)
{
	exec_step(c, command_chan_start, command_exec);
}

/* "docker exec -i bench1" */
static char *address(char *const *words)
{
	AUTO_BUF struct buf text = BUF_INIT;

	for (char *const *w = words; *w && text.len < ADDRESS_MAX; w++)
		buf_printf(&text, "%s%s", text.len ? " " : "", *w);
	if (text.len > ADDRESS_MAX) {
		text.len = ADDRESS_MAX - 3;
		buf_puts(&text, "...");
	}
	return text_sanitize(text.data ? text.data : "", text.len);
}

static void command_open(struct conn *c)
{
	if (!c->host->command || !c->host->command[0]) {
		conn_fail(c, CONN_FAIL_UNSUPPORTED,
			"transport command needs the key command: the words to go "
			"through, "
			"such as [docker, exec, -i, NAME]");
		return;
	}
	c->impl = address(c->host->command);
	c->info.address = c->impl;
	c->info.attempts = 1;
	conn_up(c);
	if (!c->gone)
		command_step(c);
}

static void command_chan_fini(struct chan *ch)
{
	struct command *m = ch->impl;

	if (!m)
		return;
	exec_destroy(m->exec);
	buf_finish(&m->held);
	free(m);
	ch->impl = NULL;
}

static void command_fini(struct conn *c)
{
	free(c->impl);
}

const struct transport_ops command_ops = {
	.name = "command",
	.open = command_open,
	.step = command_step,
	.chan_fini = command_chan_fini,
	.fini = command_fini,
};
