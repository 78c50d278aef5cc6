/* lane: when the load of a flow begins, and that a lane of it has ended: what threads of both kinds say. */
#include <pthread.h>
#include <sys/eventfd.h>
#include <time.h>

#include "common/clock.h"
#include "common/units.h"
#include "net/impl.h"

uint64_t net_flow_begin_ns(const struct net_pair *p, const struct flow *f)
{
	if (!p->probe)
		return p->start_ns + f->index * p->spec->stagger_ns;
	if (net_is_probe(p, f))
		return p->start_ns;
	return p->start_ns + net_spec_lead_ns(p->spec) +
	       (f->index - 1) * p->spec->stagger_ns;
}

void net_flow_begins(struct net_pair *p, uint64_t at_ns)
{
	uint64_t now = clock_ns(), late = now > at_ns ? now - at_ns : 1;
	uint64_t before = __atomic_load_n(&p->late_ns, __ATOMIC_RELAXED);

	while ((!before || late < before) &&
		!__atomic_compare_exchange_n(&p->late_ns, &before, late, true,
			__ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

bool net_wait_until(struct net_pair *p, uint64_t at_ns)
{
	struct timespec at = {
		.tv_sec = (time_t)(at_ns / NS_PER_SEC),
		.tv_nsec = (long)(at_ns % NS_PER_SEC),
	};
	bool goes_on;

	pthread_mutex_lock(&p->lock);
	while (!net_over(p) && clock_ns() < at_ns)
		pthread_cond_timedwait(&p->changed, &p->lock, &at);
	goes_on = !net_over(p);
	pthread_mutex_unlock(&p->lock);
	return goes_on;
}

void net_lane_done(struct net_pair *p, bool driver)
{
	if (driver)
		__atomic_fetch_sub(&p->drivers_live, 1, __ATOMIC_RELEASE);
	__atomic_fetch_sub(&p->lanes_live, 1, __ATOMIC_RELEASE);
	eventfd_write(p->done_fd, 1);
}
