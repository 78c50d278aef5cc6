/* null with latencies of known distributions, stalls, ramps and errors. */
#include <math.h>
#include <stdlib.h>

#include "backends/backend.h"
#include "backends/null_faults.h"
#include "check.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/rng.h"
#include "common/units.h"
#include "proto/hist.h"

#define US NS_PER_US
#define MS NS_PER_MS

static double constant_quantile(double p)
{
	(void)p;
	return 200e3;
}

static double uniform_quantile(double p)
{
	return 100e3 + 200e3 * p;
}

static double exponential_quantile(double p)
{
	return -log(1 - p) * 200e3;
}

static double bimodal_quantile(double p)
{
	return p < 0.99 ? 1e6 : 10e6;
}

/* Percentiles of a million draws: those of the distribution, within the three digits of a histogram and
 * four standard deviations of the rank. */
static void test_distributions(void)
{
	const struct {
		const char *value;
		double (*quantile)(double p);
	} rows[] = {
		{"200us", constant_quantile},
		{"uniform:100us:300us", uniform_quantile},
		{"exp:200us", exponential_quantile},
		{"bimodal:1ms:10ms:0.01", bimodal_quantile},
	};
	const double percentiles[] = {1, 50, 90, 95, 98.5, 99.5, 99.9};
	const int n = 1000000;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct null_faults f = {0};
		struct err err = ERR_INIT;
		struct hist h;
		struct rng r;

		rng_seed(&r, 5);
		hist_init(&h, 3);
		CHECK(null_set_latency(&f, rows[i].value, &err) == 0, "%s", err.text);
		CHECK(null_faults_any(&f));
		CHECK(hist_alloc(&h) == 0);
		for (int k = 0; k < n; k++)
			hist_record(&h, null_end_ns(&f, 1000, &r) - 1000);
		for (size_t k = 0; k < sizeof(percentiles) / sizeof(percentiles[0]);
			k++) {
			double p = percentiles[k] / 100,
			       slack = 4 * sqrt(p * (1 - p) / n);
			double low = rows[i].quantile(p - slack) * 0.999 - 1;
			double high = rows[i].quantile(p + slack) * 1.001 + 1;
			double is = (double)hist_percentile(&h, percentiles[k]);

			CHECK(is >= low && is <= high, "%s, p%g: %.0f, not %.0f to %.0f",
				rows[i].value, percentiles[k], is, low, high);
		}
		hist_finish(&h);
	}
}

/* From 2 s after the first op on for 500 ms nothing moves; what was on its way goes on then. */
static void test_stall(void)
{
	const uint64_t first = 77 * NS_PER_SEC;
	const struct {
		uint64_t start_ms, end_ms;
	} rows[] = {
		{0, 100},
		{1899, 1999},
		{1900, 2500},
		{1950, 2550},
		{2000, 2600},
		{2499, 2600},
		{2500, 2600},
		{9000, 9100},
	};
	struct null_faults f = {0};
	struct err err = ERR_INIT;
	struct rng r;

	rng_seed(&r, 1);
	CHECK(null_set_latency(&f, "100ms", &err) == 0);
	CHECK(null_set_stall(&f, "500ms@2s", &err) == 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t end = null_end_ns(&f, first + rows[i].start_ms * MS, &r);

		CHECK((end - first) / MS == rows[i].end_ms, "begun at %ju ms: %ju ms",
			(uintmax_t)rows[i].start_ms, (uintmax_t)((end - first) / MS));
	}
}

static void test_ramp(void)
{
	const uint64_t first = 77 * NS_PER_SEC;
	const struct {
		uint64_t start_ms, latency_us;
	} rows[] = {
		{0, 10000}, {1000, 8000}, {2500, 5000}, {4999, 2}, {5000, 0}, {9000, 0}};
	struct null_faults f = {0};
	struct err err = ERR_INIT;
	struct rng r;

	rng_seed(&r, 1);
	CHECK(null_set_ramp(&f, "10ms:0:5s", &err) == 0, "%s", err.text);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t start = first + rows[i].start_ms * MS;
		uint64_t is = (null_end_ns(&f, start, &r) - start) / US;

		CHECK(is == rows[i].latency_us, "after %ju ms: %ju us",
			(uintmax_t)rows[i].start_ms, (uintmax_t)is);
	}
}

static void test_errors(void)
{
	struct null_faults f = {0};
	struct err err = ERR_INIT;
	struct rng r;
	int n = 0;

	rng_seed(&r, 1);
	CHECK(null_set_errors(&f, "0.01", &err) == 0);
	for (int i = 0; i < 1000000; i++)
		n += null_fails(&f, &r);
	CHECK(abs(n - 10000) < 400, "%d", n);
	CHECK(null_set_errors(&f, "0", &err) == 0 && !null_faults_any(&f));
}

/* A null with options, one thread of it, and as many ops as may be in flight. */
struct rig {
	const struct backend *b;
	void *job, *thread;
	struct io *ops;
};

static bool rig_init(struct rig *rig, const char *uri, uint32_t slots, struct err *err)
{
	const struct backend_config cfg = {
		.target = uri, .concurrency = slots, .threads = 1};

	*rig = (struct rig){.b = backend_for(uri)};
	rig->job = calloc(1, rig->b->job_size);
	rig->thread = calloc(1, rig->b->thread_size);
	rig->ops = calloc(slots, sizeof(*rig->ops));
	return rig->b->job_init(rig->job, &cfg, err) == 0 &&
	       rig->b->thread_init(rig->job, rig->thread, NULL, err) == 0;
}

static void rig_finish(struct rig *rig)
{
	rig->b->thread_fini(rig->thread);
	rig->b->job_fini(rig->job);
	free(rig->job);
	free(rig->thread);
	free(rig->ops);
}

/* Begins n ops now. */
static void rig_submit(struct rig *rig, uint32_t n, enum op_kind kind)
{
	struct io **batch = calloc(n, sizeof(struct io *));

	for (uint32_t i = 0; i < n; i++) {
		rig->ops[i] = (struct io){.kind = kind,
			.uri = "null://x/key",
			.size = 1000,
			.start_ns = clock_ns()};
		batch[i] = &rig->ops[i];
	}
	rig->b->submit(rig->thread, batch, n);
	free(batch);
}

/* Ops come out when they end, whatever the order in which they began; and a deadline that has passed is no
 * reason to wait. */
static void test_order(void)
{
	enum { N = 500 };
	struct err err = ERR_INIT;
	uint64_t last = 0, began;
	struct io *done[64];
	struct rig rig;
	uint32_t n = 0;

	CHECK(rig_init(&rig, "null://latency=uniform:1ms:30ms,spin=20us/", N, &err), "%s",
		err.text);
	rig_submit(&rig, N, OP_STAT);
	began = clock_ns();
	while (n < N) {
		uint64_t deadline = clock_ns() + 100 * US;
		size_t got = rig.b->wait(rig.thread, done, 64, deadline);

		for (size_t i = 0; i < got; i++) {
			CHECK(done[i]->end_ns >= last);
			CHECK(done[i]->end_ns >= done[i]->start_ns + MS);
			last = done[i]->end_ns;
		}
		n += (uint32_t)got;
		if (!CHECK(clock_ns() - began < 60 * NS_PER_SEC))
			break;
	}
	rig_submit(&rig, 1, OP_STAT);
	CHECK(rig.b->wait(rig.thread, done, 64, 1) == 0);
	rig_finish(&rig);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* How much longer than they should ops take that come one by one: the median. */
static uint64_t median_late(struct rig *rig, uint64_t latency_ns)
{
	enum { N = 31 };
	uint64_t late[N];
	struct io *done[1];

	for (int i = 0; i < N; i++) {
		rig_submit(rig, 1, OP_STAT);
		if (!CHECK(rig->b->wait(rig->thread, done, 1,
				   clock_ns() + 60 * NS_PER_SEC) == 1))
			abort();
		late[i] = done[0]->end_ns - done[0]->start_ns - latency_ns;
	}
	qsort(late, N, sizeof(late[0]), compare);
	return late[N / 2];
}

/* A sleep that is 50 us late is not in the latency: as soon as the machine has a processor to give. */
static void test_punctual(void)
{
	struct err err = ERR_INIT;
	uint64_t late = UINT64_MAX;
	struct rig rig;

	CHECK(rig_init(&rig, "null://latency=1ms/", 1, &err), "%s", err.text);
	for (int tries = 0; late >= 5 * US && tries < 200; tries++)
		late = median_late(&rig, MS);
	CHECK(late < 5 * US, "%ju ns late", (uintmax_t)late);
	rig_finish(&rig);
}

static uint64_t thread_cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* Where an op ends every 60 us a thread that looked at the clock before each would never sleep. */
static void test_sleeps_all_the_same(void)
{
	struct err err = ERR_INIT;
	struct io *done[64];
	struct rig rig;

	CHECK(rig_init(&rig, "null://latency=uniform:1ms:13ms/", 200, &err), "%s",
		err.text);

	uint64_t began = clock_ns(), cpu = thread_cpu_ns();

	for (int round = 0; round < 20; round++) {
		rig_submit(&rig, 200, OP_STAT);
		for (size_t n = 0; n < 200;)
			n += rig.b->wait(rig.thread, done, 64, clock_ns() + NS_PER_SEC);
	}
	cpu = thread_cpu_ns() - cpu;
	/* a quarter, and what the ops themselves take */
	CHECK(cpu < (clock_ns() - began) * 6 / 10, "%ju of %ju us", (uintmax_t)cpu / US,
		(uintmax_t)(clock_ns() - began) / US);
	rig_finish(&rig);
}

/* What is given up comes out at once; what has failed has moved nothing. */
static void test_cancel(void)
{
	struct err err = ERR_INIT;
	struct io *done[64];
	struct rig rig;

	CHECK(rig_init(&rig, "null://latency=exp:1h,errors=1/", 16, &err), "%s",
		err.text);
	rig_submit(&rig, 16, OP_GET);
	CHECK(rig.b->wait(rig.thread, done, 64, clock_ns() + US) == 0);
	rig.b->cancel(rig.thread);
	CHECK(rig.b->wait(rig.thread, done, 64, clock_ns()) == 16);
	for (int i = 0; i < 16; i++)
		CHECK(rig.ops[i].error == OP_ERR_TIMEOUT && rig.ops[i].bytes == 0 &&
				strstr(rig.ops[i].error_text, "given up"),
			"%s", rig.ops[i].error_text);
	rig_finish(&rig);
	CHECK(rig_init(&rig, "null://errors=1/", 4, &err), "%s", err.text);
	rig_submit(&rig, 4, OP_PUT);
	CHECK(rig.b->wait(rig.thread, done, 64, clock_ns()) == 4);
	CHECK(rig.ops[3].error == OP_ERR_IO && rig.ops[3].bytes == 0 &&
			rig.ops[3].end_ns >= rig.ops[3].start_ns,
		"%s", rig.ops[3].error_text);
	CHECK_STR(rig.ops[3].error_text,
		"PUT null://x/key: fails, as errors= of the URI asks for");
	rig_finish(&rig);
}

/* All ops there are, and what each of them moves. */
static void test_all_ops(void)
{
	const char *const uris[] = {"null://x/", "null://latency=1us/"};

	for (size_t u = 0; u < sizeof(uris) / sizeof(uris[0]); u++) {
		for (unsigned k = 0; k < OP_KINDS; k++) {
			struct err err = ERR_INIT;
			struct io *done[1];
			struct rig rig;

			CHECK(rig_init(&rig, uris[u], 1, &err), "%s", err.text);
			CHECK(rig.b->ops & 1u << k, "%s", op_infos[k].name);
			rig_submit(&rig, 1, (enum op_kind)k);
			CHECK(rig.b->wait(rig.thread, done, 1,
				      clock_ns() + 60 * NS_PER_SEC) == 1,
				"%s", op_infos[k].name);
			CHECK(rig.ops[0].bytes == (op_infos[k].moves_data ? 1000 : 0) &&
					!rig.ops[0].error,
				"%s: %ju", op_infos[k].name, (uintmax_t)rig.ops[0].bytes);
			rig_finish(&rig);
		}
	}
}

static void test_refused(void)
{
	const struct {
		const char *uri, *text;
	} rows[] = {
		{"null://latency=soon/",
			"null: latency \"soon\" is not a duration, uniform:MIN:MAX, "
			"exp:MEAN or bimodal:MOST:FEW:SHARE_OF_THE_FEW"},
		{"null://latency=uniform:3ms:1ms/", "latency \"uniform:3ms:1ms\""},
		{"null://latency=exp/", "latency \"exp\""},
		{"null://latency=bimodal:1ms:2ms:2/", "latency \"bimodal:1ms:2ms:2\""},
		{"null://latency=exp:1ms:2ms:3ms:4ms/", "is not a duration"},
		{"null://latency=exp:1000000000000000000000000000000ms/",
			"is not a duration"},
		{"null://ramp=1ms:2ms:0/",
			"null: ramp \"1ms:2ms:0\" is not FROM:TO:OVER, three durations"},
		{"null://stall=2s/", "null: stall \"2s\" is not LENGTH@TIME"},
		{"null://errors=1.5/", "null: errors \"1.5\" is not a share from 0 to 1"},
		{"null://spin=fast/", "null: spin \"fast\" is not a duration"},
		{"null://size=big/", "null: size \"big\" is not a size"},
		{"null://retries=-1/", "null: retries \"-1\" is not a count"},
		{"null://speed=9/", "unknown option \"speed\""},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err err = ERR_INIT;
		struct rig rig;

		CHECK(!rig_init(&rig, rows[i].uri, 1, &err), "%s", rows[i].uri);
		CHECK(err.kind == ERR_INPUT && strstr(err.text, rows[i].text), "%s: %s",
			rows[i].uri, err.text);
		rig_finish(&rig);
	}
}

TEST_MAIN(TEST(test_distributions), TEST(test_stall), TEST(test_ramp), TEST(test_errors),
	TEST(test_order), TEST(test_punctual), TEST(test_sleeps_all_the_same),
	TEST(test_cancel), TEST(test_all_ops), TEST(test_refused))
