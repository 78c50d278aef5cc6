/* The engine over null: draws, records, deltas, draining, stopping. */
#include <math.h>

#include "check.h"
#include "common/rng.h"
#include "worker-run.h"
#include "worker/control/report.h"
#include "worker/engine/record.h"
#include "worker/load/load.h"
#include "worker/load/mix.h"
#include "worker/objects/names.h"
#include "worker/objects/sizes.h"

static void test_sizes(void)
{
	struct size_part parts[] = {{.weight = 3, .min = 100, .max = 100},
		{.weight = 1, .min = 500, .max = 600}};
	const struct {
		struct size_spec spec;
		double mean, std_dev;
		uint64_t min, max;
	} rows[] = {
		{{.type = SIZE_FIXED, .min = 4096, .max = 4096}, 4096, 0, 4096, 4096},
		{{.type = SIZE_UNIFORM, .min = 0, .max = 1000}, 500, 288.7, 0, 1000},
		{{.type = SIZE_UNIFORM, .min = 7, .max = 7}, 7, 0, 7, 7},
		{{.type = SIZE_LOGNORMAL, .min = 1, .mean = 1048576, .std_dev = 524288},
			1048576, 524288, 1, UINT64_MAX},
		{{.type = SIZE_LOGNORMAL,
			 .min = 5000,
			 .max = 5000,
			 .mean = 1,
			 .std_dev = 1},
			5000, 0, 5000, 5000},
		{{.type = SIZE_MIX, .parts = parts, .n_parts = 2}, 212.5, 196.2, 100,
			600},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const int n = 100000;
		double sum = 0, squares = 0;
		struct sizes s;
		struct rng r;

		sizes_init(&s, &rows[i].spec);
		rng_seed(&r, 3);
		for (int k = 0; k < n; k++) {
			uint64_t size = sizes_draw(&s, &r);

			CHECK(size >= rows[i].min && size <= rows[i].max, "row %zu: %ju",
				i, (uintmax_t)size);
			sum += (double)size;
			squares += (double)size * (double)size;
		}
		double mean = sum / n, std_dev = sqrt(fmax(0, squares / n - mean * mean));

		CHECK(fabs(mean - rows[i].mean) <= 0.01 * rows[i].mean, "row %zu: %f", i,
			mean);
		CHECK(fabs(std_dev - rows[i].std_dev) <= 0.02 * rows[i].std_dev + 0.5,
			"row %zu: %f", i, std_dev);
		CHECK(sizes_at(&s, 5, 77) == sizes_at(&s, 5, 77), "row %zu", i);
	}
}

static void test_mix_frequencies(void)
{
	const double weights[] = {70, 0, 20, 10, 0.5};
	const int n = 1000000;
	int drawn[5] = {0};
	struct mix m = {0};
	struct rng r;

	rng_seed(&r, 11);
	CHECK(mix_build(&m, weights, 5));
	for (int i = 0; i < n; i++)
		drawn[mix_draw(&m, rng_u64(&r))]++;
	for (int i = 0; i < 5; i++) {
		double want = weights[i] / 100.5 * n;

		/* five standard deviations */
		CHECK(fabs(drawn[i] - want) <= 5 * sqrt(want), "op %d: %d, want %.0f", i,
			drawn[i], want);
	}
	const double none[] = {0, 0};

	CHECK(!mix_build(&m, none, 2));
	mix_finish(&m);
}

static void test_mix_under_caps(void)
{
	const struct {
		double weights[3];
		uint32_t caps[3];
		uint32_t threads;
		bool exact; /* the asked mix is possible */
	} rows[] = {
		{{70, 20, 10}, {0, 0, 0}, 8, true},
		{{70, 20, 10}, {0, 0, 4}, 16, true},
		{{70, 20, 10}, {0, 4, 4}, 16, true},
		{{50, 50, 0}, {0, 1, 0}, 8, false},
		{{1, 1, 1}, {1, 1, 1}, 2, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const uint32_t n = rows[i].threads;
		double total =
			rows[i].weights[0] + rows[i].weights[1] + rows[i].weights[2];
		double q[16 * 3], sums[3] = {0};

		CHECK(mix_spread(rows[i].weights, rows[i].caps, NULL, 3, n, q) == 0);
		for (uint32_t t = 0; t < n; t++) {
			double row = q[t * 3] + q[t * 3 + 1] + q[t * 3 + 2];

			CHECK(fabs(row - 1) < 1e-9 || row == 0, "row %zu thread %u: %f",
				i, t, row);
			for (uint32_t o = 0; o < 3; o++) {
				sums[o] += q[t * 3 + o] / n;
				CHECK(q[t * 3 + o] == 0 ||
					mix_cap_share(rows[i].caps, o, t, n) > 0);
			}
		}
		for (uint32_t o = 0; o < 3; o++) {
			uint64_t share = 0;

			for (uint32_t t = 0; t < n; t++)
				share += rows[i].caps[o]
						 ? mix_cap_share(rows[i].caps, o, t, n)
						 : 0;
			CHECK(share == rows[i].caps[o], "row %zu op %u", i, o);
			if (rows[i].exact)
				CHECK(fabs(sums[o] - rows[i].weights[o] / total) < 1e-6,
					"row %zu op %u: %f", i, o, sums[o]);
		}
	}
}

/* An op that needs another one's threads has none but these, and both get as much of them as they ask for. */
static void test_mix_of_pairs(void)
{
	const double weights[] = {1, 1, 2};
	const uint32_t caps[] = {1, 0, 0}, with[] = {UINT32_MAX, 0, UINT32_MAX};
	double q[4 * 3], alone[4 * 2];

	CHECK(mix_spread(weights, caps, with, 3, 4, q) == 0);
	CHECK(fabs(q[0] - q[1]) < 1e-6 && q[0] > 0.45, "%f %f", q[0], q[1]);
	for (int t = 1; t < 4; t++)
		CHECK(q[t * 3] == 0 && q[t * 3 + 1] == 0 && fabs(q[t * 3 + 2] - 1) < 1e-9,
			"thread %d: %f %f", t, q[t * 3 + 1], q[t * 3 + 2]);
	CHECK(mix_spread(weights, caps, with, 2, 4, alone) == 0);
	CHECK(fabs(alone[0] - 0.5) < 1e-9 && fabs(alone[1] - 0.5) < 1e-9 &&
		alone[2] == 0 && alone[3] == 0);
}

static void test_names(void)
{
	const struct {
		const char *name;
		bool ok;
		uint64_t index;
	} rows[] = {
		{"prepared-00000042.dat", true, 42},
		{"prepared-123456789.dat", true, 123456789},
		{"prepared-0123456789.dat", false, 0},
		{"prepared-42.dat", false, 0},
		{"prepared-00000042.dat2", false, 0},
		{"prepared-000000x2.dat", false, 0},
		{"deletable-00000042.dat", false, 0},
		{"prepared-99999999999999999999999.dat", false, 0},
	};
	const struct {
		const char *name;
		bool ok;
	} puts[] = {
		{"run1-w-1-0-0", true},
		{"run1-w-1-17-123456", true},
		{"run1-w-1-17", false},
		{"run1-w-1-1-2-3", false},
		{"run1-w-1-01-2", false},
		{"run1-w-10-1-2", false},
		{"run1-w-1-1-2.dat", false},
		{"run2-w-1-1-2", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t index = 0;
		char tail[NAMES_INDEX];

		CHECK(names_index(rows[i].name, "prepared", &index) == rows[i].ok, "%s",
			rows[i].name);
		if (!rows[i].ok)
			continue;
		CHECK(index == rows[i].index, "%s", rows[i].name);
		names_put_index(tail, index);
		CHECK_STR(tail, rows[i].name + strlen("prepared-"));
	}
	for (size_t i = 0; i < sizeof(puts) / sizeof(puts[0]); i++) {
		struct put_name put;

		CHECK(names_put(puts[i].name, "run1", "w-1", &put) == puts[i].ok, "%s",
			puts[i].name);
	}
}

static void test_covers(void)
{
	const struct job_set set = {.uri = (char[]){"file:///d/small/"},
		.name = (char[]){"prepared"},
		.count = 10};
	const struct {
		const char *uri;
		bool covers;
	} rows[] = {
		{"file:///d/small/", true},
		{"file:///d/", true},
		{"file:///d/small/*", true},
		{"file:///d/*/prepared-*", true},
		{"file:///d/*", false},
		{"file:///d/smaller/", false},
		{"file:///d/small/prepared-00000009.dat", true},
		{"file:///d/small/prepared-00000010.dat", false},
		{"file:///d/small/other-*", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CHECK(keyset_covers(rows[i].uri, &set) == rows[i].covers, "%s",
			rows[i].uri);
}

/* A mix over null; adds a set so that gets have sizes. */
static struct task *null_task(
	uint32_t concurrency, uint32_t threads, uint64_t ms, const char *target)
{
	struct job j = run_job(concurrency, ms * NS_PER_MS);
	struct err err = ERR_INIT;
	struct task *t;
	char *place;

	j.threads = threads;
	j.target = strdup(target);
	run_add_op(&j, OP_GET, 70, "null://x/set/*");
	run_add_op(&j, OP_PUT, 20, "null://x/out/")->size =
		(struct size_spec){.type = SIZE_UNIFORM, .min = 0, .max = 100000};
	run_add_op(&j, OP_LIST, 10, "null://x/set/");
	run_add_set(&j, "prepared", 100, 4096, "null://x/set/");
	t = run_task(&j, NULL, &place, &err);
	CHECK(t != NULL, "%s", err.text);
	if (!t)
		abort();
	return t;
}

/* What the deltas add up to, one op. */
static void add_deltas(struct work *w, enum part part, struct op_delta deltas[OP_KINDS])
{
	uint64_t late = 0;
	char sample[RECORD_TEXT] = "";

	CHECK(work_delta(w, part, deltas, &late, sample) == 0);
}

static void init_deltas(struct op_delta deltas[OP_KINDS])
{
	memset(deltas, 0, OP_KINDS * sizeof(*deltas));
	for (unsigned k = 0; k < OP_KINDS; k++) {
		hist_init(&deltas[k].response, 2);
		hist_init(&deltas[k].service, 2);
	}
}

static void finish_deltas(struct op_delta deltas[OP_KINDS])
{
	for (unsigned k = 0; k < OP_KINDS; k++) {
		hist_finish(&deltas[k].response);
		hist_finish(&deltas[k].service);
	}
}

static void test_counts_add_up(void)
{
	struct task *t = null_task(8, 2, 200, "null://x/");
	struct work *w = run_begin(t, PHASE_MEASURE);
	struct op_delta deltas[OP_KINDS];
	uint64_t total = 0;

	init_deltas(deltas);
	while (work_state(w) != WORK_DONE) {
		add_deltas(w, PART_MEASURE, deltas);
		clock_sleep_until(clock_ns() + 5 * NS_PER_MS);
	}
	add_deltas(w, PART_MEASURE, deltas);
	for (unsigned k = 0; k < OP_KINDS; k++) {
		struct engine_totals totals;
		uint64_t in_hists[SAMPLE_KINDS] = {0}, bytes = 0;

		engine_totals(w->engine, (enum op_kind)k, &totals);
		for (unsigned b = 0; b < BUCKETS; b++) {
			for (unsigned s = 0; s < SAMPLE_KINDS; s++) {
				struct hist h;

				hist_init(&h, 3);
				uint64_t moved = 0;

				engine_merge(w->engine, (enum op_kind)k, b,
					(enum sample_kind)s, &h, &moved);
				in_hists[s] += h.total;
				bytes += s == SAMPLE_RESPONSE ? moved : 0;
				hist_finish(&h);
			}
		}
		CHECK(totals.count == in_hists[SAMPLE_RESPONSE], "%s", op_infos[k].name);
		CHECK(totals.count == in_hists[SAMPLE_SERVICE], "%s", op_infos[k].name);
		CHECK(totals.count == in_hists[SAMPLE_LATENESS], "%s", op_infos[k].name);
		CHECK(totals.bytes == bytes, "%s", op_infos[k].name);
		CHECK(deltas[k].count == totals.count, "%s: %ju of %ju", op_infos[k].name,
			(uintmax_t)deltas[k].count, (uintmax_t)totals.count);
		CHECK(deltas[k].service.total == totals.count, "%s", op_infos[k].name);
		CHECK(deltas[k].bytes == totals.bytes, "%s", op_infos[k].name);
		if (k == OP_GET)
			CHECK(totals.bytes == totals.count * 4096);
		if (k == OP_LIST)
			CHECK(totals.pages == totals.count &&
				in_hists[SAMPLE_PAGE] >= totals.count);
		total += totals.count;
	}
	CHECK(total > 1000, "%ju", (uintmax_t)total);
	CHECK(w->result.done == total && !w->failed && !w->result.stopped);
	/* the mix is the asked one */
	CHECK(fabs((double)deltas[OP_GET].count / (double)total - 0.7) < 0.05);
	finish_deltas(deltas);
	run_free(w);
	task_destroy(t);
}

/* Warm-up and measure are recorded apart, and both have ops. */
static void test_warm_up(void)
{
	struct task *t = null_task(4, 2, 60, "null://latency=1ms/");
	struct op_delta deltas[OP_KINDS];
	uint64_t warm = 0;

	t->job.warmup_ns = 50 * NS_PER_MS;
	struct work *w = run_begin(t, PHASE_WARMUP);

	run_wait(w, WORK_DONE);
	init_deltas(deltas);
	add_deltas(w, PART_WARMUP, deltas);
	for (unsigned k = 0; k < OP_KINDS; k++)
		warm += deltas[k].count;
	/* 4 slots, 1 ms each; a busy machine may be slower, never faster */
	CHECK(warm > 0 && warm <= 4 * 50, "%ju", (uintmax_t)warm);
	CHECK(w->result.done > 0 && w->result.done <= 4 * 60, "%ju",
		(uintmax_t)w->result.done);
	CHECK(w->result.phase == PHASE_MEASURE);
	finish_deltas(deltas);
	run_free(w);
	task_destroy(t);
}

/* A store that counts what it is given. */
static uint64_t given;

static void count_given(void *thread, struct io **ops, size_t n)
{
	__atomic_fetch_add(&given, n, __ATOMIC_RELAXED);
	/* some fail */
	backend_for("null://")->submit(thread, ops, n);
	for (size_t i = 0; i < n; i++)
		if (ops[i]->kind == OP_STAT)
			ops[i]->error = OP_ERR_NOT_FOUND;
}

static uint64_t sum_errors(const uint64_t errors[OP_ERRORS])
{
	uint64_t n = 0;

	for (unsigned x = 0; x < OP_ERRORS; x++)
		n += errors[x];
	return n;
}

/* Every op that the store was given is counted once: in warm-up or measure, as good or failed, or as
 * drained or abandoned. */
static void test_each_op_once(void)
{
	static const struct {
		const char *uri;
		int stop; /* 0: not, 1: drain, 2: now */
	} rows[] = {
		{"null://x/", 0},
		{"null://latency=1ms/", 0},
		{"null://latency=1ms/", 1},
		{"null://latency=30ms/", 0},
		{"null://latency=30ms/", 2},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct backend counting = *backend_for("null://");
		struct task *t = null_task(5, 2, 40, rows[i].uri);
		uint64_t counted = 0, unfinished = 0;

		counting.submit = count_given;
		given = 0;
		t->backend = &counting;
		t->job.warmup_ns = 40 * NS_PER_MS;
		struct work *w = run_begin(t, PHASE_WARMUP);

		if (rows[i].stop) {
			clock_sleep_until(clock_ns() + 50 * NS_PER_MS);
			work_stop(w, rows[i].stop == 2);
		}
		run_wait(w, WORK_DONE);
		for (unsigned part = 0; part < PARTS; part++) {
			struct op_delta deltas[OP_KINDS];

			init_deltas(deltas);
			add_deltas(w, (enum part)part, deltas);
			for (unsigned k = 0; k < OP_KINDS; k++)
				counted += deltas[k].count + sum_errors(deltas[k].errors);
			finish_deltas(deltas);
		}
		for (unsigned k = 0; k < OP_KINDS; k++) {
			struct engine_totals totals;

			engine_totals(w->engine, (enum op_kind)k, &totals);
			unfinished += totals.drained + totals.abandoned;
		}
		CHECK(counted + unfinished == given, "row %zu: %ju + %ju of %ju", i,
			(uintmax_t)counted, (uintmax_t)unfinished, (uintmax_t)given);
		CHECK(unfinished <= 5 && given > 0, "row %zu", i);
		CHECK(rows[i].stop != 2 || unfinished == 5, "row %zu", i);
		run_free(w);
		task_destroy(t);
	}
}

static void test_drained(void)
{
	struct task *t = null_task(10, 2, 30, "null://latency=50ms/");
	struct work *w = run_begin(t, PHASE_MEASURE);
	uint64_t drained = 0, counted = 0, abandoned = 0;

	run_wait(w, WORK_DONE);
	for (unsigned k = 0; k < OP_KINDS; k++) {
		struct engine_totals totals;

		engine_totals(w->engine, (enum op_kind)k, &totals);
		drained += totals.drained;
		counted += totals.count;
		abandoned += totals.abandoned;
	}
	CHECK(drained == 10, "%ju", (uintmax_t)drained);
	CHECK(counted == 0 && abandoned == 0);
	run_free(w);
	task_destroy(t);
}

static void test_stop(void)
{
	const struct {
		bool now;
		const char *target;
		uint64_t drained, abandoned;
	} rows[] = {
		{false, "null://latency=30ms/", 6, 0},
		{true, "null://latency=20s/", 0, 6},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct task *t = null_task(6, 2, 20000, rows[i].target);
		struct work *w = run_begin(t, PHASE_MEASURE);
		struct engine_totals sum = {0};

		while (!gate_first_ns(&w->gate))
			;
		clock_sleep_until(clock_ns() + 10 * NS_PER_MS);
		work_stop(w, rows[i].now);
		run_wait(w, WORK_DONE);
		for (unsigned k = 0; k < OP_KINDS; k++) {
			struct engine_totals totals;

			engine_totals(w->engine, (enum op_kind)k, &totals);
			sum.drained += totals.drained;
			sum.abandoned += totals.abandoned;
		}
		CHECK(w->result.stopped && !w->stuck, "row %zu", i);
		CHECK(sum.abandoned == rows[i].abandoned, "row %zu: %ju", i,
			(uintmax_t)sum.abandoned);
		/* all slots were busy unless a thread was very late to begin */
		CHECK(sum.drained <= rows[i].drained, "row %zu: %ju", i,
			(uintmax_t)sum.drained);
		run_free(w);
		task_destroy(t);
	}
}

/* Each object once, dealt out over threads and workers; then the phase ends early. */
static void test_delete_once(void)
{
	const struct {
		uint32_t share_index, share_count, cap;
		uint64_t want;
	} rows[] = {{0, 1, 0, 1000}, {1, 3, 0, 333}, {0, 3, 2, 334}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct job j = run_job(6, 10 * NS_PER_SEC);
		struct err err = ERR_INIT;
		char *place;

		j.threads = 3;
		j.share_index = rows[i].share_index;
		j.share_count = rows[i].share_count;
		run_add_op(&j, OP_DELETE, 1, "null://x/set/*")->concurrency = rows[i].cap;
		run_add_set(&j, "prepared", 500, 1, "null://x/set/");
		run_add_set(&j, "deletable", 1000, 1, "null://x/set/");

		struct task *t = run_task(&j, NULL, &place, &err);
		struct msg_phase p = run_phase(t, PHASE_MEASURE, &err);

		CHECK(p.done == rows[i].want, "row %zu: %ju", i, (uintmax_t)p.done);
		task_destroy(t);
	}
}

/* A cap holds at every moment: with a latency, ops in flight are rate times latency. */
static void test_cap_on_slots(void)
{
	struct job j = run_job(8, 100 * NS_PER_MS);
	struct err err = ERR_INIT;
	struct engine_totals totals;
	char *place;

	j.threads = 1;
	j.target = strdup("null://latency=10ms/");
	run_add_op(&j, OP_GET, 99, "null://x/*")->concurrency = 2;
	run_add_op(&j, OP_STAT, 1, "null://x/*");

	struct task *t = run_task(&j, NULL, &place, &err);
	struct work *w = run_begin(t, PHASE_MEASURE);

	run_wait(w, WORK_DONE);
	engine_totals(w->engine, OP_GET, &totals);
	CHECK(totals.count > 0 && totals.count <= 2 * 10, "%ju", (uintmax_t)totals.count);
	engine_totals(w->engine, OP_STAT, &totals);
	CHECK(totals.count <= 6 * 10, "%ju", (uintmax_t)totals.count);
	run_free(w);
	task_destroy(t);
}

static void test_refused(void)
{
	const struct {
		enum op_kind kind;
		const char *uri, *why;
	} rows[] = {
		{OP_GET, "ftp://x/*", "no backend here knows this scheme"},
		{OP_GET, "file:///muster-not-there/*", "matches nothing here"},
		{OP_GET, "file:///muster-not-there/x", "No such file or directory"},
		{OP_GET, "file://relative/x", "not an absolute path"},
		{OP_GET, "null://latency=soon/", "is not a duration"},
		{OP_GET, "null://speed=1/", "unknown option \"speed\""},
		{OP_LIST, "file:///muster-not-there/", "No such file or directory"},
		{OP_PUT, "file:///proc/version/x/", "Not a directory"},
		{OP_DELETE, "file:///tmp/*", "--allow-foreign"},
		{OP_COPY, "file:///tmp/x", "cannot do copy"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct job j = run_job(1, NS_PER_SEC);
		struct err err = ERR_INIT;
		char *place = NULL;

		run_add_op(&j, rows[i].kind, 1, rows[i].uri);
		CHECK(run_task(&j, NULL, &place, &err) == NULL, "%s", rows[i].uri);
		CHECK(strstr(err.text, rows[i].why), "%s: %s", rows[i].uri, err.text);
		CHECK(err.kind == ERR_INPUT, "%s", rows[i].uri);
		CHECK_STR(place, "w.yaml:1:1");
		free(place);
	}
}

TEST_MAIN(TEST(test_sizes), TEST(test_mix_frequencies), TEST(test_mix_under_caps),
	TEST(test_mix_of_pairs), TEST(test_names), TEST(test_covers),
	TEST(test_counts_add_up), TEST(test_warm_up), TEST(test_each_op_once),
	TEST(test_drained), TEST(test_stop), TEST(test_delete_once),
	TEST(test_cap_on_slots), TEST(test_refused))
