/* ssh_setup_host: the way of one host, from the first connection to ready. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/loop.h"
#include "common/text.h"
#include "common/units.h"
#include "orchestrator/command.h"
#include "orchestrator/ssh_setup.h"

#define COMMAND_TIMEOUT_NS (60 * NS_PER_SEC)
#define LINE_MAX_BYTES 8192
#define PASSWORD_TRIES 3

bool setup_by_ssh(const struct host *h)
{
	return h->transport != TRANSPORT_LOCAL && h->transport != TRANSPORT_COMMAND;
}

static bool removing(const struct setup_host *h)
{
	return h->setup->ctx.app->o.remove;
}

/* ---- the end ---- */

static void close_all(struct setup_host *h)
{
	loop_timer_del(h->timer);
	chan_close(h->chan);
	conn_close(h->proof);
	conn_close(h->login);
	h->timer = NULL;
	h->chan = NULL;
	h->proof = h->login = NULL;
}

static void rest(struct setup_host *h, enum setup_step step)
{
	struct setup *s = h->setup;

	h->step = step;
	s->active--;
	s->over += step == SETUP_OVER;
	s->parked += step == SETUP_PARKED;
	close_all(h);
	setup_host_rests(s);
}

static void __attribute__((format(printf, 2, 3)))
fail(struct setup_host *h, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	free(h->reason);
	h->reason = text;
	setup_say(h, MARK_BAD, "%s", text ? text : "out of memory");
	rest(h, SETUP_OVER);
}

static void ready(struct setup_host *h)
{
	h->ready = true;
	h->setup->ready++;
	setup_say(h, MARK_GOOD,
		removing(h) ? "Host %s no longer takes the key" : "Host %s is ready",
		h->host->name);
	rest(h, SETUP_OVER);
}

/* ---- connections ---- */

static void on_up(struct conn *c, void *user);
static void on_down(
	struct conn *c, enum conn_failure why, const struct err *err, void *user);

static struct conn *dial_out(
	struct setup_host *h, bool only_key, const struct secret *password)
{
	static const struct conn_events events = {.up = on_up, .down = on_down};
	const struct conn_auth auth = {
		.only_key = only_key ? h->setup->key.path : NULL,
		.password = password ? password->text : NULL,
	};

	return conn_open_auth(h->setup->ctx.transport, h->host, &auth, &events, h);
}

static void try_key(struct setup_host *h)
{
	h->step = SETUP_KEY;
	h->proof = dial_out(h, true, NULL);
}

static void try_others(struct setup_host *h)
{
	h->step = SETUP_LOGIN;
	h->login = dial_out(h, false, NULL);
}

static void prove(struct setup_host *h)
{
	h->step = SETUP_PROOF;
	h->proof = dial_out(h, true, NULL);
}

static void keep_text(char **to, const char *text)
{
	free(*to);
	*to = text ? strdup(text) : NULL;
}

/* The user that ssh_config or this machine has for it is known now. */
static void note_connection(struct setup_host *h, const struct conn *c)
{
	const struct conn_info *i = conn_info(c);
	const char *at = i->address ? strrchr(i->address, '@') : NULL;

	if (i->host_key)
		keep_text(&h->host_key, i->host_key);
	h->host_key_new |= i->host_key_new;
	if (at && !h->host->user) {
		free(h->label);
		h->label = text_printf(
			"%.*s@%s", (int)(at - i->address), i->address, h->host->name);
	}
}

/* ---- commands ---- */

static void on_exit_status(struct setup_host *h);
static void start_command(struct setup_host *h, enum setup_step step, struct conn *c);

static void take_line(struct setup_host *h, struct chan *ch, char *line)
{
	int r = setup_script_answer(h, line);

	if (r > 0) {
		h->asked_ns = clock_ns();
		chan_write(ch, "\n", 1);
		chan_eof(ch);
	} else if (r < 0 && *line) {
		keep_text(&h->noise, line);
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
		fail(h, "%s", e->why);
		return;
	}
	on_exit_status(h);
}

static void on_late(struct loop_timer *t, void *user)
{
	struct setup_host *h = user;

	(void)t;
	fail(h, "no answer from the shell there for %s",
		units_duration(COMMAND_TIMEOUT_NS).s);
}

static char *command_of(const struct setup_host *h, enum setup_step step)
{
	const struct context *ctx = &h->setup->ctx;

	if (step == SETUP_LOOK)
		return setup_script_look(ctx->files, ctx->n_files, h->host->worker_path);
	if (step == SETUP_WHY)
		return setup_script_why();
	return removing(h) ? setup_script_remove() : setup_script_add();
}

static void start_command(struct setup_host *h, enum setup_step step, struct conn *c)
{
	static const struct chan_events events = {.data = on_data, .closed = on_closed};
	AUTO_FREE char *command = command_of(h, step);

	if (!command) {
		fail(h, "out of memory");
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
static void fail_unanswered(struct setup_host *h)
{
	const char *said = h->said.len ? h->said.data
			   : h->in.len ? h->in.data
			   : h->noise  ? h->noise
				       : "";
	AUTO_FREE char *text = text_sanitize(said, strcspn(said, "\r\n"));

	fail(h, "no POSIX shell answered there%s%.300s", text && *text ? ": " : "",
		text ? text : "");
}

/* ---- from step to step ---- */

static void changed(struct setup_host *h)
{
	const char *name = h->host->name;

	if (h->reason) {
		AUTO_FREE char *why = STEAL_PTR(&h->reason);

		fail(h, "%s", why);
		return;
	}
	switch (h->fate) {
	case FATE_COPIED:
		setup_say(h, MARK_GOOD, "SSH key copied to %s", name);
		break;
	case FATE_THERE:
		setup_say(h, MARK_GOOD, "SSH key is in authorized_keys already%s",
			h->options ? ", with options in front" : "");
		break;
	case FATE_REMOVED:
		setup_say(h, MARK_GOOD, "SSH key removed from %s%s", name,
			h->removed > 1 ? " (it stood there more than once)" : "");
		break;
	case FATE_ABSENT:
		setup_say(h, MARK_GOOD, "SSH key is not in authorized_keys of %s", name);
		break;
	case FATE_NONE:
		fail_unanswered(h);
		return;
	}
	conn_close(h->proof);
	h->proof = NULL;
	prove(h);
}

static void verified(struct setup_host *h)
{
	if (removing(h)) {
		fail(h, "the key still logs in: it stands in another file as well "
			"(AuthorizedKeysFile, AuthorizedKeysCommand of sshd there)");
		return;
	}
	h->proven = true;
	setup_say(h, MARK_GOOD, "Passwordless SSH access verified");
	start_command(h, SETUP_LOOK, h->proof);
}

static bool have_worker_for(const struct setup *s, const char *arch)
{
	for (size_t i = 0; i < s->ctx.n_files; i++)
		if (strcmp(s->ctx.files[i].arch, arch) == 0)
			return true;
	return false;
}

static void say_clock(struct setup_host *h)
{
	double off = h->clock_offset_s;

	if (!h->clock_known || (off < 0 ? -off : off) <= 2 + h->clock_bound_s)
		return;
	setup_say(h, MARK_WARN,
		"its clock is %.1f s %s this machine's (±%.1f s): muster does not mind, "
		"but time stamps in logs will not agree",
		off < 0 ? -off : off, off < 0 ? "behind" : "ahead of", h->clock_bound_s);
}

static void looked(struct setup_host *h)
{
	const struct host *host = h->host;

	if (!h->os) {
		fail_unanswered(h);
		return;
	}
	if (h->worker)
		setup_say(h, MARK_GOOD, "muster-worker found: %s", h->worker);
	else if (host->worker_path)
		setup_say(h, MARK_WARN, "worker_path %s is no program there",
			host->worker_path);
	if (h->docker)
		setup_say(h, MARK_PLAIN, "docker found: %s", h->docker);
	if (h->podman)
		setup_say(h, MARK_PLAIN, "podman found: %s", h->podman);
	say_clock(h);
	if (strcmp(h->os, "Linux") != 0) {
		fail(h, "SSH works, but the worker runs on Linux, and this is %s %s",
			h->os, h->arch);
		return;
	}
	if (!h->worker && !host->worker_path && !have_worker_for(h->setup, h->arch)) {
		fail(h,
			"SSH works, but there is no worker for %s here (see "
			"MUSTER_WORKER_DIR)",
			h->arch);
		return;
	}
	if (!h->worker && !host->worker_path)
		setup_say(h, MARK_GOOD,
			"muster-worker will be copied on first use (%s %s)", h->os,
			h->arch);
	ready(h);
}

static void on_exit_status(struct setup_host *h)
{
	if (h->step == SETUP_CHANGE) {
		changed(h);
	} else if (h->step == SETUP_LOOK) {
		looked(h);
	} else {
		AUTO_FREE char *why = setup_script_reason(h);

		fail(h, "the key stands in authorized_keys, and is refused: %s",
			why ? why : "");
	}
}

static void on_up(struct conn *c, void *user)
{
	struct setup_host *h = user;

	note_connection(h, c);
	if (h->step == SETUP_PROOF) {
		verified(h);
		return;
	}
	keep_text(&h->login_by, conn_info(c)->login);
	if (h->step == SETUP_KEY && !removing(h)) {
		h->fate = FATE_THERE;
		setup_say(h, MARK_GOOD, "SSH key is already there");
		verified(h);
		return;
	}
	start_command(h, SETUP_CHANGE, c);
}

/* Nothing but the key was offered, and the host did not take it. */
static void key_refused(struct setup_host *h)
{
	if (h->step == SETUP_KEY) {
		try_others(h);
	} else if (removing(h)) {
		h->proven = true;
		ready(h);
	} else if (h->login) {
		start_command(h, SETUP_WHY, h->login);
	} else {
		fail(h, "the key stands in authorized_keys, and is refused");
	}
}

/* The key does not log in, which is what --remove is for. */
static void end_unseen(struct setup_host *h, const char *why)
{
	setup_say(h, MARK_PLAIN,
		"nobody looked whether a line of the key is left in authorized_keys: %s",
		why);
	h->proven = true;
	ready(h);
}

/* The words of a method list: whether a password is of any use. Not known: it may be. */
static bool takes_password(const char *methods)
{
	return !methods || strstr(methods, "password") ||
	       strstr(methods, "keyboard-interactive");
}

/* No key logs in: a password may, unless the host takes none. */
static void need_password(struct setup_host *h, const char *methods)
{
	if (takes_password(methods))
		rest(h, SETUP_PARKED);
	else if (removing(h))
		end_unseen(h, "no other key logs in, and the host takes no password");
	else
		fail(h,
			"no key logs in as %s, and the host takes no password (only "
			"%s): put the key there from a machine that can log in, or by "
			"the console: %s",
			h->label, methods, h->setup->key.line);
}

static void password_refused(struct setup_host *h, const struct err *err)
{
	/* one that is the same for all hosts is never tried twice */
	if (h->password && ++h->refused < PASSWORD_TRIES)
		rest(h, SETUP_PARKED);
	else
		fail(h, "%s", err->text);
}

static void on_down(
	struct conn *c, enum conn_failure why, const struct err *err, void *user)
{
	struct setup_host *h = user;

	if (c == h->login)
		h->login = NULL;
	else
		h->proof = NULL;
	note_connection(h, c);
	/* the one that was logged in with, while another one proves the key */
	if (h->step == SETUP_PROOF && h->proof)
		return;
	/* its command said so already */
	if (h->step == SETUP_OVER)
		return;
	if (why != CONN_FAIL_LOGIN)
		fail(h, "%s%s", h->step == SETUP_PROOF ? "a new connection failed: " : "",
			err->text);
	else if (h->step == SETUP_LOGIN)
		need_password(h, conn_info(c)->methods);
	else if (h->step == SETUP_PASSWORD)
		password_refused(h, err);
	else
		key_refused(h);
}

/* ---- begin, and go on ---- */

void setup_host_start(struct setup_host *h)
{
	struct setup *s = h->setup;

	s->active++;
	if (!setup_by_ssh(h->host)) {
		setup_say(h, MARK_PLAIN, "it is reached without SSH (transport: %s)",
			host_transport_names[h->host->transport]);
		ready(h);
	} else if (s->key.made) {
		try_others(h);
	} else {
		try_key(h);
	}
}

void setup_host_password(
	struct setup_host *h, const struct secret *secret, const char *why)
{
	struct setup *s = h->setup;

	s->parked--;
	s->active++;
	if (secret) {
		h->step = SETUP_PASSWORD;
		/* the keys were refused already: only what sshd counts as one try */
		h->login = dial_out(h, true, secret);
	} else if (removing(h)) {
		end_unseen(h, why);
	} else {
		fail(h, "no key logs in, and %s", why);
	}
}

void setup_host_finish(struct setup_host *h)
{
	close_all(h);
	buf_finish(&h->in);
	buf_finish(&h->said);
	buf_finish(&h->lines);
	buf_finish(&h->sshd);
	free(h->label);
	free(h->noise);
	free(h->reason);
	free(h->login_by);
	free(h->host_key);
	free(h->os);
	free(h->arch);
	free(h->worker);
	free(h->docker);
	free(h->podman);
}
