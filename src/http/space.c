/* space: settings and servers of a job's connections, and the way from http.h into the engine. */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/units.h"
#include "http/impl.h"
#include "http/parse.h"

static const struct http_engine_ops *const engines[] = {
	[HTTP_ENGINE_OWN] = &http_own,
	[HTTP_ENGINE_CURL] = &http_curl,
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init_curl(void)
{
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int copy_text(const char *text, const char **ret)
{
	*ret = text && text[0] ? strdup(text) : NULL;
	return text && text[0] && !*ret ? -1 : 0;
}

static void set_default(uint64_t *value, uint64_t def)
{
	if (*value == 0)
		*value = def;
}

static int copy_config(
	struct http_config *cfg, const struct http_config *from, struct err *err)
{
	*cfg = *from;
	set_default(&cfg->connect_timeout_ns, 10 * NS_PER_SEC);
	set_default(&cfg->first_byte_timeout_ns, 30 * NS_PER_SEC);
	set_default(&cfg->stall_timeout_ns, 30 * NS_PER_SEC);
	if (cfg->connectors == 0)
		cfg->connectors = 8;
	cfg->ca_pem = cfg->cert_pem = cfg->key_pem = cfg->proxy = NULL;
	if (copy_text(from->ca_pem, &cfg->ca_pem) < 0 ||
		copy_text(from->cert_pem, &cfg->cert_pem) < 0 ||
		copy_text(from->key_pem, &cfg->key_pem) < 0 ||
		copy_text(from->proxy, &cfg->proxy) < 0)
		return err_set(err, ERR_SYSTEM, "no memory");
	return 0;
}

static void server_free(struct http_server *v)
{
	if (!v)
		return;
	SSL_SESSION_free(v->session);
	free(v->host);
	free(v->url);
	free(v);
}

/* A key or a password in a URL is a secret. */
static void wipe(const char *text)
{
	if (text)
		OPENSSL_cleanse((char *)text, strlen(text));
	free((char *)text);
}

static void space_free(struct http_space *s)
{
	for (uint32_t i = 0; i < s->n_servers; i++)
		server_free(s->servers[i]);
	X509_STORE_free(s->trusted);
	free((char *)s->cfg.ca_pem);
	free((char *)s->cfg.cert_pem);
	wipe(s->cfg.key_pem);
	wipe(s->cfg.proxy);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

struct http_space *http_space_create(const struct http_config *cfg, struct err *err)
{
	struct http_space *s = calloc(1, sizeof(*s));

	if (!s) {
		err_set(err, ERR_SYSTEM, "no memory");
		return NULL;
	}
	pthread_once(&once, init_curl);
	pthread_mutex_init(&s->lock, NULL);
	s->ops = engines[cfg->engine];
	if (copy_config(&s->cfg, cfg, err) < 0 || s->ops->space_init(s, err) < 0) {
		space_free(s);
		return NULL;
	}
	return s;
}

void http_space_destroy(struct http_space *s)
{
	if (!s)
		return;
	http_fetchers_destroy(s);
	s->ops->space_fini(s);
	space_free(s);
}

/* --- servers */

static bool is_address(const char *host)
{
	uint8_t bytes[16];
	char plain[INET6_ADDRSTRLEN];
	size_t len = strcspn(host, "%");

	if (inet_pton(AF_INET, host, bytes) == 1)
		return true;
	if (len >= sizeof(plain))
		return false;
	memcpy(plain, host, len);
	plain[len] = '\0';
	return inet_pton(AF_INET6, plain, bytes) == 1;
}

/* "https://[fe80::1%25eth0]:443" (RFC 6874) */
static char *make_url(const struct http_server *v)
{
	bool six = strchr(v->host, ':') != NULL;
	const char *zone = six ? strchr(v->host, '%') : NULL;
	char *url;
	int n = zone ? asprintf(&url, "http%s://[%.*s%%25%s]:%u", v->tls ? "s" : "",
			       (int)(zone - v->host), v->host, zone + 1, v->port)
		     : asprintf(&url, "http%s://%s%s%s:%u", v->tls ? "s" : "",
			       six ? "[" : "", v->host, six ? "]" : "", v->port);

	return n < 0 ? NULL : url;
}

/* Whether it can stand in a URL and mean nothing but itself. */
static bool is_host(const char *host)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXY"
		"Z0123456789.-_";
	size_t len = strlen(host);

	return len > 0 && len <= 255 &&
	       (is_address(host) || strspn(host, letters) == len);
}

static struct http_server *server_create(
	struct http_space *s, bool tls, const char *host, uint16_t port)
{
	struct http_server *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->space = s;
	v->tls = tls;
	v->port = port;
	v->address = is_address(host);
	v->host = strdup(host);
	v->url = v->host ? make_url(v) : NULL;
	if (!v->url) {
		server_free(v);
		return NULL;
	}
	return v;
}

/* With the lock held. */
static int add_server(struct http_space *s, bool tls, const char *host, uint16_t port,
	uint32_t *ret_index, struct err *err)
{
	for (uint32_t i = 0; i < s->n_servers; i++) {
		const struct http_server *v = s->servers[i];

		if (v->tls == tls && v->port == port && strcasecmp(v->host, host) == 0) {
			*ret_index = i;
			return 0;
		}
	}
	if (s->n_servers == HTTP_SERVERS_MAX)
		return err_set(err, ERR_INPUT, "more than %d servers", HTTP_SERVERS_MAX);
	if (!is_host(host) || port == 0)
		return err_set(err, ERR_INPUT, "\"%.255s:%u\" is no host with a port",
			host, port);
	if (tls && !s->cfg.insecure && !s->trusted) {
		s->trusted = http_trust(&s->cfg, err);
		if (!s->trusted)
			return -1;
	}
	s->servers[s->n_servers] = server_create(s, tls, host, port);
	if (!s->servers[s->n_servers])
		return err_set(err, ERR_SYSTEM, "no memory");
	*ret_index = s->n_servers++;
	return 0;
}

int http_space_server(struct http_space *s, bool tls, const char *host, uint16_t port,
	uint32_t *ret_index, struct err *err)
{
	int rc;

	pthread_mutex_lock(&s->lock);
	rc = add_server(s, tls, host, port, ret_index, err);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

/* --- into the engine */

struct http_client *http_client_create(
	struct http_space *s, uint32_t slots, struct err *err)
{
	return s->ops->client_create(s, slots, err);
}

void http_client_ramp(struct http_client *c, uint32_t server, uint32_t n)
{
	c->space->ops->ramp(c, server, n);
}

void http_start(struct http_client *c, struct http_exchange *ex)
{
	http_clear(ex);
	c->space->ops->start(c, ex);
}

size_t http_wait(struct http_client *c, struct http_exchange **done, size_t max,
	uint64_t deadline_ns)
{
	return c->space->ops->wait(c, done, max, deadline_ns);
}

void http_cancel(struct http_client *c)
{
	c->space->ops->cancel(c);
}

void http_client_destroy(struct http_client *c)
{
	if (c)
		c->space->ops->client_destroy(c);
}

/* --- exchanges */

void http_clear(struct http_exchange *ex)
{
	ex->fail = HTTP_OK;
	ex->text[0] = '\0';
	ex->status = 0;
	ex->resent = false;
	ex->received = ex->sent = 0;
	ex->first_byte_ns = ex->end_ns = 0;
	ex->sink_ns = ex->sunk_ns = 0;
	ex->response = NULL;
	ex->response_len = 0;
	ex->start_ns = clock_ns();
}

void http_set_fail(struct http_exchange *ex, enum http_fail fail, const char *fmt, ...)
{
	va_list ap;

	ex->fail = fail;
	va_start(ap, fmt);
	vsnprintf(ex->text, sizeof(ex->text), fmt, ap);
	va_end(ap);
}

static void sink(struct http_exchange *ex, const uint8_t *data, size_t len)
{
	uint64_t begun_ns = clock_ns();

	ex->sink(ex->user, data, len);
	ex->sunk_ns = clock_ns();
	ex->sink_ns += ex->sunk_ns - begun_ns;
}

void http_before_body(struct http_exchange *ex)
{
	uint64_t waited_ns = ex->sink_ns ? clock_ns() - ex->sunk_ns : 0;

	ex->sink_ns -= waited_ns < ex->sink_ns ? waited_ns : ex->sink_ns;
}

void http_set_end(struct http_exchange *ex, uint64_t now_ns)
{
	ex->end_ns = now_ns - ex->sink_ns;
	if (ex->end_ns < ex->first_byte_ns)
		ex->end_ns = ex->first_byte_ns;
}

int http_take_body(struct http_exchange *ex, const uint8_t *data, size_t len)
{
	bool good = ex->status >= 200 && ex->status < 300;
	size_t room = SIZE_MAX;

	ex->received += len;
	if (good && ex->sink) {
		sink(ex, data, len);
		return 0;
	}
	if (!ex->body || (good && !ex->keep))
		return 0;
	if (ex->body->max)
		room = ex->body->max > ex->body->len ? ex->body->max - ex->body->len : 0;
	if (len > room)
		len = room;
	return len > 0 && buf_append(ex->body, data, len) < 0 ? -1 : 0;
}

const char *http_header(const struct http_exchange *ex, const char *name, size_t *ret_len)
{
	return ex->response_len
		       ? parse_field(ex->response, ex->response_len, name, ret_len)
		       : NULL;
}

bool http_header_u64(const struct http_exchange *ex, const char *name, uint64_t *ret)
{
	size_t len;
	const char *text = http_header(ex, name, &len);
	uint64_t n = 0;

	if (!text || len == 0 || len > 19)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(text[i] - '0');
	}
	*ret = n;
	return true;
}
