/* ssh_setup_host: the way of one host, from the first connection to ready. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "orchestrator/command.h"
#include "orchestrator/ssh_setup/ssh_setup.h"

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
	setup_shell_stop(h);
	conn_close(h->proof);
	conn_close(h->login);
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

void setup_host_fail(struct setup_host *h, const char *fmt, ...)
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

void setup_host_interrupt(struct setup_host *h)
{
	if (h->step == SETUP_OVER)
		return;
	close_all(h);
	free(h->reason);
	h->reason = strdup("not done before muster was interrupted");
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

/* ---- from step to step ---- */

static void changed(struct setup_host *h)
{
	const char *name = h->host->name;

	if (h->reason) {
		AUTO_FREE char *why = STEAL_PTR(&h->reason);

		setup_host_fail(h, "%s", why);
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
		setup_shell_unanswered(h);
		return;
	}
	conn_close(h->proof);
	h->proof = NULL;
	prove(h);
}

static void verified(struct setup_host *h)
{
	if (removing(h)) {
		setup_host_fail(h,
			"the key still logs in: it stands in another file as well "
			"(AuthorizedKeysFile, AuthorizedKeysCommand of sshd there)");
		return;
	}
	h->proven = true;
	setup_say(h, MARK_GOOD, "Passwordless SSH access verified");
	setup_shell_start(h, SETUP_LOOK, h->proof);
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
		setup_shell_unanswered(h);
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
		setup_host_fail(h,
			"SSH works, but the worker runs on Linux, and this is %s %s",
			h->os, h->arch);
		return;
	}
	if (!h->worker && !host->worker_path && !have_worker_for(h->setup, h->arch)) {
		setup_host_fail(h,
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

void setup_host_ran(struct setup_host *h)
{
	if (h->step == SETUP_CHANGE) {
		changed(h);
	} else if (h->step == SETUP_LOOK) {
		looked(h);
	} else {
		AUTO_FREE char *why = setup_script_reason(h);

		setup_host_fail(h,
			"the key stands in authorized_keys, and is refused: %s",
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
	setup_shell_start(h, SETUP_CHANGE, c);
}

/* The key was not even offered: it says nothing about the host. ssh itself does not tell. */
static bool key_unused(const struct setup_host *h, const struct conn_info *i)
{
	return i->no_key ||
	       (h->setup->key.encrypted && strcmp(i->transport, "openssh") == 0);
}

static void key_not_usable(struct setup_host *h, const struct err *err)
{
	if (h->setup->key.encrypted)
		setup_host_fail(h,
			"%s has a passphrase, which was not given: ssh-add it, or run on "
			"a terminal",
			h->setup->key.path);
	else
		setup_host_fail(h, "%s", err->text);
}

/* Nothing but the key was offered, and the host did not take it. */
static void key_refused(
	struct setup_host *h, const struct conn_info *i, const struct err *err)
{
	bool unused = key_unused(h, i);

	if (unused && !removing(h)) {
		key_not_usable(h, err);
		return;
	}
	if (unused && h->step == SETUP_PROOF)
		setup_say(h, MARK_WARN,
			"the key could not be used here (has it a passphrase?), so that "
			"it is refused there could not be tried");
	if (h->step == SETUP_KEY) {
		try_others(h);
	} else if (removing(h)) {
		h->proven = true;
		ready(h);
	} else if (h->login) {
		setup_shell_start(h, SETUP_WHY, h->login);
	} else {
		setup_host_fail(h, "the key stands in authorized_keys, and is refused");
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
		end_unseen(h, "no other key logs in, and no password can be given");
	else
		setup_host_fail(h,
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
		setup_host_fail(h, "%s", err->text);
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
		setup_host_fail(h, "%s%s",
			h->step == SETUP_PROOF ? "a new connection failed: " : "",
			err->text);
	else if (h->step == SETUP_LOGIN)
		need_password(h, conn_info(c)->methods);
	else if (h->step == SETUP_PASSWORD)
		password_refused(h, err);
	else
		key_refused(h, conn_info(c), err);
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
		setup_host_fail(h, "no key logs in, and %s", why);
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
