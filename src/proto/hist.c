/* hist: counts in log-linear buckets: what is in them, and how they add up. hist.h has
 * the layout, hist_codec.c the bytes. */
#include "proto/hist.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>

/* Below this it is cheaper to clear counts than to have the kernel give new pages. */
#define CLEAR_MAX_BYTES (64u * 1024u)

static uint32_t half_shift_of(unsigned digits)
{
	return digits == 2 ? 7
			   : 10; /* 2 x 10^digits, rounded up to a power of two, halved */
}

uint32_t hist_counts_len(unsigned digits)
{
	struct hist h = {.half_shift = half_shift_of(digits)};

	/* All of the bucket that holds the highest value, as HdrHistogram has it. */
	return ((hist_index(&h, HIST_HIGHEST_NS) >> h.half_shift) + 1) << h.half_shift;
}

static void set_empty(struct hist *h)
{
	h->total = 0;
	h->min = UINT64_MAX;
	h->max = 0;
	h->sum = 0;
}

void hist_init(struct hist *h, unsigned digits)
{
	*h = (struct hist){.digits = digits == 2 ? 2 : 3};
	h->half_shift = half_shift_of(h->digits);
	h->counts_len = hist_counts_len(h->digits);
	set_empty(h);
}

static size_t counts_bytes(const struct hist *h)
{
	return (size_t)h->counts_len * sizeof(h->counts[0]);
}

int hist_alloc(struct hist *h)
{
	void *p;

	if (h->counts)
		return 0;
	p = mmap(NULL, counts_bytes(h), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return -ENOMEM;
	/* hist_diff of another thread may be looking */
	__atomic_store_n(&h->counts, (uint64_t *)p, __ATOMIC_RELEASE);
	return 0;
}

void hist_finish(struct hist *h)
{
	if (h->counts)
		munmap(h->counts, counts_bytes(h));
	h->counts = NULL;
	set_empty(h);
}

/* Index of the count that a recorded value went to. */
static uint32_t index_of(const struct hist *h, uint64_t ns)
{
	return hist_index(h, ns > HIST_HIGHEST_NS ? HIST_HIGHEST_NS : ns);
}

void hist_reset(struct hist *h)
{
	if (h->counts && h->total) {
		uint32_t first = index_of(h, h->min), last = index_of(h, h->max);
		size_t bytes = (size_t)(last - first + 1) * sizeof(h->counts[0]);

		if (bytes <= CLEAR_MAX_BYTES ||
			madvise(h->counts, counts_bytes(h), MADV_DONTNEED))
			memset(&h->counts[first], 0, bytes);
	}
	set_empty(h);
}

uint64_t hist_lowest_at(const struct hist *h, uint32_t index, uint64_t *ret_width)
{
	uint32_t bucket = index >> h->half_shift;

	/* The first bucket has twice as many sub-buckets as the others. */
	bucket = bucket ? bucket - 1 : 0;
	*ret_width = UINT64_C(1) << bucket;
	return (uint64_t)(index - (bucket << h->half_shift)) << bucket;
}

uint64_t hist_lowest_equivalent(const struct hist *h, uint64_t ns)
{
	uint64_t width;

	return hist_lowest_at(h, index_of(h, ns), &width);
}

uint64_t hist_highest_equivalent(const struct hist *h, uint64_t ns)
{
	uint64_t width, lowest = hist_lowest_at(h, index_of(h, ns), &width);

	return lowest + width - 1;
}

static uint64_t clamp(uint64_t ns, uint64_t min, uint64_t max)
{
	return ns < min ? min : ns > max ? max : ns;
}

/* The highest value of a count; the last one also holds what is beyond the range. */
static uint64_t highest_at(const struct hist *h, uint32_t index, uint64_t max)
{
	uint64_t width, lowest = hist_lowest_at(h, index, &width);

	if (max > HIST_HIGHEST_NS && index == hist_index(h, HIST_HIGHEST_NS))
		return max;
	return lowest + width - 1;
}

/* The value that stands for all samples of a count. */
static uint64_t middle_at(const struct hist *h, uint32_t index)
{
	uint64_t width, lowest = hist_lowest_at(h, index, &width);

	return clamp(lowest + width / 2, h->min, h->max);
}

uint64_t hist_percentile(const struct hist *h, double p)
{
	uint64_t rank, seen = 0;
	uint32_t last;
	double exact;

	if (h->total == 0)
		return 0;
	exact = ceil(p / 100 * (double)h->total);
	rank = !(exact >= 1) ? 1 : exact >= (double)h->total ? h->total : (uint64_t)exact;
	last = index_of(h, h->max);
	for (uint32_t i = index_of(h, h->min); i <= last; i++) {
		seen += h->counts[i];
		if (seen >= rank)
			return clamp(highest_at(h, i, h->max), h->min, h->max);
	}
	return h->max;
}

double hist_mean(const struct hist *h)
{
	double mean;

	if (h->total == 0)
		return 0;
	/* A hist_diff may have counted a sample one call later than it was summed. */
	mean = (double)h->sum / (double)h->total;
	return fmin(fmax(mean, (double)h->min), (double)h->max);
}

double hist_stddev(const struct hist *h)
{
	double mean = hist_mean(h), squares = 0;
	uint32_t last;

	if (h->total == 0)
		return 0;
	last = index_of(h, h->max);
	for (uint32_t i = index_of(h, h->min); i <= last; i++) {
		double d;

		if (h->counts[i] == 0)
			continue;
		d = (double)middle_at(h, i) - mean;
		squares += d * d * (double)h->counts[i];
	}
	return sqrt(squares / (double)h->total);
}

static uint64_t add_saturating(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static void widen(
	struct hist *h, uint64_t total, uint64_t min, uint64_t max, uint64_t sum)
{
	h->total += total;
	h->sum = add_saturating(h->sum, sum);
	if (min < h->min)
		h->min = min;
	if (max > h->max)
		h->max = max;
}

int hist_add(struct hist *into, const struct hist *from)
{
	uint32_t first, last;
	int r;

	if (from->total == 0)
		return 0;
	r = hist_alloc(into);
	if (r < 0)
		return r;
	first = index_of(from, from->min);
	last = index_of(from, from->max);
	if (into->digits == from->digits) {
		for (uint32_t i = first; i <= last; i++)
			into->counts[i] += from->counts[i];
	} else {
		for (uint32_t i = first; i <= last; i++)
			if (from->counts[i])
				into->counts[index_of(into, middle_at(from, i))] +=
					from->counts[i];
	}
	widen(into, from->total, from->min, from->max, from->sum);
	return 0;
}

int hist_diff(const struct hist *live, struct hist *seen, struct hist *out)
{
	const uint64_t *counts = __atomic_load_n(&live->counts, __ATOMIC_ACQUIRE);
	uint64_t min = __atomic_load_n(&live->min, __ATOMIC_RELAXED);
	uint64_t max = __atomic_load_n(&live->max, __ATOMIC_RELAXED);
	uint64_t sum, total = 0;
	uint64_t width;
	uint32_t lowest = 0, highest = 0, last;
	int r;

	if (!counts || min > max)
		return 0;
	r = hist_alloc(seen);
	if (r == 0)
		r = hist_alloc(out);
	if (r < 0)
		return r;
	last = index_of(live, max);
	for (uint32_t i = index_of(live, min); i <= last; i++) {
		uint64_t now = __atomic_load_n(&counts[i], __ATOMIC_ACQUIRE);
		uint64_t more = now - seen->counts[i];

		if (more == 0)
			continue;
		lowest = total ? lowest : i;
		highest = i;
		total += more;
		seen->counts[i] = now;
		out->counts[index_of(out, hist_lowest_at(live, i, &width))] += more;
	}
	if (total == 0)
		return 0;
	/* Read after the counts: these are of all samples that were seen there, and maybe
	 * of more. */
	min = __atomic_load_n(&live->min, __ATOMIC_RELAXED);
	max = __atomic_load_n(&live->max, __ATOMIC_RELAXED);
	sum = __atomic_load_n(&live->sum, __ATOMIC_RELAXED);
	widen(out, total, clamp(hist_lowest_at(live, lowest, &width), min, max),
		clamp(highest_at(live, highest, max), min, max), sum - seen->sum);
	seen->total += total;
	seen->sum = sum;
	seen->min = min;
	seen->max = max;
	return 0;
}
