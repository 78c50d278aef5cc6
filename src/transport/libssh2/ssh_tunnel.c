/* ssh_tunnel: the channels (direct-tcpip) of a jump host's connection, each the socket of a connection to a
 * host behind it.
 *
 * Any call of libssh2 for one channel takes in what has come for all of them, so after each the others are
 * looked at. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "transport/libssh2/ssh_jump.h"

/* More than this waits in the connections, not in front of the socket. */
#define OUT_MAX ((size_t)256 << 10)

static struct ssh *outer(const struct tunnel *t)
{
	return t->hc->conn->impl;
}

static void free_tunnel(struct tunnel *t)
{
	if (t->hc) {
		TAILQ_REMOVE(&t->hc->tunnels, t, link);
		t->hc->n--;
		if (t->hc->opening == t)
			t->hc->opening = NULL;
	}
	free(t->host);
	free(t);
}

void tunnel_detach(struct tunnel *t, enum tunnel_state state)
{
	struct hop_conn *hc = t->hc;

	TAILQ_REMOVE(&hc->tunnels, t, link);
	hc->n--;
	t->hc = NULL;
	t->channel = NULL;
	t->state = state;
	if (t->inner)
		conn_kick(t->inner->c);
	else
		free_tunnel(t);
}

int ssh_tunnel_fd(const struct ssh *s)
{
	while (s->tunnel)
		s = outer(s->tunnel);
	return s->fd;
}

bool ssh_tunnel_ended(const struct ssh *s)
{
	return s->tunnel && s->tunnel->state == TUNNEL_OPEN &&
	       libssh2_channel_eof(s->tunnel->channel) == 1;
}

/* ---- opening and closing ---- */

void ssh_tunnel_open(struct ssh *s)
{
	struct tunnel *t = calloc(1, sizeof(*t));

	if (!t)
		abort();
	t->host = strdup(s->target.hostname);
	if (!t->host)
		abort();
	t->port = s->target.port;
	t->inner = s;
	s->tunnel = t;
	TAILQ_INSERT_TAIL(&s->hop->queue, t, link);
	hop_serve_queue(s->hop);
}

void ssh_tunnel_close(struct ssh *s)
{
	struct tunnel *t = s->tunnel;

	if (!t)
		return;
	s->tunnel = NULL;
	t->inner = NULL;
	if (t->state == TUNNEL_QUEUED)
		TAILQ_REMOVE(&s->hop->queue, t, link);
	if (t->state == TUNNEL_OPENING && t->hc->n == 1) {
		/* nobody needs this connection, and it can do nothing else for long */
		conn_close(t->hc->conn);
	} else if (t->state == TUNNEL_OPEN) {
		t->state = TUNNEL_LEAVING;
		conn_kick(t->hc->conn);
	} else if (t->state != TUNNEL_OPENING) {
		free_tunnel(t);
	}
}

static const struct {
	const char *words; /* of libssh2, for the reasons of RFC 4254 */
	enum conn_failure why;
	bool again;
	const char *text;
} refusals[] = {
	{"administratively prohibited", CONN_FAIL_UNREACHABLE, false,
		"forbids connections to it (AllowTcpForwarding or PermitOpen of its "
		"sshd, "
		"or restrict at the key)"},
	{"connect failed", CONN_FAIL_REFUSED, true,
		"cannot connect to it: is the host up, does sshd listen on this port, "
		"and "
		"does the jump host know the name?"},
	{"resource shortage", CONN_FAIL_UNREACHABLE, true,
		"has no room for another connection to it"},
	{NULL, CONN_FAIL_OTHER, false, "does not connect to it"},
};

bool ssh_tunnel_refused(const struct ssh *s, enum conn_failure *why, struct err *err)
{
	size_t i = 0;

	while (refusals[i].words && !strstr(s->tunnel->refusal, refusals[i].words))
		i++;
	*why = refusals[i].why;
	err_set(err, ERR_HOST, "%s: %s %s", s->target.where, s->hop->where,
		refusals[i].text);
	return refusals[i].again;
}

/* ---- the step of the jump host's connection ---- */

static void step_opening(struct ssh *s, struct hop_conn *hc)
{
	struct tunnel *t = hc->opening;
	char *text = NULL;

	t->channel = libssh2_channel_direct_tcpip_ex(
		s->session, t->host, t->port, "127.0.0.1", 65535);
	if (!t->channel && libssh2_session_last_errno(s->session) == LIBSSH2_ERROR_EAGAIN)
		return;
	hc->opening = NULL;
	if (t->channel) {
		t->state = t->inner ? TUNNEL_OPEN : TUNNEL_LEAVING;
		if (t->inner)
			conn_kick(t->inner->c);
	} else if (libssh2_session_last_error(s->session, &text, NULL, 0) ==
		   LIBSSH2_ERROR_CHANNEL_FAILURE) {
		strncpy(t->refusal, text, sizeof(t->refusal) - 1);
		tunnel_detach(t, TUNNEL_REFUSED);
	} else {
		ssh_lost(s);
	}
}

static void step_leaving(struct hop_conn *hc)
{
	struct tunnel *t, *next;

	for (t = TAILQ_FIRST(&hc->tunnels); t; t = next) {
		next = TAILQ_NEXT(t, link);
		if (t->state == TUNNEL_LEAVING &&
			libssh2_channel_free(t->channel) != LIBSSH2_ERROR_EAGAIN)
			free_tunnel(t);
	}
}

/* Takes in what has come for any channel: waiting for the end of one that has not ended does so. */
static void take_in(struct ssh *s, struct hop_conn *hc)
{
	struct tunnel *t;

	TAILQ_FOREACH(t, &hc->tunnels, link)
	{
		int rc = t->state == TUNNEL_OPEN ? libssh2_channel_wait_eof(t->channel)
						 : 0;

		if (rc == LIBSSH2_ERROR_EAGAIN)
			return;
		if (rc < 0) {
			ssh_lost(s);
			return;
		}
	}
}

static bool has_news(const struct ssh *s, const struct tunnel *t)
{
	if (t->state != TUNNEL_OPEN)
		return false;
	if (t->blocked && ssh_io_pending(s) < OUT_MAX &&
		libssh2_channel_window_write_ex(t->channel, NULL) > 0)
		return true;
	return libssh2_poll_channel_read(t->channel, 0) == 1 ||
	       libssh2_channel_eof(t->channel) == 1;
}

void ssh_jump_step(struct ssh *s)
{
	struct hop_conn *hc = s->serves;
	struct tunnel *t;

	if (hc->opening)
		step_opening(s, hc);
	if (!s->c->failed)
		step_leaving(hc);
	if (!s->c->failed)
		take_in(s, hc);
	if (s->c->failed)
		return;
	TAILQ_FOREACH(t, &hc->tunnels, link)
	if (has_news(s, t))
		conn_kick(t->inner->c);
	hop_serve_queue(hc->hop);
}

bool ssh_jump_idle(const struct ssh *s)
{
	const struct tunnel *t;

	TAILQ_FOREACH(t, &s->serves->tunnels, link)
	if (t->state != TUNNEL_OPEN || !libssh2_channel_eof(t->channel))
		return false;
	return true;
}

/* ---- bytes ---- */

/* A call for one channel takes in what has come for all of them, and may have had something to say. */
static void after_use(struct ssh *s, uint64_t received)
{
	if (s->received != received)
		conn_kick(s->c);
	if (ssh_io_pending(s))
		ssh_io_flush(s);
}

ssize_t ssh_tunnel_read(struct ssh *s, void *to, size_t len)
{
	struct tunnel *t = s->tunnel;
	uint64_t received;
	ssize_t n;

	if (t->state != TUNNEL_OPEN || outer(t)->c->failed)
		return -EAGAIN;
	received = outer(t)->received;
	n = libssh2_channel_read_ex(t->channel, 0, to, len);
	if (n < 0 && n != LIBSSH2_ERROR_EAGAIN)
		ssh_lost(outer(t));
	after_use(outer(t), received);
	return n > 0 || (n == 0 && libssh2_channel_eof(t->channel) == 1) ? n : -EAGAIN;
}

ssize_t ssh_tunnel_write(struct ssh *s, const void *data, size_t len)
{
	struct tunnel *t = s->tunnel;
	uint64_t received;
	ssize_t n;

	if (t->state != TUNNEL_OPEN || outer(t)->c->failed)
		return -EPIPE;
	if (ssh_io_pending(outer(t)) >= OUT_MAX)
		ssh_io_flush(outer(t));
	t->blocked = ssh_io_pending(outer(t)) >= OUT_MAX;
	if (t->blocked)
		return -EAGAIN;
	received = outer(t)->received;
	n = libssh2_channel_write_ex(t->channel, 0, data, len);
	t->blocked = n == 0 || n == LIBSSH2_ERROR_EAGAIN;
	if (n < 0 && !t->blocked && n != LIBSSH2_ERROR_CHANNEL_CLOSED &&
		n != LIBSSH2_ERROR_CHANNEL_EOF_SENT)
		ssh_lost(outer(t));
	after_use(outer(t), received);
	if (t->blocked)
		return -EAGAIN;
	return n > 0 ? n : -EPIPE;
}
