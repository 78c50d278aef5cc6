/* own_conn: one connection and the exchange on it. What comes off the socket is read where the client reads all
 * its connections, and only the head of a response is kept here: a thousand connections touch little memory. */
#include <errno.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/units.h"
#include "http/own.h"

#define TEXT_CAP 1024u
/* Receives at one event, so that a fast large body leaves the others their turn. */
#define READS_AT_ONCE 8
#define INFORMAL_MAX 16
#define CONTINUE_NS NS_PER_SEC

/* --- its life */

struct own_conn *own_conn_create(struct own_client *c, struct dial *dial)
{
	struct own_conn *n = calloc(1, sizeof(*n));
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = n};

	if (n)
		n->text = malloc(TEXT_CAP);
	if (!n || !n->text || epoll_ctl(c->epoll, EPOLL_CTL_ADD, dial->fd, &event) < 0) {
		if (n)
			free(n->text);
		free(n);
		return NULL;
	}
	n->client = c;
	n->text_cap = TEXT_CAP;
	n->server = dial->server;
	n->fd = dial->fd;
	n->ssl = dial->ssl;
	n->index = c->n_all;
	c->all[c->n_all++] = n;
	dial->fd = -1;
	dial->ssl = NULL;
	return n;
}

void own_conn_close(struct own_conn *n)
{
	struct own_client *c = n->client;

	if (n->ssl) {
		/* nothing is sent; without it, the session would count as broken and never be taken up */
		SSL_set_quiet_shutdown(n->ssl, 1);
		SSL_shutdown(n->ssl);
		SSL_free(n->ssl);
		n->ssl = NULL;
	}
	close(n->fd);
	n->fd = -1;
	c->all[n->index] = c->all[--c->n_all];
	c->all[n->index]->index = n->index;
	if (n->again)
		return; /* that list frees it */
	n->next = c->dead;
	c->dead = n;
}

void own_conn_free(struct own_conn *n)
{
	free(n->text);
	free(n);
}

/* --- ends of an exchange */

static struct http_exchange *take_exchange(struct own_conn *n)
{
	struct http_exchange *ex = n->ex;
	uint64_t head = ex->head_len;

	n->ex = NULL;
	ex->sent = n->sent > head ? n->sent - head : 0;
	if (n->have_head) {
		ex->response = n->text;
		ex->response_len = n->text_len;
	}
	return ex;
}

void own_conn_fail(struct own_conn *n, enum http_fail fail, const char *text)
{
	struct own_client *c = n->client;
	struct http_exchange *ex = take_exchange(n);

	http_set_fail(ex, fail, "%s", text);
	ex->end_ns = clock_ns();
	own_conn_close(n);
	own_client_done(c, ex);
}

/* Whether TLS holds bytes of nothing that was asked for. It may hold messages of its own. */
static bool has_more(struct own_conn *n)
{
	const char *why;
	size_t got;

	return SSL_has_pending(n->ssl) &&
	       own_tls_read(n->ssl, n->client->record, OWN_RECORD_BYTES, &got, &why) !=
		       OWN_BLOCKED;
}

/* A whole response is there. */
static void finish(struct own_conn *n)
{
	struct own_client *c = n->client;
	struct http_exchange *ex;

	/* what is not out by now never goes out: the connection cannot be used again */
	if (n->sending || (n->ssl && !n->close && has_more(n)))
		n->close = true;
	ex = take_exchange(n);
	n->kept = true;
	if (n->close)
		own_conn_close(n);
	else
		own_client_idle(c, n);
	own_client_done(c, ex);
}

/* The connection is of no use any more. One that was kept may have been closed before the request reached the
 * server: then the request may go out once more. */
static void broke(struct own_conn *n, enum http_fail fail, const char *text)
{
	struct http_exchange *ex = n->ex;
	struct own_client *c = n->client;

	if (n->kept && n->text_len == 0 && ex->first_byte_ns == 0 && n->informal == 0 &&
		!ex->once && !ex->resent) {
		n->ex = NULL;
		own_conn_close(n);
		own_client_resend(c, ex);
	} else {
		own_conn_fail(n, fail, text);
	}
}

/* It was closed. */
static void ended(struct own_conn *n)
{
	char text[160];

	if (n->have_head && n->framing == PARSE_UNTIL_CLOSE) {
		n->close = true;
		n->ex->end_ns = clock_ns();
		finish(n);
	} else if (n->have_head) {
		snprintf(text, sizeof(text),
			"the connection was closed in the middle of the body, after "
			"%llu bytes",
			(unsigned long long)n->ex->received);
		own_conn_fail(n, HTTP_FAIL_SHORT, text);
	} else {
		broke(n, HTTP_FAIL_RESET, "the connection was closed before a response");
	}
}

/* --- sending */

/* What goes out next: the rest of the head, and a piece of the body. How many of iov are filled. */
static int gather(struct own_conn *n, struct iovec iov[2])
{
	const struct http_exchange *ex = n->ex;
	uint64_t at = n->sent > ex->head_len ? n->sent - ex->head_len : 0;
	size_t len = 0;
	int k = 0;

	if (n->sent < ex->head_len)
		iov[k++] = (struct iovec){
			(char *)ex->head + n->sent, ex->head_len - (size_t)n->sent};
	if (n->awaits || at == ex->body_size)
		return k;
	iov[k].iov_base = (uint8_t *)ex->piece(ex->user, at, &len);
	if (len > ex->body_size - at)
		len = (size_t)(ex->body_size - at);
	iov[k++].iov_len = len;
	return k;
}

static enum own_io send_plain(
	struct own_conn *n, struct iovec *iov, int k, size_t *ret_n, const char **ret_why)
{
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)k};
	ssize_t got = k == 1 ? send(n->fd, iov[0].iov_base, iov[0].iov_len,
				       MSG_NOSIGNAL | MSG_DONTWAIT)
			     : sendmsg(n->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (got >= 0) {
		*ret_n = (size_t)got;
		return OWN_DONE;
	}
	if (errno == EAGAIN || errno == EINTR)
		return OWN_BLOCKED;
	*ret_why = strerror(errno);
	return OWN_RESET;
}

/* Head and body in one record where they fit. */
static enum own_io send_tls(
	struct own_conn *n, struct iovec *iov, int k, size_t *ret_n, const char **ret_why)
{
	uint8_t *record = n->client->record;
	size_t first = iov[0].iov_len, second;

	if (k == 1 || first >= OWN_RECORD_BYTES)
		return own_tls_write(n->ssl, iov[0].iov_base, first, ret_n, ret_why);
	second = OWN_RECORD_BYTES - first;
	if (second > iov[1].iov_len)
		second = iov[1].iov_len;
	memcpy(record, iov[0].iov_base, first);
	memcpy(record + first, iov[1].iov_base, second);
	return own_tls_write(n->ssl, record, first + second, ret_n, ret_why);
}

static bool request_is_out(const struct own_conn *n)
{
	return n->sent == n->ex->head_len + n->ex->body_size;
}

/* Comes back to it when the client next waits. */
static void look_again(struct own_conn *n)
{
	struct own_client *c = n->client;

	if (n->again)
		return;
	n->again = true;
	n->again_next = c->again;
	c->again = n;
}

/* Sends until all is out or the socket takes no more. When the connection is broken, a response may lie in the
 * socket all the same, which says more than the error. */
static void send_request(struct own_conn *n)
{
	while (n->sending && !(n->awaits && n->sent >= n->ex->head_len)) {
		struct iovec iov[2];
		int k = gather(n, iov);
		size_t asked = iov[0].iov_len + (k > 1 ? iov[1].iov_len : 0), got = 0;
		const char *why = "the connection was closed";
		enum own_io io = n->ssl ? send_tls(n, iov, k, &got, &why)
					: send_plain(n, iov, k, &got, &why);

		if (io == OWN_BLOCKED)
			return;
		if (io != OWN_DONE) {
			n->broke = why;
			look_again(n);
			return;
		}
		n->sent += got;
		n->moved_ns = n->client->now_ns;
		n->sending = !request_is_out(n);
		if (!n->ssl && got < asked)
			return; /* the socket is full, and will say when it is not */
	}
}

/* --- receiving */

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
	enum step step = STEP_MORE;
	uint64_t now_ns = 0;

	n->moved_ns = n->client->now_ns;
	if (ex->first_byte_ns == 0)
		ex->first_byte_ns = now_ns = clock_ns();
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
	ex->end_ns = now_ns ? now_ns : clock_ns();
	finish(n);
	return false;
}

static enum own_io receive(struct own_conn *n, size_t *ret_n, const char **ret_why)
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
		ended(n);
	else
		broke(n, io == OWN_TLS ? HTTP_FAIL_TLS : HTTP_FAIL_RESET, why);
}

/* Receives until the response is whole or there is nothing more. until_end: its end has been announced, and must
 * be read now, since nothing will tell of it again. */
static void receive_response(struct own_conn *n, bool until_end)
{
	for (int i = 0; i < READS_AT_ONCE; i++) {
		const char *why = "the connection was closed";
		size_t got = 0;
		enum own_io io = receive(n, &got, &why);

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
	look_again(n);
}

/* --- events */

/* On an idle connection nothing should come: but TLS has messages of its own. */
static void idle_event(struct own_conn *n)
{
	const char *why;
	size_t got;

	if (receive(n, &got, &why) == OWN_BLOCKED)
		return;
	own_client_busy(n->client, n);
	own_conn_close(n);
}

void own_conn_start(struct own_conn *n, struct http_exchange *ex)
{
	n->ex = ex;
	n->close = false;
	n->sending = true;
	n->awaits = ex->expects_continue && ex->body_size > 0;
	n->broke = NULL;
	n->have_head = false;
	n->informal = 0;
	n->sent = 0;
	n->moved_ns = n->client->now_ns;
	n->left = 0;
	n->chunks = (struct parse_chunks){0};
	n->text_len = 0;
	send_request(n);
}

void own_conn_event(struct own_conn *n, uint32_t events)
{
	const uint32_t end = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
	struct http_exchange *ex = n->ex;

	if (n->fd < 0)
		return;
	if (events & (EPOLLIN | end)) {
		if (!ex) {
			idle_event(n);
			return;
		}
		/* the other side has closed: what came may be whole, but nothing comes behind it */
		if (events & end)
			n->close = true;
		receive_response(n, (events & end) != 0);
		if (n->fd < 0 || n->ex != ex)
			return;
	}
	if (ex && n->sending && !n->have_head && !n->broke)
		send_request(n);
}

void own_conn_again(struct own_conn *n)
{
	if (n->ex)
		receive_response(n, true);
}

void own_conn_sweep(struct own_conn *n)
{
	const struct http_config *cfg = &n->client->base.space->cfg;
	uint64_t still_ns = n->client->now_ns - n->moved_ns;
	char text[160];

	if (n->awaits && n->sent >= n->ex->head_len && still_ns >= CONTINUE_NS) {
		n->awaits = false;
		send_request(n);
	} else if (!n->sending && n->ex->first_byte_ns == 0) {
		if (still_ns < cfg->first_byte_timeout_ns)
			return;
		snprintf(text, sizeof(text), "no response within %.3g s",
			(double)cfg->first_byte_timeout_ns / NS_PER_SEC);
		own_conn_fail(n, HTTP_FAIL_FIRST_BYTE_TIMEOUT, text);
	} else if (still_ns >= cfg->stall_timeout_ns) {
		snprintf(text, sizeof(text), "nothing was %s for %.3g s",
			n->sending && !n->have_head ? "taken" : "received",
			(double)cfg->stall_timeout_ns / NS_PER_SEC);
		own_conn_fail(n, HTTP_FAIL_STALL_TIMEOUT, text);
	}
}
