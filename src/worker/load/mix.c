/* mix: weighted draws by the alias method; weights per thread under caps. */
#include "worker/load/mix.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

#define FIT_ROUNDS 100

static uint64_t threshold_of(double p)
{
	return p >= 1 ? UINT64_MAX : (uint64_t)(p * 0x1.0p64);
}

/* Vose: rows below the average are filled up by one that is above it. */
static void fill_rows(struct mix *m, double *scaled, uint32_t *small, uint32_t *large)
{
	uint32_t n_small = 0, n_large = 0;

	for (uint32_t i = 0; i < m->n; i++) {
		if (scaled[i] < 1)
			small[n_small++] = i;
		else
			large[n_large++] = i;
	}
	while (n_small > 0 && n_large > 0) {
		uint32_t s = small[--n_small], l = large[n_large - 1];

		m->rows[s] = (struct mix_row){threshold_of(scaled[s]), l};
		scaled[l] -= 1 - scaled[s];
		if (scaled[l] < 1) {
			n_large--;
			small[n_small++] = l;
		}
	}
	while (n_large > 0) {
		uint32_t l = large[--n_large];

		m->rows[l] = (struct mix_row){UINT64_MAX, l};
	}
	/* what is left over is 1 but for rounding */
	while (n_small > 0) {
		uint32_t s = small[--n_small];

		m->rows[s] = (struct mix_row){UINT64_MAX, s};
	}
}

bool mix_build(struct mix *m, const double *weights, uint32_t n)
{
	AUTO_FREE double *scaled = calloc(n + 1, sizeof(*scaled));
	AUTO_FREE uint32_t *stacks = calloc(2 * (size_t)n + 1, sizeof(*stacks));
	double total = 0;

	for (uint32_t i = 0; i < n; i++)
		total += weights[i];
	if (!(total > 0) || !scaled || !stacks)
		return false;
	if (m->n != n) {
		free(m->rows);
		m->rows = calloc(n, sizeof(*m->rows));
		m->n = m->rows ? n : 0;
		if (!m->rows)
			return false;
	}
	for (uint32_t i = 0; i < n; i++)
		scaled[i] = weights[i] / total * n;
	fill_rows(m, scaled, stacks, stacks + n);
	return true;
}

void mix_finish(struct mix *m)
{
	free(m->rows);
	*m = (struct mix){0};
}

uint32_t mix_cap_share(
	const uint32_t *caps, uint32_t op, uint32_t thread, uint32_t n_threads)
{
	uint32_t first = 0; /* the thread that this op's shares begin at */

	if (caps[op] == 0)
		return UINT32_MAX;
	for (uint32_t o = 0; o < op; o++)
		first = (first + caps[o] % n_threads) % n_threads;
	thread = (thread + n_threads - first) % n_threads;
	return caps[op] / n_threads + (thread < caps[op] % n_threads);
}

/* Makes the sum of n values, stride apart, equal to want (nothing to do when they are all 0). */
static void scale_to(double *v, size_t n, size_t stride, double want)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += v[i * stride];
	if (sum > 0)
		for (size_t i = 0; i < n; i++)
			v[i * stride] *= want / sum;
}

static bool may_run(const uint32_t *caps, const uint32_t *with, uint32_t op,
	uint32_t thread, uint32_t n_threads)
{
	if (with && with[op] != UINT32_MAX &&
		mix_cap_share(caps, with[op], thread, n_threads) == 0)
		return false;
	return mix_cap_share(caps, op, thread, n_threads) > 0;
}

int mix_spread(const double *weights, const uint32_t *caps, const uint32_t *with,
	uint32_t n_ops, uint32_t n_threads, double *out)
{
	double total = 0;
	bool capped = false;

	for (uint32_t o = 0; o < n_ops; o++) {
		total += weights[o];
		capped |= caps[o] != 0;
	}
	if (!(total > 0))
		return -EINVAL;
	for (uint32_t t = 0; t < n_threads; t++)
		for (uint32_t o = 0; o < n_ops; o++)
			out[t * n_ops + o] = may_run(caps, with, o, t, n_threads)
						     ? weights[o] / total
						     : 0;
	for (int round = 0; capped && round < FIT_ROUNDS; round++) {
		for (uint32_t o = 0; o < n_ops; o++)
			scale_to(out + o, n_threads, n_ops,
				weights[o] / total * n_threads);
		for (uint32_t t = 0; t < n_threads; t++)
			scale_to(out + t * n_ops, n_ops, 1, 1);
	}
	return 0;
}
