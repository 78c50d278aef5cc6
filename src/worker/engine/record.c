/* record: what an engine thread writes down about its ops. */
#include "worker/engine/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* A counter with one writer and readers at any time. */
static inline void count_up(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

#define PAGE_BYTES 4096u

static size_t counts_bytes(unsigned digits)
{
	size_t bytes = hist_counts_len(digits) * sizeof(uint64_t);

	return (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

/* What one kind of op needs. */
static size_t op_counts_bytes(void)
{
	return BUCKETS * SAMPLE_KINDS * counts_bytes(3) + 4 * counts_bytes(2);
}

/* Gives h its counts, at *at, and moves that on. */
static void place(struct hist *h, unsigned digits, uint8_t **at)
{
	hist_init(h, digits);
	h->counts = (uint64_t *)(void *)*at;
	*at += counts_bytes(digits);
}

static void op_record_init(struct op_record *o, uint8_t *at)
{
	for (unsigned b = 0; b < BUCKETS; b++)
		for (unsigned k = 0; k < SAMPLE_KINDS; k++)
			place(&o->hist[b][k], 3, &at);
	place(&o->response, 2, &at);
	place(&o->service, 2, &at);
	place(&o->seen.response, 2, &at);
	place(&o->seen.service, 2, &at);
}

int record_init(struct recorder *r, unsigned kinds)
{
	const size_t bytes = (size_t)__builtin_popcount(kinds) * op_counts_bytes();
	uint8_t *at;

	*r = (struct recorder){0};
	at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED)
		return -ENOMEM;
	r->counts = at;
	r->counts_bytes = bytes;
	/* a huge page for each count that is touched would be a thousand times too much */
	madvise(at, bytes, MADV_NOHUGEPAGE);
	for (unsigned kind = 0; kind < OP_KINDS; kind++) {
		if (!(kinds & 1u << kind))
			continue;
		r->ops[kind] =
			aligned_alloc(64, (sizeof(struct op_record) + 63) / 64 * 64);
		if (!r->ops[kind])
			return -ENOMEM;
		memset(r->ops[kind], 0, sizeof(struct op_record));
		op_record_init(r->ops[kind], at);
		at += op_counts_bytes();
	}
	return 0;
}

void record_finish(struct recorder *r)
{
	for (unsigned kind = 0; kind < OP_KINDS; kind++)
		free(r->ops[kind]);
	if (r->counts)
		munmap(r->counts, r->counts_bytes);
	*r = (struct recorder){0};
}

static void record_failure(struct op_record *o, const struct io *io)
{
	uint64_t so_far = 0;

	for (unsigned e = 0; e < OP_ERRORS; e++)
		so_far += o->errors[e];
	if (so_far == 0)
		memcpy(o->first_error, io->error_text, RECORD_TEXT);
	count_up(&o->errors[io->error], 1);
	if (io->kind == OP_DELETE) /* of several objects some may have gone */
		o->entries += io->entries;
	hist_record(&o->hist[0][SAMPLE_FAILED], io->end_ns - io->due_ns);
	if (__atomic_load_n(&o->sample_ready, __ATOMIC_ACQUIRE) == 0) {
		memcpy(o->sample, io->error_text, RECORD_TEXT);
		__atomic_store_n(&o->sample_ready, 1, __ATOMIC_RELEASE);
	}
}

void record_op(struct recorder *r, const struct io *io)
{
	struct op_record *o = r->ops[io->kind];
	uint64_t response = io->end_ns - io->due_ns;
	uint64_t service = io->end_ns - io->start_ns;
	uint64_t lateness = io->start_ns - io->due_ns;

	if (__builtin_expect(io->attempts > 0, 0))
		count_up(&o->retries, io->attempts);
	if (__builtin_expect(io->error != OP_OK, 0)) {
		record_failure(o, io);
		return;
	}
	unsigned bucket = bucket_of(op_infos[io->kind].moves_data ? io->bytes : 0);
	struct hist *h = o->hist[bucket];

	hist_record(&h[SAMPLE_RESPONSE], response);
	hist_record(&h[SAMPLE_SERVICE], service);
	hist_record(&h[SAMPLE_LATENESS], lateness);
	if (io->first_byte_ns)
		hist_record(&h[SAMPLE_FIRST_BYTE], io->first_byte_ns - io->start_ns);
	hist_record(&o->response, response);
	hist_record(&o->service, service);
	o->bucket_bytes[bucket] += io->bytes;
	count_up(&o->bytes, io->bytes);
	o->pages += io->pages;
	o->entries += io->entries;
	if (__builtin_expect(
		    lateness > __atomic_load_n(&o->late_max_ns, __ATOMIC_RELAXED), 0))
		__atomic_store_n(&o->late_max_ns, lateness, __ATOMIC_RELAXED);
}

void record_page(struct recorder *r, enum op_kind kind, uint64_t ns)
{
	hist_record(&r->ops[kind]->hist[0][SAMPLE_PAGE], ns);
}

static uint64_t count_since(const uint64_t *live, uint64_t *seen)
{
	uint64_t now = __atomic_load_n(live, __ATOMIC_RELAXED);
	uint64_t n = now - *seen;

	*seen = now;
	return n;
}

int record_delta(
	struct op_record *o, struct op_delta *delta, uint64_t *late_max_ns, char *sample)
{
	uint64_t late = __atomic_exchange_n(&o->late_max_ns, 0, __ATOMIC_RELAXED);

	if (late > *late_max_ns)
		*late_max_ns = late;
	for (unsigned e = 0; e < OP_ERRORS; e++)
		delta->errors[e] += count_since(&o->errors[e], &o->seen.errors[e]);
	delta->bytes += count_since(&o->bytes, &o->seen.bytes);
	delta->retries += count_since(&o->retries, &o->seen.retries);
	if (__atomic_load_n(&o->sample_ready, __ATOMIC_ACQUIRE)) {
		if (!*sample)
			memcpy(sample, o->sample, RECORD_TEXT);
		__atomic_store_n(&o->sample_ready, 0, __ATOMIC_RELEASE);
	}
	if (hist_diff(&o->response, &o->seen.response, &delta->response) < 0 ||
		hist_diff(&o->service, &o->seen.service, &delta->service) < 0)
		return -ENOMEM;
	delta->count = delta->response.total;
	return 0;
}
