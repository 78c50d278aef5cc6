/* options: what a socket of a test is given, and whether the kernel took it.
 *
 * linux/tcp.h for all of TCP_INFO; netinet/tcp.h must not come beside it. */
#include "net/options.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int get_int(int fd, int level, int name)
{
	int value = 0;
	socklen_t len = sizeof(value);

	return getsockopt(fd, level, name, &value, &len) < 0 ? -errno : value;
}

/* The kernel doubles what it is asked for, and says so. */
static void set_buffer(int fd, int name, uint64_t bytes, const char *what,
	const char *limit, struct remarks *remarks)
{
	int got;

	if (!bytes)
		return;
	set_int(fd, SOL_SOCKET, name, (int)bytes);
	got = get_int(fd, SOL_SOCKET, name) / 2;
	if (got >= 0 && (uint64_t)got < bytes)
		remarks_add(remarks,
			"a %s buffer of %llu bytes was asked for, the kernel gave %d "
			"(net.core.%s)",
			what, (unsigned long long)bytes, got, limit);
}

static void set_tos(int fd, uint32_t tos, struct remarks *remarks)
{
	int v4 = set_int(fd, IPPROTO_IP, IP_TOS, (int)tos);
	int v6 = set_int(fd, IPPROTO_IPV6, IPV6_TCLASS, (int)tos);

	if (v4 < 0 && v6 < 0)
		remarks_add(remarks, "the type of service %u could not be set: %s", tos,
			strerror(-v4));
}

static void set_pacing(int fd, uint64_t bytes, struct remarks *remarks)
{
	uint32_t small = (uint32_t)bytes;
	int rc = bytes < UINT32_MAX ? setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE,
					      &small, sizeof(small))
				    : setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE,
					      &bytes, sizeof(bytes));

	if (rc < 0)
		remarks_add(remarks, "pacing could not be set: %s", strerror(errno));
}

static int set_congestion(int fd, const char *name, struct net_why *why)
{
	static const char list[] = "/proc/sys/net/ipv4/tcp_available_congestion_control";
	AUTO_BUF struct buf known = BUF_INIT;
	struct err ignored = ERR_INIT;

	if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name)) ==
		0)
		return 0;
	if (errno == EPERM)
		return net_failed(why, NET_FAIL_OPTION,
			"this user may not use congestion control \"%s\" "
			"(net.ipv4.tcp_allowed_congestion_control)",
			name);
	if (file_read(list, 4096, &known, &ignored) == 0 && known.len > 0)
		known.data[strcspn(known.data, "\n")] = '\0';
	return net_failed(why, NET_FAIL_OPTION,
		"this machine has no congestion control \"%s\"; it has %s", name,
		known.data ? known.data : "what its kernel was built with");
}

static int set_tcp(int fd, const struct net_spec *spec, const struct net_end *end,
	struct remarks *remarks, struct net_why *why)
{
	bool nodelay =
		end->nodelay || !(spec->test == NET_STREAM || spec->test == NET_MIX);
	int rc = nodelay ? set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1) : 0;

	if (rc == 0 && end->cork)
		rc = set_int(fd, IPPROTO_TCP, TCP_CORK, 1);
	if (rc < 0)
		return net_failed(
			why, NET_FAIL_OPTION, "nodelay or cork: %s", strerror(-rc));
	if (end->mss && (rc = set_int(fd, IPPROTO_TCP, TCP_MAXSEG, (int)end->mss)) < 0)
		remarks_add(remarks, "a maximum segment of %u bytes was not taken: %s",
			end->mss, strerror(-rc));
	if (spec->zero_copy && (rc = set_int(fd, SOL_SOCKET, SO_ZEROCOPY, 1)) < 0)
		return net_failed(why, NET_FAIL_OPTION,
			"this kernel does not send without copying (SO_ZEROCOPY): %s",
			strerror(-rc));
	return end->congestion ? set_congestion(fd, end->congestion, why) : 0;
}

int net_options_set(int fd, const struct net_spec *spec, const struct net_end *end,
	struct remarks *remarks, struct net_why *why)
{
	set_buffer(fd, SO_SNDBUF, end->send_buffer, "send", "wmem_max", remarks);
	set_buffer(fd, SO_RCVBUF, end->recv_buffer, "receive", "rmem_max", remarks);
	if (end->tos)
		set_tos(fd, end->tos, remarks);
	if (end->pace_bytes)
		set_pacing(fd, end->pace_bytes, remarks);
	if (spec->dont_route && set_int(fd, SOL_SOCKET, SO_DONTROUTE, 1) < 0)
		remarks_add(remarks, "SO_DONTROUTE could not be set");
	return spec->protocol == NET_TCP ? set_tcp(fd, spec, end, remarks, why) : 0;
}

void net_options_addresses(int fd, struct net_socket_info *into)
{
	struct net_address a = {.len = sizeof(a.sa)};
	char text[NET_ADDRESS_TEXT];

	if (getsockname(fd, &a.sa.any, &a.len) == 0) {
		net_address_text(&a, text);
		into->source = strdup(text);
		into->source_port = net_address_port(&a);
	}
	a.len = sizeof(a.sa);
	if (getpeername(fd, &a.sa.any, &a.len) == 0) {
		net_address_text(&a, text);
		into->dest = strdup(text);
		into->dest_port = net_address_port(&a);
	}
}

void net_options_get(int fd, struct net_socket_info *into)
{
	char congestion[17] = "";
	socklen_t len = sizeof(congestion) - 1;
	int v;

	if ((v = get_int(fd, SOL_SOCKET, SO_SNDBUF)) > 0)
		into->send_buffer = (uint64_t)v;
	if ((v = get_int(fd, SOL_SOCKET, SO_RCVBUF)) > 0)
		into->recv_buffer = (uint64_t)v;
	into->nodelay = get_int(fd, IPPROTO_TCP, TCP_NODELAY) > 0;
	if ((v = get_int(fd, IPPROTO_IP, IP_TOS)) > 0 ||
		(v = get_int(fd, IPPROTO_IPV6, IPV6_TCLASS)) > 0)
		into->tos = (uint32_t)v & 0xff;
	if (getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, congestion, &len) == 0)
		into->congestion = strdup(congestion);
}

bool net_tcp_info(int fd, struct net_tcp_info *ret)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	memset(&info, 0, sizeof(info));
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return false;
	*ret = (struct net_tcp_info){
		.retransmits = info.tcpi_total_retrans,
		.mss = info.tcpi_snd_mss,
		.cwnd = info.tcpi_snd_cwnd,
		.rtt_us = info.tcpi_rtt,
		.min_rtt_us = info.tcpi_min_rtt == UINT32_MAX ? 0 : info.tcpi_min_rtt,
	};
	return true;
}

uint32_t net_socket_drops(int fd)
{
	uint32_t info[SK_MEMINFO_VARS] = {0};
	socklen_t len = sizeof(info);

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len) < 0)
		return 0;
	return info[SK_MEMINFO_DROPS];
}
