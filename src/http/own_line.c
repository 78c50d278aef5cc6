/* own_line: a way to a server by libcurl, and TLS on it. */
#include "http/own_line.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/units.h"

void own_line_fail_late(struct dialer *d, struct dial *dial)
{
	dial->fail = HTTP_FAIL_CONNECT_TIMEOUT;
	snprintf(dial->text, sizeof(dial->text), "no connection within %.3g s",
		(double)d->space->cfg.connect_timeout_ns / NS_PER_SEC);
}

/* --- ends of a line */

/* With the lock held. */
static void keep_count(struct dialer *d, const struct dial *dial)
{
	uint16_t *failures = &d->servers[dial->server].failures;

	d->servers[dial->server].busy--;
	if (dial->fail == HTTP_OK)
		*failures = 0;
	else if (*failures < OWN_FAILURES_BEFORE_REST)
		++*failures;
	else
		d->servers[dial->server].rests_until_ns = clock_ns() + OWN_REST_NS;
}

void own_line_hang_up(struct dial_thread *t, struct line *l)
{
	struct dialer *d = t->dialer;
	struct dial *dial = l->dial;

	l->dial = NULL;
	l->tls = false;
	pthread_mutex_lock(&d->lock);
	t->load--;
	keep_count(d, dial);
	pthread_mutex_unlock(&d->lock);
	if (dial->fail != HTTP_OK && dial->fd >= 0) {
		SSL_free(dial->ssl);
		dial->ssl = NULL;
		close(dial->fd);
		dial->fd = -1;
	}
	inbox_put(dial);
}

/* What libcurl's code means, and in which words. */
static void say_why(struct dial_thread *t, struct line *l, CURLcode code)
{
	struct dial *dial = l->dial;
	const char *proxy = t->dialer->space->cfg.proxy;
	long errnum = 0;

	curl_easy_getinfo(l->easy, CURLINFO_OS_ERRNO, &errnum);
	if (code == CURLE_OPERATION_TIMEDOUT) {
		own_line_fail_late(t->dialer, dial);
	} else if (code == CURLE_OUT_OF_MEMORY) {
		dial->fail = HTTP_FAIL_MEMORY;
		snprintf(dial->text, sizeof(dial->text), "no memory");
	} else if (proxy) {
		dial->fail = HTTP_FAIL_PROXY;
		snprintf(dial->text, sizeof(dial->text), "the proxy: %.140s",
			l->text[0] ? l->text : curl_easy_strerror(code));
	} else if (code == CURLE_COULDNT_RESOLVE_HOST) {
		dial->fail = HTTP_FAIL_RESOLVE;
		snprintf(dial->text, sizeof(dial->text), "its name cannot be resolved");
	} else {
		dial->fail = HTTP_FAIL_CONNECT;
		snprintf(dial->text, sizeof(dial->text), "%.150s",
			errnum ? strerror((int)errnum) : curl_easy_strerror(code));
	}
}

/* --- TLS */

void own_line_agree_on_tls(struct dial_thread *t, struct line *l)
{
	struct dial *dial = l->dial;

	switch (own_tls_handshake(dial->ssl, &l->events, dial->text)) {
	case OWN_DONE:
		break;
	case OWN_BLOCKED:
		return;
	case OWN_EOF:
	case OWN_RESET:
	case OWN_TLS:
		dial->fail = HTTP_FAIL_TLS;
	}
	own_line_hang_up(t, l);
}

static void begin_tls(struct dial_thread *t, struct line *l)
{
	struct dial *dial = l->dial;
	struct dialer *d = t->dialer;

	dial->ssl = own_tls_new(d->context, d->space->servers[dial->server], dial->fd);
	if (!dial->ssl) {
		dial->fail = HTTP_FAIL_MEMORY;
		snprintf(dial->text, sizeof(dial->text), "no memory");
		own_line_hang_up(t, l);
		return;
	}
	l->tls = true;
	own_line_agree_on_tls(t, l);
}

/* --- TCP */

/* libcurl has come to an end: with a connection, of which a copy is taken, or without. */
void own_line_connected(struct dial_thread *t, struct line *l, CURLcode code)
{
	struct dial *dial = l->dial;
	curl_socket_t fd = CURL_SOCKET_BAD;
	const int one = 1;

	if (code == CURLE_OK)
		code = curl_easy_getinfo(l->easy, CURLINFO_ACTIVESOCKET, &fd);
	if (code == CURLE_OK)
		dial->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (code != CURLE_OK) {
		say_why(t, l, code);
	} else if (dial->fd < 0) {
		dial->fail = HTTP_FAIL_CONNECT;
		snprintf(dial->text, sizeof(dial->text), "%s", strerror(errno));
	}
	curl_multi_remove_handle(t->multi, l->easy);
	if (dial->fail != HTTP_OK) {
		own_line_hang_up(t, l);
		return;
	}
	setsockopt(dial->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	fcntl(dial->fd, F_SETFL, fcntl(dial->fd, F_GETFL) | O_NONBLOCK);
	if (t->dialer->space->servers[dial->server]->tls)
		begin_tls(t, l);
	else
		own_line_hang_up(t, l);
}

/* Options that stay from dial to dial. */
static CURL *make_easy(const struct dial_thread *t, struct line *l)
{
	const struct http_config *cfg = &t->dialer->space->cfg;
	CURL *easy = curl_easy_init();

	if (!easy)
		return NULL;
	curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	/* a name that is still looked up when its time is over would be waited for, and hold up all lines */
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
	/* empty: the environment is not asked */
	curl_easy_setopt(easy, CURLOPT_PROXY, cfg->proxy ? cfg->proxy : "");
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
	curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, cfg->proxy ? 1L : 0L);
	/* a name with many addresses is a store that wants them all used */
	curl_easy_setopt(easy, CURLOPT_DNS_SHUFFLE_ADDRESSES, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
		(long)((cfg->connect_timeout_ns + NS_PER_MS - 1) / NS_PER_MS));
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, l->text);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, (char *)l);
	return easy;
}

void own_line_dial(struct dial_thread *t, struct line *l)
{
	const struct http_server *v = t->dialer->space->servers[l->dial->server];
	/* TLS is not libcurl's */
	const char *rest = strstr(v->url, "://");
	char url[320];

	snprintf(url, sizeof(url), "http%s/", rest ? rest : "");
	l->until_ns = clock_ns() + t->dialer->space->cfg.connect_timeout_ns;
	l->text[0] = '\0';
	if (!l->easy)
		l->easy = make_easy(t, l);
	if (l->easy && curl_easy_setopt(l->easy, CURLOPT_URL, url) == CURLE_OK &&
		curl_multi_add_handle(t->multi, l->easy) == CURLM_OK)
		return;
	l->dial->fail = HTTP_FAIL_MEMORY;
	snprintf(l->dial->text, sizeof(l->dial->text), "no memory");
	own_line_hang_up(t, l);
}
