/* chan: what channels of all transports have in common: the write queue and the callbacks. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/text.h"
#include "transport/impl.h"

#define CHUNK_MIN 4096

/* Takes command and argv over. */
static struct chan *chan_create(struct conn *c, char *command, char **argv,
	const struct chan_events *e, void *user)
{
	struct chan *ch = calloc(1, sizeof(*ch));

	if (!ch || !command)
		abort();
	ch->command = command;
	ch->argv = argv;
	ch->conn = c;
	ch->events = *e;
	ch->user = user;
	TAILQ_INIT(&ch->chunks);
	TAILQ_INSERT_TAIL(&c->chans, ch, link);
	conn_kick(c);
	return ch;
}

struct chan *chan_open(
	struct conn *c, const char *command, const struct chan_events *e, void *user)
{
	return chan_create(c, strdup(command), NULL, e, user);
}

struct chan *chan_open_argv(
	struct conn *c, const char *const *argv, const struct chan_events *e, void *user)
{
	AUTO_BUF struct buf line = BUF_INIT;
	char **copy;
	size_t n = 0;

	while (argv[n])
		n++;
	copy = calloc(n + 1, sizeof(*copy));
	if (!copy || transport_argv_line(&line, argv) < 0)
		abort();
	for (size_t i = 0; i < n; i++)
		if (!(copy[i] = strdup(argv[i])))
			abort();
	return chan_create(c, buf_steal(&line), copy, e, user);
}

/* Adds to the last piece while it has room: many small messages make one packet. */
static size_t fill_tail(struct chan *ch, const char *data, size_t len)
{
	struct chunk *tail = TAILQ_LAST(&ch->chunks, chunk_list);
	size_t n;

	/* the head may have been shown to libssh2 with its length: it must stay as it is */
	if (!tail || tail == TAILQ_FIRST(&ch->chunks))
		return 0;
	n = tail->cap - tail->len < len ? tail->cap - tail->len : len;
	memcpy(tail->data + tail->len, data, n);
	tail->len += n;
	return n;
}

int chan_write(struct chan *ch, const void *data, size_t len)
{
	const char *p = data;
	size_t n;
	struct chunk *k;

	if (ch->queued + len > CHAN_QUEUE_MAX)
		return -ENOBUFS;
	if (ch->eof || ch->state >= CHAN_ENDED || !len)
		return 0; /* nobody reads it any more */
	ch->queued += len;
	n = fill_tail(ch, p, len);
	if (n < len) {
		size_t cap = len - n < CHUNK_MIN ? CHUNK_MIN : len - n;

		k = malloc(sizeof(*k) + cap);
		if (!k)
			abort();
		k->cap = cap;
		k->off = 0;
		k->len = len - n;
		memcpy(k->data, p + n, len - n);
		TAILQ_INSERT_TAIL(&ch->chunks, k, link);
	}
	conn_kick(ch->conn);
	return 0;
}

size_t chan_queued(const struct chan *ch)
{
	return ch->queued;
}

void chan_eof(struct chan *ch)
{
	ch->eof = true;
	conn_kick(ch->conn);
}

void chan_close(struct chan *ch)
{
	if (!ch || ch->gone)
		return;
	ch->gone = true;
	conn_kick(ch->conn);
}

const struct chunk *chan_head(const struct chan *ch)
{
	return TAILQ_FIRST(&ch->chunks);
}

void chan_sent(struct chan *ch, size_t n)
{
	struct chunk *k = TAILQ_FIRST(&ch->chunks);

	k->off += n;
	ch->queued -= n;
	if (k->off < k->len)
		return;
	TAILQ_REMOVE(&ch->chunks, k, link);
	free(k);
	if (TAILQ_EMPTY(&ch->chunks))
		ch->drained_due = true;
}

void chan_drop_queue(struct chan *ch)
{
	struct chunk *k;

	while ((k = TAILQ_FIRST(&ch->chunks))) {
		TAILQ_REMOVE(&ch->chunks, k, link);
		free(k);
	}
	ch->queued = 0;
}

void chan_deliver(struct chan *ch, int stream, const char *data, size_t len)
{
	if (!ch->gone && !ch->conn->gone && ch->events.data)
		ch->events.data(ch, stream, data, len, ch->user);
}

void chan_report(struct chan *ch)
{
	if (!ch->drained_due)
		return;
	ch->drained_due = false;
	if (!ch->gone && !ch->conn->gone && !ch->queued && ch->events.drained)
		ch->events.drained(ch, ch->user);
}

void chan_set_why(struct chan *ch, const char *fmt, ...)
{
	va_list ap;

	if (ch->why)
		return;
	va_start(ap, fmt);
	if (vasprintf(&ch->why, fmt, ap) < 0)
		ch->why = NULL;
	va_end(ap);
	if (ch->why)
		text_sanitize_inplace(ch->why);
	ch->exit.why = ch->why;
}

void chan_done(struct chan *ch)
{
	if (ch->state == CHAN_DONE)
		return;
	ch->state = CHAN_DONE;
	chan_drop_queue(ch);
	if (!ch->gone && !ch->conn->gone && ch->events.closed) {
		ch->events.closed(ch, &ch->exit, ch->user);
		ch->gone = true;
	}
	/* its place may be wanted */
	if (!ch->conn->gone)
		conn_kick(ch->conn);
}

void chan_free(struct chan *ch)
{
	TAILQ_REMOVE(&ch->conn->chans, ch, link);
	ch->conn->ops->chan_fini(ch);
	chan_drop_queue(ch);
	free(ch->why);
	for (char **a = ch->argv; a && *a; a++)
		free(*a);
	free(ch->argv);
	free(ch->command);
	free(ch);
}

unsigned conn_running(const struct conn *c)
{
	const struct chan *ch;
	unsigned n = 0;

	TAILQ_FOREACH(ch, &c->chans, link)
	n += ch->state > CHAN_WAITING && ch->state < CHAN_DONE;
	return n;
}
