/* What netperf and iperf3 print, against the values that it means; and how what they say of failures is taken. */
#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/units.h"
#include "results/net_told.h"

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

static bool read_iperf3(
	const struct net_spec *spec, const char *text, struct net_told *told)
{
	struct err err = ERR_INIT;

	return CHECK(net_iperf3_read(spec, text, strlen(text), told, &err) == 0, "%s",
		err.text);
}

static void test_iperf3_send(void)
{
	static const struct net_spec spec = {
		.dir = NET_SEND, .flows = 2, .interval_ns = 1, .depth = 1};
	static const char text[] =
		"{\"start\":{\"tcp_mss_default\":1000,\"sndbuf_actual\":16384,"
		"\"connected\":[{\"local_host\":\"10.0.0.1\",\"local_port\":4001,"
		"\"remote_host\":\"10.0.0.2\",\"remote_port\":5201}]},"
		"\"intervals\":["
		"{\"sum\":{\"start\":0,\"end\":1,\"bytes\":1,\"omitted\":true}},"
		"{\"sum\":{\"start\":0,\"end\":1,\"bytes\":125000000}},"
		"{\"streams\":[{\"snd_cwnd\":9000},{\"snd_cwnd\":11000}],"
		"\"sum\":{\"start\":1,\"end\":2,\"bytes\":250000000}}],"
		"\"end\":{\"streams\":["
		"{\"sender\":{\"mean_rtt\":100,\"min_rtt\":90},\"receiver\":{\"bytes\":3}"
		"},"
		"{\"sender\":{\"mean_rtt\":300,\"min_rtt\":80},\"receiver\":{\"bytes\":1}"
		"}],"
		"\"sum_sent\":{\"seconds\":2,\"bytes\":375000000,\"bits_per_second\":1."
		"5e9,"
		"\"retransmits\":7},"
		"\"sum_received\":{\"seconds\":2,\"bytes\":374000000,"
		"\"bits_per_second\":1.496e9},"
		"\"sender_tcp_congestion\":\"cubic\",\"receiver_tcp_congestion\":\"bbr\"}"
		"}";
	CLEANUP(net_told_finish) struct net_told t;
	const struct net_values *v = &t.values;

	if (!read_iperf3(&spec, text, &t))
		return;
	check_number(v, SEL_THROUGHPUT, 1496);
	check_number(v, SEL_REMOTE_RECV_THROUGHPUT, 1496);
	check_number(v, SEL_LOCAL_SEND_THROUGHPUT, 1500);
	check_number(v, SEL_REMOTE_BYTES_RECVD, 374000000);
	check_number(v, SEL_LOCAL_TRANSPORT_RETRANS, 7);
	check_number(v, SEL_ELAPSED_TIME, 2);
	check_number(v, SEL_RTT_US, 200);
	check_number(v, SEL_MIN_RTT_US, 80);
	check_number(v, SEL_CWND, 10);
	check_number(v, SEL_JAIN_FAIRNESS, 16.0 / 20);
	check_number(v, SEL_SOURCE_PORT, 4001);
	CHECK_STR(v->of[SEL_LOCAL_CONG_CONTROL].text, "cubic");
	CHECK_STR(v->of[SEL_REMOTE_CONG_CONTROL].text, "bbr");
	CHECK_STR(v->of[SEL_THROUGHPUT_UNITS].text, "10^6bits/s");
	check_unknown(v, SEL_REMOTE_TRANSPORT_RETRANS);
	check_unknown(v, SEL_LOCAL_RECV_THROUGHPUT);
	check_unknown(v, SEL_P99_LATENCY);
	check_unknown(v, SEL_LOCAL_CPU_UTIL);
	CHECK(t.intervals.n == 2 && t.intervals.items[1].from_ns == NS_PER_SEC &&
		t.intervals.items[1].counts.bytes_recvd == 250000000);
	CHECK(t.socket[NET_CLIENT].dest_port && !t.socket[NET_SERVER].dest_port);
}

/* Reversed, the sender's round trips are not known here: iperf3 writes zeros. */
static void test_iperf3_both(void)
{
	static const struct net_spec recv = {.dir = NET_RECV, .flows = 1, .depth = 1},
				     both = {.dir = NET_BIDIR, .flows = 1, .depth = 1};
	static const char text[] =
		"{\"start\":{},\"end\":{\"streams\":[{\"sender\":{\"mean_rtt\":0,"
		"\"min_rtt\":0}}],"
		"\"sum_sent\":{\"seconds\":1,\"bits_per_second\":3e6,\"retransmits\":5},"
		"\"sum_received\":{\"bits_per_second\":2e6},"
		"\"sum_sent_bidir_reverse\":{\"bits_per_second\":30e6,\"retransmits\":6},"
		"\"sum_received_bidir_reverse\":{\"bits_per_second\":20e6},"
		"\"sender_tcp_congestion\":\"cubic\"}}";
	CLEANUP(net_told_finish) struct net_told r = {.intervals = {0}};
	CLEANUP(net_told_finish) struct net_told b = {.intervals = {0}};

	if (!read_iperf3(&recv, text, &r) || !read_iperf3(&both, text, &b))
		return;
	check_number(&r.values, SEL_THROUGHPUT, 2);
	check_number(&r.values, SEL_LOCAL_RECV_THROUGHPUT, 2);
	check_number(&r.values, SEL_REMOTE_SEND_THROUGHPUT, 3);
	check_number(&r.values, SEL_REMOTE_TRANSPORT_RETRANS, 5);
	CHECK_STR(r.values.of[SEL_REMOTE_CONG_CONTROL].text, "cubic");
	check_unknown(&r.values, SEL_RTT_US);
	check_unknown(&r.values, SEL_LOCAL_TRANSPORT_RETRANS);
	check_number(&b.values, SEL_THROUGHPUT, 22);
	check_number(&b.values, SEL_REMOTE_RECV_THROUGHPUT, 2);
	check_number(&b.values, SEL_LOCAL_RECV_THROUGHPUT, 20);
	check_number(&b.values, SEL_REMOTE_TRANSPORT_RETRANS, 6);
}

static void test_iperf3_udp(void)
{
	static const struct net_spec spec = {
		.protocol = NET_UDP, .dir = NET_SEND, .flows = 1, .depth = 1};
	/* as newer versions have it, and as older ones */
	static const char *const texts[] = {
		"{\"end\":{\"streams\":[{\"udp\":{\"out_of_order\":3}}],"
		"\"sum_sent\":{\"seconds\":10,\"bits_per_second\":8e6},"
		"\"sum_received\":{\"seconds\":10,\"bits_per_second\":7.2e6,"
		"\"jitter_ms\":0.25,\"lost_packets\":10,\"packets\":100}}}",
		"{\"end\":{\"streams\":[{\"udp\":{\"out_of_order\":3}}],"
		"\"sum\":{\"seconds\":10,\"bits_per_second\":8e6,\"jitter_ms\":0.25,"
		"\"lost_packets\":10,\"packets\":100}}}",
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		CLEANUP(net_told_finish) struct net_told t = {.intervals = {0}};

		if (!read_iperf3(&spec, texts[i], &t))
			continue;
		check_number(&t.values, SEL_THROUGHPUT, 7.2);
		check_number(&t.values, SEL_LOCAL_SEND_THROUGHPUT, 8);
		check_number(&t.values, SEL_LOSS_PCT, 10);
		check_number(&t.values, SEL_JITTER_US, 250);
		check_number(&t.values, SEL_REORDERED, 3);
		check_number(&t.values, SEL_PPS, 9);
		check_unknown(&t.values, SEL_LOCAL_TRANSPORT_RETRANS);
		check_unknown(&t.values, SEL_DUPLICATES);
	}
}

static void test_netperf(void)
{
	static const struct net_spec stream = {.dir = NET_SEND, .flows = 1, .depth = 1},
				     rr = {.test = NET_RR, .flows = 1, .depth = 1},
				     udp = {.protocol = NET_UDP,
					     .dir = NET_SEND,
					     .flows = 1,
					     .depth = 1};
	static const char text[] =
		"TCP STREAM TEST from here to there\n"
		"THROUGHPUT=1000.00\nTHROUGHPUT_UNITS=10^6bits/s\nELAPSED_TIME=10.00\r\n"
		"REMOTE_RECV_THROUGHPUT=990.50\nLOCAL_RECV_THROUGHPUT=-1.00\n"
		"LOCAL_SEND_CALLS=1000\nREMOTE_RECV_CALLS=900\n"
		"SD_UNITS=usec/KB\nLOCAL_SD=0.5\nREMOTE_SD=-1.000\nMEAN_LATENCY=31.55\n"
		"P99_LATENCY=47\nCONFIDENCE_LEVEL=99\nNO_SUCH=7\nUUID=x\nRESULT_BRAND=\n"
		"COMMAND_LINE=\"netperf\"";
	CLEANUP(net_told_finish) struct net_told s = {.intervals = {0}};
	CLEANUP(net_told_finish) struct net_told r = {.intervals = {0}};
	CLEANUP(net_told_finish) struct net_told u = {.intervals = {0}};
	struct err err = ERR_INIT;

	CHECK(net_netperf_read(&stream, text, strlen(text), &s, &err) == 0);
	check_number(&s.values, SEL_THROUGHPUT, 990.5);
	check_number(&s.values, SEL_LOCAL_SD, 0.5);
	check_number(&s.values, SEL_ELAPSED_TIME, 10);
	CHECK_STR(s.values.of[SEL_SD_UNITS].text, "us/KB");
	check_unknown(&s.values, SEL_LOCAL_RECV_THROUGHPUT);
	check_unknown(&s.values, SEL_REMOTE_SD);
	check_unknown(&s.values, SEL_CONFIDENCE_LEVEL);
	check_unknown(&s.values, SEL_UUID);
	check_unknown(&s.values, SEL_COMMAND_LINE);
	check_unknown(&s.values, SEL_RESULT_BRAND);
	check_unknown(&s.values, SEL_LOSS_PCT);
	CHECK(net_netperf_read(&rr, text, strlen(text), &r, &err) == 0);
	check_number(&r.values, SEL_THROUGHPUT, 1000);
	check_number(&r.values, SEL_TRANSACTION_RATE, 1000);
	check_number(&r.values, SEL_P99_LATENCY, 47);
	CHECK(net_netperf_read(&udp, text, strlen(text), &u, &err) == 0);
	check_number(&u.values, SEL_LOSS_PCT, 10);
	check_number(&u.values, SEL_PPS, 90);
}

/* CPU of the machine stands in where a program says nothing of it. */
static void test_cpu(void)
{
	static const struct net_spec spec = {.dir = NET_SEND, .flows = 1, .depth = 1};
	static char json[] = "{\"end\":{\"sum_sent\":{\"seconds\":2,\"bytes\":1024000,"
			     "\"bits_per_second\":4096000},\"sum_received\":{\"bits_per_"
			     "second\":4e6}}}",
		    keyval[] = "THROUGHPUT=5\nLOCAL_CPU_UTIL=12.5\nLOCAL_SD=7\n";
	struct net_output o = {.out = json, .cpu = {.util = 50, .count = 4}};
	CLEANUP(net_told_finish) struct net_told i = {.intervals = {0}};
	CLEANUP(net_told_finish) struct net_told n = {.intervals = {0}};
	struct err err = ERR_INIT;
	enum net_failure why;

	CHECK(net_told_read(net_iperf3_read, &spec, &o, NULL, &i, &why, &err) == 0);
	check_number(&i.values, SEL_LOCAL_CPU_UTIL, 50);
	check_number(&i.values, SEL_LOCAL_SD, 2.0 * 4 * 0.5 * 1e6 / 1000);
	check_unknown(&i.values, SEL_REMOTE_CPU_UTIL);
	o.out = keyval;
	CHECK(net_told_read(net_netperf_read, &spec, &o, &o, &n, &why, &err) == 0);
	check_number(&n.values, SEL_LOCAL_CPU_UTIL, 12.5);
	check_number(&n.values, SEL_LOCAL_SD, 7);
	check_number(&n.values, SEL_REMOTE_CPU_UTIL, 50);
}

static void test_failures(void)
{
	static const struct {
		net_told_fn *read;
		const char *out, *err;
		uint32_t exit, signo;
		bool late, cut;
		enum net_failure why;
		const char *text;
	} rows[] = {
		{net_iperf3_read,
			"{\"error\":\"unable to connect to server: Connection refused\"}",
			"", 0, 0, false, false, NET_FAIL_REFUSED,
			"unable to connect to server: Connection refused"},
		{net_iperf3_read,
			"{\"error\":\"the server is busy running a test. try again "
			"later\"}",
			"", 1, 0, false, false, NET_FAIL_OTHER,
			"the server is busy running a test. try again later"},
		{net_iperf3_read,
			"{\"error\":\"unable to connect to server: No route to host\"}",
			"", 1, 0, false, false, NET_FAIL_UNREACHABLE,
			"unable to connect to server: No route to host"},
		{net_iperf3_read,
			"{\"error\":\"control socket has closed unexpectedly\"}", "", 1,
			0, false, false, NET_FAIL_LOST,
			"control socket has closed unexpectedly"},
		{net_iperf3_read, "",
			"iperf3: unrecognized option '--bogus'\nUsage: iperf3 [-s]\n", 1,
			0, false, false, NET_FAIL_OPTION,
			"iperf3: unrecognized option '--bogus'"},
		{net_iperf3_read,
			"{\"end\":{\"sum_sent\":{\"bytes\":9},\"sum_received\":"
			"{\"bits_per_second\":0}}}",
			"", 0, 0, false, false, NET_FAIL_OTHER,
			"its receiver had counted nothing when it ended: the test is too "
			"short for iperf3"},
		{net_iperf3_read, "{}", "", 0, 0, false, false, NET_FAIL_OTHER,
			"printed no results, but \"{}\""},
		{net_netperf_read, "", "", 0, 0, false, false, NET_FAIL_OTHER,
			"printed nothing"},
		{net_netperf_read, "", "", 4, 0, false, false, NET_FAIL_OTHER,
			"ended with exit 4 and without a word"},
		{net_netperf_read,
			"establish control: are you sure there is a netserver listening "
			"on h at port 1?\n\nmore\n",
			"", 255, 0, false, false, NET_FAIL_REFUSED,
			"establish control: are you sure there is a netserver listening "
			"on h at port 1?; more"},
		{net_netperf_read, "THROUGHPUT=5\n", "", 0, 9, false, false,
			NET_FAIL_LOST, "was ended by signal 9 (Killed): THROUGHPUT=5"},
		{net_netperf_read, "", "", 0, 15, true, false, NET_FAIL_TIMEOUT,
			"did not end, and was ended after 42 seconds"},
		{net_netperf_read, "THROUGHPUT=5\n", "", 0, 0, false, true,
			NET_FAIL_OPTION,
			"printed more than 768 KiB: too much to be results (fewer "
			"interval reports and flows make it less)"},
		{net_netperf_read, "THROUGHPUT=\x1b[31m\n", "", 0, 0, false, false,
			NET_FAIL_OTHER, "printed no results, but \"THROUGHPUT= \""},
	};
	static const struct net_spec spec = {.dir = NET_SEND, .flows = 1, .depth = 1};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct net_output o = {.out = (char *)(uintptr_t)rows[i].out,
			.err = (char *)(uintptr_t)rows[i].err,
			.exit = rows[i].exit,
			.signo = rows[i].signo,
			.late = rows[i].late,
			.cut = rows[i].cut,
			.to_ns = 42 * NS_PER_SEC};
		struct net_told told;
		struct err err = ERR_INIT;
		enum net_failure why;

		CHECK(net_told_read(rows[i].read, &spec, &o, NULL, &told, &why, &err) ==
				-1,
			"row %zu", i);
		CHECK(why == rows[i].why, "row %zu: %s", i, net_failure_names[why]);
		CHECK_STR(err.text, rows[i].text);
	}
}

TEST_MAIN(TEST(test_iperf3_send), TEST(test_iperf3_both), TEST(test_iperf3_udp),
	TEST(test_netperf), TEST(test_cpu), TEST(test_failures))
