/* ssh_jump: jump hosts. One connection to a jump host carries the channels (direct-tcpip) to many hosts
 * behind it; each of those is the socket of a connection of its own.
 *
 * A jump host's connection is an ordinary one, with an entry made for it, so it dials, checks the host
 * key, logs in, tries again and goes through jump hosts like any other. It and those behind it never call
 * each other's steps: they change what the other one sees, and kick it.
 *
 * libssh2 opens one channel of a session at a time, and an open cannot be taken back: one to a host that
 * does not answer would hold up all others. So while one takes long, the next connection is made. */
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/text.h"
#include "common/units.h"
#include "transport/libssh2/ssh_jump.h"
#include "transport/openssh/ssh_config_run.h"

#define CONNS_PER_HOP 32
#define SLOW_OPEN_NS (500 * NS_PER_MS)
#define SLOWER_OPEN_NS (100 * NS_PER_MS)

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
	hop_serve_queue(hc->hop);
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
		tunnel_detach(t, TUNNEL_LOST);
	LIST_REMOVE(hc, link);
	hop->n_conns--;
	free(hc);
	if (!TAILQ_EMPTY(&hop->members))
		hop_serve_queue(hop);
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
	if (TAILQ_EMPTY(&hop->queue) || hop->n_conns >= CONNS_PER_HOP)
		return;
	/* perhaps it is us who were busy: what has come since is read before the second look */
	if (hop->slow_seen)
		add_conn(hop);
	else
		loop_timer_set(hop->slow, clock_ns() + SLOWER_OPEN_NS, 0);
	hop->slow_seen = true;
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
	const struct ssh_config *sc = ssh_config_cache_get(s->shared->configs, h, err);
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
	hc->hop->slow_seen = false;
	loop_timer_set(hc->hop->slow, clock_ns() + SLOW_OPEN_NS, 0);
}

void hop_serve_queue(struct hop *hop)
{
	bool more = true; /* another connection would help, and none is on its way */
	struct hop_conn *hc;
	struct tunnel *t;

	LIST_FOREACH(hc, &hop->conns, link)
	{
		t = TAILQ_FIRST(&hop->queue);
		if (hc->up && !hc->opening && hc->n < TUNNELS_PER_CONN && t)
			start_open(hc, t);
		if (!hc->up || (hc->opening && hc->n < TUNNELS_PER_CONN))
			more = false;
	}
	if (more && !TAILQ_EMPTY(&hop->queue) && !hop->failed &&
		hop->n_conns < CONNS_PER_HOP)
		add_conn(hop);
}
