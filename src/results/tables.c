/* tables: results.tsv and the CSV export, from one table of columns. */
#include "results/tables.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/units.h"

#define MIB (1024.0 * 1024.0)

struct context {
	const struct agg_row *row;
	double seconds;
};

typedef int put_fn(struct buf *b, const struct context *c);

static int put_us(struct buf *b, double ns)
{
	return buf_printf(b, "%.3f", ns / 1e3);
}

static int put_percentile(struct buf *b, const struct hist *h, double p)
{
	return put_us(b, h ? (double)hist_percentile(h, p) : 0);
}

#define RESPONSE(c) ((c)->row->kinds[SAMPLE_RESPONSE])
#define PERCENTILE(name, kind, p)                                                        \
	static int name(struct buf *b, const struct context *c)                          \
	{                                                                                \
		return put_percentile(b, c->row->kinds[kind], p);                        \
	}

PERCENTILE(put_p50, SAMPLE_RESPONSE, 50)
PERCENTILE(put_p90, SAMPLE_RESPONSE, 90)
PERCENTILE(put_p95, SAMPLE_RESPONSE, 95)
PERCENTILE(put_p99, SAMPLE_RESPONSE, 99)
PERCENTILE(put_p999, SAMPLE_RESPONSE, 99.9)
PERCENTILE(put_p9999, SAMPLE_RESPONSE, 99.99)
PERCENTILE(put_first_p50, SAMPLE_FIRST_BYTE, 50)
PERCENTILE(put_first_p99, SAMPLE_FIRST_BYTE, 99)
PERCENTILE(put_service_p50, SAMPLE_SERVICE, 50)
PERCENTILE(put_service_p99, SAMPLE_SERVICE, 99)
PERCENTILE(put_late_p99, SAMPLE_LATENESS, 99)

static int put_operation(struct buf *b, const struct context *c)
{
	return buf_puts(b, op_infos[c->row->op].display);
}

static int put_bucket(struct buf *b, const struct context *c)
{
	return buf_puts(
		b, c->row->bucket < BUCKETS ? bucket_names[c->row->bucket] : "ALL");
}

static int put_bucket_idx(struct buf *b, const struct context *c)
{
	return buf_printf(b, "%u", c->row->bucket);
}

static int put_mean(struct buf *b, const struct context *c)
{
	return put_us(b, RESPONSE(c) ? hist_mean(RESPONSE(c)) : 0);
}

static int put_min(struct buf *b, const struct context *c)
{
	return put_us(b, RESPONSE(c) ? (double)RESPONSE(c)->min : 0);
}

static int put_max(struct buf *b, const struct context *c)
{
	return put_us(b, RESPONSE(c) ? (double)RESPONSE(c)->max : 0);
}

static int put_stddev(struct buf *b, const struct context *c)
{
	return put_us(b, RESPONSE(c) ? hist_stddev(RESPONSE(c)) : 0);
}

static int put_avg_bytes(struct buf *b, const struct context *c)
{
	double count = (double)c->row->count;

	return buf_printf(b, "%.3f", c->row->count ? (double)c->row->bytes / count : 0.0);
}

static int put_rate(struct buf *b, const struct context *c)
{
	return buf_printf(b, "%.3f", (double)c->row->count / c->seconds);
}

static int put_throughput(struct buf *b, const struct context *c)
{
	return buf_printf(b, "%.3f", (double)c->row->bytes / c->seconds / MIB);
}

static int put_count(struct buf *b, const struct context *c)
{
	return buf_printf(b, "%" PRIu64, c->row->count);
}

static int put_errors(struct buf *b, const struct context *c)
{
	return buf_printf(b, "%" PRIu64, op_errors_total(c->row->errors));
}

static int put_drained(struct buf *b, const struct context *c)
{
	return buf_printf(b, "%" PRIu64, c->row->drained);
}

static int put_retries(struct buf *b, const struct context *c)
{
	return buf_printf(b, "%" PRIu64, c->row->retries);
}

static const struct {
	const char *name;
	put_fn *put;
} columns[] = {
	{"operation", put_operation},
	{"size_bucket", put_bucket},
	{"bucket_idx", put_bucket_idx},
	{"mean_us", put_mean},
	{"p50_us", put_p50},
	{"p90_us", put_p90},
	{"p95_us", put_p95},
	{"p99_us", put_p99},
	{"max_us", put_max},
	{"avg_bytes", put_avg_bytes},
	{"ops_per_sec", put_rate},
	{"throughput_mibps", put_throughput},
	{"count", put_count},
	{"min_us", put_min},
	{"stddev_us", put_stddev},
	{"p999_us", put_p999},
	{"p9999_us", put_p9999},
	{"first_byte_p50_us", put_first_p50},
	{"first_byte_p99_us", put_first_p99},
	{"service_p50_us", put_service_p50},
	{"service_p99_us", put_service_p99},
	{"lateness_p99_us", put_late_p99},
	{"errors", put_errors},
	{"drained", put_drained},
	{"retries", put_retries},
};

static int put_header(struct buf *b, const char *before, char separator)
{
	int rc = buf_puts(b, before);

	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(columns); i++)
		rc = buf_printf(b, "%.*s%s", i > 0, &separator, columns[i].name);
	return rc < 0 ? rc : buf_putc(b, '\n');
}

static int put_row(
	struct buf *b, const struct context *c, const char *before, char separator)
{
	int rc = buf_puts(b, before);

	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(columns); i++) {
		if (i > 0)
			rc = buf_putc(b, separator);
		if (rc == 0)
			rc = columns[i].put(b, c);
	}
	return rc < 0 ? rc : buf_putc(b, '\n');
}

double table_seconds(const struct run_info *info)
{
	return info->measured_ns ? (double)info->measured_ns / (double)NS_PER_SEC : 1e-9;
}

static int put_rows(struct agg *a, const struct run_info *info, size_t worker,
	const char *before, char separator, struct buf *out, struct err *err)
{
	AUTO_FREE struct agg_row *rows = NULL;
	size_t n;

	if (agg_rows(a, worker, &rows, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct context c = {.row = &rows[i], .seconds = table_seconds(info)};

		if (put_row(out, &c, before, separator) < 0)
			return err_sys(err, ENOMEM, "cannot write the table of results");
	}
	return 0;
}

int table_tsv(struct agg *a, const struct run_info *info, size_t worker, struct buf *out,
	struct err *err)
{
	if (put_header(out, "", '\t') < 0)
		return err_sys(err, ENOMEM, "cannot write the table of results");
	return put_rows(a, info, worker, "", '\t', out, err);
}

/* A cell of RFC 4180 and the comma behind it. */
static int put_csv_cell(struct buf *b, const char *text)
{
	int rc;

	if (!text[strcspn(text, ",\"\r\n")])
		return buf_printf(b, "%s,", text);
	rc = buf_putc(b, '"');
	for (const char *p = text; rc == 0 && *p; p++)
		rc = *p == '"' ? buf_puts(b, "\"\"") : buf_putc(b, *p);
	return rc < 0 ? rc : buf_puts(b, "\",");
}

int table_csv(
	struct agg *a, const struct run_info *info, struct buf *out, struct err *err)
{
	if (put_header(out, "worker,", ',') < 0)
		return err_sys(err, ENOMEM, "cannot write the table of results");
	if (put_rows(a, info, AGG_ALL, "all,", ',', out, err) < 0)
		return -1;
	for (size_t i = 0; i < info->n_workers; i++) {
		AUTO_BUF struct buf cell = BUF_INIT;

		if (put_csv_cell(&cell, info->workers[i].id) < 0)
			return err_sys(err, ENOMEM, "cannot write the table of results");
		if (put_rows(a, info, i, cell.data, ',', out, err) < 0)
			return -1;
	}
	return 0;
}
