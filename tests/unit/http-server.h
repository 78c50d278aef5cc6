/* http-server: a server that does what a script says, byte by byte, on a thread of its own; plain or with TLS. */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "common/clock.h"
#include "common/units.h"

/* The longest that anything may take. */
#define PATIENCE_NS (60 * NS_PER_SEC)
#define STEPS 10
#define SCRIPTS 4

enum does {
	SCRIPT_ENDS, /* closes the connection */
	READ_REQUEST, /* head, and the body by its Content-Length; text: what the head must have */
	READ_HEAD,
	READ_BODY,          /* of the request whose head was read */
	SEND,               /* text */
	SEND_BYTEWISE,      /* text, each byte apart */
	RESET,              /* closes with RST */
	UNTIL_CLOSED,       /* reads and drops until the client closes */
	UNREAD_TILL_CLOSED, /* the same, without reading */
};

struct step {
	enum does does;
	const char *text;
};

/* Of one connection. */
struct script {
	struct step steps[STEPS];
};

struct http_peer {
	int listener, wake; /* wake: ends it */
	uint16_t port;
	const struct script *scripts;
	size_t n_scripts;
	SSL_CTX *tls; /* NULL: plain */
	pthread_t thread;
	/* of the connection at hand */
	int fd;
	SSL *ssl;
	char head[8192];
	size_t head_len, have; /* have: with what was read beyond the head */
	/* what came to pass; read after peer_stop */
	unsigned connections, resumed,
		surprises; /* surprises: requests that are not as the script says */
};

static inline ssize_t peer_read(struct http_peer *p, void *data, size_t size)
{
	size_t got = 0;

	if (!p->ssl)
		return recv(p->fd, data, size, 0);
	return SSL_read_ex(p->ssl, data, size, &got) == 1 ? (ssize_t)got : 0;
}

static inline bool peer_write(struct http_peer *p, const char *text, size_t len)
{
	size_t put = 0;

	while (len > 0) {
		if (p->ssl) {
			if (SSL_write_ex(p->ssl, text, len, &put) != 1)
				return false;
		} else {
			ssize_t n = send(p->fd, text, len, MSG_NOSIGNAL);

			if (n < 0)
				return false;
			put = (size_t)n;
		}
		text += put;
		len -= put;
	}
	return true;
}

static inline bool peer_read_head(struct http_peer *p, const char *must)
{
	char *end = NULL;

	memmove(p->head, p->head + p->head_len, p->have - p->head_len);
	p->have -= p->head_len;
	p->head_len = 0;
	while (!(p->have && (end = memmem(p->head, p->have, "\r\n\r\n", 4)))) {
		ssize_t n =
			peer_read(p, p->head + p->have, sizeof(p->head) - 1 - p->have);

		if (n <= 0)
			return false;
		p->have += (size_t)n;
	}
	p->head_len = (size_t)(end + 4 - p->head);
	if (must && !memmem(p->head, p->head_len, must, strlen(must)))
		p->surprises++;
	return true;
}

static inline bool peer_read_body(struct http_peer *p)
{
	char saved = p->head[p->head_len], *field;
	uint64_t left = 0, more = p->have - p->head_len;
	static _Thread_local char dropped[1 << 16];

	p->head[p->head_len] = '\0';
	field = strcasestr(p->head, "\ncontent-length:");
	p->head[p->head_len] = saved;
	if (field)
		left = strtoull(field + 16, NULL, 10);
	if (more > left)
		more = left;
	left -= more;
	p->head_len += (size_t)more;
	while (left > 0) {
		ssize_t n = peer_read(p, dropped,
			left < sizeof(dropped) ? (size_t)left : sizeof(dropped));

		if (n <= 0)
			return false;
		left -= (uint64_t)n;
	}
	return true;
}

/* Waits until the client is gone, or the test is over. */
static inline void peer_wait_closed(struct http_peer *p, short events)
{
	struct pollfd fds[2] = {{p->fd, events, 0}, {p->wake, POLLIN, 0}};
	char dropped[4096];

	while (poll(fds, 2, (int)(PATIENCE_NS / NS_PER_MS)) > 0) {
		if (fds[1].revents || fds[0].revents & (POLLRDHUP | POLLHUP | POLLERR))
			return;
		if (fds[0].revents & POLLIN &&
			recv(p->fd, dropped, sizeof(dropped), 0) <= 0)
			return;
	}
}

static inline void peer_reset(struct http_peer *p)
{
	const struct linger now = {1, 0};

	setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

static inline bool peer_do(struct http_peer *p, const struct step *s)
{
	size_t len = s->text ? strlen(s->text) : 0;
	bool ok = true;

	switch (s->does) {
	case SCRIPT_ENDS:
		return false;
	case READ_REQUEST:
		return peer_read_head(p, s->text) && peer_read_body(p);
	case READ_HEAD:
		return peer_read_head(p, s->text);
	case READ_BODY:
		return peer_read_body(p);
	case SEND:
		return peer_write(p, s->text, len);
	case SEND_BYTEWISE:
		for (size_t i = 0; ok && i < len; i++)
			ok = peer_write(p, s->text + i, 1);
		return ok;
	case RESET:
		peer_reset(p);
		return false;
	case UNTIL_CLOSED:
		peer_wait_closed(p, POLLIN | POLLRDHUP);
		return true;
	case UNREAD_TILL_CLOSED:
		peer_wait_closed(p, POLLRDHUP);
		return true;
	}
	return false;
}

static inline bool peer_accept(struct http_peer *p)
{
	struct pollfd fds[2] = {{p->listener, POLLIN, 0}, {p->wake, POLLIN, 0}};
	const struct timeval patience = {PATIENCE_NS / NS_PER_SEC, 0};
	const int one = 1;

	if (poll(fds, 2, -1) < 0 || !(fds[0].revents & POLLIN))
		return false;
	p->fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
	setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(p->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	p->connections++;
	p->have = p->head_len = 0;
	return p->fd >= 0;
}

/* The connection at hand, by its script. */
static inline void peer_converse(struct http_peer *p, const struct script *script)
{
	bool ok = true;

	if (p->tls) {
		p->ssl = SSL_new(p->tls);
		SSL_set_fd(p->ssl, p->fd);
		ok = SSL_accept(p->ssl) == 1;
		p->resumed += ok && SSL_session_reused(p->ssl);
		/* closing on what was not read would reset the connection, and the reason be lost */
		if (!ok) {
			shutdown(p->fd, SHUT_WR);
			peer_wait_closed(p, POLLIN);
		}
	}
	for (size_t i = 0; ok && i < STEPS; i++)
		ok = peer_do(p, &script->steps[i]);
	if (p->ssl) {
		if (ok || script->steps[0].does != RESET)
			(void)SSL_shutdown(p->ssl);
		SSL_free(p->ssl);
		p->ssl = NULL;
	}
	close(p->fd);
}

static inline void *peer_main(void *peer)
{
	struct http_peer *p = peer;

	for (size_t i = 0; i < p->n_scripts && peer_accept(p); i++)
		peer_converse(p, &p->scripts[i]);
	return NULL;
}

static inline int peer_listen(int backlog, uint16_t *ret_port)
{
	struct sockaddr_in where = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(where);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&where, len) < 0 ||
		listen(fd, backlog) < 0 ||
		getsockname(fd, (struct sockaddr *)&where, &len) < 0) {
		perror("listen");
		exit(1);
	}
	*ret_port = ntohs(where.sin_port);
	return fd;
}

/* Scripts and context stay the caller's. */
static inline void peer_start(
	struct http_peer *p, const struct script *scripts, size_t n, SSL_CTX *tls)
{
	*p = (struct http_peer){.scripts = scripts, .n_scripts = n, .tls = tls};
	p->listener = peer_listen(64, &p->port);
	p->wake = eventfd(0, EFD_CLOEXEC);
	if (pthread_create(&p->thread, NULL, peer_main, p))
		exit(1);
}

static inline void peer_stop(struct http_peer *p)
{
	static const uint64_t one = 1;

	(void)!write(p->wake, &one, sizeof(one));
	pthread_join(p->thread, NULL);
	close(p->listener);
	close(p->wake);
}
