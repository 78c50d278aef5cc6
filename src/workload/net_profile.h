/* net_profile: a named list of network tests with what is expected of them, from YAML. Pure.
 *
 * profiles/NAME.yaml are those that come with muster; docs/networks.md has the keys. Each test becomes the
 * words that a command line would have made, so what runs, prints and repeats one does not know which. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "workload/net_words.h"
#include "workload/workload.h"

struct err;

struct net_profile_test {
	char *name; /* unique in its profile */
	unsigned line;
	bool cpu_affinity; /* threads are bound: see net_profile_bind */
	struct net_words words;
};

/* What is checked of the results. */
enum net_expectation {
	EXPECT_MEAN_LATENCY_MAX, /* us, of rr and crr, like the next two */
	EXPECT_P99_LATENCY_MAX,
	EXPECT_LATENCY_STDDEV_MAX,
	EXPECT_JITTER_MAX,         /* us, of udp streams */
	EXPECT_TCP_THROUGHPUT_MIN, /* 10^6 bits/s, of each tcp stream test */
	EXPECT_UDP_THROUGHPUT_MIN,
	EXPECT_TOTAL_THROUGHPUT_MIN, /* 10^6 bits/s, of all pairs of a stream test together */
	EXPECT_TRANSACTION_RATE_MIN, /* 1/s, of rr */
	EXPECT_CONNECTION_RATE_MIN,  /* 1/s, of crr */
	EXPECT_CPU_UTIL_MAX,         /* %, of the busier end's machine */
	EXPECT_CV_MAX, /* %, of the headline over iterations; not checked of one */
	EXPECT_PACKET_LOSS_MAX,         /* fractions: of udp */
	EXPECT_RETRANSMISSION_RATE_MAX, /* of the segments of tcp streams */
	EXPECT_ERROR_RATE_MAX,          /* of all pairs and tests, those that failed */
	NET_EXPECTATIONS,
};
struct net_expectations {
	double bound[NET_EXPECTATIONS];
	bool set[NET_EXPECTATIONS];
};

struct net_profile {
	char *name, *description, *category;
	uint64_t version;
	char **tags;          /* NULL-terminated, or NULL */
	uint64_t cooldown_ns; /* between tests */
	bool continue_on_error;
	struct net_profile_test *tests;
	size_t n;
	struct net_expectations expectations;
	bool detect_outliers; /* say which iterations lie far from the others */
};

/* Parses text; place names the file in errors, "PLACE:LINE:COLUMN: ". duration_ns above 0 (--duration)
 * overrides that of all tests, whose warm-ups and rests are then at most as long. warn (may be NULL) receives what is accepted and does nothing. 0, or -1
 * with err (ERR_INPUT) and *ret empty. */
int net_profile_parse(const char *place, const char *text, size_t len,
	uint64_t duration_ns, void (*warn)(const char *text, void *user), void *user,
	struct net_profile *ret, struct err *err);
void net_profile_finish(struct net_profile *p);

/* For cpu_affinity, once the machines are known: flow i on the i-th CPU of each end, round and round.
 * Does nothing to an end whose CPUs are named already. 0 or -ENOMEM. */
int net_profile_bind(struct net_spec *s, unsigned client_cpus, unsigned server_cpus);

/* One pair's result of one test. */
struct net_outcome {
	const char *pair; /* "client1 → server1" */
	const struct net_profile_test *test;
	bool failed;                     /* then values is not looked at */
	const struct net_values *values; /* the median iteration's, or the only one's */
	double cv; /* of THROUGHPUT over iterations, a fraction; NAN: only one */
};
/* Checks each expectation against the outcomes it is about. Returns the number of misses, each a line
 * of *ret_missed, or -ENOMEM. *ret_met has a line for each expectation and test that nothing has missed, with
 * the value that came nearest to it. Both are NULL-terminated and malloc'ed, NULL when there is none. A value
 * that should be there and is not known is a miss. */
int net_expectations_check(const struct net_expectations *e,
	const struct net_outcome *outcomes, size_t n, char ***ret_missed,
	char ***ret_met);

/* The key tables, for documentation and tests: "", "global", "tests[]", "expectations", "analysis". */
extern const struct workload_table net_profile_tables[];
