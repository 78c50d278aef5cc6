/* sample: the window of a pair: looks at all counters at its two ends and at intervals, so that every flow
 * has the same window, and at the machine. */
#include <string.h>

#include "common/clock.h"
#include "net/impl.h"
#include "net/options.h"

enum { NOT_SEEN = -1, MOVED = -2 };

static void add_lane(struct net_counts *c, const struct lane_counts *l)
{
	c->transactions += counted(&l->transactions);
	c->lost += counted(&l->lost);
	c->reordered += counted(&l->reordered);
	c->duplicates += counted(&l->duplicates);
}

static void add_flow(struct net_counts *c, const struct net_pair *p, const struct flow *f)
{
	add_lane(c, &f->in);
	add_lane(c, &f->out);
	if (net_is_probe(p, f))
		return;
	c->bytes_sent += counted(&f->out.bytes);
	c->send_calls += counted(&f->out.calls);
	c->bytes_recvd += counted(&f->in.bytes);
	c->recv_calls += counted(&f->in.calls);
	c->datagrams += counted(&f->in.datagrams);
}

/* What flows are compared by. */
static uint64_t work_of(const struct net_pair *p, const struct flow *f)
{
	if (net_is_probe(p, f))
		return 0;
	if (p->spec->test != NET_STREAM && !p->probe)
		return counted(&f->in.transactions);
	return counted(&f->in.bytes) + counted(&f->out.bytes);
}

void net_sample(struct net_pair *p, struct sample *s)
{
	*s = (struct sample){.at_ns = clock_ns()};
	for (uint32_t i = 0; i < p->n_flows; i++)
		add_flow(&s->counts, p, &p->flows[i]);
}

static uint64_t drops(const struct net_pair *p)
{
	uint64_t sum = 0;

	if (p->spec->protocol == NET_UDP && p->method->lanes & LANE_IN)
		for (uint32_t i = 0; i < p->n_flows; i++)
			sum += net_socket_drops(p->flows[i].fd);
	return sum;
}

/* That sockets are asked by: streams of mix, not its rr. */
static uint32_t first_flow(const struct net_pair *p)
{
	return p->probe != NULL;
}

static uint64_t retransmits(const struct net_pair *p)
{
	struct net_tcp_info info;
	uint64_t sum = 0;

	if (p->spec->protocol != NET_TCP || p->spec->test == NET_CRR)
		return 0;
	for (uint32_t i = first_flow(p); i < p->n_flows; i++)
		if (net_tcp_info(p->flows[i].fd, &info))
			sum += info.retransmits;
	return sum;
}

void net_window_open(struct net_pair *p, uint64_t at_ns)
{
	net_sample(p, &p->first);
	if (at_ns)
		p->first.at_ns = at_ns;
	p->interval = p->first;
	for (uint32_t i = 0; i < p->n_flows; i++)
		p->work[i] = work_of(p, &p->flows[i]);
	p->window_open = true;
}

static void look_at_threads(struct net_pair *p)
{
	for (uint32_t i = 0; i < p->n_threads; i++) {
		pid_t tid = __atomic_load_n(&p->threads[i].tid, __ATOMIC_RELAXED);
		int cpu = tid ? net_cpu_of_thread(tid) : -1;

		if (cpu < 0 || p->ran_on[i] == MOVED)
			continue;
		if (p->ran_on[i] != NOT_SEEN && p->ran_on[i] != cpu)
			cpu = MOVED;
		p->ran_on[i] = cpu;
	}
}

void net_window_look(struct net_pair *p)
{
	net_cpu_look(&p->cpu[0]);
	p->socket.retransmits = retransmits(p);
	p->drops = drops(p);
	if (!p->socket.source)
		net_options_addresses(p->spec->test == NET_CRR
					      ? p->anchor->fd
					      : p->flows[first_flow(p)].fd,
			&p->socket);
	look_at_threads(p);
}

/* TCP_INFO of all flows: sums and means. */
static void look_at_sockets(struct net_pair *p)
{
	struct net_socket_info *s = &p->socket;
	bool crr = p->spec->test == NET_CRR;
	uint32_t n = crr ? 0 : p->n_flows, known = 0;
	uint64_t before = s->retransmits, after = 0;
	double cwnd = 0, rtt = 0;
	struct net_tcp_info info;

	for (uint32_t i = first_flow(p); i < n + crr; i++) {
		struct flow *f = i < n ? &p->flows[i] : p->anchor;

		if (p->spec->protocol != NET_TCP || !net_tcp_info(f->fd, &info))
			continue;
		if (!known++) {
			s->mss = info.mss;
			s->min_rtt_us = info.min_rtt_us;
		}
		if (info.min_rtt_us < s->min_rtt_us)
			s->min_rtt_us = info.min_rtt_us;
		after += crr ? 0 : info.retransmits;
		cwnd += (double)info.cwnd;
		rtt += info.rtt_us;
	}
	s->retransmits = after > before ? after - before : 0;
	s->cwnd = known ? (uint64_t)(cwnd / known + 0.5) : 0;
	s->rtt_us = known ? rtt / known : 0;
	net_options_get(crr ? p->anchor->fd : p->flows[first_flow(p)].fd, s);
}

void net_window_close(struct net_pair *p)
{
	if (!p->window_open)
		net_window_open(p, 0);
	else
		net_sample(p, &p->last);
	if (p->last.at_ns < p->first.at_ns)
		p->last = p->first;
	for (uint32_t i = 0; i < p->n_flows; i++)
		p->work[i] = work_of(p, &p->flows[i]) - p->work[i];
}

void net_window_closed(struct net_pair *p)
{
	if (!p->cpu[0].count)
		net_window_look(p);
	net_cpu_look(&p->cpu[1]);
	look_at_threads(p);
	look_at_sockets(p);
}

uint64_t net_drops_in_window(const struct net_pair *p)
{
	uint64_t now = drops(p);

	return now > p->drops ? now - p->drops : 0;
}

void net_counts_between(const struct net_counts *from, const struct net_counts *to,
	struct net_counts *ret)
{
	*ret = (struct net_counts){
		.bytes_sent = to->bytes_sent - from->bytes_sent,
		.bytes_recvd = to->bytes_recvd - from->bytes_recvd,
		.send_calls = to->send_calls - from->send_calls,
		.recv_calls = to->recv_calls - from->recv_calls,
		.transactions = to->transactions - from->transactions,
		.lost = to->lost - from->lost,
		.datagrams = to->datagrams - from->datagrams,
		.reordered = to->reordered - from->reordered,
		.duplicates = to->duplicates - from->duplicates,
	};
}

static void say_interval(struct net_pair *p, const struct sample *now)
{
	struct net_interval i = {
		.pair = p->open.pair,
		.seq = p->seq++,
		.from_ns = p->interval.at_ns,
		.to_ns = now->at_ns,
	};

	net_counts_between(&p->interval.counts, &now->counts, &i.counts);
	p->interval = *now;
	p->events.interval(p, &i, p->user);
}

void net_interval_say(struct net_pair *p)
{
	struct sample now;

	net_sample(p, &now);
	look_at_threads(p);
	say_interval(p, &now);
}

void net_interval_say_last(struct net_pair *p)
{
	if (p->spec->interval_ns && p->last.at_ns > p->interval.at_ns)
		say_interval(p, &p->last);
}
