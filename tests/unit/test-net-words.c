/* Words behind `--`: what they make, what is refused, and that they can be printed and read again. */
#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/units.h"
#include "workload/net_words.h"

#define MAX_WORDS 64

/* Blanks separate words. */
static int parse_as(
	enum net_dialect dialect, const char *text, struct net_words *w, struct err *err)
{
	AUTO_FREE char *copy = strdup(text);
	char *words[MAX_WORDS], *rest = copy, *word;
	size_t n = 0;

	while ((word = strsep(&rest, " ")) && n < MAX_WORDS)
		if (*word)
			words[n++] = word;
	return net_words_parse(dialect, words, n, w, err);
}

struct row {
	const char *words;
	const char *printed; /* NULL: as words */
};

/* What words make is seen in what they print; that parses to the same. */
static void check_rows(enum net_dialect dialect, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *want = rows[i].printed ? rows[i].printed : rows[i].words;
		AUTO_BUF struct buf once = BUF_INIT, again = BUF_INIT;
		struct err err = ERR_INIT;
		struct net_words w;

		if (!CHECK(parse_as(dialect, rows[i].words, &w, &err) == 0, "%s: %s",
			    rows[i].words, err.text))
			continue;
		CHECK(net_words_print(&w, &once) == 0);
		net_words_finish(&w);
		CHECK(strcmp(once.data, want) == 0, "%s\n#  got %s\n# want %s",
			rows[i].words, once.data, want);
		if (!CHECK(parse_as(NET_WORDS_NETPERF, once.data, &w, &err) == 0,
			    "%s: %s", once.data, err.text))
			continue;
		CHECK(net_words_print(&w, &again) == 0);
		CHECK_STR(again.data, once.data);
		net_words_finish(&w);
	}
}

static void test_netperf(void)
{
	static const struct row rows[] = {
		{"", "-t TCP_STREAM -l 10"},
		{"-d send -l 30", "-t TCP_STREAM -l 30"},
		{"-d xmit -l30", "-t TCP_STREAM -l 30"},
		{"-d recv", "-t TCP_MAERTS -l 10"},
		{"-d maerts -T udp", "-t OMNI -T udp -d recv -l 10"},
		{"-T UDP", "-t UDP_STREAM -l 10"},
		{"-d rr -l 60", "-t TCP_RR -l 60 -r 1,1"},
		{"-d send|recv", "-t TCP_RR -l 10 -r 1,1"},
		{"-d 4", "-t TCP_MAERTS -l 10"},
		{"-d rr -c", "-t TCP_CRR -l 10 -r 1,1"},
		{"-c", "-t TCP_CRR -l 10 -r 1,1"},
		{"-t tcp_rr -r 64", "-t TCP_RR -l 10 -r 64,64"},
		{"-t TCP_RR -r 1k,1K -b 9", "-t TCP_RR -l 10 -r 1000,1024 -b 9"},
		{"-t TCP_RR -r 64,", "-t TCP_RR -l 10 -r 64,1"},
		{"-t UDP_RR -r 1,1", "-t UDP_RR -l 10 -r 1,1"},
		{"-t TCP_CC", "-t TCP_CRR -l 10 -r 1,1"},
		{"-t TCP_SENDFILE", "-t TCP_STREAM -l 10 --zerocopy"},
		{"-t OMNI -d rr -T udp -r 100,200", "-t UDP_RR -l 10 -r 100,200"},
		{"-l 1.5 -t TCP_STREAM", "-t TCP_STREAM -l 1.5"},
		{"-l -1000000", "-t TCP_STREAM -l 3600 --bytes 1000000"},
		{"-d rr -l -5k", "-t TCP_RR -l 3600 --transactions 5000 -r 1,1"},
		{"-l -1G -l 20", "-t TCP_STREAM -l 20 --bytes 1073741824"},
		{"-m 64K -M 32k", "-t TCP_STREAM -l 10 -m 65536 -M 32000"},
		{"-m 64K, -M ,32k", "-t TCP_STREAM -l 10 -m 65536, -M ,32000"},
		{"-m default -M default", "-t TCP_STREAM -l 10 -m default -M default"},
		{"-s 256K -S 1M,2M", "-t TCP_STREAM -l 10 -s 262144 -S 1048576,2097152"},
		{"-D -C", "-t TCP_STREAM -l 10 -D -C"},
		{"-DC", "-t TCP_STREAM -l 10 -D -C"},
		{"-D L", "-t TCP_STREAM -l 10 -D L"},
		{"-D ,R -K bbr,cubic", "-t TCP_STREAM -l 10 -D R -K bbr,cubic"},
		{"-K reno -G 1400", "-t TCP_STREAM -l 10 -G 1400 -K reno"},
		{"-R 0 -q 1m -P 5001,5002",
			"-t TCP_STREAM -l 10 -q 1000000 -P 5001,5002 -R 0"},
		{"-R 1", "-t TCP_STREAM -l 10"},
		{"-H 10.0.0.2,4 -L 10.0.0.1",
			"-t TCP_STREAM -l 10 -4 -H 10.0.0.2 -L 10.0.0.1"},
		{"-6 -Y ef", "-t TCP_STREAM -l 10 -Y 184 -6"},
		{"-y 0x28,af41", "-t TCP_STREAM -l 10 -Y 40,136"},
		{"-T 0,2", "-t TCP_STREAM -l 10 --cpus 0 --server-cpus 2"},
		{"-T 1", "-t TCP_STREAM -l 10 --cpus 1 --server-cpus 1"},
		{"-T ,3", "-t TCP_STREAM -l 10 --server-cpus 3"},
		{"--cpus 0-3,8 --flows 5", "-t TCP_STREAM -l 10 --flows 5 --cpus 0-3,8"},
		{"-i 10,3 -I 95,2.5", "-t TCP_STREAM -l 10 -i 10,3 -I 95,2.5"},
		{"-I 99", "-t TCP_STREAM -l 10 -i 10,3 -I 99,5"},
		{"-i 3,10", "-t TCP_STREAM -l 10 -i 10,10 -I 99,5"},
		{"-O 2 --interval 0.5", "-t TCP_STREAM -l 10 --warmup 2 --interval 0.5"},
		{"-o JSON,mean_latency,P50_LATENCY,P99_LATENCY -d rr",
			"-t TCP_RR -l 10 -r 1,1 -k "
			"JSON,MEAN_LATENCY,P50_LATENCY,P99_LATENCY"},
		{"-o", "-t TCP_STREAM -l 10 -o"},
		{"-o THROUGHPUT -d recv", "-t TCP_MAERTS -l 10 -o THROUGHPUT"},
		{"-O THROUGHPUT,ELAPSED_TIME",
			"-t TCP_STREAM -l 10 -O THROUGHPUT,ELAPSED_TIME"},
		{"-kTHROUGHPUT", "-t TCP_STREAM -l 10 -k THROUGHPUT"},
		{"-o JSON", "-t TCP_STREAM -l 10 -k JSON"},
		{"--bidir --flows=4 --stagger .1",
			"-t TCP_STREAM --bidir -l 10 --flows 4 --stagger 0.1"},
		{"-T udp --bitrate 1G --gsro",
			"-t UDP_STREAM -l 10 --bitrate 1000000000 --gsro"},
		{"-t mix", "-t MIX -l 10 -r 1,1"},
		{"-t MIX -d rr --flows 4 -D -r 64,128 -m 64K",
			"-t MIX -l 10 --flows 4 -r 64,128 -m 65536 -D"},
		{"-t MIX -d send --idle 2", "-t MIX -d send -l 10 --idle 2 -r 1,1"},
		{"-t MIX -d recv -l 6 --bidir -d send|recv", "-t MIX -l 6 -r 1,1"},
		{"-d rr --rate 1000.5", "-t TCP_RR -l 10 -r 1,1 --rate 1000.5"},
		{"-c --close rst --timeout 3",
			"-t TCP_CRR -l 10 -r 1,1 --close rst --timeout 3"},
		{"-B x,y -u abc-1 -f m -j", "-t TCP_STREAM -l 10 -B x,y -u abc-1"},
		{"-t UDP_RR --timeout 1", "-t UDP_RR -l 10 -r 1,1"},
	};

	check_rows(NET_WORDS_NETPERF, rows, ARRAY_LEN(rows));
}

static void test_positions(void)
{
	static const struct row rows[] = {
		{"-P 0 -t OMNI -l 30 -c -C -- -d rr -k THROUGHPUT",
			"-t TCP_RR -l 30 -r 1,1 -k THROUGHPUT"},
		{"-D 1 -- -D", "-t TCP_STREAM -l 10 --interval 1 -D"},
		{"-t TCP_RR -r -i 10,3 -- -r 64,64",
			"-t TCP_RR -l 10 -r 64,64 -i 10,3 -I 99,5"},
		{"-T 0,1 -- -T udp", "-t UDP_STREAM -l 10 --cpus 0 --server-cpus 1"},
		{"-- -T 17", "-t UDP_STREAM -l 10"},
		{"-- -t dgram", "-t UDP_STREAM -l 10"},
		{"-t TCP_RR -- -c", "-t TCP_CRR -l 10 -r 1,1"},
		{"-- -d rr -l 20 -c", "-t TCP_CRR -l 20 -r 1,1"},
		{"-H 10.0.0.2 -- -H 10.1.0.2 -P 5001",
			"-t TCP_STREAM -l 10 -P 5001 -H 10.1.0.2"},
		{"-l 20 --", "-t TCP_STREAM -l 20"},
		{"-o JSON,all", "-t TCP_STREAM -l 10 -k JSON,all"},
	};

	check_rows(NET_WORDS_NETPERF, rows, ARRAY_LEN(rows));
}

static void test_iperf3(void)
{
	static const struct row rows[] = {
		{"-t 30 -P 4 -R", "-t TCP_MAERTS -l 30 --flows 4"},
		{"--time 30 --parallel=4 --reverse", "-t TCP_MAERTS -l 30 --flows 4"},
		{"-k all", "-t TCP_STREAM -l 10 -k all"},
		{"-u", "-t UDP_STREAM -l 10 --bitrate 1000000"},
		{"-u -b 100M -P 2 -l 1400", "-t UDP_STREAM -l 10 --flows 2 --bitrate "
					    "200000000 -m 1400 -M 1400"},
		{"-u -b 0", "-t UDP_STREAM -l 10"},
		{"-b 8m", "-t TCP_STREAM -l 10 -q 1000000"},
		{"-w 256K -l 128k -N -Z",
			"-t TCP_STREAM -l 10 -m 131072 -M 131072 -s 262144 -S 262144 -D "
			"--zerocopy"},
		{"-n 1M", "-t TCP_STREAM -l 3600 --bytes 1048576"},
		{"-k 10 -l 1K", "-t TCP_STREAM -l 3600 --bytes 10240 -m 1024 -M 1024"},
		{"-k THROUGHPUT", "-t TCP_STREAM -l 10 -k THROUGHPUT"},
		{"-A 1", "-t TCP_STREAM -l 10 --cpus 1"},
		{"-A 1,2 -C cubic -M 1400 -S 8", "-t TCP_STREAM -l 10 -G 1400 -Y 8 "
						 "--cpus 1 --server-cpus 2 -K cubic"},
		{"--dscp 46", "-t TCP_STREAM -l 10 -Y 184"},
		{"--dscp ef", "-t TCP_STREAM -l 10 -Y 184"},
		{"--bidir -O 3 -i 1",
			"-t TCP_STREAM --bidir -l 10 --warmup 3 --interval 1"},
		{"-B 10.0.0.1 --cport 4000 -p 5201 -4",
			"-t TCP_STREAM -l 10 -P 4000,5201 -4 -L 10.0.0.1"},
		{"-J --skip-rx-copy --connect-timeout 500",
			"-t TCP_STREAM -l 10 --skip-rx-copy --timeout 0.5 -k JSON"},
		{"-o JSON,THROUGHPUT --fq-rate 80M",
			"-t TCP_STREAM -l 10 -q 10000000 -k JSON,THROUGHPUT"},
	};

	check_rows(NET_WORDS_IPERF3, rows, ARRAY_LEN(rows));
}

static void check_errors(enum net_dialect dialect, const char *const rows[][2], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct err err = ERR_INIT;
		struct net_words w;

		if (!CHECK(parse_as(dialect, rows[i][0], &w, &err) == -1, "%s",
			    rows[i][0])) {
			net_words_finish(&w);
			continue;
		}
		CHECK(err.kind == ERR_INPUT && !w.given, "%s", rows[i][0]);
		CHECK(strstr(err.text, rows[i][1]) != NULL, "%s: %s", rows[i][0],
			err.text);
	}
}

static void test_errors(void)
{
	static const char *const rows[][2] = {
		{"-x 1", "unknown option -x behind --"},
		{"-t TCP_RS", "unknown test 'TCP_RS' (did you mean TCP_RR?)"},
		{"-t", "-t wants a value: -t NAME"},
		{"--bidri", "unknown option --bidri behind -- (did you mean --bidir?)"},
		{"--bidir=1", "--bidir takes no value"},
		{"host1", "'host1' belongs to no option"},
		{"-D 1", "'1' belongs to no option"},
		{"-d sideways", "-d wants send, recv or rr, not 'sideways'"},
		{"-l 0", "-l wants seconds above 0"},
		{"-l -0", "-l wants seconds above 0"},
		{"-l -x", "-l wants seconds above 0"},
		{"-l 1y", "-l wants seconds above 0"},
		{"-d rr -r 0", "-r wants REQUEST[,RESPONSE]"},
		{"-d rr -r 1,2,3", "-r wants a value, or two with a comma"},
		{"-d rr -r 1GG", "-r wants REQUEST"},
		{"-d rr -b 65536", "-b wants a number from 0 to 65535"},
		{"-d send -r 64", "-r means nothing to tcp stream: it is of rr, crr"},
		{"-d rr -m 64", "-m means nothing to tcp rr: it is of streams"},
		{"-T udp -D",
			"-D means nothing to udp stream: it is of tcp streams, tcp rr, "
			"crr"},
		{"-d rr --gsro", "--gsro means nothing to tcp rr: it is of udp streams"},
		{"-t TCP_STREAM -d recv",
			"-t TCP_STREAM and -d recv contradict each other"},
		{"-t TCP_RR -T udp", "-t TCP_RR and udp contradict each other"},
		{"-t TCP_STREAM -c", "-c without a second --"},
		{"-t TCP_RR -c", "-t TCP_CRR has it (CPU use is always measured)"},
		{"-d send -c", "needs -d rr (CPU use is always measured)"},
		{"-d recv --bidir", "contradict each other"},
		{"-d rr -c -b 3", "-b means nothing to tcp crr: it is of rr"},
		{"-c -T udp", "make no test: udp has no connections for crr"},
		{"-T sctp", "-T wants tcp, udp or CPU numbers L,R, not 'sctp'"},
		{"-- -T 5", "-T wants tcp or udp, not '5'"},
		{"-T 0,x", "-T wants CPU numbers"},
		{"-o THROUGHPUD", "-o: unknown selector 'THROUGHPUD' (did you mean "
				  "'THROUGHPUT'?)"},
		{"-i 2", "-i wants MAX,MIN from 3 to 30"},
		{"-i 31,3", "-i wants MAX,MIN from 3 to 30"},
		{"-I 100", "-I wants LEVEL[,WIDTH]"},
		{"-Y 256", "-Y wants a number from 0 to 255"},
		{"-G 50", "-G wants a number from 88 to 32767, not '50'"},
		{"-P 70000", "-P wants a number from 1 to 65535"},
		{"-P 0", "-P wants a number from 1 to 65535"},
		{"-P 1 --", "-P wants 0: muster prints no banner"},
		{"-R 2", "-R wants 1, or 0 not to route"},
		{"-s 2G", "-s wants at most 1073741824, not '2G'"},
		{"-s 0", "-s wants at least 1, not '0'"},
		{"-K averyverylongname", "-K wants a shorter word"},
		{"-H a;b", "-H wants a name or an address"},
		{"-L--", "-L wants a name or an address"},
		{"-B --help", "-B wants a word"},
		{"-K cubic,-x", "-K wants a word, not '-x'"},
		{"-H a,9", "-H wants a name or an address"},
		{"-p 12865", "-p: muster has no control port"},
		{"-a 8", "-a: muster's native engine has no alignment of buffers"},
		{"-F file", "-F: muster's native engine sends no files"},
		{"-d --", "-d: before a second -- this is netperf's debug output"},
		{"-b 3 -- -d rr", "-b: before a second -- this is netperf's burst"},
		{"-f g", "-f wants m: muster's unit is 10^6 bits/s, not 'g'"},
		{"-Z", "iperf3's -Z is --zerocopy"},
		{"-T udp -m 70000", "make no test: a datagram"},
		{"--rate 0 -d rr", "--rate wants a number above 0"},
		{"--cpus 1,,2", "--cpus wants CPU numbers such as 0-3,8"},
		{"--close maybe -c", "--close wants fin or rst, not 'maybe'"},
		{"-t MIX -T udp", "-t MIX and udp contradict each other"},
		{"-t MIX -l -5", "mix ends by time"},
		{"-t MIX -l 5 --idle 5",
			"the idle part of mix is a part of its duration"},
		{"-t MIX -b 2", "-b means nothing to tcp mix: it is of rr"},
		{"-t MIX --rate 2", "--rate means nothing to tcp mix: it is of rr, crr"},
		{"-t MIX -c", "-t MIX is not"},
		{"-t MIX -d send --bidir", "contradict each other"},
		{"-t MIX --flows 65536", "mix has one flow besides its streams"},
		{"-d rr --idle 1", "--idle means nothing to tcp rr: it is of mix"},
		{"-", "'-' belongs to no option"},
	};
	static const char *const iperf3[][2] = {
		{"-c host", "-c: hosts come from muster's lists"},
		{"--client=host", "--client: hosts come from muster's lists"},
		{"-t 5 -- -l 5", "iperf3 has no second --"},
		{"-b 1M/10", "-b wants a rate without a burst"},
		{"-u -N", "-N means nothing to udp stream"},
		{"-G", "-G is no option of iperf3 (--words netperf has it: TCP_MAXSEG)"},
		{"--paralel 4", "did you mean --parallel?"},
		{"-R --bidir", "contradict each other"},
		{"-k 120T -l 1M", "-k: more bytes than can be counted"},
		{"-P 0", "-P wants a number from 1 to 65536, not '0'"},
		{"--sctp", "--sctp: muster's native engine has no sctp"},
		{"--dscp 64", "--dscp wants a number from 0 to 63"},
	};

	check_errors(NET_WORDS_NETPERF, rows, ARRAY_LEN(rows));
	check_errors(NET_WORDS_IPERF3, iperf3, ARRAY_LEN(iperf3));
}

static void test_members(void)
{
	struct err err = ERR_INIT;
	struct net_words w;

	CHECK(parse_as(NET_WORDS_NETPERF,
		      "-d rr -o P99_LATENCY,THROUGHPUT -i 20,5 -I 95,10", &w, &err) == 0);
	CHECK(w.output_asked && w.format == NET_CSV && w.n_selectors == 2);
	CHECK(w.selectors[0] == SEL_P99_LATENCY && w.selectors[1] == SEL_THROUGHPUT);
	CHECK(w.iterations_max == 20 && w.iterations_min == 5);
	CHECK(fabs(w.confidence_level - .95) < 1e-12 &&
		fabs(w.confidence_width - .1) < 1e-12);
	CHECK(net_words_given(&w, "-i") && !net_words_given(&w, "-l"));
	CHECK(w.spec.timeout_ns == 10 * NS_PER_SEC && w.spec.depth == 1);
	net_words_finish(&w);

	CHECK(parse_as(NET_WORDS_NETPERF, "-k all", &w, &err) == 0);
	CHECK(w.n_selectors == NET_SELECTORS && w.format == NET_KEYVAL);
	net_words_finish(&w);
	CHECK(parse_as(NET_WORDS_NETPERF, "-m default", &w, &err) == 0);
	CHECK(w.default_send && w.spec.local.send_bytes == 16384);
	net_words_finish(&w);
	CHECK(parse_as(NET_WORDS_NETPERF, "-t UDP_RR", &w, &err) == 0);
	CHECK(w.spec.timeout_ns == NS_PER_SEC);
	net_words_finish(&w);
}

/* Each row has its words, and no row hides another of its table. */
static void test_help(void)
{
	for (int d = 0; d < NET_DIALECTS; d++) {
		struct net_word_help help;
		size_t i = 0;

		for (; net_words_help((enum net_dialect)d, i, &help); i++) {
			const char *name = help.letter ? help.letter : help.name;

			CHECK(name && help.help && *help.help, "row %zu", i);
			CHECK(help.help[strlen(help.help) - 1] != '.', "%s", name);
			CHECK(!help.letter || strlen(help.letter) == 2, "%s", name);
			CHECK(!help.name || strncmp(help.name, "--", 2) == 0, "%s", name);
		}
		CHECK(i > 50, "dialect %d: %zu rows", d, i);
	}
}

TEST_MAIN(TEST(test_netperf), TEST(test_positions), TEST(test_iperf3), TEST(test_errors),
	TEST(test_members), TEST(test_help))
