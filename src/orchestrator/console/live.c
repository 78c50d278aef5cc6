/* live: the live block of a run, or the plain line in its place. */
#include "orchestrator/console/live.h"

#include <string.h>

#include "common/cleanup.h"
#include "common/units.h"
#include "orchestrator/console/console.h"

#define PLAIN_NS (10 * NS_PER_SEC)

struct buf *live_add(struct live_block *b)
{
	return &b->lines[b->n < LIVE_LINES - 1 ? b->n++ : b->n];
}

static void show_plain(struct console *con, const struct live_block *b, uint64_t now_ns,
	uint64_t *last_plain_ns)
{
	AUTO_BUF struct buf line = BUF_INIT;

	if (now_ns < *last_plain_ns + PLAIN_NS)
		return;
	*last_plain_ns = now_ns;
	for (size_t i = 0; i < b->n; i++) {
		const char *text = b->lines[i].data ? b->lines[i].data : "";

		buf_printf(&line, "%s%s", i ? " | " : "",
			text + (i ? strspn(text, " ") : 0));
	}
	if (line.data)
		console_stderr(con, line.data);
}

static void show_block(struct console *con, struct live_block *b)
{
	const char *lines[LIVE_LINES];

	for (size_t i = 0; i < b->n; i++)
		lines[i] = b->lines[i].data ? b->lines[i].data : "";
	console_live(con, lines, b->n);
}

void live_show(struct console *con, struct live_block *b, bool headless, bool quiet,
	uint64_t now_ns, uint64_t *last_plain_ns)
{
	if (b->n && console_is_tty(con) && !headless)
		show_block(con, b);
	else if (b->n && !quiet)
		show_plain(con, b, now_ns, last_plain_ns);
}

void live_finish(struct live_block *b)
{
	for (size_t i = 0; i < LIVE_LINES; i++)
		buf_finish(&b->lines[i]);
}
