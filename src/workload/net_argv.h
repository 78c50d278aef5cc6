/* net_argv: the command lines by which netperf and iperf3, as they are installed on hosts, run the test
 * that a spec is. Pure. What a program cannot do is refused by name, before anything runs. */
#pragma once

#include <stdint.h>

#include "workload/net_words.h"

struct err;

enum net_engine { NET_ENGINE_NATIVE, NET_ENGINE_NETPERF, NET_ENGINE_IPERF3, NET_ENGINES };
extern const char *const net_engine_names[NET_ENGINES]; /* "native" "netperf" "iperf3" */

/* Where the test goes. */
struct net_argv_way {
	const char *program; /* NULL: "netperf", "iperf3", by PATH */
	const char *address; /* of the server's end */
	const char *bind;    /* of the client's end; NULL: any */
	uint32_t
		port; /* of netserver's control, of iperf3's server; 0: NET_PORT_WORD in its place */
};

/* Client's command line: *ret is NULL-terminated and one allocation of its own (net_argv_free). The
 * native engine has none (ERR_INPUT, like everything a program cannot do).
 *
 * netperf: -P 0 -H ADDRESS -p PORT -t OMNI -l N -c -C -- ... -k SELECTORS, all those that netperf knows.
 * iperf3: -c ADDRESS -p PORT -t N -J ... Iterations are muster's, not the program's. */
int net_argv_client(enum net_engine engine, const struct net_words *w,
	const struct net_argv_way *way, char ***ret, struct err *err);
/* The server's, which serves one pair: netserver -D -L ADDRESS -p PORT; iperf3 -s -1 -B ADDRESS -p PORT.
 * way->bind is not looked at. */
int net_argv_server(enum net_engine engine, const struct net_words *w,
	const struct net_argv_way *way, char ***ret, struct err *err);
void net_argv_free(char **argv); /* takes NULL */

/* Refuses what the engine cannot do, as net_argv_client does; native does everything. */
int net_argv_check(enum net_engine engine, const struct net_words *w, struct err *err);

/* How long the client's program may take at most, from its start: its test, setting up and ending. */
uint64_t net_argv_deadline_ns(const struct net_words *w);
