/* listener_socket: the sockets of a listener: tcp and udp on one port. */
#include "net/listener_socket.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "net/options.h"

#define BACKLOG 1024

static int set_flag(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

static int make_socket(const struct net_listen *where, int type,
	const struct net_address *at, struct remarks *remarks, struct net_why *why)
{
	int family = at->sa.any.sa_family;
	int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool wild = !where->address || !*where->address;

	if (fd < 0)
		return net_listen_failed(
			errno, where->address, net_address_port(at), why);
	/* ports of connections that have just ended are free; one that listens is taken all the same */
	if (type == SOCK_STREAM)
		set_flag(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (family == AF_INET6)
		set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY,
			wild && where->family == 0 ? 0 : 1);
	if (where->end &&
		net_options_set(fd, where->spec, where->end, remarks, why) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* -errno, or 0; at has the port then. */
static int bind_to(int fd, int type, struct net_address *at)
{
	if (bind(fd, &at->sa.any, at->len) < 0)
		return -errno;
	if (type == SOCK_STREAM && listen(fd, BACKLOG) < 0)
		return -errno;
	if (type == SOCK_DGRAM) {
		/* after bind: nobody shares the port but the sockets that we connect to guests */
		set_flag(fd, SOL_SOCKET, SO_REUSEPORT, 1);
		if (at->sa.any.sa_family == AF_INET6)
			set_flag(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
		else
			set_flag(fd, IPPROTO_IP, IP_PKTINFO, 1);
	}
	at->len = sizeof(at->sa);
	return getsockname(fd, &at->sa.any, &at->len) < 0 ? -errno : 0;
}

static void close_both(int *tcp, int *udp)
{
	if (*tcp >= 0)
		close(*tcp);
	if (*udp >= 0)
		close(*udp);
	*tcp = *udp = -1;
}

/* Both on one port. 0 or -1 with why; taken says that another port may be free. */
static int open_at(const struct net_listen *where, uint16_t port,
	struct net_address *address, int *tcp, int *udp, struct remarks *remarks,
	bool *taken, struct net_why *why)
{
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM};
	int *fds[] = {tcp, udp};

	*taken = false;
	if (net_address_parse(where->address, port, where->family, address, why) < 0)
		return -1;
	for (unsigned i = 0; i < 2; i++) {
		int rc;

		if (!(i == 0 ? where->tcp : where->udp))
			continue;
		*fds[i] = make_socket(where, types[i], address, remarks, why);
		rc = *fds[i] < 0 ? -1 : bind_to(*fds[i], types[i], address);
		if (rc == 0)
			continue;
		if (*fds[i] >= 0)
			net_listen_failed(
				-rc, where->address, net_address_port(address), why);
		*taken = *fds[i] >= 0 && rc == -EADDRINUSE;
		close_both(tcp, udp);
		return -1;
	}
	return 0;
}

/* A machine without IPv6 has no "::". */
static int open_family(const struct net_listen *where, uint16_t port,
	struct net_address *address, int *tcp, int *udp, struct remarks *remarks,
	bool *taken, struct net_why *why)
{
	bool any = (!where->address || !*where->address) && !where->family;
	struct net_listen v4 = *where;
	struct net_why first = NET_WHY_INIT;

	v4.family = 4;
	if (!any)
		return open_at(where, port, address, tcp, udp, remarks, taken, why);
	if (open_at(where, port, address, tcp, udp, remarks, taken, &first) == 0)
		return 0;
	if (*taken) {
		*why = first;
		return -1;
	}
	return open_at(&v4, port, address, tcp, udp, remarks, taken, why);
}

int listener_open(const struct net_listen *where, struct net_address *address, int *tcp,
	int *udp, struct remarks *remarks, struct net_why *why)
{
	uint16_t first = where->port ? where->port : where->port_min;
	uint16_t last = where->port ? where->port : where->port_max;
	uint32_t n = (uint32_t)(last - first) + 1;
	/* from anywhere in the range, so that many pairs do not all try the same */
	uint32_t offset = (uint32_t)((clock_ns() / 1000) % n);
	bool taken = true;
	int rc = -1;

	for (uint32_t i = 0; rc < 0 && taken && i < n; i++) {
		uint16_t port = (uint16_t)(first + (offset + i) % n);

		rc = open_family(where, port, address, tcp, udp, remarks, &taken, why);
	}
	if (rc < 0 && taken && n > 1)
		return net_failed(why, NET_FAIL_PORT,
			"cannot listen on %s: all ports from %u to %u are taken; choose "
			"others with --port-range",
			where->address && *where->address ? where->address
							  : "any address",
			first, last);
	return rc;
}

ssize_t listener_receive(
	int fd, void *into, size_t size, struct net_address *from, struct net_address *to)
{
	_Alignas(struct cmsghdr) char control[256];
	struct iovec iov = {.iov_base = into, .iov_len = size};
	struct msghdr m = {.msg_name = &from->sa,
		.msg_namelen = sizeof(from->sa),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0)
		return -1;
	from->len = m.msg_namelen;
	to->len = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			to->sa.in4 = (struct sockaddr_in){
				.sin_family = AF_INET, .sin_addr = info.ipi_addr};
			to->len = sizeof(to->sa.in4);
		}
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			to->sa.in6 = (struct sockaddr_in6){
				.sin6_family = AF_INET6, .sin6_addr = info.ipi6_addr};
			if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
				to->sa.in6.sin6_scope_id = (uint32_t)info.ipi6_ifindex;
			to->len = sizeof(to->sa.in6);
		}
	}
	return n;
}

int listener_connect(int udp, const struct net_address *listen, const struct net_guest *g)
{
	struct net_address at =
		g->to.len && g->to.sa.any.sa_family == listen->sa.any.sa_family ? g->to
										: *listen;
	int fd =
		socket(at.sa.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int v6only = 0;
	socklen_t len = sizeof(v6only);

	if (fd < 0)
		return -1;
	net_address_set_port(&at, net_address_port(listen));
	set_flag(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (at.sa.any.sa_family == AF_INET6 &&
		getsockopt(udp, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, &len) == 0)
		set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY, v6only);
	if (bind(fd, &at.sa.any, at.len) < 0 ||
		connect(fd, &g->from.sa.any, g->from.len) < 0) {
		int errnum = errno;

		close(fd);
		errno = errnum;
		return -1;
	}
	return fd;
}
