/* udp_rr: requests and responses as datagrams. Each has as much of the number of its transaction as fits
 * into it, so that an answer finds its request; what is not answered in time is lost, and another goes in its
 * place. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/units.h"
#include "net/impl.h"
#include "net/methods.h"
#include "net/schedule.h"
#include "net/udp_header.h"

#define NUMBER_BYTES 8u

struct udp_rr {
	uint64_t next,
		oldest; /* numbers: of the next to begin, of the oldest in flight */
	uint32_t in_flight, size, width; /* width: bytes of the number on the wire */
	uint64_t *begun;                 /* by number modulo size; 0: answered or lost */
	uint32_t room;
	struct schedule due;
	uint8_t *out;
};

static int rr_init(struct net_pair *p, struct flow *f, struct net_why *why)
{
	const struct net_spec *s = p->spec;
	struct udp_rr *rr = calloc(1, sizeof(*rr));
	uint64_t least = s->request_bytes < s->response_bytes ? s->request_bytes
							      : s->response_bytes;
	uint64_t give = p->client ? s->request_bytes : s->response_bytes;

	f->state = rr;
	if (rr) {
		rr->size = s->depth;
		rr->width = least < NUMBER_BYTES ? (uint32_t)least : NUMBER_BYTES;
		/* answers come in any order: some numbers more than are in flight */
		rr->room = s->depth * 2;
		rr->begun = calloc(rr->room, sizeof(*rr->begun));
		rr->out = malloc(give < NUMBER_BYTES ? NUMBER_BYTES : give);
	}
	if (!rr || !rr->begun || !rr->out)
		return net_failed(why, NET_FAIL_RESOURCES,
			"no memory for %u transactions in flight", s->depth);
	memcpy(rr->out, p->bytes, give < p->send_size ? give : p->send_size);
	return 0;
}

static void rr_finish(struct flow *f)
{
	struct udp_rr *rr = f->state;

	if (rr) {
		free(rr->begun);
		free(rr->out);
	}
	free(rr);
	f->state = NULL;
}

/* A datagram that the kernel had no room for is as lost as one that the network dropped. */
static enum step give(struct flow *f, uint64_t size)
{
	struct udp_rr *rr = f->state;
	ssize_t n = send(f->fd, rr->out, size, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN && errno != ENOBUFS && errno != EINTR)
		return udp_broke(f, errno);
	count(&f->out.bytes, n > 0 ? (uint64_t)n : 0);
	count(&f->out.calls, 1);
	return STEP_MORE;
}

/* ---- client ---- */

/* True: one more is under way. s tells what became of the flow. */
static bool begin_one(struct net_pair *p, struct flow *f, uint64_t at_ns, enum step *s)
{
	struct udp_rr *rr = f->state;

	if (net_over(p) || rr->in_flight == rr->size ||
		rr->next - rr->oldest >= rr->room || !net_take(p, 1))
		return false;
	for (uint32_t i = 0; i < rr->width; i++)
		rr->out[i] = (uint8_t)(rr->next >> (8 * i));
	rr->begun[rr->next % rr->room] = at_ns;
	rr->next++;
	rr->in_flight++;
	*s = give(f, p->spec->request_bytes);
	return true;
}

static enum step begin_more(struct net_pair *p, struct flow *f, uint64_t now)
{
	struct udp_rr *rr = f->state;
	enum step s = STEP_MORE;

	if (p->spec->rate > 0) {
		while (s == STEP_MORE && schedule_owes(&rr->due) &&
			begin_one(p, f, schedule_next(&rr->due), &s))
			schedule_begun(&rr->due);
		return s;
	}
	while (s == STEP_MORE && begin_one(p, f, now, &s))
		;
	/* nothing under way and nothing to begin: the load is over */
	return s == STEP_MORE && !rr->in_flight ? STEP_DONE : s;
}

static enum step rr_begin(struct net_thread *t, struct flow *f)
{
	return t->pair->spec->rate > 0 ? STEP_MORE : begin_more(t->pair, f, clock_ns());
}

static void retire(struct udp_rr *rr)
{
	while (rr->oldest < rr->next && !rr->begun[rr->oldest % rr->room])
		rr->oldest++;
}

/* The whole number of an answer that shows its low bytes; UINT64_MAX: nothing in flight has them. */
static uint64_t number_of(const struct udp_rr *rr, const uint8_t *answer)
{
	uint64_t mask =
		rr->width == 8 ? UINT64_MAX : (UINT64_C(1) << (8 * rr->width)) - 1;
	uint64_t low = 0, number;

	for (uint32_t i = 0; i < rr->width; i++)
		low |= (uint64_t)answer[i] << (8 * i);
	number = rr->oldest + ((low - rr->oldest) & mask);
	return number < rr->next && rr->begun[number % rr->room] ? number : UINT64_MAX;
}

static enum step rr_client_in(struct net_thread *t, struct flow *f)
{
	struct net_pair *p = t->pair;
	struct udp_rr *rr = f->state;
	ssize_t n = recv(f->fd, t->buffer, t->buffer_size, 0);
	uint64_t number, now;

	if (net_load(p) == LOAD_DEAD)
		return STEP_DONE;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return STEP_WAIT;
	if (n < 0)
		return udp_broke(f, errno);
	if (udp_header_is_end(p, t->buffer, (size_t)n)) {
		udp_heard_end(p);
		return STEP_DONE;
	}
	if ((uint64_t)n != p->spec->response_bytes)
		return STEP_MORE;
	number = number_of(rr, t->buffer);
	if (number == UINT64_MAX)
		return STEP_MORE; /* too late: it counts as lost */
	now = clock_ns();
	if (net_load(p) == LOAD_WINDOW)
		hist_record(&t->latency, now - rr->begun[number % rr->room]);
	rr->begun[number % rr->room] = 0;
	rr->in_flight--;
	retire(rr);
	count(&f->in.bytes, (uint64_t)n);
	count(&f->in.calls, 1);
	count(&f->in.transactions, 1);
	return begin_more(p, f, now);
}

static enum step rr_tick(struct net_thread *t, struct flow *f, uint64_t now)
{
	struct net_pair *p = t->pair;
	struct udp_rr *rr = f->state;
	uint64_t lost = 0;

	for (uint64_t i = rr->oldest; i < rr->next; i++) {
		uint64_t *begun = &rr->begun[i % rr->room];

		if (!*begun || *begun + p->spec->timeout_ns > now)
			continue;
		*begun = 0;
		rr->in_flight--;
		lost++;
	}
	if (net_over(p))
		return rr->in_flight ? STEP_WAIT : STEP_DONE;
	count(&f->in.lost, lost);
	retire(rr);
	return lost ? begin_more(p, f, now) : STEP_WAIT;
}

static enum step rr_over(struct net_thread *t, struct flow *f)
{
	struct udp_rr *rr = f->state;

	if (rr->due.owed > rr->due.begun)
		__atomic_fetch_add(&t->pair->missed_dues,
			(uint32_t)(rr->due.owed - rr->due.begun), __ATOMIC_RELAXED);
	return rr->in_flight ? STEP_MORE : STEP_DONE;
}

static void rr_start_due(struct net_thread *t, struct flow *f)
{
	begin_more(t->pair, f, clock_ns());
}

static struct schedule *rr_schedule(struct flow *f)
{
	return &((struct udp_rr *)f->state)->due;
}

static uint64_t rr_due(struct net_thread *t, uint64_t now_ns)
{
	if (!(t->pair->spec->rate > 0))
		return UINT64_MAX;
	return schedule_run(t, now_ns, rr_schedule, rr_start_due);
}

/* ---- server ---- */

static enum step rr_server_in(struct net_thread *t, struct flow *f)
{
	struct net_pair *p = t->pair;
	struct udp_rr *rr = f->state;
	const uint8_t *token;
	uint32_t flow;
	ssize_t n = recv(f->fd, t->buffer, t->buffer_size, 0);

	if (net_over(p))
		return STEP_DONE;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return STEP_WAIT;
	if (n < 0)
		return udp_broke(f, errno);
	if (udp_header_is_end(p, t->buffer, (size_t)n)) {
		udp_heard_end(p);
		return STEP_DONE;
	}
	if ((uint64_t)n != p->spec->request_bytes)
		return STEP_MORE;
	if (n == NET_HELLO_SIZE && net_hello_read(t->buffer, &token, &flow))
		return STEP_MORE;
	memcpy(rr->out, t->buffer, rr->width);
	count(&f->in.bytes, (uint64_t)n);
	count(&f->in.calls, 1);
	count(&f->in.transactions, 1);
	return give(f, p->spec->response_bytes);
}

#define RR_BYTES 65536u

const struct net_method net_udp_rr_client = {
	.name = "udp rr",
	.lanes = LANE_IN,
	.drivers = LANE_IN,
	.buffer_size = RR_BYTES,
	.flow_init = rr_init,
	.flow_finish = rr_finish,
	.begin = rr_begin,
	.in = rr_client_in,
	.over = rr_over,
	.tick = rr_tick,
};

const struct net_method net_udp_rr_client_many = {
	.name = "udp rr",
	.lanes = LANE_IN,
	.drivers = LANE_IN,
	.nonblocking = true,
	.buffer_size = RR_BYTES,
	.flow_init = rr_init,
	.flow_finish = rr_finish,
	.begin = rr_begin,
	.in = rr_client_in,
	.over = rr_over,
	.tick = rr_tick,
	.due = rr_due,
};

const struct net_method net_udp_rr_server = {
	.name = "udp rr",
	.lanes = LANE_IN,
	.buffer_size = RR_BYTES,
	.flow_init = rr_init,
	.flow_finish = rr_finish,
	.in = rr_server_in,
};
