/* test-net: the parts of the network engine that need no network. test-net-pair.c has whole pairs. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/units.h"
#include "net/address.h"
#include "net/cpu.h"
#include "net/hello.h"
#include "net/remarks.h"
#include "net/udp_track.h"

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

TEST_MAIN(TEST(test_addresses), TEST(test_sentences), TEST(test_processors),
	TEST(test_hellos), TEST(test_remarks), TEST(test_tracking), TEST(test_jitter))
