/* methods: the tests, for each side. A new one is a file and a line in methods.c. */
#pragma once

#include "net/impl.h"

extern const struct net_method net_stream_sends, net_stream_receives, net_stream_both;
extern const struct net_method net_rr_client, net_rr_client_many, net_rr_server;
extern const struct net_method net_crr_client, net_crr_client_many, net_crr_server;
extern const struct net_method net_udp_sends, net_udp_receives, net_udp_both;
extern const struct net_method net_udp_rr_client, net_udp_rr_client_many,
	net_udp_rr_server;
