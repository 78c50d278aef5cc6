/* ssh_chan: channels of one libssh2 session. Opens go one by one, for libssh2 keeps their state in the
 * session; everything else steps side by side, and both streams are always read, for one that is not
 * stalls the other. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/text.h"
#include "common/units.h"
#include "transport/libssh2/ssh.h"

/* More than this waits in the channels, not in front of the socket. */
#define OUT_MAX ((size_t)256 << 10)
/* Of a channel, not read by its command yet. */
#define IN_FLIGHT_MAX (256ul << 10)
#define IN_FLIGHT_PER_US 100ul /* and of the round trip: 100 MB/s */
/* Then others get their turn. */
#define PASSES_MAX 16
#define REFUSED_MAX 50
#define REFUSED_WAIT_NS (100 * NS_PER_MS)

static LIBSSH2_CHANNEL *channel(const struct chan *ch)
{
	return ch->impl;
}

static void say_crowded(struct ssh *s, struct chan *ch)
{
	if (ch->events.crowded) {
		if (!ch->gone)
			ch->events.crowded(ch, ch->user);
		return;
	}
	if (!s->limit_said)
		conn_note(s->c,
			"%s: sshd allows %u channels on a connection (MaxSessions); more "
			"commands wait for one to end",
			dial_where(s->dial), s->limit);
	s->limit_said = true;
}

/* The host did not give a channel: too many on this connection (MaxSessions), or none at all. */
static void open_refused(struct ssh *s, struct chan *ch)
{
	char *text = NULL;
	unsigned others = conn_running(s->c) - 1;

	libssh2_session_last_error(s->session, &text, NULL, 0);
	ch->state = CHAN_WAITING;
	if (others) {
		s->limit = others;
		say_crowded(s, ch);
	} else if (s->channels && s->refused++ < REFUSED_MAX) {
		/* sshd counts a session until it has reaped its process, a moment after the end */
		s->paused = true;
		loop_timer_set(s->timer, clock_ns() + REFUSED_WAIT_NS, 0);
	} else {
		chan_set_why(ch,
			"%s: the host refused to open a session: %s (MaxSessions 0, or a "
			"restricted key?)",
			dial_where(s->dial), text);
		chan_done(ch);
	}
}

static bool step_open(struct ssh *s, struct chan *ch)
{
	if (ch->state == CHAN_WAITING) {
		if (ch->gone || s->opening || s->paused || conn_running(s->c) >= s->limit)
			return false;
		s->opening = ch;
		ch->state = CHAN_OPENING;
	}
	ch->impl = libssh2_channel_open_session(s->session);
	if (ch->impl) {
		s->opening = NULL;
		s->channels++;
		s->refused = 0;
		ch->state = CHAN_STARTING;
		return true;
	}
	if (libssh2_session_last_errno(s->session) == LIBSSH2_ERROR_EAGAIN)
		return false;
	s->opening = NULL;
	if (libssh2_session_last_errno(s->session) == LIBSSH2_ERROR_CHANNEL_FAILURE)
		open_refused(s, ch);
	else
		ssh_lost(s);
	return true;
}

static bool step_start(struct ssh *s, struct chan *ch)
{
	int rc = ch->gone ? 0 : libssh2_channel_exec(channel(ch), ch->command);

	if (rc == LIBSSH2_ERROR_EAGAIN)
		return false;
	if (rc) {
		chan_set_why(
			ch, "%s: the host refused to run a command", dial_where(s->dial));
		ch->state = CHAN_CLOSING;
	} else {
		ch->state = CHAN_RUNNING;
	}
	return true;
}

static bool read_streams(struct ssh *s, struct chan *ch)
{
	struct transport *t = s->c->t;
	bool progress = false;

	for (int stream = 0; stream < 2; stream++) {
		ssize_t n = libssh2_channel_read_ex(
			channel(ch), stream, t->iobuf, TRANSPORT_IO_SIZE);

		if (n > 0) {
			chan_deliver(ch, stream + 1, t->iobuf, (size_t)n);
			progress = true;
		} else if (n < 0 && n != LIBSSH2_ERROR_EAGAIN) {
			ssh_lost(s);
			return true;
		}
	}
	return progress;
}

/* sshd takes what we send before the command reads it, into a buffer that it copies whole to grow by
 * each packet: 2 MiB of it cost it 30 ms. So no more is sent ahead than the way there and back holds. */
static bool window_open(const struct ssh *s, struct chan *ch)
{
	unsigned long left = libssh2_channel_window_write_ex(channel(ch), NULL);
	struct tcp_info tcp = {0};
	socklen_t len = sizeof(tcp);

	if (left > ch->window_max)
		ch->window_max = left;
	if (ch->window_max - left < IN_FLIGHT_MAX)
		return true;
	return s->fd < 0 || getsockopt(s->fd, IPPROTO_TCP, TCP_INFO, &tcp, &len) < 0 ||
	       ch->window_max - left < IN_FLIGHT_MAX + tcp.tcpi_rtt * IN_FLIGHT_PER_US;
}

static bool write_queue(struct ssh *s, struct chan *ch)
{
	const struct chunk *k;
	bool progress = false;

	while ((k = chan_head(ch))) {
		ssize_t n;

		if (ssh_io_pending(s) >= OUT_MAX) {
			ssh_io_flush(s);
			if (ssh_io_pending(s) >= OUT_MAX)
				break;
		}
		if (!window_open(s, ch))
			break;
		n = libssh2_channel_write(channel(ch), k->data + k->off, k->len - k->off);
		if (n > 0) {
			chan_sent(ch, (size_t)n);
			progress = true;
		} else if (n == 0 || n == LIBSSH2_ERROR_EAGAIN) {
			break;
		} else if (n == LIBSSH2_ERROR_CHANNEL_CLOSED ||
			   n == LIBSSH2_ERROR_CHANNEL_EOF_SENT) {
			chan_drop_queue(ch);
		} else {
			ssh_lost(s);
			return true;
		}
	}
	if (ch->eof && !ch->eof_sent && !chan_head(ch))
		ch->eof_sent =
			libssh2_channel_send_eof(channel(ch)) != LIBSSH2_ERROR_EAGAIN;
	chan_report(ch);
	return progress;
}

static void take_exit(struct chan *ch)
{
	LIBSSH2_CHANNEL *c = channel(ch);
	char *name = NULL;
	size_t len = 0;

	libssh2_channel_get_exit_signal(c, &name, &len, NULL, NULL, NULL, NULL);
	if (name) {
		snprintf(
			ch->exit.signal, sizeof(ch->exit.signal), "%.*s", (int)len, name);
		text_sanitize_inplace(ch->exit.signal);
		libssh2_free(((struct ssh *)ch->conn->impl)->session, name);
	}
	ch->exit.exited = !ch->exit.signal[0];
	ch->exit.status = libssh2_channel_get_exit_status(c);
}

static bool step_running(struct ssh *s, struct chan *ch)
{
	bool progress;

	if (ch->gone) {
		ch->state = CHAN_CLOSING;
		return true;
	}
	progress = read_streams(s, ch);
	if (!s->c->failed && !s->c->gone)
		progress |= write_queue(s, ch);
	if (progress || s->c->failed || s->c->gone)
		return progress;
	/* both streams are empty now: have they ended, and is the command gone? */
	if (libssh2_channel_eof(channel(ch)) != 1 ||
		libssh2_channel_wait_closed(channel(ch)) != 0)
		return false;
	take_exit(ch);
	ch->state = CHAN_CLOSING;
	return true;
}

static bool step_close(struct chan *ch)
{
	if (libssh2_channel_free(channel(ch)) == LIBSSH2_ERROR_EAGAIN)
		return false;
	ch->impl = NULL;
	chan_done(ch);
	return true;
}

static bool step_chan(struct ssh *s, struct chan *ch)
{
	switch (ch->state) {
	case CHAN_WAITING:
	case CHAN_OPENING:
		return step_open(s, ch);
	case CHAN_STARTING:
		return step_start(s, ch);
	case CHAN_RUNNING:
		return step_running(s, ch);
	case CHAN_CLOSING:
		return step_close(ch);
	default:
		return false;
	}
}

bool ssh_chans_step(struct ssh *s)
{
	struct conn *c = s->c;
	struct chan *ch;

	for (int pass = 0; pass < PASSES_MAX; pass++) {
		bool progress = false;

		TAILQ_FOREACH(ch, &c->chans, link)
		{
			progress |= step_chan(s, ch);
			if (c->failed || c->gone)
				return false;
		}
		if (!progress)
			return false;
	}
	conn_kick(c);
	return true;
}

void ssh_chan_fini(struct chan *ch)
{
	struct ssh *s = ch->conn->impl;

	/* channels that are open go with the session */
	if (s && s->opening == ch)
		s->opening = NULL;
}
