/* live: the live block of a run: on a terminal below the lines that stay, else one plain line every 10 s. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "proto/ops.h"

struct console;

#define LIVE_LINES (OP_KINDS + 4)

struct live_block {
	struct buf lines[LIVE_LINES];
	size_t n;
};

/* The next line, to be filled. */
struct buf *live_add(struct live_block *b);

/* Shows b as console, --headless and --quiet call for. last_plain_ns: when the last plain line was shown;
 * set when one is. */
void live_show(struct console *con, struct live_block *b, bool headless, bool quiet,
	uint64_t now_ns, uint64_t *last_plain_ns);

void live_finish(struct live_block *b);
#define AUTO_LIVE CLEANUP(live_finish)
