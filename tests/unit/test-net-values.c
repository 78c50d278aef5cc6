/* Values of network tests, against numbers reckoned by hand. */
#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/units.h"
#include "results/confidence.h"
#include "results/net_format.h"
#include "results/net_values.h"

static const struct net_facts nothing = {.command = NULL};

static const struct net_cpu quarter = {
	.util = 25, .peak_util = 90, .peak_id = 3, .count = 8};

static void check_number(const struct net_values *v, enum net_selector s, double want)
{
	const struct net_value *got = &v->of[s];

	CHECK(got->known && fabs(got->number - want) <= 1e-9 * fabs(want),
		"%s: got %s %.12g, want %.12g", net_selectors[s].name,
		got->known ? "" : "unknown", got->number, want);
}

static void check_unknown(const struct net_values *v, enum net_selector s)
{
	CHECK(!v->of[s].known, "%s: %.12g", net_selectors[s].name, v->of[s].number);
}

static void test_table(void)
{
	struct err err = ERR_INIT;

	for (size_t i = 0; i < NET_SELECTORS; i++) {
		const struct net_selector_info *s = &net_selectors[i];

		if (!CHECK(s->name && s->help, "row %zu", i))
			continue;
		CHECK(net_selector_find(s->name, &err) == (int)i, "%s", s->name);
		CHECK(s->help[strlen(s->help) - 1] != '.', "%s", s->name);
	}
	CHECK(net_selector_find("p99_latency", &err) == SEL_P99_LATENCY);
	CHECK(net_selector_find("P99_LATENCI", &err) == -1);
	CHECK_STR(
		err.text, "unknown selector 'P99_LATENCI' (did you mean 'P99_LATENCY'?)");
}

/* Receiver 1.25 GB in 10 s: 1000 Mb/s; the sender's window is 8 s. */
static void test_tcp_stream(void)
{
	static const struct net_spec send = {
		.test = NET_STREAM, .dir = NET_SEND, .flows = 2, .depth = 1};
	static const struct net_result server = {.from_ns = 5,
		.to_ns = 5 + 10 * NS_PER_SEC,
		.counts = {.bytes_recvd = 1250000000, .recv_calls = 20000},
		.fairness = 0.75,
		.cpu = {.util = 10, .count = 2},
		.socket = {.recv_buffer = 131072, .retransmits = 3, .rtt_us = 9}};
	char cc[] = "bbr", source[] = "10.0.0.1", dest[] = "10.0.0.2";
	struct net_result client = {.to_ns = 8 * NS_PER_SEC,
		.counts = {.bytes_sent = 1024000000, .send_calls = 10000},
		.cpu = quarter,
		.socket = {.retransmits = 17,
			.mss = 1448,
			.cwnd = 10,
			.rtt_us = 120.5,
			.min_rtt_us = 80,
			.send_buffer = 16384,
			.congestion = cc,
			.source = source,
			.dest = dest,
			.source_port = 40000,
			.dest_port = 5001}};
	struct net_values v;

	CHECK(net_values_of(&send, &client, &server, &nothing, &v) == 0);
	check_number(&v, SEL_THROUGHPUT, 1000);
	CHECK_STR(v.of[SEL_THROUGHPUT_UNITS].text, "10^6bits/s");
	check_number(&v, SEL_ELAPSED_TIME, 8);
	check_number(&v, SEL_LOCAL_SEND_THROUGHPUT, 1024);
	check_number(&v, SEL_REMOTE_RECV_THROUGHPUT, 1000);
	check_number(&v, SEL_LOCAL_RECV_THROUGHPUT, 0);
	check_number(&v, SEL_LOCAL_BYTES_SENT, 1024000000);
	check_number(&v, SEL_REMOTE_RECV_CALLS, 20000);
	check_number(&v, SEL_LOCAL_CPU_UTIL, 25);
	check_number(&v, SEL_LOCAL_CPU_PEAK_ID, 3);
	check_number(&v, SEL_REMOTE_CPU_COUNT, 2);
	/* 25 % of 8 CPUs over 8 s: 16e6 us; 10^6 KB */
	check_number(&v, SEL_LOCAL_SD, 16);
	/* 10 % of 2 CPUs over 10 s: 2e6 us; 1220703.125 KB */
	check_number(&v, SEL_REMOTE_SD, 2e6 / 1220703.125);
	CHECK_STR(v.of[SEL_SD_UNITS].text, "us/KB");
	check_number(&v, SEL_LOCAL_TRANSPORT_RETRANS, 17);
	check_number(&v, SEL_REMOTE_TRANSPORT_RETRANS, 3);
	check_number(&v, SEL_TRANSPORT_MSS, 1448);
	check_number(&v, SEL_RTT_US, 120.5);
	check_number(&v, SEL_CWND, 10);
	check_number(&v, SEL_LSS_SIZE_END, 16384);
	check_number(&v, SEL_RSR_SIZE_END, 131072);
	check_number(&v, SEL_JAIN_FAIRNESS, 0.75);
	check_number(&v, SEL_DEST_PORT, 5001);
	CHECK_STR(v.of[SEL_LOCAL_CONG_CONTROL].text, "bbr");
	CHECK_STR(v.of[SEL_SOURCE_ADDR].text, "10.0.0.1");
	CHECK_STR(v.of[SEL_PROTOCOL].text, "TCP");
	CHECK_STR(v.of[SEL_DIRECTION].text, "Send");
	check_unknown(&v, SEL_REMOTE_CONG_CONTROL);
	check_unknown(&v, SEL_TRANSACTION_RATE);
	check_unknown(&v, SEL_MEAN_LATENCY);
	check_unknown(&v, SEL_LOSS_PCT);
	check_unknown(&v, SEL_CONFIDENCE_LEVEL);
	net_values_finish(&v);
}

static void test_directions(void)
{
	static const struct net_result client = {.to_ns = NS_PER_SEC,
					       .counts = {.bytes_sent = 250000,
						       .bytes_recvd = 500000}},
				       server = {.to_ns = NS_PER_SEC,
					       .counts = {.bytes_sent = 625000,
						       .bytes_recvd = 125000}};
	static const struct {
		enum net_dir dir;
		double throughput;
	} rows[] = {{NET_SEND, 1}, {NET_RECV, 4}, {NET_BIDIR, 5}};
	struct net_spec s = {.test = NET_STREAM, .flows = 1, .depth = 1};
	struct net_values v;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		s.dir = rows[i].dir;
		CHECK(net_values_of(&s, &client, &server, &nothing, &v) == 0);
		check_number(&v, SEL_THROUGHPUT, rows[i].throughput);
		net_values_finish(&v);
	}
	/* a receiver that said nothing: no rate is made up */
	s.dir = NET_SEND;
	CHECK(net_values_of(&s, &client, NULL, &nothing, &v) == 0);
	check_unknown(&v, SEL_THROUGHPUT);
	check_number(&v, SEL_LOCAL_SEND_THROUGHPUT, 2);
	net_values_finish(&v);
	CHECK(net_values_of(&s, NULL, NULL, &nothing, &v) == 0);
	check_unknown(&v, SEL_THROUGHPUT);
	check_unknown(&v, SEL_ELAPSED_TIME);
	net_values_finish(&v);
}

static void test_rr(void)
{
	static const struct net_spec rr = {.test = NET_RR,
		.protocol = NET_TCP,
		.flows = 2,
		.depth = 4,
		.request_bytes = 64,
		.response_bytes = 128};
	struct net_result client = {.to_ns = 2 * NS_PER_SEC,
		.counts = {.transactions = 80000},
		.cpu = quarter};
	struct net_values v;

	hist_init(&client.latency, 3);
	CHECK(hist_alloc(&client.latency) == 0);
	for (uint64_t i = 0; i < 100; i++)
		hist_record(&client.latency, 1000 + i); /* 1.000 to 1.099 us */
	CHECK(net_values_of(&rr, &client, NULL, &nothing, &v) == 0);
	check_number(&v, SEL_TRANSACTION_RATE, 40000);
	check_number(&v, SEL_THROUGHPUT, 40000);
	CHECK_STR(v.of[SEL_THROUGHPUT_UNITS].text, "Trans/s");
	check_number(&v, SEL_RT_LATENCY, 200); /* 8 in flight */
	check_number(&v, SEL_BURST_SIZE, 3);
	check_number(&v, SEL_REQUEST_SIZE, 64);
	check_number(&v, SEL_RESPONSE_SIZE, 128);
	check_number(&v, SEL_MIN_LATENCY, 1);
	check_number(&v, SEL_MAX_LATENCY, 1.099);
	check_number(&v, SEL_MEAN_LATENCY, 1.0495);
	check_number(&v, SEL_P50_LATENCY, 1.049);
	check_number(&v, SEL_P90_LATENCY, 1.089);
	check_number(&v, SEL_P99_LATENCY, 1.098);
	check_number(&v, SEL_P999_LATENCY, 1.099);
	/* 25 % of 8 CPUs over 2 s: 4e6 us; 80000 transactions */
	check_number(&v, SEL_LOCAL_SD, 50);
	CHECK_STR(v.of[SEL_DIRECTION].text, "Send|Recv");
	check_unknown(&v, SEL_LOCAL_BYTES_SENT);
	check_unknown(&v, SEL_CONNECT_P50_LATENCY);
	check_unknown(&v, SEL_LOSS_PCT);
	net_values_finish(&v);
	hist_finish(&client.latency);
}

static void test_crr(void)
{
	static const struct net_spec crr = {.test = NET_CRR,
		.flows = 1,
		.depth = 1,
		.request_bytes = 1,
		.response_bytes = 1};
	struct net_result client = {.to_ns = NS_PER_SEC, .counts = {.transactions = 500}};
	struct net_values v;

	hist_init(&client.connect, 3);
	CHECK(hist_alloc(&client.connect) == 0);
	hist_init(&client.latency, 3);
	CHECK(hist_alloc(&client.latency) == 0);
	hist_record(&client.connect, 1500);
	hist_record(&client.latency, 2000);
	CHECK(net_values_of(&crr, &client, NULL, &nothing, &v) == 0);
	check_number(&v, SEL_TRANSACTION_RATE, 500);
	check_number(&v, SEL_RT_LATENCY, 2000);
	check_number(&v, SEL_CONNECT_P50_LATENCY, 1.5);
	check_number(&v, SEL_P50_LATENCY, 2);
	check_unknown(&v, SEL_LOCAL_TRANSPORT_RETRANS);
	net_values_finish(&v);
	hist_finish(&client.connect);
	hist_finish(&client.latency);
}

/* Under load and before it apart; bytes are the streams'. */
static void test_mix(void)
{
	static const struct net_spec mix = {.test = NET_MIX,
		.dir = NET_BIDIR,
		.flows = 4,
		.depth = 1,
		.request_bytes = 1,
		.response_bytes = 2};
	struct net_result client = {.to_ns = 2 * NS_PER_SEC,
				  .fairness = .5,
				  .counts = {.transactions = 500,
					  .bytes_sent = 250000,
					  .bytes_recvd = 500000}},
			  server = {.to_ns = 2 * NS_PER_SEC,
				  .fairness = .75,
				  .counts = {.transactions = 400,
					  .bytes_sent = 600000,
					  .bytes_recvd = 250000}};
	struct net_values v;

	hist_init(&client.idle, 3);
	hist_init(&client.latency, 3);
	CHECK(hist_alloc(&client.idle) == 0 && hist_alloc(&client.latency) == 0);
	hist_record(&client.idle, 1500);
	hist_record(&client.latency, 40000);
	CHECK(net_values_of(&mix, &client, &server, &nothing, &v) == 0);
	check_number(&v, SEL_THROUGHPUT, 3);
	CHECK_STR(v.of[SEL_THROUGHPUT_UNITS].text, "10^6bits/s");
	CHECK_STR(v.of[SEL_SD_UNITS].text, "us/KB");
	check_number(&v, SEL_LOCAL_SEND_THROUGHPUT, 1);
	check_number(&v, SEL_TRANSACTION_RATE, 250);
	check_number(&v, SEL_RT_LATENCY, 4000);
	check_number(&v, SEL_RESPONSE_SIZE, 2);
	check_number(&v, SEL_P50_LATENCY, 40);
	check_number(&v, SEL_IDLE_MEAN_LATENCY, 1.5);
	check_number(&v, SEL_IDLE_P90_LATENCY, 1.5);
	check_number(&v, SEL_IDLE_MAX_LATENCY, 1.5);
	check_number(&v, SEL_ADDED_P99_LATENCY, 38.5);
	CHECK_STR(v.of[SEL_DIRECTION].text, "Send|Recv");
	net_values_finish(&v);
	hist_finish(&client.idle);
	CHECK(net_values_of(&mix, &client, &server, &nothing, &v) == 0);
	check_unknown(&v, SEL_IDLE_P50_LATENCY);
	check_unknown(&v, SEL_ADDED_P50_LATENCY);
	net_values_finish(&v);
	hist_finish(&client.latency);
}

static void test_udp(void)
{
	static const struct net_spec rr = {.test = NET_RR,
					     .protocol = NET_UDP,
					     .flows = 1,
					     .depth = 1,
					     .request_bytes = 1,
					     .response_bytes = 1},
				     stream = {.test = NET_STREAM,
					     .protocol = NET_UDP,
					     .dir = NET_RECV,
					     .flows = 1,
					     .depth = 1};
	static const struct net_result asker = {.to_ns = NS_PER_SEC,
					       .counts = {.transactions = 990,
						       .lost = 10}},
				       from = {.to_ns = NS_PER_SEC,
					       .total_sent_datagrams = 1000,
					       .counts = {.bytes_sent = 1000000}},
				       to = {.to_ns = 2 * NS_PER_SEC,
					       .jitter_us = 12.5,
					       .counts = {.bytes_recvd = 500000,
						       .datagrams = 980,
						       .duplicates = 5,
						       .reordered = 7,
						       .socket_drops = 2}};
	struct net_values v;

	CHECK(net_values_of(&rr, &asker, NULL, &nothing, &v) == 0);
	check_number(&v, SEL_LOSS_PCT, 1);
	check_unknown(&v, SEL_TRANSPORT_MSS);
	net_values_finish(&v);
	CHECK(net_values_of(&stream, &to, &from, &nothing, &v) == 0);
	check_number(&v, SEL_THROUGHPUT, 2);
	check_number(&v, SEL_LOSS_PCT, 2);
	check_number(&v, SEL_REORDERED, 7);
	check_number(&v, SEL_DUPLICATES, 5);
	check_number(&v, SEL_SOCKET_DROPS, 2);
	check_number(&v, SEL_PPS, 490);
	check_number(&v, SEL_JITTER_US, 12.5);
	CHECK_STR(v.of[SEL_PROTOCOL].text, "UDP");
	check_unknown(&v, SEL_LOCAL_TRANSPORT_RETRANS);
	net_values_finish(&v);
}

static void test_facts(void)
{
	static const double rates[] = {10, 12, 11, 13, 9};
	static const struct confidence_goal goal = {3, 10, 0.95, 0.05};
	static const struct net_spec s = {.test = NET_STREAM, .flows = 1, .depth = 1};
	struct confidence c;
	struct net_facts facts = {.command = "muster matrix a b",
		.uuid = "u",
		.brand = "x",
		.confidence = &c,
		.goal = &goal};
	struct net_values v;

	CHECK(confidence_of(rates, 5, 0.95, &c) == 0);
	CHECK(net_values_of(&s, NULL, NULL, &facts, &v) == 0);
	CHECK_STR(v.of[SEL_COMMAND_LINE].text, "muster matrix a b");
	CHECK_STR(v.of[SEL_UUID].text, "u");
	CHECK_STR(v.of[SEL_RESULT_BRAND].text, "x");
	check_number(&v, SEL_CONFIDENCE_LEVEL, 95);
	check_number(&v, SEL_CONFIDENCE_INTERVAL, 5);
	check_number(&v, SEL_CONFIDENCE_ITERATION, 5);
	check_number(&v, SEL_THROUGHPUT_CONFID, 100 * c.width);
	net_values_finish(&v);
	/* one value has no width */
	CHECK(confidence_of(rates, 1, 0.95, &c) == 0);
	CHECK(net_values_of(&s, NULL, NULL, &facts, &v) == 0);
	check_unknown(&v, SEL_THROUGHPUT_CONFID);
	net_values_finish(&v);
}

static void check_format(enum net_format format, const enum net_selector *asked, size_t n,
	const struct net_values *v, const char *want)
{
	AUTO_BUF struct buf out = BUF_INIT;

	CHECK(net_format(&out, format, asked, n, v) == 0);
	CHECK_STR(out.data, want);
}

static void test_format(void)
{
	static const enum net_selector asked[] = {
		SEL_THROUGHPUT, SEL_P99_LATENCY, SEL_COMMAND_LINE, SEL_LOCAL_CPU_COUNT};
	char command[] = "muster \"a, b\"", headline[64];
	struct net_values v = {.of = {
				       [SEL_THROUGHPUT] = {true, 9412.349, NULL},
				       [SEL_COMMAND_LINE] = {true, 0, command},
				       [SEL_LOCAL_CPU_COUNT] = {true, 8, NULL},
			       }};

	check_format(NET_CSV, asked, 4, &v,
		"THROUGHPUT,P99_LATENCY,COMMAND_LINE,LOCAL_CPU_COUNT\n"
		"9412.35,,\"muster \"\"a, b\"\"\",8\n");
	check_format(NET_COLUMNS, asked, 4, &v,
		"THROUGHPUT  P99_LATENCY  COMMAND_LINE   LOCAL_CPU_COUNT\n"
		"9412.35     -            muster \"a, b\"  8\n");
	check_format(NET_KEYVAL, asked, 4, &v,
		"THROUGHPUT=9412.35\nP99_LATENCY=\nCOMMAND_LINE=muster \"a, b\"\n"
		"LOCAL_CPU_COUNT=8\n");
	check_format(NET_JSON, asked, 4, &v,
		"{\"THROUGHPUT\": 9412.35, \"P99_LATENCY\": null, "
		"\"COMMAND_LINE\": \"muster \\\"a, b\\\"\", \"LOCAL_CPU_COUNT\": 8}\n");
	check_format(NET_CSV, asked, 1, &v, "9412.35");
	check_format(NET_COLUMNS, asked, 1, &v, "9412.35");
	check_format(NET_CSV, asked + 1, 1, &v, NULL);
	check_format(NET_KEYVAL, asked, 1, &v, "THROUGHPUT=9412.35\n");
	check_format(NET_JSON, asked, 1, &v, "{\"THROUGHPUT\": 9412.35}\n");
	net_values_headline(&v, headline, sizeof(headline));
	CHECK_STR(headline, "9412.35 ");
}

static void test_defaults(void)
{
	for (int test = 0; test < NET_TESTS; test++) {
		for (int protocol = 0; protocol < NET_PROTOCOLS; protocol++) {
			struct net_spec s = {.test = (enum net_test)test,
				.protocol = (enum net_protocol)protocol};
			enum net_selector list[NET_SELECTORS];
			size_t n = net_selectors_default(&s, list);

			CHECK(n > 8 && list[0] == SEL_THROUGHPUT, "%d %d", test,
				protocol);
		}
	}
}

TEST_MAIN(TEST(test_table), TEST(test_tcp_stream), TEST(test_directions), TEST(test_rr),
	TEST(test_crr), TEST(test_mix), TEST(test_udp), TEST(test_facts),
	TEST(test_format), TEST(test_defaults))
