/* The pacer: when ops are due, and how many nobody began; and the engine in an open loop over null. */
#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "worker-run.h"
#include "worker/engine/pacer.h"

#define START UINT64_C(5000000000)

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Not on a stack: gcc's ASan does not align its frames to 64 bytes. Each test begins it anew. */
static struct pacer_shared shared;

/* All threads of all workers together: one op every 1 / (workers * rate), from the start on. */
static void test_even_shift(void)
{
	const struct {
		uint32_t workers, threads;
		bool shared;
		double ops; /* of a worker */
	} rows[] = {
		{1, 1, false, 1000},
		{1, 4, false, 1000},
		{3, 4, false, 1000},
		{5, 7, false, 333.3},
		{2, 1, false, 8e6},
		{3, 16, true, 1000},
		{4, 1, true, 0.5},
	};
	enum { EACH = 50 };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n = 0, all = (size_t)rows[i].workers * rows[i].threads * EACH;
		uint64_t *due = calloc(all, sizeof(*due));
		double gap = 1e9 / rows[i].ops / rows[i].workers;

		for (uint32_t w = 0; w < rows[i].workers; w++) {
			const struct pacing pacing = {.rate = {.ops = rows[i].ops},
				.index = w,
				.count = rows[i].workers};
			struct pacer p[16];

			pacer_shared_init(&shared, &pacing);
			for (uint32_t t = 0; t < rows[i].threads; t++) {
				pacer_init(&p[t], &pacing,
					rows[i].shared ? &shared : NULL, t,
					rows[i].threads);
				CHECK(p[t].open);
				pacer_start(&p[t], START);
			}
			for (uint32_t k = 0; k < EACH * rows[i].threads; k++) {
				struct pacer *at = &p[k % rows[i].threads];

				due[n++] = pacer_due(at);
				CHECK(pacer_due(at) == due[n - 1], "row %zu", i);
				pacer_begin(at);
			}
		}
		qsort(due, n, sizeof(*due), compare);
		for (size_t k = 0; k < n; k++) {
			double want = (double)START + (double)k * gap;

			/* rounded to 2^-10 ns and to ns */
			if (!CHECK(fabs((double)due[k] - want) < 1.5 + 0.001 * EACH,
				    "row %zu, op %zu: %ju, want %.1f", i, k,
				    (uintmax_t)due[k], want))
				break;
		}
		free(due);
	}
}

static void test_closed(void)
{
	const struct pacing none = {.count = 1};
	struct pacer p;

	pacer_init(&p, &none, NULL, 0, 1);
	CHECK(!p.open && pacer_left(&p, UINT64_MAX) == 0);
	pacer_init(&p, NULL, NULL, 0, 1);
	CHECK(!p.open && pacer_left(&p, UINT64_MAX) == 0);
}

/* The sum of very many gaps is the product, for gaps that are no whole number of anything. */
static void test_sum_of_gaps(void)
{
	const double rates[] = {7e6, 3, 1e6 / 3, 12345.678};

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		const struct pacing pacing = {.rate = {.ops = rates[i]}, .count = 1};
		const uint64_t n = 10000000;
		struct pacer p;

		pacer_init(&p, &pacing, NULL, 0, 1);
		pacer_start(&p, START);
		for (uint64_t k = 0; k < n; k++)
			pacer_begin(&p);

		double want = (double)n / rates[i] * 1e9, is = (double)(p.due_ns - START);

		CHECK(fabs(is / want - 1) < 4e-6, "%g/s: %.0f ns, want %.0f", rates[i],
			is, want);
	}
}

/* As many are due in whole seconds as the rate says, not one more that rounding brings in at the end. */
static void test_whole_seconds(void)
{
	const unsigned rates[] = {3, 7, 300, 900, 999, 12345}, seconds[] = {1, 7, 60};

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		for (size_t k = 0; k < sizeof(seconds) / sizeof(seconds[0]); k++) {
			const struct pacing pacing = {
				.rate = {.ops = rates[i]}, .count = 1};
			struct pacer p;

			pacer_init(&p, &pacing, NULL, 0, 1);
			pacer_start(&p, START);
			CHECK(pacer_left(&p, START + seconds[k] * NS_PER_SEC) ==
					(uint64_t)rates[i] * seconds[k],
				"%u/s in %u s", rates[i], seconds[k]);
		}
	}
}

/* Chi-square of gaps against an exponential distribution, in 20 classes of equal probability: 99.9 % of all
 * seeds are below 43.8 with 19 degrees of freedom. This one is. */
static double chi_square(const double *gaps, size_t n, double mean)
{
	enum { CLASSES = 20 };
	size_t counts[CLASSES] = {0};
	double sum = 0, want = (double)n / CLASSES;

	for (size_t i = 0; i < n; i++) {
		double p = 1 - exp(-gaps[i] / mean);
		size_t c = (size_t)(p * CLASSES);

		counts[c < CLASSES ? c : CLASSES - 1]++;
	}
	for (size_t c = 0; c < CLASSES; c++)
		sum += ((double)counts[c] - want) * ((double)counts[c] - want) / want;
	return sum;
}

static void test_poisson(void)
{
	const struct {
		uint32_t threads;
		bool shared;
	} rows[] = {{1, false}, {4, false}, {8, true}};
	enum { N = 100000 };
	const double ops = 20000, mean = 1e9 / ops;
	static double gaps[N];
	static uint64_t due[N];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct pacing pacing = {
			.rate = {.ops = ops, .arrival = ARRIVAL_POISSON},
			.count = 1,
			.seed = 11};
		struct pacer p[8];
		double sum = 0, squares = 0;

		pacer_shared_init(&shared, &pacing);
		for (uint32_t t = 0; t < rows[i].threads; t++) {
			pacer_init(&p[t], &pacing, rows[i].shared ? &shared : NULL, t,
				rows[i].threads);
			pacer_start(&p[t], START);
		}
		for (size_t k = 0; k < N; k++) {
			struct pacer *next = &p[0];

			/* whose op is due first; shared: whoever comes */
			for (uint32_t t = 1; !rows[i].shared && t < rows[i].threads; t++)
				if (pacer_due(&p[t]) < pacer_due(next))
					next = &p[t];
			if (rows[i].shared)
				next = &p[k % rows[i].threads];
			due[k] = pacer_due(next);
			pacer_begin(next);
		}
		for (size_t k = 0; k < N; k++) {
			gaps[k] = (double)(due[k] - (k ? due[k - 1] : START));
			sum += gaps[k];
			squares += gaps[k] * gaps[k];
		}
		double is = sum / N, deviation = sqrt(squares / N - is * is);

		/* three standard deviations of the mean are 1 % */
		CHECK(fabs(is / mean - 1) < 0.01, "row %zu: mean %f", i, is);
		CHECK(fabs(deviation / mean - 1) < 0.02, "row %zu: deviation %f", i,
			deviation);
		CHECK(chi_square(gaps, N, mean) < 43.8, "row %zu: chi-square %f", i,
			chi_square(gaps, N, mean));
	}
}

/* One seed repeats the times; other threads, workers and seeds have other ones. */
static void test_repeats(void)
{
	struct pacing a = {
		.rate = {.ops = 1000, .arrival = ARRIVAL_POISSON}, .count = 2, .seed = 4};
	struct pacing b = a;
	struct pacer p, q;

	pacer_init(&p, &a, NULL, 1, 2);
	pacer_init(&q, &a, NULL, 1, 2);
	for (int i = 0; i < 100; i++) {
		CHECK(p.next == q.next);
		pacer_begin(&p);
		pacer_begin(&q);
	}
	pacer_init(&p, &a, NULL, 1, 2);
	pacer_init(&q, &a, NULL, 0, 2);
	CHECK(p.next != q.next);
	b.index = 1;
	pacer_init(&q, &b, NULL, 1, 2);
	CHECK(p.next != q.next);
	b = a;
	b.seed = 5;
	pacer_init(&q, &b, NULL, 1, 2);
	CHECK(p.next != q.next);
}

/* What nobody began, computed, is what going through all of it gives. */
static void test_left(void)
{
	const double rates[] = {1, 3, 1000, 12345.678, 8e6};
	const uint64_t lengths[] = {
		0, 1, 999999, 1000000, 1000001, 123456789, NS_PER_SEC};

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		for (size_t k = 0; k < 2 * sizeof(lengths) / sizeof(lengths[0]); k++) {
			const struct pacing pacing = {
				.rate = {.ops = rates[i]}, .index = 1, .count = 3};
			const uint64_t end = START + lengths[k / 2];
			struct pacer p;
			uint64_t left, n = 0;

			pacer_shared_init(&shared, &pacing);
			pacer_init(&p, &pacing, k % 2 ? &shared : NULL, 0, 1);
			CHECK(pacer_left(&p, end) == 0, "it has not begun");
			pacer_start(&p, START);
			/* some are begun */
			for (int begun = 0; begun < 5 && pacer_due(&p) < end; begun++)
				pacer_begin(&p);
			left = pacer_left(&p, end) + pacer_shared_left(&p, end);
			for (; pacer_due(&p) < end; n++)
				pacer_begin(&p);
			CHECK(left == n, "%g/s in %ju ns: %ju, want %ju", rates[i],
				(uintmax_t)lengths[k / 2], (uintmax_t)left, (uintmax_t)n);
			CHECK(pacer_left(&p, end) + pacer_shared_left(&p, end) == 0);
		}
	}
}

static void test_left_poisson(void)
{
	const struct {
		double ops;
		bool shared;
	} rows[] = {{5000, false}, {5000, true}, {5e6, false}, {5e6, true}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const int n = 300;
		double sum = 0, squares = 0;

		for (int k = 0; k < n; k++) {
			const struct pacing pacing = {
				.rate = {.ops = rows[i].ops, .arrival = ARRIVAL_POISSON},
				.count = 1,
				.seed = (uint64_t)k};
			const uint64_t end = START + NS_PER_SEC / 10;
			struct pacer p;

			pacer_shared_init(&shared, &pacing);
			pacer_init(&p, &pacing, rows[i].shared ? &shared : NULL, 0, 1);
			pacer_start(&p, START);
			pacer_due(&p);

			uint64_t left = pacer_left(&p, end) + pacer_shared_left(&p, end);

			CHECK(left == pacer_left(&p, end) + pacer_shared_left(&p, end),
				"asking draws nothing");
			sum += (double)left;
			squares += (double)left * (double)left;
		}
		double want = rows[i].ops / 10, mean = sum / n,
		       variance = squares / n - mean * mean;

		/* four and a half standard deviations */
		CHECK(fabs(mean - want) < 4.5 * sqrt(want / n), "row %zu: %f, want %f", i,
			mean, want);
		CHECK(fabs(variance / want - 1) < 0.4, "row %zu: variance %f, want %f", i,
			variance, want);
	}
}

/* However slow the rate, and however many threads wait for it, times come in order. */
static void test_slow(void)
{
	const struct pacing pacing = {.rate = {.ops = 1e-9}, .count = 1};
	uint64_t last = 0;
	struct pacer p;

	pacer_shared_init(&shared, &pacing);
	for (int i = 0; i < 5000; i++) {
		pacer_init(&p, &pacing, &shared, 0, 5000);
		pacer_start(&p, START);
		CHECK(pacer_due(&p) >= last, "thread %d", i);
		last = pacer_due(&p);
	}
}

/* ---- in the engine ---- */

struct outcome {
	struct msg_phase phase;
	struct engine_rate rate;
	struct engine_totals totals;
	struct hist response, service, lateness;
};

static void outcome_finish(struct outcome *o)
{
	hist_finish(&o->response);
	hist_finish(&o->service);
	hist_finish(&o->lateness);
}

/* Stats over null in an open loop. stop_ms: stopped then; 0: not. */
static struct outcome run_open(const char *target, struct job_rate rate, uint32_t slots,
	uint32_t threads, uint64_t ms, uint64_t stop_ms)
{
	struct job j = run_job(slots, ms * NS_PER_MS);
	struct err err = ERR_INIT;
	struct outcome o = {0};
	uint64_t moved = 0;
	char *place;

	j.threads = threads;
	j.target = strdup(target);
	j.rate = rate;
	run_add_op(&j, OP_STAT, 1, "null://x/*");

	struct task *t = run_task(&j, NULL, &place, &err);

	if (!CHECK(t != NULL, "%s", err.text))
		abort();
	struct work *w = run_begin(t, PHASE_MEASURE);

	if (stop_ms) {
		clock_sleep_until(clock_ns() + stop_ms * NS_PER_MS);
		work_stop(w, false);
	}
	run_wait(w, WORK_DONE);
	o.phase = w->result;
	engine_rate(w->engine, &o.rate);
	engine_totals(w->engine, OP_STAT, &o.totals);
	hist_init(&o.response, 3);
	hist_init(&o.service, 3);
	hist_init(&o.lateness, 3);
	engine_merge(w->engine, OP_STAT, 0, SAMPLE_RESPONSE, &o.response, &moved);
	engine_merge(w->engine, OP_STAT, 0, SAMPLE_SERVICE, &o.service, &moved);
	engine_merge(w->engine, OP_STAT, 0, SAMPLE_LATENESS, &o.lateness, &moved);
	o.phase.text = NULL;
	run_free(w);
	task_destroy(t);
	return o;
}

/* Of a constant rate each op was due at a known time: begun or not, all of them are accounted for. */
static void test_all_accounted_for(void)
{
	static const struct {
		const char *target;
		double ops;
		uint32_t slots, threads;
		enum timer timer;
	} rows[] = {
		{"null://x/", 2000, 4, 1, TIMER_SLEEP},
		{"null://x/", 2000, 64, 3, TIMER_HYBRID},
		{"null://x/", 50000, 64, 1, TIMER_SPIN},
		{"null://latency=1ms/", 5000, 64, 2, TIMER_AUTO},
		/* a slot for each thread, far too few */
		{"null://latency=10ms/", 1000, 1, 1, TIMER_SLEEP},
		{"null://latency=10ms/", 1000, 2, 2, TIMER_HYBRID},
		/* and none is done in time */
		{"null://latency=1s/", 1000, 4, 2, TIMER_SLEEP},
		/* the engine itself is too slow for this */
		{"null://x/", 1e9, 64, 1, TIMER_SPIN},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const uint64_t ms = 200;
		struct outcome o = run_open(rows[i].target,
			(struct job_rate){.ops = rows[i].ops, .timer = rows[i].timer},
			rows[i].slots, rows[i].threads, ms, 0);
		double due = (double)o.rate.started + (double)o.rate.never_started;

		CHECK(fabs(due - rows[i].ops * (double)ms / 1e3) <= rows[i].threads,
			"row %zu: %f", i, due);
		CHECK(o.totals.count + o.totals.drained >= o.rate.started &&
				o.totals.count <= o.rate.started,
			"row %zu: %ju began, %ju counted, %ju drained", i,
			(uintmax_t)o.rate.started, (uintmax_t)o.totals.count,
			(uintmax_t)o.totals.drained);
		CHECK(o.phase.started == o.rate.started &&
			o.phase.never_started == o.rate.never_started);
		CHECK(o.rate.slots_busy >= 0 && o.rate.slots_busy <= 1, "row %zu: %f", i,
			o.rate.slots_busy);
		/* who is too slow */
		if (rows[i].ops == 1000 && o.rate.never_started)
			CHECK(o.rate.slots_busy > 0.5, "row %zu: %f", i,
				o.rate.slots_busy);
		if (rows[i].ops >= 1e9)
			CHECK(o.rate.slots_busy < 0.1, "row %zu: %f", i,
				o.rate.slots_busy);
		CHECK(o.response.total == o.lateness.total);
		CHECK(o.response.max >= o.service.max && o.response.min >= o.service.min,
			"row %zu", i);
		outcome_finish(&o);
	}
}

/* What warm-up leaves over is told apart: what was due in the measured part is known. */
static void test_left_over(void)
{
	static const struct {
		const char *target;
		bool any;
	} rows[] = {
		{"null://latency=20ms/", true},
		/* the store stands still over the end of warm-up, and the slots take it up again */
		{"null://latency=1ms,stall=100ms@50ms/", true},
		{"null://x/", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct job j = run_job(2, 200 * NS_PER_MS);

		j.threads = 2;
		j.warmup_ns = 100 * NS_PER_MS;
		j.target = strdup(rows[i].target);
		j.rate = (struct job_rate){.ops = 1000, .timer = TIMER_SLEEP};
		run_add_op(&j, OP_STAT, 1, "null://x/*");

		struct task *t = must_task(&j);
		struct work *w = run_begin(t, PHASE_WARMUP);
		struct engine_rate rate;

		run_wait(w, WORK_DONE);
		engine_rate(w->engine, &rate);
		CHECK(rate.started + rate.never_started - rate.carried == 200,
			"row %zu: %ju + %ju - %ju", i, (uintmax_t)rate.started,
			(uintmax_t)rate.never_started, (uintmax_t)rate.carried);
		CHECK(rate.carried > 20 || !rows[i].any, "row %zu: %ju", i,
			(uintmax_t)rate.carried);
		CHECK(w->result.carried == rate.carried);
		run_free(w);
		task_destroy(t);
	}
}

/* A slot that is late keeps the due time: what a store that stands still holds up is late for all who
 * should have come meanwhile, and slow for the few alone that are in it. */
static void test_stall(void)
{
	struct outcome o = run_open("null://latency=1ms,stall=300ms@300ms/",
		(struct job_rate){.ops = 400, .timer = TIMER_SLEEP}, 2, 1, 1000, 0);

	/* 300 ms of a second: three ops of ten had to wait, for 150 ms in the mean */
	CHECK(hist_percentile(&o.response, 99) > 200 * NS_PER_MS, "%ju",
		(uintmax_t)hist_percentile(&o.response, 99));
	CHECK(hist_percentile(&o.response, 80) > 20 * NS_PER_MS, "%ju",
		(uintmax_t)hist_percentile(&o.response, 80));
	CHECK(hist_percentile(&o.service, 98) < 100 * NS_PER_MS, "%ju",
		(uintmax_t)hist_percentile(&o.service, 98));
	CHECK(o.service.max >= 290 * NS_PER_MS);
	CHECK(o.rate.slots_busy > 0.2, "%f", o.rate.slots_busy);
	outcome_finish(&o);
}

/* Stopped early: what was due until then counts, and nobody sleeps on. */
static void test_stopped(void)
{
	struct outcome o;
	uint64_t began = clock_ns();

	o = run_open("null://x/", (struct job_rate){.ops = 0.01, .timer = TIMER_SLEEP},
		64, 8, 3600 * 1000, 30);
	CHECK(clock_ns() - began < 60 * NS_PER_SEC);
	CHECK(o.phase.stopped && o.rate.started == 1 && o.rate.never_started == 0,
		"%ju began, %ju did not", (uintmax_t)o.rate.started,
		(uintmax_t)o.rate.never_started);
	outcome_finish(&o);
	o = run_open("null://latency=10ms/",
		(struct job_rate){.ops = 10000, .timer = TIMER_SLEEP}, 2, 1, 3600 * 1000,
		100);
	CHECK(o.phase.stopped && o.rate.never_started > o.rate.started,
		"%ju began, %ju did not", (uintmax_t)o.rate.started,
		(uintmax_t)o.rate.never_started);
	outcome_finish(&o);
}

TEST_MAIN(TEST(test_even_shift), TEST(test_closed), TEST(test_sum_of_gaps),
	TEST(test_whole_seconds), TEST(test_poisson), TEST(test_repeats), TEST(test_left),
	TEST(test_left_poisson), TEST(test_slow), TEST(test_all_accounted_for),
	TEST(test_left_over), TEST(test_stall), TEST(test_stopped))
