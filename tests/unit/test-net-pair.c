/* test-net-pair: whole pairs, both ends in one loop over loopback: each method with one thread and with several, with
 * a thread per flow and with many flows on each; run to their end, stopped, left alone and destroyed. With
 * sanitizers it shows that nothing is left, and that no thread touches what is another's. */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/loop.h"
#include "common/units.h"
#include "net/listener.h"
#include "net/pair.h"
#include "net/remarks.h"

#define S(literal) ((char *)(uintptr_t)(literal))

struct end {
	struct loop *loop;
	struct net_pair *pair;
	struct end *other;
	int *left; /* ends that have not ended */
	struct net_open open;
	uint64_t lead_ns;
	struct loop_timer *act; /* set when load is seen; NULL: nothing is done */
	struct net_counts total;
	enum net_failure failure;
	bool ready, done, failed;
	char text[256];
};

static const struct net_pair_events events;

static void over(struct end *e)
{
	net_pair_destroy(e->pair);
	e->pair = NULL;
	e->done = true;
	if (--*e->left == 0)
		loop_stop(e->loop);
}

static void on_ready(struct net_pair *p, uint16_t port, char **warnings, void *user)
{
	struct end *e = user, *server = e->other;

	(void)warnings;
	CHECK(!e->pair || p == e->pair);
	e->ready = true;
	if (e->open.side == NET_SERVER) {
		e->other->open.port = port;
		e->other->pair = net_pair_create(
			e->loop, NULL, &e->other->open, &events, e->other);
		return;
	}
	/* all pairs of a loop that is busy with them */
	uint64_t at_ns = clock_ns() + e->lead_ns;

	CHECK(net_pair_start(server->pair, 1) <= 0);
	CHECK(net_pair_start(server->pair, at_ns) > 0);
	CHECK(net_pair_start(p, at_ns) > 0);
}

static void on_interval(struct net_pair *p, const struct net_interval *i, void *user)
{
	struct end *e = user;

	CHECK(p == e->pair);
	CHECK(i->from_ns < i->to_ns);
	if (e->act)
		loop_timer_set(e->act, 0, 0);
}

static void on_result(struct net_pair *p, const struct net_result *r, void *user)
{
	struct end *e = user;

	CHECK(p == e->pair);
	e->total = r->total;
	over(e);
}

static void on_failed(
	struct net_pair *p, enum net_failure failure, const char *text, void *user)
{
	struct end *e = user;

	CHECK(!e->pair || p == e->pair);
	e->pair = p;
	e->failed = true;
	e->failure = failure;
	snprintf(e->text, sizeof(e->text), "%s", text);
	over(e);
}

static const struct net_pair_events events = {
	.ready = on_ready,
	.interval = on_interval,
	.result = on_result,
	.failed = on_failed,
};

/* What a kind of test does not say. */
static struct net_spec spec_of(const struct net_spec *kind)
{
	struct net_spec s = *kind;
	bool stream = s.test == NET_STREAM;

	s.depth += !s.depth;
	s.duration_ns = 30 * NS_PER_MS;
	s.interval_ns = 12 * NS_PER_MS;
	s.timeout_ns = 2 * NS_PER_SEC;
	if (s.test == NET_MIX)
		s.idle_ns = 8 * NS_PER_MS;
	s.request_bytes = stream ? 0 : 10;
	s.response_bytes = stream ? 0 : 20;
	if (stream && s.protocol == NET_UDP && !s.rate_bits)
		s.rate_bits = 10000000;
	return s;
}

static void set_up(struct end ends[2], struct loop *loop, const struct net_spec *spec,
	struct net_listener *shared, const char *token, int *left)
{
	for (unsigned i = 0; i < 2; i++) {
		ends[i] = (struct end){.loop = loop,
			.other = &ends[!i],
			.left = left,
			.lead_ns = (shared ? 100 : 50) * NS_PER_MS};
		ends[i].open = (struct net_open){
			.pair = 1,
			.side = i ? NET_SERVER : NET_CLIENT,
			.address = S("127.0.0.1"),
			.spec = *spec,
		};
		memcpy(ends[i].open.token, token, sizeof(ends[i].open.token));
		++*left;
	}
	ends[1].pair = net_pair_create(loop, shared, &ends[1].open, &events, &ends[1]);
}

static const char a_token[] = "00112233445566778899aabbccddeeff";
static const char b_token[] = "ffeeddccbbaa99887766554433221100";

#define TCP .protocol = NET_TCP
#define UDP .protocol = NET_UDP
#define STREAM .test = NET_STREAM
#define CLOSED .close = NET_CLOSE_RST

static const struct {
	const char *what;
	struct net_spec spec;
} kinds[] = {
	{"stream", {STREAM, TCP, .dir = NET_SEND, .flows = 1}},
	{"stream back", {STREAM, TCP, .dir = NET_RECV, .flows = 2}},
	{"stream both", {STREAM, TCP, .dir = NET_BIDIR, .flows = 2}},
	{"many streams", {STREAM, TCP, .dir = NET_BIDIR, .flows = 40}},
	{"stream of all options",
		{STREAM, TCP, .dir = NET_SEND, .flows = 3, .zero_copy = true,
			.skip_rx_copy = true, .warmup_ns = 5 * NS_PER_MS,
			.stagger_ns = NS_PER_MS}},
	{"stream of so many bytes",
		{STREAM, TCP, .dir = NET_BIDIR, .flows = 2, .max_bytes = 1 << 20}},
	{"rr", {.test = NET_RR, TCP, .flows = 1}},
	{"some rr", {.test = NET_RR, TCP, .flows = 3}},
	{"many rr", {.test = NET_RR, TCP, .flows = 40}},
	{"deep rr", {.test = NET_RR, TCP, .flows = 3, .depth = 5}},
	{"rr at a rate", {.test = NET_RR, TCP, .flows = 5, .rate = 2000}},
	{"so many rr", {.test = NET_RR, TCP, .flows = 3, .max_transactions = 50}},
	{"crr", {.test = NET_CRR, TCP, .flows = 2}},
	{"many crr", {.test = NET_CRR, TCP, .flows = 20, CLOSED}},
	{"crr at a rate", {.test = NET_CRR, TCP, .flows = 3, .rate = 1000, CLOSED}},
	{"mix", {.test = NET_MIX, TCP, .dir = NET_BIDIR, .flows = 2}},
	{"mix back", {.test = NET_MIX, TCP, .dir = NET_RECV, .flows = 1}},
	{"mix of many", {.test = NET_MIX, TCP, .dir = NET_SEND, .flows = 40}},
	{"udp", {STREAM, UDP, .dir = NET_SEND, .flows = 1}},
	{"udp both", {STREAM, UDP, .dir = NET_BIDIR, .flows = 3}},
	{"udp back", {STREAM, UDP, .dir = NET_RECV, .flows = 20}},
	{"udp in batches", {STREAM, UDP, .dir = NET_BIDIR, .flows = 2, .batch = true,
				   .rate_bits = 100000000}},
	{"many udp in batches", {STREAM, UDP, .dir = NET_BIDIR, .flows = 20,
					.batch = true, .rate_bits = 100000000}},
	{"udp rr", {.test = NET_RR, UDP, .flows = 2}},
	{"many udp rr", {.test = NET_RR, UDP, .flows = 20}},
	{"deep udp rr", {.test = NET_RR, UDP, .flows = 3, .depth = 5}},
	{"udp rr at a rate", {.test = NET_RR, UDP, .flows = 3, .rate = 2000}},
};

static void check_kind(const struct end ends[2], size_t i)
{
	const struct end *c = &ends[0], *s = &ends[1];

	CHECK(!c->failed && !s->failed, "%s: %s%s", kinds[i].what, c->text, s->text);
	if (kinds[i].spec.protocol == NET_TCP && kinds[i].spec.test != NET_CRR) {
		CHECK(c->total.bytes_sent == s->total.bytes_recvd, "%s", kinds[i].what);
		CHECK(c->total.bytes_recvd == s->total.bytes_sent, "%s", kinds[i].what);
	}
	/* a busy machine may get nothing done in so short a time; but nothing is counted that was not answered */
	CHECK(c->total.transactions <= s->total.transactions, "%s", kinds[i].what);
}

static void test_pairs(void)
{
	struct err err = ERR_INIT;
	struct loop *loop = loop_create(&err);

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct net_spec spec = spec_of(&kinds[i].spec);
		struct end ends[2];
		int left = 0;

		set_up(ends, loop, &spec, NULL, a_token, &left);
		CHECK(loop_run(loop, &err) == 0);
		check_kind(ends, i);
	}
	loop_destroy(loop);
}

/* One port, all kinds at once: each guest finds its own pair. */
/* A rate that no processor keeps up with: answers are read, and it ends, all the same. */
static void test_rate_out_of_reach(void)
{
	const struct net_spec kind = {.test = NET_RR, TCP, .flows = 2, .rate = 1e13};
	struct net_spec spec = spec_of(&kind);
	struct err err = ERR_INIT;
	struct loop *loop = loop_create(&err);
	struct end ends[2];
	int left = 0;

	set_up(ends, loop, &spec, NULL, a_token, &left);
	CHECK(loop_run(loop, &err) == 0);
	CHECK(ends[0].done && !ends[0].failed, "%s", ends[0].text);
	CHECK(ends[0].total.transactions > 2);
	loop_destroy(loop);
}

static void test_shared_port(void)
{
	struct err err = ERR_INIT;
	struct net_why why = NET_WHY_INIT;
	struct loop *loop = loop_create(&err);
	struct net_listen where = {.address = "127.0.0.1", .tcp = true, .udp = true};
	struct remarks remarks = {0};
	struct net_listener *l = net_listener_create(loop, &where, &remarks, &why);
	struct end ends[2 * ARRAY_LEN(kinds)];
	int left = 0;

	if (!CHECK(l, "%s", why.err.text))
		return;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct net_spec spec = spec_of(&kinds[i].spec);
		char token[sizeof(a_token)];

		memcpy(token, a_token, sizeof(token));
		token[20] = (char)('a' + (char)(i % 6));
		token[21] = (char)('0' + (char)(i / 6));
		set_up(&ends[2 * i], loop, &spec, l, token, &left);
	}
	CHECK(loop_run(loop, &err) == 0);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		check_kind(&ends[2 * i], i);
	net_listener_destroy(l);
	remarks_finish(&remarks);
	loop_destroy(loop);
}

/* Destroyed at any moment, a pair leaves nothing. */
static void on_destroy(struct loop_timer *t, void *user)
{
	struct end *ends = user;

	(void)t;
	for (unsigned i = 0; i < 2; i++)
		if (ends[i].pair) {
			over(&ends[i]);
		} else if (!ends[i].done) {
			ends[i].done = true;
			if (--*ends[i].left == 0)
				loop_stop(ends[i].loop);
		}
}

static void test_destroyed(void)
{
	static const uint64_t when_us[] = {0, 200, 1000, 6000, 20000};
	struct err err = ERR_INIT;
	struct loop *loop = loop_create(&err);

	for (size_t i = 0; i < ARRAY_LEN(kinds) * ARRAY_LEN(when_us); i++) {
		size_t k = i / ARRAY_LEN(when_us);
		struct net_spec spec = spec_of(&kinds[k].spec);
		struct loop_timer *t;
		struct end ends[2];
		int left = 0;

		set_up(ends, loop, &spec, NULL, a_token, &left);
		t = loop_timer_add(loop,
			clock_ns() + when_us[i % ARRAY_LEN(when_us)] * NS_PER_US, 0,
			on_destroy, ends);
		CHECK(loop_run(loop, &err) == 0);
		CHECK(ends[0].done && ends[1].done, "%zu", i);
		loop_timer_del(t);
	}
	loop_destroy(loop);
}

static void on_stop(struct loop_timer *t, void *user)
{
	struct end *e = user;

	(void)t;
	if (e->pair)
		CHECK(net_pair_stop(e->pair));
}

static void on_leave(struct loop_timer *t, void *user)
{
	struct end *e = user;

	(void)t;
	if (e->pair)
		over(e);
}

/* All kinds at once, which would take a minute, until the clients (0) or servers (1) have seen their load and
 * act; ends[2i] is the client of a kind. Datagrams may be lost with a server: their clients wait for them no longer than this. */
#define LOST_NS (200 * NS_PER_MS)

static void run_until(unsigned side, void (*act)(struct loop_timer *, void *),
	bool (*has)(const struct net_spec *), struct end *ends)
{
	struct err err = ERR_INIT;
	struct loop *loop = loop_create(&err);
	int left = 0;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct net_spec spec = spec_of(&kinds[i].spec);
		struct end *who = &ends[2 * i + side];

		if (!has(&spec))
			continue;
		spec.duration_ns = 60 * NS_PER_SEC;
		spec.timeout_ns =
			30 * NS_PER_SEC; /* to come together, all on one busy machine */
		spec.max_bytes = spec.max_transactions = 0;
		if (spec.protocol == NET_UDP && spec.test == NET_RR)
			spec.timeout_ns = LOST_NS;
		set_up(&ends[2 * i], loop, &spec, NULL, a_token, &left);
		ends[2 * i].lead_ns = 100 * NS_PER_MS;
		who->act = loop_timer_add(loop, UINT64_MAX, 0, act, who);
	}
	CHECK(loop_run(loop, &err) == 0);
	for (size_t i = 0; i < 2 * ARRAY_LEN(kinds); i++)
		loop_timer_del(ends[i].act);
	loop_destroy(loop);
}

static bool any(const struct net_spec *s)
{
	return s != NULL;
}

/* Told to stop, one end or the other, both have a result, and all that was sent came. */
static void test_stopped(void)
{
	struct end ends[2 * ARRAY_LEN(kinds)] = {{.left = NULL}};

	for (unsigned side = 0; side < 2; side++) {
		run_until(side, on_stop, any, ends);
		for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
			check_kind(&ends[2 * i], i);
	}
}

static bool is_tcp(const struct net_spec *s)
{
	return s->protocol == NET_TCP;
}

/* Silence over udp may be all that comes from a network. */
static bool client_sends(const struct net_spec *s)
{
	return is_tcp(s) || s->test == NET_RR || s->dir != NET_RECV;
}

/* One end goes without a word: the other one says so, and leaves nothing. */
static void test_left_alone(void)
{
	static bool (*const has[])(const struct net_spec *) = {is_tcp, client_sends};
	struct end ends[2 * ARRAY_LEN(kinds)] = {{.left = NULL}};

	for (unsigned side = 0; side < 2; side++) {
		run_until(side, on_leave, has[side], ends);
		for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
			const struct end *other = &ends[2 * i + !side];

			if (has[side](&kinds[i].spec))
				CHECK(other->failed && other->failure == NET_FAIL_LOST,
					"%s, side %u: %s", kinds[i].what, side,
					other->text);
		}
	}
}

static void test_refused(void)
{
	struct err err = ERR_INIT;
	struct loop *loop = loop_create(&err);
	struct net_spec spec = spec_of(&kinds[0].spec);
	struct end ends[2];
	int left = 0;

	set_up(ends, loop, &spec, NULL, a_token, &left);
	memcpy(ends[0].open.token, b_token, sizeof(b_token));
	/* the server goes on waiting */
	left = 1;
	CHECK(loop_run(loop, &err) == 0);
	CHECK(ends[0].failed && ends[0].failure == NET_FAIL_TOKEN, "%s", ends[0].text);
	CHECK(ends[1].ready && !ends[1].done);
	net_pair_destroy(ends[1].pair);
	loop_destroy(loop);
}

TEST_MAIN(TEST(test_pairs), TEST(test_rate_out_of_reach), TEST(test_shared_port),
	TEST(test_destroyed), TEST(test_stopped), TEST(test_left_alone),
	TEST(test_refused))
