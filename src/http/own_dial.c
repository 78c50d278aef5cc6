/* own_dial: threads that connect, so that a thread with exchanges in flight never waits for a name, a handshake or a
 * server that is not there. A thread has many dials under way at once (own_line.c); there are more threads only while
 * many are wanted. */
#include <curl/curl.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/units.h"
#include "http/own_line.h"

/* With more than this under way, a thread gets help. */
#define DIALS_ALONE 4
/* Of one server, in all threads, so that one that does not answer leaves room for others. */
#define DIALS_PER_SERVER 128
#define IDLE_MS 60000

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
		own_line_fail_late(d, l->dial);
		own_line_hang_up(t, l);
	} else {
		own_line_dial(t, l);
	}
	return true;
}

/* Takes up what was asked for, in all lines that are free. */
static void take_up(struct dial_thread *t)
{
	t->look_ns = UINT64_MAX;
	for (size_t i = 0; i < OWN_LINES; i++)
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
		own_line_connected(t, (struct line *)(void *)l, code);
	}
}

/* Waits for sockets of libcurl and of TLS, or to be woken. */
static void wait_for_events(struct dial_thread *t)
{
	struct curl_waitfd fds[OWN_LINES];
	uint64_t now_ns = clock_ns(), until_ns = now_ns + IDLE_MS * NS_PER_MS;
	unsigned n = 0;

	if (t->look_ns < until_ns)
		until_ns = t->look_ns;
	for (size_t i = 0; i < OWN_LINES; i++) {
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

	for (size_t i = 0; i < OWN_LINES; i++) {
		struct line *l = &t->lines[i];

		if (l->tls)
			own_line_agree_on_tls(t, l);
		if (l->tls && now_ns >= l->until_ns) {
			own_line_fail_late(t->dialer, l->dial);
			own_line_hang_up(t, l);
		}
	}
}

static void give_up(struct dial_thread *t)
{
	for (size_t i = 0; i < OWN_LINES; i++) {
		struct line *l = &t->lines[i];

		if (!l->dial)
			continue;
		if (!l->tls)
			curl_multi_remove_handle(t->multi, l->easy);
		l->dial->fail = HTTP_FAIL_CANCELLED;
		own_line_hang_up(t, l);
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
	for (size_t i = 0; i < OWN_LINES; i++)
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
		d->n_threads < OWN_DIAL_THREADS_MAX && add_thread(d) == 0)
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
