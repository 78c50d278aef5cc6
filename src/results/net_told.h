/* net_told: what netperf or iperf3 printed, as the values of a network test, in the fields and units of our own
 * engine. Pure, and from any bytes. What a program does not say stays unknown. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "proto/net_selectors.h"
#include "results/net_record.h"

struct err;

struct net_told {
	struct net_values values;
	/* What an end's sockets were, as far as that was said; zero members are unknown, but retransmits */
	struct net_socket_info socket[NET_SIDES];
	/* As the client's end counted: bytes_recvd is what moved, whoever sent it. Times are from its start. */
	struct net_intervals intervals;
};
void net_told_finish(struct net_told *t); /* takes what is zeroed or half filled */

/* Reads what a program printed. 0, and THROUGHPUT is known; or -1 and *ret is empty: err has the program's own
 * words for what failed (ERR_FAILED), or these are no results (ERR_INPUT). */
typedef int net_told_fn(const struct net_spec *spec, const char *text, size_t len,
	struct net_told *ret, struct err *err);
net_told_fn net_iperf3_read;  /* of `iperf3 -J`, versions 3.1 to 3.17 */
net_told_fn net_netperf_read; /* of `netperf -t OMNI ... -- -k SELECTORS` */

/* What the client's program has said and done, and what its machine did meanwhile. server may be NULL. 0, or
 * -1 with err and why. */
int net_told_read(net_told_fn *read, const struct net_spec *spec,
	const struct net_output *client, const struct net_output *server,
	struct net_told *ret, enum net_failure *ret_why, struct err *err);

/* Why a program failed, by its words; NET_FAIL_OTHER when they are new to us. */
enum net_failure net_told_failure(const char *words);
/* How a program that failed ended, in its own words if it had some: "unable to connect to server: Connection
 * refused", "was ended by signal 9 (Killed)". err is filled; why too. */
void net_told_explain(
	const struct net_output *o, enum net_failure *ret_why, struct err *err);

/* For those who fill values: a number that can be one, and a copy of a text that is not empty; the rest stays
 * unknown. */
void net_told_number(struct net_values *v, enum net_selector s, double number);
void net_told_text(struct net_values *v, enum net_selector s, const char *text);
double net_told_known(const struct net_values *v, enum net_selector s); /* or NAN */
