/* ssh_jump: jump hosts. One connection to a jump host carries the channels (direct-tcpip) to many hosts
 * behind it; each of those is the socket of a connection of its own.
 *
 * A jump host's connection is an ordinary one, with an entry made for it, so it dials, checks the host
 * key, logs in, tries again and goes through jump hosts like any other. It and those behind it never call
 * each other's steps: they change what the other one sees, and kick it.
 *
 * libssh2 opens one channel of a session at a time, and an open cannot be taken back: one to a host that
 * does not answer would hold up all others. So while one takes long, the next connection is made. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/text.h"
#include "common/units.h"
#include "transport/ssh.h"
#include "transport/ssh_config_run.h"

/* sshd counts sessions only (MaxSessions), but they share one TCP connection. */
#define TUNNELS_PER_CONN 64
#define CONNS_PER_HOP 32
#define SLOW_OPEN_NS (500 * NS_PER_MS)
/* More than this waits in the connections, not in front of the socket. */
#define OUT_MAX ((size_t)256 << 10)

enum tunnel_state {
	TUNNEL_QUEUED,
	TUNNEL_OPENING,
	TUNNEL_OPEN,
	TUNNEL_REFUSED,
	TUNNEL_LOST,    /* with the jump host */
	TUNNEL_LEAVING, /* its end is being told to the jump host */
};

struct tunnel {
	TAILQ_ENTRY(tunnel) link; /* of hop->queue, then of hc->tunnels */
	struct hop_conn *hc;      /* NULL: none yet, or none any more */
	struct ssh *inner;        /* NULL: it has left */
	char *host;
	uint16_t port;
	enum tunnel_state state;
	LIBSSH2_CHANNEL *channel;
	bool blocked;     /* inner has more to write */
	char refusal[80]; /* libssh2's words */
};

TAILQ_HEAD(tunnel_list, tunnel);
TAILQ_HEAD(ssh_list, ssh);

/* A connection to a jump host. */
struct hop_conn {
	LIST_ENTRY(hop_conn) link;
	struct hop *hop;
	struct conn *conn;
	bool up;
	struct tunnel *opening;
	struct tunnel_list
		tunnels; /* that have or had a channel here, the one that opens too */
	unsigned n;
};

/* A jump host, for those who go through it in the same way: with the same user, chain before it, policy. */
struct hop {
	LIST_ENTRY(hop) link;
	struct ssh_shared *shared;
	char *key, *where;
	struct host host;
	struct ssh_list members;
	struct tunnel_list queue;
	LIST_HEAD(, hop_conn) conns;
	unsigned n_conns;
	struct loop_timer *slow;
	bool failed, held, unlinked;
	bool needs_openssh;    /* ssh may do better */
	enum conn_failure why; /* of the last connection that failed */
	struct err err;
};

static void serve_queue(struct hop *hop);

static void kick_all(struct hop *hop)
{
	struct ssh *s;

	TAILQ_FOREACH(s, &hop->members, hop_link)
	conn_kick(s->c);
}

/* ---- the connections to it ---- */

static void on_up(struct conn *c, void *user)
{
	struct hop_conn *hc = user;

	(void)c;
	hc->up = true;
	kick_all(hc->hop);
	serve_queue(hc->hop);
}

/* What libssh2 lacks, ssh may have: for this jump host, or for one on the way to it. */
static bool may_need_openssh(const struct ssh *s, enum conn_failure why)
{
	if (s->hop && s->hop->failed)
		return s->hop->needs_openssh;
	return why == CONN_FAIL_UNSUPPORTED || why == CONN_FAIL_NO_ALGORITHM ||
	       (why == CONN_FAIL_LOGIN && s->target.openssh_key);
}

/* Takes all with it who wait: a further connection was made because the others could not serve them. */
static void on_down(
	struct conn *c, enum conn_failure why, const struct err *err, void *user)
{
	struct hop_conn *hc = user;
	struct hop *hop = hc->hop;
	struct tunnel *t;

	hop->why = why;
	hop->err = *err;
	hop->needs_openssh = may_need_openssh(c->impl, why);
	hop->failed = hop->n_conns == 1;
	while ((t = TAILQ_FIRST(&hop->queue))) {
		TAILQ_REMOVE(&hop->queue, t, link);
		t->state = TUNNEL_LOST;
		conn_kick(t->inner->c);
	}
	if (hop->failed)
		kick_all(hop);
}

static const struct conn_events hop_events = {on_up, on_down};

static void add_conn(struct hop *hop)
{
	struct hop_conn *hc = calloc(1, sizeof(*hc));

	if (!hc)
		abort();
	hc->hop = hop;
	TAILQ_INIT(&hc->tunnels);
	LIST_INSERT_HEAD(&hop->conns, hc, link);
	hop->n_conns++;
	hc->conn = conn_open(hop->shared->t, &hop->host, &hop_events, hc);
}

struct hop_conn *ssh_jump_served(const struct conn *c)
{
	return c->events.up == on_up ? c->user : NULL;
}

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

/* From the connection to its channel: the owner sees the end of it. */
static void detach(struct tunnel *t, enum tunnel_state state)
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

static void free_unused(struct hop *hop)
{
	if (hop->held || hop->n_conns || !TAILQ_EMPTY(&hop->members))
		return;
	if (!hop->unlinked)
		LIST_REMOVE(hop, link);
	loop_timer_del(hop->slow);
	host_finish(&hop->host);
	free(hop->key);
	free(hop->where);
	free(hop);
}

void ssh_jump_gone(struct conn *c)
{
	struct hop_conn *hc = ssh_jump_served(c);
	struct hop *hop = hc->hop;
	struct tunnel *t;

	hc->opening = NULL;
	while ((t = TAILQ_FIRST(&hc->tunnels)))
		detach(t, TUNNEL_LOST);
	LIST_REMOVE(hc, link);
	hop->n_conns--;
	free(hc);
	if (!TAILQ_EMPTY(&hop->members))
		serve_queue(hop);
	free_unused(hop);
}

/* ---- who goes over it ---- */

static char *make_key(const struct host *h)
{
	const char *policy = h->host_key_set ? host_key_policy_names[h->host_key] : "";
	char *key = text_printf("%s@%s:%u|%s|%s|%s|%s", h->user ? h->user : "",
		h->address, h->port, h->jump ? h->jump : "-", policy,
		h->key ? h->key : "", h->known_hosts ? h->known_hosts : "");

	if (!key)
		abort();
	return key;
}

static void on_slow(struct loop_timer *timer, void *user)
{
	struct hop *hop = user;
	struct hop_conn *hc;

	(void)timer;
	LIST_FOREACH(hc, &hop->conns, link)
	if (!hc->up)
		return;
	if (!TAILQ_EMPTY(&hop->queue) && hop->n_conns < CONNS_PER_HOP)
		add_conn(hop);
}

/* Takes h over. */
static struct hop *find_hop(struct ssh_shared *sh, struct host *h)
{
	AUTO_FREE char *key = make_key(h);
	struct hop *hop;

	LIST_FOREACH(hop, &sh->hops, link)
	{
		if (strcmp(hop->key, key) == 0) {
			host_finish(h);
			return hop;
		}
	}
	hop = calloc(1, sizeof(*hop));
	if (!hop)
		abort();
	hop->shared = sh;
	hop->key = STEAL_PTR(&key);
	hop->where = ssh_target_where(sh, h, true);
	hop->host = *h;
	TAILQ_INIT(&hop->members);
	TAILQ_INIT(&hop->queue);
	hop->slow = loop_timer_add(sh->t->loop, 1, 0, on_slow, hop);
	loop_timer_stop(hop->slow);
	LIST_INSERT_HEAD(&sh->hops, hop, link);
	return hop;
}

int ssh_jump_join(struct ssh *s, struct err *err)
{
	const struct host *h = s->c->host;
	const char *address = h->address ? h->address : h->name;
	const struct ssh_config *sc =
		ssh_config_cache_get(s->shared->configs, address, err);
	struct host next;

	if (ssh_route_next(h, sc, &next, err) <= 0)
		return -1;
	s->hop = find_hop(s->shared, &next);
	TAILQ_INSERT_TAIL(&s->hop->members, s, hop_link);
	/* a key that was refused is not shown again; a jump host that was away may be back */
	if (s->hop->n_conns == 0 && (!s->hop->failed || s->hop->why == CONN_FAIL_LOST)) {
		s->hop->failed = false;
		add_conn(s->hop);
	}
	return 0;
}

void ssh_jump_leave(struct ssh *s)
{
	struct hop *hop = s->hop;
	struct hop_conn *hc, *next;

	ssh_tunnel_close(s);
	if (!hop)
		return;
	s->hop = NULL;
	TAILQ_REMOVE(&hop->members, s, hop_link);
	if (!TAILQ_EMPTY(&hop->members))
		return;
	hop->held = hop->unlinked = true;
	LIST_REMOVE(hop, link);
	for (hc = LIST_FIRST(&hop->conns); hc; hc = next) {
		next = LIST_NEXT(hc, link);
		conn_close(hc->conn);
	}
	hop->held = false;
	free_unused(hop);
}

enum ssh_jump_state ssh_jump_state(const struct ssh *s)
{
	static const enum ssh_jump_state states[] = {
		[TUNNEL_QUEUED] = JUMP_WAITING,
		[TUNNEL_OPENING] = JUMP_OPENING,
		[TUNNEL_OPEN] = JUMP_OPEN,
		[TUNNEL_REFUSED] = JUMP_REFUSED,
		[TUNNEL_LOST] = JUMP_FAILED,
		[TUNNEL_LEAVING] = JUMP_OPEN,
	};
	const struct hop_conn *hc;

	if (s->hop->failed)
		return JUMP_FAILED;
	if (s->tunnel)
		return states[s->tunnel->state];
	LIST_FOREACH(hc, &s->hop->conns, link)
	if (hc->up)
		return JUMP_READY;
	/* with none at all the first tunnel makes one */
	return s->hop->n_conns ? JUMP_WAITING : JUMP_READY;
}

const char *ssh_jump_key(const struct ssh *s)
{
	return s->hop->key;
}

const char *ssh_jump_where(const struct ssh *s)
{
	return s->hop->where;
}

enum conn_failure ssh_jump_failure(
	const struct ssh *s, const struct err **ret, bool *ret_needs_openssh)
{
	*ret = &s->hop->err;
	*ret_needs_openssh = s->hop->needs_openssh;
	return s->hop->why;
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

/* ---- opening ---- */

static void start_open(struct hop_conn *hc, struct tunnel *t)
{
	TAILQ_REMOVE(&hc->hop->queue, t, link);
	TAILQ_INSERT_TAIL(&hc->tunnels, t, link);
	hc->n++;
	hc->opening = t;
	t->hc = hc;
	t->state = TUNNEL_OPENING;
	conn_kick(hc->conn);
	conn_kick(t->inner->c);
	loop_timer_set(hc->hop->slow, clock_ns() + SLOW_OPEN_NS, 0);
}

static void serve_queue(struct hop *hop)
{
	bool more = true; /* another connection would help, and none is on its way */
	struct hop_conn *hc;
	struct tunnel *t;

	LIST_FOREACH(hc, &hop->conns, link)
	{
		t = TAILQ_FIRST(&hop->queue);
		if (!hc->up || (hc->opening && hc->n < TUNNELS_PER_CONN))
			more = false;
		else if (t && !hc->opening && hc->n < TUNNELS_PER_CONN)
			start_open(hc, t);
	}
	if (more && !TAILQ_EMPTY(&hop->queue) && !hop->failed &&
		hop->n_conns < CONNS_PER_HOP)
		add_conn(hop);
}

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
	serve_queue(s->hop);
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

/* ---- the connection's step ---- */

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
		detach(t, TUNNEL_REFUSED);
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
	serve_queue(hc->hop);
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
