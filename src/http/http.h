/* http: HTTP/1.1 exchanges on connections that stay, for one engine thread; two engines behind one
 * interface.
 *
 * `own`: libcurl finds the way to a server (names, addresses, proxies) on helper threads, and gives a
 * socket; TLS, by OpenSSL, and HTTP/1.1 on it are ours, in an epoll driver. `curl`: the same exchanges
 * on libcurl's multi interface. The engines must agree on the outcome of every exchange.
 *
 * A space is shared by all threads of a job: servers, settings, TLS sessions, the threads that connect.
 * A client belongs to one thread. An exchange is one request and its response; its memory is the
 * caller's, and stays in place until http_wait hands it back.
 *
 * The process must ignore SIGPIPE: a connection may break while TLS sends. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

struct err;

enum http_engine { HTTP_ENGINE_OWN, HTTP_ENGINE_CURL };

/* Of all connections of a space. Texts are copied. 0 or NULL: the default said here. */
struct http_config {
	enum http_engine engine;
	uint64_t connect_timeout_ns; /* name, TCP and TLS: 10 s */
	uint64_t
		first_byte_timeout_ns; /* from the end of the request to the first byte: 30 s */
	uint64_t
		stall_timeout_ns; /* nothing sent or received while there should be: 30 s */
	const char *
		ca_pem; /* certificates that are trusted, PEM; NULL: those of the machine */
	const char *cert_pem, *key_pem; /* of the client, PEM */
	bool insecure;                  /* the server's certificate is not verified */
	/* URL; NULL: none (the environment is not asked). A tunnel (CONNECT) is asked for. One that is
	 * reached by https works with the curl engine alone. */
	const char *proxy;
	uint32_t connectors; /* helper threads at most: 8 */
};

struct http_space;
struct http_client;

struct http_space *http_space_create(const struct http_config *cfg, struct err *err);
/* After the last client. Takes NULL. Waits for connects under way, which it cuts short. */
void http_space_destroy(struct http_space *s);

/* The index of a server, which is added when it is new. host: a name or an address, IPv6 without
 * brackets; it is also what the certificate must be for. Any thread. -1 with err (no memory; more than
 * HTTP_SERVERS_MAX). Looking one up takes a lock: callers keep the index. */
#define HTTP_SERVERS_MAX 4096
int http_space_server(struct http_space *s, bool tls, const char *host, uint16_t port,
	uint32_t *ret_index, struct err *err);

/* How an exchange ended. All but OK: there is no whole response. */
enum http_fail {
	HTTP_OK, /* a whole response, whatever its status */
	HTTP_FAIL_RESOLVE,
	HTTP_FAIL_CONNECT,
	HTTP_FAIL_CONNECT_TIMEOUT,
	HTTP_FAIL_TLS, /* certificate, name, protocol: text has the library's reason */
	HTTP_FAIL_PROXY,
	HTTP_FAIL_FIRST_BYTE_TIMEOUT,
	HTTP_FAIL_STALL_TIMEOUT,
	HTTP_FAIL_RESET,     /* the connection broke, or was closed before a response */
	HTTP_FAIL_SHORT,     /* closed in the middle of a body of known length */
	HTTP_FAIL_MALFORMED, /* what came is no HTTP/1.x response */
	HTTP_FAIL_CANCELLED,
	HTTP_FAIL_MEMORY,
	HTTP_FAILS,
};
extern const char *const http_fail_names[HTTP_FAILS]; /* "ok", "resolve", ... */

/* The next piece of a request body: readable bytes from offset at on, *ret_len > 0 of them; valid until
 * the next call for this exchange, or its end. */
typedef const uint8_t *http_piece_fn(void *user, uint64_t at, size_t *ret_len);
/* Bytes of a 2xx body as they come. */
typedef void http_sink_fn(void *user, const uint8_t *data, size_t len);

struct http_exchange {
	/* --- request */
	uint32_t server;
	/* Request line and header fields as they go over the wire, with Host, with Content-Length when
	 * there is a body, and with the empty line at the end. One server speaks of one method. */
	const char *head;
	size_t head_len;
	uint64_t body_size;
	http_piece_fn *piece; /* NULL when body_size is 0 */
	void *user;           /* for piece and sink */
	bool is_head;         /* HEAD: a response has no body */
	bool expects_continue; /* head has Expect: 100-continue: the body waits for it, 1 s at most */
	/* A kept connection may turn out closed before a byte of the response came; then the request is
	 * sent once more on a new one (RFC 9112 9.3.1), unless this says that it must not be. */
	bool once;
	/* --- response body: a 2xx body goes to sink; without one, to body when keep is set; else it is
	 * counted and dropped. Other bodies go to body. Past body's max it is counted and dropped. The
	 * caller clears body. NULL: nothing is kept. */
	http_sink_fn *sink;
	struct buf *body;
	bool keep;

	/* --- outcome */
	enum http_fail fail;
	char text[160]; /* of a failure: one sentence without the server's name */
	int status;     /* 100 to 599; 0: none came */
	bool resent;    /* on a new connection, see once */
	uint64_t received, sent; /* bytes of bodies */
	uint64_t start_ns;       /* set by http_start */
	uint64_t
		first_byte_ns; /* of the response (not of 100 Continue), at the socket; 0: none */
	/* last byte of the response, or the failure; without what sink took, as far as the response had to wait
	 * for it (the engine curl knows that less exactly) */
	uint64_t end_ns;
	/* Status line and header fields of the response, until the next http_wait of this client. */
	const char *response;
	size_t response_len;

	/* --- of the engine */
	struct http_exchange *next;
	void *engine;
	/* by how much sink has held the response up so far, and when it was last through */
	uint64_t sink_ns, sunk_ns;
};

/* The value of a header field of the response, without white space around it; NULL: it is not there.
 * name in lower case. Of several fields of that name the first. */
const char *http_header(
	const struct http_exchange *ex, const char *name, size_t *ret_len);
/* The same as a number; false: not there, or none. */
bool http_header_u64(const struct http_exchange *ex, const char *name, uint64_t *ret);

/* slots: exchanges in flight at most, and so connections per server. Called on the client's thread, as
 * everything below. NULL with err. */
struct http_client *http_client_create(
	struct http_space *s, uint32_t slots, struct err *err);
/* Connects n times to a server and waits until each has been done or has failed, so that the first ops
 * find connections. Failing is no error here: exchanges will say so. The engine curl does nothing: libcurl keeps
 * no connection that has carried no request. */
void http_client_ramp(struct http_client *c, uint32_t server, uint32_t n);
/* Begins an exchange: on an idle connection at once, else as soon as there is a new one; others of the
 * thread never wait for it. piece and sink may be called before it returns. */
void http_start(struct http_client *c, struct http_exchange *ex);
/* Exchanges that have ended, at most max, waiting until deadline_ns (CLOCK_MONOTONIC) for the first; 0 at
 * the deadline. Callers may wait with nothing in flight. */
size_t http_wait(struct http_client *c, struct http_exchange **done, size_t max,
	uint64_t deadline_ns);
/* Gives all in flight up: they come out of http_wait with HTTP_FAIL_CANCELLED; their connections are
 * closed. */
void http_cancel(struct http_client *c);
/* Nothing may be in flight. Takes NULL. */
void http_client_destroy(struct http_client *c);

/* One exchange from any thread, outside the measured path; waits for its end. It uses a client that the
 * space keeps for the thread. The outcome is the exchange's; response is valid until the next http_fetch of
 * the space by the same thread. timeout_ns bounds the whole, 0: only the config's. */
void http_fetch(struct http_space *s, struct http_exchange *ex, uint64_t timeout_ns);
/* Ends what http_fetch is at in any thread, and what it begins from now on, with HTTP_FAIL_CANCELLED, within
 * moments: so that such threads can be waited for. Takes NULL. */
void http_space_give_up(struct http_space *s);
