/* net_values: one small function per group of selectors, each over what its end said. */
#include "results/net_values.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/units.h"
#include "results/confidence.h"

struct work {
	const struct net_spec *spec;
	const struct net_result *end[NET_SIDES]; /* NULL: said nothing */
	const struct net_facts *facts;
	struct net_values *v;
	bool no_memory;
};

static void set(struct work *w, enum net_selector s, double number)
{
	w->v->of[s] = (struct net_value){.known = isfinite(number), .number = number};
}

static void set_count(struct work *w, enum net_selector s, uint64_t number)
{
	set(w, s, (double)number);
}

static void set_text(struct work *w, enum net_selector s, const char *text)
{
	char *copy;

	if (!text || !*text)
		return;
	copy = strdup(text);
	w->no_memory |= !copy;
	w->v->of[s] = (struct net_value){.known = copy != NULL, .text = copy};
}

static double seconds(const struct net_result *r)
{
	return (double)(r->to_ns - r->from_ns) / (double)NS_PER_SEC;
}

static double mbits(uint64_t bytes, const struct net_result *r)
{
	return (double)bytes * 8 / 1e6 / seconds(r);
}

static double known(const struct work *w, enum net_selector s)
{
	return w->v->of[s].known ? w->v->of[s].number : NAN;
}

/* Latencies are those of transactions. */
static bool asks(const struct work *w)
{
	return w->spec->test != NET_STREAM;
}

/* Bytes are the point. */
static bool streams(const struct work *w)
{
	return w->spec->test == NET_STREAM || w->spec->test == NET_MIX;
}

/* The end that sends in a stream, or that asks. */
static enum net_side sender_side(const struct net_spec *s)
{
	bool streams = s->test == NET_STREAM || s->test == NET_MIX;

	return streams && s->dir == NET_RECV ? NET_SERVER : NET_CLIENT;
}

static const struct net_result *sender(const struct work *w)
{
	return w->end[sender_side(w->spec)];
}

static const struct net_result *receiver(const struct work *w)
{
	return w->end[sender_side(w->spec) == NET_CLIENT ? NET_SERVER : NET_CLIENT];
}

/* Selectors that both ends have, [client, server]. */
static const struct {
	enum net_selector sent_rate, recvd_rate, sent, recvd, send_calls, recv_calls;
	enum net_selector util, peak_util, peak_id, cpus, demand;
	enum net_selector retransmits, congestion, send_buffer, recv_buffer, nodelay, tos;
} of_side[NET_SIDES] = {
	{SEL_LOCAL_SEND_THROUGHPUT, SEL_LOCAL_RECV_THROUGHPUT, SEL_LOCAL_BYTES_SENT,
		SEL_LOCAL_BYTES_RECVD, SEL_LOCAL_SEND_CALLS, SEL_LOCAL_RECV_CALLS,
		SEL_LOCAL_CPU_UTIL, SEL_LOCAL_CPU_PEAK_UTIL, SEL_LOCAL_CPU_PEAK_ID,
		SEL_LOCAL_CPU_COUNT, SEL_LOCAL_SD, SEL_LOCAL_TRANSPORT_RETRANS,
		SEL_LOCAL_CONG_CONTROL, SEL_LSS_SIZE_END, SEL_LSR_SIZE_END,
		SEL_LOCAL_NODELAY, SEL_LOCAL_SOCKET_TOS},
	{SEL_REMOTE_SEND_THROUGHPUT, SEL_REMOTE_RECV_THROUGHPUT, SEL_REMOTE_BYTES_SENT,
		SEL_REMOTE_BYTES_RECVD, SEL_REMOTE_SEND_CALLS, SEL_REMOTE_RECV_CALLS,
		SEL_REMOTE_CPU_UTIL, SEL_REMOTE_CPU_PEAK_UTIL, SEL_REMOTE_CPU_PEAK_ID,
		SEL_REMOTE_CPU_COUNT, SEL_REMOTE_SD, SEL_REMOTE_TRANSPORT_RETRANS,
		SEL_REMOTE_CONG_CONTROL, SEL_RSS_SIZE_END, SEL_RSR_SIZE_END,
		SEL_REMOTE_NODELAY, SEL_REMOTE_SOCKET_TOS},
};

static void add_counts(struct work *w, enum net_side side)
{
	const struct net_result *r = w->end[side];
	const struct net_counts *c = &r->counts;

	/* rr and crr count transactions, on the client */
	if (!streams(w) && !c->bytes_sent && !c->bytes_recvd)
		return;
	set_count(w, of_side[side].sent, c->bytes_sent);
	set_count(w, of_side[side].recvd, c->bytes_recvd);
	set_count(w, of_side[side].send_calls, c->send_calls);
	set_count(w, of_side[side].recv_calls, c->recv_calls);
	set(w, of_side[side].sent_rate, mbits(c->bytes_sent, r));
	set(w, of_side[side].recvd_rate, mbits(c->bytes_recvd, r));
}

/* Service demand is netperf's: all CPUs' busy time over the window, divided by what was moved. */
static void add_cpu(struct work *w, enum net_side side)
{
	const struct net_result *r = w->end[side], *client = w->end[NET_CLIENT];
	const struct net_cpu *cpu = &r->cpu;
	double busy_us, moved;

	if (!cpu->count)
		return;
	set(w, of_side[side].util, cpu->util);
	set(w, of_side[side].peak_util, cpu->peak_util);
	set_count(w, of_side[side].peak_id, cpu->peak_id);
	set_count(w, of_side[side].cpus, cpu->count);
	busy_us = cpu->util / 100 * cpu->count * seconds(r) * 1e6;
	if (streams(w))
		moved = (double)(r->counts.bytes_sent + r->counts.bytes_recvd) / 1024;
	else
		moved = client ? (double)client->counts.transactions : 0;
	if (moved > 0)
		set(w, of_side[side].demand, busy_us / moved);
}

static void add_socket(struct work *w, enum net_side side)
{
	const struct net_socket_info *s = &w->end[side]->socket;

	if (s->send_buffer)
		set_count(w, of_side[side].send_buffer, s->send_buffer);
	if (s->recv_buffer)
		set_count(w, of_side[side].recv_buffer, s->recv_buffer);
	set_count(w, of_side[side].tos, s->tos);
	if (w->spec->protocol != NET_TCP)
		return;
	/* connections of crr are gone before they could be asked */
	if (w->spec->test != NET_CRR)
		set_count(w, of_side[side].retransmits, s->retransmits);
	set(w, of_side[side].nodelay, s->nodelay);
	set_text(w, of_side[side].congestion, s->congestion);
}

/* TCP_INFO of one end only, and the addresses as either end saw them. */
static void add_connection(struct work *w)
{
	const struct net_result *client = w->end[NET_CLIENT],
				*server = w->end[NET_SERVER], *from = sender(w);
	const struct net_socket_info *s = client ? &client->socket : &server->socket;

	/* seen from the server, what it sends to is the client */
	set_text(w, SEL_SOURCE_ADDR, client ? s->source : s->dest);
	set_text(w, SEL_DEST_ADDR, client ? s->dest : s->source);
	if (s->source_port && s->dest_port) {
		set_count(w, SEL_SOURCE_PORT, client ? s->source_port : s->dest_port);
		set_count(w, SEL_DEST_PORT, client ? s->dest_port : s->source_port);
	}
	if (w->spec->protocol != NET_TCP)
		return;
	if (s->mss)
		set_count(w, SEL_TRANSPORT_MSS, s->mss);
	if (!from)
		return;
	if (from->socket.rtt_us > 0)
		set(w, SEL_RTT_US, from->socket.rtt_us);
	if (from->socket.min_rtt_us > 0)
		set(w, SEL_MIN_RTT_US, from->socket.min_rtt_us);
	if (from->socket.cwnd)
		set_count(w, SEL_CWND, from->socket.cwnd);
}

static void add_latency(struct work *w)
{
	static const struct {
		enum net_selector selector;
		double p;
	} percentiles[] = {{SEL_P50_LATENCY, 50}, {SEL_P90_LATENCY, 90},
		{SEL_P95_LATENCY, 95}, {SEL_P99_LATENCY, 99}, {SEL_P999_LATENCY, 99.9},
		{SEL_P9999_LATENCY, 99.99}};
	const struct net_result *r = asks(w) ? w->end[NET_CLIENT] : sender(w);
	const struct hist *h = r ? &r->latency : NULL;

	if (!h || !h->total)
		return;
	set(w, SEL_MIN_LATENCY, (double)h->min / 1e3);
	set(w, SEL_MAX_LATENCY, (double)h->max / 1e3);
	set(w, SEL_MEAN_LATENCY, hist_mean(h) / 1e3);
	set(w, SEL_STDDEV_LATENCY, hist_stddev(h) / 1e3);
	for (size_t i = 0; i < ARRAY_LEN(percentiles); i++)
		set(w, percentiles[i].selector,
			(double)hist_percentile(h, percentiles[i].p) / 1e3);
	if (r->connect.total)
		set(w, SEL_CONNECT_P50_LATENCY,
			(double)hist_percentile(&r->connect, 50) / 1e3);
}

/* rr of mix while nothing else was going on, and what the streams add to that. */
static void add_idle(struct work *w)
{
	static const struct {
		enum net_selector selector, loaded, added;
		double p;
	} percentiles[] = {
		{SEL_IDLE_P50_LATENCY, SEL_P50_LATENCY, SEL_ADDED_P50_LATENCY, 50},
		{SEL_IDLE_P90_LATENCY, SEL_P90_LATENCY, NET_SELECTORS, 90},
		{SEL_IDLE_P99_LATENCY, SEL_P99_LATENCY, SEL_ADDED_P99_LATENCY, 99}};
	const struct hist *h = w->end[NET_CLIENT] ? &w->end[NET_CLIENT]->idle : NULL;

	if (!h || !h->total)
		return;
	set(w, SEL_IDLE_MEAN_LATENCY, hist_mean(h) / 1e3);
	set(w, SEL_IDLE_MAX_LATENCY, (double)h->max / 1e3);
	for (size_t i = 0; i < ARRAY_LEN(percentiles); i++) {
		double idle = (double)hist_percentile(h, percentiles[i].p) / 1e3;

		set(w, percentiles[i].selector, idle);
		if (percentiles[i].added != NET_SELECTORS)
			set(w, percentiles[i].added,
				known(w, percentiles[i].loaded) - idle);
	}
}

static void add_stream(struct work *w)
{
	double local = known(w, SEL_LOCAL_RECV_THROUGHPUT),
	       remote = known(w, SEL_REMOTE_RECV_THROUGHPUT);
	const double by_dir[NET_DIRS] = {
		[NET_SEND] = remote, [NET_RECV] = local, [NET_BIDIR] = local + remote};

	set(w, SEL_THROUGHPUT, by_dir[w->spec->dir]);
	set_text(w, SEL_THROUGHPUT_UNITS, "10^6bits/s");
	set_text(w, SEL_SD_UNITS, "us/KB");
}

static double asking_flows(const struct net_spec *s)
{
	return s->test == NET_MIX ? 1 : s->flows;
}

static void add_transactions(struct work *w)
{
	const struct net_spec *s = w->spec;
	const struct net_result *r = w->end[NET_CLIENT];
	double done = r ? (double)r->counts.transactions : NAN,
	       rate = r ? done / seconds(r) : NAN;

	if (!streams(w)) {
		set(w, SEL_THROUGHPUT, rate);
		set_text(w, SEL_THROUGHPUT_UNITS, "Trans/s");
		set_text(w, SEL_SD_UNITS, "us/Tran");
	}
	set(w, SEL_TRANSACTION_RATE, rate);
	if (s->rate > 0)
		set(w, SEL_RT_LATENCY, known(w, SEL_MEAN_LATENCY));
	else
		set(w, SEL_RT_LATENCY, 1e6 * asking_flows(s) * s->depth / rate);
	set_count(w, SEL_BURST_SIZE, s->depth - 1);
	set_count(w, SEL_REQUEST_SIZE, s->request_bytes);
	set_count(w, SEL_RESPONSE_SIZE, s->response_bytes);
	if (s->protocol == NET_UDP && r)
		set(w, SEL_LOSS_PCT,
			100 * (double)r->counts.lost / (done + (double)r->counts.lost));
}

/* Of both receivers when both ends send. */
static void add_datagrams(struct work *w)
{
	const bool both = w->spec->dir == NET_BIDIR;
	const struct net_result *to[] = {receiver(w), both ? sender(w) : NULL},
				*from[] = {sender(w), both ? receiver(w) : NULL};
	double sent = 0, came = 0, again = 0, late = 0, drops = 0, rate = 0, jitter = 0;

	for (int i = 0; i < 1 + both; i++) {
		const struct net_counts *c = to[i] ? &to[i]->counts : NULL;

		if (!c)
			return;
		sent += from[i] ? (double)from[i]->total_sent_datagrams : NAN;
		came += (double)c->datagrams;
		again += (double)c->duplicates;
		late += (double)c->reordered;
		drops += (double)c->socket_drops;
		rate += (double)c->datagrams / seconds(to[i]);
		jitter = fmax(jitter, to[i]->jitter_us);
	}
	/* each that came counts once */
	set(w, SEL_LOSS_PCT, 100 * fmax(0, sent - came) / sent);
	set(w, SEL_REORDERED, late);
	set(w, SEL_DUPLICATES, again);
	set(w, SEL_SOCKET_DROPS, drops);
	set(w, SEL_PPS, rate);
	set(w, SEL_JITTER_US, jitter);
}

static void add_words(struct work *w)
{
	static const char *const dirs[NET_DIRS] = {"Send", "Receive", "Send|Recv"};
	const struct net_spec *s = w->spec;
	char protocol[8];
	size_t i = 0;

	for (const char *p = net_protocol_names[s->protocol]; *p && i < 7; p++)
		protocol[i++] = (char)toupper((unsigned char)*p);
	protocol[i] = '\0';
	set_text(w, SEL_PROTOCOL, protocol);
	set_text(w, SEL_DIRECTION, streams(w) ? dirs[s->dir] : dirs[NET_BIDIR]);
	set_text(w, SEL_COMMAND_LINE, w->facts->command);
	set_text(w, SEL_UUID, w->facts->uuid);
	set_text(w, SEL_RESULT_BRAND, w->facts->brand);
}

static void add_confidence(struct work *w)
{
	const struct confidence *c = w->facts->confidence;
	const struct confidence_goal *goal = w->facts->goal;

	if (c) {
		set_count(w, SEL_CONFIDENCE_ITERATION, c->n);
		set(w, SEL_THROUGHPUT_CONFID, 100 * c->width);
	}
	if (goal) {
		set(w, SEL_CONFIDENCE_LEVEL, 100 * goal->level);
		set(w, SEL_CONFIDENCE_INTERVAL, 100 * goal->width);
	}
}

static void add_ends(struct work *w)
{
	const struct net_result *shares = streams(w) ? receiver(w) : w->end[NET_CLIENT];

	for (int side = 0; side < NET_SIDES; side++) {
		if (!w->end[side])
			continue;
		add_counts(w, (enum net_side)side);
		add_cpu(w, (enum net_side)side);
		add_socket(w, (enum net_side)side);
	}
	set(w, SEL_ELAPSED_TIME,
		seconds(w->end[NET_CLIENT] ? w->end[NET_CLIENT] : w->end[NET_SERVER]));
	add_connection(w);
	add_latency(w);
	add_idle(w);
	if (shares && shares->fairness > 0)
		set(w, SEL_JAIN_FAIRNESS, shares->fairness);
}

int net_values_of(const struct net_spec *spec, const struct net_result *client,
	const struct net_result *server, const struct net_facts *facts,
	struct net_values *ret)
{
	struct work w = {.spec = spec, .end = {client, server}, .facts = facts, .v = ret};

	memset(ret, 0, sizeof(*ret));
	if (client || server)
		add_ends(&w);
	if (streams(&w))
		add_stream(&w);
	if (asks(&w))
		add_transactions(&w);
	if (streams(&w) && spec->protocol == NET_UDP)
		add_datagrams(&w);
	add_words(&w);
	add_confidence(&w);
	if (w.no_memory)
		net_values_finish(ret);
	return w.no_memory ? -ENOMEM : 0;
}

int net_values_add_facts(
	const struct net_spec *spec, const struct net_facts *facts, struct net_values *v)
{
	static const enum net_selector texts[] = {SEL_PROTOCOL, SEL_DIRECTION,
		SEL_COMMAND_LINE, SEL_UUID, SEL_RESULT_BRAND};
	struct work w = {.spec = spec, .facts = facts, .v = v};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		free(v->of[texts[i]].text);
		v->of[texts[i]] = (struct net_value){.known = false};
	}
	add_words(&w);
	add_confidence(&w);
	return w.no_memory ? -ENOMEM : 0;
}

void net_values_headline(const struct net_values *v, char *out, size_t size)
{
	const struct net_value *rate = &v->of[SEL_THROUGHPUT],
			       *units = &v->of[SEL_THROUGHPUT_UNITS];

	if (rate->known)
		snprintf(out, size, "%.2f %s", rate->number,
			units->known ? units->text : "");
	else
		snprintf(out, size, "-");
}
