/* results-data: messages of made-up workers, for the tests of results/. */
#pragma once

#include <stdlib.h>

#include "check.h"
#include "common/err.h"
#include "common/rng.h"
#include "results/agg.h"

/* A latency between 50 us and some ms with a long tail, in ns. */
static inline uint64_t sample_ns(struct rng *r)
{
	double d = rng_double(r);

	return 50000 + rng_below(r, 50000) + (uint64_t)(d * d * d * d * d * d * 5e6);
}

/* A delta under construction: up to all ops. */
struct delta {
	struct msg_stats stats;
	struct op_delta ops[OP_KINDS];
};

static inline void delta_init(
	struct delta *d, enum phase phase, uint32_t seq, uint64_t from_ns, uint64_t to_ns)
{
	*d = (struct delta){
		.stats = {
			.phase = phase, .seq = seq, .from_ns = from_ns, .to_ns = to_ns}};
	d->stats.ops = d->ops;
}

static inline struct op_delta *delta_op(struct delta *d, enum op_kind kind)
{
	struct op_delta *op = &d->ops[d->stats.n_ops++];

	op->kind = kind;
	hist_init(&op->response, 2);
	hist_init(&op->service, 2);
	return op;
}

static inline void delta_sample(struct op_delta *op, uint64_t ns, uint64_t bytes)
{
	CHECK(hist_alloc(&op->response) == 0 && hist_alloc(&op->service) == 0);
	hist_record(&op->response, ns);
	hist_record(&op->service, ns);
	op->count++;
	op->bytes += bytes;
}

static inline void delta_finish(struct delta *d)
{
	for (size_t i = 0; i < d->stats.n_ops; i++) {
		hist_finish(&d->ops[i].response);
		hist_finish(&d->ops[i].service);
	}
}

/* What one op of a worker will send as result lines. */
struct op_result {
	enum op_kind op;
	struct msg_result lines[BUCKETS][SAMPLE_KINDS];
	struct msg_result totals;
};

static inline void op_result_init(struct op_result *r, enum op_kind op)
{
	*r = (struct op_result){.op = op, .totals = {.op = op, .kind = SAMPLE_KINDS}};
	for (unsigned b = 0; b < BUCKETS; b++)
		for (unsigned k = 0; k < SAMPLE_KINDS; k++) {
			r->lines[b][k].op = op;
			r->lines[b][k].bucket = b;
			r->lines[b][k].kind = (enum sample_kind)k;
			hist_init(&r->lines[b][k].hist, 3);
		}
}

static inline void op_result_sample(
	struct op_result *r, enum sample_kind kind, uint64_t ns, uint64_t bytes)
{
	struct msg_result *line = &r->lines[bucket_of(bytes)][kind];

	CHECK(hist_alloc(&line->hist) == 0);
	hist_record(&line->hist, ns);
	if (kind == SAMPLE_RESPONSE) {
		line->bytes += bytes;
		r->totals.count++;
	}
}

/* Sends the lines that have samples and the totals line; returns how many. */
static inline uint64_t op_result_send(struct op_result *r, struct agg *a, size_t worker)
{
	struct err err = ERR_INIT;
	uint64_t n = 1;

	for (unsigned b = 0; b < BUCKETS; b++)
		for (unsigned k = 0; k < SAMPLE_KINDS; k++) {
			if (r->lines[b][k].hist.total == 0)
				continue;
			CHECK(agg_add_result(a, worker, &r->lines[b][k], &err) == 0, "%s",
				err.text);
			n++;
		}
	CHECK(agg_add_result(a, worker, &r->totals, &err) == 0, "%s", err.text);
	return n;
}

static inline void op_result_finish(struct op_result *r)
{
	for (unsigned b = 0; b < BUCKETS; b++)
		for (unsigned k = 0; k < SAMPLE_KINDS; k++)
			hist_finish(&r->lines[b][k].hist);
}
