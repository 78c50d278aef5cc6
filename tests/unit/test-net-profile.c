/* Profiles: those that come with muster, what is wrong with others, and what is expected of results. */
#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"
#include "common/text.h"
#include "common/units.h"
#include "workload/net_profile.h"
#include "yaml/decode.h"

static int parse(const char *text, struct net_profile *p, struct err *err)
{
	return net_profile_parse("p.yaml", text, strlen(text), 0, NULL, NULL, p, err);
}

static int load(const char *name, uint64_t duration_ns, struct net_profile *p)
{
	AUTO_FREE char *path = text_printf(SOURCE_DIR "/profiles/%s.yaml", name);
	AUTO_BUF struct buf text = BUF_INIT;
	struct err err = ERR_INIT;
	int rc = file_read(path, 1 << 20, &text, &err);

	if (rc == 0)
		rc = net_profile_parse(
			path, text.data, text.len, duration_ns, NULL, NULL, p, &err);
	CHECK(rc == 0, "%s", err.text);
	return rc;
}

/* name, seconds and warm-up of tests that do not say their own, and each test by its words. */
static const struct shipped {
	const char *name;
	const char *tests[8];
} shipped[] = {
	{"baseline",
		{"-t TCP_STREAM -l 30 --warmup 5", "-t TCP_MAERTS -l 30 --warmup 5",
			"-t TCP_RR -l 30 --warmup 5 -r 64,64",
			"-t UDP_STREAM -l 30 --warmup 5 --bitrate 100000000 -m 1472 -M "
			"1472"}},
	{"throughput",
		{"-t TCP_STREAM -l 30 --flows 4 --warmup 5 -m 65536 -M 65536 -s 262144 "
		 "-S "
		 "262144",
			"-t TCP_MAERTS -l 30 --flows 4 --warmup 5 -m 65536 -M 65536 -s "
			"262144 -S 262144",
			"-t UDP_STREAM -l 30 --flows 2 --warmup 5 --bitrate 1000000000 "
			"-m "
			"1472 -M 1472",
			"-t UDP_STREAM -l 30 --warmup 5 --bitrate 500000000 -m 1472 -M "
			"1472"}},
	{"latency", {"-t TCP_RR -l 60 --warmup 10 -r 1,1",
			    "-t TCP_RR -l 60 --warmup 10 -r 64,64",
			    "-t TCP_RR -l 60 --warmup 10 -r 64,64 -b 10",
			    "-t UDP_RR -l 60 --warmup 10 -r 64,64",
			    "-t TCP_RR -l 60 --flows 4 --warmup 10 -r 64,64"}},
	{"stress", {"-t TCP_STREAM -l 300 --flows 32 --warmup 30 --stagger 0.1",
			   "-t TCP_CRR -l 300 --flows 16 --warmup 30 -r 64,1024",
			   "-t UDP_STREAM -l 300 --flows 16 --warmup 30 --bitrate "
			   "1000000000 "
			   "-m 1472 -M 1472",
			   "-t TCP_STREAM -l 300 --flows 8 --warmup 30",
			   "-t TCP_STREAM -l 300 --flows 16 --warmup 30"}},
	{"cloud",
		{"-t TCP_STREAM -l 90 --flows 4 --warmup 15",
			"-t TCP_RR -l 120 --warmup 15 -r 64,64",
			"-t TCP_STREAM -l 180 --flows 2 --warmup 15",
			"-t TCP_RR -l 60 --flows 4 --warmup 15 -r 1024,4096 -b 5",
			"-t UDP_STREAM -l 60 --warmup 15 --bitrate 200000000 -m 1400 -M "
			"1400",
			"-t TCP_CRR -l 60 --flows 4 --warmup 15 -r 256,2048"}},
	{"datacenter",
		{"-t TCP_STREAM -l 30 --flows 8 --warmup 5 -m 131072 -M 131072 -s 524288 "
		 "-S "
		 "524288",
			"-t TCP_STREAM -l 30 --flows 4 --warmup 5 -m 131072 -M 131072 -s "
			"524288 -S 524288",
			"-t TCP_RR -l 30 --warmup 5 -r 1,1",
			"-t TCP_RR -l 30 --flows 2 --warmup 5 -r 4096,4096 -b 4",
			"-t TCP_STREAM -l 30 --flows 4 --warmup 5 -m 262144 -M 262144 -s "
			"1048576 -S 1048576",
			"-t TCP_STREAM -l 30 --warmup 5 -m 1048576 -M 1048576 -s 2097152 "
			"-S 2097152",
			"-t UDP_STREAM -l 30 --flows 2 --warmup 5 --bitrate 2000000000 "
			"-m "
			"8972 -M 8972"}},
	{"wireless",
		{"-t TCP_STREAM -l 120 --warmup 20", "-t TCP_MAERTS -l 120 --warmup 20",
			"-t TCP_RR -l 120 --warmup 20 -r 64,64",
			"-t UDP_STREAM -l 120 --warmup 20 --bitrate 10000000 -m 1400 -M "
			"1400",
			"-t UDP_RR -l 120 --warmup 20 -r 160,160"}},
	{"mixed-workload",
		{"-t TCP_STREAM -l 60 --flows 2 --warmup 10",
			"-t TCP_RR -l 60 --warmup 10 -r 64,512 -b 8",
			"-t TCP_RR -l 60 --flows 4 --warmup 10 -r 256,8192",
			"-t TCP_CRR -l 60 --flows 8 --warmup 10 -r 512,16384",
			"-t TCP_CRR -l 60 --flows 4 --warmup 10 -r 1024,8192"}},
	{"jitter", {"-t TCP_RR -l 300 --warmup 30 -r 64,64",
			   "-t TCP_RR -l 180 --warmup 30 -r 64,64 -b 5",
			   "-t UDP_RR -l 180 --warmup 30 -r 64,64",
			   "-t TCP_RR -l 180 --flows 2 --warmup 30 -r 64,64"}},
	{"lossy",
		{"-t TCP_STREAM -l 120 --warmup 15",
			"-t TCP_STREAM -l 120 --flows 4 --warmup 15",
			"-t TCP_RR -l 120 --warmup 15 -r 64,64",
			"-t UDP_STREAM -l 120 --warmup 15 --bitrate 20000000 -m 1400 -M "
			"1400",
			"-t UDP_RR -l 90 --warmup 15 -r 64,64"}},
};

static void check_shipped(const struct shipped *want)
{
	struct net_profile p;
	size_t i;

	if (load(want->name, 0, &p) < 0)
		return;
	CHECK_STR(p.name, want->name);
	CHECK(p.description && p.category && p.tags && p.tags[0], "%s", want->name);
	CHECK(p.continue_on_error && p.expectations.set[EXPECT_ERROR_RATE_MAX], "%s",
		want->name);
	for (i = 0; i < p.n && want->tests[i]; i++) {
		struct net_words *w = &p.tests[i].words;
		AUTO_BUF struct buf words = BUF_INIT;

		CHECK(w->output_asked && w->format == NET_KEYVAL, "%s", want->name);
		w->output_asked = false;
		CHECK(net_words_print(w, &words) == 0);
		CHECK_STR(words.data, want->tests[i]);
	}
	CHECK(i == p.n && !want->tests[i], "%s: %zu tests", want->name, p.n);
	net_profile_finish(&p);
}

static void test_shipped(void)
{
	struct net_profile p;

	for (size_t i = 0; i < ARRAY_LEN(shipped); i++)
		check_shipped(&shipped[i]);
	if (load("cloud", 2 * NS_PER_SEC, &p) < 0)
		return;
	for (size_t i = 0; i < p.n; i++)
		CHECK(p.tests[i].words.spec.duration_ns == 2 * NS_PER_SEC);
	net_profile_finish(&p);
}

#define HEAD "name: x\ntests:\n  - {name: a, direction: rr, protocol: tcp}\n"

static void test_members(void)
{
	static const char text[] =
		"name: x\nversion: 3\ntags: [a, b]\n"
		"global: {duration: 20, warmup: 2, cooldown: 1.5, continue_on_error: no, "
		"output_format: json}\n"
		"tests:\n"
		"  - {name: one, direction: maerts, protocol: tcp, congestion: bbr, "
		"nodelay: "
		"yes, cpu_affinity: true, instances: 3}\n"
		"  - {name: two, direction: rr, protocol: tcp, connection: true, rate: "
		"100, "
		"duration: 5, warmup: 0}\n"
		"expectations: {mean_latency_max: 12.5, cv_max: 5}\n"
		"analysis: {confidence_level: 95, percentiles: [50, 99.9], "
		"detect_outliers: "
		"yes}\n";
	struct err err = ERR_INIT;
	const struct net_words *w;
	struct net_profile p;

	if (!CHECK(parse(text, &p, &err) == 0, "%s", err.text))
		return;
	CHECK(p.version == 3 && p.n == 2 && p.detect_outliers && !p.continue_on_error);
	CHECK_STR(p.tags[1], "b");
	CHECK(p.cooldown_ns == 1500 * NS_PER_MS);
	CHECK(p.expectations.set[EXPECT_CV_MAX] &&
		!p.expectations.set[EXPECT_JITTER_MAX]);
	CHECK(p.expectations.bound[EXPECT_MEAN_LATENCY_MAX] == 12.5);
	w = &p.tests[0].words;
	CHECK_STR(w->spec.local.congestion, "bbr");
	CHECK(w->spec.dir == NET_RECV && w->spec.remote.nodelay && w->format == NET_JSON);
	CHECK(p.tests[0].cpu_affinity && !w->spec.local.cpus && !w->selectors);
	CHECK(net_profile_bind(&p.tests[0].words.spec, 8, 2) == 0);
	CHECK_STR(w->spec.local.cpus, "0-2");
	CHECK_STR(w->spec.remote.cpus, "0-1");
	w = &p.tests[1].words;
	CHECK(w->spec.test == NET_CRR && w->spec.rate == 100 && !w->spec.warmup_ns);
	CHECK(w->spec.duration_ns == 5 * NS_PER_SEC && p.tests[1].line == 7);
	CHECK(fabs(w->confidence_level - .95) < 1e-12);
	CHECK(w->n_selectors && w->selectors[w->n_selectors - 1] == SEL_P999_LATENCY);
	CHECK(net_profile_bind(&p.tests[1].words.spec, 1, 0) == 0);
	CHECK_STR(w->spec.local.cpus, "0");
	CHECK(!w->spec.remote.cpus);
	net_profile_finish(&p);
}

static void test_errors(void)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"[]", "p.yaml:1:1: a profile is a mapping with 'name' and 'tests'"},
		{"name: x\n", "a profile needs 'tests'"},
		{"name: x\ntests: []\n", "p.yaml:2:8: a profile needs 'tests'"},
		{"tests: [{name: a, direction: rr, protocol: tcp}]\n",
			"a profile needs 'name'"},
		{HEAD "test: 1\n",
			"unknown key 'test' in a profile (did you mean 'tests'?)"},
		{"name: x\ntests: [a]\n", "p.yaml:2:9: a test is a mapping"},
		{"name: ../x\ntests: [a]\n", "p.yaml:1:7: a name has no commas"},
		{"name: x\ntests: [{name: \"a\\e[m\", direction: rr, protocol: tcp}]\n",
			"p.yaml:2:16: a name has no commas"},
		{"name: x\ntests: [{direction: rr, protocol: tcp}]\n",
			"p.yaml:2:9: a test needs 'name'"},
		{"name: x\ntests: [{name: a, protocol: tcp}]\n",
			"test 'a' needs 'direction'"},
		{"name: x\ntests: [{name: a, direction: rr}]\n",
			"test 'a' needs 'protocol'"},
		{"name: x\ntests: [{name: a, direction: up, protocol: tcp}]\n",
			"key 'direction' wants"},
		{"name: x\ntests:\n- {name: a, direction: rr, protocol: tcp, "
		 "mesage_size: 1}\n",
			"p.yaml:3:43: unknown key 'mesage_size' in a test (did you mean "
			"'message_size'?)"},
		{"name: x\ntests:\n- {name: a, direction: rr, protocol: tcp, "
		 "message_size: 1}\n",
			"key 'message_size' means nothing to test 'a': it is of streams"},
		{"name: x\ntests:\n- {name: a, direction: send, protocol: tcp, burst: "
		 "1}\n",
			"key 'burst' means nothing to test 'a': it is of rr"},
		{"name: x\ntests:\n- {name: a, direction: rr, protocol: tcp, bitrate: "
		 "1M}\n",
			"it is of udp streams"},
		{"name: x\ntests:\n- {name: a, direction: rr, protocol: udp, connection: "
		 "true}\n",
			"p.yaml:3:3: test 'a' cannot be: udp has no connections for crr"},
		{"name: x\ntests:\n- {name: a, direction: mix, protocol: udp}\n",
			"p.yaml:3:3: test 'a' cannot be: mix is of tcp"},
		{"name: x\ntests:\n- {name: a, direction: mix, protocol: tcp, rate: 5}\n",
			"key 'rate' means nothing to test 'a': it is of rr"},
		{"name: x\ntests:\n- {name: a, direction: rr, protocol: tcp, idle: 5}\n",
			"key 'idle' means nothing to test 'a': it is of mix"},
		{HEAD "  - {name: a, direction: rr, protocol: tcp}\n",
			"p.yaml:4:12: test 'a' is there twice, first in line 3"},
		{HEAD "expectations: {latency_max: 1}\n",
			"unknown key 'latency_max' in an expectations section"},
		{HEAD "expectations: {jitter_max: 1}\n",
			"key 'jitter_max' is about udp streams, and no test of this "
			"profile is that: nothing would be checked"},
		{HEAD "expectations: {connection_rate_min: 1}\n",
			"key 'connection_rate_min' is about crr, and no test"},
		{HEAD "expectations: {cv_max: -1}\n",
			"key 'cv_max' wants a number that is not negative"},
		{HEAD "analysis: {percentiles: [98]}\n",
			"p.yaml:4:26: a percentile is one of 50"},
		{HEAD "analysis: {confidence_level: 100}\n",
			"key 'confidence_level' wants percent from 50 to 99.99"},
		{HEAD "global: {output_format: xml}\n", "key 'output_format' wants"},
		{HEAD "global: {duration: 0}\n", "key 'duration' wants"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = ERR_INIT;
		struct net_profile p;

		if (!CHECK(parse(rows[i].text, &p, &err) == -1, "%s", rows[i].text)) {
			net_profile_finish(&p);
			continue;
		}
		CHECK(err.kind == ERR_INPUT && !p.name && !p.tests, "%s", rows[i].text);
		CHECK(strstr(err.text, rows[i].want) != NULL, "%s: %s", rows[i].text,
			err.text);
	}
}

static struct net_profile_test named(
	const char *name, enum net_test test, enum net_protocol protocol)
{
	struct net_profile_test t = {.name = strdup(name)};

	t.words.spec.test = test;
	t.words.spec.protocol = protocol;
	return t;
}

static void know(struct net_values *v, enum net_selector s, double number)
{
	v->of[s] = (struct net_value){.known = true, .number = number};
}

/* Takes lines, NULL-terminated or NULL. */
static char *joined(char **lines)
{
	AUTO_BUF struct buf out = BUF_INIT;

	buf_puts(&out, "");
	for (char **l = lines; l && *l; l++) {
		CHECK(buf_printf(&out, "%s%s", l == lines ? "" : "\n", *l) == 0);
		free(*l);
	}
	free(lines);
	return out.data ? buf_steal(&out) : strdup("");
}

static void expect(enum net_expectation which, double bound, const struct net_outcome *o,
	size_t n, const char *want)
{
	struct net_expectations e = {.set = {false}};
	AUTO_FREE char *got = NULL, *not_missed = NULL;
	char **misses, **met;
	int found;

	e.set[which] = true;
	e.bound[which] = bound;
	found = net_expectations_check(&e, o, n, &misses, &met);
	CHECK(found >= 0 && (found > 0) == (misses != NULL));
	got = joined(misses);
	not_missed = joined(met);
	CHECK_STR(got, want);
	CHECK(!strstr(not_missed, "nan"), "%s", not_missed);
}

/* The same of what is met. */
static void expect_met(enum net_expectation which, double bound,
	const struct net_outcome *o, size_t n, const char *want)
{
	struct net_expectations e = {.set = {false}};
	AUTO_FREE char *got = NULL, *missed = NULL;
	char **misses, **met;

	e.set[which] = true;
	e.bound[which] = bound;
	CHECK(net_expectations_check(&e, o, n, &misses, &met) >= 0);
	got = joined(met);
	missed = joined(misses);
	CHECK_STR(got, want);
}

static void test_expectations(void)
{
	struct net_profile_test stream = named("bulk", NET_STREAM, NET_TCP),
				rr = named("ask", NET_RR, NET_TCP),
				crr = named("dial", NET_CRR, NET_TCP),
				udp = named("dgram", NET_STREAM, NET_UDP);
	struct net_values a = {.of = {{false}}}, b = a, r = a, c = a, u = a;
	const struct net_outcome o[] = {
		{"c1 → s1", &stream, false, &a, 0.03},
		{"c2 → s1", &stream, false, &b, NAN},
		{"c1 → s1", &rr, false, &r, NAN},
		{"c2 → s1", &rr, true, NULL, NAN},
		{"c1 → s1", &crr, false, &c, NAN},
		{"c1 → s1", &udp, false, &u, NAN},
	};

	know(&a, SEL_THROUGHPUT, 900);
	know(&b, SEL_THROUGHPUT, 400);
	know(&a, SEL_LOCAL_TRANSPORT_RETRANS, 10);
	know(&a, SEL_REMOTE_TRANSPORT_RETRANS, 0);
	know(&a, SEL_LOCAL_BYTES_SENT, 1448000);
	know(&a, SEL_REMOTE_BYTES_SENT, 0);
	know(&a, SEL_TRANSPORT_MSS, 1448);
	know(&a, SEL_LOCAL_CPU_UTIL, 20);
	know(&a, SEL_REMOTE_CPU_UTIL, 85);
	know(&r, SEL_MEAN_LATENCY, 132.125);
	know(&r, SEL_THROUGHPUT, 5000);
	know(&c, SEL_THROUGHPUT, 700);
	know(&c, SEL_MEAN_LATENCY, 90);
	know(&u, SEL_LOSS_PCT, 2);
	know(&u, SEL_THROUGHPUT, 100);

	expect(EXPECT_MEAN_LATENCY_MAX, 100, o, 6,
		"ask c1 → s1: mean_latency_max 100 us, got 132.125 us");
	expect(EXPECT_MEAN_LATENCY_MAX, 133, o, 6, "");
	expect(EXPECT_P99_LATENCY_MAX, 133, o, 3,
		"ask c1 → s1: p99_latency_max 133 us cannot be checked: its value is not "
		"known");
	expect(EXPECT_TCP_THROUGHPUT_MIN, 500, o, 6,
		"bulk c2 → s1: tcp_throughput_min 500 Mb/s, got 400 Mb/s");
	expect(EXPECT_UDP_THROUGHPUT_MIN, 101, o, 6,
		"dgram c1 → s1: udp_throughput_min 101 Mb/s, got 100 Mb/s");
	expect(EXPECT_TOTAL_THROUGHPUT_MIN, 1301, o, 2,
		"bulk over all pairs: total_throughput_min 1301 Mb/s, got 1300 Mb/s");
	expect(EXPECT_TOTAL_THROUGHPUT_MIN, 1300, o, 2, "");
	expect(EXPECT_TRANSACTION_RATE_MIN, 6000, o, 6,
		"ask c1 → s1: transaction_rate_min 6000/s, got 5000/s");
	expect(EXPECT_CONNECTION_RATE_MIN, 701, o, 6,
		"dial c1 → s1: connection_rate_min 701/s, got 700/s");
	expect(EXPECT_CPU_UTIL_MAX, 80, o, 1,
		"bulk c1 → s1: cpu_util_max 80 %, got 85 %");
	expect(EXPECT_CV_MAX, 2, o, 6, "bulk c1 → s1: cv_max 2 %, got 3 %");
	expect(EXPECT_PACKET_LOSS_MAX, 0.01, o, 6,
		"dgram c1 → s1: packet_loss_max 0.01, got 0.02");
	expect(EXPECT_RETRANSMISSION_RATE_MAX, 0.005, o, 1,
		"bulk c1 → s1: retransmission_rate_max 0.005, got 0.01");
	expect(EXPECT_ERROR_RATE_MAX, 0.1, o, 6,
		"error_rate_max 0.1, got 0.166667: 1 of 6 failed");
	expect(EXPECT_ERROR_RATE_MAX, 0.2, o, 6, "");
	expect(EXPECT_ERROR_RATE_MAX, 0, o, 0, "");
	expect_met(EXPECT_MEAN_LATENCY_MAX, 133, o, 6,
		"ask c1 → s1: mean_latency_max 133 us, got 132.125 us\n"
		"dial c1 → s1: mean_latency_max 133 us, got 90 us");
	expect_met(EXPECT_MEAN_LATENCY_MAX, 100, o, 6,
		"dial c1 → s1: mean_latency_max 100 us, got 90 us");
	expect_met(EXPECT_TCP_THROUGHPUT_MIN, 300, o, 6,
		"bulk c2 → s1: tcp_throughput_min 300 Mb/s, got at least 400 Mb/s");
	expect_met(EXPECT_TOTAL_THROUGHPUT_MIN, 1300, o, 2,
		"bulk over all pairs: total_throughput_min 1300 Mb/s, got 1300 Mb/s");
	expect_met(EXPECT_ERROR_RATE_MAX, 0.2, o, 6,
		"error_rate_max 0.2, got 0.166667: 1 of 6 failed");
	expect_met(EXPECT_CV_MAX, 4, o, 6, "bulk c1 → s1: cv_max 4 %, got 3 %");
	expect_met(EXPECT_CV_MAX, 4, o + 2, 1, "");
	free(stream.name);
	free(rr.name);
	free(crr.name);
	free(udp.name);
}

static void test_tables(void)
{
	for (const struct workload_table *t = net_profile_tables; t->name; t++)
		for (const struct key *k = t->keys; k->name; k++)
			CHECK(k->help && k->help[strlen(k->help) - 1] == '.', "%s.%s",
				t->name, k->name);
}

TEST_MAIN(TEST(test_shipped), TEST(test_members), TEST(test_errors),
	TEST(test_expectations), TEST(test_tables))
