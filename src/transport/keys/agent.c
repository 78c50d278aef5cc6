/* agent: one connection for all hosts; requests are sent as they come, and answered in that order. */
#include "transport/keys/agent.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/loop.h"
#include "common/text.h"
#include "common/units.h"
#include "transport/keys/key_rsa.h"
#include "transport/wire.h"

#define REQUEST_IDENTITIES 11
#define IDENTITIES_ANSWER 12
#define SIGN_REQUEST 13
#define SIGN_RESPONSE 14
#define RSA_SHA2_512 4           /* a flag of SIGN_REQUEST */
#define MESSAGE_MAX (256u << 10) /* as OpenSSH has it */
#define KEYS_MAX 1024
#define LIST_TIMEOUT_NS (2 * NS_PER_SEC)

struct agent_sign {
	STAILQ_ENTRY(agent_sign) link;
	agent_sign_fn *fn; /* NULL: cancelled */
	void *user;
	const char *type; /* of the signature */
};

struct agent {
	int fd; /* -1: gone */
	struct loop_fd *watch;
	struct loop *loop;
	struct loop_timer *broken; /* tells the waiting that it is gone, from the loop */
	struct buf in, out;
	struct agent_key *keys;
	size_t n;
	STAILQ_HEAD(, agent_sign) waiting;
};

/* Takes one whole message off the buffer's front; its body is valid until buf changes. */
static bool next_message(const struct buf *in, struct wire *ret, size_t *ret_size)
{
	uint32_t len;

	if (in->len < 4)
		return false;
	len = wire_load_u32((const uint8_t *)in->data);
	if (in->len - 4 < len)
		return false;
	*ret = wire_of(in->data + 4, len);
	*ret_size = 4 + (size_t)len;
	return true;
}

static int connect_agent(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return -1;
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Reads until one message is there. */
static int await_message(struct agent *a, struct wire *ret, size_t *ret_size)
{
	uint64_t end_ns = clock_ns() + LIST_TIMEOUT_NS;

	while (!next_message(&a->in, ret, ret_size)) {
		struct pollfd p = {.fd = a->fd, .events = POLLIN};
		uint64_t now_ns = clock_ns();
		char *to = buf_reserve(&a->in, 4096);
		ssize_t n;

		if (!to || now_ns >= end_ns ||
			poll(&p, 1, (int)((end_ns - now_ns) / NS_PER_MS) + 1) < 0)
			return -1;
		n = recv(a->fd, to, 4096, 0);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return -1;
		a->in.len += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static void read_keys(struct agent *a, struct wire w)
{
	uint8_t type = wire_u8(&w);
	uint32_t n = wire_u32(&w);

	if (w.bad || type != IDENTITIES_ANSWER)
		return;
	if (n > KEYS_MAX)
		n = KEYS_MAX;
	a->keys = calloc(n ? n : 1, sizeof(*a->keys));
	if (!a->keys)
		abort();
	while (a->n < n) {
		struct wire blob = wire_string(&w), comment = wire_string(&w);
		struct agent_key *k = &a->keys[a->n];

		if (w.bad)
			return;
		k->comment = text_sanitize((const char *)comment.p, comment.left);
		k->blob = malloc(blob.left ? blob.left : 1);
		if (!k->comment || !k->blob)
			abort();
		if (blob.left)
			memcpy(k->blob, blob.p, blob.left);
		k->blob_len = blob.left;
		key_about(k->blob, k->blob_len, &k->about);
		a->n++;
	}
}

static int list_keys(struct agent *a)
{
	static const uint8_t request[] = {0, 0, 0, 1, REQUEST_IDENTITIES};
	struct wire w;
	size_t size;

	if (send(a->fd, request, sizeof(request), MSG_NOSIGNAL) != sizeof(request) ||
		await_message(a, &w, &size) < 0)
		return -1;
	read_keys(a, w);
	buf_consume(&a->in, size);
	return 0;
}

static void answer(struct agent *a, const uint8_t *sig, size_t len)
{
	struct agent_sign *s = STAILQ_FIRST(&a->waiting);

	STAILQ_REMOVE_HEAD(&a->waiting, link);
	if (s->fn)
		s->fn(sig, len, s->user);
	free(s);
}

static void on_broken(struct loop_timer *t, void *user)
{
	struct agent *a = user;

	(void)t;
	while (!STAILQ_EMPTY(&a->waiting))
		answer(a, NULL, 0);
}

static void break_off(struct agent *a)
{
	loop_fd_del(a->watch);
	a->watch = NULL;
	cleanup_close(&a->fd);
	a->fd = -1;
	loop_timer_set(a->broken, 1, 0);
}

static void on_message(struct agent *a, struct wire w)
{
	uint8_t type = wire_u8(&w);
	struct wire signature = wire_string(&w);
	struct wire name = wire_string(&signature), sig = wire_string(&signature);
	struct agent_sign *s = STAILQ_FIRST(&a->waiting);

	/* an agent that does not know the flags signs by SHA-1 */
	if (!s)
		break_off(a);
	else if (type != SIGN_RESPONSE || sig.bad || !wire_is(&name, s->type))
		answer(a, NULL, 0);
	else
		answer(a, sig.p, sig.left);
}

static void flush(struct agent *a)
{
	while (a->fd >= 0 && a->out.len) {
		ssize_t n = send(a->fd, a->out.data, a->out.len, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			break_off(a);
			return;
		}
		buf_consume(&a->out, (size_t)n);
	}
	if (a->watch)
		loop_fd_set(a->watch, EPOLLIN | (a->out.len ? EPOLLOUT : 0));
}

static void on_ready(struct loop_fd *watch, uint32_t events, void *user)
{
	struct agent *a = user;
	char *to = buf_reserve(&a->in, 4096);
	struct wire w;
	size_t size;
	ssize_t n;

	(void)watch;
	if (events & EPOLLOUT)
		flush(a);
	if (a->fd < 0)
		return;
	n = to ? recv(a->fd, to, 4096, 0) : 0;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		break_off(a);
		return;
	}
	a->in.len += (size_t)n;
	while (a->fd >= 0 && next_message(&a->in, &w, &size)) {
		on_message(a, w);
		buf_consume(&a->in, size);
	}
}

struct agent *agent_create(struct loop *loop)
{
	const char *path = getenv("SSH_AUTH_SOCK");
	struct err err = ERR_INIT;
	struct agent *a;

	if (!path || !*path)
		return NULL;
	a = calloc(1, sizeof(*a));
	if (!a)
		abort();
	a->loop = loop;
	a->in.max = MESSAGE_MAX + 4096;
	STAILQ_INIT(&a->waiting);
	a->broken = loop_timer_add(loop, 1, 0, on_broken, a);
	loop_timer_stop(a->broken);
	a->fd = connect_agent(path);
	if (a->fd < 0 || list_keys(a) < 0) {
		agent_destroy(a);
		return NULL;
	}
	a->watch = loop_fd_add(loop, a->fd, EPOLLIN, on_ready, a, &err);
	if (!a->watch) {
		agent_destroy(a);
		return NULL;
	}
	return a;
}

void agent_destroy(struct agent *a)
{
	struct agent_sign *s;

	if (!a)
		return;
	while ((s = STAILQ_FIRST(&a->waiting))) {
		STAILQ_REMOVE_HEAD(&a->waiting, link);
		free(s);
	}
	for (size_t i = 0; i < a->n; i++) {
		free(a->keys[i].blob);
		free(a->keys[i].comment);
	}
	free(a->keys);
	loop_fd_del(a->watch);
	loop_timer_del(a->broken);
	cleanup_close(&a->fd);
	buf_finish(&a->in);
	buf_finish(&a->out);
	free(a);
}

const struct agent_key *agent_list(const struct agent *a, size_t *ret_n)
{
	*ret_n = a ? a->n : 0;
	return a ? a->keys : NULL;
}

struct agent_sign *agent_sign(struct agent *a, const struct agent_key *key,
	const void *data, size_t len, agent_sign_fn *fn, void *user)
{
	struct agent_sign *s = calloc(1, sizeof(*s));
	uint32_t flags = strcmp(key->about.type, KEY_RSA) == 0 ? RSA_SHA2_512 : 0;
	int rc = 0;

	if (!s)
		abort();
	s->fn = fn;
	s->user = user;
	s->type = key_signature_type(key->about.type);
	STAILQ_INSERT_TAIL(&a->waiting, s, link);
	if (a->fd < 0) {
		loop_timer_set(a->broken, 1, 0);
		return s;
	}
	rc |= wire_put_u32(&a->out, (uint32_t)(1 + 4 + key->blob_len + 4 + len + 4));
	rc |= buf_putc(&a->out, SIGN_REQUEST);
	rc |= wire_put_string(&a->out, key->blob, key->blob_len);
	rc |= wire_put_string(&a->out, data, len);
	rc |= wire_put_u32(&a->out, flags);
	if (rc)
		abort();
	flush(a);
	return s;
}

void agent_sign_cancel(struct agent_sign *s)
{
	if (s)
		s->fn = NULL;
}
