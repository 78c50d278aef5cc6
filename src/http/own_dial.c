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
#include <strings.h>
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
/* A server that could not be reached this often in a row rests so long between one lot of dials and the next, or
 * a closed loop of exchanges would do nothing but knock at it. */
#define FAILURES_BEFORE_REST 4
#define REST_NS (50 * NS_PER_MS)
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
	uint32_t load;    /* lines in use, under the lock */
	uint64_t look_ns; /* when a server that rests can be dialed again */
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
	struct {
		uint16_t busy;     /* dials under way */
		uint16_t failures; /* in a row, up to FAILURES_BEFORE_REST */
		uint64_t rests_until_ns;
	} servers[HTTP_SERVERS_MAX];
};

static void fail_late(struct dialer *d, struct dial *dial)
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
	else if (*failures < FAILURES_BEFORE_REST)
		++*failures;
	else
		d->servers[dial->server].rests_until_ns = clock_ns() + REST_NS;
}

static void hang_up(struct dial_thread *t, struct line *l)
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

/* Whether it can be dialed now. With the lock held. */
static bool is_free(struct dial_thread *t, uint32_t server, uint64_t now_ns)
{
	const struct dialer *d = t->dialer;
	uint64_t until_ns = d->servers[server].rests_until_ns;

	if (until_ns > now_ns && until_ns < t->look_ns)
		t->look_ns = until_ns;
	return until_ns <= now_ns && d->servers[server].busy < DIALS_PER_SERVER;
}

/* Takes the first dial of a server that can be dialed. With the lock held. */
static struct dial *pick(struct dial_thread *t)
{
	struct dialer *d = t->dialer;
	struct dial **at = &d->first, *before = NULL, *found;
	uint64_t now_ns = clock_ns();

	while (*at && !is_free(t, (*at)->server, now_ns)) {
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
	l->dial = d->stop ? NULL : pick(t);
	if (l->dial) {
		d->servers[l->dial->server].busy++;
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
	t->look_ns = UINT64_MAX;
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
	uint64_t now_ns = clock_ns(), until_ns = now_ns + IDLE_MS * NS_PER_MS;
	unsigned n = 0;

	if (t->look_ns < until_ns)
		until_ns = t->look_ns;
	for (size_t i = 0; i < DIALS; i++) {
		const struct line *l = &t->lines[i];

		if (!l->tls)
			continue;
		if (l->until_ns < until_ns)
			until_ns = l->until_ns;
		fds[n++] = (struct curl_waitfd){
			.fd = l->dial->fd,
			.events = l->events == POLLOUT ? CURL_WAIT_POLLOUT
						       : CURL_WAIT_POLLIN,
		};
	}
	if (until_ns < now_ns)
		until_ns = now_ns;
	curl_multi_poll(
		t->multi, fds, n, (int)((until_ns - now_ns) / NS_PER_MS + 1), NULL);
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

int own_dialer_ask(struct dialer *d, struct inbox *inbox, uint32_t server)
{
	struct dial *dial = calloc(1, sizeof(*dial));
	int rc;

	if (!dial)
		return -1;
	dial->inbox = inbox;
	dial->server = server;
	dial->fd = -1;
	dial->asked_ns = clock_ns();
	inbox_hold(inbox);
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

struct dialer *own_dialer_create(struct http_space *s, struct err *err)
{
	struct dialer *d = calloc(1, sizeof(*d));

	if (!d) {
		err_set(err, ERR_SYSTEM, "no memory");
		return NULL;
	}
	d->space = s;
	if (s->cfg.proxy && strncasecmp(s->cfg.proxy, "https:", 6) == 0) {
		free(d);
		err_set(err, ERR_INPUT,
			"a proxy that is reached by https works with http_engine: curl "
			"alone");
		return NULL;
	}
	d->context = own_tls_context(&s->cfg, err);
	if (!d->context) {
		free(d);
		return NULL;
	}
	pthread_mutex_init(&d->lock, NULL);
	return d;
}

void own_dialer_destroy(struct dialer *d)
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
		inbox_put(dial);
	}
	SSL_CTX_free(d->context);
	pthread_mutex_destroy(&d->lock);
	free(d);
}
