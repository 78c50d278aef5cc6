/* fleet_line: what a worker says, line by line: noise, hello, pongs, and the user's messages. */
#include "orchestrator/fleet/fleet_private.h"

#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/text.h"
#include "transport/worker/container.h"

#define MAX_NOISE (1024u * 1024u)

void fleet_worker_hello(struct fleet_worker *w)
{
	struct msg m = {.type = MSG_HELLO_TO, .u.hello_to.protocol = PROTO_VERSION};

	if (!*w->nonce)
		digest_random_hex(16, w->nonce);
	memcpy(m.u.hello_to.nonce, w->nonce, sizeof(m.u.hello_to.nonce));
	fleet_send(w, &m);
}

void fleet_worker_ping(struct fleet_worker *w)
{
	struct msg m = {.type = MSG_PING, .u.ping.seq = ++w->ping_seq};

	w->pinging = true;
	w->ping_sent_ns = clock_ns();
	fleet_send(w, &m);
}

static void go_online(struct fleet_worker *w)
{
	struct fleet *f = w->on->fleet;

	w->online = true;
	fleet_worker_state(w, WORKER_ONLINE);
	if (f->config.events.online)
		f->config.events.online(w, f->config.user);
}

static void handle_pong(struct fleet_worker *w, const struct msg_pong *p)
{
	uint64_t now = clock_ns();

	if (!w->pinging || p->seq != w->ping_seq)
		return;
	w->pinging = false;
	if (clock_sync_add(&w->clock, w->ping_sent_ns, p->received_ns, p->sent_ns, now)) {
		w->burst = false;
		if (!w->online)
			go_online(w);
		return;
	}
	/* a burst goes on at once; a single exchange of the heartbeat begins one every 10 s */
	if (!w->online || w->burst || w->clock.n == 0 ||
		now - w->clock.anchors[w->clock.n - 1].at_ns > CLOCK_SYNC_EVERY_NS) {
		w->burst = true;
		fleet_worker_ping(w);
	} else {
		w->clock.exchanges = 0;
	}
}

void fleet_resync(struct fleet_worker *w)
{
	if (!w->online || w->burst || worker_gone(w))
		return;
	w->burst = true;
	if (!w->pinging)
		fleet_worker_ping(w);
}

static bool check_hello(struct fleet_worker *w, const struct msg_hello *h)
{
	const struct fleet_host *on = w->on;

	if (h->protocol != PROTO_VERSION) {
		fleet_worker_failf(w, WORKER_ERROR,
			"worker %s speaks protocol %u, this program %d: use the same "
			"version on both "
			"sides",
			h->version, h->protocol, PROTO_VERSION);
		return false;
	}
	for (size_t i = 0; i < on->fleet->n_files; i++)
		if (strcmp(h->sha256, on->fleet->files[i].sha256) == 0)
			return true;
	fleet_host_wrong_worker(w, h->arch, h->sha256);
	return false;
}

void fleet_worker_greeted(struct fleet_worker *w)
{
	if (w->on->fleet->config.no_clock)
		go_online(w);
	else
		fleet_worker_ping(w);
}

static void handle_hello(struct fleet_worker *w, struct msg *m)
{
	if (w->said_hello || strcmp(m->u.hello.nonce, w->nonce) != 0)
		return;
	if (!check_hello(w, &m->u.hello))
		return;
	w->hello = m->u.hello;
	m->u.hello = (struct msg_hello){0};
	w->said_hello = true;
	fleet_host_info(w);
	if (!fleet_container_forget(w))
		fleet_worker_greeted(w);
	if (w->number == 0 || w->on->fleet->config.no_cache)
		fleet_host_start_rest(w->on);
}

/* Before hello anything may come: the noise of start-up files, our setup's answer, or hello. */
static void handle_early(struct fleet_worker *w, const char *line, size_t len)
{
	struct err err = ERR_INIT;
	struct msg m;

	if (text_starts_with(line, "MUSTER-NEED ")) {
		fleet_host_need(w, line);
		return;
	}
	if (text_starts_with(line, CONTAINER_ANSWER)) {
		fleet_container_answer(w, line + strlen(CONTAINER_ANSWER));
		return;
	}
	if (line[0] == '{' && msg_decode(MSG_FROM_WORKER, line, len, &m, &err) == 0) {
		if (m.type == MSG_HELLO)
			handle_hello(w, &m);
		msg_finish(&m);
		return;
	}
	w->noise += len + 1;
	if (len) {
		free(w->last_noise);
		w->last_noise = text_sanitize(line, len < 200 ? len : 200);
	}
	if (w->noise > MAX_NOISE)
		fleet_worker_failf(w, WORKER_ERROR,
			"more than 1 MiB of text came before the worker's hello; the "
			"last line: %s",
			w->last_noise ? w->last_noise : "");
}

static void handle_line(struct fleet_worker *w, const char *line, size_t len)
{
	struct fleet *f = w->on->fleet;
	struct err err = ERR_INIT;
	struct msg m;

	if (msg_decode(MSG_FROM_WORKER, line, len, &m, &err) < 0) {
		fleet_worker_failf(
			w, WORKER_LOST, "it wrote what is not a message: %s", err.text);
		return;
	}
	if (m.type == MSG_PONG)
		handle_pong(w, &m.u.pong);
	else if (m.type == MSG_HELLO)
		; /* the answer to a hello that was repeated */
	else if (m.type == MSG_BYE && !w->finished)
		w->finished = true;
	if (m.type != MSG_PONG && m.type != MSG_HELLO && f->config.events.message)
		f->config.events.message(w, &m, f->config.user);
	msg_finish(&m);
}

void fleet_worker_data(struct fleet_worker *w, const char *data, size_t len)
{
	w->heard_ns = clock_ns();
	if (buf_append(w->in, data, len) < 0) {
		fleet_fail(w, WORKER_LOST, "out of memory");
		return;
	}

	size_t at = 0;

	while (at < w->in->len && w->chan) {
		char *line = w->in->data + at;
		char *end = memchr(line, '\n', w->in->len - at);
		struct chan *before = w->chan;

		if (!end)
			break;
		*end = '\0';
		at += (size_t)(end - line) + 1;
		if (w->said_hello)
			handle_line(w, line, (size_t)(end - line));
		else
			handle_early(w, line, (size_t)(end - line));
		if (w->chan !=
			before) /* started anew: this text belongs to the old one */
			return;
	}
	buf_consume(w->in, at);
	if (w->in->len > MSG_MAX_LINE && w->said_hello)
		fleet_fail(w, WORKER_LOST, "it wrote a line longer than 1 MiB");
	else if (w->in->len > MAX_NOISE && !w->said_hello)
		fleet_fail(w, WORKER_ERROR,
			"more than 1 MiB of text without a line end came before the "
			"worker's hello");
}
