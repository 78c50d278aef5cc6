/* gate: where threads wait for the common start. */
#include "worker/engine/gate.h"

#include <errno.h>
#include <sys/prctl.h>
#include <time.h>

#include "common/clock.h"
#include "common/units.h"

/* The last bit is slept through without listening for changes: a condition variable wakes its
 * waiters one after the other. */
#define LAST_BIT_NS (2 * NS_PER_MS)

void gate_init(struct gate *g)
{
	pthread_condattr_t attr;

	*g = (struct gate){0};
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->changed, &attr);
	pthread_condattr_destroy(&attr);
}

void gate_finish(struct gate *g)
{
	pthread_cond_destroy(&g->changed);
	pthread_mutex_destroy(&g->lock);
}

bool gate_open(struct gate *g, uint64_t at_ns)
{
	pthread_mutex_lock(&g->lock);
	bool early = !g->passed;

	if (early)
		g->at_ns = at_ns;
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
	return early;
}

void gate_cancel(struct gate *g)
{
	pthread_mutex_lock(&g->lock);
	g->cancelled = true;
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
}

/* With the lock held: returns when the time is near, or the gate cancelled. */
static void wait_until_near(struct gate *g)
{
	while (!g->cancelled) {
		uint64_t wake_ns = g->at_ns - LAST_BIT_NS;

		if (g->at_ns == 0) {
			pthread_cond_wait(&g->changed, &g->lock);
			continue;
		}
		if (clock_ns() >= wake_ns)
			return;
		struct timespec ts = {
			.tv_sec = (time_t)(wake_ns / NS_PER_SEC),
			.tv_nsec = (long)(wake_ns % NS_PER_SEC),
		};
		pthread_cond_timedwait(&g->changed, &g->lock, &ts);
	}
}

uint64_t gate_wait(struct gate *g)
{
	uint64_t at_ns, unset = 0;

	/* the kernel may otherwise add 50 us to every sleep */
	prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
	pthread_mutex_lock(&g->lock);
	wait_until_near(g);
	at_ns = g->cancelled ? 0 : g->at_ns;
	if (at_ns)
		g->passed = true;
	pthread_mutex_unlock(&g->lock);
	if (!at_ns)
		return 0;
	clock_sleep_until(at_ns);
	__atomic_compare_exchange_n(&g->first_ns, &unset, clock_ns(), false,
		__ATOMIC_RELAXED, __ATOMIC_RELAXED);
	return at_ns;
}

uint64_t gate_first_ns(const struct gate *g)
{
	return __atomic_load_n(&g->first_ns, __ATOMIC_RELAXED);
}
