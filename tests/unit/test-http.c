/* test-http: exchanges with a server that does what a script says; both engines, with the same outcome. */
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

#define BIG (64u << 20)
static uint8_t *content;

static const uint8_t *give(void *user, uint64_t at, size_t *ret_len)
{
	(void)user;
	*ret_len = BIG - at < 100000 ? (size_t)(BIG - at) : 100000;
	return content + at;
}

enum asks {
	GET,
	HEAD,
	PUT,
	PUT_BIG,
	PUT_EXPECT,
	PUT_ONCE,
	GET_DROP,
	GET_SINK,
	GET_LITTLE
};

static const struct {
	const char *head;
	uint64_t body_size;
} requests[] = {
	[GET] = {"GET /x HTTP/1.1\r\nHost: h\r\n\r\n", 0},
	[HEAD] = {"HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n", 0},
	[PUT] = {"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 250000\r\n\r\n", 250000},
	[PUT_BIG] = {"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 67108864\r\n\r\n",
		BIG},
	[PUT_EXPECT] = {"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: "
			"100-continue\r\n\r\n",
		5},
	[PUT_ONCE] = {"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n", 5},
	[GET_DROP] = {"GET /x HTTP/1.1\r\nHost: h\r\n\r\n", 0},
	[GET_SINK] = {"GET /x HTTP/1.1\r\nHost: h\r\n\r\n", 0},
	[GET_LITTLE] = {"GET /x HTTP/1.1\r\nHost: h\r\n\r\n", 0},
};

/* An exchange, and what comes of it. */
struct wanted {
	enum asks asks;
	enum http_fail fail;
	int status;
	const char *body; /* collected; NULL: none is */
	uint64_t received;
	int resent;    /* 1 yes, 0 no, -1 either */
	uint64_t sent; /* at most; 0: all of it, or nothing is known when it failed */
};

#define OK5 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
#define OK0 "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define FINE                                                                             \
	{                                                                                \
		GET, HTTP_OK, 200, "hello", 5, 0, 0                                      \
	}
#define FINE_SOMEHOW                                                                     \
	{                                                                                \
		GET, HTTP_OK, 200, "hello", 5, -1, 0                                     \
	}

struct row {
	const char *name;
	struct script scripts[SCRIPTS];
	struct wanted wanted[4]; /* until one with status 0 and fail 0 */
	uint64_t first_byte_ns, stall_ns;
	bool own_only; /* libcurl's own parser sees it otherwise */
};

static const struct row rows[] = {
	{"length", {{{{READ_REQUEST, "GET /x "}, {SEND, OK5}}}}, {FINE}, 0, 0, false},
	{"byte by byte", {{{{READ_REQUEST, NULL}, {SEND_BYTEWISE, OK5}}}}, {FINE}, 0, 0,
		false},
	{"no body", {{{{READ_REQUEST, NULL}, {SEND, OK0}}}},
		{{GET, HTTP_OK, 200, "", 0, 0, 0}}, 0, 0, false},
	{"chunks",
		{{{{READ_REQUEST, NULL},
			{SEND_BYTEWISE,
				"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
				"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nTrailer: 1\r\n\r\n"},
			{READ_REQUEST, NULL}, {SEND, OK5}}}},
		{FINE, FINE}, 0, 0, false},
	{"until close",
		{{{{READ_REQUEST, NULL}, {SEND, "HTTP/1.1 200 OK\r\n\r\nhello"}}},
			{{{READ_REQUEST, NULL}, {SEND, OK5}}}},
		{FINE, FINE}, 0, 0, false},
	{"1xx before it",
		{{{{READ_REQUEST, NULL},
			{SEND, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: "
			       "x\r\n\r\n"},
			{SEND, OK5}, {READ_REQUEST, NULL}, {SEND, OK5}}}},
		{FINE, FINE}, 0, 0, false},
	{"204, 304 and HEAD",
		{{{{READ_REQUEST, NULL}, {SEND, "HTTP/1.1 204 No\r\n\r\n"},
			{READ_REQUEST, NULL},
			{SEND, "HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n"},
			{READ_REQUEST, "HEAD /x "},
			{SEND, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"},
			{READ_REQUEST, "GET /x "}, {SEND, OK5}}}},
		{{GET, HTTP_OK, 204, "", 0, 0, 0}, {GET, HTTP_OK, 304, "", 0, 0, 0},
			{HEAD, HTTP_OK, 200, "", 0, 0, 0}, FINE},
		0, 0, false},
	{"kept",
		{{{{READ_REQUEST, NULL}, {SEND, OK5}, {READ_REQUEST, NULL},
			{SEND, OK5}}}},
		{FINE, FINE}, 0, 0, false},
	{"Connection: close",
		{{{{READ_REQUEST, NULL},
			 {SEND, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: "
				"5\r\n\r\nhello"},
			 {UNTIL_CLOSED, NULL}}},
			{{{READ_REQUEST, NULL}, {SEND, OK5}}}},
		{FINE, FINE}, 0, 0, false},
	{"HTTP/1.0",
		{{{{READ_REQUEST, NULL},
			 {SEND, "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"},
			 {UNTIL_CLOSED, NULL}}},
			{{{READ_REQUEST, NULL}, {SEND, OK5}}}},
		{FINE, FINE}, 0, 0, false},
	{"put",
		{{{{READ_REQUEST, "PUT /x "}, {SEND, OK0}, {READ_REQUEST, NULL},
			{SEND, OK5}}}},
		{{PUT, HTTP_OK, 200, "", 0, 0, 0}, FINE}, 0, 0, false},
	{"a large put",
		{{{{READ_REQUEST, NULL}, {SEND, OK0}, {READ_REQUEST, NULL},
			{SEND, OK5}}}},
		{{PUT_BIG, HTTP_OK, 200, "", 0, 0, 0}, FINE}, 0, 0, false},
	{"a refusal before the body is through",
		{{{{READ_HEAD, NULL},
			 {SEND, "HTTP/1.1 403 Forbidden\r\nContent-Length: "
				"5\r\n\r\nhello"},
			 {UNTIL_CLOSED, NULL}}},
			{{{READ_REQUEST, NULL}, {SEND, OK5}}}},
		{{PUT_BIG, HTTP_OK, 403, "hello", 5, 0, BIG - 1}, FINE}, 0, 0, false},
	{"100-continue",
		{{{{READ_HEAD, NULL}, {SEND, "HTTP/1.1 100 Continue\r\n\r\n"},
			{READ_BODY, NULL}, {SEND, OK0}, {READ_REQUEST, NULL},
			{SEND, OK5}}}},
		{{PUT_EXPECT, HTTP_OK, 200, "", 0, 0, 0}, FINE}, 0, 0, false},
	{"a continue that does not come", {{{{READ_REQUEST, NULL}, {SEND, OK0}}}},
		{{PUT_EXPECT, HTTP_OK, 200, "", 0, 0, 0}}, 0, 0, false},
	{"a refusal in place of continue",
		{{{{READ_HEAD, NULL},
			{SEND, "HTTP/1.1 403 Forbidden\r\nContent-Length: "
			       "5\r\n\r\nhello"},
			{UNTIL_CLOSED, NULL}}}},
		{{PUT_EXPECT, HTTP_OK, 403, "hello", 5, 0, 1}}, 0, 0, false},
	{"closed when the next request came",
		{{{{READ_REQUEST, NULL}, {SEND, OK5}, {READ_REQUEST, NULL}}},
			{{{READ_REQUEST, NULL}, {SEND, OK5}}}},
		{FINE, {GET, HTTP_OK, 200, "hello", 5, 1, 0}}, 0, 0, false},
	{"reset when the next request came",
		{{{{READ_REQUEST, NULL}, {SEND, OK5}, {READ_REQUEST, NULL},
			 {RESET, NULL}}},
			{{{READ_REQUEST, NULL}, {SEND, OK0}}}},
		{FINE, {PUT, HTTP_OK, 200, "", 0, 1, 0}}, 0, 0, false},
	{"sent but once", {{{{READ_REQUEST, NULL}, {SEND, OK5}, {READ_REQUEST, NULL}}}},
		{FINE, {PUT_ONCE, HTTP_FAIL_RESET, 0, "", 0, 0, 0}}, 0, 0, false},
	{"closed while idle",
		{{{{READ_REQUEST, NULL}, {SEND, OK5}}},
			{{{READ_REQUEST, NULL}, {SEND, OK5}}}},
		{FINE, FINE_SOMEHOW}, 0, 0, false},
	{"408 while idle",
		{{{{READ_REQUEST, NULL}, {SEND, OK5},
			 {SEND, "HTTP/1.1 408 Late\r\nConnection: "
				"close\r\nContent-Length: "
				"0\r\n\r\n"}}},
			{{{READ_REQUEST, NULL}, {SEND, OK5}}}},
		{FINE, FINE_SOMEHOW}, 0, 0, true},
	{"bytes behind a response",
		{{{{READ_REQUEST, NULL}, {SEND, OK5 "HTTP/1.1 500 Junk\r\n\r\n"},
			 {UNTIL_CLOSED, NULL}}},
			{{{READ_REQUEST, NULL}, {SEND, OK5}}}},
		{FINE, FINE}, 0, 0, false},
	{"closed before a response", {{{{READ_REQUEST, NULL}}}},
		{{GET, HTTP_FAIL_RESET, 0, "", 0, 0, 0}}, 0, 0, false},
	{"reset before a response", {{{{READ_REQUEST, NULL}, {RESET, NULL}}}},
		{{GET, HTTP_FAIL_RESET, 0, "", 0, 0, 0}}, 0, 0, false},
	{"closed in the head",
		{{{{READ_REQUEST, NULL}, {SEND, "HTTP/1.1 200 OK\r\nX: y"}}}},
		{{GET, HTTP_FAIL_RESET, 0, "", 0, 0, 0}}, 0, 0, true},
	{"short body",
		{{{{READ_REQUEST, NULL},
			{SEND, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello"}}}},
		{{GET, HTTP_FAIL_SHORT, 200, "hello", 5, 0, 0}}, 0, 0, false},
	{"short chunk",
		{{{{READ_REQUEST, NULL}, {SEND, "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
						"chunked\r\n\r\n5\r\nhello\r\n"}}}},
		{{GET, HTTP_FAIL_SHORT, 200, "hello", 5, 0, 0}}, 0, 0, false},
	{"reset in the body",
		{{{{READ_REQUEST, NULL},
			{SEND, "HTTP/1.1 200 OK\r\nContent-Length: 600000\r\n\r\nhello"},
			{RESET, NULL}}}},
		{{GET, HTTP_FAIL_RESET, -1, NULL, 5, 0, 0}}, 0, 0, false},
	{"no HTTP",
		{{{{READ_REQUEST, NULL}, {SEND, "220 ftp.example.com\r\n"},
			{UNTIL_CLOSED, NULL}}}},
		{{GET, HTTP_FAIL_MALFORMED, 0, "", 0, 0, 0}}, 0, 0, false},
	{"wrong chunk",
		{{{{READ_REQUEST, NULL},
			{SEND, "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
			       "chunked\r\n\r\nhello\r\n"},
			{UNTIL_CLOSED, NULL}}}},
		{{GET, HTTP_FAIL_MALFORMED, 200, "", 0, 0, 0}}, 0, 0, false},
	{"two lengths",
		{{{{READ_REQUEST, NULL},
			{SEND, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: "
			       "6\r\n\r\nhello!"},
			{UNTIL_CLOSED, NULL}}}},
		{{GET, HTTP_FAIL_MALFORMED, 0, "", 0, 0, 0}}, 0, 0, true},
	{"101",
		{{{{READ_REQUEST, NULL}, {SEND, "HTTP/1.1 101 Switching\r\n\r\n"},
			{UNTIL_CLOSED, NULL}}}},
		{{GET, HTTP_FAIL_MALFORMED, 0, "", 0, 0, 0}}, 0, 0, true},
	{"no first byte", {{{{READ_REQUEST, NULL}, {UNTIL_CLOSED, NULL}}}},
		{{GET, HTTP_FAIL_FIRST_BYTE_TIMEOUT, 0, "", 0, 0, 0}}, 100 * NS_PER_MS, 0,
		false},
	{"stalls in the body",
		{{{{READ_REQUEST, NULL},
			{SEND, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello"},
			{UNTIL_CLOSED, NULL}}}},
		{{GET, HTTP_FAIL_STALL_TIMEOUT, 200, "hello", 5, 0, 0}}, 0,
		100 * NS_PER_MS, false},
	{"takes no body", {{{{READ_HEAD, NULL}, {UNREAD_TILL_CLOSED, NULL}}}},
		{{PUT_BIG, HTTP_FAIL_STALL_TIMEOUT, 0, "", 0, 0, BIG - 1}}, 0,
		100 * NS_PER_MS, false},
	{"body of an error",
		{{{{READ_REQUEST, NULL},
			{SEND, "HTTP/1.1 404 No\r\nContent-Length: 10\r\n\r\n0123456789"},
			{READ_REQUEST, NULL}, {SEND, OK5}}}},
		{{GET_DROP, HTTP_OK, 404, "0123456789", 10, 0, 0}, FINE}, 0, 0, false},
	{"what is not kept",
		{{{{READ_REQUEST, NULL}, {SEND, OK5}, {READ_REQUEST, NULL}, {SEND, OK5},
			{READ_REQUEST, NULL}, {SEND, OK5}}}},
		{{GET_DROP, HTTP_OK, 200, "", 5, 0, 0},
			{GET_SINK, HTTP_OK, 200, "hello", 5, 0, 0},
			{GET_LITTLE, HTTP_OK, 200, "hel", 5, 0, 0}},
		0, 0, false},
};

static void collect(void *user, const uint8_t *data, size_t len)
{
	buf_append(user, data, len);
}

static struct http_exchange make_exchange(
	enum asks asks, uint32_t server, struct buf *body, struct buf *sunk)
{
	body->max = asks == GET_LITTLE ? 3 : 0;
	return (struct http_exchange){
		.server = server,
		.head = requests[asks].head,
		.head_len = strlen(requests[asks].head),
		.body_size = requests[asks].body_size,
		.piece = requests[asks].body_size ? give : NULL,
		.user = sunk,
		.is_head = asks == HEAD,
		.expects_continue = asks == PUT_EXPECT,
		.once = asks == PUT_ONCE,
		.sink = asks == GET_SINK ? collect : NULL,
		.body = body,
		.keep = asks != GET_DROP,
	};
}

/* The exchange whole, or the test stops. */
static void finish(struct http_client *c, struct http_exchange *ex)
{
	struct http_exchange *done = NULL;

	http_start(c, ex);
	if (http_wait(c, &done, 1, clock_ns() + PATIENCE_NS) != 1 || done != ex) {
		printf("Bail out! no outcome\n");
		exit(1);
	}
}

static void check_outcome(const char *about, size_t i, const struct wanted *w,
	const struct http_exchange *ex, const struct buf *body)
{
	const char *got = body->data ? body->data : "";

	CHECK(ex->fail == w->fail, "%s %zu: %s (%s), want %s", about, i,
		http_fail_names[ex->fail], ex->text, http_fail_names[w->fail]);
	CHECK(w->status < 0 || ex->status == w->status, "%s %zu: %d", about, i,
		ex->status);
	CHECK(!w->body || strcmp(got, w->body) == 0, "%s %zu: \"%s\"", about, i, got);
	CHECK(w->status < 0 || ex->received == w->received, "%s %zu: %llu bytes", about,
		i, (unsigned long long)ex->received);
	CHECK(w->resent < 0 || ex->resent == (w->resent == 1), "%s %zu", about, i);
	CHECK((ex->text[0] == '\0') == (ex->fail == HTTP_OK), "%s %zu: \"%s\"", about, i,
		ex->text);
	CHECK(ex->end_ns >= ex->start_ns, "%s %zu", about, i);
	if (w->sent)
		CHECK(ex->sent <= w->sent, "%s %zu: sent %llu", about, i,
			(unsigned long long)ex->sent);
	else if (ex->fail == HTTP_OK)
		CHECK(ex->sent == ex->body_size, "%s %zu: sent %llu", about, i,
			(unsigned long long)ex->sent);
	if (ex->fail == HTTP_OK)
		CHECK(ex->first_byte_ns >= ex->start_ns &&
				ex->first_byte_ns <= ex->end_ns,
			"%s %zu", about, i);
}

static void run_row(
	const struct row *r, const char *engine, const struct http_config *cfg)
{
	struct http_peer peer;
	struct err err = ERR_INIT;
	struct http_space *s = http_space_create(cfg, &err);
	struct http_client *c = s ? http_client_create(s, 4, &err) : NULL;
	uint32_t server;
	char about[128];
	size_t n = 0;

	while (n < SCRIPTS && r->scripts[n].steps[0].does != SCRIPT_ENDS)
		n++;
	peer_start(&peer, r->scripts, n, NULL);
	snprintf(about, sizeof(about), "%s, %s:", engine, r->name);
	if (!CHECK(c && http_space_server(
				s, false, "127.0.0.1", peer.port, &server, &err) == 0,
		    "%s %s", about, err.text))
		exit(1);
	for (size_t i = 0; i < 4; i++) {
		AUTO_BUF struct buf body = BUF_INIT, sunk = BUF_INIT;
		const struct wanted *w = &r->wanted[i];
		struct http_exchange ex = make_exchange(w->asks, server, &body, &sunk);

		if (w->fail == HTTP_OK && w->status == 0)
			break;
		finish(c, &ex);
		check_outcome(about, i, w, &ex, w->asks == GET_SINK ? &sunk : &body);
	}
	http_client_destroy(c);
	http_space_destroy(s);
	peer_stop(&peer);
	CHECK(peer.surprises == 0, "%s", about);
	CHECK(peer.connections == n, "%s %u connections", about, peer.connections);
}

static void test_rows(void)
{
	for (size_t e = 0; e < sizeof(engines) / sizeof(engines[0]); e++)
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			const struct http_config cfg = {
				.engine = engines[e].engine,
				.first_byte_timeout_ns = rows[i].first_byte_ns,
				.stall_timeout_ns = rows[i].stall_ns,
			};

			if (!rows[i].own_only || engines[e].engine == HTTP_ENGINE_OWN)
				run_row(&rows[i], engines[e].name, &cfg);
		}
}

/* --- what is done with a body takes time, which is not the response's */

#define SUNK_BYTES 1000000u
#define SINK_NS (10 * NS_PER_MS)

static void take_long(void *user, const uint8_t *data, size_t len)
{
	const uint64_t end_ns = clock_ns() + SINK_NS;
	uint32_t *calls = user;

	(void)data;
	(void)len;
	(*calls)++;
	while (clock_ns() < end_ns)
		;
}

/* The body as a whole lies in the socket soon: then each call holds the response up. Whether most of their time is no
 * part of it; the rest is libcurl's own work between two calls, which nobody can tell from waiting. */
static bool sink_time(const char *engine, const struct http_config *cfg, size_t bytes)
{
	static char text[SUNK_BYTES + 100];
	const int head = snprintf(
		text, 100, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", bytes);
	const struct script script = {{{READ_REQUEST, NULL}, {SEND, text}}};
	struct http_peer peer;
	struct err err = ERR_INIT;
	struct http_space *s = http_space_create(cfg, &err);
	struct http_client *c = s ? http_client_create(s, 1, &err) : NULL;
	AUTO_BUF struct buf body = BUF_INIT;
	uint32_t server, calls = 0;
	struct http_exchange ex;
	uint64_t took_ns;

	memset(text + head, 'x', bytes);
	text[(size_t)head + bytes] = '\0';
	peer_start(&peer, &script, 1, NULL);
	if (!CHECK(c && http_space_server(
				s, false, "127.0.0.1", peer.port, &server, &err) == 0,
		    "%s", err.text))
		exit(1);
	ex = make_exchange(GET, server, &body, NULL);
	ex.sink = take_long;
	ex.user = &calls;
	finish(c, &ex);
	took_ns = clock_ns() - ex.start_ns;
	CHECK(ex.fail == HTTP_OK && ex.received == bytes, "%s: %s", engine, ex.text);
	CHECK(ex.end_ns >= ex.first_byte_ns && ex.first_byte_ns >= ex.start_ns);
	http_client_destroy(c);
	http_space_destroy(s);
	peer_stop(&peer);
	return ex.end_ns - ex.start_ns + calls * SINK_NS * 8 / 10 <= took_ns;
}

static void test_sink_time(void)
{
	for (size_t e = 0; e < sizeof(engines) / sizeof(engines[0]); e++) {
		const struct http_config cfg = {.engine = engines[e].engine};

		for (size_t bytes = 5; bytes <= SUNK_BYTES; bytes *= SUNK_BYTES / 5) {
			int tries = 20; /* a machine that stalls is waiting, too */

			while (tries > 0 && !sink_time(engines[e].name, &cfg, bytes))
				tries--;
			CHECK(tries > 0, "%s, %zu bytes", engines[e].name, bytes);
		}
	}
}

/* --- no connection */

static void one_without(const char *engine, struct http_config cfg, const char *host,
	uint16_t port, enum http_fail want)
{
	struct err err = ERR_INIT;
	struct http_space *s = http_space_create(&cfg, &err);
	struct http_client *c = s ? http_client_create(s, 2, &err) : NULL;
	AUTO_BUF struct buf body = BUF_INIT;
	struct http_exchange ex;
	uint32_t server;

	if (!CHECK(c && http_space_server(s, false, host, port, &server, &err) == 0, "%s",
		    err.text))
		exit(1);
	ex = make_exchange(GET, server, &body, NULL);
	for (int i = 0; i < 2; i++) {
		finish(c, &ex);
		CHECK(ex.fail == want && ex.text[0], "%s, %s: %s (%s), want %s", engine,
			host, http_fail_names[ex.fail], ex.text, http_fail_names[want]);
	}
	http_fetch(s, &ex, PATIENCE_NS);
	CHECK(ex.fail == want, "%s, %s: %s", engine, host, http_fail_names[ex.fail]);
	http_client_destroy(c);
	http_space_destroy(s);
}

static void test_no_connection(void)
{
	uint16_t closed_port, full_port;
	int closed = peer_listen(1, &closed_port), full = peer_listen(0, &full_port);
	int fill[8];
	struct sockaddr_in where = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(full_port)};

	close(closed);
	/* nobody accepts, and the queue is full: what comes now gets no answer */
	for (size_t i = 0; i < 8; i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)!connect(fill[i], (struct sockaddr *)&where, sizeof(where));
	}
	for (size_t e = 0; e < sizeof(engines) / sizeof(engines[0]); e++) {
		struct http_config cfg = {.engine = engines[e].engine};

		one_without(engines[e].name, cfg, "127.0.0.1", closed_port,
			HTTP_FAIL_CONNECT);
		/* a label of more than 63 letters is asked of nobody */
		one_without(engines[e].name, cfg,
			"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			"aaaa.x",
			80, HTTP_FAIL_RESOLVE);
		cfg.connect_timeout_ns = 150 * NS_PER_MS;
		one_without(engines[e].name, cfg, "127.0.0.1", full_port,
			HTTP_FAIL_CONNECT_TIMEOUT);
	}
	for (size_t i = 0; i < 8; i++)
		close(fill[i]);
	close(full);
}

static void test_servers(void)
{
	static const char *const wrong[] = {
		"", "a/b", "a@b", "a b", "[::1]", "::1::", "a:1"};
	const struct http_config cfg = {.insecure = true};
	struct err err = ERR_INIT;
	struct http_space *s = http_space_create(&cfg, &err);
	uint32_t a, b;

	CHECK(s && http_space_server(s, false, "Host", 80, &a, &err) == 0 && a == 0);
	CHECK(http_space_server(s, false, "host", 80, &b, &err) == 0 && b == 0);
	CHECK(http_space_server(s, true, "host", 80, &b, &err) == 0 && b == 1);
	CHECK(http_space_server(s, false, "fe80::1%eth0", 80, &b, &err) == 0 && b == 2);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		CHECK(http_space_server(s, false, wrong[i], 80, &b, &err) < 0, "%s",
			wrong[i]);
	CHECK(http_space_server(s, false, "host", 0, &b, &err) < 0);
	http_space_destroy(s);
	http_space_destroy(NULL);
	http_client_destroy(NULL);
}

static void test_begins(void)
{
	signal(SIGPIPE, SIG_IGN);
	content = malloc(BIG);
	memset(content, 'x', BIG);
}

static void test_finishes(void)
{
	free(content);
}

TEST_MAIN(TEST(test_begins), TEST(test_servers), TEST(test_rows), TEST(test_sink_time),
	TEST(test_no_connection), TEST(test_finishes))
