/* display: how a run reads on a console. */
#include "orchestrator/display.h"

#include <inttypes.h>
#include <string.h>

#include "common/buf.h"
#include "common/units.h"

void display_op(struct buf *out, enum op_kind op, uint64_t count, uint64_t bytes,
	const struct hist *h, uint64_t errors, double seconds, bool utf8)
{
	double s = seconds > 0 ? seconds : 1;
	double rate = (double)count / s;

	buf_printf(out, "%s: %.*f ops/s", op_infos[op].display, rate < 10 ? 2 : 0, rate);
	if (op_infos[op].moves_data)
		buf_printf(out, ", %s", units_mib_per_s((double)bytes / s).s);
	buf_printf(out, " (mean: %s, p50: %s, p95: %s, p99: %s, errors: %" PRIu64 ")",
		units_latency(hist_mean(h) / 1e3, utf8).s,
		units_latency((double)hist_percentile(h, 50) / 1e3, utf8).s,
		units_latency((double)hist_percentile(h, 95) / 1e3, utf8).s,
		units_latency((double)hist_percentile(h, 99) / 1e3, utf8).s, errors);
}

static void bar(struct buf *out, double part, unsigned columns, bool utf8)
{
	unsigned width = columns > 100 ? 40 : columns > 60 ? columns / 3 : 10;
	unsigned full;

	if (!(part > 0))
		part = 0;
	if (part > 1)
		part = 1;
	full = (unsigned)(part * width);
	buf_putc(out, '[');
	for (unsigned i = 0; i < width; i++)
		buf_puts(out, i < full ? (utf8 ? "█" : "#") : (utf8 ? "░" : "-"));
	buf_puts(out, "]  ");
}

void display_bar_time(struct buf *out, const char *phase, double done_s, double total_s,
	unsigned columns, bool utf8)
{
	bar(out, total_s > 0 ? done_s / total_s : 1, columns, utf8);
	buf_printf(out, "%.0f/%.*fs  %s", done_s < total_s ? done_s : total_s,
		total_s < 10 && total_s > (double)(int)total_s ? 1 : 0, total_s, phase);
}

void display_bar_objects(struct buf *out, const char *phase, uint64_t done,
	uint64_t total, double per_s, unsigned columns, bool utf8)
{
	bar(out, total ? (double)done / (double)total : 0, columns, utf8);
	buf_printf(out, "%s/%s objects  %.0f objects/s  %s", units_count(done).s,
		units_count(total).s, per_s, phase);
}

void display_names(struct buf *out, const char *const *names, size_t n, size_t most)
{
	for (size_t i = 0; i < n && i < most; i++)
		buf_printf(out, "%s%s", i ? ", " : "", names[i]);
	if (n > most)
		buf_printf(out, " and %zu more", n - most);
}
