/* own_inbox: dials that have ended, on their way from the threads that dial to the client that asked. */
#include <errno.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/err.h"
#include "http/own.h"

void dial_free(struct dial *dial)
{
	if (!dial)
		return;
	SSL_free(dial->ssl);
	if (dial->fd >= 0)
		close(dial->fd);
	free(dial);
}

void inbox_drop(struct inbox *b)
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

void inbox_hold(struct inbox *b)
{
	pthread_mutex_lock(&b->lock);
	b->refs++;
	pthread_mutex_unlock(&b->lock);
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

void inbox_put(struct dial *dial)
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
