/* ssh_setup_shell: one command on a host, from its start to its last answer. */
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/loop.h"
#include "common/text.h"
#include "common/units.h"
#include "orchestrator/command.h"
#include "orchestrator/ssh_setup/ssh_setup.h"

#define COMMAND_TIMEOUT_NS (60 * NS_PER_SEC)
#define LINE_MAX_BYTES 8192

static void take_line(struct setup_host *h, struct chan *ch, char *line)
{
	int r = setup_script_answer(h, line);

	if (r > 0) {
		h->asked_ns = clock_ns();
		chan_write(ch, "\n", 1);
		chan_eof(ch);
	} else if (r < 0 && *line) {
		free(h->noise);
		h->noise = strdup(line);
	}
}

static void on_data(struct chan *ch, int stream, const char *data, size_t len, void *user)
{
	struct setup_host *h = user;
	struct buf *b = stream == 1 ? &h->in : &h->said;
	char *end;

	/* a line that never ends is not one of ours */
	if (b->len + len > LINE_MAX_BYTES)
		buf_clear(b);
	if (len > LINE_MAX_BYTES || buf_append(b, data, len) < 0)
		return;
	while (stream == 1 && (end = memchr(b->data, '\n', b->len))) {
		*end = '\0';
		take_line(h, ch, b->data);
		buf_consume(b, (size_t)(end - b->data) + 1);
	}
}

static void on_closed(struct chan *ch, const struct chan_exit *e, void *user)
{
	struct setup_host *h = user;

	(void)ch;
	h->chan = NULL;
	loop_timer_del(h->timer);
	h->timer = NULL;
	if (e->why && !e->exited) {
		setup_host_fail(h, "%s", e->why);
		return;
	}
	setup_host_ran(h);
}

static void on_late(struct loop_timer *t, void *user)
{
	struct setup_host *h = user;

	(void)t;
	setup_host_fail(h, "no answer from the shell there for %s",
		units_duration(COMMAND_TIMEOUT_NS).s);
}

static char *command_of(const struct setup_host *h, enum setup_step step)
{
	const struct context *ctx = &h->setup->ctx;

	if (step == SETUP_LOOK)
		return setup_script_look(ctx->files, ctx->n_files, h->host->worker_path);
	if (step == SETUP_WHY)
		return setup_script_why();
	return ctx->app->o.remove ? setup_script_remove() : setup_script_add();
}

void setup_shell_start(struct setup_host *h, enum setup_step step, struct conn *c)
{
	static const struct chan_events events = {.data = on_data, .closed = on_closed};
	AUTO_FREE char *command = command_of(h, step);

	if (!command) {
		setup_host_fail(h, "out of memory");
		return;
	}
	h->step = step;
	buf_clear(&h->in);
	buf_clear(&h->said);
	h->timer = loop_timer_add(
		h->setup->ctx.loop, clock_ns() + COMMAND_TIMEOUT_NS, 0, on_late, h);
	h->chan = chan_open(c, command, &events, h);
	if (step != SETUP_CHANGE)
		return;
	chan_write(h->chan, h->setup->key.line, strlen(h->setup->key.line));
	chan_write(h->chan, "\n", 1);
	chan_eof(h->chan);
}

/* What the shell said instead of an answer. */
void setup_shell_unanswered(struct setup_host *h)
{
	const char *said = h->said.len ? h->said.data
			   : h->in.len ? h->in.data
			   : h->noise  ? h->noise
				       : "";
	AUTO_FREE char *text = text_sanitize(said, strcspn(said, "\r\n"));

	setup_host_fail(h, "no POSIX shell answered there%s%.300s",
		text && *text ? ": " : "", text ? text : "");
}

void setup_shell_stop(struct setup_host *h)
{
	loop_timer_del(h->timer);
	chan_close(h->chan);
	h->timer = NULL;
	h->chan = NULL;
}
