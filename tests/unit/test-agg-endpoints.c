/* test-agg-endpoints: what went through each endpoint, merged over workers, as a table, and held against the
 * operations; and retries. */
#include "common/buf.h"
#include "common/cleanup.h"
#include "results-data.h"
#include "results/tables.h"

#define US UINT64_C(1000)

CLEANUP_DEFINE(struct agg, agg_destroy)
#define AUTO_AGG CLEANUP(cleanup_agg_destroy)

static const char *const ids[] = {"a", "b", "lost"};

static struct agg *new_agg(void)
{
	struct err err = ERR_INIT;
	struct agg *a = agg_create(ids, ARRAY_LEN(ids), &err);

	CHECK(a != NULL, "%s", err.text);
	return a;
}

/* n operations of so many us, a KiB each, and some time-outs, at an endpoint. */
static int send(struct agg *a, size_t worker, const char *uri, int n, uint64_t us,
	uint64_t failed)
{
	struct msg_endpoint m = {.generation = 1,
		.uri = (char *)(uintptr_t)uri,
		.bytes = (uint64_t)n * 1024,
		.errors = {[OP_ERR_TIMEOUT] = failed}};
	struct err err = ERR_INIT;
	int rc;

	hist_init(&m.hist, 3);
	CHECK(hist_alloc(&m.hist) == 0);
	for (int i = 0; i < n; i++)
		hist_record(&m.hist, us * US);
	rc = agg_add_endpoint(a, worker, &m, &err);
	hist_finish(&m.hist);
	CHECK(rc == 0 || strstr(err.text, "twice"), "%s", err.text);
	return rc;
}

/* A worker whose gets are n of a KiB, and all that its deltas and results say of them. */
static void complete(struct agg *a, size_t worker, int n, uint64_t failed)
{
	struct op_result result;
	struct err err = ERR_INIT;
	struct delta d;
	struct op_delta *op;
	uint64_t lines;

	op_result_init(&result, OP_GET);
	delta_init(&d, PHASE_MEASURE, 0, 0, 1000 * 1000 * US);
	op = delta_op(&d, OP_GET);
	for (int i = 0; i < n; i++) {
		op_result_sample(&result, SAMPLE_RESPONSE, 50 * US, 1024);
		delta_sample(op, 50 * US, 1024);
	}
	op->errors[OP_ERR_TIMEOUT] = failed;
	op->retries = result.totals.retries = 3;
	result.totals.errors[OP_ERR_TIMEOUT] = failed;
	CHECK(agg_add_stats(a, worker, &d.stats, &err) == 0, "%s", err.text);
	lines = op_result_send(&result, a, worker);
	agg_bye(a, worker, lines + 3);
	delta_finish(&d);
	op_result_finish(&result);
}

static void test_merge(void)
{
	AUTO_AGG struct agg *a = new_agg();
	AUTO_BUF struct buf said = BUF_INIT;
	AUTO_FREE struct agg_row *rows = NULL;
	struct agg_endpoint *list;
	struct err err = ERR_INIT;
	size_t n;

	CHECK(agg_endpoints(a, AGG_ALL, &list, &n, &err) == 0 && n == 0);
	agg_endpoints_free(list, n);
	complete(a, 0, 30, 2);
	complete(a, 1, 50, 0);
	CHECK(send(a, 0, "", 0, 0, 0) == 0 && send(a, 0, "s3://x/", 10, 100, 2) == 0 &&
		send(a, 0, "s3://y/", 20, 200, 0) == 0);
	CHECK(send(a, 1, "s3://y/", 15, 400, 0) == 0 && send(a, 1, "", 5, 10, 0) == 0 &&
		send(a, 1, "s3://z/", 30, 50, 0) == 0);
	CHECK(agg_check(a, &said) == 0, "%s", said.data);

	CHECK(agg_endpoints(a, AGG_ALL, &list, &n, &err) == 0 && n == 4, "%zu", n);
	CHECK_STR(list[0].uri, "s3://x/");
	CHECK_STR(list[1].uri, "s3://y/");
	CHECK_STR(list[2].uri, "s3://z/");
	CHECK_STR(list[3].uri, "");
	CHECK(list[0].errors[OP_ERR_TIMEOUT] == 2 && list[0].count == 10);
	CHECK(list[1].count == 35 && list[1].bytes == 35 * 1024 &&
		list[1].response.max == 400 * US && list[1].response.min == 200 * US &&
		list[1].response.sum == 10000 * US);
	CHECK(list[3].count == 5);
	agg_endpoints_free(list, n);

	/* of one worker: nothing went past its endpoints */
	CHECK(agg_endpoints(a, 0, &list, &n, &err) == 0 && n == 2, "%zu", n);
	agg_endpoints_free(list, n);
	CHECK(agg_rows(a, AGG_ALL, &rows, &n, &err) == 0 && n == 2);
	CHECK(rows[1].retries == 6);
}

static void test_table(void)
{
	AUTO_AGG struct agg *a = new_agg();
	AUTO_BUF struct buf out = BUF_INIT;
	const struct run_info info = {.measured_ns = UINT64_C(2000000000)};
	struct err err = ERR_INIT;

	CHECK(table_endpoints(a, &info, &out, &err) == 0 && out.len == 0);
	complete(a, 0, 10, 1);
	send(a, 0, "s3://x/", 8, 100, 1);
	send(a, 0, "", 2, 200, 0);
	send(a, 0, "s3://y/", 0, 0, 0);
	CHECK(table_endpoints(a, &info, &out, &err) == 0, "%s", err.text);
	CHECK_STR(out.data,
		"endpoint\tmean_us\tp50_us\tp90_us\tp95_us\tp99_us\tmax_us\tavg_bytes\t"
		"ops_per_sec\tthroughput_mibps\tcount\tmin_us\tstddev_us\terrors\n"
		"s3://x/\t100.000\t100.000\t100.000\t100.000\t100.000\t100.000\t1024."
		"000\t4.000\t0.004\t8\t100.000\t0.000\t1\n"
		"s3://y/\t0.000\t0.000\t0.000\t0.000\t0.000\t0.000\t0.000\t0.000\t0."
		"000\t0\t0.000\t0.000\t0\n"
		"elsewhere\t200.000\t200.000\t200.000\t200.000\t200.000\t200.000\t1024."
		"000\t1.000\t0.001\t2\t200.000\t0.000\t0\n");
}

static void test_check(void)
{
	const struct {
		int n;
		uint64_t failed;
		const char *says;
	} rows[] = {
		{10, 1, NULL},
		{9, 1,
			"a: the endpoints add up to 9 operations, 9216 bytes and 1 "
			"errors, "
			"the operations to 10, 10240 and 1\n"},
		{10, 0,
			"10 operations, 10240 bytes and 0 errors, the operations to 10, "
			"10240 and 1\n"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_AGG struct agg *a = new_agg();
		AUTO_BUF struct buf said = BUF_INIT;

		complete(a, 0, 10, 1);
		send(a, 0, "s3://x/", rows[i].n, 100, rows[i].failed);
		send(a, 0, "s3://y/", 0, 100, 0);
		send(a, 0, "", 0, 100, 0);
		CHECK(agg_check(a, &said) == (rows[i].says != NULL), "row %zu: %s", i,
			said.data);
		CHECK(!rows[i].says || strstr(said.data, rows[i].says), "row %zu: %s", i,
			said.data);
	}
}

/* A line that comes twice is refused; a worker without all of its lines has no endpoints; a new generation
 * begins with none. */
static void test_odd(void)
{
	AUTO_AGG struct agg *a = new_agg();
	struct agg_endpoint *list;
	struct err err = ERR_INIT;
	struct delta d;
	size_t n;

	delta_init(&d, PHASE_MEASURE, 0, 0, US);
	delta_sample(delta_op(&d, OP_GET), US, 1);
	CHECK(agg_add_stats(a, 2, &d.stats, &err) == 0);
	delta_finish(&d);
	CHECK(send(a, 2, "s3://x/", 1, 1, 0) == 0 && send(a, 2, "s3://x/", 1, 1, 0) < 0);
	CHECK(send(a, 1, "s3://x/", 5, 1, 0) == 0);
	CHECK(agg_partial(a, 2));
	CHECK(agg_endpoints(a, AGG_ALL, &list, &n, &err) == 0 && n == 1 &&
		list[0].count == 5);
	agg_endpoints_free(list, n);
	agg_reset(a);
	CHECK(agg_endpoints(a, AGG_ALL, &list, &n, &err) == 0 && n == 0);
	agg_endpoints_free(list, n);
}

TEST_MAIN(TEST(test_merge), TEST(test_table), TEST(test_check), TEST(test_odd))
