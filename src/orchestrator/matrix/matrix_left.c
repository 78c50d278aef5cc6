/* matrix_left: how long what is left of a matrix takes, and how much in step its rounds began. */
#include <string.h>

#include "common/clock.h"
#include "common/units.h"
#include "orchestrator/command.h"
#include "orchestrator/matrix/matrix_private.h"

/* A round that is later than this has lost some of the time in which its pairs were to run together. */
#define SKEW_MAX_NS (10 * NS_PER_MS)

static uint64_t test_ns(const struct matrix_test *t)
{
	return t->words->spec.warmup_ns + t->words->spec.duration_ns;
}

/* A step is left while a pair of it is to run; in a pass behind the last round only those that failed are. */
static uint64_t step_ns(const struct matrix *m, size_t step, bool again)
{
	size_t round = step % m->plan.rounds, of = step / m->plan.rounds * m->plan.n;

	for (size_t i = m->first[round]; i < m->first[round + 1]; i++) {
		const struct matrix_task *t = &m->tasks[of + m->order[i]];

		if (again ? t->again : !t->over && !t->again)
			return (test_ns(t->test) + MATRIX_ROUND_EXTRA_NS) *
			       m->work.iterations[0];
	}
	return 0;
}

/* Of the round that is on, with the iterations that its pairs need at least. */
static uint64_t round_ns(const struct matrix *m, uint64_t now_ns)
{
	uint64_t most = 0;

	for (size_t i = 0; i < m->n_flights; i++) {
		const struct matrix_flight *f = &m->flights[i];
		uint64_t once = test_ns(f->task->test), end = m->start_ns + once;
		uint64_t left = end > now_ns && !f->landed ? end - now_ns : 0;
		size_t done = f->task->n_measured + !f->landed;

		if (f->landed && !f->more)
			continue;
		if (m->work.iterations[0] > done)
			left += (m->work.iterations[0] - done) *
				(once + MATRIX_ROUND_EXTRA_NS);
		most = left > most ? left : most;
	}
	return most;
}

uint64_t matrix_left_ns(const struct matrix *m, uint64_t now_ns)
{
	uint64_t all = round_ns(m, now_ns);

	for (size_t step = m->step; step < m->n_steps; step++) {
		all += step_ns(m, step, m->pass > 0);
		if (!m->pass && step % m->plan.rounds == 0)
			all += m->work.rest_ns;
	}
	/* those that have failed so far run again behind the last round */
	for (size_t step = 0; !m->pass && step < m->step; step++)
		all += step_ns(m, step, true);
	return all;
}

void matrix_skew_add(struct matrix *m, const struct matrix_flight *f)
{
	/* programs begin when they like */
	for (int side = 0; side < NET_SIDES && !f->failure && !f->values; side++) {
		const struct matrix_end *e = &f->end[side];
		int64_t offset = 0;
		uint64_t bound = 0;

		if (!e->result || !e->result->late_ns ||
			!clock_sync_at(&e->w->clock, clock_ns(), &offset, &bound))
			continue;
		if (e->result->late_ns < m->early_ns)
			m->early_ns = e->result->late_ns;
		if (e->result->late_ns > m->late_ns)
			m->late_ns = e->result->late_ns;
		if (bound > m->skew_bound_ns)
			m->skew_bound_ns = bound;
	}
}

void matrix_skew_round(struct matrix *m)
{
	uint64_t skew = m->late_ns > m->early_ns ? m->late_ns - m->early_ns : 0;

	if (skew > m->skew_ns)
		m->skew_ns = skew;
	m->skewed += skew > SKEW_MAX_NS;
	m->early_ns = UINT64_MAX;
	m->late_ns = 0;
}

void matrix_skew_note(struct matrix *m)
{
	if (m->skewed)
		matrix_remark(m,
			"in %s pairs began more than %d ms apart, up to %.0f ms "
			"(busy hosts): they did not all run in the same time",
			units_of(m->skewed, "round").s, (int)(SKEW_MAX_NS / NS_PER_MS),
			(double)m->skew_ns / 1e6);
}
