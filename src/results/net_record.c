/* net_record: its memory, and what its intervals say together. */
#include "results/net_record.h"

#include <stdlib.h>

#include "proto/msg.h"

void net_result_free(struct net_result *r)
{
	struct msg m = {.type = MSG_NET_RESULT};

	if (!r)
		return;
	m.u.net_result = *r;
	msg_finish(&m);
	free(r);
}

void net_record_clear(struct net_record *r)
{
	for (int side = 0; side < NET_SIDES; side++) {
		net_result_free(r->end[side]);
		r->end[side] = NULL;
		free(r->intervals[side].items);
		r->intervals[side] = (struct net_intervals){0};
	}
	net_values_finish(&r->values);
	free(r->output);
	free(r->error);
	r->output = r->error = NULL;
	r->error_class = NULL;
	r->success = r->cut_short = false;
}

void net_record_finish(struct net_record *r)
{
	net_record_clear(r);
	free(r->client_address);
	free(r->server_address);
	free(r->command);
	*r = (struct net_record){0};
}

bool net_spec_transacts(const struct net_spec *s)
{
	return s->test == NET_RR || s->test == NET_CRR;
}

bool net_spec_asks(const struct net_spec *s)
{
	return s->test != NET_STREAM;
}

/* What an end's report adds to the rate: only who gets something knows what came. */
static double rate_of(
	const struct net_spec *s, enum net_side side, const struct net_interval *i)
{
	double seconds = (double)(i->to_ns - i->from_ns) / 1e9;

	if (seconds <= 0)
		return 0;
	if (net_spec_transacts(s))
		return side == NET_CLIENT ? (double)i->counts.transactions / seconds : 0;
	return (double)i->counts.bytes_recvd * 8 / 1e6 / seconds;
}

bool net_record_interval(const struct net_record *r, size_t seq,
	const struct net_interval **ret, double *ret_rate)
{
	*ret = NULL;
	*ret_rate = 0;
	for (int side = 0; side < NET_SIDES; side++) {
		const struct net_intervals *list = &r->intervals[side];

		if (seq >= list->n)
			continue;
		if (!*ret)
			*ret = &list->items[seq];
		*ret_rate += rate_of(r->spec, (enum net_side)side, &list->items[seq]);
	}
	return *ret != NULL;
}
