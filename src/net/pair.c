/* pair: the life of one end of a test: how it is made, started and taken apart. load.c is what happens
 * in between. */
#include "net/pair.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/loop.h"
#include "common/units.h"
#include "net/impl.h"
#include "net/listener.h"
#include "net/udp_header.h"

/* How long a pair may wait to be started, besides its time-out. */
#define IDLE_NS (60 * NS_PER_SEC)
/* What a worker has open besides the connections of a pair, at least. */
#define OTHER_DESCRIPTORS 16u

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

void net_pair_fail(struct net_pair *p, const struct net_why *why)
{
	if (p->failing || p->state == PAIR_FINISHED)
		return;
	p->failing = true;
	p->why = *why;
	net_load_kill(p);
	if (p->moment)
		loop_timer_stop(p->moment);
	if (p->grace)
		loop_timer_stop(p->grace);
	loop_timer_stop(p->deadline);
	loop_timer_set(p->soon, 0, 0);
}

/* ---- setup ---- */

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

/* Better now than in the middle of so many connections, where only one end would know why. */
static int check_descriptors(uint32_t connections, struct net_why *why)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 ||
		connections + OTHER_DESCRIPTORS <= limit.rlim_cur)
		return 0;
	return net_failed(why, NET_FAIL_RESOURCES,
		"%u connections need more descriptors than the %llu that this worker may "
		"have: use fewer flows or raise the limit of open files (ulimit -n)",
		connections, (unsigned long long)limit.rlim_cur);
}

static int make_flows(struct net_pair *p, struct net_why *why)
{
	bool anchored = p->spec->protocol == NET_TCP;
	unsigned cpus = p->n_cpus ? (unsigned)p->n_cpus : net_cpu_usable();

	p->n_flows = p->spec->flows + (p->probe != NULL);
	if (p->method->by_thread && p->n_flows > cpus)
		p->n_flows = cpus;
	if (check_descriptors(p->n_flows + anchored, why) < 0)
		return -1;
	p->flows = aligned_alloc(NET_LINE, (p->n_flows + anchored) * sizeof(*p->flows));
	p->work = calloc(p->n_flows, sizeof(*p->work));
	p->cpu = calloc(2, sizeof(*p->cpu));
	if (!p->flows || !p->work || !p->cpu)
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
	return 0;
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
	if (net_load_init(p, why) < 0 || bind_cpus(p, why) < 0 || make_flows(p, why) < 0)
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
	p->probe = net_probe_for(p->spec, open->side);
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
	if (net_load_watch_anchor(p, &why) < 0) {
		net_pair_fail(p, &why);
		return;
	}
	for (uint32_t i = 0; p->client && net_is_udp(p) && i < p->n_flows; i++)
		if (p->method->lanes == LANE_OUT)
			udp_watch(p, &p->flows[i]);
	p->is_ready = true;
	if (p->client)
		loop_timer_set(p->soon, 0, 0);
}

/* Threads read from the sockets now. */
static void leave_flows(struct net_pair *p)
{
	for (uint32_t i = 0; i < p->n_flows; i++) {
		if (!(net_flow_method(p, &p->flows[i])->lanes & LANE_IN))
			continue;
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
	net_load_start(p, at_ns);
	return lead;
}

bool net_pair_stop(struct net_pair *p)
{
	if (p->state != PAIR_STARTED || p->failing)
		return p->failing && p->state != PAIR_FAILED;
	net_load_end(p, 'S');
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
		net_load_kill(p);
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
