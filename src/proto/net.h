/* net: one network test between two workers: what it is, and what each end says of it. The messages that
 * carry them are in msg.h; docs/protocol.md, "Network tests", tells their order.
 *
 * A pair is one client and one server and runs one test. Its number is the orchestrator's; jobs and pairs
 * know nothing of each other. "Local" is the client's end, "remote" the server's, as netperf has it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/hist.h"

struct err;

enum net_test { NET_STREAM, NET_RR, NET_CRR, NET_MIX, NET_TESTS };
enum net_protocol { NET_TCP, NET_UDP, NET_PROTOCOLS };
/* Who sends in a stream, or in the streams of a mix, seen from the client. */
enum net_dir { NET_SEND, NET_RECV, NET_BIDIR, NET_DIRS };
enum net_close { NET_CLOSE_FIN, NET_CLOSE_RST, NET_CLOSES };
enum net_side { NET_CLIENT, NET_SERVER, NET_SIDES };
extern const char *const net_test_names[NET_TESTS],
	*const net_protocol_names[NET_PROTOCOLS],
		*const net_dir_names[NET_DIRS], *const net_close_names[NET_CLOSES],
							*const net_side_names[NET_SIDES];

#define NET_FLOWS_MAX 65536u
#define NET_DEPTH_MAX 65536u
#define NET_BYTES_MAX (UINT64_C(1) << 30) /* of a message, a request, a buffer */
#define NET_TOKEN_SIZE 16

/* What the sockets and threads of one end are given; 0 and NULL: as the system has it. */
struct net_end {
	uint64_t send_buffer, recv_buffer; /* SO_SNDBUF, SO_RCVBUF, bytes */
	uint64_t send_bytes,
		recv_bytes;  /* of one call in a stream; 0: 128 KiB, udp 1472 */
	char *congestion;    /* TCP_CONGESTION */
	uint32_t mss;        /* TCP_MAXSEG */
	uint32_t tos;        /* IP_TOS and IPV6_TCLASS, the whole byte */
	uint64_t pace_bytes; /* SO_MAX_PACING_RATE of each flow, bytes a second */
	bool nodelay, cork;
	char *cpus; /* "3" or "0-3,8": threads are bound to these, flow i to the i-th; NULL: not */
};

struct net_spec {
	enum net_test test;
	enum net_protocol protocol;
	enum net_dir dir; /* of a stream */
	uint32_t flows;   /* with a connection each; mix: its streams */
	uint64_t warmup_ns, duration_ns;
	uint64_t idle_ns; /* mix: of duration_ns, how long rr is alone; 0: a third */
	/* The test ends when the flows together have so much, at the latest after duration_ns; 0: by time */
	uint64_t max_bytes, max_transactions;
	uint64_t interval_ns;                   /* reports while it runs; 0: none */
	uint64_t stagger_ns;                    /* flow i begins i times this later */
	uint32_t family;                        /* 4, 6, or 0: any */
	uint64_t request_bytes, response_bytes; /* rr, crr, mix: at least 1 */
	uint32_t depth;                         /* transactions in flight per flow */
	double rate; /* rr, crr: transactions a second of all flows, open loop; 0: closed */
	uint64_t rate_bits;   /* udp stream: bits a second of all flows; 0: unlimited */
	enum net_close close; /* crr */
	bool zero_copy;       /* MSG_ZEROCOPY */
	bool skip_rx_copy;    /* MSG_TRUNC */
	bool batch;           /* udp: GSO and GRO where the kernel has them */
	bool dont_route;      /* SO_DONTROUTE */
	uint64_t
		timeout_ns; /* udp rr: a transaction is lost after it; connect and hello */
	struct net_end local, remote;
};

/* What an address says of the way: numeric, without brackets. */
struct net_open {
	uint32_t pair;
	enum net_side side;
	char *address; /* server: to listen on, "" any; client: the server's, to connect to */
	char *bind;    /* client: to connect from; NULL: any */
	uint32_t port; /* client: the server's; server: to listen on, 0: see port_min */
	uint32_t port_min, port_max; /* server: one of these; 0: any */
	uint32_t local_port;         /* client: to connect from; 0: any */
	bool lease; /* server: in the server on lease that has address and port */
	char token[NET_TOKEN_SIZE * 2 + 1]; /* hex; who does not show it gets nothing */
	struct net_spec spec;
	/* The end is this program instead of sockets of the worker's own; NULL-terminated. In a server's
	 * NET_PORT_WORD stands for the port that the worker finds for it. */
	char **argv;
	/* The client's program is ended this long after its start, the server's a little later */
	uint64_t deadline_ns;
};

#define NET_PORT_WORD "{port}"

/* One end's counts of a window or an interval. Streams: what went and came through the sockets. rr, crr:
 * transactions, on the client. mix: both; its bytes and calls are the streams'. */
struct net_counts {
	uint64_t bytes_sent, bytes_recvd, send_calls, recv_calls;
	uint64_t transactions;
	uint64_t lost; /* udp rr: not answered in time; crr: connections that failed */
	/* udp stream, at the receiver: of the datagrams that the sender sent in its window, also those
	 * that came after ours. datagrams: each once. */
	uint64_t datagrams, reordered, duplicates, socket_drops;
};

struct net_interval {
	uint32_t pair;
	uint32_t seq;
	uint64_t from_ns, to_ns; /* this end's clock */
	struct net_counts counts;
};

/* TCP_INFO and what the sockets turned out to have; sums over flows where a sum makes sense, else of the
 * first flow (rtt, cwnd: the mean). */
struct net_socket_info {
	uint64_t retransmits; /* segments, in the window */
	uint64_t mss, cwnd;   /* bytes, segments */
	double rtt_us, min_rtt_us;
	uint64_t send_buffer, recv_buffer; /* at the end, as getsockopt has them */
	char *congestion;
	bool nodelay;
	uint32_t tos;
	char *source, *dest; /* numeric */
	uint32_t source_port, dest_port;
};

/* Over the window, of the machine (from /proc/stat: busy without iowait) and of the process. */
struct net_cpu {
	double util, peak_util; /* 0..100 of all CPUs; of the busiest */
	uint32_t peak_id, count;
	uint64_t user_ns, system_ns; /* of the worker process */
	char *placement;             /* where the threads ran: "3", "0,2,5", "moved" */
};

struct net_result {
	uint32_t pair;
	uint64_t from_ns, to_ns;  /* the window, this end's clock; mix: under load */
	struct net_counts counts; /* of the window */
	struct net_counts total;  /* from first to last: warm-up and draining too */
	/* udp stream, at the sender: sent in its window; what the other end's counts.datagrams lack of
	 * it is lost */
	uint64_t total_sent_datagrams;
	double jitter_us; /* RFC 3550, mean over flows */
	uint64_t
		late_ns; /* how long after its moment the first flow that it drives began; 0: drives none */
	double fairness; /* Jain's index of the flows' bytes or transactions */
	struct hist
		latency; /* ns. rr, crr, mix: transactions; stream: one send call in 64 */
	struct hist connect; /* crr */
	struct hist idle;    /* mix: transactions before the window, without streams */
	struct net_socket_info socket;
	struct net_cpu cpu;
	char **remarks; /* NULL-terminated, or NULL: an option that the kernel did not take, ... */
};

#define NET_OUTPUT_MAX (768u * 1024u)
#define NET_STDERR_MAX (32u * 1024u)

/* What an end that is a program has printed, and how it ended. */
struct net_output {
	uint32_t pair;
	uint32_t exit;           /* its exit status, when no signal ended it */
	uint32_t signo;          /* the signal that ended it; 0: none */
	bool late;               /* it was ended at its deadline */
	bool cut;                /* it printed more than this */
	char *out, *err;         /* valid UTF-8, nothing left out but zero bytes */
	uint64_t from_ns, to_ns; /* its life, this end's clock */
	struct net_cpu
		cpu; /* of the machine meanwhile; user and system: of the program */
};

/* Why a pair failed: whether another try may help, and the words for it. */
enum net_failure {
	NET_FAIL_REFUSED,     /* nobody listens there */
	NET_FAIL_TIMEOUT,     /* no answer: a firewall that drops? */
	NET_FAIL_UNREACHABLE, /* no route */
	NET_FAIL_ADDRESS,     /* cannot be resolved, or is not of this machine */
	NET_FAIL_PORT,        /* taken, or not allowed */
	NET_FAIL_TOKEN,       /* the other end does not know us */
	NET_FAIL_LOST,        /* the connection broke */
	NET_FAIL_OPTION,      /* this machine cannot do what the test asks: try no more */
	NET_FAIL_RESOURCES,   /* descriptors, memory, ports used up */
	NET_FAIL_STOPPED,
	NET_FAIL_OTHER,
	NET_FAILURES,
};
extern const char *const net_failure_names[NET_FAILURES];
bool net_failure_passing(enum net_failure f); /* another try may help */

void net_spec_finish(struct net_spec *s);
int net_spec_copy(struct net_spec *to, const struct net_spec *from); /* 0 or -ENOMEM */
/* What makes no sense together, as far as no machine need be asked. -1 with err: the reason. */
int net_spec_check(const struct net_spec *s, struct err *err);
/* How long after its start the window of a test opens: warm-up, and the time that rr of a mix is alone. */
uint64_t net_spec_lead_ns(const struct net_spec *s);
