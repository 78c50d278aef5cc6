/* ssh_session: the life of a connection over libssh2: dial, handshake, host key, login, channels. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/text.h"
#include "common/units.h"
#include "transport/ssh.h"

#define LOGIN_TIMEOUT_NS (20 * NS_PER_SEC)

/* What libssh2 1.10 has and is sound: no CBC, no SHA-1 but as the last resort of old hosts. */
static const struct {
	int method;
	const char *names;
} preferences[] = {
	{LIBSSH2_METHOD_KEX,
		"curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,"
		"ecdh-sha2-nistp384,ecdh-sha2-nistp521,diffie-hellman-group16-sha512,"
		"diffie-hellman-group18-sha512,diffie-hellman-group14-sha256,"
		"diffie-hellman-group-exchange-sha256,diffie-hellman-group14-sha1"},
	{LIBSSH2_METHOD_CRYPT_CS, "aes128-ctr,aes192-ctr,aes256-ctr"},
	{LIBSSH2_METHOD_CRYPT_SC, "aes128-ctr,aes192-ctr,aes256-ctr"},
	{LIBSSH2_METHOD_MAC_CS, "hmac-sha2-256,hmac-sha2-512,hmac-sha1"},
	{LIBSSH2_METHOD_MAC_SC, "hmac-sha2-256,hmac-sha2-512,hmac-sha1"},
	{LIBSSH2_METHOD_COMP_CS, "none"},
	{LIBSSH2_METHOD_COMP_SC, "none"},
};

static uint64_t login_timeout_ns(const struct ssh *s)
{
	uint64_t ns = s->c->t->config.login_timeout_ns;

	return ns ? ns : LOGIN_TIMEOUT_NS;
}

/* What the end of the connection was, in words. */
static const char *end_text(const struct ssh *s)
{
	if (s->disconnect[0])
		return s->disconnect;
	return s->io_errno ? strerror(s->io_errno) : "the host closed it";
}

/* What may be behind a handshake that broke off. */
static void add_hint(const struct ssh *s, char *out, size_t size)
{
	char line[80];

	if (!s->plain_in.len) {
		snprintf(out, size,
			" (it sent nothing: is this an SSH port? sshd also does so when "
			"too many "
			"log in at once, MaxStartups)");
		return;
	}
	snprintf(line, sizeof(line), "%.*s", (int)strcspn(s->plain_in.data, "\r\n"),
		s->plain_in.data);
	text_sanitize_inplace(line);
	if (text_starts_with(line, "SSH-"))
		*out = '\0';
	else if (strcmp(line, "Exceeded MaxStartups") == 0)
		snprintf(out, size,
			" (too many log in to this sshd at once, MaxStartups)");
	else
		snprintf(out, size, " (it says \"%s\", which is not SSH)", line);
}

/* Before the login there may be another try: an sshd that is busy drops connections. */
static void handshake_failed(struct ssh *s, const char *what)
{
	struct err err = ERR_INIT;
	char hint[160];

	add_hint(s, hint, sizeof(hint));
	err_set(&err, ERR_HOST, "%s: connection lost during the SSH handshake: %s%s",
		dial_where(s->dial), what, hint);
	ssh_io_stop(s);
	loop_timer_stop(s->timer);
	s->phase = SSH_DIALLING;
	if (!dial_again(s->dial, &err))
		conn_fail_err(s->c, CONN_FAIL_BANNER, &err);
}

void ssh_lost(struct ssh *s)
{
	text_sanitize_inplace(s->disconnect);
	switch (s->phase) {
	case SSH_DIALLING:
		return;
	case SSH_HANDSHAKE:
		handshake_failed(s, end_text(s));
		return;
	case SSH_LOGIN:
	case SSH_METHODS:
		ssh_auth_refused(s, NULL);
		return;
	case SSH_UP:
		conn_fail(s->c, CONN_FAIL_LOST, "%s: connection lost: %s",
			dial_where(s->dial), end_text(s));
	}
}

static void become_up(struct ssh *s)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	if (getsockopt(s->fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0)
		s->c->info.rtt_ns =
			(uint64_t)(info.tcpi_min_rtt && info.tcpi_min_rtt != UINT32_MAX
					   ? info.tcpi_min_rtt
					   : info.tcpi_rtt) *
			NS_PER_US;
	loop_timer_stop(s->timer);
	dial_settled(s->dial);
	s->phase = SSH_UP;
	conn_up(s->c);
}

/* True when it is done. */
static bool handshake(struct ssh *s)
{
	char *text = NULL;
	int rc = libssh2_session_handshake(s->session, s->fd);

	if (rc == LIBSSH2_ERROR_EAGAIN)
		return false;
	if (rc) {
		libssh2_session_last_error(s->session, &text, NULL, 0);
		ssh_io_flush(s);
		if (!ssh_explain_no_algorithm(s))
			handshake_failed(s,
				s->disconnect[0] || s->peer_closed ? end_text(s) : text);
		return false;
	}
	s->capture = false;
	buf_finish(&s->plain_in);
	buf_finish(&s->plain_out);
	if (ssh_hostkey_check(s) < 0)
		return false;
	s->phase = SSH_LOGIN;
	return true;
}

void ssh_step(struct conn *c)
{
	struct ssh *s = c->impl;
	bool more = false;

	if (s->phase == SSH_HANDSHAKE && !handshake(s) && s->phase == SSH_DIALLING)
		return;
	if ((s->phase == SSH_LOGIN || s->phase == SSH_METHODS) && !c->failed &&
		ssh_auth_step(s))
		become_up(s);
	if (s->phase == SSH_UP && !c->failed && !c->gone)
		more = ssh_chans_step(s);
	if (s->phase == SSH_DIALLING)
		return;
	ssh_io_flush(s);
	if (s->peer_closed && !more && !c->failed && !c->gone)
		ssh_lost(s);
}

static void on_socket(struct loop_fd *w, uint32_t events, void *user)
{
	struct ssh *s = user;
	struct conn *c = s->c;

	(void)w;
	conn_enter(c);
	if (events & ~(uint32_t)EPOLLOUT)
		s->may_read = true;
	if (!c->failed)
		ssh_step(c);
	conn_leave(c);
}

static void login_timed_out(struct ssh *s)
{
	struct conn *c = s->c;
	struct units_text after = units_duration(login_timeout_ns(s));

	if (!s->plain_in.len && s->phase == SSH_HANDSHAKE)
		conn_fail(c, CONN_FAIL_TIMEOUT,
			"%s: no SSH banner within %s: something accepts connections "
			"there, but it "
			"does not speak SSH, or hangs",
			dial_where(s->dial), after.s);
	else
		conn_fail(c, CONN_FAIL_TIMEOUT, "%s: %s did not end within %s%s",
			dial_where(s->dial),
			s->phase == SSH_HANDSHAKE ? "the SSH handshake" : "the login",
			after.s, s->sign.request ? ": ssh-agent has not answered" : "");
}

static void on_timer(struct loop_timer *t, void *user)
{
	struct ssh *s = user;
	struct conn *c = s->c;

	(void)t;
	conn_enter(c);
	if (s->phase == SSH_UP) {
		s->paused = false;
		conn_kick(c);
	} else {
		login_timed_out(s);
	}
	conn_leave(c);
}

static int start_session(struct ssh *s, struct err *err)
{
	s->session = ssh_memory_session(s);
	if (!s->session)
		return err_set(err, ERR_SYSTEM, "libssh2: out of memory");
	ssh_io_start(s);
	libssh2_session_set_blocking(s->session, 0);
	for (size_t i = 0; i < ARRAY_LEN(preferences); i++)
		libssh2_session_method_pref(
			s->session, preferences[i].method, preferences[i].names);
	s->watch = loop_fd_add(s->c->t->loop, s->fd, EPOLLIN, on_socket, s, err);
	return s->watch ? 0 : -1;
}

static void on_connected(struct dial *d, int fd, void *user)
{
	struct ssh *s = user;
	struct conn *c = s->c;
	struct err err = ERR_INIT;

	conn_enter(c);
	c->info.attempts = dial_attempts(d);
	s->fd = fd;
	s->phase = SSH_HANDSHAKE;
	s->cred = 0;
	buf_clear(&s->tried);
	loop_timer_set(s->timer, clock_ns() + login_timeout_ns(s), 0);
	if (start_session(s, &err) < 0)
		conn_fail_err(c, CONN_FAIL_OTHER, &err);
	else if (ssh_hostkey_prefer(s) == 0)
		ssh_step(c);
	conn_leave(c);
}

static void on_dial_failed(
	struct dial *d, enum conn_failure why, const struct err *err, void *user)
{
	struct ssh *s = user;
	struct conn *c = s->c;

	conn_enter(c);
	c->info.attempts = dial_attempts(d);
	conn_fail_err(c, why, err);
	conn_leave(c);
}

static void on_retry(struct dial *d, const struct err *err, void *user)
{
	struct ssh *s = user;
	struct conn *c = s->c;

	conn_enter(c);
	if (dial_attempts(d) == 1)
		conn_note(c, "%s; trying again", err->text);
	conn_leave(c);
}

static void ssh_open(struct conn *c)
{
	static const struct dial_events events = {
		.connected = on_connected, .failed = on_dial_failed, .retry = on_retry};
	struct ssh *s = calloc(1, sizeof(*s));
	struct err err = ERR_INIT;

	if (!s)
		abort();
	s->c = c;
	s->shared = c->t->ssh;
	s->fd = -1;
	s->limit = CHANNELS_PER_CONN;
	c->impl = s;
	s->timer = loop_timer_add(c->t->loop, 1, 0, on_timer, s);
	loop_timer_stop(s->timer);
	if (ssh_target_init(&s->target, s->shared, c->host, &c->auth, &err) < 0) {
		conn_fail_err(c, CONN_FAIL_OTHER, &err);
		return;
	}
	s->address =
		text_printf(strchr(s->target.hostname, ':') ? "%s@[%s]:%u" : "%s@%s:%u",
			s->target.user, s->target.hostname, s->target.port);
	c->info.address = s->address;
	if (s->target.needs_openssh)
		conn_fallback(c, CONN_FAIL_UNSUPPORTED, "%s", s->target.needs_openssh);
	else
		s->dial = dial_start(c->t->dialer, s->target.hostname, s->target.port,
			s->target.connect_timeout_ns, &events, s);
}

static void ssh_fini(struct conn *c)
{
	struct ssh *s = c->impl;

	if (!s)
		return;
	ssh_auth_finish(s);
	ssh_io_stop(s);
	dial_destroy(s->dial);
	loop_timer_del(s->timer);
	ssh_target_finish(&s->target);
	buf_finish(&s->out);
	buf_finish(&s->plain_in);
	buf_finish(&s->plain_out);
	buf_finish(&s->tried);
	buf_finish(&s->sign.sig);
	free(s->address);
	free(s->host_key);
	free(s->login);
	free(s);
}

const struct transport_ops ssh_ops = {
	.name = "libssh2",
	.open = ssh_open,
	.step = ssh_step,
	.chan_fini = ssh_chan_fini,
	.fini = ssh_fini,
};
