/* ssh_auth: one key after the other, signed here or by the agent. */
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/text.h"
#include "transport/keys/agent.h"
#include "transport/keys/key_rsa.h"
#include "transport/keys/keyfile.h"
#include "transport/libssh2/ssh.h"

/* The error text has room for about this much about keys. */
#define TRIED_MAX 480
/* An sshd lets six attempts fail (MaxAuthTries): one is for the password. */
#define KEYS_BEFORE_PASSWORD 4

static void on_agent_signed(const uint8_t *sig, size_t len, void *user)
{
	struct ssh *s = user;
	struct conn *c = s->c;

	conn_enter(c);
	s->sign.request = NULL;
	s->sign.answered = true;
	buf_clear(&s->sign.sig);
	if (sig)
		buf_append(&s->sign.sig, sig, len);
	if (!c->failed)
		ssh_step(c);
	conn_leave(c);
}

/* Asks the agent first, and has its answer when libssh2 calls again with the same data. */
static int sign_by_agent(
	struct ssh *s, const struct cred *cred, const void *data, size_t len)
{
	if (s->sign.answered)
		return 0;
	if (!s->sign.request)
		s->sign.request = agent_sign(
			s->shared->agent, cred->agent, data, len, on_agent_signed, s);
	return LIBSSH2_ERROR_EAGAIN;
}

static LIBSSH2_USERAUTH_PUBLICKEY_SIGN_FUNC(on_sign)
{
	struct ssh *s = *abstract;
	const struct cred *cred = &s->target.creds[s->cred];
	struct buf *out = &s->sign.sig;

	(void)session;
	if (cred->agent) {
		if (sign_by_agent(s, cred, data, data_len))
			return LIBSSH2_ERROR_EAGAIN;
	} else {
		buf_clear(out);
		keyfile_sign(cred->file, data, data_len, out);
	}
	s->sign.answered = false;
	s->sign.failed = !out->len;
	if (s->sign.failed)
		return -1;
	*sig = ssh_memory_alloc(s, out->len);
	if (!*sig)
		return -1;
	memcpy(*sig, out->data, out->len);
	*sig_len = out->len;
	return 0;
}

static void note_tried(struct ssh *s, const struct cred *cred, const char *what)
{
	const char *kind = cred->agent ? "agent key " : "";

	if (s->tried.len < TRIED_MAX)
		buf_printf(&s->tried, "%s%.100s (%s), ", kind, cred->label, what);
}

/* libssh2's code for one key; EAGAIN, 0, or it was not taken. */
static int try_key(struct ssh *s, const struct cred *cred)
{
	const uint8_t *blob = cred->agent ? cred->agent->blob : cred->file->blob;
	size_t len = cred->agent ? cred->agent->blob_len : cred->file->blob_len;
	AUTO_BUF struct buf login = BUF_INIT;
	void *self = s;

	if (key_login_blob(blob, len, &login) < 0)
		abort();
	return libssh2_userauth_publickey(s->session, s->target.user,
		(const uint8_t *)login.data, login.len, on_sign, &self);
}

/* Others than OpenSSH's sshd refuse a blob of that name, or hang up (see key_login_blob). */
static bool takes_rsa(const struct ssh *s)
{
	const char *banner = libssh2_session_banner_get(s->session);

	return banner && strstr(banner, "OpenSSH");
}

static bool is_rsa(const struct cred *cred)
{
	const char *type = cred->agent ? cred->agent->about.type : cred->file->type;

	return strcmp(type, KEY_RSA) == 0;
}

/* ssh may still log in with it. */
static void leave_rsa(struct ssh *s, const struct cred *cred)
{
	struct ssh_target *t = &s->target;

	note_tried(s, cred, "RSA, with which libssh2 logs in to OpenSSH only");
	if (!t->openssh_key)
		t->openssh_key =
			text_printf("the key %.200s is of RSA, with which libssh2 "
				    "logs in to OpenSSH only",
				cred->label);
}

static size_t keys_to_try(const struct ssh *s)
{
	size_t n = s->target.n_creds;

	return s->c->auth.password && n > KEYS_BEFORE_PASSWORD ? KEYS_BEFORE_PASSWORD : n;
}

static bool try_keys(struct ssh *s)
{
	while (s->cred < keys_to_try(s)) {
		const struct cred *cred = &s->target.creds[s->cred];
		int rc;

		if (is_rsa(cred) && !takes_rsa(s)) {
			leave_rsa(s, cred);
			s->cred++;
			continue;
		}
		rc = try_key(s, cred);
		if (rc == LIBSSH2_ERROR_EAGAIN)
			return false;
		if (rc == 0) {
			s->login = text_printf("%s %s",
				cred->agent ? "agent" : "publickey", cred->label);
			s->c->info.login = s->login;
			return true;
		}
		if (rc != LIBSSH2_ERROR_AUTHENTICATION_FAILED &&
			rc != LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED) {
			ssh_lost(s);
			return false;
		}
		note_tried(
			s, cred, s->sign.failed ? "could not be signed with" : "refused");
		s->sign.failed = false;
		s->cred++;
	}
	s->phase = SSH_METHODS;
	return false;
}

/* No key was taken, and the host says what it takes. */
static void keys_refused(struct ssh *s, const char *methods)
{
	const struct ssh_target *t = &s->target;
	const char *password = s->c->auth.password;

	if (!password && t->openssh_key && s->c->host->transport == TRANSPORT_AUTO) {
		conn_fallback(s->c, CONN_FAIL_LOGIN, "%s: %s, and no other was accepted",
			dial_where(s->dial), t->openssh_key);
		return;
	}
	s->c->info.methods = methods;
	if (password)
		ssh_password_start(s, methods);
	else
		ssh_auth_refused(s, methods);
}

/* Which ways the host would take; a host that wants nothing at all lets us in here. */
static bool ask_methods(struct ssh *s)
{
	const char *user = s->target.user;
	char *list = libssh2_userauth_list(s->session, user, (unsigned)strlen(user));

	if (list) {
		text_sanitize_inplace(list);
		keys_refused(s, list);
		return false;
	}
	if (libssh2_userauth_authenticated(s->session)) {
		s->c->info.login = "none";
		return true;
	}
	if (libssh2_session_last_errno(s->session) != LIBSSH2_ERROR_EAGAIN)
		ssh_lost(s);
	return false;
}

bool ssh_auth_step(struct ssh *s)
{
	if (s->phase == SSH_LOGIN && try_keys(s))
		return true;
	if (s->phase == SSH_METHODS && !s->c->failed && !s->password.method &&
		ask_methods(s))
		return true;
	return s->phase == SSH_METHODS && !s->c->failed && s->password.method &&
	       ssh_password_step(s);
}

void ssh_auth_advise(const struct ssh_target *t, struct buf *out)
{
	bool v6 = strchr(t->hostname, ':');

	buf_puts(out, "muster ssh-setup ");
	if (t->copy_key) {
		buf_puts(out, "--key ");
		text_shell_quote(out, t->copy_key);
		buf_putc(out, ' ');
	}
	buf_printf(out, v6 ? "--hosts %s@[%s]" : "--hosts %s@%s", t->user, t->hostname);
	if (t->port != 22)
		buf_printf(out, ":%u", t->port);
}

void ssh_auth_refused(struct ssh *s, const char *methods)
{
	const struct ssh_target *t = &s->target;
	AUTO_BUF struct buf text = BUF_INIT;
	AUTO_BUF struct buf advice = BUF_INIT;

	buf_append(&text, s->tried.data, s->tried.len);
	buf_append(&text, t->skipped.data, t->skipped.len);
	if (text.len > 2)
		text.data[text.len -= 2] = '\0'; /* the last comma */
	ssh_auth_advise(t, &advice);
	s->c->info.no_key = !t->n_creds;
	if (!t->n_creds)
		conn_fail(s->c, CONN_FAIL_LOGIN,
			"%s: no key to log in with as %s%s%.500s; make one and hand it "
			"out with: %s",
			dial_where(s->dial), t->user, text.len ? ": " : "",
			text.len ? text.data : "", advice.data);
	else if (!methods)
		conn_fail(s->c, CONN_FAIL_LOGIN, "%s: login as %s refused: %s%s%.500s",
			dial_where(s->dial), t->user,
			s->disconnect[0] ? s->disconnect
					 : "the host closed the connection",
			text.len ? "; tried " : "", text.len ? text.data : "");
	else
		conn_fail(s->c, CONN_FAIL_LOGIN,
			"%s: login as %s refused: tried %.500s; the host takes %s; hand "
			"the key "
			"out with: %s",
			dial_where(s->dial), t->user, text.len ? text.data : "nothing",
			methods, advice.data);
}

void ssh_auth_finish(struct ssh *s)
{
	agent_sign_cancel(s->sign.request);
	s->sign.request = NULL;
	ssh_password_finish(s);
}
