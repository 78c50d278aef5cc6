/* Command lines of netperf and iperf3, and what they cannot do. */
#include <stdlib.h>

#include "check.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/units.h"
#include "workload/net_argv.h"

static int parse(const char *text, struct net_words *w, struct err *err)
{
	AUTO_FREE char *copy = strdup(text);
	char *words[64], *rest = copy, *word;
	size_t n = 0;

	while ((word = strsep(&rest, " ")) && n < 64)
		if (*word)
			words[n++] = word;
	return net_words_parse(NET_WORDS_NETPERF, words, n, w, err);
}

static char *joined(char **argv)
{
	struct buf b = BUF_INIT;

	for (size_t i = 0; argv[i]; i++)
		CHECK(buf_printf(&b, "%s%s", i ? " " : "", argv[i]) == 0);
	return buf_steal(&b);
}

static const struct net_argv_way way = {
	.address = "10.0.0.2", .bind = "10.0.0.1", .port = 12866};

/* The selectors are all the same; what stands before them is looked at. */
static void test_netperf(void)
{
	static const struct {
		const char *words, *want;
	} rows[] = {
		{"-d send -l 30",
			"-t OMNI -l 30 -c -C -- -d send -T tcp -m 131072, -M 131072,"},
		{"-d recv -l 30 -m 64K",
			"-t OMNI -l 30 -c -C -- -d recv -T tcp -m ,65536 -M ,131072"},
		{"-d send -m default -M default",
			"-t OMNI -l 10 -c -C -- -d send -T tcp"},
		{"-d rr -r 64,128 -b 9 -D",
			"-t OMNI -l 10 -c -C -- -d rr -T tcp -r 64,128 -b 9 -D"},
		{"-d rr -c", "-t OMNI -l 10 -c -C -- -d rr -T tcp -r 1,1 -c"},
		{"-t UDP_RR", "-t OMNI -l 10 -c -C -- -d rr -T udp -r 1,1"},
		{"-t UDP_STREAM -m 1400 -s 1M",
			"-t OMNI -l 10 -c -C -- -d send -T udp -m 1400, -s "
			"1048576,1048576 -R 1"},
		{"-T 0,2 -Y ef -K bbr, -G 1400 -q 1m -P ,5001 -R 0 -m default -M default",
			"-t OMNI -l 10 -c -C -T 0,2 -Y 184,184 -- -d send -T tcp -K bbr, "
			"-G "
			"1400 -q 1000000 -P ,5001 -R 0"},
		{"-l -1000 -d rr", "-t OMNI -l -1000 -c -C -- -d rr -T tcp -r 1,1"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *got = NULL, *want = NULL;
		struct err err = ERR_INIT;
		struct net_words w;
		char **argv, *selectors;

		if (!CHECK(parse(rows[i].words, &w, &err) == 0, "%s", err.text))
			continue;
		if (CHECK(net_argv_client(NET_ENGINE_NETPERF, &w, &way, &argv, &err) == 0,
			    "%s: %s", rows[i].words, err.text)) {
			got = joined(argv);
			selectors = strstr(got, " -k THROUGHPUT,");
			CHECK(selectors && !strchr(selectors + 4, ' ') &&
				!strstr(selectors, "JITTER_US"));
			if (selectors)
				*selectors = '\0';
			CHECK(asprintf(&want,
				      "netperf -P 0 -H 10.0.0.2 -L 10.0.0.1 -p 12866 %s",
				      rows[i].want) > 0);
			CHECK_STR(got, want);
			net_argv_free(argv);
		}
		net_words_finish(&w);
	}
}

static void test_iperf3(void)
{
	static const struct {
		const char *words, *want;
	} rows[] = {
		{"-d send -l 30", "-t 30 -J -i 0 --connect-timeout 10000"},
		{"-d recv --flows 4 -4",
			"-t 10 -J -4 -i 0 -R -P 4 --connect-timeout 10000"},
		{"--bidir -m 64K -M 64K --interval 0.5 --warmup 2",
			"-t 10 -J -O 2 -i 0.5 --bidir -l 65536 --connect-timeout 10000"},
		{"-T udp --bitrate 100M --flows 2 --gsro",
			"-t 10 -J -i 0 -u -b 50000000 -P 2 -l 1472 --gsro "
			"--connect-timeout 10000"},
		{"-T udp", "-t 10 -J -i 0 -u -b 0 -l 1472 --connect-timeout 10000"},
		{"-l -1M -s 256K -S 256K -D -K cubic -G 1400 -Y 8 -q 1m -T 1,2 -P "
		 "4000,5000",
			"-n 1048576 -J -i 0 -w 262144 -M 1400 -N -S 8 -C cubic --fq-rate "
			"8000000 -A 1,2 --cport 4000 --connect-timeout 10000"},
		{"--zerocopy --skip-rx-copy --timeout 3",
			"-t 10 -J -i 0 -Z --skip-rx-copy --connect-timeout 3000"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *got = NULL, *want = NULL;
		struct err err = ERR_INIT;
		struct net_words w;
		char **argv;

		if (!CHECK(parse(rows[i].words, &w, &err) == 0, "%s", err.text))
			continue;
		if (CHECK(net_argv_client(NET_ENGINE_IPERF3, &w, &way, &argv, &err) == 0,
			    "%s: %s", rows[i].words, err.text)) {
			got = joined(argv);
			CHECK(asprintf(&want,
				      "iperf3 -c 10.0.0.2 -B 10.0.0.1 -p 12866 %s",
				      rows[i].want) > 0);
			CHECK_STR(got, want);
			net_argv_free(argv);
		}
		net_words_finish(&w);
	}
}

static void test_lacks(void)
{
	static const struct {
		enum net_engine engine;
		const char *words, *want;
	} rows[] = {
		{NET_ENGINE_NETPERF, "--flows 2",
			"engine netperf does not have parallel flows "
			"(--engine native does)"},
		{NET_ENGINE_NETPERF, "--bidir", "streams both ways"},
		{NET_ENGINE_NETPERF, "-O 3", "a warm-up"},
		{NET_ENGINE_NETPERF, "-l 1.5", "fractions of seconds"},
		{NET_ENGINE_NETPERF, "-d rr --rate 100", "a rate of transactions"},
		{NET_ENGINE_NETPERF, "-D L", "TCP_NODELAY at one end only"},
		{NET_ENGINE_NETPERF, "-G 1400,1300", "a different MSS at each end"},
		{NET_ENGINE_NETPERF, "-o P95_LATENCY", "the selector P95_LATENCY"},
		{NET_ENGINE_NETPERF, "--cpus 0-3", "more than one CPU"},
		{NET_ENGINE_IPERF3, "-d rr", "engine iperf3 does not have transactions"},
		{NET_ENGINE_IPERF3, "-c", "transactions"},
		{NET_ENGINE_IPERF3, "-s 1M",
			"socket buffers that are not all of one size"},
		{NET_ENGINE_IPERF3, "-m 1K -M 2K", "sizes that differ between the ends"},
		{NET_ENGINE_IPERF3, "-K bbr,cubic", "a different congestion control"},
		{NET_ENGINE_IPERF3, "-T ,1", "a CPU for the server's end alone"},
		{NET_ENGINE_IPERF3, "--flows 200", "more than 128 parallel flows"},
		{NET_ENGINE_IPERF3, "-C", "TCP_CORK"},
		{NET_ENGINE_NATIVE, "-C", "engine native has no command line"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = ERR_INIT;
		struct net_words w;
		char **argv = NULL;

		if (!CHECK(parse(rows[i].words, &w, &err) == 0, "%s", err.text))
			continue;
		CHECK(net_argv_client(rows[i].engine, &w, &way, &argv, &err) == -1, "%s",
			rows[i].words);
		CHECK(strstr(err.text, rows[i].want) != NULL, "%s: %s", rows[i].words,
			err.text);
		net_argv_free(argv);
		net_words_finish(&w);
	}
}

static void test_servers(void)
{
	static const struct net_argv_way at = {
		.program = "/opt/netserver", .address = "10.0.0.2", .port = 5000};
	static const struct net_argv_way by_path = {.address = "10.0.0.2", .port = 5000};
	struct err err = ERR_INIT;
	struct net_words w;
	char **argv;

	CHECK(parse("-4 -l 20 -O 5 --bidir", &w, &err) == 0);
	CHECK(net_argv_deadline_ns(&w) == 55 * NS_PER_SEC);
	if (CHECK(net_argv_server(NET_ENGINE_IPERF3, &w, &by_path, &argv, &err) == 0)) {
		AUTO_FREE char *text = joined(argv);

		CHECK_STR(text, "iperf3 -s -1 -4 -B 10.0.0.2 -p 5000");
		net_argv_free(argv);
	}
	net_words_finish(&w);
	CHECK(parse("", &w, &err) == 0);
	if (CHECK(net_argv_server(NET_ENGINE_NETPERF, &w, &at, &argv, &err) == 0)) {
		AUTO_FREE char *text = joined(argv);

		CHECK_STR(text, "/opt/netserver -D -L 10.0.0.2 -p 5000");
		net_argv_free(argv);
	}
	net_words_finish(&w);
}

TEST_MAIN(TEST(test_netperf), TEST(test_iperf3), TEST(test_lacks), TEST(test_servers))
