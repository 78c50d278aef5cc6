/* display: how a run reads on a console. */
#include "orchestrator/console/display.h"

#include <inttypes.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/text.h"
#include "common/units.h"

void display_counts(struct buf *out, const struct display_counts *c, bool utf8)
{
	static const struct hist none = {0};
	const struct hist *h = c->response ? c->response : &none;
	double s = c->seconds > 0 ? c->seconds : 1;
	struct display_rates r = {
		.operation = c->what,
		.moves_data = c->moves_data,
		.ops_per_s = (double)c->count / s,
		.bytes_per_s = (double)c->bytes / s,
		.mean_us = hist_mean(h) / 1e3,
		.p50_us = (double)hist_percentile(h, 50) / 1e3,
		.p95_us = (double)hist_percentile(h, 95) / 1e3,
		.p99_us = (double)hist_percentile(h, 99) / 1e3,
		.errors = c->errors,
		.retries = c->retries,
	};

	display_rates(out, &r, utf8);
}

void display_rates(struct buf *out, const struct display_rates *r, bool utf8)
{
	buf_printf(out, "%s: %.*f ops/s", r->operation, r->ops_per_s < 10 ? 2 : 0,
		r->ops_per_s);
	if (r->moves_data)
		buf_printf(out, ", %s", units_mib_per_s(r->bytes_per_s).s);
	buf_puts(out, " (");
	if (r->ops_per_s > 0) /* else there is nothing that took any time */
		buf_printf(out, "mean: %s, p50: %s, p95: %s, p99: %s, ",
			units_latency(r->mean_us, utf8).s,
			units_latency(r->p50_us, utf8).s,
			units_latency(r->p95_us, utf8).s,
			units_latency(r->p99_us, utf8).s);
	buf_printf(out, "errors: %" PRIu64, r->errors);
	if (r->retries)
		buf_printf(out, ", retries: %" PRIu64, r->retries);
	buf_putc(out, ')');
}

static const char *const bar_parts[] = {"█", "░", "#", "-"};

bool display_is_bar(const char *line)
{
	for (size_t i = 0; *line == '[' && i < ARRAY_LEN(bar_parts); i++)
		if (text_starts_with(line + 1, bar_parts[i]))
			return true;
	return false;
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
		buf_puts(out, bar_parts[(utf8 ? 0 : 2) + (i >= full)]);
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

void display_waited(struct buf *out, const char *const *names, size_t n)
{
	if (!n)
		return;
	buf_puts(out, "; waiting for ");
	display_names(out, names, n, DISPLAY_WAITED_MAX);
}
