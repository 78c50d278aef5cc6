/* clock_sync: anchors from bursts of exchanges, and interpolation between them. */
#include "orchestrator/fleet/clock_sync.h"

#include <stdlib.h>

void clock_sync_finish(struct clock_sync *c)
{
	free(c->anchors);
	*c = (struct clock_sync){0};
}

static bool add_anchor(struct clock_sync *c)
{
	struct clock_anchor *grown = realloc(c->anchors, (c->n + 1) * sizeof(*grown));

	if (!grown)
		return false;
	c->anchors = grown;
	c->anchors[c->n++] = c->best;
	return true;
}

bool clock_sync_add(struct clock_sync *c, uint64_t sent_ns, uint64_t their_received_ns,
	uint64_t their_sent_ns, uint64_t got_ns)
{
	uint64_t held = their_sent_ns >= their_received_ns
				? their_sent_ns - their_received_ns
				: 0;
	uint64_t all = got_ns >= sent_ns ? got_ns - sent_ns : 0;
	uint64_t rtt = all > held ? all - held : 0;
	/* offset = ((r - s) + (t - g)) / 2, written so that it cannot overflow */
	int64_t there = (int64_t)(their_received_ns - sent_ns);
	int64_t back = (int64_t)(their_sent_ns - got_ns);
	struct clock_anchor now = {
		.at_ns = sent_ns + all / 2,
		.offset_ns = there / 2 + back / 2 + (there % 2 + back % 2) / 2,
		.bound_ns = (rtt + 1) / 2,
	};

	if (c->exchanges == 0 || now.bound_ns < c->best.bound_ns)
		c->best = now;
	if (c->rtt_ns == 0 || rtt < c->rtt_ns)
		c->rtt_ns = rtt;
	if (++c->exchanges < CLOCK_SYNC_EXCHANGES)
		return false;
	c->exchanges = 0;
	return add_anchor(c);
}

bool clock_sync_at(const struct clock_sync *c, uint64_t our_ns, int64_t *ret_offset_ns,
	uint64_t *ret_bound_ns)
{
	size_t i = 0;

	if (c->n == 0)
		return false;
	while (i < c->n && c->anchors[i].at_ns < our_ns)
		i++;
	if (i == 0 || i == c->n) {
		const struct clock_anchor *a = &c->anchors[i ? i - 1 : 0];

		*ret_offset_ns = a->offset_ns;
		*ret_bound_ns = a->bound_ns;
		return true;
	}

	const struct clock_anchor *a = &c->anchors[i - 1], *b = &c->anchors[i];
	double part = (double)(our_ns - a->at_ns) / (double)(b->at_ns - a->at_ns);

	*ret_offset_ns =
		a->offset_ns + (int64_t)((double)(b->offset_ns - a->offset_ns) * part);
	*ret_bound_ns = a->bound_ns > b->bound_ns ? a->bound_ns : b->bound_ns;
	return true;
}
