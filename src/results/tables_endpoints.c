/* tables_endpoints: endpoints.tsv: what went through each endpoint, all operations of all workers. */
#include <errno.h>
#include <inttypes.h>

#include "common/buf.h"
#include "common/err.h"
#include "results/tables.h"

#define MIB (1024.0 * 1024.0)

static const char header[] = "endpoint\tmean_us\tp50_us\tp90_us\tp95_us\tp99_us\tmax_"
			     "us\tavg_bytes\tops_per_sec\t"
			     "throughput_mibps\tcount\tmin_us\tstddev_us\terrors\n";

static int put_row(struct buf *out, const struct agg_endpoint *e, double seconds)
{
	static const double percentiles[] = {50, 90, 95, 99};
	const struct hist *h = &e->response;
	int rc = buf_printf(
		out, "%s\t%.3f", *e->uri ? e->uri : "elsewhere", hist_mean(h) / 1e3);

	for (size_t i = 0; rc == 0 && i < sizeof(percentiles) / sizeof(double); i++)
		rc = buf_printf(
			out, "\t%.3f", (double)hist_percentile(h, percentiles[i]) / 1e3);
	if (rc < 0)
		return rc;
	return buf_printf(out,
		"\t%.3f\t%.3f\t%.3f\t%.3f\t%" PRIu64 "\t%.3f\t%.3f\t%" PRIu64 "\n",
		(double)h->max / 1e3,
		e->count ? (double)e->bytes / (double)e->count : 0.0,
		(double)e->count / seconds, (double)e->bytes / seconds / MIB, e->count,
		h->total ? (double)h->min / 1e3 : 0.0, hist_stddev(h) / 1e3,
		op_errors_total(e->errors));
}

int table_endpoints(
	struct agg *a, const struct run_info *info, struct buf *out, struct err *err)
{
	struct agg_endpoint *list;
	size_t n;
	int rc = 0;

	if (agg_endpoints(a, AGG_ALL, &list, &n, err) < 0)
		return -1;
	if (n)
		rc = buf_puts(out, header);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = put_row(out, &list[i], table_seconds(info));
	agg_endpoints_free(list, n);
	return rc < 0 ? err_sys(err, ENOMEM, "cannot write the table of endpoints") : 0;
}
