/* record: what an engine thread writes down about its ops. */
#include "worker/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A counter with one writer and readers at any time. */
static inline void count_up(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

static int op_record_init(struct op_record *o)
{
	for (unsigned b = 0; b < BUCKETS; b++)
		for (unsigned k = 0; k < SAMPLE_KINDS; k++)
			hist_init(&o->hist[b][k], 3);
	hist_init(&o->response, 2);
	hist_init(&o->service, 2);
	return hist_alloc(&o->response) < 0 || hist_alloc(&o->service) < 0 ? -ENOMEM : 0;
}

int record_init(struct recorder *r, unsigned kinds)
{
	for (unsigned kind = 0; kind < OP_KINDS; kind++) {
		if (!(kinds & 1u << kind))
			continue;
		r->ops[kind] =
			aligned_alloc(64, (sizeof(struct op_record) + 63) / 64 * 64);
		if (!r->ops[kind])
			return -ENOMEM;
		memset(r->ops[kind], 0, sizeof(struct op_record));
		if (op_record_init(r->ops[kind]) < 0)
			return -ENOMEM;
	}
	return 0;
}

void record_finish(struct recorder *r)
{
	for (unsigned kind = 0; kind < OP_KINDS; kind++) {
		struct op_record *o = r->ops[kind];

		if (!o)
			continue;
		for (unsigned b = 0; b < BUCKETS; b++)
			for (unsigned k = 0; k < SAMPLE_KINDS; k++)
				hist_finish(&o->hist[b][k]);
		hist_finish(&o->response);
		hist_finish(&o->service);
		free(o);
		r->ops[kind] = NULL;
	}
}

/* Without memory for a histogram the sample still counts in the live part. */
static inline void add_sample(struct hist *h, uint64_t ns)
{
	if (__builtin_expect(!h->counts, 0) && hist_alloc(h) < 0)
		return;
	hist_record(h, ns);
}

static void record_failure(struct op_record *o, const struct io *io)
{
	uint64_t so_far = 0;

	for (unsigned e = 0; e < OP_ERRORS; e++)
		so_far += o->errors[e];
	if (so_far == 0)
		memcpy(o->first_error, io->error_text, RECORD_TEXT);
	count_up(&o->errors[io->error], 1);
	add_sample(&o->hist[0][SAMPLE_FAILED], io->end_ns - io->due_ns);
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

	if (__builtin_expect(io->error != OP_OK, 0)) {
		record_failure(o, io);
		return;
	}
	unsigned bucket = bucket_of(op_infos[io->kind].moves_data ? io->bytes : 0);
	struct hist *h = o->hist[bucket];

	add_sample(&h[SAMPLE_RESPONSE], response);
	add_sample(&h[SAMPLE_SERVICE], service);
	add_sample(&h[SAMPLE_LATENESS], lateness);
	if (io->first_byte_ns)
		add_sample(&h[SAMPLE_FIRST_BYTE], io->first_byte_ns - io->start_ns);
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
	add_sample(&r->ops[kind]->hist[0][SAMPLE_PAGE], ns);
}

void record_seen_init(struct record_seen *s)
{
	*s = (struct record_seen){0};
	hist_init(&s->response, 2);
	hist_init(&s->service, 2);
}

void record_seen_finish(struct record_seen *s)
{
	hist_finish(&s->response);
	hist_finish(&s->service);
}

static uint64_t count_since(const uint64_t *live, uint64_t *seen)
{
	uint64_t now = __atomic_load_n(live, __ATOMIC_RELAXED);
	uint64_t n = now - *seen;

	*seen = now;
	return n;
}

int record_delta(struct op_record *live, struct record_seen *seen, struct op_delta *delta,
	uint64_t *late_max_ns, char *sample)
{
	uint64_t late = __atomic_exchange_n(&live->late_max_ns, 0, __ATOMIC_RELAXED);

	if (late > *late_max_ns)
		*late_max_ns = late;
	for (unsigned e = 0; e < OP_ERRORS; e++)
		delta->errors[e] += count_since(&live->errors[e], &seen->errors[e]);
	delta->bytes += count_since(&live->bytes, &seen->bytes);
	if (__atomic_load_n(&live->sample_ready, __ATOMIC_ACQUIRE)) {
		if (!*sample)
			memcpy(sample, live->sample, RECORD_TEXT);
		__atomic_store_n(&live->sample_ready, 0, __ATOMIC_RELEASE);
	}
	if (hist_diff(&live->response, &seen->response, &delta->response) < 0 ||
		hist_diff(&live->service, &seen->service, &delta->service) < 0)
		return -ENOMEM;
	delta->count = delta->response.total;
	return 0;
}
