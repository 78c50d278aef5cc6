/* stream: bulk tcp. The sender sends until the load is over, the receiver receives until the other end has
 * closed; in between nothing happens but system calls and two stores. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
/* needs struct timespec */
#include <linux/errqueue.h>

#include "common/clock.h"
#include "net/impl.h"
#include "net/methods.h"

/* One send call in so many is timed. */
#define TIMED 64u
/* What a flow takes at once of a test that is limited in bytes: so many calls. */
#define GRANT 8u
/* MSG_ZEROCOPY: calls between two looks at the error queue, which is bounded. */
#define REAP 16u

struct stream {
	uint32_t calls; /* without copying */
	uint64_t granted;
	bool zero_copy, copied;
};

static int stream_init(struct net_pair *p, struct flow *f, struct net_why *why)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (!s)
		return net_failed(
			why, NET_FAIL_RESOURCES, "no memory for %u flows", p->n_flows);
	s->zero_copy = p->spec->zero_copy;
	f->state = s;
	return 0;
}

static void stream_finish(struct flow *f)
{
	struct stream *s = f->state;

	if (s && s->copied)
		remarks_add(&f->pair->remarks,
			"the kernel copied what was to be sent without copying: the "
			"network "
			"device does not support it (over loopback it always does)");
	free(s);
	f->state = NULL;
}

/* Takes the kernel's notes that buffers are free again; ours never change, so they need no answer. */
static void reap(struct flow *f, struct stream *s)
{
	_Alignas(struct cmsghdr) char control[256];
	struct msghdr m = {.msg_control = control};

	for (;;) {
		m.msg_controllen = sizeof(control);
		if (recvmsg(f->fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
			return;
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
			struct sock_extended_err e;

			memcpy(&e, CMSG_DATA(c), sizeof(e));
			if (e.ee_origin == SO_EE_ORIGIN_ZEROCOPY &&
				e.ee_code & SO_EE_CODE_ZEROCOPY_COPIED)
				s->copied = true;
		}
	}
}

static enum step stop_sending(struct net_pair *p, struct flow *f, int errnum)
{
	if (!net_over(p))
		net_flow_broke(f, errnum);
	return STEP_DONE;
}

/* The size of the next call; 0: there is nothing left to send. */
static size_t next_size(struct net_pair *p, struct stream *s)
{
	if (net_load(p) != LOAD_WINDOW)
		return p->send_size;
	if (!s->granted)
		s->granted = net_take(p, GRANT * p->send_size);
	return s->granted < p->send_size ? s->granted : p->send_size;
}

static enum step stream_out(struct net_thread *t, struct flow *f)
{
	struct net_pair *p = t->pair;
	struct stream *s = f->state;
	bool timed = t->calls++ % TIMED == 0 && !p->probe;
	size_t size = p->send_size;
	int flags = MSG_NOSIGNAL | (s->zero_copy ? MSG_ZEROCOPY : 0);
	uint64_t begin_ns;
	ssize_t n;

	if (net_over(p))
		return STEP_DONE;
	if (p->limited && (size = next_size(p, s)) == 0)
		return STEP_DONE;
	begin_ns = timed ? clock_ns() : 0;
	n = send(f->fd, p->bytes, size, flags);
	if (s->zero_copy && (++s->calls % REAP == 0 || n < 0))
		reap(f, s);
	if (n < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOBUFS))
		return STEP_WAIT;
	if (n < 0)
		return stop_sending(p, f, errno);
	if (timed && net_load(p) == LOAD_WINDOW)
		hist_record(&t->latency, clock_ns() - begin_ns);
	count(&f->out.bytes, (uint64_t)n);
	count(&f->out.calls, 1);
	s->granted -= s->granted < (uint64_t)n ? s->granted : (uint64_t)n;
	return STEP_MORE;
}

static enum step stream_in(struct net_thread *t, struct flow *f)
{
	struct net_pair *p = t->pair;
	ssize_t n = recv(
		f->fd, t->buffer, t->buffer_size, p->spec->skip_rx_copy ? MSG_TRUNC : 0);

	if (n > 0) {
		count(&f->in.bytes, (uint64_t)n);
		count(&f->in.calls, 1);
		if (net_blocking(t))
			gather_came(&t->gather, f->fd, (uint64_t)n, t->buffer_size);
		return STEP_MORE;
	}
	if (n < 0 && errno == EAGAIN && net_blocking(t))
		gather_came(&t->gather, f->fd, 0, t->buffer_size);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return STEP_WAIT;
	if (n < 0)
		return stop_sending(p, f, errno);
	return STEP_DONE;
}

const struct net_method net_stream_sends = {
	.name = "stream",
	.lanes = LANE_OUT,
	.drivers = LANE_OUT,
	.flow_init = stream_init,
	.flow_finish = stream_finish,
	.out = stream_out,
};

const struct net_method net_stream_receives = {
	.name = "stream",
	.lanes = LANE_IN,
	.in = stream_in,
};

const struct net_method net_stream_both = {
	.name = "stream",
	.lanes = LANE_IN | LANE_OUT,
	.drivers = LANE_OUT,
	.flow_init = stream_init,
	.flow_finish = stream_finish,
	.in = stream_in,
	.out = stream_out,
};
