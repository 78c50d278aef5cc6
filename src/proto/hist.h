/* hist: a high dynamic range histogram in nanoseconds, and its codec.
 *
 * Bucket layout and V2 payload are those of HdrHistogram (Gil Tene,
 * http://hdrhistogram.org; cookie 0x1c849313): lowest discernible value 1 ns, highest
 * trackable 3,600 s. 3 digits: 2048 sub-buckets, about 264 KiB of counts; 2 digits: 256
 * sub-buckets. The counts are one anonymous mapping: pages are given by the kernel when
 * they are first touched, so an unused part costs nothing. Exact min, max and sum are
 * kept beside the counts; percentiles are clamped to them.
 *
 * One writer records with hist_record; any other thread may take hist_diff at the same
 * time (no lock): what it misses shows in the next one. The count is stored last and
 * released, so that who sees a sample counted also sees its min, max and sum; on x86 that
 * costs a plain store. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

#define HIST_HIGHEST_NS UINT64_C(3600000000000)

struct hist {
	uint64_t *counts; /* NULL: empty and not allocated yet */
	uint32_t counts_len;
	uint32_t half_shift; /* log2 of half the sub-bucket count */
	uint8_t digits;      /* 2 or 3 */
	uint64_t total;      /* number of samples */
	uint64_t min, max;   /* exact; min is UINT64_MAX while empty */
	uint64_t sum;        /* exact, ns */
};

/* Prepares h without memory for counts. digits: 2 or 3. */
void hist_init(struct hist *h, unsigned digits);
/* Maps the counts (nothing to do when they are there). 0 or -ENOMEM. */
int hist_alloc(struct hist *h);
void hist_finish(struct hist *h);
void hist_reset(struct hist *h); /* empty again; keeps the mapping */

/* Number of counts for digits. */
uint32_t hist_counts_len(unsigned digits);

static inline uint32_t hist_index(const struct hist *h, uint64_t ns)
{
	/* The first bucket is linear over 2^(half_shift+1) sub-buckets, each further one
	 * covers twice the range with 2^half_shift sub-buckets. */
	uint32_t half = h->half_shift;
	uint32_t magnitude =
		63u - (uint32_t)__builtin_clzll(ns | ((UINT64_C(2) << half) - 1));
	uint32_t bucket = magnitude - half;

	return (bucket << half) + (uint32_t)(ns >> bucket);
}

/* Adds one sample. counts must be allocated. Values above HIST_HIGHEST_NS count at the
 * top (max and sum stay exact). */
static inline void hist_record(struct hist *h, uint64_t ns)
{
	uint64_t clamped = ns > HIST_HIGHEST_NS ? HIST_HIGHEST_NS : ns;
	uint64_t *c = &h->counts[hist_index(h, clamped)];

	__atomic_store_n(&h->sum, h->sum + ns, __ATOMIC_RELAXED);
	if (__builtin_expect(ns < h->min, 0))
		__atomic_store_n(&h->min, ns, __ATOMIC_RELAXED);
	if (__builtin_expect(ns > h->max, 0))
		__atomic_store_n(&h->max, ns, __ATOMIC_RELAXED);
	__atomic_store_n(&h->total, h->total + 1, __ATOMIC_RELAXED);
	__atomic_store_n(c, *c + 1, __ATOMIC_RELEASE);
}

/* The count at index holds the values [result, result + *ret_width). */
uint64_t hist_lowest_at(const struct hist *h, uint32_t index, uint64_t *ret_width);

/* Lowest and highest value that share ns's count. */
uint64_t hist_lowest_equivalent(const struct hist *h, uint64_t ns);
uint64_t hist_highest_equivalent(const struct hist *h, uint64_t ns);

/* Value at percentile p (0..100): the highest equivalent value of the count where the
 * cumulative count reaches ceil(p/100 * total) (at least 1), clamped to [min, max]. 0
 * when empty. */
uint64_t hist_percentile(const struct hist *h, double p);
double hist_mean(const struct hist *h); /* exact: sum / total; 0 when empty */
/* Of the population, from the counts at their middle value. */
double hist_stddev(const struct hist *h);

/* into += from. Same digits: adds counts. from at 2 digits into 3: each count at its
 * middle value (clamped to from's [min, max]); 3 into 2: each count at the bucket it
 * falls into. total, min, max and sum stay exact. 0, -ENOMEM. */
int hist_add(struct hist *into, const struct hist *from);

/* What came into live since the last call with the same seen (same digits; both start
 * empty), added to out (live's digits or fewer); then seen = live. min and max of out
 * come from the counts that changed, clamped to live's exact ones. live may be allocated
 * and recorded into meanwhile; then a sample may be counted one call later than it is
 * summed. Over all calls total, min, max and sum of the outs are exactly those of live.
 * 0, -ENOMEM (nothing is lost then: the next call has it). */
int hist_diff(const struct hist *live, struct hist *seen, struct hist *out);

/* V2 payload, uncompressed (zigzag LEB128, zero runs negative). Appends to out: 0 or
 * -ENOMEM. */
int hist_encode(const struct hist *h, struct buf *out);
/* Decodes into h (hist_init'ed; digits are taken from the payload, 2 or 3 only, and the
 * ranges must be ours). min, max and sum are estimates from the counts; the caller sets
 * the exact ones. Refuses truncated, overlong and overflowing input with err, h is then
 * empty. */
int hist_decode(const void *data, size_t len, struct hist *h, struct err *err);
