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
#define CONTINUE_NS NS_PER_SEC
/* As much as is read at once. */
#define SENT_AT_ONCE (8 * OWN_RECEIVE_BYTES)

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
void own_conn_finish(struct own_conn *n)
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
void own_conn_broke(struct own_conn *n, enum http_fail fail, const char *text)
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
void own_conn_ended(struct own_conn *n)
{
	char text[160];

	if (n->have_head && n->framing == PARSE_UNTIL_CLOSE) {
		n->close = true;
		http_set_end(n->ex, clock_ns());
		own_conn_finish(n);
	} else if (n->have_head) {
		snprintf(text, sizeof(text),
			"the connection was closed in the middle of the body, after "
			"%llu bytes",
			(unsigned long long)n->ex->received);
		own_conn_fail(n, HTTP_FAIL_SHORT, text);
	} else {
		own_conn_broke(n, HTTP_FAIL_RESET,
			"the connection was closed before a response");
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
void own_conn_look_again(struct own_conn *n)
{
	struct own_client *c = n->client;

	if (n->again)
		return;
	n->again = true;
	n->again_next = c->again;
	c->again = n;
}

/* Sends until all is out or the socket takes no more; but a server that takes whatever comes does not keep the client
 * from other connections, and from its own answer. When the connection is broken, a response may lie in the socket all
 * the same, which says more than the error. */
static void send_request(struct own_conn *n)
{
	const uint64_t enough = n->sent + SENT_AT_ONCE;

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
			own_conn_look_again(n);
			return;
		}
		n->sent += got;
		n->moved_ns = n->client->now_ns;
		n->sending = !request_is_out(n);
		if (!n->ssl && got < asked)
			return; /* the socket is full, and will say when it is not */
		if (n->sending && n->sent >= enough) {
			own_conn_look_again(n);
			return;
		}
	}
}

static void send_more(struct own_conn *n)
{
	if (n->sending && !n->have_head && !n->broke)
		send_request(n);
}

/* --- events */

/* On an idle connection nothing should come: but TLS has messages of its own. */
static void idle_event(struct own_conn *n)
{
	const char *why;
	size_t got;

	if (own_response_read(n, &got, &why) == OWN_BLOCKED)
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
		own_response_receive(n, (events & end) != 0);
		if (n->fd < 0 || n->ex != ex)
			return;
	}
	if (ex)
		send_more(n);
}

void own_conn_again(struct own_conn *n)
{
	struct http_exchange *ex = n->ex;

	if (!ex)
		return;
	own_response_receive(n, true);
	if (n->fd >= 0 && n->ex == ex)
		send_more(n);
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
