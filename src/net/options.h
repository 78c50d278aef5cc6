/* options: what a socket of a test is given, and whether the kernel took it. */
#pragma once

#include "net/address.h"
#include "net/remarks.h"
#include "proto/net.h"

/* Gives fd what end and spec ask for: before connect or listen, so that windows fit; an accepted socket
 * may be given it again. What the kernel took only in part becomes a remark. 0, or -1 with why: this
 * machine cannot do what was asked. */
int net_options_set(int fd, const struct net_spec *spec, const struct net_end *end,
	struct remarks *remarks, struct net_why *why);

/* What fd has in the end: buffers, congestion control, nodelay, tos. */
void net_options_get(int fd, struct net_socket_info *into);
/* Both its addresses, while it is connected. */
void net_options_addresses(int fd, struct net_socket_info *into);

/* TCP_INFO of one connection; false: it has none (udp). */
struct net_tcp_info {
	uint64_t retransmits; /* segments, from its beginning */
	uint64_t mss, cwnd;
	double rtt_us, min_rtt_us;
};
bool net_tcp_info(int fd, struct net_tcp_info *ret);

/* Datagrams that fd dropped since it was made, for its buffer was full; 0: none or not known. */
uint32_t net_socket_drops(int fd);
