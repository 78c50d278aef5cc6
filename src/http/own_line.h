/* own_line: one dial under way, in one of the lines of a thread that dials. Private to own_dial.c and own_line.c.
 *
 * libcurl knows names, addresses of both families, and proxies, and gives a socket with a way to the server
 * (CONNECT_ONLY, of which a copy is taken; a proxy is asked for a tunnel). TLS is then ours, own_tls.c. */
#pragma once

#include <curl/curl.h>

#include "http/own.h"

/* Dials that a thread has under way. */
#define OWN_LINES 32
#define OWN_DIAL_THREADS_MAX 64
/* A server that could not be reached this often in a row rests so long between one lot of dials and the next, or
 * a closed loop of exchanges would do nothing but knock at it. */
#define OWN_FAILURES_BEFORE_REST 4
#define OWN_REST_NS (50 * NS_PER_MS)

struct line {
	struct dial *dial; /* NULL: free */
	CURL *easy;        /* kept for the next one */
	bool tls;          /* TCP is there, TLS is being agreed on */
	short events;      /* that TLS waits for */
	uint64_t until_ns;
	char text[CURL_ERROR_SIZE];
};

struct dial_thread {
	struct dialer *dialer;
	pthread_t id;
	CURLM *multi;
	uint32_t load;    /* lines in use, under the lock */
	uint64_t look_ns; /* when a server that rests can be dialed again */
	struct line lines[OWN_LINES];
};

struct dialer {
	struct http_space *space;
	SSL_CTX *context;
	pthread_mutex_t lock; /* of all below */
	struct dial *first, *last;
	bool stop;
	uint32_t n_threads;
	struct dial_thread *threads[OWN_DIAL_THREADS_MAX];
	struct {
		uint16_t busy;     /* dials under way */
		uint16_t failures; /* in a row, up to OWN_FAILURES_BEFORE_REST */
		uint64_t rests_until_ns;
	} servers[HTTP_SERVERS_MAX];
};

/* Begins to dial what l->dial asks for. */
void own_line_dial(struct dial_thread *t, struct line *l);
/* libcurl has come to an end. */
void own_line_connected(struct dial_thread *t, struct line *l, CURLcode code);
/* Goes on with TLS, where that is being agreed on. */
void own_line_agree_on_tls(struct dial_thread *t, struct line *l);
/* The line is free again: its dial goes where it was asked for, with what it has come to. */
void own_line_hang_up(struct dial_thread *t, struct line *l);
/* Its time is over. */
void own_line_fail_late(struct dialer *d, struct dial *dial);
