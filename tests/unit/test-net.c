/* test-net: the parts of the network engine that need no network, and whole pairs in one loop over loopback, so
 * that nothing they take is left. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/loop.h"
#include "common/units.h"
#include "net/address.h"
#include "net/cpu.h"
#include "net/hello.h"
#include "net/listener.h"
#include "net/pair.h"
#include "net/remarks.h"
#include "net/udp_track.h"

#define S(literal) ((char *)(uintptr_t)(literal))

/* ---- parts ---- */

static void test_addresses(void)
{
	static const struct {
		const char *text;
		uint32_t family;
		const char *back; /* NULL: none */
	} rows[] = {
		{"10.9.1.10", 0, "10.9.1.10"},
		{"10.9.1.10", 4, "10.9.1.10"},
		{"10.9.1.10", 6, NULL},
		{"2001:db8::1", 0, "2001:db8::1"},
		{"2001:db8::1", 4, NULL},
		{"::ffff:10.9.1.10", 0, "10.9.1.10"},
		{"fe80::1%lo", 6, "fe80::1%lo"},
		{"fe80::1%nothing", 6, NULL},
		{"", 0, "::"},
		{NULL, 4, "0.0.0.0"},
		{"server1", 0, NULL},
		{"10.9.1", 0, NULL},
		{"[::1]", 0, NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct net_why why = NET_WHY_INIT;
		struct net_address a;
		char text[NET_ADDRESS_TEXT];
		int rc = net_address_parse(rows[i].text, 5201, rows[i].family, &a, &why);

		if (!CHECK((rc == 0) == (rows[i].back != NULL), "row %zu", i) || rc < 0)
			continue;
		net_address_text(&a, text);
		CHECK_STR(text, rows[i].back);
		CHECK(net_address_port(&a) == 5201);
		net_address_set_port(&a, 7);
		CHECK(net_address_port(&a) == 7);
	}
}

static void test_sentences(void)
{
	static const struct {
		int errnum;
		enum net_failure failure;
		const char *text;
	} rows[] = {
		{ECONNREFUSED, NET_FAIL_REFUSED,
			"10.0.0.1 port 5201: nobody listens there"},
		{ETIMEDOUT, NET_FAIL_TIMEOUT, "no answer from 10.0.0.1 port 5201 in 10s"},
		{EHOSTUNREACH, NET_FAIL_UNREACHABLE, "10.0.0.1 port 5201: no route"},
		{ENETUNREACH, NET_FAIL_UNREACHABLE, "10.0.0.1 port 5201: network is"},
		{EADDRNOTAVAIL, NET_FAIL_RESOURCES, "no local port is left"},
		{EADDRINUSE, NET_FAIL_PORT, "the local port is taken"},
		{EMFILE, NET_FAIL_RESOURCES, "ulimit -n"},
		{EBADMSG, NET_FAIL_OTHER, "cannot connect to 10.0.0.1 port 5201: "},
	};
	struct net_why why = NET_WHY_INIT;
	struct net_address a;

	CHECK(net_address_parse("10.0.0.1", 5201, 0, &a, &why) == 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK(net_connect_failed(
			      rows[i].errnum, &a, NULL, 10 * NS_PER_SEC, &why) == -1);
		CHECK(why.failure == rows[i].failure, "row %zu", i);
		CHECK(strstr(why.err.text, rows[i].text), "row %zu: %s", i, why.err.text);
	}
	CHECK(net_connect_failed(EADDRNOTAVAIL, &a, "10.0.0.9", 0, &why) == -1);
	CHECK(why.failure == NET_FAIL_ADDRESS && strstr(why.err.text, "from 10.0.0.9"));
}

static void test_processors(void)
{
	static const struct {
		const char *text;
		int n;
		unsigned first, last;
	} rows[] = {
		{"3", 1, 3, 3},
		{"0-3,8", 5, 0, 8},
		{"8,0-1", 3, 8, 1},
		{"1023", 1, 1023, 1023},
		{"", -1, 0, 0},
		{"1-", -1, 0, 0},
		{"3-1", -1, 0, 0},
		{"1,", -1, 0, 0},
		{"a", -1, 0, 0},
		{"1024", -1, 0, 0},
		{"99999999999999999999", -1, 0, 0},
		{"0-1023,1", -1, 0, 0},
		{"-1", -1, 0, 0},
	};
	static unsigned cpus[NET_CPUS];
	static struct net_cpu_look looks[2];
	struct net_cpu cpu;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int n = net_cpu_list(rows[i].text, cpus, NET_CPUS);

		CHECK(n == rows[i].n, "\"%s\": %d", rows[i].text, n);
		CHECK(n < 1 || (cpus[0] == rows[i].first && cpus[n - 1] == rows[i].last),
			"%s", rows[i].text);
	}
	looks[0].count = looks[1].count = 2;
	looks[1].total = (struct net_cpu_times){.busy = 30, .all = 200};
	looks[1].cpu[1] = (struct net_cpu_times){.busy = 25, .all = 100};
	looks[1].user_ns = 7;
	net_cpu_between(&looks[0], &looks[1], &cpu);
	CHECK(cpu.util == 15 && cpu.peak_util == 25 && cpu.peak_id == 1);
	CHECK(cpu.count == 2 && cpu.user_ns == 7);
	CHECK(net_cpu_of_thread(getpid()) >= 0);
	CHECK(net_cpu_usable() >= 1);
}

static void test_hellos(void)
{
	uint8_t token[NET_TOKEN_SIZE], other[NET_TOKEN_SIZE], hello[NET_HELLO_SIZE];
	const uint8_t *found;
	uint32_t flow;

	net_token_parse("00112233445566778899aAbBcCdDeEfF", token);
	CHECK(token[0] == 0 && token[1] == 0x11 && token[10] == 0xaa &&
		token[15] == 0xff);
	net_hello_make(token, 0x01020304, hello);
	CHECK(net_hello_read(hello, &found, &flow) && flow == 0x01020304);
	CHECK(net_token_equal(found, token));
	for (unsigned i = 0; i < NET_TOKEN_SIZE; i++) {
		memcpy(other, token, sizeof(other));
		other[i] ^= 1;
		CHECK(!net_token_equal(other, token), "byte %u", i);
	}
	hello[7] = '2';
	CHECK(!net_hello_read(hello, &found, &flow));
}

static void test_remarks(void)
{
	struct remarks r = {0};

	for (int i = 0; i < 200; i++)
		remarks_add(&r, "remark %d", i / 2);
	CHECK(r.n == 50 && r.items[50] == NULL);
	CHECK_STR(r.items[49], "remark 49");
	remarks_finish(&r);
}

/* ---- datagrams ---- */

static void test_tracking(void)
{
	static const struct {
		uint64_t number;
		const char *is; /* "", "late", "double" */
	} rows[] = {
		{0, ""},
		{1, ""},
		{3, ""},
		{2, "late"},
		{2, "double"},
		{3, "double"},
		{4, ""},
		{70000, ""},
		{69999, "late"},
		{69999, "double"},
		{5000, "late"},
		{4464, "late"},
		{4463, "late"},
		{4463, "late"}, /* beyond what is remembered */
		{200000, ""},
		{199999, "late"},
		{70000, "late"},
		{UINT64_MAX - 1, ""},
		{UINT64_MAX - 2, "late"},
	};
	struct udp_track t;

	CHECK(udp_track_init(&t) == 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct udp_track_change c = udp_track_add(&t, rows[i].number, 0, 0);

		CHECK(c.reordered == !strcmp(rows[i].is, "late") &&
				c.duplicate == !strcmp(rows[i].is, "double"),
			"row %zu", i);
	}
	udp_track_finish(&t);
}

static void test_jitter(void)
{
	struct udp_track t;
	double want = 0;

	CHECK(udp_track_init(&t) == 0);
	/* clocks that differ by days; each second datagram takes 100 us longer */
	for (uint64_t i = 0; i < 1000; i++) {
		udp_track_add(&t, i, i * 1000000 + UINT64_C(99999999999999),
			i * 1000000 + (i % 2) * 100000);
		if (i > 0)
			want += (100000 - want) / 16;
	}
	CHECK(t.jitter_ns > want - 1 && t.jitter_ns < want + 1, "%f", t.jitter_ns);
	udp_track_finish(&t);
}

/* ---- pairs ---- */

struct end {
	struct loop *loop;
	struct net_pair *pair;
	struct end *other;
	int *left; /* ends that have not ended */
	struct net_open open;
	uint64_t lead_ns;
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
	(void)p;
	(void)user;
	CHECK(i->from_ns < i->to_ns);
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

static struct net_spec spec_of(
	enum net_test test, enum net_protocol protocol, enum net_dir dir, uint32_t flows)
{
	return (struct net_spec){
		.test = test,
		.protocol = protocol,
		.dir = dir,
		.flows = flows,
		.depth = 1,
		.duration_ns = 40 * NS_PER_MS,
		.interval_ns = 15 * NS_PER_MS,
		.timeout_ns = 2 * NS_PER_SEC,
		.request_bytes = test == NET_STREAM ? 0 : 10,
		.response_bytes = test == NET_STREAM ? 0 : 20,
		.rate_bits = test == NET_STREAM && protocol == NET_UDP ? 10000000 : 0,
	};
}

static void set_up(struct end ends[2], struct loop *loop, const struct net_spec *spec,
	struct net_listener *shared, const char *token, int *left)
{
	for (unsigned i = 0; i < 2; i++) {
		ends[i] = (struct end){.loop = loop,
			.other = &ends[!i],
			.left = left,
			.lead_ns = shared ? 100 * NS_PER_MS : 5 * NS_PER_MS};
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

static const struct {
	const char *what;
	enum net_test test;
	enum net_protocol protocol;
	enum net_dir dir;
	uint32_t flows;
} kinds[] = {
	{"stream", NET_STREAM, NET_TCP, NET_SEND, 1},
	{"stream back", NET_STREAM, NET_TCP, NET_RECV, 2},
	{"stream both", NET_STREAM, NET_TCP, NET_BIDIR, 1},
	{"many streams", NET_STREAM, NET_TCP, NET_BIDIR, 40},
	{"rr", NET_RR, NET_TCP, NET_SEND, 1},
	{"many rr", NET_RR, NET_TCP, NET_SEND, 40},
	{"crr", NET_CRR, NET_TCP, NET_SEND, 2},
	{"many crr", NET_CRR, NET_TCP, NET_SEND, 20},
	{"mix", NET_MIX, NET_TCP, NET_BIDIR, 2},
	{"mix back", NET_MIX, NET_TCP, NET_RECV, 1},
	{"mix of many", NET_MIX, NET_TCP, NET_SEND, 40},
	{"udp", NET_STREAM, NET_UDP, NET_SEND, 1},
	{"udp back", NET_STREAM, NET_UDP, NET_RECV, 20},
	{"udp rr", NET_RR, NET_UDP, NET_SEND, 1},
};

static void check_kind(const struct end ends[2], size_t i)
{
	const struct end *c = &ends[0], *s = &ends[1];

	CHECK(!c->failed && !s->failed, "%s: %s%s", kinds[i].what, c->text, s->text);
	if (kinds[i].protocol == NET_TCP && kinds[i].test != NET_CRR) {
		CHECK(c->total.bytes_sent == s->total.bytes_recvd, "%s", kinds[i].what);
		CHECK(c->total.bytes_recvd == s->total.bytes_sent, "%s", kinds[i].what);
	}
	CHECK(kinds[i].test == NET_STREAM || c->total.transactions > 0, "%s",
		kinds[i].what);
}

static void test_pairs(void)
{
	struct err err = ERR_INIT;
	struct loop *loop = loop_create(&err);

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct net_spec spec = spec_of(
			kinds[i].test, kinds[i].protocol, kinds[i].dir, kinds[i].flows);
		struct end ends[2];
		int left = 0;

		set_up(ends, loop, &spec, NULL, a_token, &left);
		CHECK(loop_run(loop, &err) == 0);
		check_kind(ends, i);
	}
	loop_destroy(loop);
}

/* One port, all kinds at once: each guest finds its own pair. */
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
		struct net_spec spec = spec_of(
			kinds[i].test, kinds[i].protocol, kinds[i].dir, kinds[i].flows);
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
		struct net_spec spec = spec_of(
			kinds[k].test, kinds[k].protocol, kinds[k].dir, kinds[k].flows);
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

static void test_refused(void)
{
	struct err err = ERR_INIT;
	struct loop *loop = loop_create(&err);
	struct net_spec spec = spec_of(NET_STREAM, NET_TCP, NET_SEND, 1);
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

TEST_MAIN(TEST(test_addresses), TEST(test_sentences), TEST(test_processors),
	TEST(test_hellos), TEST(test_remarks), TEST(test_tracking), TEST(test_jitter),
	TEST(test_pairs), TEST(test_shared_port), TEST(test_destroyed),
	TEST(test_refused))
