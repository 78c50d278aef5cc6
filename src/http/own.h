/* own: the engine that speaks HTTP/1.1 itself. Private to http/.
 *
 * own_client.c    a thread's client: epoll, idle connections per server, exchanges that wait for one
 * own_conn.c      a connection with an exchange on it: begins, sends, ends
 * own_response.c  what comes off it
 * own_tls.c       TLS over a socket: OpenSSL's, with one context for all of a space
 * own_dial.c      threads that connect: what waits, for which server, since when
 * own_line.c      one dial in such a thread: libcurl for names, addresses and proxies, then own_tls.c
 * own_inbox.c     how connections come from there to a client
 *
 * A connection belongs to one client, and is touched by nobody else once it has been handed in. */
#pragma once

#include <openssl/types.h>
#include <sys/epoll.h>

#include "http/impl.h"
#include "http/parse.h"

/* What a client receives into, for all its connections: one place that stays in the cache. */
#define OWN_RECEIVE_BYTES (256u << 10)
/* A TLS record, and so what is gathered for one. */
#define OWN_RECORD_BYTES 16384u
#define OWN_EVENTS 256
/* Deadlines of exchanges are looked at this often. */
#define OWN_SWEEP_NS (50 * NS_PER_MS)

/* --- a connection that is being made, or could not be */
struct dial {
	struct dial *next;
	struct inbox *inbox; /* counted */
	uint32_t server;
	uint64_t asked_ns;
	int fd; /* -1 after a failure */
	SSL *ssl;
	enum http_fail fail;
	char text[160];
};

/* Where dials of a client come back to. It outlives the client while there are any under way. */
struct inbox {
	pthread_mutex_t lock;
	struct dial *first, *last;
	int event; /* eventfd: there is something in it */
	uint32_t refs;
	bool closed; /* the client is gone */
};
struct inbox *inbox_create(struct err *err);
void inbox_close(struct inbox *b); /* by the client; takes NULL */
void inbox_hold(struct inbox *b);  /* one more that may put something in */
void inbox_drop(struct inbox *b);
/* Puts a dial that has ended in, and drops its hold. */
void inbox_put(struct dial *dial);
/* All that is in it, as a list. */
struct dial *inbox_take(struct inbox *b);

struct dialer;
struct dialer *own_dialer_create(struct http_space *s, struct err *err);
/* Cuts short what is under way. Takes NULL. */
void own_dialer_destroy(struct dialer *d);
/* Connects; the outcome comes to the inbox. -1: no memory. */
int own_dialer_ask(struct dialer *d, struct inbox *inbox, uint32_t server);
void dial_free(struct dial *dial); /* with what it still holds; takes NULL */

/* --- TLS */
SSL_CTX *own_tls_context(const struct http_config *cfg, struct err *err);
/* A connection's side of it, before the handshake. NULL: no memory. */
SSL *own_tls_new(SSL_CTX *context, struct http_server *v, int fd);
/* How a step on a connection went; the last three end it. */
enum own_io {
	OWN_DONE,
	OWN_BLOCKED,
	OWN_EOF,   /* it was closed */
	OWN_RESET, /* it broke: how */
	OWN_TLS,   /* TLS failed: why */
};
/* A step of the handshake. ret_events: what poll shall wait for when BLOCKED. */
enum own_io own_tls_handshake(SSL *ssl, short *ret_events, char text[160]);
/* EOF without its announcement counts as RESET: a body may have been cut. */
enum own_io own_tls_read(
	SSL *ssl, void *data, size_t size, size_t *ret_n, const char **ret_why);
enum own_io own_tls_write(
	SSL *ssl, const void *data, size_t size, size_t *ret_n, const char **ret_why);

/* --- a connection */
struct own_conn {
	struct own_client *client;
	struct http_exchange *ex; /* NULL: idle */
	SSL *ssl;                 /* NULL: plain */
	int fd;                   /* -1: closed, and in the list of the dead */
	uint32_t server;
	uint32_t index;               /* in client->all */
	struct own_conn *next, *prev; /* idle ones of the server; next: the dead */
	struct own_conn *again_next;
	/* of the connection */
	bool kept; /* it was idle, or a response came over it: it may have been closed since */
	bool close; /* it ends with this response */
	bool again; /* in client->again, which then frees it */
	/* of the exchange */
	bool sending;      /* the request is not out whole */
	bool awaits;       /* 100 Continue */
	const char *broke; /* sending failed, with these words; a response may be there */
	bool have_head;    /* of the final response, which is in text */
	uint8_t informal;  /* 1xx responses so far */
	uint64_t sent;     /* of head and body together */
	uint64_t moved_ns; /* when a byte moved last, by the client's clock */
	uint64_t left;     /* PARSE_LENGTH */
	enum parse_framing framing;
	struct parse_chunks chunks;
	/* head of the response, maybe in part */
	char *text;
	uint32_t text_len, text_cap;
};

/* Takes the dial's socket. NULL: no memory; then the dial still has it. */
struct own_conn *own_conn_create(struct own_client *c, struct dial *dial);
/* Closes it; an exchange on it is the caller's. It is freed when the client next waits. */
void own_conn_close(struct own_conn *n);
void own_conn_free(struct own_conn *n);
/* Puts an exchange on an idle connection. */
void own_conn_start(struct own_conn *n, struct http_exchange *ex);
/* Events of its socket. */
void own_conn_event(struct own_conn *n, uint32_t events);
/* Reads and sends what own_conn_event left, or finds out how a connection broke. */
void own_conn_again(struct own_conn *n);
/* Fails its exchange when a deadline has passed. */
void own_conn_sweep(struct own_conn *n);
/* Ends the exchange on it, with a failure, and closes it. */
void own_conn_fail(struct own_conn *n, enum http_fail fail, const char *text);

/* A whole response is there. */
void own_conn_finish(struct own_conn *n);
/* It is of no use any more. One that was kept may have been closed before the request reached the server: then the
 * request may go out once more. */
void own_conn_broke(struct own_conn *n, enum http_fail fail, const char *why);
/* It was closed. */
void own_conn_ended(struct own_conn *n);
/* Has own_conn_again called when the client next waits. */
void own_conn_look_again(struct own_conn *n);

/* One read, into client->receive. */
enum own_io own_response_read(struct own_conn *n, size_t *ret_n, const char **ret_why);
/* Receives until the response is whole or there is nothing more. until_end: its end has been announced, and must
 * be read now, since nothing will tell of it again. */
void own_response_receive(struct own_conn *n, bool until_end);

/* --- a client */
struct own_server {
	struct own_conn *idle;
	struct http_exchange *first, *last; /* that wait for a connection */
	uint32_t waiting, dialing;
};

struct own_client {
	struct http_client base;
	int epoll;
	struct inbox *inbox;
	struct own_server *servers; /* by index of the space */
	uint32_t n_servers;
	struct own_conn **all;
	uint32_t n_all, cap_all;
	struct own_conn *dead;
	struct own_conn
		*again; /* have more to be read, or to be sent, than was at once */
	struct http_exchange *first_done, *last_done;
	uint32_t ramping;  /* dials that a ramp waits for */
	uint64_t now_ns;   /* when epoll last returned */
	uint64_t sweep_ns; /* when deadlines are looked at next */
	uint8_t *receive;  /* OWN_RECEIVE_BYTES */
	uint8_t *record;   /* OWN_RECORD_BYTES */
	struct epoll_event events[OWN_EVENTS];
};

/* An exchange has ended; outcome and end_ns are set. */
void own_client_done(struct own_client *c, struct http_exchange *ex);
/* A connection is free again: for who waits, or for the list of the idle. */
void own_client_idle(struct own_client *c, struct own_conn *n);
/* Not idle any more. */
void own_client_busy(struct own_client *c, struct own_conn *n);
/* Sends it once more, on a new connection. */
void own_client_resend(struct own_client *c, struct http_exchange *ex);

struct own_space {
	struct dialer *dialer;
};
