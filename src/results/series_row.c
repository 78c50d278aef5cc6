/* series_row: the columns of timeseries.tsv, in one place with their header. */
#include "results/series_row.h"

#include <errno.h>
#include <inttypes.h>

#include "common/buf.h"
#include "results/series.h"

#define MIB (1024.0 * 1024.0)

const char series_header[] = "time_s\tworker\tphase\top\tstate\tinterval_"
			     "s\tcount\tbytes\terrors\tops_per_sec\t"
			     "throughput_mibps\tmean_us\tp50_us\tp90_us\tp99_us\tp999_"
			     "us\tmax_us\tservice_p99_us\t"
			     "late_max_us\tbusiest_core_pct\tcpu_pct\tworker_cpu_"
			     "pct\tnet_rx_mibps\tnet_tx_mibps\t"
			     "workers\n";

static int put_times(struct buf *out, const struct hist *h)
{
	static const double percentiles[] = {50, 90, 99, 99.9};

	if (!h || h->total == 0)
		return buf_puts(out, "\t0.000\t0.000\t0.000\t0.000\t0.000\t0.000");
	if (buf_printf(out, "\t%.3f", hist_mean(h) / 1e3) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < sizeof(percentiles) / sizeof(percentiles[0]); i++)
		if (buf_printf(out, "\t%.3f",
			    (double)hist_percentile(h, percentiles[i]) / 1e3) < 0)
			return -ENOMEM;
	return buf_printf(out, "\t%.3f", (double)h->max / 1e3);
}

int series_row_put(struct buf *out, const struct series_row *r)
{
	double seconds = r->interval_s > 0 ? r->interval_s : 1e-9;
	double service = r->service ? (double)hist_percentile(r->service, 99) / 1e3 : 0;

	if (buf_printf(out,
		    "%.3f\t%s\t%s\t%s\t%s\t%.3f\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64
		    "\t%.3f\t%.3f",
		    r->time_s, r->worker, phase_names[r->phase], r->op, r->state,
		    r->interval_s, r->count, r->bytes, r->errors,
		    (double)r->count / seconds, (double)r->bytes / seconds / MIB) < 0)
		return -ENOMEM;
	if (put_times(out, r->response) < 0)
		return -ENOMEM;
	return buf_printf(out, "\t%.3f\t%.3f\t%.1f\t%.1f\t%.1f\t%.3f\t%.3f\t%zu\n",
		service, (double)r->late_max_ns / 1e3, r->busiest_core, r->cpu,
		r->worker_cpu, r->net_rx / MIB, r->net_tx / MIB, r->workers);
}
