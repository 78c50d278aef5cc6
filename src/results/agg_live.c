/* agg_live: the newest interval of the run, for who watches: one delta of each worker. */
#include <string.h>

#include "results/agg_state.h"

void live_init(struct live_interval *l)
{
	for (int op = 0; op < OP_KINDS; op++)
		hist_init(&l->ops[op].response, 2);
}

void live_clear(struct live_interval *l, size_t n)
{
	l->n_from = 0;
	l->seconds = 0;
	memset(l->from, 0, n * sizeof(bool));
	for (int op = 0; op < OP_KINDS; op++) {
		l->ops[op].seen = false;
		l->ops[op].count = l->ops[op].bytes = l->ops[op].errors = 0;
		l->ops[op].retries = 0;
		l->ops[op].rate = 0;
		hist_reset(&l->ops[op].response);
	}
}

/* The open interval becomes the newest, and an empty one is opened. */
static void live_rotate(struct agg *a)
{
	struct live_interval *closed = a->open;

	a->open = a->newest;
	a->newest = closed;
	live_clear(a->open, a->n);
	a->open->phase = closed->phase;
	a->open_lacks = closed->n_from;
	a->serial++;
}

static int live_add(struct agg *a, size_t worker, const struct msg_stats *s)
{
	struct live_interval *l = a->open;
	double seconds =
		s->to_ns > s->from_ns ? (double)(s->to_ns - s->from_ns) / 1e9 : 1e-9;

	for (size_t i = 0; i < s->n_ops; i++) {
		const struct op_delta *d = &s->ops[i];
		int rc = hist_add(&l->ops[d->kind].response, &d->response);

		if (rc < 0)
			return rc;
		l->ops[d->kind].seen = true;
		l->ops[d->kind].count += d->count;
		l->ops[d->kind].bytes += d->bytes;
		l->ops[d->kind].errors += op_errors_total(d->errors);
		l->ops[d->kind].retries += d->retries;
		l->ops[d->kind].rate += (double)d->count / seconds;
		a->live_ops |= 1u << d->kind;
	}
	l->seconds += seconds;
	l->from[worker] = true;
	l->n_from++;
	return 0;
}

/* An interval is closed when all workers of the one before have reported, or when one reports a
 * second time: so each is in it once, whatever the phase of its clock, and none is waited for. */
int live_take(struct agg *a, size_t worker, const struct msg_stats *s)
{
	int rc;

	if (s->phase < a->open->phase)
		return 0; /* a straggler of a phase that is over */
	if (s->phase > a->open->phase) {
		if (a->open->n_from)
			live_rotate(a);
		a->open->phase = s->phase;
		a->live_ops = 0;
	} else if (a->open->from[worker]) {
		live_rotate(a);
	}
	if (a->newest->n_from == 0 || a->newest->from[worker])
		a->open_lacks -= a->open_lacks > 0;
	rc = live_add(a, worker, s);
	if (rc == 0 && a->open_lacks == 0)
		live_rotate(a);
	return rc;
}

size_t agg_live(struct agg *a, const struct live_op **ret)
{
	const struct live_interval *l = a->newest;
	size_t n = 0;

	*ret = a->rows;
	if (l->n_from == 0)
		return 0;
	for (unsigned op = 0; op < OP_KINDS; op++) {
		if (!l->ops[op].seen && !(a->live_ops & 1u << op))
			continue;
		a->rows[n++] = (struct live_op){
			.op = (enum op_kind)op,
			.count = l->ops[op].count,
			.bytes = l->ops[op].bytes,
			.errors = l->ops[op].errors,
			.retries = l->ops[op].retries,
			.seconds = l->ops[op].count
					   ? (double)l->ops[op].count / l->ops[op].rate
					   : l->seconds / (double)l->n_from,
			.response = l->ops[op].response,
			.workers = l->n_from,
			.interval = a->serial,
		};
	}
	return n;
}
