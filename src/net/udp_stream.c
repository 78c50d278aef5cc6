/* udp_stream: datagrams with a number each, so that the receiver knows what is lost, late or doubled, and
 * with the sender's time, for the jitter of RFC 3550. Many go in one system call; with GSO and GRO many go
 * through the kernel as one. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/units.h"
#include "net/impl.h"
#include "net/methods.h"
#include "net/udp_header.h"
#include "net/udp_track.h"

#define DATAGRAM 1472u
/* Datagrams of one call, and of one with GSO (the kernel's bounds). */
#define BATCH 64u
#define GSO_BYTES 65000u
/* A receive buffer takes any datagram, or what GRO makes of many. */
#define RECEIVE_BYTES 65536u
/* How late a paced sender may be before it gives up on what it owes. */
#define LATE_NS (100 * NS_PER_MS)
#define PAUSE_NS (20 * NS_PER_MS)

struct sender {
	uint64_t next;                  /* number of the next datagram */
	uint64_t due_from_ns, due_sent; /* paced: since when, and how many since */
	double gap_ns;                  /* between two; 0: as fast as it goes */
	uint32_t size, batch;
	bool gso;
	uint8_t *bytes;
	struct iovec iov[BATCH];
	struct mmsghdr messages[BATCH];
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(uint16_t))];
};

struct receiver {
	struct udp_track track;
	bool ended;
	uint8_t *bytes;
	struct iovec iov[BATCH];
	struct mmsghdr messages[BATCH];
	_Alignas(struct cmsghdr) char control[BATCH][CMSG_SPACE(sizeof(int))];
};

struct udp_stream {
	struct sender *out;
	struct receiver *in;
};

/* ---- sending ---- */

static void lay_out_sender(struct sender *s)
{
	for (uint32_t i = 0; i < BATCH; i++) {
		s->iov[i] = (struct iovec){s->bytes + (size_t)i * s->size, s->size};
		s->messages[i].msg_hdr =
			(struct msghdr){.msg_iov = &s->iov[i], .msg_iovlen = 1};
	}
}

static int make_sender(struct net_pair *p, struct flow *f, struct udp_stream *u)
{
	struct sender *s = calloc(1, sizeof(*s));
	int size = 0;

	u->out = s;
	if (!s)
		return -ENOMEM;
	s->size = (uint32_t)(p->end->send_bytes ? p->end->send_bytes : DATAGRAM);
	s->batch = BATCH;
	s->bytes = malloc((size_t)s->size * BATCH);
	if (!s->bytes)
		return -ENOMEM;
	for (uint32_t i = 0; i < BATCH; i++)
		memcpy(s->bytes + (size_t)i * s->size, p->bytes,
			s->size < p->send_size ? s->size : p->send_size);
	lay_out_sender(s);
	if (p->spec->rate_bits)
		s->gap_ns = (double)s->size * 8 * (double)NS_PER_SEC * p->n_flows /
			    (double)p->spec->rate_bits;
	s->gso = p->spec->batch && s->size * 2 <= GSO_BYTES;
	if (s->gso && setsockopt(f->fd, SOL_UDP, UDP_SEGMENT, &size, sizeof(size)) < 0) {
		s->gso = false;
		remarks_add(&p->remarks,
			"this kernel has no segmentation of datagrams (UDP_SEGMENT)");
	}
	if (s->gso && GSO_BYTES / s->size < BATCH)
		s->batch = GSO_BYTES / s->size;
	return 0;
}

/* One message of many datagrams, which the kernel parts. */
static int send_gso(struct flow *f, struct sender *s, uint32_t n)
{
	struct iovec iov = {s->bytes, (size_t)n * s->size};
	struct msghdr m = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = s->control,
		.msg_controllen = sizeof(s->control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	uint16_t size = (uint16_t)s->size;

	c->cmsg_level = SOL_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof(size));
	memcpy(CMSG_DATA(c), &size, sizeof(size));
	return sendmsg(f->fd, &m, MSG_NOSIGNAL) < 0 ? -1 : (int)n;
}

/* How many may go now; 0 with the moment of the next. */
static uint32_t how_many(struct net_pair *p, struct sender *s, uint64_t now, uint64_t *at)
{
	double owed;

	if (s->gap_ns <= 0)
		return s->batch;
	if (!s->due_from_ns)
		s->due_from_ns = now;
	owed = (double)(now - s->due_from_ns) / s->gap_ns + 1 - (double)s->due_sent;
	/* what cannot be caught up with is not sent in a burst later */
	if (owed * s->gap_ns > LATE_NS && owed > BATCH) {
		s->due_from_ns = now;
		s->due_sent = 0;
		owed = 1;
		__atomic_fetch_add(&p->missed_dues, 1, __ATOMIC_RELAXED);
	}
	if (owed >= 1)
		return owed < s->batch ? (uint32_t)owed : s->batch;
	*at = s->due_from_ns + (uint64_t)((double)s->due_sent * s->gap_ns) + 1;
	return 0;
}

/* Sends up to n; how many went, or -1 with errno. */
static int send_some(
	struct flow *f, struct sender *s, uint32_t n, uint64_t now, bool window)
{
	int sent;

	for (uint32_t i = 0; i < n; i++)
		udp_header_write(
			s->iov[i].iov_base, f, s->next + i, now, window ? UDP_WINDOW : 0);
	sent = s->gso && n > 1 ? send_gso(f, s, n)
			       : sendmmsg(f->fd, s->messages, n, MSG_NOSIGNAL);
	if (sent < 0 && s->gso && n > 1 &&
		(errno == EINVAL || errno == EMSGSIZE || errno == EIO)) {
		/* larger than the link's packets, or a device that cannot */
		s->gso = false;
		s->batch = BATCH;
		sent = sendmmsg(f->fd, s->messages, n, MSG_NOSIGNAL);
	}
	if (sent <= 0)
		return sent;
	s->next += (uint64_t)sent;
	s->due_sent += (uint64_t)sent;
	count(&f->out.bytes, (uint64_t)sent * s->size);
	count(&f->out.calls, 1);
	if (window)
		count(&f->out.datagrams, (uint64_t)sent);
	return sent;
}

static enum step udp_out(struct net_thread *t, struct flow *f)
{
	struct net_pair *p = t->pair;
	struct sender *s = ((struct udp_stream *)f->state)->out;
	uint64_t now = clock_ns(), at = 0;
	bool window = net_load(p) == LOAD_WINDOW;
	uint32_t n;
	int sent;

	if (net_over(p))
		return STEP_DONE;
	n = how_many(p, s, now, &at);
	if (!n && net_blocking(t)) {
		clock_sleep_until(at < now + PAUSE_NS ? at : now + PAUSE_NS);
		return STEP_MORE;
	}
	f->wants_out = n > 0;
	if (!n)
		return STEP_WAIT;
	n = (uint32_t)(net_take(p, (uint64_t)n * s->size) / s->size);
	if (!n)
		return STEP_DONE;
	sent = send_some(f, s, n, now, window);
	if (sent > 0)
		return STEP_MORE;
	if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS)
		return STEP_WAIT;
	return udp_broke(f, errno);
}

/* Paced flows of a thread that has many: who has something due. */
static uint64_t udp_due(struct net_thread *t, uint64_t now)
{
	uint64_t next = UINT64_MAX;

	for (uint32_t i = 0; i < t->n_flows; i++) {
		struct flow *f = net_thread_flow(t, i);
		struct sender *s = ((struct udp_stream *)f->state)->out;
		uint64_t at = now;

		if (!(f->live & LANE_OUT) || !f->begun || s->gap_ns <= 0)
			continue;
		if (how_many(t->pair, s, now, &at)) {
			f->wants_out = true;
			net_flow_watch(t, f);
		} else if (at < next) {
			next = at;
		}
	}
	return next;
}

/* ---- receiving ---- */

static int make_receiver(struct net_pair *p, struct flow *f, struct udp_stream *u)
{
	struct receiver *r = calloc(1, sizeof(*r));
	int on = 1;

	u->in = r;
	if (!r || udp_track_init(&r->track) < 0)
		return -ENOMEM;
	/* untouched pages cost nothing */
	r->bytes = malloc((size_t)RECEIVE_BYTES * BATCH);
	if (!r->bytes)
		return -ENOMEM;
	for (uint32_t i = 0; i < BATCH; i++) {
		r->iov[i] = (struct iovec){
			r->bytes + (size_t)i * RECEIVE_BYTES, RECEIVE_BYTES};
		r->messages[i].msg_hdr =
			(struct msghdr){.msg_iov = &r->iov[i], .msg_iovlen = 1};
	}
	if (p->spec->batch && setsockopt(f->fd, SOL_UDP, UDP_GRO, &on, sizeof(on)) < 0)
		remarks_add(&p->remarks,
			"this kernel does not put datagrams together (UDP_GRO)");
	return 0;
}

static void take_datagram(
	struct flow *f, struct receiver *r, const uint8_t *at, size_t len, uint64_t now)
{
	struct udp_track_change c;
	uint32_t flags;

	if (!udp_header_is_ours(f->pair, at, len))
		return;
	flags = udp_header_flags(at);
	if (flags & UDP_END) {
		r->ended = true;
		udp_heard_end(f->pair);
		return;
	}
	count(&f->in.bytes, len);
	c = udp_track_add(&r->track, udp_header_number(at), udp_header_time(at), now);
	if (!(flags & UDP_WINDOW))
		return;
	count(&f->in.datagrams, !c.duplicate);
	if (c.reordered)
		count(&f->in.reordered, 1);
	if (c.duplicate)
		count(&f->in.duplicates, 1);
}

/* The size of the datagrams that GRO has put together in a message. */
static size_t segment_size(struct msghdr *m, size_t len)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		int size;

		if (c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_GRO)
			continue;
		memcpy(&size, CMSG_DATA(c), sizeof(size));
		return size > 0 ? (size_t)size : len;
	}
	return len;
}

static void take_message(struct flow *f, struct receiver *r, uint32_t i, uint64_t now)
{
	const uint8_t *at = r->iov[i].iov_base;
	size_t len = r->messages[i].msg_len;
	size_t each = segment_size(&r->messages[i].msg_hdr, len);

	while (len > 0) {
		size_t n = len < each ? len : each;

		take_datagram(f, r, at, n, now);
		at += n;
		len -= n;
	}
}

static enum step udp_in(struct net_thread *t, struct flow *f)
{
	struct net_pair *p = t->pair;
	struct receiver *r = ((struct udp_stream *)f->state)->in;
	uint64_t now;
	int n;

	for (uint32_t i = 0; p->spec->batch && i < BATCH; i++) {
		r->messages[i].msg_hdr.msg_control = r->control[i];
		r->messages[i].msg_hdr.msg_controllen = sizeof(r->control[i]);
	}
	n = recvmmsg(f->fd, r->messages, BATCH, MSG_WAITFORONE, NULL);
	if (net_load(p) == LOAD_DEAD)
		return STEP_DONE;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return STEP_WAIT;
	if (n < 0)
		return udp_broke(f, errno);
	now = clock_ns();
	for (int i = 0; i < n; i++)
		take_message(f, r, (uint32_t)i, now);
	count(&f->in.calls, 1);
	return r->ended ? STEP_DONE : STEP_MORE;
}

/* ---- both ---- */

static int udp_init(struct net_pair *p, struct flow *f, struct net_why *why)
{
	struct udp_stream *u = calloc(1, sizeof(*u));

	f->state = u;
	if (u && (!(p->method->lanes & LANE_OUT) || make_sender(p, f, u) == 0) &&
		(!(p->method->lanes & LANE_IN) || make_receiver(p, f, u) == 0))
		return 0;
	return net_failed(why, NET_FAIL_RESOURCES, "no memory for %u flows", p->n_flows);
}

static void udp_finish(struct flow *f)
{
	struct udp_stream *u = f->state;

	if (!u)
		return;
	if (u->out)
		free(u->out->bytes);
	if (u->in) {
		f->pair->jitter_us +=
			u->in->track.jitter_ns / (double)NS_PER_US / f->pair->n_flows;
		free(u->in->bytes);
		udp_track_finish(&u->in->track);
	}
	free(u->out);
	free(u->in);
	free(u);
	f->state = NULL;
}

const struct net_method net_udp_sends = {
	.name = "udp stream",
	.lanes = LANE_OUT,
	.drivers = LANE_OUT,
	.flow_init = udp_init,
	.flow_finish = udp_finish,
	.out = udp_out,
	.due = udp_due,
};

const struct net_method net_udp_receives = {
	.name = "udp stream",
	.lanes = LANE_IN,
	.flow_init = udp_init,
	.flow_finish = udp_finish,
	.in = udp_in,
};

const struct net_method net_udp_both = {
	.name = "udp stream",
	.lanes = LANE_IN | LANE_OUT,
	.drivers = LANE_OUT,
	.flow_init = udp_init,
	.flow_finish = udp_finish,
	.in = udp_in,
	.out = udp_out,
	.due = udp_due,
};
