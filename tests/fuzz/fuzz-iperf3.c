/* What iperf3 printed, in front of it a byte that says what the test was: refused with words, or values that are
 * numbers, and among them THROUGHPUT. */
#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "results/net_told.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct net_spec spec_of(uint8_t byte)
{
	return (struct net_spec){.test = byte & 8 ? NET_RR : NET_STREAM,
		.protocol = byte & 4 ? NET_UDP : NET_TCP,
		.dir = (enum net_dir)((byte & 3) % NET_DIRS),
		.flows = 1,
		.depth = 1,
		.interval_ns = byte & 16 ? 1 : 0,
		.duration_ns = 1000000000};
}

static void check(const struct net_told *t)
{
	assert(t->values.of[SEL_THROUGHPUT].known);
	for (size_t i = 0; i < NET_SELECTORS; i++) {
		const struct net_value *v = &t->values.of[i];

		assert(!v->known || net_selectors[i].unit || v->text);
		assert(!v->known || !net_selectors[i].unit ||
			(isfinite(v->number) && v->number >= 0));
	}
	for (size_t i = 0; i < t->intervals.n; i++)
		assert(t->intervals.items[i].to_ns >= t->intervals.items[i].from_ns);
	/* what --resume would not take back */
	for (int side = 0; side < NET_SIDES; side++)
		assert(t->socket[side].source_port <= UINT16_MAX &&
			t->socket[side].dest_port <= UINT16_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(net_told_finish) struct net_told told = {.intervals = {0}};
	AUTO_FREE char *text = NULL;
	struct err err = ERR_INIT;
	struct net_spec spec;

	if (!size)
		return 0;
	spec = spec_of(data[0]);
	text = malloc(size);
	if (!text)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	if (net_iperf3_read(&spec, text, size - 1, &told, &err) == 0)
		check(&told);
	else
		assert(*err.text && !told.intervals.items);
	return 0;
}
