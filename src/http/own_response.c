/* own_response: what comes off a connection, until the response is whole. It is read where the client reads all its
 * connections, and only the head is kept with the connection. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "http/own.h"

/* Receives at one event, so that a fast large body leaves the others their turn. */
#define READS_AT_ONCE 8
#define INFORMAL_MAX 16

/* What a part of the response brought about. */
enum step {
	STEP_MORE,  /* go on with what is left of the data, or wait for more */
	STEP_WHOLE, /* the response is whole */
	STEP_FAILED,
};

static enum step malformed(struct own_conn *n, const char *what)
{
	char text[160];

	snprintf(text, sizeof(text), "what came is no HTTP/1.1 response: %s", what);
	own_conn_fail(n, HTTP_FAIL_MALFORMED, text);
	return STEP_FAILED;
}

static enum step no_memory(struct own_conn *n)
{
	own_conn_fail(n, HTTP_FAIL_MEMORY, "no memory");
	return STEP_FAILED;
}

static int keep_text(struct own_conn *n, const uint8_t *data, size_t len)
{
	if (n->text_len + len > n->text_cap) {
		uint32_t cap = n->text_cap;
		char *text;

		while (cap < n->text_len + len)
			cap *= 2;
		text = realloc(n->text, cap);
		if (!text)
			return -1;
		n->text = text;
		n->text_cap = cap;
	}
	memcpy(n->text + n->text_len, data, len);
	n->text_len += (uint32_t)len;
	return 0;
}

/* 1xx: another response follows. */
static enum step informal(struct own_conn *n, int status)
{
	n->text_len = 0;
	if (status == 101)
		return malformed(n, "it changes to a protocol that nobody asked for");
	if (++n->informal > INFORMAL_MAX)
		return malformed(n, "too many responses of status 1xx");
	if (status == 100)
		n->awaits = false;
	return STEP_MORE;
}

/* 408 on a connection that was kept says that it was closed for being idle, before our request came. */
static bool is_idle_end(const struct own_conn *n, const struct parse_head *h)
{
	return h->status == 408 && h->close && n->kept && n->informal == 0 &&
	       !n->ex->once && !n->ex->resent;
}

static enum step final_head(struct own_conn *n, const struct parse_head *h)
{
	struct own_client *c = n->client;
	struct http_exchange *ex = n->ex;

	if (is_idle_end(n, h)) {
		n->ex = NULL;
		own_conn_close(n);
		own_client_resend(c, ex);
		return STEP_FAILED;
	}
	ex->status = h->status;
	n->have_head = true;
	n->framing = h->framing;
	n->left = h->length;
	n->close |= h->close;
	/* a response before the request is out: the rest of it is not wanted */
	if (n->sending)
		n->close = true;
	return h->framing == PARSE_NO_BODY || (h->framing == PARSE_LENGTH && !h->length)
		       ? STEP_WHOLE
		       : STEP_MORE;
}

/* Takes the head off data, or what there is of it. */
static enum step take_head(struct own_conn *n, const uint8_t **data, size_t *len)
{
	struct parse_head h;
	size_t before = n->text_len, take = *len;
	long used;

	if (take > PARSE_HEAD_MAX - before)
		take = PARSE_HEAD_MAX - before;
	if (before > 0) {
		/* it came in parts: read it where they are put together */
		if (keep_text(n, *data, take) < 0)
			return no_memory(n);
		used = parse_head(n->text, n->text_len, n->ex->is_head, &h);
	} else {
		used = parse_head((const char *)*data, take, n->ex->is_head, &h);
	}
	if (used < 0)
		return malformed(n, "its status line or header fields");
	if (before == 0 && keep_text(n, *data, used ? (size_t)used : take) < 0)
		return no_memory(n);
	if (used > 0) {
		take = (size_t)used - before;
		n->text_len = (uint32_t)used;
	}
	*data += take;
	*len -= take;
	if (used == 0)
		return STEP_MORE;
	return h.status < 200 ? informal(n, h.status) : final_head(n, &h);
}

static enum step take_chunks(struct own_conn *n, const uint8_t **data, size_t *len)
{
	while (*len > 0 && !n->chunks.done) {
		const uint8_t *body;
		size_t body_len;
		long used = parse_chunk(&n->chunks, *data, *len, &body, &body_len);

		if (used < 0)
			return malformed(n, "its chunks");
		if (body_len > 0 && http_take_body(n->ex, body, body_len) < 0)
			return no_memory(n);
		*data += used;
		*len -= (size_t)used;
	}
	return n->chunks.done ? STEP_WHOLE : STEP_MORE;
}

static enum step take_body(struct own_conn *n, const uint8_t **data, size_t *len)
{
	size_t take = *len;

	if (n->framing == PARSE_CHUNKED)
		return take_chunks(n, data, len);
	if (n->framing == PARSE_LENGTH && take > n->left)
		take = (size_t)n->left;
	if (take > 0 && http_take_body(n->ex, *data, take) < 0)
		return no_memory(n);
	*data += take;
	*len -= take;
	if (n->framing != PARSE_LENGTH)
		return STEP_MORE;
	n->left -= take;
	return n->left == 0 ? STEP_WHOLE : STEP_MORE;
}

/* Bytes of the response. false: its exchange has ended. */
static bool take(struct own_conn *n, const uint8_t *data, size_t len)
{
	struct http_exchange *ex = n->ex;
	const uint64_t sink_ns = ex->sink_ns;
	enum step step = STEP_MORE;
	uint64_t now_ns = 0;

	n->moved_ns = n->client->now_ns;
	if (ex->first_byte_ns == 0)
		ex->first_byte_ns = now_ns = clock_ns();
	else if (ex->sink)
		now_ns = clock_ns();
	while (len > 0 && step == STEP_MORE)
		step = n->have_head ? take_body(n, &data, &len)
				    : take_head(n, &data, &len);
	if (step == STEP_FAILED)
		return false;
	if (step == STEP_MORE) {
		if (!n->have_head && n->text_len == 0)
			ex->first_byte_ns = 0; /* that was no more than 100 Continue */
		return true;
	}
	if (len > 0)
		n->close = true; /* bytes of nothing that was asked for */
	ex->sink_ns = sink_ns;   /* what came last had come by then */
	http_set_end(ex, now_ns ? now_ns : clock_ns());
	own_conn_finish(n);
	return false;
}

enum own_io own_response_read(struct own_conn *n, size_t *ret_n, const char **ret_why)
{
	uint8_t *data = n->client->receive;
	ssize_t got;

	if (n->ssl)
		return own_tls_read(n->ssl, data, OWN_RECEIVE_BYTES, ret_n, ret_why);
	got = recv(n->fd, data, OWN_RECEIVE_BYTES, MSG_DONTWAIT);
	if (got > 0) {
		*ret_n = (size_t)got;
		return OWN_DONE;
	}
	if (got == 0)
		return OWN_EOF;
	if (errno == EAGAIN || errno == EINTR)
		return OWN_BLOCKED;
	*ret_why = strerror(errno);
	return OWN_RESET;
}

static void lost(struct own_conn *n, enum own_io io, const char *why)
{
	if (io == OWN_EOF)
		own_conn_ended(n);
	else
		own_conn_broke(n, io == OWN_TLS ? HTTP_FAIL_TLS : HTTP_FAIL_RESET, why);
}

/* Receives until the response is whole or there is nothing more. until_end: its end has been announced, and must
 * be read now, since nothing will tell of it again. */
void own_response_receive(struct own_conn *n, bool until_end)
{
	for (int i = 0; i < READS_AT_ONCE; i++) {
		const char *why = "the connection was closed";
		size_t got = 0;
		enum own_io io;

		if (n->ex->sink)
			http_before_body(n->ex);
		io = own_response_read(n, &got, &why);
		if (io == OWN_BLOCKED && n->broke)
			lost(n, OWN_RESET, n->broke);
		if (io == OWN_BLOCKED)
			return;
		if (io != OWN_DONE) {
			lost(n, io, why);
			return;
		}
		if (!take(n, n->client->receive, got))
			return;
		if (!n->ssl && got < OWN_RECEIVE_BYTES && !until_end)
			return;
	}
	own_conn_look_again(n);
}
