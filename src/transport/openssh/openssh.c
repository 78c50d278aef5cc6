/* openssh: the user's own ssh, one process per channel: what it is told, and what becomes of it. */
#include "transport/openssh/openssh.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/text.h"
#include "common/units.h"
#include "inventory/ssh_config.h"
#include "transport/openssh/askpass.h"
#include "transport/openssh/ssh_config_run.h"

#define CONNECT_TIMEOUT_NS (10 * NS_PER_SEC)
#define LOGIN_TIMEOUT_NS (20 * NS_PER_SEC)
/* Of what shell start-up files say before there is a channel. */
#define EARLY_MAX 65536
/* Behind the first login; reads its line byte by byte, and leaves the rest of the input. */
#define LAUNCHER "IFS= read -r l && exec /bin/sh -c \"$l\""

/* One ssh process, and the tries to get it logged in. */
struct openssh_run {
	struct openssh *o;
	struct chan *chan; /* NULL: the first, before a channel takes it */
	struct dial *place;
	struct exec *exec;
	struct askpass *askpass;  /* of a login by password */
	struct loop_timer *timer; /* of connect and login */
	struct openssh_log log;
	struct buf early[2]; /* output before there is a channel */
};

static uint64_t connect_timeout_ns(const struct openssh *o)
{
	uint64_t ns = o->target.connect_timeout_ns;

	if (!ns)
		ns = o->c->t->config.connect_timeout_ns;
	return ns ? ns : CONNECT_TIMEOUT_NS;
}

static uint64_t login_timeout_ns(const struct openssh *o)
{
	uint64_t ns = o->c->t->config.login_timeout_ns;

	return ns ? ns : LOGIN_TIMEOUT_NS;
}

/* Until it is connected; nothing says when a connection through others is. */
static uint64_t first_wait_ns(const struct openssh *o)
{
	return connect_timeout_ns(o) + (o->through ? login_timeout_ns(o) : 0);
}

static void run_destroy(struct openssh_run *run)
{
	if (!run)
		return;
	exec_destroy(run->exec);
	askpass_destroy(run->askpass);
	dial_destroy(run->place);
	loop_timer_del(run->timer);
	openssh_log_finish(&run->log);
	buf_finish(&run->early[0]);
	buf_finish(&run->early[1]);
	free(run);
}

/* It will not log in: the end of the connection, or of the one channel. */
static void run_failed(struct openssh_run *run, enum conn_failure why, struct err *err)
{
	loop_timer_stop(run->timer);
	dial_settled(run->place);
	if (run->chan) {
		chan_set_why(run->chan, "%s", err->text);
		chan_done(run->chan);
	} else {
		conn_fail_err(run->o->c, why, err);
	}
}

static void on_remote_stderr(const char *data, size_t len, void *user)
{
	struct openssh_run *run = user;
	struct buf *early = &run->early[1];

	if (run->chan)
		chan_deliver(run->chan, 2, data, len);
	else if (early->len + len <= EARLY_MAX)
		buf_append(early, data, len);
}

/* What the first login of the connection has shown. */
static void keep_info(struct openssh_run *run)
{
	struct openssh *o = run->o;
	struct conn_info *info = &o->c->info;
	const struct openssh_log *l = &run->log;

	o->host_key = *l->host_key ? strdup(l->host_key) : NULL;
	o->login = strdup(l->login);
	info->host_key = o->host_key;
	info->login = o->login;
	info->attempts = dial_attempts(run->place);
}

/* ssh has recorded it; whoever gives a password next must have seen it. */
static void say_new_host_key(struct openssh_run *run)
{
	struct openssh *o = run->o;

	if (o->c->info.host_key_new || o->target.policy != HOST_KEY_ACCEPT_NEW)
		return;
	o->c->info.host_key_new = true;
	conn_note(o->c, "%s: new host key %s added to %s", o->target.where,
		run->log.host_key,
		o->target.accept_file ? o->target.accept_file : "known_hosts");
}

/* Another key than the one that is to be proven has let us in: one of ssh_config. */
static bool other_key(const struct openssh_run *run)
{
	const char *only = run->o->c->auth.only_key;
	const char *login = run->log.login;

	return only && text_starts_with(login, "publickey ") &&
	       strcmp(login + strlen("publickey "), only) != 0;
}

static void logged_in(struct openssh_run *run)
{
	struct openssh *o = run->o;
	struct conn *c = o->c;
	struct err err = ERR_INIT;

	loop_timer_stop(run->timer);
	dial_settled(run->place);
	askpass_destroy(run->askpass);
	run->askpass = NULL;
	if (other_key(run)) {
		err_set(&err, ERR_HOST, "%s: login as %s: %s was refused, %s was taken",
			o->target.where, o->target.user, c->auth.only_key,
			run->log.login);
		run_failed(run, CONN_FAIL_LOGIN, &err);
		return;
	}
	if (run->chan) {
		run->chan->state = CHAN_RUNNING;
		exec_feed(run->exec, run->chan);
		return;
	}
	keep_info(run);
	conn_up(c);
	conn_kick(c);
}

static void on_stderr(struct openssh_run *run, const char *data, size_t len)
{
	struct openssh_log *l = &run->log;
	bool established = l->established, authenticated = l->authenticated;
	bool added = l->added;

	openssh_log_feed(l, data, len, on_remote_stderr, run);
	if (l->added && !added)
		say_new_host_key(run);
	if (l->authenticated && !authenticated)
		logged_in(run);
	else if (l->established && !established)
		loop_timer_set(run->timer, clock_ns() + login_timeout_ns(run->o), 0);
}

static void on_data(int stream, const char *data, size_t len, void *user)
{
	struct openssh_run *run = user;

	if (stream == 2)
		on_stderr(run, data, len);
	else if (run->chan)
		chan_deliver(run->chan, 1, data, len);
	else if (run->early[0].len + len <= EARLY_MAX)
		buf_append(&run->early[0], data, len);
}

/* An sshd that is busy drops connections; who refuses a key does it again. */
static bool may_help_to_try_again(enum conn_failure why)
{
	return why == CONN_FAIL_REFUSED || why == CONN_FAIL_UNREACHABLE ||
	       why == CONN_FAIL_BANNER;
}

static void ended_before_login(struct openssh_run *run)
{
	struct err err = ERR_INIT;
	struct openssh *o = run->o;
	enum conn_failure why = openssh_login_failed(o, &run->log, run->askpass, &err);

	loop_timer_stop(run->timer);
	if (*run->log.methods && !o->methods)
		o->c->info.methods = o->methods = strdup(run->log.methods);
	o->c->info.no_key = !run->log.refused;
	if (!may_help_to_try_again(why) || !dial_again(run->place, why, &err))
		run_failed(run, why, &err);
}

/* Its number may soon be that of another process. */
static void end_ssh(struct openssh_run *run)
{
	exec_destroy(run->exec);
	run->exec = NULL;
	if (run->askpass)
		askpass_allow(run->askpass, 0);
}

/* With the remote command's status, or by the loss of the connection. */
static void ended_after_login(struct openssh_run *run, int wait_status)
{
	struct openssh *o = run->o;
	const struct openssh_log *l = &run->log;
	struct chan *ch = run->chan;
	struct err err = ERR_INIT;
	bool status_came =
		WIFEXITED(wait_status) &&
		(l->exit_status || (l->shared && WEXITSTATUS(wait_status) != 255));

	if (ch && status_came) {
		exec_exit(&ch->exit, wait_status);
		chan_done(ch);
		return;
	}
	if (ch && l->exit_signal) {
		chan_set_why(ch, "%s: the command was killed by a signal there",
			o->target.where);
		chan_done(ch);
		return;
	}
	openssh_lost(o, l, wait_status, &err);
	/* the others have connections of their own */
	if (!ch || conn_running(o->c) <= 1) {
		conn_fail_err(o->c, CONN_FAIL_LOST, &err);
	} else {
		chan_set_why(ch, "%s", err.text);
		chan_done(ch);
	}
}

static void on_ended(int wait_status, void *user)
{
	struct openssh_run *run = user;

	openssh_log_end(&run->log, on_remote_stderr, run);
	end_ssh(run);
	if (run->log.authenticated)
		ended_after_login(run, wait_status);
	else
		ended_before_login(run);
}

static void on_timer(struct loop_timer *t, void *user)
{
	struct openssh_run *run = user;
	struct openssh *o = run->o;
	struct conn *c = o->c;
	bool connecting = !run->log.established && !run->log.spoke;
	struct err err = ERR_INIT;

	(void)t;
	conn_enter(c);
	end_ssh(run);
	if (connecting)
		err_set(&err, ERR_HOST,
			"%s: no answer within %s%s%s: is the host up, and do firewalls "
			"let this port through?",
			o->target.where, units_duration(first_wait_ns(o)).s,
			o->through ? " through " : "", o->through ? o->through : "");
	else
		err_set(&err, ERR_HOST, "%s: %s did not end within %s", o->target.where,
			run->log.keyed ? "the login" : "the SSH handshake",
			units_duration(login_timeout_ns(o)).s);
	run_failed(run, CONN_FAIL_TIMEOUT, &err);
	conn_leave(c);
}

static char *launcher(void)
{
	AUTO_BUF struct buf line = BUF_INIT;

	if (transport_sh(&line, LAUNCHER) < 0)
		abort();
	return buf_steal(&line);
}

static int spawn(struct openssh_run *run, struct err *err)
{
	static const struct exec_events events = {on_data, on_ended};
	struct openssh *o = run->o;
	AUTO_FREE char *first = run->chan ? NULL : launcher();
	AUTO_FREE const char **argv = NULL;
	const char *password = o->c->auth.password;
	size_t n = 0;

	askpass_destroy(run->askpass);
	run->askpass = password ? askpass_create(o->c->t->loop, password, err) : NULL;
	if (password && !run->askpass)
		return -1;
	while (o->args[n])
		n++;
	argv = calloc(n + 2, sizeof(*argv));
	if (!argv)
		abort();
	memcpy(argv, o->args, n * sizeof(*argv));
	argv[n] = run->chan ? run->chan->command : first;
	run->exec =
		exec_start(o->c, argv, run->askpass ? askpass_env(run->askpass) : NULL,
			EXEC_END_PROGRAM, &events, run, err);
	if (run->exec && run->askpass)
		askpass_allow(run->askpass, exec_pid(run->exec));
	return run->exec ? 0 : -1;
}

/* There is a place among those who log in. */
static void on_place(struct dial *d, int fd, void *user)
{
	struct openssh_run *run = user;
	struct conn *c = run->o->c;
	struct err err = ERR_INIT;

	(void)d;
	(void)fd;
	conn_enter(c);
	openssh_log_start(&run->log);
	if (c->failed) {
		loop_timer_stop(run->timer);
	} else if (spawn(run, &err) == 0) {
		loop_timer_set(run->timer, clock_ns() + first_wait_ns(run->o), 0);
	} else if (err.errnum == ENOENT) {
		err_set(&err, ERR_HOST,
			"%s: there is no program ssh on this machine: install "
			"openssh-client, or say transport: libssh2",
			run->o->target.where);
		run_failed(run, CONN_FAIL_UNSUPPORTED, &err);
	} else {
		run_failed(run, CONN_FAIL_OTHER, &err);
	}
	conn_leave(c);
}

static void on_retry(struct dial *d, const struct err *err, void *user)
{
	struct openssh_run *run = user;
	struct openssh *o = run->o;

	(void)d;
	conn_enter(o->c);
	conn_note(o->c, "%s; trying again", err->text);
	conn_leave(o->c);
}

static struct openssh_run *run_start(struct openssh *o, struct chan *ch)
{
	static const struct dial_events events = {
		.connected = on_place, .retry = on_retry};
	struct openssh_run *run = calloc(1, sizeof(*run));

	if (!run)
		abort();
	run->o = o;
	run->chan = ch;
	run->timer = loop_timer_add(o->c->t->loop, 1, 0, on_timer, run);
	loop_timer_stop(run->timer);
	run->place = dial_place(o->c->t->dialer, o->target.hostname, o->target.port,
		o->through, &events, run);
	return run;
}

/* ---- channels ---- */

/* The login that is there becomes the channel. */
static void take_first(struct openssh *o, struct chan *ch)
{
	struct openssh_run *run = o->first;

	o->first = NULL;
	run->chan = ch;
	ch->impl = run;
	ch->state = CHAN_RUNNING;
	for (int i = 0; i < 2; i++) {
		if (run->early[i].len)
			chan_deliver(ch, i + 1, run->early[i].data, run->early[i].len);
		buf_finish(&run->early[i]);
	}
	exec_say(run->exec, ch->command);
	exec_feed(run->exec, ch);
}

static void chan_begin(struct openssh *o, struct chan *ch)
{
	/* a line with an end in it would reach the shell in parts */
	if (o->first && !strchr(ch->command, '\n')) {
		take_first(o, ch);
	} else {
		ch->state = CHAN_OPENING;
		ch->impl = run_start(o, ch);
	}
}

static void openssh_step(struct conn *c)
{
	struct openssh *o = c->impl;
	struct chan *ch;

	TAILQ_FOREACH(ch, &c->chans, link)
	{
		struct openssh_run *run = ch->impl;

		if (c->gone || c->failed || !c->up)
			return;
		if (ch->state == CHAN_DONE)
			continue;
		if (ch->gone)
			chan_done(ch);
		else if (ch->state == CHAN_WAITING)
			chan_begin(o, ch);
		else if (ch->state == CHAN_RUNNING && run->exec)
			exec_feed(run->exec, ch);
	}
}

static void openssh_chan_fini(struct chan *ch)
{
	run_destroy(ch->impl);
	ch->impl = NULL;
}

/* ---- connections ---- */

/* What many hosts are reached through: the first jump host, or the program. */
static char *find_through(
	const struct ssh_target *t, const struct host *h, const struct ssh_config *sc)
{
	if (t->via)
		return strndup(t->via, strcspn(t->via, ","));
	return !h->jump && sc && sc->proxy_command ? strdup(sc->proxy_command) : NULL;
}

static void openssh_open(struct conn *c)
{
	struct openssh *o = calloc(1, sizeof(*o));
	const struct host *h = c->host;
	struct ssh_shared *sh = c->t->ssh;
	const struct ssh_config *sc;
	struct err err = ERR_INIT;

	if (!o)
		abort();
	o->c = c;
	c->impl = o;
	if (ssh_target_init(&o->target, sh, h, false, &c->auth, &err) < 0) {
		conn_fail_err(c, CONN_FAIL_OTHER, &err);
		return;
	}
	sc = ssh_config_cache_get(sh->configs, h, &err);
	o->address = text_printf("%s@%s%s%s", o->target.user, o->target.where,
		o->target.via ? " via " : "", o->target.via ? o->target.via : "");
	c->info.address = o->address;
	o->through = find_through(&o->target, h, sc);
	o->args = openssh_args(o, sc, &err);
	if (!o->args) {
		conn_fail_err(c, CONN_FAIL_OTHER, &err);
		return;
	}
	if (!o->target.copy_key)
		o->target.copy_key = h->key;
	if (o->target.policy == HOST_KEY_OFF)
		ssh_hostkey_off(c, o->target.where);
	o->first = run_start(o, NULL);
}

static void openssh_fini(struct conn *c)
{
	struct openssh *o = c->impl;

	if (!o)
		return;
	run_destroy(o->first);
	ssh_target_finish(&o->target);
	openssh_args_free(o->args);
	free(o->address);
	free(o->through);
	free(o->host_key);
	free(o->login);
	free(o->methods);
	free(o);
	c->impl = NULL;
}

const struct transport_ops openssh_ops = {
	.name = "openssh",
	.open = openssh_open,
	.step = openssh_step,
	.chan_fini = openssh_chan_fini,
	.fini = openssh_fini,
};
