/* pair: the life of one end of a test: what happens when, and how it ends. */
#include "net/pair.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/loop.h"
#include "common/units.h"
#include "net/impl.h"
#include "net/listener.h"
#include "net/udp_header.h"

/* How long a pair may wait to be started, besides its time-out. */
#define IDLE_NS (60 * NS_PER_SEC)
/* What the last bytes may take at most. */
#define DRAIN_NS (10 * NS_PER_SEC)
/* All flows have ended, and the other end says nothing: it is gone. */
#define GRACE_NS (2 * NS_PER_SEC)
/* udp: pause between the words that no more comes, and how often they are said; and a flow on which
 * nothing came for so long is taken for drained. */
#define END_NS (20 * NS_PER_MS)
#define ENDS 3u
#define QUIET_NS (300 * NS_PER_MS)

/* ---- failure ---- */

static void on_soon(struct loop_timer *t, void *user)
{
	struct net_pair *p = user;

	(void)t;
	if (p->failing) {
		p->state = PAIR_FAILED;
		p->events.failed(p, p->why.failure, p->why.err.text, p->user);
		return;
	}
	if (p->is_ready && p->state == PAIR_OPENING) {
		p->state = PAIR_READY;
		p->events.ready(p, p->client ? 0 : net_listener_port(p->listener),
			p->remarks.items, p->user);
	}
}

static void set_load(struct net_pair *p, enum load load)
{
	__atomic_store_n(&p->load, (uint32_t)load, __ATOMIC_RELAXED);
}

/* Connections of crr come and go in their threads. */
static void shut_flows(struct net_pair *p, int how)
{
	pthread_mutex_lock(&p->lock);
	for (uint32_t i = 0; i < p->n_flows; i++)
		if (p->flows[i].fd >= 0)
			shutdown(p->flows[i].fd, how);
	pthread_mutex_unlock(&p->lock);
}

/* Threads end now, whatever they do. */
static void kill_load(struct net_pair *p)
{
	set_load(p, LOAD_DEAD);
	shut_flows(p, SHUT_RDWR);
	net_threads_wake(p);
}

void net_pair_fail(struct net_pair *p, const struct net_why *why)
{
	if (p->failing || p->state == PAIR_FINISHED)
		return;
	p->failing = true;
	p->why = *why;
	kill_load(p);
	loop_timer_stop(p->moment);
	loop_timer_stop(p->grace);
	loop_timer_stop(p->deadline);
	loop_timer_set(p->soon, 0, 0);
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

/* ---- the end of the load ---- */

static void say_end(struct net_pair *p, char how)
{
	if (p->anchor && p->anchor->fd >= 0)
		send(p->anchor->fd, &how, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static uint64_t drain_ns(const struct net_pair *p)
{
	return p->spec->timeout_ns < DRAIN_NS ? p->spec->timeout_ns : DRAIN_NS;
}

static bool is_udp(const struct net_pair *p)
{
	return p->spec->protocol == NET_UDP;
}

/* how: 'E', its time was over; 'S', before that. */
static void end_load(struct net_pair *p, char how)
{
	if (p->state != PAIR_STARTED || net_over(p) || p->failing)
		return;
	net_window_close(p);
	set_load(p, LOAD_OVER);
	if (!is_udp(p) && p->method->lanes & LANE_OUT)
		shut_flows(p, SHUT_WR);
	net_threads_wake(p);
	say_end(p, how);
	net_window_closed(p);
	loop_timer_stop(p->grace);
	p->window_end_ns = clock_ns();
	p->next_moment = MOMENT_DRAIN;
	loop_timer_set(
		p->moment, p->window_end_ns + (is_udp(p) ? END_NS : drain_ns(p)), 0);
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

/* Looks whether the load has come to its end by itself. */
static void check_load(struct net_pair *p)
{
	const struct flow *broken = broken_flow(p);
	uint32_t lanes = live(&p->lanes_live), drivers = live(&p->drivers_live);
	char what[160];

	if (broken) {
		snprintf(what, sizeof(what), "is lost: flow %u broke: %s", broken->index,
			strerror(__atomic_load_n(&broken->errnum, __ATOMIC_RELAXED)));
		fail_lost(p, what);
	} else if (p->limited && p->method->drivers && !drivers) {
		end_load(p, 'S');
	} else if (!lanes && (is_udp(p) || p->peer_over)) {
		end_load(p, 'E');
	} else if (is_udp(p) && lanes == drivers && p->method->lanes != LANE_OUT &&
		   !(p->method->drivers & LANE_IN)) {
		/* both ways: the other end has said its end */
		end_load(p, 'S');
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
		kill_load(p);
	if (p->failing || !net_over(p) || live(&p->threads_live))
		return;
	if (is_udp(p) && p->ends_said < ENDS && net_load(p) != LOAD_DEAD)
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
	(void)t;
	fail_lost(user, "closed all flows in the middle of the test");
}

void net_peer_stopped(struct net_pair *p)
{
	p->peer_over = true;
	/* what only receives ends with the last byte */
	if (p->method->drivers || p->method->by_thread)
		end_load(p, 'E');
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
	uint64_t end = p->start_ns + p->spec->warmup_ns + p->spec->duration_ns, next;

	p->next_moment = MOMENT_RUN;
	if (!p->spec->interval_ns) {
		loop_timer_set(p->moment, end, 0);
		return;
	}
	next = p->start_ns + p->spec->warmup_ns + (p->seq + 1) * p->spec->interval_ns;
	loop_timer_set(p->moment, next < end ? next : end, 0);
}

static void run_moment(struct net_pair *p)
{
	uint64_t end = p->start_ns + p->spec->warmup_ns + p->spec->duration_ns;

	if (clock_ns() >= end) {
		end_load(p, 'E');
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
		kill_load(p);
	loop_timer_set(p->moment, now + END_NS, 0);
	check(p);
}

static void drain_moment(struct net_pair *p)
{
	if (is_udp(p)) {
		drain_udp(p);
		return;
	}
	if (!p->method->by_thread)
		remarks_add(&p->remarks,
			"what was under way at the end had not all come after %s",
			units_duration(drain_ns(p)).s);
	kill_load(p);
}

static void on_moment(struct loop_timer *t, void *user)
{
	struct net_pair *p = user;

	(void)t;
	switch (p->next_moment) {
	case MOMENT_OPEN:
		net_window_open(p, 0);
		set_load(p, LOAD_WINDOW);
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

static void on_deadline(struct loop_timer *t, void *user)
{
	struct net_pair *p = user;
	struct net_why why = NET_WHY_INIT;
	uint32_t all = p->n_flows + (p->anchor != NULL);

	(void)t;
	if (p->client || p->n_here == all)
		net_failed(&why, NET_FAIL_TIMEOUT, "the test was not started in %s",
			units_duration(IDLE_NS + p->spec->timeout_ns).s);
	else
		net_failed(&why, NET_FAIL_TIMEOUT,
			"%u of %u connections of the client came to port %u in %s: does "
			"a "
			"firewall drop packets?",
			p->n_here, all, net_listener_port(p->listener),
			units_duration(IDLE_NS + p->spec->timeout_ns).s);
	net_pair_fail(p, &why);
}

/* ---- setup ---- */

static int bind_cpus(struct net_pair *p, struct net_why *why)
{
	cpu_set_t usable;

	if (!p->end->cpus)
		return 0;
	p->cpus = calloc(NET_CPUS, sizeof(*p->cpus));
	p->n_cpus = p->cpus ? net_cpu_list(p->end->cpus, p->cpus, NET_CPUS) : -1;
	if (p->n_cpus < 1) {
		p->n_cpus = 0;
		return net_failed(why, NET_FAIL_OPTION,
			"\"%s\" is no list of processors like 0-3,8", p->end->cpus);
	}
	CPU_ZERO(&usable);
	sched_getaffinity(0, sizeof(usable), &usable);
	for (int i = 0; i < p->n_cpus; i++)
		if (p->cpus[i] >= CPU_SETSIZE || !CPU_ISSET(p->cpus[i], &usable))
			return net_failed(why, NET_FAIL_OPTION,
				"processor %u is not there for this worker, which may "
				"use "
				"%u",
				p->cpus[i], net_cpu_usable());
	return 0;
}

static int make_flows(struct net_pair *p, struct net_why *why)
{
	bool anchored = p->spec->protocol == NET_TCP;
	unsigned cpus = p->n_cpus ? (unsigned)p->n_cpus : net_cpu_usable();

	p->n_flows = p->spec->flows;
	if (p->method->by_thread && p->n_flows > cpus)
		p->n_flows = cpus;
	p->flows = aligned_alloc(NET_LINE, (p->n_flows + anchored) * sizeof(*p->flows));
	p->work = calloc(p->n_flows, sizeof(*p->work));
	p->cpu = calloc(2, sizeof(*p->cpu));
	p->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!p->flows || !p->work || !p->cpu || p->done_fd < 0)
		return net_failed(
			why, NET_FAIL_RESOURCES, "no memory for %u flows", p->n_flows);
	memset(p->flows, 0, (p->n_flows + anchored) * sizeof(*p->flows));
	for (uint32_t i = 0; i < p->n_flows + anchored; i++) {
		p->flows[i].pair = p;
		p->flows[i].index = i;
		p->flows[i].fd = -1;
	}
	if (anchored) {
		p->anchor = &p->flows[p->n_flows];
		p->anchor->index = NET_ANCHOR;
	}
	p->done_watch = loop_fd_add(p->loop, p->done_fd, EPOLLIN, on_done, p, &why->err);
	return p->done_watch ? 0 : -1;
}

static int set_up(struct net_pair *p, struct net_listener *shared, struct net_why *why)
{
	uint64_t limit = p->spec->test == NET_STREAM ? p->spec->max_bytes
						     : p->spec->max_transactions;

	if (net_spec_check(p->spec, &why->err) < 0) {
		why->failure = NET_FAIL_OPTION;
		return -1;
	}
	p->limited = limit > 0;
	p->left = limit;
	if (bind_cpus(p, why) < 0 || make_flows(p, why) < 0)
		return -1;
	if (p->client)
		return net_connect_begin(p, why);
	if (net_arrive_begin(p, shared, why) < 0)
		return -1;
	p->is_ready = true;
	loop_timer_set(p->soon, 0, 0);
	return 0;
}

static int copy_open(struct net_pair *p, const struct net_open *open)
{
	struct net_open *o = &p->open;
	int rc;

	*o = *open;
	o->address = strdup(open->address ? open->address : "");
	o->bind = open->bind ? strdup(open->bind) : NULL;
	rc = net_spec_copy(&o->spec, &open->spec);
	net_token_parse(open->token, p->token);
	explicit_bzero(o->token, sizeof(o->token));
	return o->address && (o->bind || !open->bind) ? rc : -ENOMEM;
}

static void init_lock(struct net_pair *p)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->changed, &attr);
	pthread_condattr_destroy(&attr);
}

struct net_pair *net_pair_create(struct loop *loop, struct net_listener *shared,
	const struct net_open *open, const struct net_pair_events *e, void *user)
{
	struct net_pair *p = aligned_alloc(NET_LINE, sizeof(*p));
	struct net_why why = NET_WHY_INIT;

	if (!p)
		abort();
	memset(p, 0, sizeof(*p));
	p->loop = loop;
	p->events = *e;
	p->user = user;
	p->done_fd = -1;
	p->client = open->side == NET_CLIENT;
	init_lock(p);
	p->soon = loop_timer_add(loop, UINT64_MAX, 0, on_soon, p);
	p->moment = loop_timer_add(loop, UINT64_MAX, 0, on_moment, p);
	p->grace = loop_timer_add(loop, UINT64_MAX, 0, on_grace, p);
	p->deadline = loop_timer_add(
		loop, clock_ns() + IDLE_NS + open->spec.timeout_ns, 0, on_deadline, p);
	if (copy_open(p, open) < 0) {
		net_failed(&why, NET_FAIL_RESOURCES, "no memory for a test");
		net_pair_fail(p, &why);
		return p;
	}
	p->spec = &p->open.spec;
	p->end = p->client ? &p->spec->local : &p->spec->remote;
	p->method = net_method_for(p->spec, open->side);
	if (set_up(p, shared, &why) < 0)
		net_pair_fail(p, &why);
	return p;
}

void net_pair_connected(struct net_pair *p)
{
	struct net_why why = NET_WHY_INIT;

	if (p->failing || p->threads)
		return;
	if (net_threads_create(p, &why) < 0) {
		net_pair_fail(p, &why);
		return;
	}
	p->ran_on = calloc(p->n_threads, sizeof(*p->ran_on));
	if (!p->ran_on)
		abort();
	for (uint32_t i = 0; i < p->n_threads; i++)
		p->ran_on[i] = -1;
	if (p->anchor)
		p->anchor->watch = loop_fd_add(
			p->loop, p->anchor->fd, EPOLLIN, on_anchor, p, &why.err);
	if (p->anchor && !p->anchor->watch) {
		net_pair_fail(p, &why);
		return;
	}
	for (uint32_t i = 0; p->client && is_udp(p) && i < p->n_flows; i++)
		if (p->method->lanes == LANE_OUT)
			udp_watch(p, &p->flows[i]);
	p->is_ready = true;
	if (p->client)
		loop_timer_set(p->soon, 0, 0);
}

/* Threads read from the sockets now. */
static void leave_flows(struct net_pair *p)
{
	for (uint32_t i = 0; p->method->lanes & LANE_IN && i < p->n_flows; i++) {
		loop_fd_del(p->flows[i].watch);
		p->flows[i].watch = NULL;
	}
	if (p->method->by_thread)
		net_listener_pause(p->listener, true);
}

int64_t net_pair_start(struct net_pair *p, uint64_t at_ns)
{
	struct net_why why = NET_WHY_INIT;
	int64_t lead = (int64_t)(at_ns - clock_ns());

	if (p->failing || p->state != PAIR_READY || lead <= 0)
		return lead;
	if (!p->threads) {
		net_failed(&why, NET_FAIL_OTHER,
			"the test was started when only %u connections of its client had "
			"come",
			p->n_here);
		net_pair_fail(p, &why);
		return lead;
	}
	leave_flows(p);
	loop_timer_stop(p->deadline);
	p->state = PAIR_STARTED;
	p->start_ns = at_ns;
	p->next_moment = p->spec->warmup_ns ? MOMENT_OPEN : MOMENT_LOOK;
	/* the window begins with the load itself: nothing of it is missed */
	if (!p->spec->warmup_ns)
		net_window_open(p, at_ns);
	set_load(p, p->spec->warmup_ns ? LOAD_WARMUP : LOAD_WINDOW);
	net_threads_go(p, at_ns);
	loop_timer_set(p->moment, at_ns + p->spec->warmup_ns, 0);
	return lead;
}

bool net_pair_stop(struct net_pair *p)
{
	if (p->state != PAIR_STARTED || p->failing)
		return p->failing && p->state != PAIR_FAILED;
	end_load(p, 'S');
	return true;
}

void net_pair_destroy(struct net_pair *p)
{
	if (!p)
		return;
	loop_timer_del(p->soon);
	loop_timer_del(p->moment);
	loop_timer_del(p->grace);
	loop_timer_del(p->deadline);
	if (p->flows) {
		kill_load(p);
		net_threads_destroy(p);
		net_connect_stop(p);
		if (p->anchor)
			loop_fd_del(p->anchor->watch);
	}
	if (p->own_listener || p->expected)
		net_arrive_stop(p);
	loop_fd_del(p->done_watch);
	for (uint32_t i = 0; p->flows && i < p->n_flows + (p->anchor != NULL); i++)
		if (p->flows[i].fd >= 0)
			close(p->flows[i].fd);
	for (uint32_t i = 0; i < p->n_adopted; i++)
		close(p->adopted[i]);
	if (p->done_fd >= 0)
		close(p->done_fd);
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	remarks_finish(&p->remarks);
	net_spec_finish(&p->open.spec);
	free(p->open.address);
	free(p->open.bind);
	free(p->socket.congestion);
	free(p->socket.source);
	free(p->socket.dest);
	free(p->flows);
	free(p->work);
	free(p->cpu);
	free(p->cpus);
	free(p->ran_on);
	free(p->bytes);
	explicit_bzero(p->token, sizeof(p->token));
	free(p);
}
