/* fetch: one exchange at a time from any thread. Each thread that asks gets a client of its own, so that a response
 * stays until it asks again, whatever others do. */
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/units.h"
#include "http/impl.h"

/* How often a fetch looks whether it is still wanted. */
#define LOOK_UP_NS (100 * NS_PER_MS)

struct http_fetcher {
	struct http_fetcher *next;
	pthread_t thread;
	struct http_client *client;
};

/* With the lock held. NULL with err. */
static struct http_fetcher *fetcher_of(
	struct http_space *s, pthread_t thread, struct err *err)
{
	struct http_fetcher *f = s->fetchers;

	while (f && !pthread_equal(f->thread, thread))
		f = f->next;
	if (f)
		return f;
	f = calloc(1, sizeof(*f));
	if (!f) {
		err_set(err, ERR_SYSTEM, "no memory");
		return NULL;
	}
	f->thread = thread;
	f->client = s->ops->client_create(s, 1, err);
	if (!f->client) {
		free(f);
		return NULL;
	}
	f->next = s->fetchers;
	s->fetchers = f;
	return f;
}

void http_space_give_up(struct http_space *s)
{
	if (s)
		__atomic_store_n(&s->given_up, 1, __ATOMIC_RELAXED);
}

static bool is_given_up(const struct http_client *c)
{
	return __atomic_load_n(&c->space->given_up, __ATOMIC_RELAXED);
}

static void wait_for(struct http_client *c, struct http_exchange *ex, uint64_t timeout_ns)
{
	uint64_t deadline_ns = timeout_ns ? ex->start_ns + timeout_ns : UINT64_MAX;
	struct http_exchange *done;

	do {
		uint64_t now_ns = clock_ns();
		uint64_t until_ns = now_ns + LOOK_UP_NS;

		if (http_wait(
			    c, &done, 1, until_ns < deadline_ns ? until_ns : deadline_ns))
			return;
	} while (clock_ns() < deadline_ns && !is_given_up(c));
	http_cancel(c);
	while (http_wait(c, &done, 1, clock_ns() + NS_PER_SEC) == 0)
		;
	if (is_given_up(c))
		return;
	http_set_fail(ex,
		ex->first_byte_ns ? HTTP_FAIL_STALL_TIMEOUT
				  : HTTP_FAIL_FIRST_BYTE_TIMEOUT,
		"no whole response within %.3g s", (double)timeout_ns / NS_PER_SEC);
}

void http_fetch(struct http_space *s, struct http_exchange *ex, uint64_t timeout_ns)
{
	struct http_fetcher *f;
	struct err err = ERR_INIT;

	pthread_mutex_lock(&s->lock);
	f = fetcher_of(s, pthread_self(), &err);
	pthread_mutex_unlock(&s->lock);
	if (!f) {
		http_clear(ex);
		ex->end_ns = ex->start_ns;
		http_set_fail(ex, HTTP_FAIL_MEMORY, "%.150s", err.text);
		return;
	}
	http_start(f->client, ex);
	wait_for(f->client, ex, timeout_ns);
}

void http_fetchers_destroy(struct http_space *s)
{
	while (s->fetchers) {
		struct http_fetcher *f = s->fetchers;

		s->fetchers = f->next;
		http_client_destroy(f->client);
		free(f);
	}
}
