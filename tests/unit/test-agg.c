/* test-agg: merging against the union of raw samples, lost workers, the live view, the self-check. */
#include "results/agg.h"

#include <math.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "results-data.h"

#define SECOND UINT64_C(1000000000)
#define WORKERS 3
#define OPS_EACH 3000

CLEANUP_DEFINE(struct agg, agg_destroy)
#define AUTO_AGG CLEANUP(cleanup_agg_destroy)

static const char *const ids[WORKERS] = {"a", "b", "c"};

static struct agg *new_agg(void)
{
	struct err err = ERR_INIT;
	struct agg *a = agg_create(ids, WORKERS, &err);

	CHECK(a != NULL, "%s", err.text);
	return a;
}

/* A run of GETs whose raw samples are kept. */
struct run {
	struct agg *agg;
	uint64_t raw[WORKERS * OPS_EACH];
	size_t n;
	uint64_t bytes;
	uint64_t tamper_count; /* added to worker 1's totals line */
	uint64_t tamper_bytes; /* added to a delta of worker 1 */
	uint64_t tamper_bye;
	uint32_t skip_seq; /* worker 1 leaves out this many */
	size_t lost;       /* this worker sends no results; WORKERS: none */
	bool no_bye;       /* worker 0 goes after its results, in cleanup */
};

static void run_deltas(
	struct run *run, size_t worker, struct rng *rng, struct op_result *result)
{
	struct err err = ERR_INIT;

	for (uint32_t seq = 0; seq < 3; seq++) {
		struct delta d;
		struct op_delta *op;

		delta_init(&d, PHASE_MEASURE,
			seq + (seq && worker == 1 ? run->skip_seq : 0), seq * SECOND,
			(seq + 1) * SECOND);
		op = delta_op(&d, OP_GET);
		for (size_t i = 0; i < OPS_EACH / 3; i++) {
			uint64_t ns = sample_ns(rng), bytes = i % 2 ? 4096 : 100000;

			run->raw[run->n++] = ns;
			run->bytes += bytes;
			delta_sample(op, ns, bytes);
			op_result_sample(result, SAMPLE_RESPONSE, ns, bytes);
		}
		op->errors[OP_ERR_NOT_FOUND] = 1;
		result->totals.errors[OP_ERR_NOT_FOUND]++;
		d.stats.error_sample = (char *)"open x: No such file or directory";
		if (worker == 1 && seq == 1)
			op->bytes += run->tamper_bytes;
		CHECK(agg_add_stats(run->agg, worker, &d.stats, &err) == 0, "%s",
			err.text);
		delta_finish(&d);
	}
}

static void run_cleanup_delta(struct run *run, size_t worker)
{
	struct err err = ERR_INIT;
	struct delta d;

	delta_init(&d, PHASE_CLEANUP, 3, 3 * SECOND, 4 * SECOND);
	CHECK(agg_add_stats(run->agg, worker, &d.stats, &err) == 0, "%s", err.text);
}

static void run_all(struct run *run)
{
	run->agg = new_agg();
	for (size_t w = 0; w < WORKERS; w++) {
		struct op_result result;
		struct rng rng;
		uint64_t lines;

		rng_seed(&rng, w);
		op_result_init(&result, OP_GET);
		run_deltas(run, w, &rng, &result);
		result.totals.count += w == 1 ? run->tamper_count : 0;
		result.totals.drained = 2;
		if (w != run->lost) {
			lines = op_result_send(&result, run->agg, w);
			if (w == 0 && run->no_bye)
				run_cleanup_delta(run, w);
			else
				agg_bye(run->agg, w,
					lines + (w == 1 ? run->tamper_bye : 0));
		}
		op_result_finish(&result);
	}
}

static const struct agg_row *find_row(
	const struct agg_row *rows, size_t n, unsigned bucket)
{
	static const struct agg_row none;

	for (size_t i = 0; i < n; i++)
		if (rows[i].bucket == bucket)
			return &rows[i];
	CHECK(false, "no row of bucket %u", bucket);
	return &none;
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void check_union(struct run *run, const struct hist *h, double tolerance)
{
	static const double percentiles[] = {1, 50, 90, 95, 99, 99.9, 99.99, 100};
	uint64_t sum = 0;

	qsort(run->raw, run->n, sizeof(run->raw[0]), compare_u64);
	for (size_t i = 0; i < run->n; i++)
		sum += run->raw[i];
	CHECK(h->total == run->n);
	CHECK(h->sum == sum && h->min == run->raw[0] && h->max == run->raw[run->n - 1]);
	for (size_t i = 0; i < ARRAY_LEN(percentiles); i++) {
		size_t rank = (size_t)ceil(percentiles[i] / 100 * (double)run->n);
		double exact = (double)run->raw[rank - 1];
		double got = (double)hist_percentile(h, percentiles[i]);

		CHECK(fabs(got - exact) <= exact * tolerance, "p%g: %g, raw %g",
			percentiles[i], got, exact);
		CHECK(got <= (double)h->max && got >= (double)h->min);
	}
}

static void test_merge(void)
{
	struct run run = {.lost = WORKERS};
	AUTO_FREE struct agg_row *rows = NULL;
	AUTO_BUF struct buf said = BUF_INIT;
	struct err err = ERR_INIT;
	const struct agg_row *all;
	uint64_t count = 0, bytes = 0;
	size_t n = 0;

	run_all(&run);
	CHECK(agg_rows(run.agg, AGG_ALL, &rows, &n, &err) == 0, "%s", err.text);
	CHECK(n == 3, "%zu rows", n);
	all = find_row(rows, n, BUCKET_ALL);
	CHECK(all == &rows[n - 1]);
	CHECK(all->count == run.n && all->bytes == run.bytes &&
		all->drained == 2 * WORKERS);
	CHECK(all->errors[OP_ERR_NOT_FOUND] == 3 * WORKERS);
	CHECK(op_errors_total(all->errors) == 3 * WORKERS);
	CHECK(all->kinds[SAMPLE_RESPONSE]->digits == 3 && !all->kinds[SAMPLE_SERVICE]);
	check_union(&run, all->kinds[SAMPLE_RESPONSE], 0.001);
	for (size_t w = 0; w < WORKERS; w++) {
		AUTO_FREE struct agg_row *own = NULL;
		size_t n_own = 0;

		CHECK(agg_rows(run.agg, w, &own, &n_own, &err) == 0, "%s", err.text);
		CHECK(n_own == 3 && !agg_partial(run.agg, w));
		count += find_row(own, n_own, BUCKET_ALL)->count;
		bytes += find_row(own, n_own, BUCKET_ALL)->bytes;
	}
	CHECK(count == all->count && bytes == all->bytes);
	CHECK(agg_check(run.agg, &said) == 0, "%s", said.data);
	agg_destroy(run.agg);
}

static void test_lost(void)
{
	struct run run = {.lost = 2};
	AUTO_FREE struct agg_row *rows = NULL;
	AUTO_BUF struct buf said = BUF_INIT;
	struct err err = ERR_INIT;
	const struct agg_row *all;
	size_t n = 0;

	run_all(&run);
	CHECK(agg_partial(run.agg, 2) && !agg_partial(run.agg, 0));
	CHECK(agg_rows(run.agg, AGG_ALL, &rows, &n, &err) == 0, "%s", err.text);
	all = find_row(rows, n, BUCKET_ALL);
	CHECK(all->count == run.n && all->bytes == run.bytes);
	CHECK(all->errors[OP_ERR_NOT_FOUND] == 9);
	/* two digits of a third of the samples */
	check_union(&run, all->kinds[SAMPLE_RESPONSE], 0.01);
	CHECK(find_row(rows, n, 1)->count == 2 * OPS_EACH / 2,
		"buckets: complete workers only");
	CHECK(agg_check(run.agg, &said) == 0, "%s", said.data);
	free(rows);
	CHECK(agg_rows(run.agg, 2, &rows, &n, &err) == 0 && n == 1);
	CHECK(rows[0].bucket == BUCKET_ALL && rows[0].count == OPS_EACH);
	CHECK_STR(rows[0].error_sample, "open x: No such file or directory");
	agg_destroy(run.agg);
}

/* Result lines with something behind them are complete, bye or not; half of them are not used. */
static void test_without_bye(void)
{
	struct run run = {.lost = WORKERS, .no_bye = true};
	struct msg_result totals = {.op = OP_PUT, .kind = SAMPLE_KINDS, .count = 7};
	AUTO_FREE struct agg_row *rows = NULL;
	AUTO_AGG struct agg *a = new_agg();
	struct err err = ERR_INIT;
	size_t n = 0;

	run_all(&run);
	CHECK(!agg_partial(run.agg, 0));
	agg_destroy(run.agg);
	CHECK(agg_add_result(a, 0, &totals, &err) == 0);
	CHECK(agg_partial(a, 0) && !agg_partial(a, 1));
	CHECK(agg_rows(a, AGG_ALL, &rows, &n, &err) == 0 && n == 1,
		"without deltas: lines");
	agg_results_end(a, 0);
	CHECK(!agg_partial(a, 0));
}

static void test_check(void)
{
	static const struct {
		const char *what;
		struct run run;
		size_t disagreements;
		const char *text;
	} rows[] = {
		{"nothing", {.lost = WORKERS}, 0, ""},
		{"totals line", {.lost = WORKERS, .tamper_count = 1}, 2,
			"b: GET: histograms hold 3000 operations, the worker counted "
			"3001"},
		{"merged", {.lost = WORKERS, .tamper_count = 1}, 2,
			"all workers: GET: 9000 operations, but 9001 were expected"},
		{"delta", {.lost = WORKERS, .tamper_bytes = 5}, 1,
			"b: GET: interval reports add up to 3000 operations and "
			"156144005 bytes"},
		{"bye", {.lost = WORKERS, .tamper_bye = 1}, 1,
			"b: sent 4 result lines, 3 came"},
		{"gap", {.lost = WORKERS, .skip_seq = 2}, 1,
			"b: 2 interval reports are missing"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct run run = rows[i].run;
		AUTO_BUF struct buf said = BUF_INIT;
		size_t n;

		run_all(&run);
		n = agg_check(run.agg, &said);
		CHECK(n == rows[i].disagreements, "%s: %zu: %s", rows[i].what, n,
			said.data);
		CHECK(!*rows[i].text || (said.data && strstr(said.data, rows[i].text)),
			"%s: %s", rows[i].what, said.data);
		agg_destroy(run.agg);
	}
}

static void test_twice(void)
{
	AUTO_AGG struct agg *a = new_agg();
	AUTO_BUF struct buf said = BUF_INIT;
	AUTO_FREE struct agg_row *rows = NULL;
	struct err err = ERR_INIT;
	struct op_result result;
	struct delta d;
	size_t n = 0;

	delta_init(&d, PHASE_MEASURE, 0, 0, SECOND);
	delta_sample(delta_op(&d, OP_PUT), 1000, 10);
	CHECK(agg_add_stats(a, 0, &d.stats, &err) == 0);
	CHECK(agg_add_stats(a, 0, &d.stats, &err) == 0);
	CHECK(agg_rows(a, 0, &rows, &n, &err) == 0 && n == 1 && rows[0].count == 1);
	CHECK(agg_check(a, &said) == 1);
	CHECK_STR(said.data, "a: 1 interval reports came twice\n");
	delta_finish(&d);

	op_result_init(&result, OP_GET);
	op_result_sample(&result, SAMPLE_RESPONSE, 1000, 10);
	op_result_send(&result, a, 1);
	CHECK(agg_add_result(a, 1, &result.totals, &err) < 0);
	CHECK_STR(err.text, "worker b sent the totals of GET twice");
	CHECK(agg_add_result(a, 1, &result.lines[1][SAMPLE_RESPONSE], &err) < 0);
	CHECK_STR(err.text, "worker b sent the response times of GET twice");
	CHECK(agg_add_result(a, WORKERS, &result.totals, &err) < 0);
	op_result_finish(&result);
}

static void test_failed_only(void)
{
	AUTO_AGG struct agg *a = new_agg();
	AUTO_FREE struct agg_row *rows = NULL;
	struct err err = ERR_INIT;
	struct op_result result;
	size_t n = 0;

	op_result_init(&result, OP_STAT);
	op_result_sample(&result, SAMPLE_FAILED, 5000, 0);
	result.totals.errors[OP_ERR_DENIED] = 1;
	agg_bye(a, 0, op_result_send(&result, a, 0));
	CHECK(agg_rows(a, AGG_ALL, &rows, &n, &err) == 0);
	CHECK(n == 1 && rows[0].bucket == BUCKET_ALL && rows[0].count == 0);
	CHECK(rows[0].errors[OP_ERR_DENIED] == 1 &&
		rows[0].kinds[SAMPLE_FAILED]->total == 1);
	op_result_finish(&result);
}

static void live_delta(
	struct agg *a, size_t worker, uint32_t seq, enum phase phase, uint64_t count)
{
	struct err err = ERR_INIT;
	struct delta d;
	struct op_delta *op;

	delta_init(&d, phase, seq, seq * SECOND, (seq + 1) * SECOND);
	op = delta_op(&d, OP_GET);
	for (uint64_t i = 0; i < count; i++)
		delta_sample(op, 1000 * (worker + 1), 100);
	CHECK(agg_add_stats(a, worker, &d.stats, &err) == 0, "%s", err.text);
	delta_finish(&d);
}

static void check_live(struct agg *a, unsigned interval, uint64_t count, double rate)
{
	const struct live_op *rows;
	size_t n = agg_live(a, &rows);

	if (!CHECK(n == 1, "%zu rows", n))
		return;
	CHECK(rows[0].interval == interval, "interval %u, want %u", rows[0].interval,
		interval);
	CHECK(rows[0].count == count, "count %d, want %d", (int)rows[0].count,
		(int)count);
	CHECK(rows[0].response.total == count);
	CHECK(fabs((double)count / rows[0].seconds - rate) < 1e-6, "rate %g",
		(double)count / rows[0].seconds);
}

static void test_live(void)
{
	AUTO_AGG struct agg *a = new_agg();
	const struct live_op *rows;

	CHECK(agg_live(a, &rows) == 0);
	live_delta(a, 0, 0, PHASE_MEASURE, 10);
	live_delta(a, 1, 0, PHASE_MEASURE, 20);
	CHECK(agg_live(a, &rows) == 0, "the first interval waits for all");
	live_delta(a, 2, 0, PHASE_MEASURE, 30);
	check_live(a, 1, 60, 60);
	/* the order may change, and one may be late: all are in once */
	live_delta(a, 2, 1, PHASE_MEASURE, 3);
	live_delta(a, 0, 1, PHASE_MEASURE, 1);
	check_live(a, 1, 60, 60);
	live_delta(a, 1, 1, PHASE_MEASURE, 2);
	check_live(a, 2, 6, 6);
	/* worker 2 is gone: the next interval is closed by who comes again, later ones by all */
	live_delta(a, 0, 2, PHASE_MEASURE, 4);
	live_delta(a, 1, 2, PHASE_MEASURE, 5);
	check_live(a, 2, 6, 6);
	live_delta(a, 0, 3, PHASE_MEASURE, 6);
	check_live(a, 3, 9, 9);
	live_delta(a, 1, 3, PHASE_MEASURE, 0);
	check_live(a, 4, 6, 6);
	/* another phase starts afresh */
	live_delta(a, 0, 4, PHASE_CLEANUP, 8);
	live_delta(a, 1, 4, PHASE_CLEANUP, 8);
	check_live(a, 5, 16, 16);
}

static void test_reset(void)
{
	struct run run = {.lost = WORKERS};
	AUTO_FREE struct agg_row *rows = NULL;
	AUTO_BUF struct buf said = BUF_INIT;
	struct err err = ERR_INIT;
	const struct live_op *live;
	size_t n = 1;

	run_all(&run);
	agg_reset(run.agg);
	CHECK(agg_rows(run.agg, AGG_ALL, &rows, &n, &err) == 0 && n == 0);
	CHECK(agg_live(run.agg, &live) == 0 && agg_check(run.agg, &said) == 0);
	live_delta(run.agg, 0, 0, PHASE_MEASURE, 1);
	CHECK(agg_check(run.agg, &said) == 0, "seq starts at 0 again");
	agg_destroy(run.agg);
}

TEST_MAIN(TEST(test_merge), TEST(test_lost), TEST(test_without_bye), TEST(test_check),
	TEST(test_twice), TEST(test_failed_only), TEST(test_live), TEST(test_reset))
