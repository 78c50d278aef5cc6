/* address: numeric addresses in and out, and why a socket does not get anywhere with one. */
#include "net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/units.h"

int net_failed(struct net_why *why, enum net_failure failure, const char *fmt, ...)
{
	char text[sizeof(why->err.text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	why->failure = failure;
	return err_set(&why->err, ERR_FAILED, "%s", text);
}

static int parse6(char *host, uint16_t port, struct net_address *ret)
{
	char *zone = strchr(host, '%');

	if (zone)
		*zone++ = '\0';
	ret->sa.in6.sin6_family = AF_INET6;
	ret->sa.in6.sin6_port = htons(port);
	ret->len = sizeof(ret->sa.in6);
	if (inet_pton(AF_INET6, host, &ret->sa.in6.sin6_addr) != 1)
		return -1;
	if (zone)
		ret->sa.in6.sin6_scope_id = if_nametoindex(zone);
	return zone && !ret->sa.in6.sin6_scope_id ? -1 : 0;
}

static int parse4(const char *host, uint16_t port, struct net_address *ret)
{
	ret->sa.in4.sin_family = AF_INET;
	ret->sa.in4.sin_port = htons(port);
	ret->len = sizeof(ret->sa.in4);
	return inet_pton(AF_INET, host, &ret->sa.in4.sin_addr) == 1 ? 0 : -1;
}

int net_address_parse(const char *text, uint16_t port, uint32_t family,
	struct net_address *ret, struct net_why *why)
{
	char host[NET_ADDRESS_TEXT];
	bool is6 = text && strchr(text, ':');
	int rc;

	memset(ret, 0, sizeof(*ret));
	if (!text || !*text) {
		is6 = family != 4;
		text = is6 ? "::" : "0.0.0.0";
	}
	if (family && is6 != (family == 6))
		return net_failed(why, NET_FAIL_ADDRESS,
			"%s is no address of IPv%u, which this test is to use", text,
			family);
	snprintf(host, sizeof(host), "%s", text);
	rc = is6 ? parse6(host, port, ret) : parse4(host, port, ret);
	return rc == 0 ? 0
		       : net_failed(why, NET_FAIL_ADDRESS,
				 "\"%s\" is no numeric address of this machine's "
				 "networks",
				 text);
}

void net_address_set_port(struct net_address *a, uint16_t port)
{
	if (a->sa.any.sa_family == AF_INET6)
		a->sa.in6.sin6_port = htons(port);
	else
		a->sa.in4.sin_port = htons(port);
}

uint16_t net_address_port(const struct net_address *a)
{
	return ntohs(a->sa.any.sa_family == AF_INET6 ? a->sa.in6.sin6_port
						     : a->sa.in4.sin_port);
}

void net_address_text(const struct net_address *a, char out[NET_ADDRESS_TEXT])
{
	const struct in6_addr *in6 = &a->sa.in6.sin6_addr;
	size_t len;

	*out = '\0';
	if (a->sa.any.sa_family == AF_INET) {
		inet_ntop(AF_INET, &a->sa.in4.sin_addr, out, NET_ADDRESS_TEXT);
		return;
	}
	if (a->sa.any.sa_family != AF_INET6)
		return;
	if (IN6_IS_ADDR_V4MAPPED(in6)) {
		inet_ntop(AF_INET, &in6->s6_addr[12], out, NET_ADDRESS_TEXT);
		return;
	}
	inet_ntop(AF_INET6, in6, out, NET_ADDRESS_TEXT);
	len = strlen(out);
	if (a->sa.in6.sin6_scope_id && len + 2 + IF_NAMESIZE < NET_ADDRESS_TEXT) {
		out[len++] = '%';
		if (!if_indextoname(a->sa.in6.sin6_scope_id, out + len))
			out[len - 1] = '\0';
	}
}

/* What errors of connect mean; fmt gets address and port. */
static const struct {
	int errnum;
	enum net_failure failure;
	const char *text; /* behind "ADDRESS port PORT: " */
} connect_errors[] = {
	{ECONNREFUSED, NET_FAIL_REFUSED,
		"nobody listens there (connection refused): has the server ended, or "
		"does a "
		"firewall reject it?"},
	{EHOSTUNREACH, NET_FAIL_UNREACHABLE,
		"no route to host: is the data address right, and does a firewall reject "
		"it?"},
	{ENETUNREACH, NET_FAIL_UNREACHABLE,
		"network is unreachable: this machine has no route to the data address"},
	{ECONNRESET, NET_FAIL_LOST, "the connection was reset before the test began"},
	{EACCES, NET_FAIL_UNREACHABLE,
		"this machine does not let us connect there: a route or a rule of its "
		"firewall prohibits it"},
	{EPERM, NET_FAIL_UNREACHABLE,
		"this machine's firewall does not let us connect there"},
	{EINVAL, NET_FAIL_ADDRESS, "cannot be connected to from here"},
	{EMFILE, NET_FAIL_RESOURCES,
		"no descriptor is left for another connection: use fewer flows or raise "
		"the limit of open files (ulimit -n)"},
	{ENFILE, NET_FAIL_RESOURCES, "this machine has no descriptor left"},
	{ENOBUFS, NET_FAIL_RESOURCES, "this machine has no memory left for sockets"},
	{ENOMEM, NET_FAIL_RESOURCES, "this machine has no memory left for sockets"},
};

int net_connect_failed(int errnum, const struct net_address *to, const char *bound,
	uint64_t waited_ns, struct net_why *why)
{
	char host[NET_ADDRESS_TEXT];
	uint16_t port = net_address_port(to);

	net_address_text(to, host);
	if (errnum == ETIMEDOUT)
		return net_failed(why, NET_FAIL_TIMEOUT,
			"no answer from %s port %u in %s: does a firewall drop packets, "
			"or "
			"is it the wrong data address?",
			host, port, units_duration(waited_ns).s);
	if (errnum == EADDRNOTAVAIL && bound)
		return net_failed(why, NET_FAIL_ADDRESS,
			"cannot connect to %s port %u from %s, which is no address of "
			"this "
			"machine",
			host, port, bound);
	if (errnum == EADDRNOTAVAIL)
		return net_failed(why, NET_FAIL_RESOURCES,
			"cannot connect to %s port %u: no local port is left "
			"(net.ipv4.ip_local_port_range)",
			host, port);
	if (errnum == EADDRINUSE)
		return net_failed(why, NET_FAIL_PORT,
			"cannot connect to %s port %u: the local port is taken", host,
			port);
	for (size_t i = 0; i < ARRAY_LEN(connect_errors); i++)
		if (connect_errors[i].errnum == errnum)
			return net_failed(why, connect_errors[i].failure,
				"%s port %u: %s", host, port, connect_errors[i].text);
	return net_failed(why, NET_FAIL_OTHER, "cannot connect to %s port %u: %s", host,
		port, strerror(errnum));
}

int net_listen_failed(int errnum, const char *address, uint16_t port, struct net_why *why)
{
	bool one = address && *address;
	const char *host = one ? address : "any address";
	char where[NET_ADDRESS_TEXT + 32];

	if (one)
		snprintf(where, sizeof(where), "%s port %u", host, port);
	else
		snprintf(where, sizeof(where), "port %u of any address", port);
	switch (errnum) {
	case EADDRINUSE:
		return net_failed(why, NET_FAIL_PORT,
			"cannot listen on %s: another program has that port; "
			"choose another one with --port-range, or of a leased server "
			"with "
			"--port",
			where);
	case EACCES:
	case EPERM:
		return net_failed(why, NET_FAIL_PORT,
			"cannot listen on %s: this user may not use that port; "
			"ports above 1023 need no rights",
			where);
	case EADDRNOTAVAIL:
	case ENODEV:
		return net_failed(why, NET_FAIL_ADDRESS,
			"cannot listen on %s: it is no address of this machine; give the "
			"host the right data_address",
			host);
	case EAFNOSUPPORT:
		return net_failed(why, NET_FAIL_OPTION,
			"cannot listen on %s: this machine does not have that family of "
			"addresses",
			host);
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		return net_failed(why, NET_FAIL_RESOURCES, "cannot listen on %s: %s",
			where, strerror(errnum));
	default:
		return net_failed(why, NET_FAIL_OTHER, "cannot listen on %s: %s", where,
			strerror(errnum));
	}
}
