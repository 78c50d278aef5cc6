/* net_selectors: the values that a network test yields, by the names netperf gave them.
 *
 * One row per value: what it is called, its unit, how it is printed. Words on the command line ask for
 * them, results/net_values.h computes them, expectations of profiles look at them. "Local" is the client's
 * end, "remote" the server's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "proto/net.h"

struct err;

enum net_selector {
	SEL_THROUGHPUT,
	SEL_THROUGHPUT_UNITS,
	SEL_ELAPSED_TIME,
	SEL_LOCAL_SEND_THROUGHPUT,
	SEL_LOCAL_RECV_THROUGHPUT,
	SEL_REMOTE_SEND_THROUGHPUT,
	SEL_REMOTE_RECV_THROUGHPUT,
	SEL_LOCAL_BYTES_SENT,
	SEL_LOCAL_BYTES_RECVD,
	SEL_REMOTE_BYTES_SENT,
	SEL_REMOTE_BYTES_RECVD,
	SEL_LOCAL_SEND_CALLS,
	SEL_LOCAL_RECV_CALLS,
	SEL_REMOTE_SEND_CALLS,
	SEL_REMOTE_RECV_CALLS,
	SEL_TRANSACTION_RATE,
	SEL_RT_LATENCY,
	SEL_BURST_SIZE,
	SEL_REQUEST_SIZE,
	SEL_RESPONSE_SIZE,
	SEL_MIN_LATENCY,
	SEL_MAX_LATENCY,
	SEL_MEAN_LATENCY,
	SEL_STDDEV_LATENCY,
	SEL_P50_LATENCY,
	SEL_P90_LATENCY,
	SEL_P95_LATENCY,
	SEL_P99_LATENCY,
	SEL_P999_LATENCY,
	SEL_P9999_LATENCY,
	SEL_LOCAL_CPU_UTIL,
	SEL_LOCAL_CPU_PEAK_UTIL,
	SEL_LOCAL_CPU_PEAK_ID,
	SEL_LOCAL_CPU_COUNT,
	SEL_REMOTE_CPU_UTIL,
	SEL_REMOTE_CPU_PEAK_UTIL,
	SEL_REMOTE_CPU_PEAK_ID,
	SEL_REMOTE_CPU_COUNT,
	SEL_LOCAL_SD,
	SEL_REMOTE_SD,
	SEL_SD_UNITS,
	SEL_LOCAL_TRANSPORT_RETRANS,
	SEL_REMOTE_TRANSPORT_RETRANS,
	SEL_TRANSPORT_MSS,
	SEL_LOCAL_CONG_CONTROL,
	SEL_REMOTE_CONG_CONTROL,
	SEL_LSS_SIZE_END,
	SEL_LSR_SIZE_END,
	SEL_RSS_SIZE_END,
	SEL_RSR_SIZE_END,
	SEL_LOCAL_NODELAY,
	SEL_REMOTE_NODELAY,
	SEL_LOCAL_SOCKET_TOS,
	SEL_REMOTE_SOCKET_TOS,
	SEL_CONFIDENCE_LEVEL,
	SEL_CONFIDENCE_INTERVAL,
	SEL_CONFIDENCE_ITERATION,
	SEL_THROUGHPUT_CONFID,
	SEL_PROTOCOL,
	SEL_DIRECTION,
	SEL_SOURCE_ADDR,
	SEL_DEST_ADDR,
	SEL_SOURCE_PORT,
	SEL_DEST_PORT,
	SEL_COMMAND_LINE,
	SEL_UUID,
	SEL_RESULT_BRAND,
	SEL_LOSS_PCT,
	SEL_REORDERED,
	SEL_DUPLICATES,
	SEL_SOCKET_DROPS,
	SEL_JITTER_US,
	SEL_PPS,
	SEL_RTT_US,
	SEL_MIN_RTT_US,
	SEL_CWND,
	SEL_CONNECT_P50_LATENCY,
	SEL_IDLE_MEAN_LATENCY,
	SEL_IDLE_P50_LATENCY,
	SEL_IDLE_P90_LATENCY,
	SEL_IDLE_P99_LATENCY,
	SEL_IDLE_MAX_LATENCY,
	SEL_ADDED_P50_LATENCY,
	SEL_ADDED_P99_LATENCY,
	SEL_JAIN_FAIRNESS,
	NET_SELECTORS,
};

struct net_selector_info {
	const char *name;
	const char *unit; /* "" without one; NULL: text */
	int decimals;
	bool ours;        /* netperf does not know it */
	const char *help; /* what it is and where it comes from */
};
extern const struct net_selector_info net_selectors[NET_SELECTORS];

/* Number of the selector of that name, any case; -1 with err (ERR_INPUT): the nearest one. */
int net_selector_find(const char *name, struct err *err);

/* Those that stand for "all that matters" of such a test; ret has room for NET_SELECTORS.
 * Returns how many. */
size_t net_selectors_default(const struct net_spec *s, enum net_selector *ret);

/* How the values that were asked for are printed: -o, -O, -k, and JSON in their list. */
enum net_format { NET_CSV, NET_COLUMNS, NET_KEYVAL, NET_JSON, NET_FORMATS };
extern const char *const net_format_names[NET_FORMATS];

/* The value of one selector. */
struct net_value {
	bool known;
	double number;
	char *text; /* of a selector without a unit (NULL) */
};

/* By enum net_selector. */
struct net_values {
	struct net_value of[NET_SELECTORS];
};
/* Zeroed: nothing is known. */
void net_values_finish(struct net_values *v);
