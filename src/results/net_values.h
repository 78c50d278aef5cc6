/* net_values: the values of one network test from what its two ends said. Pure.
 *
 * Each end's counts are divided by that end's own window. Latencies, jitter and sockets are those of the
 * end that has them: transactions of the client, datagrams of the receiver, TCP_INFO of the sender (the
 * client's when both send). What cannot be known stays unknown: never a zero that nobody measured. */
#pragma once

#include "proto/net_selectors.h"

struct confidence;
struct confidence_goal;

/* What the two ends cannot know. NULL: unknown. */
struct net_facts {
	const char *command; /* that repeats this pair */
	const char *uuid, *brand;
	const struct confidence *confidence; /* of THROUGHPUT over the iterations */
	const struct confidence_goal *goal;  /* what -I asked for */
};

/* client or server may be NULL: that end said nothing. *ret is filled anew. 0 or -ENOMEM (then *ret is
 * empty). */
int net_values_of(const struct net_spec *spec, const struct net_result *client,
	const struct net_result *server, const struct net_facts *facts,
	struct net_values *ret);

/* Adds what the ends cannot know to values that came from elsewhere. 0 or -ENOMEM. */
int net_values_add_facts(
	const struct net_spec *spec, const struct net_facts *facts, struct net_values *v);

/* For a line of text and a table: "9412.35 10^6bits/s", "31250.10 Trans/s"; "-" when unknown.
 * out needs 64 bytes. */
void net_values_headline(const struct net_values *v, char *out, size_t size);
