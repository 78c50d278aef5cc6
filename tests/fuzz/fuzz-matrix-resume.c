/* What --resume reads, matrix.json and rows.jsonl, from anywhere: refused with the name of the file, or the
 * same when it is written and read again. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "orchestrator/matrix/matrix_saved.h"
#include "results/net_rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && (!a->len || memcmp(a->data, b->data, a->len) == 0);
}

static void check_saved(const char *text, size_t len)
{
	CLEANUP(matrix_saved_finish) struct matrix_saved first = {0};
	CLEANUP(matrix_saved_finish) struct matrix_saved second = {0};
	AUTO_BUF struct buf once = BUF_INIT;
	AUTO_BUF struct buf twice = BUF_INIT;
	struct err err = ERR_INIT;

	if (matrix_saved_parse("fuzz", text, len, &first, &err) < 0) {
		assert(err.kind == ERR_INPUT && strncmp(err.text, "fuzz:", 5) == 0);
		return;
	}
	assert(first.options && first.words);
	assert(matrix_saved_print(&first, &once) == 0);
	assert(matrix_saved_parse("again", once.data, once.len, &second, &err) == 0);
	assert(matrix_saved_print(&second, &twice) == 0 && same(&once, &twice));
}

static void print(const struct net_rows *rows, struct buf *out)
{
	for (size_t i = 0; i < rows->n; i++) {
		const struct net_row *row = &rows->items[i];

		assert(*row->client && *row->server && *row->test && row->line);
		assert(net_row_print(&row->record, row->cv, out) == 0);
		assert(buf_putc(out, '\n') == 0);
	}
	for (size_t i = 0; i < rows->n_sessions; i++) {
		const struct net_session *s = &rows->sessions[i];

		assert(net_row_print_resumed(s->wall_ns, s->kept, s->left, out) == 0);
		assert(buf_putc(out, '\n') == 0);
	}
}

static void check_rows(const char *text, size_t len)
{
	CLEANUP(net_rows_finish) struct net_rows first = {0};
	CLEANUP(net_rows_finish) struct net_rows second = {0};
	AUTO_BUF struct buf once = BUF_INIT;
	AUTO_BUF struct buf twice = BUF_INIT;
	struct err err = ERR_INIT;

	if (net_rows_parse("fuzz", text, len, &first, &err) < 0) {
		assert(err.kind == ERR_INPUT && strncmp(err.text, "fuzz:", 5) == 0);
		assert(!first.n && !first.items);
		return;
	}
	print(&first, &once);
	assert(net_rows_parse("again", once.data ? once.data : "", once.len, &second,
		       &err) == 0);
	assert(first.n == second.n && first.n_sessions == second.n_sessions);
	print(&second, &twice);
	assert(same(&once, &twice));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_saved((const char *)data, size);
	check_rows((const char *)data, size);
	return 0;
}
