/* drive_many: a thread with many flows. It waits for all their sockets at once, and for the moment when
 * the next transaction is due. */
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>

#include "common/clock.h"
#include "common/units.h"
#include "net/impl.h"

#define BATCH 256
#define TICK_NS (10 * NS_PER_MS)

struct driver {
	struct net_thread *t;
	uint32_t live;  /* flows with a live lane */
	uint32_t begun; /* flows before it have begun */
	uint64_t tick_ns;
	bool over;
};

void net_flow_watch(struct net_thread *t, struct flow *f)
{
	uint32_t events =
		(f->live & LANE_IN ? EPOLLIN : 0u) | (f->wants_out ? EPOLLOUT : 0u);
	struct epoll_event e = {.events = events, .data.ptr = f};

	/* one that has ended is not in the set any more */
	if (f->fd < 0 || (f->watched && (events == f->events || !f->live)))
		return;
	if (epoll_ctl(t->epoll_fd, f->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, f->fd,
		    &e) < 0)
		net_flow_broke(f, errno);
	f->events = events;
	f->watched = true;
}

static void end_lanes(struct driver *d, struct flow *f, unsigned lanes)
{
	struct net_pair *p = d->t->pair;

	lanes &= f->live;
	f->live &= ~lanes;
	if (lanes & LANE_OUT) {
		f->wants_out = false;
		net_lane_done(p, p->method->drivers & LANE_OUT);
	}
	if (lanes & LANE_IN)
		net_lane_done(p, p->method->drivers & LANE_IN);
	if (f->live || !lanes)
		return;
	d->live--;
	if (f->fd >= 0)
		epoll_ctl(d->t->epoll_fd, EPOLL_CTL_DEL, f->fd, NULL);
}

/* rr and crr have one lane, whichever way it goes. */
static void handle(struct driver *d, struct flow *f, uint32_t events)
{
	const struct net_method *m = d->t->pair->method;
	bool both = m->lanes == (LANE_IN | LANE_OUT);

	if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP) && m->out &&
		(f->wants_out || f->live & LANE_OUT) && m->out(d->t, f) == STEP_DONE)
		end_lanes(d, f, both ? LANE_OUT : f->live);
	if (events & (EPOLLIN | EPOLLERR | EPOLLHUP) && f->live & LANE_IN &&
		m->in(d->t, f) == STEP_DONE)
		end_lanes(d, f, LANE_IN);
	if (f->live)
		net_flow_watch(d->t, f);
}

/* Begins the flows whose time has come, and says when the next one's will. */
static uint64_t begin(struct driver *d, uint64_t now)
{
	struct net_thread *t = d->t;
	struct net_pair *p = t->pair;

	for (; d->begun < t->n_flows; d->begun++) {
		struct flow *f = net_thread_flow(t, d->begun);
		uint64_t at = net_flow_begin_ns(p, f);

		if (!p->method->drivers)
			continue;
		if (at > now && !d->over)
			return at;
		if (!(f->live & p->method->drivers))
			continue;
		f->begun = true;
		if (!d->over)
			net_flow_begins(p, at);
		f->wants_out = p->method->drivers & LANE_OUT;
		if (!d->over && p->method->begin && p->method->begin(t, f) == STEP_DONE)
			end_lanes(d, f, p->method->drivers);
		net_flow_watch(t, f);
	}
	return UINT64_MAX;
}

static void tick(struct driver *d, uint64_t now)
{
	const struct net_method *m = d->t->pair->method;

	d->tick_ns = now + TICK_NS;
	for (uint32_t i = 0; m->tick && i < d->t->n_flows; i++) {
		struct flow *f = net_thread_flow(d->t, i);

		if (!f->live || !f->begun)
			continue;
		if (m->tick(d->t, f, now) == STEP_DONE)
			end_lanes(d, f, f->live);
		else
			net_flow_watch(d->t, f);
	}
}

static void end_load(struct driver *d)
{
	struct net_pair *p = d->t->pair;

	d->over = true;
	begin(d, UINT64_MAX);
	for (uint32_t i = 0; i < d->t->n_flows; i++) {
		struct flow *f = net_thread_flow(d->t, i);
		unsigned drivers = f->live & p->method->drivers;

		if (drivers &&
			(!p->method->over || p->method->over(d->t, f) == STEP_DONE))
			end_lanes(d, f, drivers);
		if (f->live)
			net_flow_watch(d->t, f);
	}
}

static int wait_for(struct net_thread *t, struct epoll_event *events, uint64_t until_ns)
{
	struct pollfd ready = {.fd = t->epoll_fd, .events = POLLIN};
	uint64_t now = until_ns == UINT64_MAX ? 0 : clock_ns();
	uint64_t left = until_ns > now ? until_ns - now : 0;
	struct timespec pause = {
		.tv_sec = (time_t)(left / NS_PER_SEC),
		.tv_nsec = (long)(left % NS_PER_SEC),
	};

	if (until_ns == UINT64_MAX)
		return epoll_wait(t->epoll_fd, events, BATCH, -1);
	/* epoll_wait counts in ms */
	if (left && ppoll(&ready, 1, &pause, NULL) <= 0)
		return 0;
	return epoll_wait(t->epoll_fd, events, BATCH, 0);
}

/* All that time brings; the moment of the next. */
static uint64_t on_time(struct driver *d)
{
	struct net_thread *t = d->t;
	const struct net_method *m = t->pair->method;
	uint64_t next, now;

	if (d->begun >= t->n_flows && !m->due && !m->tick)
		return UINT64_MAX;
	now = clock_ns();
	next = begin(d, now);
	if (m->due && !d->over && now >= t->pair->start_ns) {
		uint64_t due = m->due(t, now);

		next = due < next ? due : next;
	} else if (m->due && !d->over) {
		next = t->pair->start_ns;
	}
	if (m->tick) {
		if (now >= d->tick_ns)
			tick(d, now);
		next = d->tick_ns < next ? d->tick_ns : next;
	}
	return next;
}

void net_drive_many(struct net_thread *t)
{
	struct driver d = {.t = t, .live = t->n_flows};
	struct epoll_event events[BATCH], wake = {.events = EPOLLIN};
	eventfd_t ignored;

	epoll_ctl(t->epoll_fd, EPOLL_CTL_ADD, t->wake_fd, &wake);
	for (uint32_t i = 0; i < t->n_flows; i++) {
		struct flow *f = net_thread_flow(t, i);

		f->live = t->pair->method->lanes;
		net_flow_watch(t, f);
	}
	while (d.live && net_load(t->pair) != LOAD_DEAD) {
		uint64_t next = on_time(&d);
		int n = d.live ? wait_for(t, events, next) : 0;

		for (int i = 0; i < n; i++) {
			struct flow *f = events[i].data.ptr;

			if (f && f->live)
				handle(&d, f, events[i].events);
			else if (!f)
				eventfd_read(t->wake_fd, &ignored);
		}
		if (!d.over && net_over(t->pair))
			end_load(&d);
	}
}
