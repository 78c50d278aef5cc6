/* rr: requests and responses on one connection. One clock read tells the end of a transaction and the
 * beginning of the next; with more in flight the beginnings wait in a ring, since answers keep their
 * order. In an open loop the beginning is the moment when it was due, however late it was sent. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/units.h"
#include "net/impl.h"
#include "net/methods.h"
#include "net/schedule.h"

struct rr {
	uint64_t got;                   /* bytes of a message that is not whole yet */
	uint64_t pending;               /* bytes to be sent */
	uint64_t take, give;            /* bytes of what comes and of what goes */
	uint32_t in_flight, head, size; /* of begun: the oldest, and its room */
	uint64_t *begun;
	struct schedule due;
};

static int rr_init(struct net_pair *p, struct flow *f, struct net_why *why)
{
	const struct net_spec *s = p->spec;
	struct rr *rr = calloc(1, sizeof(*rr));

	f->state = rr;
	if (!rr)
		return net_failed(
			why, NET_FAIL_RESOURCES, "no memory for %u flows", p->n_flows);
	rr->take = p->client ? s->response_bytes : s->request_bytes;
	rr->give = p->client ? s->request_bytes : s->response_bytes;
	rr->size = s->depth;
	rr->begun = calloc(s->depth, sizeof(*rr->begun));
	return rr->begun ? 0
			 : net_failed(why, NET_FAIL_RESOURCES,
				   "no memory for %u transactions in flight", s->depth);
}

static void rr_finish(struct flow *f)
{
	struct rr *rr = f->state;

	if (rr)
		free(rr->begun);
	free(rr);
	f->state = NULL;
}

static enum step broke(struct net_pair *p, struct flow *f, int errnum)
{
	if (!net_over(p))
		net_flow_broke(f, errnum);
	return STEP_DONE;
}

/* Sends what is pending, as far as the socket takes it. */
static enum step flush(struct net_thread *t, struct flow *f)
{
	struct net_pair *p = t->pair;
	struct rr *rr = f->state;

	f->wants_out = false;
	while (rr->pending) {
		size_t size = rr->pending < p->send_size ? rr->pending : p->send_size;
		ssize_t n = send(f->fd, p->bytes, size, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			f->wants_out = true;
			return STEP_WAIT;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return broke(p, f, errno);
		rr->pending -= (uint64_t)n;
		count(&f->out.bytes, (uint64_t)n);
		count(&f->out.calls, 1);
	}
	return STEP_MORE;
}

/* ---- client ---- */

/* No more: the server learns it from the end of the stream. */
static enum step end_flow(struct flow *f)
{
	shutdown(f->fd, SHUT_WR);
	return STEP_DONE;
}

/* One more request, unless there are to be none. */
static bool begin_one(struct net_pair *p, struct rr *rr, uint64_t at_ns)
{
	uint32_t tail = rr->head + rr->in_flight;

	if (net_over(p) || !net_take(p, 1))
		return false;
	rr->begun[tail < rr->size ? tail : tail - rr->size] = at_ns;
	rr->in_flight++;
	rr->pending += rr->give;
	return true;
}

static enum step rr_begin(struct net_thread *t, struct flow *f)
{
	struct net_pair *p = t->pair;
	struct rr *rr = f->state;
	uint64_t now = clock_ns();

	if (p->spec->rate > 0)
		return STEP_MORE;
	while (rr->in_flight < rr->size && begin_one(p, rr, now))
		;
	return rr->in_flight ? flush(t, f) : end_flow(f);
}

/* Where the times of what ends now belong; NULL: nowhere. */
static struct hist *times(struct net_thread *t)
{
	enum load load = net_load(t->pair);

	if (load == LOAD_WINDOW)
		return &t->latency;
	return load == LOAD_IDLE ? &t->idle : NULL;
}

/* A transaction has ended: counts it, and begins another. */
static void complete(struct net_thread *t, struct flow *f, uint64_t now, struct hist *to)
{
	struct rr *rr = f->state;
	uint64_t begun = rr->begun[rr->head];

	if (to)
		hist_record(to, now > begun ? now - begun : 0);
	count(&f->in.transactions, 1);
	if (++rr->head == rr->size)
		rr->head = 0;
	rr->in_flight--;
	if (t->pair->spec->rate > 0) {
		if (schedule_owes(&rr->due) &&
			begin_one(t->pair, rr, schedule_next(&rr->due)))
			schedule_begun(&rr->due);
	} else {
		begin_one(t->pair, rr, now);
	}
}

static enum step rr_client_in(struct net_thread *t, struct flow *f)
{
	struct net_pair *p = t->pair;
	struct rr *rr = f->state;
	ssize_t n = recv(f->fd, t->buffer, t->buffer_size, 0);
	enum step s;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return STEP_WAIT;
	if (n <= 0)
		return broke(p, f, n < 0 ? errno : ECONNRESET);
	count(&f->in.bytes, (uint64_t)n);
	count(&f->in.calls, 1);
	rr->got += (uint64_t)n;
	if (rr->got >= rr->take) {
		uint64_t now = clock_ns();
		struct hist *to = times(t);

		for (; rr->got >= rr->take && rr->in_flight; rr->got -= rr->take)
			complete(t, f, now, to);
	}
	s = rr->pending ? flush(t, f) : STEP_MORE;
	if (s == STEP_DONE)
		return s;
	/* in an open loop there may be nothing due just now */
	return rr->in_flight || (p->spec->rate > 0 && !net_over(p)) ? s : end_flow(f);
}

static enum step rr_out(struct net_thread *t, struct flow *f)
{
	return flush(t, f);
}

static enum step rr_over(struct net_thread *t, struct flow *f)
{
	struct rr *rr = f->state;

	if (rr->due.owed > rr->due.begun)
		__atomic_fetch_add(&t->pair->missed_dues,
			(uint32_t)(rr->due.owed - rr->due.begun), __ATOMIC_RELAXED);
	return rr->in_flight ? STEP_MORE : end_flow(f);
}

static void rr_start_due(struct net_thread *t, struct flow *f)
{
	struct rr *rr = f->state;

	while (rr->in_flight < rr->size && schedule_owes(&rr->due)) {
		if (!begin_one(t->pair, rr, schedule_next(&rr->due)))
			break;
		schedule_begun(&rr->due);
	}
	if (rr->pending && !f->wants_out)
		flush(t, f);
	net_flow_watch(t, f);
}

static struct schedule *rr_schedule(struct flow *f)
{
	return &((struct rr *)f->state)->due;
}

static uint64_t rr_due(struct net_thread *t, uint64_t now_ns)
{
	return schedule_run(t, now_ns, rr_schedule, rr_start_due);
}

/* ---- server ---- */

static enum step rr_server_in(struct net_thread *t, struct flow *f)
{
	struct rr *rr = f->state;
	ssize_t n = recv(f->fd, t->buffer, t->buffer_size, 0);

	if (n == 0)
		return STEP_DONE;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return STEP_WAIT;
	if (n < 0)
		return broke(t->pair, f, errno);
	count(&f->in.bytes, (uint64_t)n);
	count(&f->in.calls, 1);
	for (rr->got += (uint64_t)n; rr->got >= rr->take; rr->got -= rr->take) {
		rr->pending += rr->give;
		count(&f->in.transactions, 1);
	}
	return rr->pending ? flush(t, f) : STEP_MORE;
}

#define RR_BYTES (256u * 1024u)

const struct net_method net_rr_client = {
	.name = "rr",
	.lanes = LANE_IN,
	.drivers = LANE_IN,
	.buffer_size = RR_BYTES,
	.flow_init = rr_init,
	.flow_finish = rr_finish,
	.begin = rr_begin,
	.in = rr_client_in,
	.out = rr_out,
	.over = rr_over,
};

const struct net_method net_rr_client_many = {
	.name = "rr",
	.lanes = LANE_IN,
	.drivers = LANE_IN,
	.nonblocking = true,
	.buffer_size = RR_BYTES,
	.flow_init = rr_init,
	.flow_finish = rr_finish,
	.begin = rr_begin,
	.in = rr_client_in,
	.out = rr_out,
	.over = rr_over,
	.due = rr_due,
};

const struct net_method net_rr_server = {
	.name = "rr",
	.lanes = LANE_IN,
	.buffer_size = RR_BYTES,
	.flow_init = rr_init,
	.flow_finish = rr_finish,
	.in = rr_server_in,
	.out = rr_out,
};
