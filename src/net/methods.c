/* methods: which one a test and a side have. */
#include "net/methods.h"

/* By who sends, seen from this end: not, only, both. */
static const struct net_method *const streams[NET_PROTOCOLS][NET_DIRS] = {
	[NET_TCP] = {&net_stream_sends, &net_stream_receives, &net_stream_both},
	[NET_UDP] = {&net_udp_sends, &net_udp_receives, &net_udp_both},
};

const struct net_method *net_method_for(const struct net_spec *s, enum net_side side)
{
	static const enum net_dir turned[NET_DIRS] = {NET_RECV, NET_SEND, NET_BIDIR};
	bool client = side == NET_CLIENT;

	if (s->test == NET_STREAM || s->test == NET_MIX)
		return streams[s->protocol][client ? s->dir : turned[s->dir]];
	if (s->test == NET_CRR && client)
		return s->rate > 0 ? &net_crr_client_many : &net_crr_client;
	if (s->test == NET_CRR)
		return &net_crr_server;
	if (s->protocol == NET_UDP && !client)
		return &net_udp_rr_server;
	if (!client)
		return &net_rr_server;
	/* with more than one in flight, or at a time of its own, nothing may block */
	if (s->protocol == NET_UDP)
		return s->depth > 1 || s->rate > 0 ? &net_udp_rr_client_many
						   : &net_udp_rr_client;
	return s->depth > 1 || s->rate > 0 ? &net_rr_client_many : &net_rr_client;
}

const struct net_method *net_probe_for(const struct net_spec *s, enum net_side side)
{
	if (s->test != NET_MIX)
		return NULL;
	return side == NET_CLIENT ? &net_rr_client : &net_rr_server;
}
