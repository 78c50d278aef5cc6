/* net_words_impl: between the files of net_words; not for others. */
#pragma once

#include "workload/net_words.h"

/* Where an option stands. */
#define POS_PLAIN 1u  /* there is no second `--` */
#define POS_GLOBAL 2u /* before it */
#define POS_TEST 4u   /* behind it */
#define POS_ANY 7u
#define POS_BELOW (POS_PLAIN | POS_TEST)

/* Kinds of tests; a row that does not name any is for all. */
#define FOR_TCP_STREAM 1u
#define FOR_UDP_STREAM 2u
#define FOR_TCP_RR 4u
#define FOR_UDP_RR 8u
#define FOR_CRR 16u
#define FOR_MIX 32u
#define FOR_STREAM (FOR_TCP_STREAM | FOR_UDP_STREAM)
#define FOR_RR (FOR_TCP_RR | FOR_UDP_RR | FOR_CRR)
#define FOR_TCP (FOR_TCP_STREAM | FOR_TCP_RR | FOR_CRR | FOR_MIX)
#define FOR_TRANSACTIONS (FOR_RR | FOR_MIX)
#define FOR_STREAMS (FOR_STREAM | FOR_MIX) /* those of mix, too */

enum word_type {
	WORD_FLAG,    /* bool at `at`, and at `and` when there is one */
	WORD_SIZE,    /* uint64_t */
	WORD_SIZES,   /* a pair of them */
	WORD_RATE,    /* uint64_t, bits a second: k, M, G are powers of ten */
	WORD_COUNT,   /* uint32_t in [min, max] */
	WORD_COUNTS,  /* a pair of them */
	WORD_SECONDS, /* uint64_t ns; a bare number is seconds */
	WORD_NUMBER,  /* double above 0 */
	WORD_TEXT,    /* char * */
	WORD_TEXTS,   /* a pair of them */
	WORD_TOS,     /* a pair of uint32_t: a number or a name */
	WORD_CONST,   /* uint32_t: min */
	WORD_SET,     /* by fn */
	WORD_ALWAYS,  /* it is so anyway: nothing to do */
	WORD_REFUSED, /* help says why */
};

struct words_parse;
typedef int word_fn(struct words_parse *p, const char *value, struct err *err);

struct word {
	const char *letter; /* "-t", or NULL */
	const char *name;   /* "--time", or NULL */
	const char *arg;    /* "NAME"; NULL: takes none; "[LIST]": may have one */
	unsigned pos;
	enum word_type type;
	size_t at, and; /* in struct net_words; 0: none */
	uint64_t min, max;
	word_fn *fn;
	unsigned tests;
	bool (*takes)(const char
			*next); /* whether "[ARG]" is the next word; NULL: no option is */
	const char *help;       /* one sentence, without a full stop */
};

/* at the most, of a test that ends by bytes or transactions */
#define NET_LIMITED_NS (UINT64_C(3600) * 1000000000)
/* of bytes, transactions, rates: their bits can be counted, too */
#define WORDS_LIMIT_MAX (UINT64_MAX / 8)
#define WORDS_SECONDS_MAX (UINT64_C(365) * 86400 * 1000000000) /* a year */
#define WORDS_END                                                                        \
	{                                                                                \
		.pos = 0                                                                 \
	}
#define AT(m) .at = offsetof(struct net_words, m)
#define AND(m) .and = offsetof(struct net_words, m)
/* both ends' member */
#define ENDS(m)                                                                          \
	.at = offsetof(struct net_words, spec.local.m),                                  \
	.and = offsetof(struct net_words, spec.remote.m)

/* What -d asks for: bits, as netperf has them. */
enum words_dir { DIR_NONE, DIR_SEND, DIR_RECV, DIR_RR };

struct words_test;

/* What the words said, before it is clear which test they make. */
struct words_parse {
	enum net_dialect dialect;
	struct net_words *w;
	const struct word *word;       /* the one at hand */
	const char *shown;             /* as it was written, for errors */
	const struct words_test *test; /* -t; NULL: OMNI */
	enum words_dir dir;
	int protocol;                          /* -1: not said */
	bool connect;                          /* -c: a connection per transaction */
	bool both;                             /* --bidir */
	bool separated;                        /* there is a second `--` */
	bool seconds;                          /* -l, -t */
	uint64_t limit;                        /* -l negative: bytes or transactions */
	uint64_t blocks, block_bytes, bitrate; /* iperf3 */
	bool bitrate_set;
	const struct word **rows; /* those given */
	size_t n_rows;
};

extern const struct word words_common[], words_netperf[], words_iperf3[];

/* The row of an option at a position: by letter 'x', or by name ("--time"; len bytes). NULL: none. */
const struct word *words_find_letter(enum net_dialect dialect, char letter, unsigned pos);
const struct word *words_find_name(
	enum net_dialect dialect, const char *name, size_t len, unsigned pos);

/* Puts a value where its row says. 0, or -1 with err. */
int words_set(struct words_parse *p, const char *value, struct err *err);

/* "-r wants a size such as 64 or 64K, not 'x'" */
int words_want(
	struct words_parse *p, const char *what, const char *value, struct err *err);

/* One value each. 0, or -EINVAL, -ERANGE. */
enum words_suffix {
	SUFFIX_BY_CASE, /* k: 10^3, K: 2^10 */
	SUFFIX_TWO,
	SUFFIX_TEN,
};
int words_size(enum words_suffix suffix, const char *s, uint64_t *ret);
enum words_suffix words_size_suffix(enum net_dialect dialect);
int words_tos(const char *s, uint32_t *ret);

/* Splits "A[,B]": which of the two there are; "A" is both. The parts are malloc'ed. */
struct words_pair {
	char *first, *second; /* NULL: not said */
};
int words_split(struct words_parse *p, const char *value, struct words_pair *ret,
	struct err *err);
void words_pair_finish(struct words_pair *pair);

/* "3", "0-3,8" */
bool words_is_cpu_list(const char *s);
/* Frees *to and moves *from there, unless that is NULL. */
void words_take(char **to, char **from);

/* The custom ones. */
word_fn words_set_csv, words_set_columns, words_set_keyval, words_set_json,
	words_set_iterations, words_set_confidence, words_set_close, words_set_units,
	words_set_bidir, words_set_warmup_or_columns, words_set_cpu_list;
/* netperf's */
word_fn words_set_test, words_set_type, words_set_direction, words_set_protocol,
	words_set_connect, words_set_length, words_set_sizes, words_set_depth,
	words_set_send_size, words_set_recv_size, words_set_route, words_set_address,
	words_set_banner, words_set_nodelay;
/* iperf3's */
word_fn words_set_udp, words_set_reverse, words_set_block, words_set_blocks_or_keyval,
	words_set_bitrate, words_set_window, words_set_affinity, words_set_pace_bits,
	words_set_dscp, words_set_connect_timeout;
bool words_takes_ends(const char *next); /* "L", "R" or "L,R" */

/* Makes the spec of what was said, and checks it. 0, or -1 with err. */
int words_resolve(struct words_parse *p, struct err *err);
