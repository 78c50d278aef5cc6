/* threads: who does the load of a pair: a thread per flow that blocks in its socket, or, where flows are
 * many, a thread per processor with many flows each. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/rng.h"
#include "common/units.h"
#include "net/impl.h"

#define THREADS_PER_CPU 4u
#define STACK_BYTES (1024u * 1024u)
#define STREAM_BYTES (128u * 1024u)
#define PAGE_BYTES UINT64_C(4096)
/* A socket that blocks looks up this often (udp, whose other end may just fall silent). */
#define BLOCK_NS (20 * NS_PER_MS)

static void drive_one(struct net_thread *t)
{
	struct net_pair *p = t->pair;
	struct flow *f = net_thread_flow(t, 0);
	const struct net_method *m = net_flow_method(p, f);
	bool driver = m->drivers & t->lane;
	enum step (*step)(struct net_thread *, struct flow *) =
		t->lane == LANE_OUT ? m->out : m->in;
	enum step s = STEP_MORE;

	if (driver && !net_wait_until(p, net_flow_begin_ns(p, f)))
		s = m->over ? m->over(t, f) : STEP_DONE;
	else if (driver) {
		net_flow_begins(p, net_flow_begin_ns(p, f));
		if (m->begin)
			s = m->begin(t, f);
	}
	while (s != STEP_DONE) {
		s = step(t, f);
		/* a time-out of the socket */
		if (s == STEP_WAIT && m->tick)
			s = m->tick(t, f, clock_ns());
	}
	net_lane_done(p, driver);
}

static void bind_thread(struct net_thread *t)
{
	struct net_pair *p = t->pair;
	cpu_set_t set;

	if (!p->n_cpus)
		return;
	CPU_ZERO(&set);
	CPU_SET(p->cpus[t->first % (uint32_t)p->n_cpus], &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void *thread_main(void *arg)
{
	struct net_thread *t = arg;
	struct net_pair *p = t->pair;
	bool runs;

	bind_thread(t);
	/* the default slack of 50 us would be seen in every pause */
	prctl(PR_SET_TIMERSLACK, 1UL);
	__atomic_store_n(&t->tid, gettid(), __ATOMIC_RELAXED);
	pthread_mutex_lock(&p->lock);
	while (!p->go && !p->cancelled)
		pthread_cond_wait(&p->changed, &p->lock);
	runs = !p->cancelled;
	pthread_mutex_unlock(&p->lock);
	if (runs && p->method->run)
		p->method->run(t);
	else if (runs && net_blocking(t))
		drive_one(t);
	else if (runs)
		net_drive_many(t);
	__atomic_fetch_sub(&p->threads_live, 1, __ATOMIC_RELEASE);
	eventfd_write(p->done_fd, 1);
	return NULL;
}

/* ---- what threads there are to be ---- */

static unsigned lane_count(const struct net_method *m)
{
	return (unsigned)__builtin_popcount(m->lanes);
}

static bool may_block(const struct net_pair *p, unsigned cpus)
{
	uint64_t threads = (uint64_t)p->spec->flows * lane_count(p->method);

	return !p->method->nonblocking && !p->method->run &&
	       threads <= (uint64_t)cpus * THREADS_PER_CPU;
}

/* Flows apart from the probe, which has thread 0. */
static void lay_out(struct net_pair *p, bool blocking)
{
	uint32_t probe = p->probe != NULL, flows = p->n_flows - probe;
	uint32_t step = blocking ? flows : p->n_threads - probe;

	for (uint32_t i = 0; i < p->n_threads; i++) {
		struct net_thread *t = &p->threads[i];
		bool alone = i < probe;

		t->pair = p;
		t->index = i;
		t->first = alone ? 0 : probe + (i - probe) % step;
		t->step = alone ? p->n_flows : step;
		t->n_flows = (p->n_flows - t->first + t->step - 1) / t->step;
		/* with both lanes, the first half sends */
		t->lane = alone ? LANE_IN : (enum lane)p->method->lanes;
		if (!alone && p->method->lanes == (LANE_IN | LANE_OUT))
			t->lane = i - probe < flows ? LANE_OUT : LANE_IN;
		t->wake_fd = t->epoll_fd = -1;
		gather_init(&t->gather);
		hist_init(&t->latency, 3);
		hist_init(&t->connect, 3);
		hist_init(&t->idle, 3);
	}
}

/* Memory that begins with a page: the kernel copies to and from it at its best. */
static void *pages(uint64_t size)
{
	return aligned_alloc(PAGE_BYTES, (size + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1));
}

static int thread_resources(struct net_pair *p, struct net_thread *t, bool blocking)
{
	uint64_t receive = p->end->recv_bytes ? p->end->recv_bytes : STREAM_BYTES;
	const struct net_method *m = net_flow_method(p, net_thread_flow(t, 0));

	t->buffer_size = m->buffer_size ? m->buffer_size : receive;
	t->buffer = pages(t->buffer_size);
	if (!t->buffer || hist_alloc(&t->latency) < 0 || hist_alloc(&t->connect) < 0 ||
		(m == p->probe && hist_alloc(&t->idle) < 0))
		return -ENOMEM;
	if (blocking || m == p->probe)
		return 0;
	t->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	t->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return t->wake_fd < 0 || t->epoll_fd < 0 ? -errno : 0;
}

/* Sockets are non-blocking until here. */
static void make_blocking(struct net_pair *p, uint32_t flows)
{
	struct timeval pause = {.tv_usec = BLOCK_NS / NS_PER_US};

	for (uint32_t i = 0; i < flows; i++) {
		int fd = p->flows[i].fd;

		if (fd < 0)
			continue;
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
		if (p->spec->protocol == NET_UDP)
			setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &pause, sizeof(pause));
	}
}

/* The bytes that are sent: nothing that a link could compress. */
static int make_bytes(struct net_pair *p)
{
	uint64_t size = p->end->send_bytes ? p->end->send_bytes : STREAM_BYTES;
	struct rng rng;

	p->send_size = size;
	p->bytes = pages(size);
	if (!p->bytes)
		return -ENOMEM;
	rng_seed(&rng, 1);
	for (uint64_t i = 0; i < size; i += 8) {
		uint64_t v = rng_u64(&rng);

		memcpy(p->bytes + i, &v, 8);
	}
	return 0;
}

static int start_thread(struct net_pair *p, struct net_thread *t)
{
	sigset_t all, before;
	pthread_attr_t attr;
	int rc;

	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&t->id, &attr, thread_main, t);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (rc == 0)
		p->n_started++;
	return rc;
}

static int out_of(struct net_pair *p, int errnum, struct net_why *why)
{
	return net_failed(why, NET_FAIL_RESOURCES,
		"%u threads for %u flows cannot be had on this machine: %s", p->n_threads,
		p->n_flows, strerror(errnum));
}

/* Their states, and how many lanes they have. */
static int init_flows(struct net_pair *p, struct net_why *why)
{
	for (uint32_t i = 0; i < p->n_flows; i++) {
		const struct net_method *m = net_flow_method(p, &p->flows[i]);

		if (m->flow_init && m->flow_init(p, &p->flows[i], why) < 0)
			return -1;
		p->lanes_live += lane_count(m);
		p->drivers_live += (unsigned)__builtin_popcount(m->drivers);
	}
	return 0;
}

static void finish_flows(struct net_pair *p)
{
	for (uint32_t i = 0; i < p->n_flows; i++) {
		const struct net_method *m = net_flow_method(p, &p->flows[i]);

		if (m->flow_finish)
			m->flow_finish(&p->flows[i]);
	}
}

int net_threads_create(struct net_pair *p, struct net_why *why)
{
	unsigned cpus = p->n_cpus ? (unsigned)p->n_cpus : net_cpu_usable();
	uint32_t probe = p->probe != NULL, flows = p->n_flows - probe;
	bool blocking = may_block(p, cpus);
	int rc;

	p->n_threads = probe + (cpus < flows ? cpus : flows);
	if (blocking)
		p->n_threads = probe + flows * lane_count(p->method);
	if (make_bytes(p) == 0)
		p->threads = calloc(p->n_threads, sizeof(*p->threads));
	if (!p->threads)
		return out_of(p, ENOMEM, why);
	lay_out(p, blocking);
	if (init_flows(p, why) < 0)
		return -1;
	for (uint32_t i = 0; i < p->n_threads; i++)
		if ((rc = thread_resources(p, &p->threads[i], blocking)) < 0)
			return out_of(p, -rc, why);
	make_blocking(p, blocking ? p->n_flows : probe);
	p->threads_live = p->n_threads;
	for (uint32_t i = 0; i < p->n_threads; i++)
		if ((rc = start_thread(p, &p->threads[i])) != 0)
			return out_of(p, rc, why);
	return 0;
}

void net_threads_go(struct net_pair *p, uint64_t start_ns)
{
	pthread_mutex_lock(&p->lock);
	p->start_ns = start_ns;
	p->go = true;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

void net_threads_wake(struct net_pair *p)
{
	pthread_mutex_lock(&p->lock);
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
	for (uint32_t i = 0; p->threads && i < p->n_threads; i++)
		if (p->threads[i].wake_fd >= 0)
			eventfd_write(p->threads[i].wake_fd, 1);
}

static void thread_finish(struct net_thread *t)
{
	if (t->wake_fd >= 0)
		close(t->wake_fd);
	if (t->epoll_fd >= 0)
		close(t->epoll_fd);
	hist_finish(&t->latency);
	hist_finish(&t->connect);
	hist_finish(&t->idle);
	free(t->buffer);
	free(t->state);
}

void net_threads_destroy(struct net_pair *p)
{
	if (!p->threads)
		return;
	pthread_mutex_lock(&p->lock);
	p->cancelled = true;
	pthread_mutex_unlock(&p->lock);
	net_threads_wake(p);
	for (uint32_t i = 0; i < p->n_started; i++)
		pthread_join(p->threads[i].id, NULL);
	finish_flows(p);
	for (uint32_t i = 0; i < p->n_threads; i++)
		if (p->threads[i].pair)
			thread_finish(&p->threads[i]);
	free(p->threads);
	p->threads = NULL;
	p->n_threads = p->n_started = 0;
}
