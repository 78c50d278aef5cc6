/* series_row: the columns of timeseries.tsv, in one place with their header. */
#include "results/series_row.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/buf.h"
#include "results/series.h"

#define MIB (1024.0 * 1024.0)

const char series_header[] = "time_s\tworker\tphase\top\tstate\tinterval_"
			     "s\tcount\tbytes\terrors\tops_per_sec\t"
			     "throughput_mibps\tmean_us\tp50_us\tp90_us\tp99_us\tp999_"
			     "us\tmax_us\tservice_p99_us\t"
			     "late_max_us\tbusiest_core_pct\tcpu_pct\tworker_cpu_"
			     "pct\tnet_rx_mibps\tnet_tx_mibps\t"
			     "workers\t"
			     "user_pct\tsystem_pct\tiowait_pct\tsteal_pct\t"
			     "available_mib\tswap_mibps\tcard_share_pct\t"
			     "disk_busy_pct\tdisk_read_mibps\tdisk_write_mibps\t"
			     "disk_ops_per_sec\n";

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

void series_machine_of(
	const struct machine_stats *s, double seconds, double ret[SERIES_MACHINE])
{
	const double mib_s = MIB * seconds;

	memset(ret, 0, SERIES_MACHINE * sizeof(ret[0]));
	ret[SERIES_BUSIEST_CORE] = s->busiest_core;
	ret[SERIES_CPU] = s->cpu;
	ret[SERIES_WORKER_CPU] = s->worker_cpu;
	ret[SERIES_NET_RX] = (double)s->net_rx_bytes / mib_s;
	ret[SERIES_NET_TX] = (double)s->net_tx_bytes / mib_s;
	ret[SERIES_USER] = s->user;
	ret[SERIES_SYSTEM] = s->system;
	ret[SERIES_IOWAIT] = s->iowait;
	ret[SERIES_STEAL] = s->steal;
	ret[SERIES_AVAILABLE] = (double)s->available_bytes / MIB;
	ret[SERIES_SWAP] = (double)(s->swap_in_bytes + s->swap_out_bytes) / mib_s;
	for (size_t i = 0; i < s->n_cards; i++)
		if (s->cards[i].share > ret[SERIES_CARD])
			ret[SERIES_CARD] = s->cards[i].share;
	for (size_t i = 0; i < s->n_disks; i++) {
		const struct machine_disk *d = &s->disks[i];

		if (d->busy > ret[SERIES_DISK])
			ret[SERIES_DISK] = d->busy;
		ret[SERIES_DISK_READ] += (double)d->read_bytes / mib_s;
		ret[SERIES_DISK_WRITE] += (double)d->write_bytes / mib_s;
		ret[SERIES_DISK_OPS] += (double)(d->reads + d->writes) / seconds;
	}
}

void series_machine_merge(double into[SERIES_MACHINE], const double more[SERIES_MACHINE])
{
	const double least = into[SERIES_AVAILABLE];

	for (unsigned i = 0; i < SERIES_MACHINE; i++)
		if (more[i] > into[i])
			into[i] = more[i];
	if (least > 0 && more[SERIES_AVAILABLE] > 0)
		into[SERIES_AVAILABLE] =
			more[SERIES_AVAILABLE] < least ? more[SERIES_AVAILABLE] : least;
}

static int put_machine(
	struct buf *out, const struct series_row *r, unsigned from, unsigned to)
{
	static const int decimals[SERIES_MACHINE] = {[SERIES_BUSIEST_CORE] = 1,
		[SERIES_CPU] = 1,
		[SERIES_WORKER_CPU] = 1,
		[SERIES_NET_RX] = 3,
		[SERIES_NET_TX] = 3,
		[SERIES_USER] = 1,
		[SERIES_SYSTEM] = 1,
		[SERIES_IOWAIT] = 1,
		[SERIES_STEAL] = 1,
		[SERIES_AVAILABLE] = 0,
		[SERIES_SWAP] = 3,
		[SERIES_CARD] = 1,
		[SERIES_DISK] = 1,
		[SERIES_DISK_READ] = 3,
		[SERIES_DISK_WRITE] = 3,
		[SERIES_DISK_OPS] = 1};

	for (unsigned i = from; i < to; i++)
		if (buf_printf(out, "\t%.*f", decimals[i], r->machine[i]) < 0)
			return -ENOMEM;
	return 0;
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
	if (buf_printf(out, "\t%.3f\t%.3f", service, (double)r->late_max_ns / 1e3) < 0 ||
		put_machine(out, r, 0, SERIES_BEHIND_WORKERS) < 0 ||
		buf_printf(out, "\t%zu", r->workers) < 0 ||
		put_machine(out, r, SERIES_BEHIND_WORKERS, SERIES_MACHINE) < 0)
		return -ENOMEM;
	return buf_putc(out, '\n');
}
