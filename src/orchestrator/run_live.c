/* run_live: the live display of a run: bar and per-op lines, or a plain line every 10 s. */
#include <stdlib.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/text.h"
#include "common/units.h"
#include "orchestrator/command.h"
#include "orchestrator/console.h"
#include "orchestrator/display.h"
#include "orchestrator/events.h"
#include "orchestrator/run_private.h"

#define PLAIN_NS (10 * NS_PER_SEC)
#define MAX_LINES (OP_KINDS + 2)

struct block {
	struct buf lines[MAX_LINES];
	size_t n;
};

static struct buf *add(struct block *b)
{
	return &b->lines[b->n < MAX_LINES - 1 ? b->n++ : b->n];
}

static void objects(struct run *r, struct block *b, uint64_t now)
{
	struct console *con = r->ctx.console;
	uint64_t done = 0, total = 0;
	double s = (double)(now - r->phase_start_ns) / 1e9;

	for (size_t i = 0; i < r->n; i++) {
		done += r->members[i].objects;
		total += r->members[i].objects_total;
	}
	display_bar_objects(add(b), phase_names[r->phase], done, total,
		s > 0 ? (double)done / s : 0, console_columns(con), console_utf8(con));
}

static void load(struct run *r, struct block *b, uint64_t now)
{
	struct console *con = r->ctx.console;
	const struct plan *p = &r->plan;
	bool warm = now < r->load_start_ns + p->warmup_ns;
	uint64_t from = warm ? r->load_start_ns : r->load_start_ns + p->warmup_ns;
	uint64_t length = warm ? p->warmup_ns : p->duration_ns;
	const struct live_op *rows;
	size_t n = agg_live(r->agg, &rows);

	if (n && rows[0].interval == r->stale_interval)
		n = 0;

	display_bar_time(add(b), warm ? "warmup" : "measure",
		now > from ? (double)(now - from) / 1e9 : 0, (double)length / 1e9,
		console_columns(con), console_utf8(con));
	for (size_t i = 0; i < n; i++) {
		struct buf *line = add(b);

		buf_puts(line, "  ");
		display_op(line, rows[i].op, rows[i].count, rows[i].bytes,
			&rows[i].response, rows[i].errors, rows[i].seconds,
			console_utf8(con));
	}
	if (n == 0 || rows[0].interval == r->shown_interval)
		return;
	r->shown_interval = rows[0].interval;
	events_interval(&r->ctx, r->dir, ((double)now - (double)r->load_start_ns) / 1e9,
		warm ? PHASE_WARMUP : PHASE_MEASURE, rows, n);
}

/* Cuts a line to the terminal's width: a line that wraps would spoil the block. */
static void cut(struct buf *b, unsigned columns)
{
	while (b->len && text_width(b->data) >= columns) {
		do
			b->len--;
		while (b->len && ((unsigned char)b->data[b->len] & 0xc0) == 0x80);
		b->data[b->len] = '\0';
	}
}

static void show_plain(struct run *r, const struct block *b, uint64_t now)
{
	AUTO_BUF struct buf line = BUF_INIT;

	if (now < r->last_plain_ns + PLAIN_NS)
		return;
	r->last_plain_ns = now;
	for (size_t i = 0; i < b->n; i++)
		buf_printf(&line, "%s%s", i ? " | " : "", b->lines[i].data);
	if (line.data)
		console_stderr(r->ctx.console, line.data);
}

static void show_block(struct run *r, struct block *b)
{
	const char *lines[MAX_LINES];
	unsigned columns = console_columns(r->ctx.console);

	for (size_t i = 0; i < b->n; i++) {
		cut(&b->lines[i], columns);
		lines[i] = b->lines[i].data ? b->lines[i].data : "";
	}
	console_live(r->ctx.console, lines, b->n);
}

void run_on_show(struct loop_timer *t, void *user)
{
	struct run *r = user;
	struct block b = {0};
	uint64_t now = clock_ns();

	(void)t;
	if (r->stage == RUN_LOAD)
		load(r, &b, now);
	else if (r->stage == RUN_PREPARE || r->stage == RUN_CLEANUP)
		objects(r, &b, now);
	if (b.n && console_is_tty(r->ctx.console) && !r->app->o.headless)
		show_block(r, &b);
	else if (b.n && !r->app->o.quiet)
		show_plain(r, &b, now);
	for (size_t i = 0; i < MAX_LINES; i++)
		buf_finish(&b.lines[i]);
}
