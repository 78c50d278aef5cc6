/* ssh_io: bytes between libssh2 and the socket, or the channel of a jump host that stands for one. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/cleanup.h"
#include "common/text.h"
#include "transport/libssh2/ssh.h"

#define CAPTURE_MAX 16384
/* libssh2 goes on reading while there is something: others get their turn after this much. */
#define STEP_MAX ((uint64_t)1 << 20)
/* Greetings, key exchange and login take some kilobytes; libssh2 keeps whatever comes with them. */
#define LOGIN_MAX ((uint64_t)1 << 20)

static void capture(struct ssh *s, struct buf *to, const void *data, size_t len)
{
	if (s->capture && to->len + len <= CAPTURE_MAX)
		buf_append(to, data, len);
}

/* Bytes, 0 at the end, -errno. */
static ssize_t source_read(struct ssh *s, void *to, size_t len)
{
	ssize_t n;

	if (s->tunnel)
		return ssh_tunnel_read(s, to, len);
	do
		n = recv(s->fd, to, len, 0);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static ssize_t source_write(struct ssh *s, const void *data, size_t len)
{
	ssize_t n;

	if (s->tunnel)
		return ssh_tunnel_write(s, data, len);
	do
		n = send(s->fd, data, len, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* Who sends and sends holds up nobody else, and fills no memory. False: no more now. */
static bool may_take_in(struct ssh *s)
{
	if (s->phase < SSH_UP && s->received > LOGIN_MAX) {
		snprintf(s->disconnect, sizeof(s->disconnect),
			"it sent more than 1 MiB before the login was over");
		s->peer_closed = true;
		return false;
	}
	if (s->received - s->received_before < STEP_MAX)
		return true;
	conn_kick(s->c);
	return false;
}

/* The end is kept to ourselves until libssh2 has handed out all it has. */
static ssize_t receive(struct ssh *s, void *to, size_t len)
{
	ssize_t n;

	if (!s->may_read || s->peer_closed || !may_take_in(s))
		return -EAGAIN;
	n = source_read(s, to, len);
	if (n > 0) {
		/* less than asked for: that was all; epoll tells of more */
		s->may_read = (size_t)n == len;
		s->received += (size_t)n;
		capture(s, &s->plain_in, to, (size_t)n);
		return n;
	}
	s->may_read = false;
	if (n == -EAGAIN)
		return -EAGAIN;
	s->io_errno = (int)-n;
	s->peer_closed = true;
	return -EAGAIN;
}

static LIBSSH2_RECV_FUNC(on_recv)
{
	struct ssh *s = *abstract;
	ssize_t n;

	(void)socket;
	(void)flags;
	if (s->dead)
		return 0;
	if (s->in_off == s->in_len && length >= sizeof(s->in))
		return receive(s, buffer, length);
	if (s->in_off == s->in_len) {
		n = receive(s, s->in, sizeof(s->in));
		if (n < 0)
			return n;
		s->in_off = 0;
		s->in_len = (size_t)n;
	}
	if (length > s->in_len - s->in_off)
		length = s->in_len - s->in_off;
	memcpy(buffer, s->in + s->in_off, length);
	s->in_off += length;
	return (ssize_t)length;
}

static LIBSSH2_SEND_FUNC(on_send)
{
	struct ssh *s = *abstract;

	(void)socket;
	(void)flags;
	if (!s->dead && !s->peer_closed) {
		if (buf_append(&s->out, buffer, length) < 0)
			return -ENOMEM;
		capture(s, &s->plain_out, buffer, length);
	}
	return (ssize_t)length;
}

static LIBSSH2_DISCONNECT_FUNC(on_disconnect)
{
	struct ssh *s = *abstract;
	size_t n = message_len > 0 ? (size_t)message_len : 0;

	(void)session;
	(void)reason;
	(void)language;
	(void)language_len;
	if (n >= sizeof(s->disconnect))
		n = sizeof(s->disconnect) - 1;
	if (n)
		memcpy(s->disconnect, message, n);
	s->disconnect[n] = '\0';
	text_sanitize_inplace(s->disconnect);
}

/* libssh2 takes callbacks of all kinds as void *. */
static void set_callback(struct ssh *s, int type, void (*fn)(void))
{
	void *p;

	memcpy(&p, &fn, sizeof(p));
	libssh2_session_callback_set(s->session, type, p);
}

void ssh_io_start(struct ssh *s)
{
	s->may_read = s->capture = true;
	s->peer_closed = s->dead = false;
	s->io_errno = 0;
	s->in_len = s->in_off = 0;
	s->received = s->received_before = 0;
	s->disconnect[0] = '\0';
	set_callback(s, LIBSSH2_CALLBACK_RECV, (void (*)(void))on_recv);
	set_callback(s, LIBSSH2_CALLBACK_SEND, (void (*)(void))on_send);
	set_callback(s, LIBSSH2_CALLBACK_DISCONNECT, (void (*)(void))on_disconnect);
}

size_t ssh_io_pending(const struct ssh *s)
{
	return s->out.len - s->out_off;
}

bool ssh_io_idle(const struct ssh *s)
{
	return s->phase == SSH_UP && TAILQ_EMPTY(&s->c->chans) &&
	       (!s->serves || ssh_jump_idle(s));
}

void ssh_io_flush(struct ssh *s)
{
	while (ssh_io_pending(s)) {
		ssize_t n = source_write(s, s->out.data + s->out_off, ssh_io_pending(s));

		if (n == -EAGAIN)
			break;
		if (n < 0) {
			/* what the host said before is still to be read; its end follows */
			if (!s->io_errno)
				s->io_errno = (int)-n;
			n = (ssize_t)ssh_io_pending(s);
		}
		s->out_off += (size_t)n;
	}
	if (!ssh_io_pending(s)) {
		buf_clear(&s->out);
		s->out_off = 0;
	} else if (s->out_off > 65536) {
		buf_consume(&s->out, s->out_off);
		s->out_off = 0;
	}
	if (s->watch)
		loop_fd_set(s->watch, (ssh_io_idle(s) ? EPOLLRDHUP : EPOLLIN) |
					      (ssh_io_pending(s) ? EPOLLOUT : 0));
}

void ssh_io_stop(struct ssh *s)
{
	if (s->session) {
		/* says good-bye if the socket takes it at once; waits for nothing */
		if (s->phase == SSH_UP && !s->peer_closed && !ssh_io_pending(s)) {
			libssh2_session_disconnect(s->session, "bye");
			ssh_io_flush(s);
		}
		s->dead = true;
		libssh2_session_free(s->session);
		s->session = NULL;
		ssh_memory_release(s);
	}
	loop_fd_del(s->watch);
	s->watch = NULL;
	cleanup_close(&s->fd);
	s->fd = -1;
	ssh_tunnel_close(s);
	s->out_off = 0;
	buf_clear(&s->out);
	buf_clear(&s->plain_in);
	buf_clear(&s->plain_out);
}
