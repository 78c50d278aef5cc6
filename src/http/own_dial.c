/* own_dial: threads that connect, so that a thread with exchanges in flight never waits for a name, a handshake or a
 * server that is not there.
 *
 * libcurl knows names, addresses of both families, and proxies, and gives a socket with a way to the server
 * (CONNECT_ONLY, of which a copy is taken; a proxy is asked for a tunnel). TLS is then ours, own_tls.c. A thread
 * has many dials under way at once; there are more threads only while many are wanted. */
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/units.h"
#include "http/own.h"

/* Dials that a thread has under way. */
#define DIALS 32
/* With more than this under way, it gets help. */
#define DIALS_ALONE 4
/* Of one server, in all threads, so that one that does not answer leaves room for others. */
#define DIALS_PER_SERVER 128
#define THREADS_MAX 64
#define IDLE_MS 60000

/* One dial under way. */
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
	uint32_t load; /* lines in use, under the lock */
	struct line lines[DIALS];
};

struct dialer {
	struct http_space *space;
	SSL_CTX *context;
	pthread_mutex_t lock; /* of all below */
	struct dial *first, *last;
	bool stop;
	uint32_t n_threads;
	struct dial_thread *threads[THREADS_MAX];
	uint16_t busy[HTTP_SERVERS_MAX]; /* dials under way per server */
};

/* --- dials and where they go */

void dial_free(struct dial *dial)
{
	if (!dial)
		return;
	SSL_free(dial->ssl);
	if (dial->fd >= 0)
		close(dial->fd);
	free(dial);
}

static void inbox_drop(struct inbox *b)
{
	uint32_t left;

	pthread_mutex_lock(&b->lock);
	left = --b->refs;
	pthread_mutex_unlock(&b->lock);
	if (left > 0)
		return;
	close(b->event);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

struct inbox *inbox_create(struct err *err)
{
	struct inbox *b = calloc(1, sizeof(*b));

	if (!b) {
		err_set(err, ERR_SYSTEM, "no memory");
		return NULL;
	}
	b->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (b->event < 0) {
		err_sys(err, errno, "eventfd");
		free(b);
		return NULL;
	}
	pthread_mutex_init(&b->lock, NULL);
	b->refs = 1;
	return b;
}

static struct dial *take_all(struct inbox *b)
{
	struct dial *dial;

	pthread_mutex_lock(&b->lock);
	dial = b->first;
	b->first = b->last = NULL;
	pthread_mutex_unlock(&b->lock);
	return dial;
}

struct dial *inbox_take(struct inbox *b)
{
	uint64_t count;

	if (read(b->event, &count, sizeof(count)) < 0)
		return NULL;
	return take_all(b);
}

void inbox_close(struct inbox *b)
{
	struct dial *next, *dial;

	if (!b)
		return;
	pthread_mutex_lock(&b->lock);
	b->closed = true;
	pthread_mutex_unlock(&b->lock);
	for (dial = take_all(b); dial; dial = next) {
		next = dial->next;
		dial_free(dial);
	}
	inbox_drop(b);
}

/* Puts a dial that has ended where its client finds it. */
static void deliver(struct dial *dial)
{
	static const uint64_t one = 1;
	struct inbox *b = dial->inbox;
	bool closed;

	dial->next = NULL;
	pthread_mutex_lock(&b->lock);
	closed = b->closed;
	if (!closed) {
		if (b->last)
			b->last->next = dial;
		else
			b->first = dial;
		b->last = dial;
		(void)!write(b->event, &one, sizeof(one));
	}
	pthread_mutex_unlock(&b->lock);
	if (closed)
		dial_free(dial);
	inbox_drop(b);
}

static void fail_late(struct dialer *d, struct dial *dial)
{
	dial->fail = HTTP_FAIL_CONNECT_TIMEOUT;
	snprintf(dial->text, sizeof(dial->text), "no connection within %.3g s",
		(double)d->space->cfg.connect_timeout_ns / NS_PER_SEC);
}

/* --- ends of a line */

static void hang_up(struct dial_thread *t, struct line *l)
{
	struct dialer *d = t->dialer;
	struct dial *dial = l->dial;

	l->dial = NULL;
	l->tls = false;
	pthread_mutex_lock(&d->lock);
	t->load--;
	d->busy[dial->server]--;
	pthread_mutex_unlock(&d->lock);
	if (dial->fail != HTTP_OK && dial->fd >= 0) {
		SSL_free(dial->ssl);
		dial->ssl = NULL;
		close(dial->fd);
		dial->fd = -1;
	}
	deliver(dial);
}

/* What libcurl's code means, and in which words. */
static void say_why(struct dial_thread *t, struct line *l, CURLcode code)
{
	struct dial *dial = l->dial;
	const char *proxy = t->dialer->space->cfg.proxy;
	long errnum = 0;

	curl_easy_getinfo(l->easy, CURLINFO_OS_ERRNO, &errnum);
	if (code == CURLE_OPERATION_TIMEDOUT) {
		fail_late(t->dialer, dial);
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

static void agree_on_tls(struct dial_thread *t, struct line *l)
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
	hang_up(t, l);
}

static void begin_tls(struct dial_thread *t, struct line *l)
{
	struct dial *dial = l->dial;
	struct dialer *d = t->dialer;

	dial->ssl = own_tls_new(d->context, d->space->servers[dial->server], dial->fd);
	if (!dial->ssl) {
		dial->fail = HTTP_FAIL_MEMORY;
		snprintf(dial->text, sizeof(dial->text), "no memory");
		hang_up(t, l);
		return;
	}
	l->tls = true;
	agree_on_tls(t, l);
}

/* --- TCP */

/* libcurl has come to an end: with a connection, of which a copy is taken, or without. */
static void connected(struct dial_thread *t, struct line *l, CURLcode code)
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
		hang_up(t, l);
		return;
	}
	setsockopt(dial->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	fcntl(dial->fd, F_SETFL, fcntl(dial->fd, F_GETFL) | O_NONBLOCK);
	if (t->dialer->space->servers[dial->server]->tls)
		begin_tls(t, l);
	else
		hang_up(t, l);
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
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
	/* empty: the environment is not asked */
	curl_easy_setopt(easy, CURLOPT_PROXY, cfg->proxy ? cfg->proxy : "");
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
	curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, cfg->proxy ? 1L : 0L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
		(long)((cfg->connect_timeout_ns + NS_PER_MS - 1) / NS_PER_MS));
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, l->text);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, (char *)l);
	return easy;
}

static void dial(struct dial_thread *t, struct line *l)
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
	hang_up(t, l);
}

/* --- a thread */

/* Takes the first dial of a server that has not too many under way. With the lock held. */
static struct dial *pick(struct dialer *d)
{
	struct dial **at = &d->first, *before = NULL, *found;

	while (*at && d->busy[(*at)->server] >= DIALS_PER_SERVER) {
		before = *at;
		at = &before->next;
	}
	found = *at;
	if (!found)
		return NULL;
	*at = found->next;
	if (d->last == found)
		d->last = before;
	return found;
}

/* What a free line does next. false: there is nothing, or it is over. */
static bool take_one(struct dial_thread *t, struct line *l)
{
	struct dialer *d = t->dialer;

	pthread_mutex_lock(&d->lock);
	l->dial = d->stop ? NULL : pick(d);
	if (l->dial) {
		d->busy[l->dial->server]++;
		t->load++;
	}
	pthread_mutex_unlock(&d->lock);
	if (!l->dial)
		return false;
	if (clock_ns() - l->dial->asked_ns >= d->space->cfg.connect_timeout_ns) {
		fail_late(d, l->dial);
		hang_up(t, l);
	} else {
		dial(t, l);
	}
	return true;
}

/* Takes up what was asked for, in all lines that are free. */
static void take_up(struct dial_thread *t)
{
	for (size_t i = 0; i < DIALS; i++)
		while (!t->lines[i].dial)
			if (!take_one(t, &t->lines[i]))
				return;
}

/* What libcurl has brought to an end. */
static void take_connected(struct dial_thread *t)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(t->multi, &left))) {
		CURLcode code = msg->data.result;
		char *l = NULL;

		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &l);
		connected(t, (struct line *)(void *)l, code);
	}
}

/* Waits for sockets of libcurl and of TLS, or to be woken. */
static void wait_for_events(struct dial_thread *t)
{
	struct curl_waitfd fds[DIALS];
	uint64_t now_ns = clock_ns();
	unsigned n = 0;
	int ms = IDLE_MS;

	for (size_t i = 0; i < DIALS; i++) {
		const struct line *l = &t->lines[i];
		uint64_t left_ns = l->until_ns > now_ns ? l->until_ns - now_ns : 0;

		if (!l->tls)
			continue;
		if ((uint64_t)ms > left_ns / NS_PER_MS + 1)
			ms = (int)(left_ns / NS_PER_MS + 1);
		fds[n++] = (struct curl_waitfd){
			.fd = l->dial->fd,
			.events = l->events == POLLOUT ? CURL_WAIT_POLLOUT
						       : CURL_WAIT_POLLIN,
		};
	}
	curl_multi_poll(t->multi, fds, n, ms, NULL);
}

static void go_on_with_tls(struct dial_thread *t)
{
	uint64_t now_ns = clock_ns();

	for (size_t i = 0; i < DIALS; i++) {
		struct line *l = &t->lines[i];

		if (l->tls)
			agree_on_tls(t, l);
		if (l->tls && now_ns >= l->until_ns) {
			fail_late(t->dialer, l->dial);
			hang_up(t, l);
		}
	}
}

static void give_up(struct dial_thread *t)
{
	for (size_t i = 0; i < DIALS; i++) {
		struct line *l = &t->lines[i];

		if (!l->dial)
			continue;
		if (!l->tls)
			curl_multi_remove_handle(t->multi, l->easy);
		l->dial->fail = HTTP_FAIL_CANCELLED;
		hang_up(t, l);
	}
}

static bool is_over(struct dialer *d)
{
	bool stop;

	pthread_mutex_lock(&d->lock);
	stop = d->stop;
	pthread_mutex_unlock(&d->lock);
	return stop;
}

static void *thread_main(void *arg)
{
	struct dial_thread *t = arg;
	int running;

	while (!is_over(t->dialer)) {
		curl_multi_perform(t->multi, &running);
		take_connected(t);
		go_on_with_tls(t);
		/* the last thing before sleep: lines that are free by now have work, if there is any */
		take_up(t);
		wait_for_events(t);
	}
	give_up(t);
	return NULL;
}

/* --- threads */

static void thread_free(struct dial_thread *t)
{
	for (size_t i = 0; i < DIALS; i++)
		curl_easy_cleanup(t->lines[i].easy);
	curl_multi_cleanup(t->multi);
	free(t);
}

/* With the lock held. Signals are for others. */
static int add_thread(struct dialer *d)
{
	struct dial_thread *t = calloc(1, sizeof(*t));
	sigset_t all, before;
	int rc = t ? 0 : -1;

	if (rc == 0) {
		t->dialer = d;
		t->multi = curl_multi_init();
		rc = t->multi ? 0 : -1;
	}
	if (rc == 0) {
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &before);
		rc = pthread_create(&t->id, NULL, thread_main, t) ? -1 : 0;
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	if (rc == 0)
		d->threads[d->n_threads++] = t;
	else if (t)
		thread_free(t);
	return rc;
}

/* Somebody takes up what was asked for: who has the least to do, or a new one. With the lock held. */
static int rouse(struct dialer *d)
{
	struct dial_thread *least = NULL;
	uint32_t max = d->space->cfg.connectors;

	for (uint32_t i = 0; i < d->n_threads; i++)
		if (!least || d->threads[i]->load < least->load)
			least = d->threads[i];
	if ((!least || least->load >= DIALS_ALONE) && d->n_threads < max &&
		d->n_threads < THREADS_MAX && add_thread(d) == 0)
		return 0;
	if (!least)
		return -1;
	curl_multi_wakeup(least->multi);
	return 0;
}

int dialer_ask(struct dialer *d, struct inbox *inbox, uint32_t server)
{
	struct dial *dial = calloc(1, sizeof(*dial));
	int rc;

	if (!dial)
		return -1;
	dial->inbox = inbox;
	dial->server = server;
	dial->fd = -1;
	dial->asked_ns = clock_ns();
	pthread_mutex_lock(&inbox->lock);
	inbox->refs++;
	pthread_mutex_unlock(&inbox->lock);
	pthread_mutex_lock(&d->lock);
	rc = rouse(d);
	if (rc == 0) {
		if (d->last)
			d->last->next = dial;
		else
			d->first = dial;
		d->last = dial;
	}
	pthread_mutex_unlock(&d->lock);
	if (rc < 0) {
		inbox_drop(inbox);
		dial_free(dial);
	}
	return rc;
}

struct dialer *dialer_create(struct http_space *s, struct err *err)
{
	struct dialer *d = calloc(1, sizeof(*d));

	if (!d) {
		err_set(err, ERR_SYSTEM, "no memory");
		return NULL;
	}
	d->space = s;
	d->context = own_tls_context(&s->cfg, err);
	if (!d->context) {
		free(d);
		return NULL;
	}
	pthread_mutex_init(&d->lock, NULL);
	return d;
}

void dialer_destroy(struct dialer *d)
{
	if (!d)
		return;
	pthread_mutex_lock(&d->lock);
	d->stop = true;
	for (uint32_t i = 0; i < d->n_threads; i++)
		curl_multi_wakeup(d->threads[i]->multi);
	pthread_mutex_unlock(&d->lock);
	for (uint32_t i = 0; i < d->n_threads; i++) {
		pthread_join(d->threads[i]->id, NULL);
		thread_free(d->threads[i]);
	}
	while (d->first) {
		struct dial *dial = d->first;

		d->first = dial->next;
		dial->fail = HTTP_FAIL_CANCELLED;
		deliver(dial);
	}
	SSL_CTX_free(d->context);
	pthread_mutex_destroy(&d->lock);
	free(d);
}
