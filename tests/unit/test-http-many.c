/* test-http-many: many exchanges at once, many that are given up, fetches from several threads; both engines. */
#include <signal.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "http-server.h"
#include "http/http.h"

static const struct {
	const char *name;
	enum http_engine engine;
} engines[] = {
	{"own", HTTP_ENGINE_OWN},
	{"curl", HTTP_ENGINE_CURL},
};

#define OK5 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

static struct http_exchange make_get(uint32_t server, struct buf *body)
{
	static const char head[] = "GET /x HTTP/1.1\r\nHost: h\r\n\r\n";

	return (struct http_exchange){.server = server,
		.head = head,
		.head_len = sizeof(head) - 1,
		.body = body,
		.keep = true};
}

#define MANY 40
#define ROUNDS 50

static const struct script lasting = {{{READ_REQUEST, NULL}, {SEND, OK5}}};

/* Answers whatever comes on a connection. */
static void *serve_one(void *peer)
{
	struct http_peer *p = peer;

	while (peer_do(p, &p->scripts->steps[0]) && peer_do(p, &p->scripts->steps[1]))
		;
	close(p->fd);
	free(p);
	return NULL;
}

struct crowd {
	struct http_peer peer;
	pthread_t thread, servers[4 * MANY];
	size_t n;
};

static void *crowd_main(void *arg)
{
	struct crowd *crowd = arg;

	while (crowd->n < 4 * MANY && peer_accept(&crowd->peer)) {
		struct http_peer *p = malloc(sizeof(*p));

		*p = crowd->peer;
		if (pthread_create(&crowd->servers[crowd->n], NULL, serve_one, p) == 0)
			crowd->n++;
	}
	return NULL;
}

static void crowd_start(struct crowd *crowd, const struct script *script)
{
	*crowd = (struct crowd){.peer.scripts = script};
	crowd->peer.listener = peer_listen(64, &crowd->peer.port);
	crowd->peer.wake = eventfd(0, EFD_CLOEXEC);
	if (pthread_create(&crowd->thread, NULL, crowd_main, crowd))
		exit(1);
}

static void crowd_stop(struct crowd *crowd)
{
	static const uint64_t one = 1;

	(void)!write(crowd->peer.wake, &one, sizeof(one));
	pthread_join(crowd->thread, NULL);
	for (size_t i = 0; i < crowd->n; i++)
		pthread_join(crowd->servers[i], NULL);
	close(crowd->peer.listener);
	close(crowd->peer.wake);
}

/* MANY in flight, each ROUNDS times; taken three at a time, so that some wait to be handed out. */
static void many(struct http_client *c, uint32_t server, const char *engine)
{
	static struct http_exchange exchanges[MANY];
	static struct buf bodies[MANY];
	uint64_t deadline_ns = clock_ns() + PATIENCE_NS;
	size_t started = 0, ended = 0, right = 0;

	for (; started < MANY; started++) {
		exchanges[started] = make_get(server, &bodies[started]);
		http_start(c, &exchanges[started]);
	}
	while (ended < started && clock_ns() < deadline_ns) {
		struct http_exchange *done[3];
		size_t n = http_wait(c, done, 3, clock_ns() + NS_PER_SEC), len;

		for (size_t i = 0; i < n; i++) {
			const char *length = http_header(done[i], "content-length", &len);

			right += done[i]->fail == HTTP_OK && done[i]->status == 200 &&
				 done[i]->body->len == 5 && length && len == 1 &&
				 *length == '5';
		}
		ended += n;
		for (size_t i = 0; i < n && started < MANY * ROUNDS; i++, started++) {
			buf_clear(done[i]->body);
			http_start(c, done[i]);
		}
	}
	CHECK(ended == MANY * ROUNDS && right == ended, "%s: %zu, right %zu", engine,
		ended, right);
	for (size_t i = 0; i < MANY; i++)
		buf_finish(&bodies[i]);
}

static void cancel_all(struct http_client *c, uint32_t server, const char *engine)
{
	struct http_exchange exchanges[8], *done[8];
	AUTO_BUF struct buf body = BUF_INIT;
	size_t n = 0;

	for (size_t i = 0; i < 8; i++) {
		exchanges[i] = make_get(server, &body);
		http_start(c, &exchanges[i]);
	}
	http_cancel(c);
	while (n < 8) {
		size_t got = http_wait(c, done, 8, clock_ns() + PATIENCE_NS);

		if (!CHECK(got > 0, "%s", engine))
			return;
		n += got;
	}
	for (size_t i = 0; i < 8; i++)
		CHECK(exchanges[i].fail == HTTP_FAIL_CANCELLED, "%s %zu: %s", engine, i,
			http_fail_names[exchanges[i].fail]);
	CHECK(http_wait(c, done, 8, clock_ns()) == 0);
}

static void *fetch_some(void *space)
{
	AUTO_BUF struct buf body = BUF_INIT;
	struct http_exchange ex = make_get(0, &body);
	uint64_t length = 0;

	for (int i = 0; i < 20; i++) {
		buf_clear(&body);
		http_fetch(space, &ex, PATIENCE_NS);
		CHECK(ex.fail == HTTP_OK && ex.status == 200 && body.len == 5 &&
				http_header_u64(&ex, "content-length", &length) &&
				length == 5,
			"%s", ex.text);
	}
	return NULL;
}

static void test_many(void)
{
	for (size_t e = 0; e < sizeof(engines) / sizeof(engines[0]); e++) {
		const struct http_config cfg = {.engine = engines[e].engine};
		struct crowd crowd;
		struct err err = ERR_INIT;
		struct http_space *s = http_space_create(&cfg, &err);
		struct http_client *c = s ? http_client_create(s, MANY, &err) : NULL;
		pthread_t threads[2];
		uint32_t server;

		crowd_start(&crowd, &lasting);
		if (!CHECK(c && http_space_server(s, false, "127.0.0.1", crowd.peer.port,
					&server, &err) == 0,
			    "%s", err.text))
			exit(1);
		http_client_ramp(c, server, MANY / 2);
		many(c, server, engines[e].name);
		cancel_all(c, server, engines[e].name);
		for (size_t i = 0; i < 2; i++)
			if (pthread_create(&threads[i], NULL, fetch_some, s))
				exit(1);
		for (size_t i = 0; i < 2; i++)
			pthread_join(threads[i], NULL);
		http_client_destroy(c);
		http_space_destroy(s);
		crowd_stop(&crowd);
	}
}

/* Bodies of more than is read at once, side by side: each gets its turn, and all of its bytes. */
static void test_large(void)
{
	enum { SIZE = 6 << 20, AT_ONCE = 4, TIMES = 12 };
	char *text = malloc(SIZE + 100);
	size_t head = (size_t)sprintf(
		text, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", SIZE);
	const struct script large = {{{READ_REQUEST, NULL}, {SEND, text}}};

	memset(text + head, 'x', SIZE);
	text[head + SIZE] = '\0';
	for (size_t e = 0; e < sizeof(engines) / sizeof(engines[0]); e++) {
		const struct http_config cfg = {.engine = engines[e].engine};
		struct http_exchange exchanges[AT_ONCE], *done[AT_ONCE];
		struct crowd crowd;
		struct err err = ERR_INIT;
		struct http_space *s = http_space_create(&cfg, &err);
		struct http_client *c = s ? http_client_create(s, AT_ONCE, &err) : NULL;
		uint32_t server;
		size_t started = 0, ended = 0;

		crowd_start(&crowd, &large);
		if (!c || http_space_server(s, false, "127.0.0.1", crowd.peer.port,
				  &server, &err) < 0)
			exit(1);
		for (; started < AT_ONCE; started++) {
			exchanges[started] = make_get(server, NULL);
			http_start(c, &exchanges[started]);
		}
		while (ended < started) {
			size_t n = http_wait(c, done, AT_ONCE, clock_ns() + PATIENCE_NS);

			if (!CHECK(n > 0, "%s: %zu", engines[e].name, ended))
				exit(1);
			for (size_t i = 0; i < n; i++) {
				CHECK(done[i]->fail == HTTP_OK &&
						done[i]->received == SIZE,
					"%s: %s", engines[e].name, done[i]->text);
				if (started < TIMES) {
					started++;
					http_start(c, done[i]);
				}
			}
			ended += n;
		}
		http_client_destroy(c);
		http_space_destroy(s);
		crowd_stop(&crowd);
	}
	free(text);
}

/* An address of IPv6, where the machine has any. */
static void test_ipv6(void)
{
	for (size_t e = 0; e < sizeof(engines) / sizeof(engines[0]); e++) {
		const struct http_config cfg = {.engine = engines[e].engine};
		struct sockaddr_in6 where = {
			.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
		socklen_t len = sizeof(where);
		AUTO_BUF struct buf body = BUF_INIT;
		struct http_peer peer = {.scripts = &lasting, .n_scripts = 1};
		struct err err = ERR_INIT;
		struct http_space *s;
		struct http_exchange ex;
		uint32_t server;

		peer.listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (peer.listener < 0)
			return;
		if (bind(peer.listener, (struct sockaddr *)&where, len) < 0 ||
			listen(peer.listener, 4) < 0 ||
			getsockname(peer.listener, (struct sockaddr *)&where, &len) < 0) {
			close(peer.listener);
			return;
		}
		peer.wake = eventfd(0, EFD_CLOEXEC);
		s = http_space_create(&cfg, &err);
		if (pthread_create(&peer.thread, NULL, peer_main, &peer) || !s ||
			http_space_server(s, false, "::1", ntohs(where.sin6_port),
				&server, &err) < 0)
			exit(1);
		ex = make_get(server, &body);
		http_fetch(s, &ex, PATIENCE_NS);
		CHECK(ex.fail == HTTP_OK && body.len == 5, "%s: %s", engines[e].name,
			ex.text);
		http_space_destroy(s);
		peer_stop(&peer);
	}
}

/* A fetch that takes too long ends; a space ends with connects under way. */
static void test_ends(void)
{
	static const struct script silent[] = {
		{{{READ_REQUEST, NULL}, {UNTIL_CLOSED, NULL}}}};

	for (size_t e = 0; e < sizeof(engines) / sizeof(engines[0]); e++) {
		const struct http_config cfg = {.engine = engines[e].engine};
		AUTO_BUF struct buf body = BUF_INIT;
		struct http_peer peer;
		struct err err = ERR_INIT;
		struct http_space *s = http_space_create(&cfg, &err);
		struct http_exchange ex;
		uint32_t server;

		peer_start(&peer, silent, 1, NULL);
		if (!s || http_space_server(
				  s, false, "127.0.0.1", peer.port, &server, &err) < 0)
			exit(1);
		ex = make_get(server, &body);
		http_fetch(s, &ex, 50 * NS_PER_MS);
		CHECK(ex.fail == HTTP_FAIL_FIRST_BYTE_TIMEOUT, "%s: %s", engines[e].name,
			http_fail_names[ex.fail]);
		http_space_destroy(s);
		peer_stop(&peer);
	}
}

static void *fetch_once(void *user)
{
	struct http_exchange *ex = user;

	http_fetch(ex->engine, ex, PATIENCE_NS);
	return NULL;
}

/* Fetches under way in other threads end, and later ones do. */
static void test_given_up(void)
{
	static const struct script silent[] = {
		{{{READ_REQUEST, NULL}, {UNTIL_CLOSED, NULL}}}};

	for (size_t e = 0; e < sizeof(engines) / sizeof(engines[0]); e++) {
		const struct http_config cfg = {.engine = engines[e].engine};
		AUTO_BUF struct buf body = BUF_INIT;
		struct http_peer peer;
		struct err err = ERR_INIT;
		struct http_space *s = http_space_create(&cfg, &err);
		struct http_exchange ex, late;
		uint64_t began = clock_ns();
		pthread_t thread;
		uint32_t server;

		peer_start(&peer, silent, 1, NULL);
		if (!s || http_space_server(
				  s, false, "127.0.0.1", peer.port, &server, &err) < 0)
			exit(1);
		ex = late = make_get(server, &body);
		ex.engine = s; /* for the thread, until it fetches */
		if (pthread_create(&thread, NULL, fetch_once, &ex))
			exit(1);
		http_space_give_up(s);
		pthread_join(thread, NULL);
		http_fetch(s, &late, PATIENCE_NS);
		CHECK(ex.fail == HTTP_FAIL_CANCELLED && late.fail == HTTP_FAIL_CANCELLED,
			"%s: %s, %s", engines[e].name, http_fail_names[ex.fail],
			http_fail_names[late.fail]);
		CHECK(clock_ns() - began < 20 * NS_PER_SEC);
		http_space_destroy(s);
		peer_stop(&peer);
	}
}

/* A server that is not there fails many exchanges, each in its own time, and nothing is left of them. */
static void test_nobody(void)
{
	uint16_t port;
	int closed = peer_listen(1, &port);

	close(closed);
	for (size_t e = 0; e < sizeof(engines) / sizeof(engines[0]); e++) {
		const struct http_config cfg = {.engine = engines[e].engine};
		struct http_exchange exchanges[MANY], *done[MANY];
		AUTO_BUF struct buf body = BUF_INIT;
		struct err err = ERR_INIT;
		struct http_space *s = http_space_create(&cfg, &err);
		struct http_client *c = s ? http_client_create(s, MANY, &err) : NULL;
		uint32_t server;
		size_t ended = 0;

		if (!c ||
			http_space_server(s, false, "127.0.0.1", port, &server, &err) < 0)
			exit(1);
		http_client_ramp(c, server, MANY);
		for (size_t i = 0; i < MANY; i++) {
			exchanges[i] = make_get(server, &body);
			http_start(c, &exchanges[i]);
		}
		while (ended < MANY) {
			size_t n = http_wait(c, done, MANY, clock_ns() + PATIENCE_NS);

			if (!CHECK(n > 0, "%s: %zu", engines[e].name, ended))
				exit(1);
			for (size_t i = 0; i < n; i++)
				CHECK(done[i]->fail == HTTP_FAIL_CONNECT, "%s: %s",
					engines[e].name, http_fail_names[done[i]->fail]);
			ended += n;
		}
		/* the space goes with dials under way */
		http_start(c, &exchanges[0]);
		http_cancel(c);
		CHECK(http_wait(c, done, MANY, clock_ns() + PATIENCE_NS) == 1);
		http_client_destroy(c);
		http_space_destroy(s);
	}
}

static void test_begins(void)
{
	signal(SIGPIPE, SIG_IGN);
}

TEST_MAIN(TEST(test_begins), TEST(test_many), TEST(test_large), TEST(test_ipv6),
	TEST(test_ends), TEST(test_given_up), TEST(test_nobody))
