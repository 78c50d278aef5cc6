/* impl: what a space is, for those who make it work: settings and servers, which both engines share, and
 * the table of functions that is an engine. Private to http/. */
#pragma once

#include <openssl/types.h>
#include <pthread.h>

#include "http/http.h"

struct http_fetcher;

/* Never changes once it has an index, and lives as long as the space. */
struct http_server {
	struct http_space *space;
	bool tls;
	bool address; /* host is an address: no SNI, the certificate must name the address */
	uint16_t port;
	char *host;
	char *url; /* "https://host:port", IPv6 in brackets */
	struct ssl_session_st
		*session; /* own engine: the newest, guarded by the space's lock */
};

/* An engine. space_init fills s->engine; space_fini runs when that was done, after the last client. The others are
 * those of http.h; a client of an engine begins with a struct http_client. */
struct http_engine_ops {
	int (*space_init)(struct http_space *s, struct err *err);
	void (*space_fini)(struct http_space *s);
	struct http_client *(*client_create)(
		struct http_space *s, uint32_t slots, struct err *err);
	void (*ramp)(struct http_client *c, uint32_t server, uint32_t n);
	/* The outcome is cleared, and start_ns set. */
	void (*start)(struct http_client *c, struct http_exchange *ex);
	size_t (*wait)(struct http_client *c, struct http_exchange **done, size_t max,
		uint64_t deadline_ns);
	void (*cancel)(struct http_client *c);
	void (*client_destroy)(struct http_client *c);
};

extern const struct http_engine_ops http_own, http_curl;

struct http_space {
	struct http_config cfg; /* a copy, with the defaults filled in */
	const struct http_engine_ops *ops;
	void *engine; /* of the engine */
	/* Certificates that are trusted, parsed once: of cfg.ca_pem or of the machine. NULL before the first
	 * TLS server, and with cfg.insecure. */
	X509_STORE *trusted;
	/* Guards n_servers and what comes after them in servers, trusted, sessions, fetchers. */
	pthread_mutex_t lock;
	uint32_t n_servers;
	/* a server that somebody has the index of may be read without the lock */
	struct http_server *servers[HTTP_SERVERS_MAX];
	struct http_fetcher *fetchers; /* fetch.c */
	uint32_t given_up;             /* fetches end (atomic) */
};

struct http_client {
	struct http_space *space;
};

/* Clears the outcome and sets start_ns. */
void http_clear(struct http_exchange *ex);
/* Sets fail and text. */
void http_set_fail(struct http_exchange *ex, enum http_fail fail, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Bytes of the body of the response, to where they belong by its status. -1: no memory. */
int http_take_body(struct http_exchange *ex, const uint8_t *data, size_t len);
/* Called before bytes of a body are received: when there are none yet, nothing is held up by sink. */
void http_before_body(struct http_exchange *ex);
/* Sets end_ns of a response that was whole at now_ns. */
void http_set_end(struct http_exchange *ex, uint64_t now_ns);
/* Of a fetcher's space, by http_space_destroy. */
void http_fetchers_destroy(struct http_space *s);

/* trust.c: the certificates that cfg says are trusted. NULL with err. */
X509_STORE *http_trust(const struct http_config *cfg, struct err *err);
/* Why a certificate with this result of its verification (X509_V_ERR_...) is refused, and what to do. */
void http_say_untrusted(long result, char text[160]);
