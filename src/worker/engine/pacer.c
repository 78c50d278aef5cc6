/* pacer: due times of open loops, and waiting for them. */
#include "worker/engine/pacer.h"

#include <errno.h>
#include <linux/futex.h>
#include <math.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/units.h"
#include "worker/host/limits.h"

/* A wake-up from a sleep comes 16 to 25 us late, seldom more than 50. */
#define HYBRID_SPIN_NS (60 * NS_PER_US)
/* No gap is longer: 18 years are beyond any run, and sums stay within 64 bits. */
#define GAP_MAX (UINT64_C(1) << 59)
/* Gaps of which any number of threads may add theirs at once. */
#define GAP_SMALL (UINT64_C(1) << 44)
/* More ops than these are counted by one draw instead of gap by gap. */
#define COUNT_ONE_BY_ONE 100000.0

static uint64_t fixed(double ns)
{
	double units = ns * (1 << PACER_BITS);

	return units < (double)GAP_MAX ? (uint64_t)(units + 0.5) : GAP_MAX;
}

/* Up: gaps that add up to a second must not end just before it, where one more op would be due. */
static uint64_t fixed_gap(double ns)
{
	double units = ceil(ns * (1 << PACER_BITS));

	return units < (double)GAP_MAX ? (uint64_t)units : GAP_MAX;
}

static uint64_t exponential(struct rng *r, double mean)
{
	/* 1 - u is never 0 */
	double gap = -log(1.0 - rng_double(r)) * mean;

	return gap < (double)GAP_MAX ? (uint64_t)gap : GAP_MAX;
}

uint64_t pacer_poisson_gap(struct pacer *p)
{
	return exponential(&p->rng, p->mean_gap);
}

/* How long before a due time a thread of so many stops sleeping. */
static uint64_t spin_ns(enum timer timer, uint32_t threads)
{
	struct limits l;

	switch (timer) {
	case TIMER_SLEEP:
		return 0;
	case TIMER_HYBRID:
		return HYBRID_SPIN_NS;
	case TIMER_SPIN:
		return UINT64_MAX;
	default:
		limits_read("", &l);
		return threads <= l.cpus ? HYBRID_SPIN_NS : 0;
	}
}

/* Ops of the worker's schedule are shifted against those of other workers. */
static double phase_of(const struct pacing *pacing)
{
	return pacing->count ? (double)pacing->index / pacing->count : 0;
}

void pacer_init(struct pacer *p, const struct pacing *pacing, struct pacer_shared *shared,
	uint32_t index, uint32_t threads)
{
	double rate;

	*p = (struct pacer){.holds = true};
	if (!pacing || !(pacing->rate.ops > 0))
		return;
	rate = pacing->rate.ops / (shared ? 1 : threads);
	p->open = true;
	p->shared = shared;
	p->holds = shared == NULL;
	p->poisson = pacing->rate.arrival == ARRIVAL_POISSON;
	p->mean_gap = 1e9 / rate * (1 << PACER_BITS);
	p->gap = fixed_gap(1e9 / rate);
	if (p->gap == 0)
		p->gap = 1;
	p->spin_ns = spin_ns(pacing->rate.timer, threads);
	rng_seed(&p->rng, rng_mix(pacing->seed ^
				  rng_mix(((uint64_t)pacing->index << 32) + index + 1)) +
				  1);
	if (shared)
		return;
	p->next = p->poisson ? pacer_poisson_gap(p)
			     : fixed((index + phase_of(pacing)) * 1e9 / pacing->rate.ops);
}

void pacer_shared_init(struct pacer_shared *s, const struct pacing *pacing)
{
	bool shifted = pacing->rate.ops > 0 && pacing->rate.arrival == ARRIVAL_CONSTANT;

	s->next = shifted ? fixed(phase_of(pacing) * 1e9 / pacing->rate.ops) : 0;
}

void pacer_start(struct pacer *p, uint64_t start_ns)
{
	p->start_ns = start_ns;
	p->due_ns = start_ns + (p->next >> PACER_BITS);
}

/* Adds gap and returns what was there before. */
static uint64_t add_gap(struct pacer_shared *s, uint64_t gap)
{
	uint64_t old;

	if (gap < GAP_SMALL)
		return __atomic_fetch_add(&s->next, gap, __ATOMIC_RELAXED);
	old = __atomic_load_n(&s->next, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&s->next, &old,
		old < UINT64_MAX / 2 ? old + gap : old, true, __ATOMIC_RELAXED,
		__ATOMIC_RELAXED))
		;
	return old;
}

void pacer_take_shared(struct pacer *p)
{
	uint64_t gap = p->poisson ? pacer_poisson_gap(p) : p->gap;
	uint64_t due = add_gap(p->shared, gap) + (p->poisson ? gap : 0);

	p->due_ns = p->start_ns + (due >> PACER_BITS);
	p->holds = true;
}

/* ---- waiting ---- */

/* Sleeps until at_ns, or until *stopped is set. */
static void sleep_until(uint64_t at_ns, uint32_t *stopped)
{
	const struct timespec ts = {
		.tv_sec = (time_t)(at_ns / NS_PER_SEC),
		.tv_nsec = (long)(at_ns % NS_PER_SEC),
	};

	/* an absolute time of CLOCK_MONOTONIC; interrupted, it is called again by the loop above */
	syscall(SYS_futex, stopped, FUTEX_WAIT_BITSET_PRIVATE, 0, &ts, NULL,
		FUTEX_BITSET_MATCH_ANY);
}

uint64_t pacer_wait(const struct pacer *p, uint64_t until_ns, uint32_t *stopped)
{
	uint64_t now = clock_ns();

	while (now < until_ns && !__atomic_load_n(stopped, __ATOMIC_RELAXED)) {
		if (until_ns - now > p->spin_ns)
			sleep_until(until_ns - p->spin_ns, stopped);
		now = clock_ns();
	}
	return now;
}

void pacer_wake(uint32_t *stopped)
{
	__atomic_store_n(stopped, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, stopped, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

/* ---- what nobody began ---- */

/* How many ops are due within span when their gaps are exponential: Poisson-distributed. Beyond a hundred
 * thousand its normal approximation is good to a thousandth of its standard deviation. */
static uint64_t poisson_count(struct rng *r, double mean_gap, uint64_t span)
{
	double mean = (double)span / mean_gap, n;
	uint64_t count = 0, at;

	if (mean > COUNT_ONE_BY_ONE) {
		n = floor(mean + sqrt(mean) * rng_normal(r) + 0.5);
		return n > 0 ? (uint64_t)n : 0;
	}
	for (at = exponential(r, mean_gap); at < span; at += exponential(r, mean_gap))
		count++;
	return count;
}

/* Where end_ns lies on the schedule. */
static uint64_t offset_of(const struct pacer *p, uint64_t end_ns)
{
	uint64_t ns = end_ns > p->start_ns ? end_ns - p->start_ns : 0;

	return ns < UINT64_MAX >> PACER_BITS ? ns << PACER_BITS : UINT64_MAX;
}

/* From next on, gap by gap, below end. */
static uint64_t constant_count(uint64_t next, uint64_t gap, uint64_t end)
{
	return next < end ? (end - next - 1) / gap + 1 : 0;
}

uint64_t pacer_left(const struct pacer *p, uint64_t end_ns)
{
	uint64_t end = offset_of(p, end_ns);
	struct rng r = p->rng;

	if (!p->open || !p->start_ns)
		return 0;
	if (p->shared)
		return p->holds && p->due_ns < end_ns;
	if (!p->poisson)
		return constant_count(p->next, p->gap, end);
	return p->next < end ? 1 + poisson_count(&r, p->mean_gap, end - p->next) : 0;
}

uint64_t pacer_shared_left(const struct pacer *p, uint64_t end_ns)
{
	uint64_t end = offset_of(p, end_ns), next;
	struct rng r = p->rng;

	if (!p->shared || !p->start_ns)
		return 0;
	next = __atomic_load_n(&p->shared->next, __ATOMIC_RELAXED);
	if (!p->poisson)
		return constant_count(next, p->gap, end);
	return next < end ? poisson_count(&r, p->mean_gap, end - next) : 0;
}
