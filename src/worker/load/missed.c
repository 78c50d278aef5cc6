/* missed: how often an op was drawn that removes what the load has made, and nothing was there. */
#include "worker/load/missed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/units.h"
#include "worker/engine/engine.h"
#include "worker/load/task.h"

/* Of threads that write at the same time none touches a cache line of another one. */
#define LINE 64u
#define LINE_COUNTS (LINE / sizeof(uint64_t))

int missed_init(struct missed *m, uint32_t threads, uint32_t ops)
{
	missed_finish(m);
	m->threads = threads;
	m->stride = (uint32_t)((ops + LINE_COUNTS - 1) / LINE_COUNTS * LINE_COUNTS);

	const size_t bytes = (size_t)threads * m->stride * sizeof(*m->counts);

	m->counts = aligned_alloc(LINE, bytes);
	if (!m->counts)
		return -ENOMEM;
	memset(m->counts, 0, bytes);
	return 0;
}

void missed_finish(struct missed *m)
{
	free(m->counts);
	*m = (struct missed){0};
}

/* Of so many ops one that was missed is not worth a word: chance moves the mix further than that. */
#define NOTICED 1000

/* By kinds, as results have them. */
struct share_of_mix {
	double asked, delivered;
	uint64_t missed;
};

static void add_asked(const struct task *t, struct share_of_mix *kinds)
{
	const struct missed *m = &t->missed;
	double total = 0;

	for (size_t i = 0; i < t->job.n_ops; i++)
		total += t->job.ops[i].weight;
	for (size_t i = 0; i < t->job.n_ops; i++) {
		struct share_of_mix *s = &kinds[t->job.ops[i].kind];

		s->asked += t->job.ops[i].weight / total;
		for (uint32_t th = 0; th < m->threads; th++)
			s->missed += missed_of(m, th)[i];
	}
}

/* An op that fails was one, too. Returns how many there were. */
static uint64_t add_delivered(const struct engine *e, struct share_of_mix *kinds)
{
	uint64_t all = 0, count[OP_KINDS];

	for (unsigned k = 0; k < OP_KINDS; k++) {
		struct engine_totals totals;

		engine_totals(e, (enum op_kind)k, &totals);
		count[k] = totals.count;
		for (unsigned x = 0; x < OP_ERRORS; x++)
			count[k] += totals.errors[x];
		all += count[k];
	}
	for (unsigned k = 0; k < OP_KINDS && all > 0; k++)
		kinds[k].delivered = (double)count[k] / (double)all;
	return all;
}

char *missed_text(const struct task *t, const struct engine *e)
{
	struct share_of_mix kinds[OP_KINDS] = {0};
	AUTO_BUF struct buf out = BUF_INIT;
	uint64_t all;

	if (!t->missed.counts)
		return NULL;
	all = add_delivered(e, kinds);
	if (all == 0)
		return NULL;
	add_asked(t, kinds);
	for (unsigned k = 0; k < OP_KINDS; k++) {
		const struct share_of_mix *s = &kinds[k];

		if (s->missed == 0 || s->missed < all / NOTICED ||
			s->delivered > s->asked)
			continue;
		buf_printf(&out,
			"%s%s was %.1f %% of the operations, asked %.1f %%: %s times%s "
			"there was nothing of its own thread to be removed",
			out.len ? "; " : "", op_infos[k].name, s->delivered * 100,
			s->asked * 100, units_count(s->missed).s,
			t->job.warmup_ns ? " (warm-up included)" : "");
	}
	return out.len ? strdup(out.data) : NULL;
}
