/* transport: the shared state, and the life of a connection from open to down. */
#include "transport/transport.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/text.h"
#include "transport/dial.h"
#include "transport/impl.h"
#include "transport/libssh2/ssh.h"
#include "transport/process/reaper.h"
#include "transport/process/subprocess.h"

/* By enum host_transport. */
static const struct transport_ops *const table[] = {
	[TRANSPORT_AUTO] = &ssh_ops,
	[TRANSPORT_LIBSSH2] = &ssh_ops,
	[TRANSPORT_LOCAL] = &local_ops,
	[TRANSPORT_COMMAND] = &command_ops,
	[TRANSPORT_OPENSSH] = &openssh_ops,
};

static void conn_free(struct conn *c)
{
	struct chan *ch;

	while ((ch = TAILQ_FIRST(&c->chans)))
		chan_free(ch);
	c->ops->fini(c);
	if (c->kicked)
		TAILQ_REMOVE(&c->t->kicked, c, kick_link);
	TAILQ_REMOVE(&c->t->conns, c, link);
	free(c);
}

void conn_kick(struct conn *c)
{
	if (c->kicked || c->gone)
		return;
	/* time 1 is long past: the timers of this round, or of the next, run it */
	if (TAILQ_EMPTY(&c->t->kicked))
		loop_timer_set(c->t->kick, 1, 0);
	c->kicked = true;
	TAILQ_INSERT_TAIL(&c->t->kicked, c, kick_link);
}

void conn_enter(struct conn *c)
{
	c->busy++;
}

static void report_down(struct conn *c)
{
	struct chan *ch;

	TAILQ_FOREACH(ch, &c->chans, link)
	{
		chan_set_why(ch, "%s", c->err.text);
		if (ch->state != CHAN_ENDED)
			ch->exit.exited = false;
		chan_done(ch);
	}
	if (!c->gone && c->events.down)
		c->events.down(c, c->why, &c->err, c->user);
	c->gone = true;
}

static void sweep(struct conn *c)
{
	struct chan *ch = TAILQ_FIRST(&c->chans);

	while (ch) {
		struct chan *next = TAILQ_NEXT(ch, link);

		if (ch->state == CHAN_DONE || (ch->gone && ch->state == CHAN_WAITING))
			chan_free(ch);
		ch = next;
	}
}

/* Over openssh it begins anew; the channels that wait go on waiting. */
static void fall_back(struct conn *c)
{
	c->ops->fini(c);
	c->impl = NULL;
	c->ops = &openssh_ops;
	c->info = (struct conn_info){.transport = c->ops->name};
	c->failed = c->falls_back = c->opened = false;
	conn_kick(c);
}

void conn_leave(struct conn *c)
{
	if (c->busy == 1 && c->failed && !c->falls_back && !c->gone)
		report_down(c);
	if (--c->busy)
		return;
	if (c->gone) {
		conn_free(c);
		return;
	}
	sweep(c);
	if (c->falls_back)
		fall_back(c);
}

static void run_kicked(struct loop_timer *timer, void *user)
{
	struct transport *t = user;
	struct conn *c;
	size_t n = 0;

	(void)timer;
	TAILQ_FOREACH(c, &t->kicked, kick_link)
	n++;
	/* who is kicked meanwhile waits for the next round */
	for (; n && (c = TAILQ_FIRST(&t->kicked)); n--) {
		TAILQ_REMOVE(&t->kicked, c, kick_link);
		c->kicked = false;
		conn_enter(c);
		if (!c->opened) {
			c->opened = true;
			c->ops->open(c);
		} else if (!c->failed) {
			c->ops->step(c);
		}
		conn_leave(c);
	}
	if (!TAILQ_EMPTY(&t->kicked))
		loop_timer_set(t->kick, 1, 0);
}

void conn_up(struct conn *c)
{
	c->up = true;
	if (!c->gone && c->events.up)
		c->events.up(c, c->user);
}

void conn_fail_err(struct conn *c, enum conn_failure why, const struct err *err)
{
	if (c->failed)
		return;
	c->failed = true;
	c->why = why;
	c->err = *err;
	c->err.kind = ERR_HOST;
	/* words of the host may be in it */
	text_sanitize_inplace(c->err.text);
	conn_kick(c);
}

void conn_fail(struct conn *c, enum conn_failure why, const char *fmt, ...)
{
	struct err err = ERR_INIT;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err.text, sizeof(err.text), fmt, ap);
	va_end(ap);
	conn_fail_err(c, why, &err);
}

void conn_note(struct conn *c, const char *fmt, ...)
{
	AUTO_FREE char *text = NULL;
	va_list ap;

	if (!c->t->config.note)
		return;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	if (!text)
		return;
	text_sanitize_inplace(text);
	c->t->config.note(c->host, text, c->t->config.user);
}

/* ---- from libssh2 to ssh ---- */

static bool fell_back(const struct transport *t, const struct host *h)
{
	for (size_t i = 0; i < t->n_fallen; i++)
		if (t->fallen[i] == h)
			return true;
	return false;
}

/* The next connections to the host need not find out again, and say nothing. */
static void remember_fallback(struct transport *t, const struct host *h)
{
	t->fallen = reallocarray(t->fallen, t->n_fallen + 1, sizeof(const struct host *));
	if (!t->fallen)
		abort();
	t->fallen[t->n_fallen++] = h;
}

void conn_fallback(struct conn *c, enum conn_failure why_not, const char *fmt, ...)
{
	AUTO_FREE char *reason = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&reason, fmt, ap) < 0)
		abort();
	va_end(ap);
	if (c->failed)
		return;
	if (c->up || c->host->transport != TRANSPORT_AUTO) {
		/* whoever goes over a jump host says that */
		conn_fail(c, why_not, "%.800s%s", reason,
			ssh_jump_served(c)
				? ""
				: "; transport auto or openssh goes through ssh");
	} else if (!subprocess_find("ssh")) {
		conn_fail(c, why_not,
			"%.800s; ssh might reach it, and is not on this machine: install "
			"openssh-client",
			reason);
	} else {
		if (!fell_back(c->t, c->host))
			conn_note(c, "%.800s; going through ssh", reason);
		remember_fallback(c->t, c->host);
		/* nobody steps it until conn_leave has made it another one */
		c->failed = c->falls_back = true;
	}
}

struct conn *conn_open(struct transport *t, const struct host *h,
	const struct conn_events *e, void *user)
{
	return conn_open_auth(t, h, NULL, e, user);
}

struct conn *conn_open_auth(struct transport *t, const struct host *h,
	const struct conn_auth *auth, const struct conn_events *e, void *user)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	c->t = t;
	c->host = h;
	c->events = *e;
	if (auth)
		c->auth = *auth;
	c->user = user;
	c->ops = fell_back(t, h) ? &openssh_ops : table[h->transport];
	c->info.transport = c->ops->name;
	TAILQ_INIT(&c->chans);
	TAILQ_INSERT_TAIL(&t->conns, c, link);
	conn_kick(c);
	return c;
}

void conn_close(struct conn *c)
{
	if (!c || c->gone)
		return;
	if (c->busy) {
		c->gone = true;
		return;
	}
	conn_free(c);
}

const struct conn_info *conn_info(const struct conn *c)
{
	return &c->info;
}

/* A command that does not read its input must not end us. */
static void ignore_sigpipe(void)
{
	struct sigaction now;

	if (sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL)
		signal(SIGPIPE, SIG_IGN);
}

struct transport *transport_create(
	struct loop *loop, const struct transport_config *config, struct err *err)
{
	struct transport *t = calloc(1, sizeof(*t));

	if (!t) {
		err_set(err, ERR_SYSTEM, "out of memory");
		return NULL;
	}
	ignore_sigpipe();
	t->loop = loop;
	t->config = *config;
	TAILQ_INIT(&t->conns);
	TAILQ_INIT(&t->kicked);
	t->kick = loop_timer_add(loop, 1, 0, run_kicked, t);
	t->iobuf = malloc(TRANSPORT_IO_SIZE);
	t->reaper = reaper_create(loop);
	t->dialer = dialer_create(loop, &t->config, err);
	if (t->iobuf && t->dialer)
		t->ssh = ssh_shared_create(t, err);
	if (!t->ssh) {
		transport_destroy(t);
		return NULL;
	}
	return t;
}

void transport_destroy(struct transport *t)
{
	struct conn *c;

	if (!t)
		return;
	while ((c = TAILQ_FIRST(&t->conns)))
		conn_free(c);
	ssh_shared_destroy(t->ssh);
	dialer_destroy(t->dialer);
	reaper_destroy(t->reaper);
	free(t->fallen);
	loop_timer_del(t->kick);
	free(t->iobuf);
	free(t);
}

int transport_prepare(
	struct transport *t, const struct host *const *hosts, size_t n, struct err *err)
{
	return ssh_shared_prepare(t->ssh, hosts, n, err);
}
