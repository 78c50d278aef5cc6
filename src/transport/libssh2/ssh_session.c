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
#include "transport/libssh2/ssh.h"

#define CONNECT_TIMEOUT_NS (10 * NS_PER_SEC)
#define LOGIN_TIMEOUT_NS (20 * NS_PER_SEC)

static void on_socket(struct loop_fd *w, uint32_t events, void *user);
static void start_dial(struct ssh *s);

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

static uint64_t connect_timeout_ns(const struct ssh *s)
{
	uint64_t own = s->target.connect_timeout_ns;
	uint64_t all = s->c->t->config.connect_timeout_ns;

	if (own)
		return own;
	return all ? all : CONNECT_TIMEOUT_NS;
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
	if (!dial_again(s->dial, CONN_FAIL_BANNER, &err))
		conn_fail_err(s->c, CONN_FAIL_BANNER, &err);
}

void ssh_lost(struct ssh *s)
{
	switch (s->phase) {
	case SSH_DIALLING:
	case SSH_OPENING:
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
	/* libssh2 asks only whether it is there and does not block */
	int rc = libssh2_session_handshake(
		s->session, s->tunnel ? ssh_tunnel_fd(s) : s->fd);

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
	if (s->tunnel)
		return 0;
	s->watch = loop_fd_add(s->c->t->loop, s->fd, EPOLLIN, on_socket, s, err);
	return s->watch ? 0 : -1;
}

/* There is a socket, or a tunnel. */
static void start_handshake(struct ssh *s)
{
	struct err err = ERR_INIT;

	s->phase = SSH_HANDSHAKE;
	s->cred = 0;
	buf_clear(&s->tried);
	loop_timer_set(s->timer, clock_ns() + login_timeout_ns(s), 0);
	if (start_session(s, &err) < 0)
		conn_fail_err(s->c, CONN_FAIL_OTHER, &err);
	else
		ssh_hostkey_prefer(s);
}

static void jump_failed(struct ssh *s)
{
	bool needs_openssh;
	const struct err *err;
	enum conn_failure why = ssh_jump_failure(s, &err, &needs_openssh);

	if (needs_openssh && s->phase < SSH_UP && !s->serves)
		conn_fallback(s->c, why, "%s", err->text);
	else
		conn_fail_err(s->c, why, err);
}

static void tunnel_refused(struct ssh *s)
{
	struct err err = ERR_INIT;
	enum conn_failure why;
	bool again = ssh_tunnel_refused(s, &why, &err);

	ssh_tunnel_close(s);
	loop_timer_stop(s->timer);
	s->phase = SSH_DIALLING;
	if (!again || !dial_again(s->dial, why, &err))
		conn_fail_err(s->c, why, &err);
}

/* Dialling, through a jump host. True: there is a tunnel, and the session goes on. */
static bool step_jump(struct ssh *s)
{
	struct conn *c = s->c;

	switch (ssh_jump_state(s)) {
	case JUMP_FAILED:
		jump_failed(s);
		return false;
	case JUMP_REFUSED:
		tunnel_refused(s);
		return false;
	case JUMP_READY:
		if (!s->dial)
			start_dial(s);
		return false;
	case JUMP_OPENING:
		if (s->phase == SSH_DIALLING)
			loop_timer_set(s->timer, clock_ns() + connect_timeout_ns(s), 0);
		s->phase = SSH_OPENING;
		return false;
	case JUMP_OPEN:
		/* nothing is said when more comes, so it is looked for at each step */
		s->may_read = true;
		if (s->phase < SSH_HANDSHAKE)
			start_handshake(s);
		if (ssh_io_idle(s) && ssh_tunnel_ended(s))
			s->peer_closed = true;
		return !c->failed;
	case JUMP_WAITING:
		break;
	}
	return false;
}

void ssh_step(struct conn *c)
{
	struct ssh *s = c->impl;
	bool more = false;

	s->received_before = s->received;
	if (s->hop && !step_jump(s))
		return;
	if (s->phase == SSH_HANDSHAKE && !handshake(s) && s->phase == SSH_DIALLING)
		return;
	if ((s->phase == SSH_LOGIN || s->phase == SSH_METHODS) && !c->failed &&
		ssh_auth_step(s))
		become_up(s);
	if (s->phase == SSH_UP && !c->failed && !c->gone)
		more = ssh_chans_step(s);
	if (s->phase == SSH_UP && !c->failed && !c->gone && s->serves)
		ssh_jump_step(s);
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
	if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) && ssh_io_idle(s))
		s->peer_closed = true;
	if (!c->failed)
		ssh_step(c);
	conn_leave(c);
}

static void login_timed_out(struct ssh *s)
{
	struct conn *c = s->c;
	struct units_text after = units_duration(login_timeout_ns(s));

	if (s->phase == SSH_OPENING)
		conn_fail(c, CONN_FAIL_TIMEOUT,
			"%s: no answer within %s through %s: is the host up, and do "
			"firewalls let the jump host reach this port?",
			dial_where(s->dial), units_duration(connect_timeout_ns(s)).s,
			ssh_jump_where(s));
	else if (!s->plain_in.len && s->phase == SSH_HANDSHAKE)
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

static void on_connected(struct dial *d, int fd, void *user)
{
	struct ssh *s = user;
	struct conn *c = s->c;

	conn_enter(c);
	c->info.attempts = dial_attempts(d);
	if (s->hop) {
		ssh_tunnel_open(s);
	} else {
		s->fd = fd;
		start_handshake(s);
		if (!c->failed)
			ssh_step(c);
	}
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

	(void)d;
	conn_enter(c);
	conn_note(c, "%s; trying again", err->text);
	conn_leave(c);
}

static void start_dial(struct ssh *s)
{
	static const struct dial_events events = {
		.connected = on_connected, .failed = on_dial_failed, .retry = on_retry};
	const struct ssh_target *t = &s->target;

	if (s->hop) {
		s->way = text_printf("%s|%s", ssh_jump_key(s), t->where);
		s->dial = dial_place(
			s->c->t->dialer, t->hostname, t->port, s->way, &events, s);
	} else {
		s->dial = dial_start(s->c->t->dialer, t->hostname, t->port,
			t->connect_timeout_ns, &events, s);
	}
	if (s->serves)
		dial_jump_host(s->dial, t->where);
}

/* What libssh2 cannot do is known before anybody is asked. */
static void start(struct ssh *s)
{
	struct conn *c = s->c;
	struct ssh_target *t = &s->target;
	struct err err = ERR_INIT;

	if (ssh_target_init(t, s->shared, c->host, s->serves != NULL, &c->auth, &err) <
		0) {
		conn_fail_err(c, CONN_FAIL_OTHER, &err);
		return;
	}
	s->address = text_printf(
		strchr(t->hostname, ':') ? "%s@[%s]:%u%s%s" : "%s@%s:%u%s%s", t->user,
		t->hostname, t->port, t->via ? " via " : "", t->via ? t->via : "");
	c->info.address = s->address;
	if (t->needs_openssh)
		conn_fallback(c, CONN_FAIL_UNSUPPORTED, "%s", t->needs_openssh);
	else if (!t->via)
		start_dial(s);
	else if (ssh_jump_join(s, &err) < 0)
		conn_fail_err(c, CONN_FAIL_OTHER, &err);
	else
		ssh_step(c);
}

static void ssh_open(struct conn *c)
{
	struct ssh *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->c = c;
	s->serves = ssh_jump_served(c);
	s->shared = c->t->ssh;
	s->fd = -1;
	s->limit = CHANNELS_PER_CONN;
	c->impl = s;
	s->timer = loop_timer_add(c->t->loop, 1, 0, on_timer, s);
	loop_timer_stop(s->timer);
	start(s);
}

static void ssh_fini(struct conn *c)
{
	struct ssh *s = c->impl;

	if (s) {
		ssh_auth_finish(s);
		ssh_io_stop(s);
	}
	if (ssh_jump_served(c))
		ssh_jump_gone(c);
	if (!s)
		return;
	ssh_jump_leave(s);
	dial_destroy(s->dial);
	loop_timer_del(s->timer);
	ssh_target_finish(&s->target);
	buf_finish(&s->out);
	buf_finish(&s->plain_in);
	buf_finish(&s->plain_out);
	buf_finish(&s->tried);
	buf_finish(&s->sign.sig);
	free(s->way);
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
