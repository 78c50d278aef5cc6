/* Whether an open loop was one: asked, delivered, missed and why. */
#include "check.h"
#include "common/buf.h"
#include "results/run_info.h"
#include "results/run_rate.h"

#define SECOND UINT64_C(1000000000)

static const struct machine_seen machine = {
	.seconds = 1, .values = {[SEEN_BUSIEST_CORE] = {96, 96}}};

static const struct machine_seen full_machine = {
	.seconds = 1, .values = {[SEEN_CPU] = {99, 99}}};

static struct run_worker worker(
	const char *id, double rate, uint64_t started, uint64_t never, double slots_busy)
{
	return (struct run_worker){.id = (char *)(uintptr_t)id,
		.host = (char *)(uintptr_t)id,
		.rate = rate,
		.started = started,
		.never_started = never,
		.slots_busy = slots_busy,
		.rate_known = true,
		.machine = &machine};
}

/* All processors of its machine are busy. */
static struct run_worker full(
	const char *id, double rate, uint64_t started, uint64_t never, double slots_busy)
{
	struct run_worker rw = worker(id, rate, started, never, slots_busy);

	rw.machine = &full_machine;
	return rw;
}

static const struct machine_seen crowded_machine = {.seconds = 1,
	.values = {[SEEN_CPU] = {99, 99},
		[SEEN_OWN_CPU] = {99, 99},
		[SEEN_WORKER_CPU] = {40, 40}}};

/* Others keep its processors busy. */
static struct run_worker crowded(
	const char *id, double rate, uint64_t started, uint64_t never, double slots_busy)
{
	struct run_worker rw = worker(id, rate, started, never, slots_busy);

	rw.machine = &crowded_machine;
	rw.hello.processors = 2;
	return rw;
}

/* One that warm-up left some to. */
static struct run_worker behind(
	const char *id, double rate, uint64_t started, uint64_t never, uint64_t carried)
{
	struct run_worker rw = worker(id, rate, started, never, 0);

	rw.carried = carried;
	return rw;
}

static struct run_worker lost(const char *id, double rate, uint64_t started)
{
	struct run_worker rw = worker(id, rate, started, 0, 0);

	rw.rate_known = false;
	return rw;
}

static void test_text(void)
{
	struct {
		struct run_worker workers[6];
		size_t n;
		enum arrival arrival;
		bool missed;
		const char *text;
	} rows[] = {
		{{worker("a", 0, 0, 0, 0)}, 1, ARRIVAL_CONSTANT, false, NULL},
		{{worker("a", 1000, 10000, 0, 0)}, 1, ARRIVAL_CONSTANT, false,
			"asked 1,000 ops/s, delivered 1,000 (100.00 %)"},
		{{worker("a", 0.5, 5, 0, 0)}, 1, ARRIVAL_CONSTANT, false,
			"asked 0.50 ops/s, delivered 0.50 (100.00 %)"},
		/* half a percent may be missing, or one operation of a few */
		{{worker("a", 500, 4976, 24, 1)}, 1, ARRIVAL_CONSTANT, false,
			"asked 500 ops/s, delivered 498 (99.52 %); 24 never started"},
		{{worker("a", 1, 9, 1, 1)}, 1, ARRIVAL_CONSTANT, false,
			"asked 1 ops/s, delivered 0.90 (90.00 %); 1 never started"},
		/* left over from warm-up: what was due in measure alone counts */
		{{behind("a", 100, 1000, 300, 300)}, 1, ARRIVAL_CONSTANT, false,
			"asked 100 ops/s, delivered 100 (100.00 %); 300 never started; "
			"300 were left over from warm-up"},
		{{behind("a", 100, 1200, 0, 200)}, 1, ARRIVAL_CONSTANT, false,
			"asked 100 ops/s, delivered 120 (120.00 %); 200 were left over "
			"from warm-up"},
		{{behind("a", 100, 500, 700, 200)}, 1, ARRIVAL_CONSTANT, true,
			"MISSED: asked 100 ops/s, delivered 50 (50.00 %); 700 never "
			"started; 200 were left over from warm-up; a began late with "
			"slots free: the load generator is the limit (busiest core 96 "
			"%)"},
		/* by chance fewer came due */
		{{worker("a", 100, 960, 0, 0)}, 1, ARRIVAL_POISSON, false,
			"asked 100 ops/s (poisson), delivered 96 (96.00 %); 960 came "
			"due"},
		/* so few that one counts */
		{{worker("a", 0.01, 1, 0, 0)}, 1, ARRIVAL_CONSTANT, false,
			"asked 0.01 ops/s, delivered 0.10 (1000.00 %); 1 came due"},
		{{worker("a", 0.0005, 1, 0, 0)}, 1, ARRIVAL_CONSTANT, false,
			"asked 0.0005 ops/s, delivered 0.10 (20000.00 %); 1 came due"},
		/* a machine that has no processor left for its slots */
		{{full("a", 1000, 5000, 5000, 0.9)}, 1, ARRIVAL_CONSTANT, true,
			"MISSED: asked 1,000 ops/s, delivered 500 (50.00 %); 5,000 never "
			"started; a had all processors 99 % busy, and every slot 90 % of "
			"the time: the load generator is the limit"},
		{{crowded("a", 1000, 5000, 5000, 0.9)}, 1, ARRIVAL_CONSTANT, true,
			"MISSED: asked 1,000 ops/s, delivered 500 (50.00 %); 5,000 never "
			"started; a had every slot busy 90 % of the time while "
			"operations "
			"were due: the storage is the limit, or concurrency is too low, "
			"or "
			"what else runs there (processors 99 % busy, most of it not "
			"muster's)"},
		{{full("a", 1000, 9000, 1000, 0.1)}, 1, ARRIVAL_CONSTANT, true,
			"MISSED: asked 1,000 ops/s, delivered 900 (90.00 %); 1,000 never "
			"started; a had every slot busy 10 % of the time while "
			"operations "
			"were due: the storage is the limit, or concurrency is too low"},
		{{worker("a", 1000, 9000, 1000, 0.06)}, 1, ARRIVAL_CONSTANT, true,
			"MISSED: asked 1,000 ops/s, delivered 900 (90.00 %); 1,000 never "
			"started; a had every slot busy 6 % of the time while operations "
			"were due: the storage is the limit, or concurrency is too low"},
		{{worker("a", 1000, 9000, 1000, 0.04), worker("b", 1000, 10000, 0, 0)}, 2,
			ARRIVAL_CONSTANT, true,
			"MISSED: asked 2,000 ops/s, delivered 1,900 (95.00 %); 1,000 "
			"never started; a began late with slots free: the load generator "
			"is the limit (busiest core 96 %)"},
		{{lost("a", 1000, 2500), worker("b", 1000, 10000, 0, 0)}, 2,
			ARRIVAL_CONSTANT, true,
			"MISSED: asked 2,000 ops/s, delivered 1,250 (62.50 %); a was "
			"lost, and with it 1,000 ops/s"},
		/* lost when all was done: nothing is missing */
		{{lost("a", 1000, 9999)}, 1, ARRIVAL_CONSTANT, false,
			"asked 1,000 ops/s, delivered 1,000 (99.99 %)"},
		{{worker("a", 10, 50, 50, 1), worker("b", 10, 40, 60, 0.9),
			 worker("c", 10, 50, 50, 1), worker("d", 10, 50, 50, 1),
			 worker("e", 10, 50, 50, 1), lost("f", 10, 0)},
			6, ARRIVAL_CONSTANT, true,
			"MISSED: asked 60 ops/s, delivered 24 (40.00 %); 260 never "
			"started; a, b, c, d and 1 more had every slot busy 90 % of the "
			"time while operations were due: the storage is the limit, or "
			"concurrency is too low; worst is b; f was lost, and with it 10 "
			"ops/s"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct run_info info = {.measured_ns = 10 * SECOND,
			.workers = rows[i].workers,
			.n_workers = rows[i].n,
			.arrival = rows[i].arrival};
		struct buf text = BUF_INIT;
		struct run_rate rate;

		run_rate(&info, &rate);
		CHECK(rate.missed == rows[i].missed, "row %zu", i);
		run_rate_text(&info, &text);
		CHECK_STR(text.data, rows[i].text);
		buf_finish(&text);
	}
}

/* What fails at once keeps the rate: that is said from half a percent on. */
static void test_failed(void)
{
	struct run_worker workers[] = {worker("a", 100, 1000, 0, 0)};
	const struct {
		uint64_t failed;
		const char *text;
	} rows[] = {
		{0, "asked 100 ops/s, delivered 100 (100.00 %)"},
		{4, "asked 100 ops/s, delivered 100 (100.00 %)"},
		{933, "asked 100 ops/s, delivered 100 (100.00 %); 93.3 % of them failed"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct run_info info = {.measured_ns = 10 * SECOND,
			.workers = workers,
			.n_workers = 1,
			.ended = 1000,
			.failed = rows[i].failed};
		struct buf text = BUF_INIT;

		run_rate_text(&info, &text);
		CHECK_STR(text.data, rows[i].text);
		buf_finish(&text);
	}
}

static void test_nothing_measured(void)
{
	struct run_worker workers[] = {worker("a", 1000, 0, 0, 0)};
	const struct run_info info = {.workers = workers, .n_workers = 1};
	struct run_rate rate;

	run_rate(&info, &rate);
	CHECK(!rate.missed && rate.delivered == 0 && rate.asked == 1000);
	CHECK(run_rate_limit(&info, &workers[0]) == RATE_KEPT);
}

TEST_MAIN(TEST(test_text), TEST(test_failed), TEST(test_nothing_measured))
