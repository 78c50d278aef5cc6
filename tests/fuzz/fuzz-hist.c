/* fuzz-hist: V2 payloads from anywhere. What decodes must be safe to read, and encode to
 * the same counts again. */
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "proto/hist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

/* Everything that a reader of results does with a histogram. */
static void use(const struct hist *h)
{
	static const double percentiles[] = {0, 50, 99.99, 100};
	CLEANUP(hist_finish) struct hist two, three, seen;

	for (size_t i = 0; i < ARRAY_LEN(percentiles); i++) {
		uint64_t v = hist_percentile(h, percentiles[i]);

		require(h->total == 0 || (v >= h->min && v <= h->max));
	}
	require(hist_stddev(h) >= 0 && hist_mean(h) >= 0);
	hist_init(&two, 2);
	hist_init(&three, 3);
	hist_init(&seen, h->digits);
	require(hist_add(&two, h) == 0 && two.total == h->total);
	require(hist_add(&three, h) == 0 && three.total == h->total);
	hist_reset(&two);
	require(hist_diff(h, &seen, &two) == 0 && two.total == h->total);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(hist_finish) struct hist h, back;
	AUTO_BUF struct buf out = BUF_INIT;
	struct err err = ERR_INIT;

	hist_init(&h, 3);
	hist_init(&back, 3);
	if (hist_decode(data, size, &h, &err) < 0) {
		require(h.total == 0 && !h.counts && *err.text);
		return 0;
	}
	use(&h);
	require(hist_encode(&h, &out) == 0);
	require(hist_decode(out.data, out.len, &back, &err) == 0);
	require(back.total == h.total && back.digits == h.digits && back.min == h.min &&
		back.max == h.max && back.sum == h.sum);
	require(memcmp(back.counts, h.counts, h.counts_len * sizeof(h.counts[0])) == 0);
	return 0;
}
