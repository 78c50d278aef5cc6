/* crr_client: connect, request, response, close, and again. The hello goes with the request; the client
 * closes first. What fails is counted, and the next one is tried. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/units.h"
#include "net/impl.h"
#include "net/methods.h"
#include "net/options.h"
#include "net/schedule.h"

/* Ports come back with time. */
#define PAUSE_NS NS_PER_MS

enum crr_state { CRR_IDLE, CRR_CONNECTING, CRR_SENDING, CRR_RECEIVING, CRR_PAUSE };

struct crr {
	enum crr_state state;
	uint64_t due_ns, begun_ns, deadline_ns;
	uint64_t sent, got;
	uint8_t hello[NET_HELLO_SIZE];
	struct net_address from; /* len 0: any */
	uint32_t failures[3];
	struct schedule due;
};

/* Why connections fail, in words. */
enum { FAILED_PORTS, FAILED_TIMEOUT, FAILED_OTHER };
static const char *const failure_texts[] = {
	[FAILED_PORTS] =
		"had no local port left: connections that were closed keep theirs "
		"for a minute; close them with rst, use fewer a second, or widen "
		"net.ipv4.ip_local_port_range",
	[FAILED_TIMEOUT] = "were not answered in time",
	[FAILED_OTHER] = "were refused or broke",
};

static int crr_init(struct net_pair *p, struct flow *f, struct net_why *why)
{
	struct crr *c = calloc(1, sizeof(*c));

	f->state = c;
	if (!c)
		return net_failed(
			why, NET_FAIL_RESOURCES, "no memory for %u flows", p->n_flows);
	net_hello_make(p->token, f->index, c->hello);
	if (!p->open.bind || !*p->open.bind)
		return 0;
	return net_address_parse(p->open.bind, 0, p->spec->family, &c->from, why);
}

static void crr_finish(struct flow *f)
{
	struct crr *c = f->state;

	for (unsigned i = 0; c && i < 3; i++)
		if (c->failures[i])
			remarks_add(&f->pair->remarks, "flow %u: %u connections %s",
				f->index, c->failures[i], failure_texts[i]);
	if (c)
		explicit_bzero(c->hello, sizeof(c->hello));
	free(c);
	f->state = NULL;
}

/* f->fd is closed only here, and under the lock: the loop may want to shut it down. */
static void close_flow(struct flow *f)
{
	int fd = f->fd;

	pthread_mutex_lock(&f->pair->lock);
	f->fd = -1;
	pthread_mutex_unlock(&f->pair->lock);
	f->watched = false;
	f->wants_out = false;
	if (fd >= 0)
		close(fd);
}

/* fd is taken over. -ECANCELED: the pair is being ended, and nobody would shut it down any more. */
static int publish(struct net_pair *p, struct flow *f, int fd)
{
	bool dead;

	pthread_mutex_lock(&p->lock);
	dead = net_load(p) == LOAD_DEAD;
	if (!dead)
		f->fd = fd;
	pthread_mutex_unlock(&p->lock);
	if (dead)
		close(fd);
	return dead ? -ECANCELED : 0;
}

static int open_flow(struct net_thread *t, struct flow *f)
{
	struct net_pair *p = t->pair;
	struct crr *c = f->state;
	struct timeval patience = {.tv_sec = (time_t)(p->spec->timeout_ns / NS_PER_SEC),
		.tv_usec = (suseconds_t)(p->spec->timeout_ns % NS_PER_SEC / NS_PER_US)};
	struct linger reset = {.l_onoff = 1};
	struct remarks ignored = {0};
	struct net_why why = NET_WHY_INIT;
	int flags = SOCK_STREAM | SOCK_CLOEXEC | (net_blocking(t) ? 0 : SOCK_NONBLOCK);
	int fd = socket(p->peer.sa.any.sa_family, flags, 0);

	if (fd < 0)
		return -errno;
	net_options_set(fd, p->spec, p->end, &ignored, &why);
	remarks_finish(&ignored);
	if (p->spec->close == NET_CLOSE_RST)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (net_blocking(t)) {
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	}
	if (c->from.len && bind(fd, &c->from.sa.any, c->from.len) < 0) {
		int errnum = errno;

		close(fd);
		return -errnum;
	}
	return publish(p, f, fd);
}

/* ---- a transaction ---- */

static enum step begin_next(struct net_thread *t, struct flow *f, uint64_t now);

static enum step failed(struct net_thread *t, struct flow *f, int errnum)
{
	struct crr *c = f->state;

	close_flow(f);
	c->state = CRR_IDLE;
	if (net_over(t->pair))
		return STEP_DONE;
	count(&f->in.lost, 1);
	switch (errnum) {
	case EADDRNOTAVAIL:
	case EADDRINUSE:
		c->failures[FAILED_PORTS]++;
		break;
	case EAGAIN:
	case EINPROGRESS:
	case ETIMEDOUT:
		c->failures[FAILED_TIMEOUT]++;
		break;
	default:
		c->failures[FAILED_OTHER]++;
	}
	c->state = CRR_PAUSE;
	c->deadline_ns = clock_ns() + PAUSE_NS;
	return net_blocking(t) ? STEP_MORE : STEP_WAIT;
}

static enum step done(struct net_thread *t, struct flow *f)
{
	struct crr *c = f->state;
	uint64_t now = clock_ns();

	if (net_load(t->pair) == LOAD_WINDOW)
		hist_record(&t->latency, now - c->due_ns);
	count(&f->in.transactions, 1);
	close_flow(f);
	c->state = CRR_IDLE;
	return begin_next(t, f, now);
}

static enum step receive(struct net_thread *t, struct flow *f)
{
	const struct net_spec *s = t->pair->spec;
	struct crr *c = f->state;

	while (c->got < s->response_bytes) {
		uint64_t left = s->response_bytes - c->got;
		ssize_t n = recv(f->fd, t->buffer,
			left < t->buffer_size ? left : t->buffer_size, 0);

		if (n < 0 && errno == EAGAIN && !net_blocking(t))
			return STEP_WAIT;
		if (n <= 0)
			return failed(t, f, n < 0 ? errno : ECONNRESET);
		c->got += (uint64_t)n;
		count(&f->in.bytes, (uint64_t)n);
		count(&f->in.calls, 1);
	}
	return done(t, f);
}

/* Hello and request, in one call when they are small. */
static enum step transmit(struct net_thread *t, struct flow *f)
{
	struct net_pair *p = t->pair;
	struct crr *c = f->state;
	uint64_t all = NET_HELLO_SIZE + p->spec->request_bytes;

	while (c->sent < all) {
		uint64_t hello = c->sent < NET_HELLO_SIZE ? NET_HELLO_SIZE - c->sent : 0;
		uint64_t rest = all - c->sent - hello;
		struct iovec parts[2] = {
			{c->hello + NET_HELLO_SIZE - hello, hello},
			{p->bytes, rest < p->send_size ? rest : p->send_size},
		};
		struct msghdr m = {.msg_iov = parts, .msg_iovlen = 2};
		ssize_t n = sendmsg(f->fd, &m, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN && !net_blocking(t)) {
			f->wants_out = true;
			return STEP_WAIT;
		}
		if (n < 0)
			return failed(t, f, errno);
		c->sent += (uint64_t)n;
		/* the hello is not part of the test */
		count(&f->out.bytes, (uint64_t)n > hello ? (uint64_t)n - hello : 0);
		count(&f->out.calls, 1);
	}
	f->wants_out = false;
	c->state = CRR_RECEIVING;
	return STEP_MORE;
}

static enum step connected(struct net_thread *t, struct flow *f)
{
	struct crr *c = f->state;

	if (net_load(t->pair) == LOAD_WINDOW)
		hist_record(&t->connect, clock_ns() - c->begun_ns);
	c->state = CRR_SENDING;
	return transmit(t, f);
}

static enum step start(struct net_thread *t, struct flow *f, uint64_t due, uint64_t now)
{
	struct net_pair *p = t->pair;
	struct crr *c = f->state;
	int rc;

	c->due_ns = due;
	c->begun_ns = now;
	c->deadline_ns = now + p->spec->timeout_ns;
	c->sent = c->got = 0;
	c->state = CRR_CONNECTING;
	rc = open_flow(t, f);
	if (rc < 0)
		return failed(t, f, -rc);
	if (connect(f->fd, &p->peer.sa.any, p->peer.len) == 0)
		return connected(t, f);
	if (errno != EINPROGRESS || net_blocking(t))
		return failed(t, f, errno);
	f->wants_out = true;
	return STEP_WAIT;
}

/* The next transaction, when there is to be one now. */
static enum step begin_next(struct net_thread *t, struct flow *f, uint64_t now)
{
	struct net_pair *p = t->pair;
	struct crr *c = f->state;
	bool open_loop = p->spec->rate > 0;
	uint64_t due = now;

	if (net_over(p))
		return STEP_DONE;
	if (open_loop && !schedule_owes(&c->due))
		return STEP_WAIT;
	if (!net_take(p, 1))
		return STEP_DONE;
	if (open_loop) {
		due = schedule_next(&c->due);
		schedule_begun(&c->due);
	}
	return start(t, f, due, now);
}

/* ---- steps ---- */

static enum step crr_begin(struct net_thread *t, struct flow *f)
{
	return t->pair->spec->rate > 0 ? STEP_MORE : begin_next(t, f, clock_ns());
}

/* Whatever the state needs next. */
static enum step crr_step(struct net_thread *t, struct flow *f)
{
	struct crr *c = f->state;
	int errnum = 0;
	socklen_t len = sizeof(errnum);

	switch (c->state) {
	case CRR_CONNECTING:
		getsockopt(f->fd, SOL_SOCKET, SO_ERROR, &errnum, &len);
		return errnum ? failed(t, f, errnum) : connected(t, f);
	case CRR_SENDING:
		return transmit(t, f);
	case CRR_RECEIVING:
		return receive(t, f);
	case CRR_PAUSE:
		if (net_blocking(t) && net_wait_until(t->pair, c->deadline_ns))
			return begin_next(t, f, clock_ns());
		break;
	case CRR_IDLE:
		break;
	}
	return net_over(t->pair) ? STEP_DONE : STEP_WAIT;
}

/* In a thread of many flows what was readable may be another connection by now. */
static enum step crr_in(struct net_thread *t, struct flow *f)
{
	struct crr *c = f->state;

	return net_blocking(t) || c->state == CRR_RECEIVING ? crr_step(t, f) : STEP_WAIT;
}

static enum step crr_tick(struct net_thread *t, struct flow *f, uint64_t now)
{
	struct crr *c = f->state;

	if (c->state == CRR_PAUSE && now >= c->deadline_ns) {
		c->state = CRR_IDLE;
		return begin_next(t, f, now);
	}
	if (c->state != CRR_IDLE && c->state != CRR_PAUSE && now >= c->deadline_ns)
		return failed(t, f, ETIMEDOUT);
	return STEP_WAIT;
}

static enum step crr_over(struct net_thread *t, struct flow *f)
{
	struct crr *c = f->state;

	if (c->due.owed > c->due.begun)
		__atomic_fetch_add(&t->pair->missed_dues,
			(uint32_t)(c->due.owed - c->due.begun), __ATOMIC_RELAXED);
	return c->state == CRR_IDLE || c->state == CRR_PAUSE ? STEP_DONE : STEP_MORE;
}

static void crr_start_due(struct net_thread *t, struct flow *f)
{
	struct crr *c = f->state;

	if (c->state == CRR_IDLE) {
		begin_next(t, f, clock_ns());
		net_flow_watch(t, f);
	}
}

static struct schedule *crr_schedule(struct flow *f)
{
	return &((struct crr *)f->state)->due;
}

static uint64_t crr_due(struct net_thread *t, uint64_t now_ns)
{
	return schedule_run(t, now_ns, crr_schedule, crr_start_due);
}

#define CRR_BYTES (64u * 1024u)

const struct net_method net_crr_client = {
	.name = "crr",
	.lanes = LANE_IN,
	.drivers = LANE_IN,
	.buffer_size = CRR_BYTES,
	.flow_init = crr_init,
	.flow_finish = crr_finish,
	.begin = crr_begin,
	.in = crr_in,
	.out = crr_step,
	.over = crr_over,
	.tick = crr_tick,
};

const struct net_method net_crr_client_many = {
	.name = "crr",
	.lanes = LANE_IN,
	.drivers = LANE_IN,
	.nonblocking = true,
	.buffer_size = CRR_BYTES,
	.flow_init = crr_init,
	.flow_finish = crr_finish,
	.begin = crr_begin,
	.in = crr_in,
	.out = crr_step,
	.over = crr_over,
	.tick = crr_tick,
	.due = crr_due,
};
