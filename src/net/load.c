/* load: what happens to a pair while its load runs: the moments of its window, and all the ways to an end. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/loop.h"
#include "common/units.h"
#include "net/impl.h"
#include "net/udp_header.h"

/* What the last bytes may take at most. */
#define DRAIN_NS (10 * NS_PER_SEC)
/* All flows have ended, and the other end says nothing: it is gone. */
#define GRACE_NS (2 * NS_PER_SEC)
/* udp: pause between the words that no more comes, and how often they are said; and a flow on which
 * nothing came for so long is taken for drained. */
#define END_NS (20 * NS_PER_MS)
#define ENDS 3u
#define QUIET_NS (300 * NS_PER_MS)

void net_load_set(struct net_pair *p, enum load load)
{
	__atomic_store_n(&p->load, (uint32_t)load, __ATOMIC_RELAXED);
}

/* Connections of crr come and go in their threads. A transaction of mix ends before its flow does. */
static void shut_flows(struct net_pair *p, int how)
{
	pthread_mutex_lock(&p->lock);
	for (uint32_t i = 0; p->flows && i < p->n_flows; i++)
		if (p->flows[i].fd >= 0 &&
			!(how == SHUT_WR && net_is_probe(p, &p->flows[i])))
			shutdown(p->flows[i].fd, how);
	pthread_mutex_unlock(&p->lock);
}

void net_load_kill(struct net_pair *p)
{
	net_load_set(p, LOAD_DEAD);
	shut_flows(p, SHUT_RDWR);
	net_threads_wake(p);
}

static void fail_lost(struct net_pair *p, const char *what)
{
	struct net_why why = NET_WHY_INIT;
	struct net_address a = {.len = sizeof(a.sa)};
	char host[NET_ADDRESS_TEXT] = "";
	int fd = p->anchor ? p->anchor->fd : p->flows[0].fd;

	if (p->client)
		a = p->peer;
	else if (getpeername(fd, &a.sa.any, &a.len) < 0)
		a.len = 0;
	if (a.len)
		net_address_text(&a, host);
	net_failed(&why, NET_FAIL_LOST, "%s%s%s port %u %s",
		p->client ? "the server " : "the client ", *host ? "at " : "", host,
		a.len ? net_address_port(&a) : 0, what);
	net_pair_fail(p, &why);
}

static void say_end(struct net_pair *p, char how)
{
	if (p->anchor && p->anchor->fd >= 0)
		send(p->anchor->fd, &how, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static uint64_t drain_ns(const struct net_pair *p)
{
	return p->spec->timeout_ns < DRAIN_NS ? p->spec->timeout_ns : DRAIN_NS;
}

void net_load_end(struct net_pair *p, char how)
{
	if (p->state != PAIR_STARTED || net_over(p) || p->failing)
		return;
	net_window_close(p);
	net_load_set(p, LOAD_OVER);
	if (!net_is_udp(p) && p->method->lanes & LANE_OUT)
		shut_flows(p, SHUT_WR);
	net_threads_wake(p);
	say_end(p, how);
	net_window_closed(p);
	loop_timer_stop(p->grace);
	p->window_end_ns = clock_ns();
	p->next_moment = MOMENT_DRAIN;
	loop_timer_set(
		p->moment, p->window_end_ns + (net_is_udp(p) ? END_NS : drain_ns(p)), 0);
}

static uint32_t live(const uint32_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

static const struct flow *broken_flow(const struct net_pair *p)
{
	for (uint32_t i = 0; i < p->n_flows; i++)
		if (__atomic_load_n(&p->flows[i].errnum, __ATOMIC_RELAXED))
			return &p->flows[i];
	return NULL;
}

static void fail_broken(struct net_pair *p, const struct flow *f)
{
	char what[160];

	snprintf(what, sizeof(what), "is lost: flow %u broke: %s", f->index,
		strerror(__atomic_load_n(&f->errnum, __ATOMIC_RELAXED)));
	fail_lost(p, what);
}

/* A port that is closed. Its end may have been said to other flows, whose queues are still to be read. */
static void doubt(struct net_pair *p)
{
	if (p->peer_over || live(&p->heard_end)) {
		net_load_end(p, 'E');
		return;
	}
	if (!p->doubted)
		loop_timer_set(p->grace, clock_ns() + GRACE_NS, 0);
	p->doubted = true;
}

/* Looks whether the load has come to its end by itself. */
static void check_load(struct net_pair *p)
{
	const struct flow *broken = broken_flow(p);
	uint32_t lanes = live(&p->lanes_live), drivers = live(&p->drivers_live);

	if (broken && net_is_udp(p)) {
		doubt(p);
	} else if (broken) {
		fail_broken(p, broken);
	} else if (p->limited && p->method->drivers && !drivers) {
		net_load_end(p, 'S');
	} else if (!lanes && (net_is_udp(p) || p->peer_over)) {
		net_load_end(p, 'E');
	} else if (net_is_udp(p) && lanes == drivers && p->method->lanes != LANE_OUT &&
		   !(p->method->drivers & LANE_IN)) {
		/* both ways: the other end has said its end */
		net_load_end(p, 'S');
	} else if (!lanes) {
		loop_timer_set(p->grace, clock_ns() + GRACE_NS, 0);
	}
}

/* Calls back and may leave p gone. */
static void check(struct net_pair *p)
{
	if (p->state != PAIR_STARTED || p->failing)
		return;
	if (!net_over(p))
		check_load(p);
	/* nothing else ends threads that take connections */
	if (p->method->by_thread && net_over(p) && p->peer_over && !p->failing)
		net_load_kill(p);
	if (p->failing || !net_over(p) || live(&p->threads_live))
		return;
	if (net_is_udp(p) && p->ends_said < ENDS && net_load(p) != LOAD_DEAD)
		return;
	loop_timer_stop(p->moment);
	net_result_say(p);
}

static void on_done(struct loop_fd *w, uint32_t events, void *user)
{
	struct net_pair *p = user;
	eventfd_t ignored;

	(void)w;
	(void)events;
	eventfd_read(p->done_fd, &ignored);
	check(p);
}

static void on_grace(struct loop_timer *t, void *user)
{
	struct net_pair *p = user;
	const struct flow *broken = broken_flow(p);

	(void)t;
	if (broken)
		fail_broken(p, broken);
	else
		fail_lost(p, "closed all flows in the middle of the test");
}

void net_peer_stopped(struct net_pair *p)
{
	p->peer_over = true;
	/* what only receives ends with the last byte */
	if (net_drives(p) || p->method->by_thread)
		net_load_end(p, 'E');
}

static void on_anchor(struct loop_fd *w, uint32_t events, void *user)
{
	struct net_pair *p = user;
	char words[8];
	ssize_t n = recv(p->anchor->fd, words, sizeof(words), MSG_DONTWAIT);

	(void)w;
	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	for (ssize_t i = 0; i < n; i++) {
		p->peer_over = true;
		if (words[i] == 'S' || p->method->by_thread)
			net_peer_stopped(p);
	}
	if (n <= 0) {
		loop_fd_del(p->anchor->watch);
		p->anchor->watch = NULL;
		if (!p->peer_over && !net_over(p)) {
			fail_lost(p, "is gone: its worker ended, or its network was cut");
			return;
		}
	}
	check(p);
}

/* ---- moments ---- */

static void next_run(struct net_pair *p)
{
	uint64_t begin = p->start_ns + net_spec_lead_ns(p->spec);
	uint64_t end = p->start_ns + p->spec->warmup_ns + p->spec->duration_ns, next;

	p->next_moment = MOMENT_RUN;
	if (!p->spec->interval_ns) {
		loop_timer_set(p->moment, end, 0);
		return;
	}
	next = begin + (p->seq + 1) * p->spec->interval_ns;
	loop_timer_set(p->moment, next < end ? next : end, 0);
}

static void run_moment(struct net_pair *p)
{
	uint64_t end = p->start_ns + p->spec->warmup_ns + p->spec->duration_ns;

	if (clock_ns() >= end) {
		net_load_end(p, 'E');
		check(p);
		return;
	}
	net_interval_say(p);
	next_run(p);
}

/* udp: repeats the end, and waits until nothing more comes. */
static void drain_udp(struct net_pair *p)
{
	uint64_t now = clock_ns();
	struct sample s;

	if (!live(&p->drivers_live) && p->ends_said < ENDS) {
		udp_say_end(p);
		p->ends_said++;
	}
	net_sample(p, &s);
	if (s.counts.bytes_recvd != p->drained_bytes || !p->quiet_since_ns)
		p->quiet_since_ns = now;
	p->drained_bytes = s.counts.bytes_recvd;
	if (now - p->quiet_since_ns > QUIET_NS || now - p->window_end_ns > drain_ns(p))
		net_load_kill(p);
	loop_timer_set(p->moment, now + END_NS, 0);
	check(p);
}

static void drain_moment(struct net_pair *p)
{
	if (net_is_udp(p)) {
		drain_udp(p);
		return;
	}
	if (!p->method->by_thread)
		remarks_add(&p->remarks,
			"what was under way at the end had not all come after %s",
			units_duration(drain_ns(p)).s);
	net_load_kill(p);
}

static void on_moment(struct loop_timer *t, void *user)
{
	struct net_pair *p = user;

	(void)t;
	switch (p->next_moment) {
	case MOMENT_IDLE:
		net_load_set(p, LOAD_IDLE);
		p->next_moment = MOMENT_OPEN;
		loop_timer_set(p->moment, p->start_ns + net_spec_lead_ns(p->spec), 0);
		break;
	case MOMENT_OPEN:
		net_window_open(p, 0);
		net_load_set(p, LOAD_WINDOW);
		net_window_look(p);
		next_run(p);
		break;
	case MOMENT_LOOK:
		net_window_look(p);
		next_run(p);
		break;
	case MOMENT_RUN:
		run_moment(p);
		break;
	case MOMENT_DRAIN:
		drain_moment(p);
		break;
	}
}

void net_load_start(struct net_pair *p, uint64_t at_ns)
{
	uint64_t warmup = p->spec->warmup_ns;
	bool at_once = net_spec_lead_ns(p->spec) == 0;

	p->start_ns = at_ns;
	p->next_moment = at_once ? MOMENT_LOOK : MOMENT_OPEN;
	if (p->probe)
		p->next_moment = MOMENT_IDLE;
	/* the window begins with the load itself: nothing of it is missed */
	if (at_once)
		net_window_open(p, at_ns);
	net_load_set(p, at_once ? LOAD_WINDOW : LOAD_WARMUP);
	if (p->probe && !warmup)
		net_load_set(p, LOAD_IDLE);
	net_threads_go(p, at_ns);
	loop_timer_set(p->moment, at_ns + warmup, 0);
}

int net_load_init(struct net_pair *p, struct net_why *why)
{
	p->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->done_fd < 0)
		return net_failed(
			why, NET_FAIL_RESOURCES, "no descriptor is left for a test");
	p->done_watch = loop_fd_add(p->loop, p->done_fd, EPOLLIN, on_done, p, &why->err);
	p->moment = loop_timer_add(p->loop, UINT64_MAX, 0, on_moment, p);
	p->grace = loop_timer_add(p->loop, UINT64_MAX, 0, on_grace, p);
	return p->done_watch ? 0 : -1;
}

int net_load_watch_anchor(struct net_pair *p, struct net_why *why)
{
	if (!p->anchor)
		return 0;
	p->anchor->watch =
		loop_fd_add(p->loop, p->anchor->fd, EPOLLIN, on_anchor, p, &why->err);
	return p->anchor->watch ? 0 : -1;
}
