/* object_endpoint: where stores are: URLs of endpoints, entered once and kept until the job ends, so that
 * places point into them. The list only grows; reading it takes no lock. */
#include "backends/object/object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/object/object_impl.h"
#include "common/cleanup.h"
#include "common/err.h"

static struct object_endpoint *find(
	const struct object_job *job, const char *url, size_t len, bool tls)
{
	struct object_endpoint *e = __atomic_load_n(&job->endpoints, __ATOMIC_ACQUIRE);

	for (; e; e = e->next)
		if (strncmp(e->name, url, len) == 0 && e->name[len] == '\0' &&
			e->asked_tls == tls)
			return e;
	return NULL;
}

void object_endpoint_free(struct object_endpoint *e)
{
	if (!e)
		return;
	free(e->name);
	free(e->host);
	free(e->base);
	free(e->hostname);
	free(e);
}

CLEANUP_DEFINE(struct object_endpoint, object_endpoint_free)

void object_endpoints_free(struct object_job *job)
{
	while (job->endpoints) {
		struct object_endpoint *e = job->endpoints;

		job->endpoints = e->next;
		object_endpoint_free(e);
	}
}

/* The port behind ':', or -1. */
static long port_of(const char *text, size_t len)
{
	long port = 0;

	if (len == 0 || len > 5)
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		port = port * 10 + (text[i] - '0');
	}
	return port >= 1 && port <= 65535 ? port : -1;
}

static bool is_host(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c <= ' ' || c == 127 || strchr("/?#@\"<>\\^`{|}[]%", c))
			return false;
	}
	return len > 0;
}

/* host[:port] or [v6][:port]. False: neither. */
static bool split_authority(const char *text, size_t len, struct object_endpoint *e)
{
	size_t host_len;
	long port = -1;

	if (len > 0 && text[0] == '[') {
		const char *end = memchr(text, ']', len);

		if (!end)
			return false;
		host_len = (size_t)(end - text) + 1;
		e->hostname = strndup(text + 1, host_len - 2);
		if (!is_host(text + 1, host_len - 2))
			return false;
	} else {
		const char *colon = memchr(text, ':', len);

		host_len = colon ? (size_t)(colon - text) : len;
		e->hostname = strndup(text, host_len);
		if (!is_host(text, host_len))
			return false;
	}
	if (host_len < len) {
		if (text[host_len] != ':')
			return false;
		port = port_of(text + host_len + 1, len - host_len - 1);
		if (port < 0)
			return false;
	}
	e->port = port > 0 ? (uint16_t)port : e->tls ? 443 : 80;
	/* Host names the port only where it is not the scheme's own: signatures are over it */
	if (e->port == (e->tls ? 443 : 80))
		len = host_len;
	e->host = strndup(text, len);
	return true;
}

static bool ends_with(const char *text, size_t len, const char *suffix)
{
	size_t n = strlen(suffix);

	return len >= n && memcmp(text + len - n, suffix, n) == 0;
}

bool object_guess_tls(const char *endpoint, const char *host, size_t len)
{
	if (endpoint)
		return strncasecmp(endpoint, "http://", 7) != 0;
	return ends_with(host, len, ":443") || ends_with(host, len, ":8443");
}

static void take_scheme(const char **url, size_t *len, struct object_endpoint *e)
{
	static const struct {
		const char *prefix;
		bool tls;
	} schemes[] = {{"http://", false}, {"https://", true}};

	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		size_t n = strlen(schemes[i].prefix);

		if (*len >= n && strncasecmp(*url, schemes[i].prefix, n) == 0) {
			*url += n;
			*len -= n;
			e->tls = schemes[i].tls;
			return;
		}
	}
}

struct object_endpoint *object_endpoint_parse(
	const char *url, size_t len, bool tls, struct err *err)
{
	CLEANUP(cleanup_object_endpoint_free)
	struct object_endpoint *e = calloc(1, sizeof(*e));
	const char *at = url, *slash;
	size_t left = len, base_len = 0;

	if (!e)
		goto no_memory;
	e->server = UINT32_MAX;
	e->asked_tls = e->tls = tls;
	e->name = strndup(url, len);
	take_scheme(&at, &left, e);
	slash = memchr(at, '/', left);
	if (slash) {
		base_len = left - (size_t)(slash - at);
		left = (size_t)(slash - at);
		while (base_len > 0 && slash[base_len - 1] == '/')
			base_len--;
	}
	e->base = strndup(slash ? slash : "", base_len);
	if (!split_authority(at, left, e)) {
		err_set(err, ERR_INPUT,
			"\"%.*s\" is not an endpoint (https://host, http://host:port, "
			"http://[address]:port)",
			len < 200 ? (int)len : 200, url);
		return NULL;
	}
	if (e->name && e->base && e->host && e->hostname)
		return STEAL_PTR(&e);
no_memory:
	err_sys(err, ENOMEM, "no memory for an endpoint");
	return NULL;
}

struct object_endpoint *object_endpoint(
	struct object_job *job, const char *url, size_t len, bool tls, struct err *err)
{
	struct object_endpoint **newest = &job->endpoints;
	struct object_endpoint *e = find(job, url, len, tls), *first;

	if (e)
		return e;
	e = object_endpoint_parse(url, len, tls, err);
	if (!e)
		return NULL;
	pthread_mutex_lock(&job->lock);
	first = find(job, url, len, tls);
	if (!first && job->n_endpoints == HTTP_SERVERS_MAX) {
		pthread_mutex_unlock(&job->lock);
		object_endpoint_free(e);
		err_set(err, ERR_FAILED, "more than %d endpoints", HTTP_SERVERS_MAX);
		return NULL;
	}
	if (!first) {
		job->n_endpoints++;
		e->next = *newest;
		__atomic_store_n(newest, e, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&job->lock);
	if (!first)
		return e;
	object_endpoint_free(e);
	return first;
}

int object_endpoint_server(
	struct object_job *job, struct object_endpoint *e, uint32_t *ret, struct err *err)
{
	uint32_t server = __atomic_load_n(&e->server, __ATOMIC_RELAXED);

	if (server == UINT32_MAX) {
		if (http_space_server(
			    job->http, e->tls, e->hostname, e->port, &server, err) < 0)
			return -1;
		__atomic_store_n(&e->server, server, __ATOMIC_RELAXED);
	}
	*ret = server;
	return 0;
}

int object_place_at(struct object_job *job, struct object_endpoint *e,
	struct object_place *place, struct err *err)
{
	if (object_endpoint_server(job, e, &place->server, err) < 0)
		return -1;
	place->host = e->host;
	place->tls = e->tls;
	place->base = e->base;
	return 0;
}
