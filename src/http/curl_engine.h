/* curl: the engine on libcurl's multi interface: fallback of the own one, and what its outcomes are held against.
 * Private to http/.
 *
 * curl_client.c  a thread's client: groups of slots, epoll and timers, exchanges that have ended
 * curl_slot.c    a slot: an easy handle that is kept, and the exchange on it; its callbacks
 * curl_ending.c  how libcurl's codes become outcomes
 *
 * What this engine cannot do: connect without a request (a ramp does nothing), and tell from libcurl's progress when
 * exactly the last byte of a request left (its time-outs may fire a twentieth of a second late). */
#pragma once

#include <curl/curl.h>

#include "common/buf.h"
#include "http/impl.h"

/* libcurl looks connections up one by one: a multi handle has this many exchanges at most. */
#define CURL_GROUP_SLOTS 64u
/* Time-outs that libcurl does not know are looked at this often. */
#define CURL_SWEEP_NS (50 * NS_PER_MS)

/* A multi handle. */
struct curl_group {
	struct curl_client *client;
	CURLM *multi;
	uint64_t due_ns; /* libcurl wants to be called; UINT64_MAX: it does not */
};

/* The head of a response, which outlives its exchange until the next http_wait. */
struct curl_head {
	struct curl_head *next;
	struct buf text;
};

/* How a handle is set for a request. */
enum curl_mode {
	CURL_MODE_NONE,
	CURL_MODE_GET,
	CURL_MODE_HEAD,
	CURL_MODE_POST,
	CURL_MODE_UPLOAD
};

struct curl_slot {
	struct curl_slot *next; /* idle ones */
	struct curl_group *group;
	CURL *easy;
	struct http_exchange *ex; /* NULL: idle */
	struct curl_head *head;
	/* what the handle is set to */
	uint32_t server; /* UINT32_MAX: none yet */
	enum curl_mode mode;
	char method[16];
	/* the request, cut into lines */
	char *request;
	size_t request_cap;
	struct curl_slist *fields;
	size_t fields_cap;
	/* the exchange */
	uint64_t at;         /* of the body: what libcurl has taken */
	uint64_t uploaded;   /* of the body: what has left, as of the last look */
	uint64_t moved_ns;   /* when a byte moved last */
	uint32_t requests;   /* times that it was sent */
	bool have_head;      /* of the final response */
	uint8_t informal;    /* 1xx responses so far */
	bool kept;           /* on a connection that was used before */
	bool resend;         /* it is to be sent again, on a new connection */
	enum http_fail fail; /* of a callback */
	char error[CURL_ERROR_SIZE];
};

struct curl_client {
	struct http_client base;
	int epoll;
	uint32_t n_slots, n_groups;
	struct curl_slot *slots;
	struct curl_group *groups;
	struct curl_slot *idle;
	struct curl_head *spare,
		*lent; /* lent: of exchanges that http_wait handed back */
	struct http_exchange *first_done, *last_done;
	uint32_t in_flight; /* not yet in the list of the done */
	uint64_t sweep_ns;
};

/* An easy handle with all that no exchange changes. -1: no memory. */
int curl_slot_init(struct curl_slot *s, struct curl_group *g);
void curl_slot_finish(struct curl_slot *s);
/* Sets the handle for an exchange. -1: no memory. */
int curl_slot_set(struct curl_slot *s, struct http_exchange *ex);
/* Makes it ready to be sent once more. */
void curl_slot_again(struct curl_slot *s);
/* The time-out that has passed, HTTP_OK: none. */
enum http_fail curl_slot_late(struct curl_slot *s, uint64_t now_ns);
/* Sets the outcome of the slot's exchange. */
void curl_slot_end(struct curl_slot *s, CURLcode code);
