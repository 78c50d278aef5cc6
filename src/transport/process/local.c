/* local: commands of this machine over pipes: the same worker and the same protocol without SSH. */
#include "transport/process/exec.h"

static void on_data(int stream, const char *data, size_t len, void *user)
{
	chan_deliver(user, stream, data, len);
}

static void on_ended(int wait_status, void *user)
{
	struct chan *ch = user;

	exec_exit(&ch->exit, wait_status);
	chan_done(ch);
}

static void local_chan_start(struct chan *ch)
{
	static const struct exec_events events = {on_data, on_ended};
	const char *sh[] = {"/bin/sh", "-c", ch->command, NULL};
	const char *const *argv = ch->argv ? (const char *const *)ch->argv : sh;
	struct err err = ERR_INIT;

	ch->state = CHAN_RUNNING;
	ch->impl = exec_start(ch->conn, argv, NULL, EXEC_END_PIPES, &events, ch, &err);
	if (ch->impl) {
		exec_feed(ch->impl, ch);
	} else {
		chan_set_why(ch, "%s", err.text);
		chan_done(ch);
	}
}

static struct exec *local_exec(const struct chan *ch)
{
	return ch->impl;
}

static void local_step(struct conn *c)
{
	exec_step(c, local_chan_start, local_exec);
}

static void local_open(struct conn *c)
{
	c->info.address = "this machine";
	c->info.attempts = 1;
	conn_up(c);
	if (!c->gone)
		local_step(c);
}

static void local_chan_fini(struct chan *ch)
{
	exec_destroy(ch->impl);
	ch->impl = NULL;
}

static void local_fini(struct conn *c)
{
	(void)c;
}

const struct transport_ops local_ops = {
	.name = "local",
	.open = local_open,
	.step = local_step,
	.chan_fini = local_chan_fini,
	.fini = local_fini,
};
