/* net_words_resolve: what all words together make: one test, or the contradiction between two of them. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "common/units.h"
#include "workload/net_words_impl.h"

struct words_test {
	const char *name;
	enum net_test test;
	enum net_protocol protocol;
	enum words_dir dir;
	bool zero_copy;
};

static const struct words_test tests[] = {
	{"TCP_STREAM", NET_STREAM, NET_TCP, DIR_SEND, false},
	{"TCP_MAERTS", NET_STREAM, NET_TCP, DIR_RECV, false},
	{"TCP_SENDFILE", NET_STREAM, NET_TCP, DIR_SEND, true},
	{"TCP_RR", NET_RR, NET_TCP, DIR_RR, false},
	{"TCP_CRR", NET_CRR, NET_TCP, DIR_RR, false},
	{"TCP_CC", NET_CRR, NET_TCP, DIR_RR, false},
	{"UDP_STREAM", NET_STREAM, NET_UDP, DIR_SEND, false},
	{"UDP_RR", NET_RR, NET_UDP, DIR_RR, false},
	{"MIX", NET_MIX, NET_TCP, DIR_RR, false},
};

int words_set_test(struct words_parse *p, const char *value, struct err *err)
{
	const char *names[ARRAY_LEN(tests) + 1], *near;
	AUTO_FREE char *safe = text_sanitize(value, strlen(value));

	p->test = NULL;
	if (strcasecmp(value, "OMNI") == 0)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(tests); i++) {
		names[i] = tests[i].name;
		if (strcasecmp(value, tests[i].name) == 0) {
			p->test = &tests[i];
			return 0;
		}
	}
	names[ARRAY_LEN(tests)] = "OMNI";
	near = text_nearest(value, names, ARRAY_LEN(names));
	return err_set(err, ERR_INPUT,
		"%s: unknown test '%.60s'%s%s%s: there are TCP_STREAM, TCP_MAERTS, "
		"TCP_SENDFILE, TCP_RR, TCP_CRR, TCP_CC, UDP_STREAM, UDP_RR, MIX and "
		"OMNI",
		p->shown, safe ? safe : "", near ? " (did you mean " : "",
		near ? near : "", near ? "?)" : "");
}

/* A named test says everything; -d, -T and -c may only agree with it. */
static int check_named(const struct words_parse *p, struct err *err)
{
	static const char *const dir_words[] = {"", "send", "recv", "rr"};
	const struct words_test *t = p->test;
	bool plain_connect = false;

	if (p->protocol >= 0 && p->protocol != (int)t->protocol)
		return err_set(err, ERR_INPUT,
			"-t %s and %s contradict each other (OMNI takes any protocol)",
			t->name, net_protocol_names[p->protocol]);
	if (p->dir != DIR_NONE && p->dir != t->dir && t->test != NET_MIX)
		return err_set(err, ERR_INPUT,
			"-t %s and -d %s contradict each other (OMNI takes any "
			"direction)",
			t->name, dir_words[p->dir]);
	if (p->both && t->dir == DIR_RECV)
		return err_set(err, ERR_INPUT, "-t %s and --bidir contradict each other",
			t->name);
	for (size_t i = 0; i < p->n_rows; i++)
		plain_connect |= p->rows[i]->fn == words_set_connect;
	if (plain_connect && !p->separated && t->test != NET_CRR)
		return err_set(err, ERR_INPUT,
			"-c without a second -- is a connection for each transaction, "
			"which "
			"-t %s is not: -t TCP_CRR has it (CPU use is always measured)",
			t->name);
	return 0;
}

/* Its streams go both ways, or as -d says. */
static int set_mix(struct words_parse *p, struct err *err)
{
	static const enum net_dir dirs[] = {[DIR_NONE] = NET_BIDIR,
		[DIR_SEND] = NET_SEND,
		[DIR_RECV] = NET_RECV,
		[DIR_RR] = NET_BIDIR};

	if (p->both && dirs[p->dir] != NET_BIDIR)
		return err_set(err, ERR_INPUT,
			"one end alone to send and --bidir contradict each other");
	p->w->spec.test = NET_MIX;
	p->w->spec.dir = dirs[p->dir];
	return 0;
}

static int set_kind(struct words_parse *p, struct err *err)
{
	struct net_spec *s = &p->w->spec;
	enum words_dir dir = p->test ? p->test->dir : p->dir;

	if (p->test && check_named(p, err) < 0)
		return -1;
	if (dir == DIR_NONE)
		dir = p->connect ? DIR_RR : DIR_SEND;
	s->protocol = p->protocol >= 0 ? (enum net_protocol)p->protocol : NET_TCP;
	if (p->test)
		s->protocol = p->test->protocol;
	s->test = dir == DIR_RR ? NET_RR : NET_STREAM;
	if (p->connect && s->test == NET_STREAM)
		return err_set(err, ERR_INPUT,
			"-c is a connection for each transaction, which a stream has "
			"none of: "
			"it needs -d rr (CPU use is always measured)");
	if (p->connect || (p->test && p->test->test == NET_CRR))
		s->test = NET_CRR;
	s->dir = dir == DIR_RECV ? NET_RECV : NET_SEND;
	s->zero_copy |= p->test && p->test->zero_copy;
	if (p->test && p->test->test == NET_MIX)
		return set_mix(p, err);
	if (p->both && dir == DIR_RECV)
		return err_set(err, ERR_INPUT,
			"the server alone to send and --bidir contradict each other");
	if (p->both && s->test == NET_STREAM)
		s->dir = NET_BIDIR;
	return 0;
}

static unsigned kind_of(const struct net_spec *s)
{
	static const unsigned kinds[NET_TESTS][NET_PROTOCOLS] = {
		[NET_STREAM] = {FOR_TCP_STREAM, FOR_UDP_STREAM},
		[NET_RR] = {FOR_TCP_RR, FOR_UDP_RR},
		[NET_CRR] = {FOR_CRR, FOR_CRR},
		[NET_MIX] = {FOR_MIX, FOR_MIX},
	};

	return kinds[s->test][s->protocol];
}

/* Options that the test has no use for would be silently ignored. */
static int check_rows(const struct words_parse *p, struct err *err)
{
	static const struct {
		unsigned mask;
		const char *name;
	} names[] = {{FOR_TCP_STREAM | FOR_UDP_STREAM, "streams"},
		{FOR_TCP_STREAM, "tcp streams"}, {FOR_UDP_STREAM, "udp streams"},
		{FOR_TCP_RR | FOR_UDP_RR, "rr"}, {FOR_TCP_RR, "tcp rr"},
		{FOR_UDP_RR, "udp rr"}, {FOR_CRR, "crr"}, {FOR_MIX, "mix"}};
	unsigned kind = kind_of(&p->w->spec);

	for (size_t i = 0; i < p->n_rows; i++) {
		unsigned mask = p->rows[i]->tests;
		AUTO_BUF struct buf list = BUF_INIT;

		if (!mask || mask & kind)
			continue;
		for (size_t k = 0; k < ARRAY_LEN(names); k++) {
			if ((mask & names[k].mask) != names[k].mask)
				continue;
			if (buf_printf(&list, "%s%s", list.len ? ", " : "",
				    names[k].name) < 0)
				break;
			mask &= ~names[k].mask;
		}
		return err_set(err, ERR_INPUT, "%s means nothing to %s %s: it is of %s",
			p->w->given[i], net_protocol_names[p->w->spec.protocol],
			net_test_names[p->w->spec.test],
			list.data ? list.data : "others");
	}
	return 0;
}

/* iperf3 tells blocks apart from bytes, and rates of a flow from those of all. */
static int set_iperf3(struct words_parse *p, struct err *err)
{
	struct net_spec *s = &p->w->spec;
	uint64_t block = s->local.send_bytes      ? s->local.send_bytes
			 : s->protocol == NET_UDP ? 1472
						  : 131072;

	if (p->blocks && (__builtin_mul_overflow(p->blocks, block, &s->max_bytes) ||
				 s->max_bytes > WORDS_LIMIT_MAX))
		return err_set(err, ERR_INPUT, "-k: more bytes than can be counted");
	if (s->protocol == NET_UDP)
		s->rate_bits = s->flows * (p->bitrate_set ? p->bitrate : 1000000);
	else if (p->bitrate)
		s->local.pace_bytes = s->remote.pace_bytes = (p->bitrate + 7) / 8;
	return 0;
}

/* A lost datagram must not hold up a flow for long; a connect may. */
uint64_t net_words_timeout_ns(const struct net_spec *s)
{
	return (s->test == NET_RR && s->protocol == NET_UDP ? 1 : 10) * NS_PER_SEC;
}

int words_resolve(struct words_parse *p, struct err *err)
{
	struct net_spec *s = &p->w->spec;

	if (set_kind(p, err) < 0 || check_rows(p, err) < 0)
		return -1;
	if (p->dialect == NET_WORDS_IPERF3 && set_iperf3(p, err) < 0)
		return -1;
	if (p->limit && s->test == NET_STREAM)
		s->max_bytes = p->limit;
	else if (p->limit)
		s->max_transactions = p->limit;
	for (size_t i = 0; i < p->n_rows; i++)
		p->seconds |=
			p->rows[i]->at == offsetof(struct net_words, spec.duration_ns);
	if ((s->max_bytes || s->max_transactions) && !p->seconds)
		s->duration_ns = NET_LIMITED_NS;
	if (s->test != NET_STREAM) {
		s->request_bytes += !s->request_bytes;
		s->response_bytes += !s->response_bytes;
	}
	if (!s->timeout_ns)
		s->timeout_ns = net_words_timeout_ns(s);
	if (net_spec_check(s, err) < 0)
		return err_prefix(err, "the words behind -- make no test");
	return 0;
}
