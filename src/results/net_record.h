/* net_record: what became of one pair in one test: what --export has a row for. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/net.h"
#include "proto/net_selectors.h"

/* One end's reports while it ran; the n-th ones of both ends belong together. */
struct net_intervals {
	struct net_interval *items;
	size_t n;
};

struct net_record {
	const char *client, *server;           /* names of hosts; not the record's own */
	const char *test, *engine;             /* likewise */
	const struct net_spec *spec;           /* likewise */
	char *client_address, *server_address; /* of the data; NULL: not known */
	char *command;                         /* that repeats this pair */
	uint32_t round;                        /* from 1 */
	uint32_t
		resumed; /* which --resume of its matrix measured it; 0: none, the first */
	uint32_t iteration; /* of --repeat, from 1 */
	uint32_t attempts;  /* 0: it never began */
	bool concurrent;    /* others shared its machines */
	bool success;
	bool cut_short; /* it was stopped: its numbers are of less time than was asked for */
	uint64_t started_wall_ns; /* 0: never */
	double elapsed_s;         /* from its start to both results */
	char *output;             /* what -o, -O or -k asked for; NULL: it failed */
	char *error;              /* NULL: it did not fail */
	const char *error_class;  /* net_failure_names */
	struct net_values values; /* nothing is known of a pair that failed */
	struct net_result *end[NET_SIDES]; /* what each end said; NULL: nothing */
	struct net_intervals intervals[NET_SIDES];
};
/* Releases what is its own. */
void net_record_finish(struct net_record *r);
/* Forgets what a run of it has brought, for another one. */
void net_record_clear(struct net_record *r);

/* What was moved in the seq-th interval: Mb/s at the receivers, or transactions a second. The
 * interval of the end that says so, or of the first that does, goes to *ret. false: nobody
 * reported it. */
bool net_record_interval(const struct net_record *r, size_t seq,
	const struct net_interval **ret, double *ret_rate);

/* Takes NULL. */
void net_result_free(struct net_result *r);

/* Whether rates of this test are transactions. */
bool net_spec_transacts(const struct net_spec *s);
/* Whether latencies of transactions are its point. */
bool net_spec_asks(const struct net_spec *s);
