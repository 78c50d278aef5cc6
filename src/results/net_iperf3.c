/* net_iperf3: the JSON of iperf3. Versions differ in what is there, so each member is taken where it is found;
 * its sums without "bidir_reverse" go from client to server, unless the test was reversed. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "common/units.h"
#include "results/net_told.h"

#define INTERVALS_MAX 100000u

CLEANUP_DEFINE(json_t, json_decref)
#define AUTO_JSON CLEANUP(cleanup_json_decref)

struct work {
	const struct net_spec *spec;
	const json_t *start, *end;
	struct net_told *told;
	struct net_values *v;
};

/* One direction of a stream: its sums, and where its values go. */
struct way {
	const json_t *sum, *sent, *recvd; /* NULL: not there */
	enum net_side from;
};

static double number(const json_t *object, const char *name)
{
	const json_t *v = json_object_get(object, name);
	double n = json_is_number(v) ? json_number_value(v) : NAN;

	return isfinite(n) && n >= 0 ? n : NAN;
}

/* What has no measure of it says 0. */
static double positive(const json_t *object, const char *name)
{
	double n = number(object, name);

	return n > 0 ? n : NAN;
}

static double port(const json_t *object, const char *name)
{
	double n = positive(object, name);

	return n <= UINT16_MAX ? n : NAN;
}

static const char *text(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

static void set(struct work *w, enum net_selector s, double n)
{
	net_told_number(w->v, s, n);
}

static double plus(double a, double b)
{
	return isfinite(a) ? a + b : b;
}

static const struct {
	enum net_selector sent_rate, sent, recvd_rate, recvd, retransmits, congestion;
} of_side[NET_SIDES] = {
	{SEL_LOCAL_SEND_THROUGHPUT, SEL_LOCAL_BYTES_SENT, SEL_LOCAL_RECV_THROUGHPUT,
		SEL_LOCAL_BYTES_RECVD, SEL_LOCAL_TRANSPORT_RETRANS,
		SEL_LOCAL_CONG_CONTROL},
	{SEL_REMOTE_SEND_THROUGHPUT, SEL_REMOTE_BYTES_SENT, SEL_REMOTE_RECV_THROUGHPUT,
		SEL_REMOTE_BYTES_RECVD, SEL_REMOTE_TRANSPORT_RETRANS,
		SEL_REMOTE_CONG_CONTROL},
};

static enum net_side other(enum net_side side)
{
	return side == NET_CLIENT ? NET_SERVER : NET_CLIENT;
}

/* ---- sums ---- */

/* Bits a second of a udp sum that has no one for the receiver: what was sent less what was lost. */
static double less_lost(const json_t *sum)
{
	double packets = positive(sum, "packets"), lost = number(sum, "lost_packets");

	return number(sum, "bits_per_second") * fmax(0, 1 - lost / packets);
}

/* Returns 10^6 bits/s at the receiver. */
static double add_way(struct work *w, const struct way *way)
{
	enum net_side to = other(way->from);
	const json_t *sent = way->sent ? way->sent : way->sum;
	double rate = number(way->recvd, "bits_per_second");

	if (!isfinite(rate) && way->sum)
		rate = less_lost(way->sum);
	set(w, of_side[way->from].sent_rate, number(sent, "bits_per_second") / 1e6);
	set(w, of_side[way->from].sent, number(sent, "bytes"));
	set(w, of_side[to].recvd_rate, rate / 1e6);
	set(w, of_side[to].recvd, number(way->recvd, "bytes"));
	set(w, of_side[way->from].retransmits, number(way->sent, "retransmits"));
	return rate / 1e6;
}

static void add_datagrams(struct work *w, const struct way *ways, size_t n)
{
	double packets = NAN, lost = NAN, jitter = NAN, rate = NAN;

	for (size_t i = 0; i < n; i++) {
		const json_t *at = ways[i].recvd ? ways[i].recvd : ways[i].sum;
		double all = number(at, "packets"), gone = number(at, "lost_packets");

		packets = plus(packets, all);
		lost = plus(lost, gone);
		jitter = fmax(jitter, number(at, "jitter_ms"));
		rate = plus(rate, fmax(0, all - gone) / positive(at, "seconds"));
	}
	if (packets > 0)
		set(w, SEL_LOSS_PCT, 100 * lost / packets);
	set(w, SEL_JITTER_US, jitter * 1000);
	set(w, SEL_PPS, rate);
}

/* ---- streams ---- */

/* The part of an entry of end.streams that says something of its sender. */
static const json_t *stream_part(const json_t *stream, const char *part)
{
	const json_t *found = json_object_get(stream, part);

	return found ? found : json_object_get(stream, "udp");
}

/* Whether the client sends in it; in versions before 3.7 it is not said, and there is one direction. */
static bool client_sends(const struct work *w, const json_t *part)
{
	const json_t *sender = json_object_get(part, "sender");

	return sender ? json_is_true(sender) : w->spec->dir != NET_RECV;
}

/* RTTs are those of who sends and knows them: of a server's end nothing comes over. */
static void add_streams(struct work *w)
{
	const json_t *streams = json_object_get(w->end, "streams"), *stream;
	double rtt = 0, least = NAN, late = NAN, sum = 0, squares = 0;
	size_t i, known = 0, flows = 0;

	json_array_foreach(streams, i, stream)
	{
		const json_t *sender = stream_part(stream, "sender"),
			     *receiver = stream_part(stream, "receiver");
		double mean = positive(sender, "mean_rtt");
		double bytes = number(receiver, "bytes");

		if (mean > 0) {
			rtt += mean;
			known++;
		}
		least = fmin(least, positive(sender, "min_rtt"));
		late = plus(late, number(json_object_get(stream, "udp"), "out_of_order"));
		if (w->spec->dir == NET_BIDIR && !client_sends(w, sender))
			continue;
		if (isfinite(bytes)) {
			sum += bytes;
			squares += bytes * bytes;
			flows++;
		}
	}
	if (known)
		set(w, SEL_RTT_US, rtt / (double)known);
	set(w, SEL_MIN_RTT_US, least);
	set(w, SEL_REORDERED, late);
	if (flows && squares > 0)
		set(w, SEL_JAIN_FAIRNESS, sum * sum / ((double)flows * squares));
}

/* iperf3 has it in bytes. */
static void add_window(struct work *w, const json_t *interval)
{
	const json_t *streams = json_object_get(interval, "streams"), *stream;
	double mss = net_told_known(w->v, SEL_TRANSPORT_MSS), bytes = 0;
	size_t i, n = 0;

	json_array_foreach(streams, i, stream)
	{
		double window = positive(stream, "snd_cwnd");

		if (window > 0) {
			bytes += window;
			n++;
		}
	}
	if (n && mss > 0)
		set(w, SEL_CWND, round(bytes / (double)n / mss));
}

/* ---- the rest ---- */

static void add_connection(struct work *w)
{
	const json_t *first = json_array_get(json_object_get(w->start, "connected"), 0);
	enum net_side from = w->spec->dir == NET_RECV ? NET_SERVER : NET_CLIENT;

	net_told_text(w->v, SEL_SOURCE_ADDR, text(first, "local_host"));
	net_told_text(w->v, SEL_DEST_ADDR, text(first, "remote_host"));
	set(w, SEL_SOURCE_PORT, port(first, "local_port"));
	set(w, SEL_DEST_PORT, port(first, "remote_port"));
	set(w, SEL_LSS_SIZE_END, positive(w->start, "sndbuf_actual"));
	set(w, SEL_LSR_SIZE_END, positive(w->start, "rcvbuf_actual"));
	if (w->spec->protocol != NET_TCP)
		return;
	set(w, SEL_TRANSPORT_MSS,
		fmax(positive(w->start, "tcp_mss_default"),
			positive(w->start, "tcp_mss")));
	net_told_text(
		w->v, of_side[from].congestion, text(w->end, "sender_tcp_congestion"));
	net_told_text(w->v, of_side[other(from)].congestion,
		text(w->end, "receiver_tcp_congestion"));
}

/* A test of years is none. */
#define SECONDS_MAX 1e9

static double bytes_of(const json_t *sum)
{
	double bytes = number(sum, "bytes");

	return bytes < 1e18 ? bytes : NAN;
}

/* What its client counted, in both directions together. */
static int add_interval(struct work *w, const json_t *interval)
{
	const json_t *sum = json_object_get(interval, "sum"),
		     *back = json_object_get(interval, "sum_bidir_reverse");
	struct net_intervals *list = &w->told->intervals;
	double bytes = bytes_of(sum), more = bytes_of(back);
	double from = number(sum, "start"), to = number(sum, "end");
	struct net_interval *grown;

	if (json_is_true(json_object_get(sum, "omitted")) || !isfinite(bytes) ||
		!(to > from && to < SECONDS_MAX) || list->n >= INTERVALS_MAX)
		return 0;
	grown = reallocarray(list->items, list->n + 1, sizeof(*grown));
	if (!grown)
		return -1;
	list->items = grown;
	grown[list->n] = (struct net_interval){.seq = (uint32_t)list->n,
		.from_ns = (uint64_t)(from * 1e9),
		.to_ns = (uint64_t)(to * 1e9)};
	grown[list->n].counts.bytes_recvd =
		(uint64_t)(bytes + (isfinite(more) ? more : 0));
	list->n++;
	return 0;
}

static int add_intervals(struct work *w, const json_t *intervals, struct err *err)
{
	const json_t *interval;
	size_t i;

	json_array_foreach(intervals, i, interval)
	{
		if (w->spec->interval_ns && add_interval(w, interval) < 0)
			return err_set(err, ERR_FAILED, "out of memory");
	}
	add_window(w, json_array_get(intervals, json_array_size(intervals) - 1));
	return 0;
}

/* What kept its sockets from what they were asked for, as our own engine says it. */
static void add_sockets(struct work *w)
{
	enum net_side side = NET_CLIENT;
	struct net_socket_info *s = &w->told->socket[side];
	const struct net_value *of = w->v->of;
	double retransmits = net_told_known(w->v, SEL_LOCAL_TRANSPORT_RETRANS);

	if (w->spec->protocol != NET_TCP || !isfinite(retransmits))
		return;
	s->retransmits = (uint64_t)retransmits;
	s->mss = (uint64_t)of[SEL_TRANSPORT_MSS].number;
	s->cwnd = (uint64_t)of[SEL_CWND].number;
	s->rtt_us = of[SEL_RTT_US].number;
	s->min_rtt_us = of[SEL_MIN_RTT_US].number;
	s->send_buffer = (uint64_t)of[SEL_LSS_SIZE_END].number;
	s->recv_buffer = (uint64_t)of[SEL_LSR_SIZE_END].number;
	s->nodelay = w->spec->local.nodelay;
	s->tos = w->spec->local.tos;
	s->source_port = (uint32_t)of[SEL_SOURCE_PORT].number;
	s->dest_port = (uint32_t)of[SEL_DEST_PORT].number;
	if (of[SEL_LOCAL_CONG_CONTROL].text)
		s->congestion = strdup(of[SEL_LOCAL_CONG_CONTROL].text);
	if (of[SEL_SOURCE_ADDR].text)
		s->source = strdup(of[SEL_SOURCE_ADDR].text);
	if (of[SEL_DEST_ADDR].text)
		s->dest = strdup(of[SEL_DEST_ADDR].text);
}

static int read_results(struct work *w, const json_t *root, struct err *err)
{
	struct way ways[2] = {
		{json_object_get(w->end, "sum"), json_object_get(w->end, "sum_sent"),
			json_object_get(w->end, "sum_received"), NET_CLIENT},
		{json_object_get(w->end, "sum_bidir_reverse"),
			json_object_get(w->end, "sum_sent_bidir_reverse"),
			json_object_get(w->end, "sum_received_bidir_reverse"),
			NET_SERVER}};
	size_t n = w->spec->dir == NET_BIDIR ? 2 : 1;
	double rate = 0;

	if (w->spec->dir == NET_RECV)
		ways[0].from = NET_SERVER;
	for (size_t i = 0; i < n; i++)
		rate += add_way(w, &ways[i]);
	if (!isfinite(rate))
		return err_set(err, ERR_INPUT, "its JSON has no sums");
	/* its server does not count what is still under way when the client ends */
	if (rate <= 0 && w->spec->protocol == NET_TCP)
		return err_set(err, ERR_FAILED,
			"its receiver had counted nothing when it ended: the test is too "
			"short for iperf3");
	set(w, SEL_THROUGHPUT, rate);
	net_told_text(w->v, SEL_THROUGHPUT_UNITS, "10^6bits/s");
	net_told_text(w->v, SEL_SD_UNITS, "us/KB");
	set(w, SEL_ELAPSED_TIME,
		fmax(positive(ways[0].sent, "seconds"),
			positive(ways[0].sum, "seconds")));
	add_connection(w);
	add_streams(w);
	if (w->spec->protocol == NET_UDP)
		add_datagrams(w, ways, n);
	if (add_intervals(w, json_object_get(root, "intervals"), err) < 0)
		return -1;
	add_sockets(w);
	return w->v->of[SEL_THROUGHPUT].known
		       ? 0
		       : err_set(err, ERR_INPUT, "its JSON has no sums");
}

int net_iperf3_read(const struct net_spec *spec, const char *bytes, size_t len,
	struct net_told *ret, struct err *err)
{
	/* warnings may stand in front */
	const char *begin = memchr(bytes, '{', len);
	AUTO_JSON json_t *root = begin ? json_loadb(begin, len - (size_t)(begin - bytes),
						 JSON_DISABLE_EOF_CHECK, NULL)
				       : NULL;
	struct work w = {.spec = spec,
		.start = json_object_get(root, "start"),
		.end = json_object_get(root, "end"),
		.told = ret,
		.v = &ret->values};
	const char *failure = text(root, "error");
	AUTO_FREE char *safe = failure ? text_sanitize(failure, strlen(failure)) : NULL;

	memset(ret, 0, sizeof(*ret));
	if (safe && *safe)
		return err_set(err, ERR_FAILED, "%s", safe);
	if (!root)
		return err_set(err, ERR_INPUT, "its output is no JSON");
	if (read_results(&w, root, err) < 0) {
		net_told_finish(ret);
		return -1;
	}
	return 0;
}
