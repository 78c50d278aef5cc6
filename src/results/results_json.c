/* results_json: the object of results.json. What was not recorded is null there, so that no program
 * takes an absence for a zero. */
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "results/first_done.h"
#include "results/run_rate.h"
#include "results/tables.h"
#include "results/verdict.h"

#define MIB (1024.0 * 1024.0)

static void put_times(struct json_writer *w, const char *key, const struct hist *h)
{
	static const struct {
		const char *name;
		double p;
	} percentiles[] = {{"p50", 50}, {"p90", 90}, {"p95", 95}, {"p99", 99},
		{"p999", 99.9}, {"p9999", 99.99}};

	if (!h) {
		jw_null(w, key);
		return;
	}
	jw_object(w, key);
	jw_uint(w, "count", h->total);
	jw_real(w, "mean", hist_mean(h) / 1e3, 3);
	for (size_t i = 0; i < ARRAY_LEN(percentiles); i++)
		jw_real(w, percentiles[i].name,
			(double)hist_percentile(h, percentiles[i].p) / 1e3, 3);
	jw_real(w, "min", (double)h->min / 1e3, 3);
	jw_real(w, "max", (double)h->max / 1e3, 3);
	jw_real(w, "stddev", hist_stddev(h) / 1e3, 3);
	jw_object_end(w);
}

/* Members that an operation, its buckets and endpoints have in common. */
static void put_counts(
	struct json_writer *w, uint64_t count, uint64_t bytes, double seconds)
{
	jw_uint(w, "count", count);
	jw_uint(w, "bytes", bytes);
	if (count)
		jw_real(w, "avg_bytes", (double)bytes / (double)count, 3);
	else
		jw_null(w, "avg_bytes");
	jw_real(w, "ops_per_sec", (double)count / seconds, 3);
	jw_real(w, "throughput_mibps", (double)bytes / seconds / MIB, 3);
}

static void put_errors(struct json_writer *w, const uint64_t errors[OP_ERRORS])
{
	jw_object(w, "errors");
	for (int i = OP_OK + 1; i < OP_ERRORS; i++)
		if (errors[i])
			jw_uint(w, op_error_names[i], errors[i]);
	jw_object_end(w);
	jw_uint(w, "errors_total", op_errors_total(errors));
}

static void put_bucket(struct json_writer *w, const struct agg_row *row, double seconds)
{
	jw_object(w, NULL);
	jw_text(w, "size_bucket", bucket_names[row->bucket]);
	jw_uint(w, "bucket_idx", row->bucket);
	put_counts(w, row->count, row->bytes, seconds);
	put_times(w, "latency_us", row->kinds[SAMPLE_RESPONSE]);
	jw_object_end(w);
}

/* buckets: the rows of this operation in front of its ALL row. */
static void put_op(struct json_writer *w, const struct run_info *info,
	const struct agg_row *all, const struct agg_row *buckets, size_t n_buckets)
{
	const double seconds = table_seconds(info);

	jw_object(w, NULL);
	jw_text(w, "operation", op_infos[all->op].display);
	if (info->fsync_of[all->op])
		jw_text(w, "fsync", info->fsync_of[all->op]);
	put_counts(w, all->count, all->bytes, seconds);
	put_errors(w, all->errors);
	jw_text(w, "error_sample", all->error_sample);
	jw_uint(w, "drained", all->drained);
	jw_uint(w, "abandoned", all->abandoned);
	jw_uint(w, "retries", all->retries);
	jw_uint(w, "pages", all->pages);
	jw_uint(w, "entries", all->entries);
	put_times(w, "latency_us", all->kinds[SAMPLE_RESPONSE]);
	put_times(w, "service_us", all->kinds[SAMPLE_SERVICE]);
	put_times(w, "lateness_us", all->kinds[SAMPLE_LATENESS]);
	put_times(w, "first_byte_us", all->kinds[SAMPLE_FIRST_BYTE]);
	put_times(w, "page_us", all->kinds[SAMPLE_PAGE]);
	put_times(w, "failed_us", all->kinds[SAMPLE_FAILED]);
	jw_array(w, "buckets");
	for (size_t i = 0; i < n_buckets; i++)
		put_bucket(w, &buckets[i], seconds);
	jw_array_end(w);
	jw_object_end(w);
}

static int put_ops(struct json_writer *w, struct agg *a, const struct run_info *info,
	size_t worker, struct err *err)
{
	AUTO_FREE struct agg_row *rows = NULL;
	size_t n, first = 0;

	if (agg_rows(a, worker, &rows, &n, err) < 0)
		return -1;
	jw_array(w, "ops");
	for (size_t i = 0; i < n; i++) {
		if (rows[i].bucket != BUCKET_ALL)
			continue;
		put_op(w, info, &rows[i], &rows[first], i - first);
		first = i + 1;
	}
	jw_array_end(w);
	return 0;
}

static int put_endpoints(struct json_writer *w, struct agg *a,
	const struct run_info *info, size_t worker, struct err *err)
{
	struct agg_endpoint *list;
	size_t n;

	if (agg_endpoints(a, worker, &list, &n, err) < 0)
		return -1;
	jw_array(w, "endpoints");
	for (size_t i = 0; i < n; i++) {
		const struct agg_endpoint *e = &list[i];

		jw_object(w, NULL);
		jw_text(w, "uri", *e->uri ? e->uri : NULL);
		put_counts(w, e->count, e->bytes, table_seconds(info));
		put_errors(w, e->errors);
		put_times(w, "latency_us", e->response.total ? &e->response : NULL);
		jw_object_end(w);
	}
	jw_array_end(w);
	agg_endpoints_free(list, n);
	return 0;
}

int results_members(struct json_writer *w, struct agg *a, const struct run_info *info,
	struct err *err)
{
	jw_uint(w, "schema_version", RESULTS_SCHEMA_VERSION);
	jw_text(w, "run", info->run);
	jw_text(w, "outcome", info->outcome);
	jw_int(w, "exit_code", info->exit_code);
	jw_real(w, "measured_s", (double)info->measured_ns / 1e9, 6);
	run_rate_members(w, info);
	verdict_members(w, info);
	first_done_members(w, info, info->first_done);
	if (info->object_store)
		jw_bool(w, "tls_verified", info->tls_verified);
	if (info->fsync)
		jw_text(w, "fsync", info->fsync);
	if (put_ops(w, a, info, AGG_ALL, err) < 0 ||
		put_endpoints(w, a, info, AGG_ALL, err) < 0)
		return -1;
	jw_array(w, "workers");
	for (size_t i = 0; i < info->n_workers; i++) {
		const struct run_worker *rw = &info->workers[i];

		jw_object(w, NULL);
		jw_text(w, "id", rw->id);
		jw_text(w, "host", rw->host);
		jw_text(w, "state", rw->state);
		jw_bool(w, "partial", rw->partial || agg_partial(a, i));
		if (put_ops(w, a, info, i, err) < 0 ||
			put_endpoints(w, a, info, i, err) < 0)
			return -1;
		jw_object_end(w);
	}
	jw_array_end(w);
	jw_texts(w, "remarks", info->remarks);
	return 0;
}
