/* net_selectors: the table of values of a network test. */
#include "proto/net_selectors.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"

#define MBITS "10^6bits/s"
#define ROW(id, ...) [SEL_##id] = {#id, __VA_ARGS__}

const struct net_selector_info net_selectors[] = {
	ROW(THROUGHPUT, "", 2, false,
		"What the receiver got in its window, both receivers' sum when both "
		"send; "
		"transactions per second of rr and crr; mix: of its streams"),
	ROW(THROUGHPUT_UNITS, NULL, 0, false, "10^6bits/s or Trans/s"),
	ROW(ELAPSED_TIME, "s", 2, false, "The window, by the client's clock"),
	ROW(LOCAL_SEND_THROUGHPUT, MBITS, 2, false, "What the client sent"),
	ROW(LOCAL_RECV_THROUGHPUT, MBITS, 2, false, "What the client got"),
	ROW(REMOTE_SEND_THROUGHPUT, MBITS, 2, false, "What the server sent"),
	ROW(REMOTE_RECV_THROUGHPUT, MBITS, 2, false, "What the server got"),
	ROW(LOCAL_BYTES_SENT, "bytes", 0, false, "In the window, through the sockets"),
	ROW(LOCAL_BYTES_RECVD, "bytes", 0, false, "In the window, through the sockets"),
	ROW(REMOTE_BYTES_SENT, "bytes", 0, false, "In the window, through the sockets"),
	ROW(REMOTE_BYTES_RECVD, "bytes", 0, false, "In the window, through the sockets"),
	ROW(LOCAL_SEND_CALLS, "", 0, false, "System calls that sent"),
	ROW(LOCAL_RECV_CALLS, "", 0, false, "System calls that received"),
	ROW(REMOTE_SEND_CALLS, "", 0, false, "System calls that sent"),
	ROW(REMOTE_RECV_CALLS, "", 0, false, "System calls that received"),
	ROW(TRANSACTION_RATE, "Trans/s", 2, false, "Of all flows together"),
	ROW(RT_LATENCY, "us", 3, false,
		"Mean time of a transaction by the rate: flows x in flight / rate; with "
		"a "
		"rate that was set, MEAN_LATENCY"),
	ROW(BURST_SIZE, "", 0, false, "Transactions in flight besides the first"),
	ROW(REQUEST_SIZE, "bytes", 0, false, "Of one request"),
	ROW(RESPONSE_SIZE, "bytes", 0, false, "Of one response"),
	ROW(MIN_LATENCY, "us", 3, false,
		"rr: of a transaction; crr: with its connect; mix: under load; stream: "
		"of one "
		"send call"),
	ROW(MAX_LATENCY, "us", 3, false, "The same"),
	ROW(MEAN_LATENCY, "us", 3, false, "The same"),
	ROW(STDDEV_LATENCY, "us", 3, false, "The same"),
	ROW(P50_LATENCY, "us", 3, false, "The same: the median"),
	ROW(P90_LATENCY, "us", 3, false, "The same"),
	ROW(P95_LATENCY, "us", 3, true, "The same"),
	ROW(P99_LATENCY, "us", 3, false, "The same"),
	ROW(P999_LATENCY, "us", 3, true, "The same: 99.9 %"),
	ROW(P9999_LATENCY, "us", 3, true, "The same: 99.99 %"),
	ROW(LOCAL_CPU_UTIL, "%", 2, false, "Of all CPUs of the client's machine"),
	ROW(LOCAL_CPU_PEAK_UTIL, "%", 2, false, "Of its busiest CPU"),
	ROW(LOCAL_CPU_PEAK_ID, "", 0, false, "Number of its busiest CPU"),
	ROW(LOCAL_CPU_COUNT, "", 0, false, "CPUs of the client's machine"),
	ROW(REMOTE_CPU_UTIL, "%", 2, false, "Of all CPUs of the server's machine"),
	ROW(REMOTE_CPU_PEAK_UTIL, "%", 2, false, "Of its busiest CPU"),
	ROW(REMOTE_CPU_PEAK_ID, "", 0, false, "Number of its busiest CPU"),
	ROW(REMOTE_CPU_COUNT, "", 0, false, "CPUs of the server's machine"),
	ROW(LOCAL_SD, "", 3, false,
		"Service demand: CPU time of the client's machine per KB of 1024 bytes "
		"that "
		"this end sent and got, or per transaction"),
	ROW(REMOTE_SD, "", 3, false, "Service demand of the server's machine"),
	ROW(SD_UNITS, NULL, 0, false, "us/KB or us/Tran"),
	ROW(LOCAL_TRANSPORT_RETRANS, "", 0, false, "tcp: segments sent again, TCP_INFO"),
	ROW(REMOTE_TRANSPORT_RETRANS, "", 0, false, "tcp: segments sent again, TCP_INFO"),
	ROW(TRANSPORT_MSS, "bytes", 0, false, "tcp: of the client's end, TCP_INFO"),
	ROW(LOCAL_CONG_CONTROL, NULL, 0, false, "tcp: TCP_CONGESTION"),
	ROW(REMOTE_CONG_CONTROL, NULL, 0, false, "tcp: TCP_CONGESTION"),
	ROW(LSS_SIZE_END, "bytes", 0, false, "SO_SNDBUF of the client at the end"),
	ROW(LSR_SIZE_END, "bytes", 0, false, "SO_RCVBUF of the client at the end"),
	ROW(RSS_SIZE_END, "bytes", 0, false, "SO_SNDBUF of the server at the end"),
	ROW(RSR_SIZE_END, "bytes", 0, false, "SO_RCVBUF of the server at the end"),
	ROW(LOCAL_NODELAY, "", 0, false, "tcp: TCP_NODELAY: 1 or 0"),
	ROW(REMOTE_NODELAY, "", 0, false, "tcp: TCP_NODELAY: 1 or 0"),
	ROW(LOCAL_SOCKET_TOS, "", 0, false, "IP_TOS or IPV6_TCLASS, the whole byte"),
	ROW(REMOTE_SOCKET_TOS, "", 0, false, "IP_TOS or IPV6_TCLASS, the whole byte"),
	ROW(CONFIDENCE_LEVEL, "%", 2, false, "As -I asked for"),
	ROW(CONFIDENCE_INTERVAL, "%", 2, false, "Width that -I asked for"),
	ROW(CONFIDENCE_ITERATION, "", 0, false, "Iterations that were made"),
	ROW(THROUGHPUT_CONFID, "%", 3, false,
		"Full width of the confidence interval of THROUGHPUT that was reached, "
		"of "
		"its mean"),
	ROW(PROTOCOL, NULL, 0, false, "TCP or UDP"),
	ROW(DIRECTION, NULL, 0, false, "Send, Receive or Send|Recv"),
	ROW(SOURCE_ADDR, NULL, 0, false, "The client's address"),
	ROW(DEST_ADDR, NULL, 0, false, "The server's address"),
	ROW(SOURCE_PORT, "", 0, false, "The client's port, of the first flow"),
	ROW(DEST_PORT, "", 0, false, "The server's port"),
	ROW(COMMAND_LINE, NULL, 0, false, "The command that repeats this pair"),
	ROW(UUID, NULL, 0, false, "As -u asked for, else made for each result"),
	ROW(RESULT_BRAND, NULL, 0, false, "As -B asked for"),
	ROW(LOSS_PCT, "%", 4, true,
		"udp stream: datagrams that were sent and did not come; udp rr: "
		"transactions "
		"without an answer in time"),
	ROW(REORDERED, "", 0, true, "udp stream: datagrams that came after a later one"),
	ROW(DUPLICATES, "", 0, true, "udp stream: datagrams that came again"),
	ROW(SOCKET_DROPS, "", 0, true,
		"udp stream: datagrams that came and had no room in the receiver's "
		"socket; with --gsro what GRO put together counts once"),
	ROW(JITTER_US, "us", 3, true, "udp stream: RFC 3550, mean of the flows"),
	ROW(PPS, "1/s", 1, true, "udp stream: datagrams per second that came"),
	ROW(RTT_US, "us", 1, true, "tcp: smoothed, of the sender, TCP_INFO"),
	ROW(MIN_RTT_US, "us", 1, true, "tcp: smallest, of the sender, TCP_INFO"),
	ROW(CWND, "", 0, true, "tcp: congestion window of the sender, segments"),
	ROW(CONNECT_P50_LATENCY, "us", 3, true, "crr: median time of a connect"),
	ROW(IDLE_MEAN_LATENCY, "us", 3, true,
		"mix: of a transaction before the streams began"),
	ROW(IDLE_P50_LATENCY, "us", 3, true, "The same: the median"),
	ROW(IDLE_P90_LATENCY, "us", 3, true, "The same"),
	ROW(IDLE_P99_LATENCY, "us", 3, true, "The same"),
	ROW(IDLE_MAX_LATENCY, "us", 3, true, "The same"),
	ROW(ADDED_P50_LATENCY, "us", 3, true,
		"mix: P50_LATENCY less IDLE_P50_LATENCY: what the streams add"),
	ROW(ADDED_P99_LATENCY, "us", 3, true, "mix: P99_LATENCY less IDLE_P99_LATENCY"),
	ROW(JAIN_FAIRNESS, "", 4, true, "Jain's index of the flows' shares: 1 is even"),
};

const char *const net_format_names[] = {"csv", "columns", "keyval", "json"};

int net_selector_find(const char *name, struct err *err)
{
	const char *names[NET_SELECTORS], *near;

	for (size_t i = 0; i < NET_SELECTORS; i++) {
		names[i] = net_selectors[i].name;
		if (strcasecmp(names[i], name) == 0)
			return (int)i;
	}
	near = text_nearest(name, names, NET_SELECTORS);
	return err_set(err, ERR_INPUT, "unknown selector '%.100s'%s%s%s", name,
		near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}

#define TCP_STREAM (1u << 0)
#define UDP_STREAM (1u << 1)
#define TCP_RR (1u << 2)
#define UDP_RR (1u << 3)
#define CRR (1u << 4)
#define MIX (1u << 5)
#define ALL 63u
#define STREAMS (TCP_STREAM | UDP_STREAM)
#define TRANSACTIONS (TCP_RR | UDP_RR | CRR | MIX)

static const struct {
	enum net_selector selector;
	unsigned tests;
} defaults[] = {
	{SEL_THROUGHPUT, ALL},
	{SEL_THROUGHPUT_UNITS, ALL},
	{SEL_ELAPSED_TIME, ALL},
	{SEL_PROTOCOL, ALL},
	{SEL_DIRECTION, ALL},
	{SEL_LOCAL_SEND_THROUGHPUT, STREAMS | MIX},
	{SEL_LOCAL_RECV_THROUGHPUT, STREAMS | MIX},
	{SEL_REMOTE_SEND_THROUGHPUT, STREAMS | MIX},
	{SEL_REMOTE_RECV_THROUGHPUT, STREAMS | MIX},
	{SEL_REQUEST_SIZE, TRANSACTIONS},
	{SEL_RESPONSE_SIZE, TRANSACTIONS},
	{SEL_MIN_LATENCY, TRANSACTIONS},
	{SEL_MEAN_LATENCY, TRANSACTIONS},
	{SEL_P50_LATENCY, TRANSACTIONS},
	{SEL_P90_LATENCY, TRANSACTIONS},
	{SEL_P99_LATENCY, TRANSACTIONS},
	{SEL_MAX_LATENCY, TRANSACTIONS},
	{SEL_STDDEV_LATENCY, TRANSACTIONS},
	{SEL_TRANSACTION_RATE, MIX},
	{SEL_CONNECT_P50_LATENCY, CRR},
	{SEL_IDLE_MEAN_LATENCY, MIX},
	{SEL_IDLE_P50_LATENCY, MIX},
	{SEL_IDLE_P99_LATENCY, MIX},
	{SEL_ADDED_P50_LATENCY, MIX},
	{SEL_ADDED_P99_LATENCY, MIX},
	{SEL_LOSS_PCT, UDP_STREAM | UDP_RR},
	{SEL_JITTER_US, UDP_STREAM},
	{SEL_PPS, UDP_STREAM},
	{SEL_REORDERED, UDP_STREAM},
	{SEL_LOCAL_CPU_UTIL, ALL},
	{SEL_REMOTE_CPU_UTIL, ALL},
	{SEL_LOCAL_SD, ALL},
	{SEL_REMOTE_SD, ALL},
	{SEL_SD_UNITS, ALL},
	{SEL_LOCAL_TRANSPORT_RETRANS, TCP_STREAM | TCP_RR | MIX},
	{SEL_REMOTE_TRANSPORT_RETRANS, TCP_STREAM | TCP_RR | MIX},
};

static unsigned kind_of(const struct net_spec *s)
{
	static const unsigned kinds[NET_TESTS][NET_PROTOCOLS] = {
		[NET_STREAM] = {TCP_STREAM, UDP_STREAM},
		[NET_RR] = {TCP_RR, UDP_RR},
		[NET_CRR] = {CRR, CRR},
		[NET_MIX] = {MIX, MIX},
	};

	return kinds[s->test][s->protocol];
}

size_t net_selectors_default(const struct net_spec *s, enum net_selector *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(defaults); i++) {
		if (defaults[i].tests & kind_of(s))
			ret[n++] = defaults[i].selector;
	}
	return n;
}

void net_values_finish(struct net_values *v)
{
	for (size_t i = 0; i < NET_SELECTORS; i++)
		free(v->of[i].text);
	memset(v, 0, sizeof(*v));
}
