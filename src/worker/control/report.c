/* report: what a running phase has to say. */
#include "worker/control/report.h"

#include <errno.h>
#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "worker/control/work.h"

static void clear_part(struct report_part *p)
{
	for (unsigned k = 0; k < OP_KINDS; k++) {
		struct op_delta *d = &p->deltas[k];

		d->kind = (enum op_kind)k;
		d->count = d->bytes = d->retries = 0;
		memset(d->errors, 0, sizeof(d->errors));
		hist_reset(&d->response);
		hist_reset(&d->service);
	}
	p->late_max_ns = 0;
	p->dropped = 0;
	p->sample[0] = '\0';
}

void report_init(struct report *r, uint32_t generation)
{
	memset(r, 0, sizeof(*r));
	r->generation = generation;
	for (unsigned p = 0; p < PARTS; p++) {
		for (unsigned k = 0; k < OP_KINDS; k++) {
			struct op_delta *d = &r->parts[p].deltas[k];

			hist_init(&d->response, 2);
			hist_init(&d->service, 2);
			/* here, not in the midst of the load; when it fails, it is tried again */
			hist_alloc(&d->response);
			hist_alloc(&d->service);
		}
		clear_part(&r->parts[p]);
	}
}

void report_finish(struct report *r)
{
	for (unsigned p = 0; p < PARTS; p++) {
		for (unsigned k = 0; k < OP_KINDS; k++) {
			hist_finish(&r->parts[p].deltas[k].response);
			hist_finish(&r->parts[p].deltas[k].service);
		}
	}
}

void report_begin(struct report *r, uint64_t from_ns)
{
	machine_init(&r->machine, r->mounts);
	for (unsigned p = 0; p < PARTS; p++) {
		clear_part(&r->parts[p]);
		r->parts[p].from_ns = from_ns;
		r->parts[p].done = r->parts[p].done_bytes = r->parts[p].errors = 0;
	}
}

static uint64_t sum_errors(const struct op_delta *d)
{
	uint64_t n = 0;

	for (unsigned e = 0; e < OP_ERRORS; e++)
		n += d->errors[e];
	return n;
}

int report_gather(struct report *r, struct work *work)
{
	for (unsigned i = 0; i < PARTS; i++) {
		struct report_part *p = &r->parts[i];
		uint64_t done = 0, bytes = 0, errors = 0;
		int rc;

		for (unsigned k = 0; k < OP_KINDS; k++) {
			done -= p->deltas[k].count;
			bytes -= p->deltas[k].bytes;
			errors -= sum_errors(&p->deltas[k]);
		}
		rc = work_delta(
			work, (enum part)i, p->deltas, &p->late_max_ns, p->sample);
		if (rc < 0)
			return rc;
		for (unsigned k = 0; k < OP_KINDS; k++) {
			done += p->deltas[k].count;
			bytes += p->deltas[k].bytes;
			errors += sum_errors(&p->deltas[k]);
		}
		p->done += done;
		p->done_bytes += bytes;
		p->errors += errors;
	}
	return 0;
}

static bool has_ops(const struct op_delta *d)
{
	/* the bytes of an op may come an interval after its count */
	return d->count > 0 || d->bytes > 0 || d->retries > 0 || sum_errors(d) > 0;
}

bool report_pending(const struct report *r, enum part part)
{
	for (unsigned k = 0; k < OP_KINDS; k++)
		if (has_ops(&r->parts[part].deltas[k]))
			return true;
	return false;
}

/* Where the interval that began at from_ns ends. What came too late for the part it belongs to is given
 * the time in which it came. */
static uint64_t interval_end(uint64_t from_ns, uint64_t until_ns)
{
	uint64_t now = clock_ns();

	if (until_ns > from_ns && until_ns < now)
		return until_ns;
	return now > from_ns ? now : from_ns;
}

int report_stats(struct report *r, const struct report_stats *ask, struct buf *out)
{
	struct report_part *p = &r->parts[ask->part];
	struct op_delta ops[OP_KINDS];
	struct msg m = {.type = MSG_STATS};
	struct msg_stats *s = &m.u.stats;
	uint64_t to_ns = interval_end(p->from_ns, ask->until_ns);
	int rc;

	if (!report_pending(r, ask->part) &&
		(to_ns - p->from_ns < ask->least_ns || p->from_ns >= ask->until_ns))
		return 0;
	if (!ask->room) {
		p->dropped++;
		return 0;
	}
	*s = (struct msg_stats){
		.generation = r->generation,
		.seq = r->seq,
		.phase = ask->phase,
		.from_ns = p->from_ns,
		.to_ns = to_ns,
		.late_max_ns = p->late_max_ns,
		.dropped = p->dropped,
		.ops = ops,
		.error_sample = p->sample[0] ? p->sample : NULL,
	};
	const bool load = ask->phase == PHASE_WARMUP || ask->phase == PHASE_MEASURE;

	if (!load || ask->total > 0) {
		s->done = load ? ask->through : p->done;
		s->total = ask->total;
		s->done_bytes = p->done_bytes;
	}
	machine_sample(&r->machine, &s->machine);
	for (unsigned k = 0; k < OP_KINDS; k++)
		if (has_ops(&p->deltas[k]))
			ops[s->n_ops++] = p->deltas[k];
	rc = msg_encode(&m, out);
	if (rc < 0)
		return rc;
	r->seq++;
	p->from_ns = s->to_ns;
	clear_part(p);
	return 0;
}

/* Position: op, then its buckets and kinds of time, then its totals. */
#define LINES_PER_OP (BUCKETS * SAMPLE_KINDS + 1)

static int totals_line(struct results *r, enum op_kind kind, struct buf *out)
{
	struct engine_totals t;
	struct msg m = {.type = MSG_RESULT};

	engine_totals(r->engine, kind, &t);
	m.u.result = (struct msg_result){
		.generation = r->generation,
		.op = kind,
		.kind = SAMPLE_KINDS,
		.count = t.count,
		.drained = t.drained,
		.abandoned = t.abandoned,
		.retries = t.retries,
		.pages = t.pages,
		.entries = t.entries,
		.error_sample = t.first_error[0] ? t.first_error : NULL,
	};
	hist_init(&m.u.result.hist, 3);
	memcpy(m.u.result.errors, t.errors, sizeof(t.errors));
	return msg_encode(&m, out);
}

/* 1, 0 when there are no samples, or -ENOMEM. */
static int hist_line(struct results *r, enum op_kind kind, unsigned bucket,
	enum sample_kind sample, struct buf *out)
{
	struct msg m = {.type = MSG_RESULT};
	struct msg_result *line = &m.u.result;
	uint64_t bytes = 0;
	int rc;

	*line = (struct msg_result){.generation = r->generation,
		.op = kind,
		.bucket = bucket,
		.kind = sample};
	hist_init(&line->hist, 3);
	rc = engine_merge(r->engine, kind, bucket, sample, &line->hist, &bytes);
	if (sample == SAMPLE_RESPONSE)
		line->bytes = bytes;
	if (rc == 0 && line->hist.total > 0) {
		rc = msg_encode(&m, out);
		rc = rc < 0 ? rc : 1;
	}
	hist_finish(&line->hist);
	return rc;
}

/* Behind those of the ops: 1, 0 when there are no more, or -ENOMEM. */
static int endpoint_line(struct results *r, uint64_t index, struct buf *out)
{
	const uint32_t n = engine_endpoints(r->engine);
	struct msg m = {.type = MSG_ENDPOINT};
	struct msg_endpoint *line = &m.u.endpoint;
	int rc;

	if (n == 0 || index > n)
		return 0;
	*line = (struct msg_endpoint){
		.generation = r->generation,
		.uri = index < n ? r->endpoints->uris[index] : (char[]){""},
	};
	hist_init(&line->hist, 3);
	rc = engine_endpoint(
		r->engine, (uint32_t)index, &line->hist, &line->bytes, line->errors);
	if (rc == 0)
		rc = msg_encode(&m, out);
	hist_finish(&line->hist);
	return rc < 0 ? rc : 1;
}

int results_next(struct results *r, struct buf *out)
{
	for (;;) {
		unsigned kind = (unsigned)(r->next / LINES_PER_OP);
		unsigned at = (unsigned)(r->next % LINES_PER_OP);
		int rc;

		if (kind >= OP_KINDS) {
			rc = endpoint_line(
				r, r->next - (uint64_t)OP_KINDS * LINES_PER_OP, out);
			r->next += rc > 0;
			r->lines += rc > 0;
			return rc;
		}
		r->next++;
		if (!(r->kinds & 1u << kind))
			continue;
		if (at == LINES_PER_OP - 1) {
			rc = totals_line(r, (enum op_kind)kind, out);
			rc = rc < 0 ? rc : 1;
		} else {
			rc = hist_line(r, (enum op_kind)kind, at / SAMPLE_KINDS,
				(enum sample_kind)(at % SAMPLE_KINDS), out);
		}
		if (rc == 0)
			continue;
		r->lines += rc > 0;
		return rc;
	}
}
