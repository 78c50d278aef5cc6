/* net_expect: expectations of a profile, one row each: which results it is about, and how it is read. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/text.h"
#include "workload/net_profile_impl.h"

#define BOUND(i) .offset = offsetof(struct net_expectations, bound[i])
#define SET(i) .set_offset = offsetof(struct net_expectations, set[i])
#define KEY(i, key, text) [i] = {key, KEY_DOUBLE, BOUND(i), SET(i), .help = text}

const struct key profile_expectation_keys[] = {
	KEY(EXPECT_MEAN_LATENCY_MAX, "mean_latency_max",
		"us: MEAN_LATENCY of each rr, crr and mix."),
	KEY(EXPECT_P99_LATENCY_MAX, "p99_latency_max",
		"us: P99_LATENCY of each rr, crr and mix."),
	KEY(EXPECT_LATENCY_STDDEV_MAX, "latency_stddev_max",
		"us: STDDEV_LATENCY of each rr, crr and mix."),
	KEY(EXPECT_JITTER_MAX, "jitter_max", "us: JITTER_US of each udp stream."),
	KEY(EXPECT_TCP_THROUGHPUT_MIN, "tcp_throughput_min",
		"10^6 bits/s: THROUGHPUT of each tcp stream and mix."),
	KEY(EXPECT_UDP_THROUGHPUT_MIN, "udp_throughput_min",
		"10^6 bits/s: THROUGHPUT of each udp stream."),
	KEY(EXPECT_TOTAL_THROUGHPUT_MIN, "total_throughput_min",
		"10^6 bits/s: the sum over all pairs, of each stream test and mix."),
	KEY(EXPECT_TRANSACTION_RATE_MIN, "transaction_rate_min",
		"1/s: TRANSACTION_RATE of each rr."),
	KEY(EXPECT_CONNECTION_RATE_MIN, "connection_rate_min",
		"1/s: TRANSACTION_RATE of each crr."),
	KEY(EXPECT_CPU_UTIL_MAX, "cpu_util_max",
		"%: LOCAL_CPU_UTIL and REMOTE_CPU_UTIL of each test."),
	KEY(EXPECT_CV_MAX, "cv_max",
		"%: standard deviation over mean of THROUGHPUT over iterations, where "
		"there "
		"are several."),
	KEY(EXPECT_PACKET_LOSS_MAX, "packet_loss_max",
		"Fraction: LOSS_PCT / 100 of each udp test."),
	KEY(EXPECT_RETRANSMISSION_RATE_MAX, "retransmission_rate_max",
		"Fraction: segments of a tcp stream or mix that were sent again."),
	KEY(EXPECT_ERROR_RATE_MAX, "error_rate_max",
		"Fraction: of all pairs and tests, those that failed."),
	{.name = NULL},
};

static double value_of(const struct net_outcome *o, enum net_selector s)
{
	return o->values && o->values->of[s].known ? o->values->of[s].number : NAN;
}

static double mean_latency(const struct net_outcome *o)
{
	return value_of(o, SEL_MEAN_LATENCY);
}

static double p99_latency(const struct net_outcome *o)
{
	return value_of(o, SEL_P99_LATENCY);
}

static double latency_stddev(const struct net_outcome *o)
{
	return value_of(o, SEL_STDDEV_LATENCY);
}

static double jitter(const struct net_outcome *o)
{
	return value_of(o, SEL_JITTER_US);
}

static double throughput(const struct net_outcome *o)
{
	return value_of(o, SEL_THROUGHPUT);
}

static double cpu_util(const struct net_outcome *o)
{
	return fmax(value_of(o, SEL_LOCAL_CPU_UTIL), value_of(o, SEL_REMOTE_CPU_UTIL));
}

static double cv(const struct net_outcome *o)
{
	return 100 * o->cv;
}

static double packet_loss(const struct net_outcome *o)
{
	return value_of(o, SEL_LOSS_PCT) / 100;
}

/* Both ends' segments: those of an end that only receives are none. */
/* Other engines tell of the end that sends alone. */
static double of_both(
	const struct net_outcome *o, enum net_selector local, enum net_selector remote)
{
	double a = value_of(o, local), b = value_of(o, remote);

	if (isnan(a))
		return b;
	return isnan(b) ? a : a + b;
}

static double retransmission_rate(const struct net_outcome *o)
{
	double again = of_both(
		       o, SEL_LOCAL_TRANSPORT_RETRANS, SEL_REMOTE_TRANSPORT_RETRANS),
	       sent = of_both(o, SEL_LOCAL_BYTES_SENT, SEL_REMOTE_BYTES_SENT) /
		      value_of(o, SEL_TRANSPORT_MSS);

	return sent > 0 ? again / sent : NAN;
}

#define TCP_STREAM 1u
#define UDP_STREAM 2u
#define RR 4u
#define UDP_RR 8u
#define CRR 16u
#define MIX 32u
#define STREAMS (TCP_STREAM | UDP_STREAM)
#define TRANSACTIONS (RR | UDP_RR | CRR | MIX)
#define ALL (STREAMS | TRANSACTIONS)

static const struct expectation {
	unsigned tests; /* that it is about */
	double (*value)(const struct net_outcome *o);
	const char *unit;
	bool min;
	bool sum;      /* over all pairs of a test */
	bool may_miss; /* nothing to check when it is not known */
} expectations[NET_EXPECTATIONS] = {
	[EXPECT_MEAN_LATENCY_MAX] = {TRANSACTIONS, mean_latency, " us"},
	[EXPECT_P99_LATENCY_MAX] = {TRANSACTIONS, p99_latency, " us"},
	[EXPECT_LATENCY_STDDEV_MAX] = {TRANSACTIONS, latency_stddev, " us"},
	[EXPECT_JITTER_MAX] = {UDP_STREAM, jitter, " us"},
	[EXPECT_TCP_THROUGHPUT_MIN] = {TCP_STREAM | MIX, throughput, " Mb/s",
		.min = true},
	[EXPECT_UDP_THROUGHPUT_MIN] = {UDP_STREAM, throughput, " Mb/s", .min = true},
	[EXPECT_TOTAL_THROUGHPUT_MIN] = {STREAMS | MIX, throughput, " Mb/s", .min = true,
		.sum = true},
	[EXPECT_TRANSACTION_RATE_MIN] = {RR | UDP_RR, throughput, "/s", .min = true},
	[EXPECT_CONNECTION_RATE_MIN] = {CRR, throughput, "/s", .min = true},
	[EXPECT_CPU_UTIL_MAX] = {ALL, cpu_util, " %"},
	[EXPECT_CV_MAX] = {ALL, cv, " %", .may_miss = true},
	[EXPECT_PACKET_LOSS_MAX] = {UDP_STREAM | UDP_RR, packet_loss, ""},
	[EXPECT_RETRANSMISSION_RATE_MAX] = {TCP_STREAM | MIX, retransmission_rate, ""},
	[EXPECT_ERROR_RATE_MAX] = {0, NULL, ""},
};

static unsigned kind_of(const struct net_spec *s)
{
	static const unsigned kinds[NET_TESTS][NET_PROTOCOLS] = {
		[NET_STREAM] = {TCP_STREAM, UDP_STREAM},
		[NET_RR] = {RR, UDP_RR},
		[NET_CRR] = {CRR, CRR},
		[NET_MIX] = {MIX, MIX},
	};

	return kinds[s->test][s->protocol];
}

/* What an expectation is about, in the words of the table of keys. */
static const struct {
	unsigned tests;
	const char *text;
} abouts[] = {
	{TCP_STREAM | MIX, "tcp streams and mix"},
	{STREAMS | MIX, "streams and mix"},
	{UDP_STREAM, "udp streams"},
	{UDP_STREAM | UDP_RR, "udp tests"},
	{RR | UDP_RR, "rr"},
	{CRR, "crr"},
	{TRANSACTIONS, "rr, crr and mix"},
};

const char *profile_expectation_idle(const struct net_profile *p, size_t which)
{
	unsigned kinds = 0, wanted = expectations[which].tests;

	for (size_t i = 0; i < p->n; i++)
		kinds |= kind_of(&p->tests[i].words.spec);
	for (size_t i = 0; wanted && !(kinds & wanted) && i < ARRAY_LEN(abouts); i++)
		if (abouts[i].tests == wanted)
			return abouts[i].text;
	return NULL;
}

struct lines {
	char **items; /* NULL-terminated, or NULL */
	int n;
};

struct misses {
	const struct net_expectations *e;
	struct lines missed, met;
	bool no_memory;
};

/* Takes text over; NULL: out of memory. */
static void add_line(struct misses *m, struct lines *l, char *text)
{
	char **more = realloc(l->items, ((size_t)l->n + 2) * sizeof(*more));

	if (more)
		l->items = more;
	if (!more || !text) {
		m->no_memory = true;
		free(text);
		return;
	}
	more[l->n++] = text;
	more[l->n] = NULL;
}

static void add_miss(struct misses *m, char *text)
{
	add_line(m, &m->missed, text);
}

/* n values of a test were judged and none is a miss; of them that which was nearest to it. */
static void add_met(struct misses *m, size_t which, const char *test, const char *who,
	double value, size_t n)
{
	const struct expectation *x = &expectations[which];
	const char *most = x->min ? "at least " : "at most ";

	add_line(m, &m->met,
		text_printf("%s %s: %s %.10g%s, got %s%.6g%s", test, who,
			profile_expectation_keys[which].name, m->e->bound[which], x->unit,
			n > 1 ? most : "", value, x->unit));
}

static void judge(
	struct misses *m, size_t which, const char *test, const char *who, double value)
{
	const struct expectation *x = &expectations[which];
	const char *key = profile_expectation_keys[which].name;
	double bound = m->e->bound[which];

	if (isnan(value)) {
		if (!x->may_miss)
			add_miss(m,
				text_printf(
					"%s %s: %s %.10g%s cannot be checked: its value "
					"is not known",
					test, who, key, bound, x->unit));
		return;
	}
	if (x->min ? value < bound : value > bound)
		add_miss(m, text_printf("%s %s: %s %.10g%s, got %.6g%s", test, who, key,
				    bound, x->unit, value, x->unit));
}

/* All pairs of the test that o[first] is the first outcome of. */
static void check_test(struct misses *m, size_t which, const struct net_outcome *o,
	size_t first, size_t n)
{
	const struct expectation *x = &expectations[which];
	const char *nearest = NULL;
	double value, worst = NAN;
	size_t known = 0;
	int before = m->missed.n;

	for (size_t i = first; i < n; i++) {
		if (o[i].failed || o[i].test != o[first].test)
			continue;
		value = x->value(&o[i]);
		judge(m, which, o[i].test->name, o[i].pair, value);
		if (isnan(value))
			continue;
		known++;
		if (!nearest || (x->min ? value < worst : value > worst)) {
			nearest = o[i].pair;
			worst = value;
		}
	}
	if (known && m->missed.n == before)
		add_met(m, which, o[first].test->name, nearest, worst, known);
}

/* Whether no outcome in front of it is of its test. */
static bool is_first(const struct net_outcome *o, size_t i)
{
	size_t first = 0;

	while (o[first].test != o[i].test)
		first++;
	return first == i;
}

static void check_each(
	struct misses *m, size_t which, const struct net_outcome *o, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (is_first(o, i) &&
			(kind_of(&o[i].test->words.spec) & expectations[which].tests))
			check_test(m, which, o, i, n);
}

/* Failed pairs add nothing to the sum of their test. */
static void check_sums(
	struct misses *m, size_t which, const struct net_outcome *o, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct net_profile_test *test = o[i].test;
		int before = m->missed.n;
		double sum = 0;

		if (!is_first(o, i) ||
			!(kind_of(&test->words.spec) & expectations[which].tests))
			continue;
		for (size_t k = i; k < n; k++) {
			if (o[k].test == test && !o[k].failed)
				sum += expectations[which].value(&o[k]);
		}
		judge(m, which, test->name, "over all pairs", sum);
		if (m->missed.n == before)
			add_met(m, which, test->name, "over all pairs", sum, 1);
	}
}

static void check_errors(struct misses *m, const struct net_outcome *o, size_t n)
{
	double bound = m->e->bound[EXPECT_ERROR_RATE_MAX];
	size_t failed = 0;

	for (size_t i = 0; i < n; i++)
		failed += o[i].failed;
	if (n)
		add_line(m, (double)failed / (double)n > bound ? &m->missed : &m->met,
			text_printf("error_rate_max %g, got %.6g: %zu of %zu failed",
				bound, (double)failed / (double)n, failed, n));
}

static void free_lines(struct lines *l)
{
	for (int i = 0; i < l->n; i++)
		free(l->items[i]);
	free(l->items);
}

int net_expectations_check(const struct net_expectations *e,
	const struct net_outcome *outcomes, size_t n, char ***ret_missed, char ***ret_met)
{
	struct misses m = {.e = e};

	for (size_t i = 0; i < NET_EXPECTATIONS; i++) {
		if (!e->set[i])
			continue;
		if (i == EXPECT_ERROR_RATE_MAX)
			check_errors(&m, outcomes, n);
		else if (expectations[i].sum)
			check_sums(&m, i, outcomes, n);
		else
			check_each(&m, i, outcomes, n);
	}
	*ret_missed = NULL;
	*ret_met = NULL;
	if (m.no_memory) {
		free_lines(&m.missed);
		free_lines(&m.met);
		return -ENOMEM;
	}
	*ret_missed = m.missed.items;
	*ret_met = m.met.items;
	return m.missed.n;
}
