/* docs/networks.md is held to the tables: each option, selector and key stands there as its row says.
 * Rows that are missing are printed as they should stand. */
#include <stdlib.h>

#include "check.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"
#include "common/text.h"
#include "workload/net_profile.h"
#include "yaml/decode.h"

static struct buf page = BUF_INIT;

static void check_row(const char *row)
{
	if (!page.len) {
		struct err err = ERR_INIT;

		CHECK(file_read(NETWORKS_MD, 1 << 20, &page, &err) == 0, "%s", err.text);
	}
	if (!page.data || !strstr(page.data, row)) {
		CHECK(false, "docs/networks.md lacks this row");
		printf("#: %s", row);
	}
}

/* '|' would end a cell. */
static int put_cell(struct buf *b, const char *text)
{
	int rc = 0;

	for (; *text && rc == 0; text++)
		rc = buf_printf(b, "%s%c", *text == '|' ? "\\" : "", *text);
	return rc;
}

static void check_words(enum net_dialect dialect)
{
	struct net_word_help h;

	for (size_t i = 0; net_words_help(dialect, i, &h); i++) {
		AUTO_BUF struct buf row = BUF_INIT;

		CHECK(buf_puts(&row, "| `") == 0);
		CHECK(put_cell(&row, h.letter ? h.letter : h.name) == 0);
		if (h.letter && h.name)
			CHECK(buf_printf(&row, "`, `%s", h.name) == 0);
		if (h.arg && !h.refused) {
			CHECK(buf_putc(&row, ' ') == 0);
			CHECK(put_cell(&row, h.arg) == 0);
		}
		CHECK(buf_printf(&row, "`%s | ", h.global ? " before `--`" : "") == 0);
		CHECK(put_cell(&row, h.help) == 0);
		CHECK(buf_puts(&row, " |\n") == 0);
		check_row(row.data);
	}
}

static void test_netperf(void)
{
	check_words(NET_WORDS_NETPERF);
}

static void test_iperf3(void)
{
	check_words(NET_WORDS_IPERF3);
}

static void test_selectors(void)
{
	for (size_t i = 0; i < NET_SELECTORS; i++) {
		const struct net_selector_info *s = &net_selectors[i];
		AUTO_BUF struct buf row = BUF_INIT;

		CHECK(buf_printf(&row, "| `%s`%s | %s | ", s->name, s->ours ? " *" : "",
			      s->unit ? s->unit : "text") == 0);
		CHECK(put_cell(&row, s->help) == 0);
		CHECK(buf_puts(&row, " |\n") == 0);
		check_row(row.data);
	}
}

static void test_profiles(void)
{
	for (const struct workload_table *t = net_profile_tables; t->name; t++) {
		for (const struct key *k = t->keys; k->name; k++) {
			AUTO_BUF struct buf row = BUF_INIT;

			CHECK(buf_printf(&row, "| `%s` | %s | %s |\n", k->name,
				      k->def ? k->def : "", k->help) == 0);
			check_row(row.data);
		}
	}
	buf_finish(&page);
}

TEST_MAIN(
	TEST(test_netperf), TEST(test_iperf3), TEST(test_selectors), TEST(test_profiles))
