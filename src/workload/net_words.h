/* net_words: the words behind `--` that say what a network test is, as netperf or iperf3 spell them. Pure.
 *
 * Position. With a second `--` among the words, netperf's rule holds where it has one letter for two
 * things: options before it are netperf's global ones, those behind it the test's. Without one, each
 * letter has the meaning that docs/networks.md lists. What has no meaning is refused by name.
 *
 * Pairs. "A" is for both ends, "A,B" for the client's and the server's, "A," and ",B" for one of them.
 *
 * Sizes. netperf's words: k, m, g are powers of ten, K, M, G of two. iperf3's: sizes are powers of two
 * and rates powers of ten, in either case. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/net.h"
#include "proto/net_selectors.h"

struct buf;
struct err;

enum net_dialect { NET_WORDS_NETPERF, NET_WORDS_IPERF3, NET_DIALECTS };
extern const char *const net_dialect_names[NET_DIALECTS]; /* "netperf" "iperf3" */

#define NET_ITERATIONS_MIN 3
#define NET_ITERATIONS_MAX 30

struct net_words {
	struct net_spec spec;
	/* What to print of each pair. selectors NULL: none was named, those of net_selectors_default. */
	bool output_asked;
	enum net_format format;
	enum net_selector *selectors;
	size_t n_selectors;
	/* Iterations; 1 and 1: just one. Level and full width as fractions: 0.99, 0.05. */
	uint32_t iterations_min, iterations_max;
	double confidence_level, confidence_width;
	/* Data addresses and ports that stand in for those of the hosts; NULL and 0: as the hosts have them. */
	char *client_address, *server_address;
	uint32_t client_port, server_port;
	char *brand, *uuid; /* RESULT_BRAND, UUID; NULL: none */
	/* -m, -M default: netperf's own sizes, 16384 and 131072, which engine netperf is not told */
	bool default_send, default_recv;
	char **given; /* the options as they were named, NULL-terminated, for messages; or NULL */
};

/* The test that stands for no words at all: a tcp stream to the server of 10 s on one flow. */
void net_words_init(struct net_words *w);
void net_words_finish(struct net_words *w);

/* timeout_ns of a test whose words say none: 1 s for udp rr, where it holds up a flow, else 10 s. */
uint64_t net_words_timeout_ns(const struct net_spec *s);

/* Parses words[0..n) into *ret (filled anew) and checks them against each other. Each error is one
 * sentence that names the option. 0, or -1 with err (ERR_INPUT) and *ret empty. */
int net_words_parse(enum net_dialect dialect, char *const *words, size_t n,
	struct net_words *ret, struct err *err);
bool net_words_given(const struct net_words *w, const char *option); /* "-t" */

/* Appends the words, in netperf's dialect without a second `--` and quoted for a shell, that parse to w
 * again: "-t TCP_RR -l 30 -r 64,64". 0, -ENOMEM or -ENOBUFS. */
int net_words_print(const struct net_words *w, struct buf *out);

/* A line per option of a dialect, for --help and documentation: what it is called, what it takes,
 * and one sentence. */
struct net_word_help {
	const char *letter, *name; /* "-t", "--time", or NULL */
	const char *arg;           /* "NAME", or NULL */
	const char *help;
	bool refused; /* help says why */
	bool global;  /* only before a second `--` */
};
/* i from 0; false behind the last one. */
bool net_words_help(enum net_dialect dialect, size_t i, struct net_word_help *ret);
