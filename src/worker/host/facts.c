/* facts: what a worker says of itself and its machine in its hello. */
#include "worker/host/facts.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "backends/backend.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/file.h"
#include "common/text.h"
#include "muster_version.h"
#include "proto/msg.h"
#include "worker/host/limits.h"

#define MACHINE_ID_DIGITS 16
#define FACT_MAX 65536

/* A small file without the white space at its end; "" when there is none. malloc. */
static char *read_fact(const char *path)
{
	AUTO_BUF struct buf b = BUF_INIT;
	struct err err = ERR_INIT;

	if (file_read(path, FACT_MAX, &b, &err) < 0 || !b.data)
		return strdup("");
	while (b.len > 0 && (b.data[b.len - 1] == '\n' || b.data[b.len - 1] == ' '))
		b.data[--b.len] = '\0';
	return text_sanitize(b.data, b.len);
}

/* PRETTY_NAME of os-release, without its quotes. */
static char *os_name(void)
{
	AUTO_BUF struct buf b = BUF_INIT;
	struct err err = ERR_INIT;
	const char *at;

	if ((file_read("/etc/os-release", FACT_MAX, &b, &err) < 0 &&
		    file_read("/usr/lib/os-release", FACT_MAX, &b, &err) < 0) ||
		!b.data)
		return strdup("");
	at = strstr(b.data, "PRETTY_NAME=");
	if (!at || (at != b.data && at[-1] != '\n'))
		return strdup("");
	at += strlen("PRETTY_NAME=");
	at += *at == '"' || *at == '\'';
	return text_sanitize(at, strcspn(at, "\"'\n"));
}

/* The same for all workers of a machine between two boots, and for nobody else: clones of an image
 * share a machine-id, and a boot-id alone says nothing in a container. */
static char *machine_id(const char *boot_id)
{
	AUTO_FREE char *id = read_fact("/etc/machine-id");
	AUTO_FREE char *both = id ? text_printf("%s/%s", id, boot_id) : NULL;
	char hex[DIGEST_SHA256_HEX];

	if (!both || !*boot_id)
		return strdup("");
	digest_sha256_hex(both, strlen(both), hex);
	hex[MACHINE_ID_DIGITS] = '\0';
	return strdup(hex);
}

static uint64_t hard_limit(int resource)
{
	struct rlimit limit;

	if (getrlimit((__rlimit_resource_t)resource, &limit) < 0)
		return 0;
	/* numbers of the protocol have 63 bits */
	return limit.rlim_max > INT64_MAX ? INT64_MAX : limit.rlim_max;
}

static char **backend_names(void)
{
	size_t n = 0;
	char **names;

	while (backends[n])
		n++;
	names = calloc(n + 1, sizeof(*names));
	for (size_t i = 0; names && i < n; i++)
		names[i] = strdup(backends[i]->name);
	return names;
}

/* Where others may reach this machine: the text of an address, or NULL for one that is only its own or of one
 * link. */
static const char *address_text(const struct ifaddrs *i, char out[INET6_ADDRSTRLEN])
{
	if (!i->ifa_addr || !(i->ifa_flags & IFF_UP))
		return NULL;
	if (i->ifa_addr->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)i->ifa_addr;
		uint32_t a = ntohl(in->sin_addr.s_addr);

		if (a >> 24 == 127 || a >> 16 == 0xa9fe)
			return NULL;
		return inet_ntop(AF_INET, &in->sin_addr, out, INET6_ADDRSTRLEN);
	}
	if (i->ifa_addr->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in = (const void *)i->ifa_addr;

		if (IN6_IS_ADDR_LOOPBACK(&in->sin6_addr) ||
			IN6_IS_ADDR_LINKLOCAL(&in->sin6_addr))
			return NULL;
		return inet_ntop(AF_INET6, &in->sin6_addr, out, INET6_ADDRSTRLEN);
	}
	return NULL;
}

/* NULL: none, or not known. */
static char **own_addresses(void)
{
	char **list = calloc(HELLO_ADDRESSES_MAX + 1, sizeof(*list));
	struct ifaddrs *all = NULL;
	size_t n = 0;

	if (!list || getifaddrs(&all) < 0) {
		free(list);
		return NULL;
	}
	for (const struct ifaddrs *i = all; i && n < HELLO_ADDRESSES_MAX;
		i = i->ifa_next) {
		char text[INET6_ADDRSTRLEN];

		if (address_text(i, text) && (list[n] = strdup(text)))
			n++;
	}
	freeifaddrs(all);
	if (n)
		return list;
	free(list);
	return NULL;
}

void facts_gather(struct msg_hello *h)
{
	struct utsname u = {.sysname = ""};
	struct err err = ERR_INIT;
	struct limits limits;

	*h = (struct msg_hello){.protocol = PROTO_VERSION, .pid = (uint64_t)getpid()};
	if (digest_sha256_file("/proc/self/exe", h->sha256, &err) < 0)
		h->sha256[0] = '\0';
	uname(&u);
	h->version = strdup(MUSTER_VERSION);
	h->arch = strdup(u.machine);
	h->kernel = strdup(u.release);
	h->hostname = strdup(u.nodename);
	h->os = os_name();
	h->boot_id = read_fact("/proc/sys/kernel/random/boot_id");
	h->machine_id = machine_id(h->boot_id ? h->boot_id : "");
	limits_read("", &limits);
	h->processors = limits.processors;
	h->cpus = limits.cpus;
	h->memory_bytes = limits.memory_bytes;
	h->nofile = hard_limit(RLIMIT_NOFILE);
	h->memlock = hard_limit(RLIMIT_MEMLOCK);
	h->run_dir = strdup("");
	h->backends = backend_names();
	h->addresses = own_addresses();
}

void facts_finish(struct msg_hello *h)
{
	struct msg m = {.type = MSG_HELLO, .u.hello = *h};

	msg_finish(&m);
	*h = (struct msg_hello){0};
}
