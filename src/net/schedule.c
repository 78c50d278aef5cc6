/* schedule: when transactions of an open loop are due. */
#include "net/schedule.h"

#include <stdlib.h>

#include "common/units.h"
#include "net/impl.h"

/* What is due is begun in parts: with a rate that no processor keeps up with it would never end, and answers would
 * not be read. */
#define DUES_MAX 4096u

/* Of a thread: the dues of its flows come in the flows' order, round by round. */
struct rounds {
	uint64_t round;
	uint32_t flow;
};

static struct rounds *begin(struct net_thread *t, struct schedule *(*of)(struct flow *))
{
	const struct net_pair *p = t->pair;
	double gap = (double)NS_PER_SEC / p->spec->rate;

	t->state = calloc(1, sizeof(struct rounds));
	for (uint32_t i = 0; t->state && i < t->n_flows; i++) {
		struct flow *f = net_thread_flow(t, i);

		*of(f) = (struct schedule){
			.first_ns = gap * f->index,
			.gap_ns = gap * p->n_flows,
			.start_ns = p->start_ns,
		};
	}
	return t->state;
}

uint64_t schedule_run(struct net_thread *t, uint64_t now_ns,
	struct schedule *(*of)(struct flow *),
	void (*start)(struct net_thread *, struct flow *))
{
	struct rounds *r = t->state ? t->state : begin(t, of);

	if (!r)
		return now_ns + NS_PER_MS;
	for (uint32_t i = 0; i < DUES_MAX; i++) {
		struct flow *f = net_thread_flow(t, r->flow);
		struct schedule *s = of(f);
		uint64_t at = s->start_ns +
			      (uint64_t)(s->first_ns + (double)r->round * s->gap_ns);

		if (at > now_ns)
			return at;
		s->owed++;
		if (f->live)
			start(t, f);
		if (++r->flow == t->n_flows) {
			r->flow = 0;
			r->round++;
		}
	}
	return now_ns;
}
