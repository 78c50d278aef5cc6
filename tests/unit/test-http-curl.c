/* test-http-curl: what the curl engine alone must see to: that libcurl adds nothing to a request and asks for nothing
 * by itself, that responses outlive their handles, and proxies that are reached by TLS. */
#include <signal.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "http-certs.h"
#include "http-server.h"
#include "http/http.h"

#define OK5 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

struct under_test {
	struct http_peer peer;
	struct http_space *space;
	struct http_client *client;
	uint32_t server;
};

/* cfg->proxy, when there is one, is where the peer is; else the server is. */
static void begin(struct under_test *u, struct http_config cfg,
	const struct script *scripts, size_t n, SSL_CTX *context, uint32_t slots)
{
	struct err err = ERR_INIT;
	char proxy[64];
	bool ok;

	peer_start(&u->peer, scripts, n, context);
	cfg.engine = HTTP_ENGINE_CURL;
	if (cfg.proxy) {
		snprintf(proxy, sizeof(proxy), "%s:%u", cfg.proxy, u->peer.port);
		cfg.proxy = proxy;
	}
	u->space = http_space_create(&cfg, &err);
	u->client = u->space ? http_client_create(u->space, slots, &err) : NULL;
	ok = u->client &&
	     http_space_server(u->space, false, cfg.proxy ? "192.0.2.1" : "127.0.0.1",
		     cfg.proxy ? 80 : u->peer.port, &u->server, &err) == 0;
	if (!CHECK(ok, "%s", err.text))
		exit(1);
}

static void end(struct under_test *u)
{
	http_client_destroy(u->client);
	http_space_destroy(u->space);
	peer_stop(&u->peer);
}

static void finish(struct under_test *u)
{
	struct http_exchange *done = NULL;

	if (http_wait(u->client, &done, 1, clock_ns() + PATIENCE_NS) != 1) {
		printf("Bail out! no outcome\n");
		exit(1);
	}
}

static struct http_exchange make(const struct under_test *u, const char *head)
{
	return (struct http_exchange){
		.server = u->server, .head = head, .head_len = strlen(head)};
}

static const uint8_t *give(void *user, uint64_t at, size_t *ret_len)
{
	static const uint8_t zeros[1 << 17];

	*ret_len = user ? 100 : sizeof(zeros) - (size_t)at; /* user: in small pieces */
	return zeros + at;
}

/* Requests arrive byte for byte as they were given, whatever libcurl would say by itself. */
static void test_as_given(void)
{
	static const struct {
		const char *head;
		uint64_t body;
		bool pieces;
	} rows[] = {
		{"GET /a%2fb//../c?x=%20y&z= HTTP/1.1\r\nHost: h:1\r\n\r\n", 0, false},
		{"DELETE /?list&empty= HTTP/1.1\r\nHost: h\r\nX-Empty:\r\nX-B: b  "
		 "b\r\n\r\n",
			0, false},
		{"HEAD / HTTP/1.1\r\nHost: h\r\nAccept: a/b\r\n\r\n", 0, false},
		{"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", 0, false},
		{"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n", 1000,
			false},
		{"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\nContent-Type: "
		 "a/b\r\n\r\n",
			1000, true},
		{"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 131072\r\n\r\n", 131072,
			false},
		{"POST /x HTTP/1.1\r\nHost: h\r\nUser-Agent: u\r\nContent-Length: "
		 "70000\r\n\r\n",
			70000, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		static const struct script script = {
			{{READ_REQUEST, NULL}, {SEND, "HTTP/1.1 204 No\r\n\r\n"}}};
		struct under_test u;
		struct http_exchange ex;

		begin(&u, (struct http_config){0}, &script, 1, NULL, 1);
		ex = make(&u, rows[i].head);
		ex.body_size = rows[i].body;
		ex.piece = give;
		ex.user = rows[i].pieces ? &ex : NULL;
		ex.is_head = strncmp(rows[i].head, "HEAD", 4) == 0;
		http_start(u.client, &ex);
		finish(&u);
		CHECK(ex.fail == HTTP_OK && ex.status == 204, "%s: %s", rows[i].head,
			ex.text);
		CHECK(ex.sent == rows[i].body, "%s: %llu", rows[i].head,
			(unsigned long long)ex.sent);
		end(&u);
		CHECK(u.peer.have >= ex.head_len &&
				memcmp(u.peer.head, ex.head, ex.head_len) == 0,
			"%s became %.*s", rows[i].head, (int)u.peer.have, u.peer.head);
	}
}

/* A redirect, a demand for a password and a refused expectation are answers, and nothing to act upon. */
static void test_not_by_itself(void)
{
	static const char put[] =
		"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 70000\r\n"
		"Expect: 100-continue\r\n\r\n";
	static const struct {
		const char *answer;
		int status;
	} rows[] = {
		{"HTTP/1.1 307 Go\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n", 307},
		{"HTTP/1.1 401 Who\r\nWWW-Authenticate: Basic\r\nContent-Length: "
		 "0\r\n\r\n",
			401},
		{"HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n", 417},
		{"HTTP/1.1 417 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
			417},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct script scripts[] = {
			{{{READ_HEAD, "/x"}, {SEND, rows[i].answer},
				{READ_HEAD, "never"}}},
			{{{READ_HEAD, "never"}}}};
		struct under_test u;
		struct http_exchange ex;

		begin(&u, (struct http_config){0}, scripts, 2, NULL, 1);
		ex = make(&u, put);
		ex.body_size = 70000;
		ex.piece = give;
		ex.expects_continue = true;
		http_start(u.client, &ex);
		finish(&u);
		CHECK(ex.fail == HTTP_OK && ex.status == rows[i].status && !ex.resent,
			"%d: %d (%s)", rows[i].status, ex.status, ex.text);
		end(&u);
		CHECK(u.peer.surprises == 0, "%d", rows[i].status);
	}
}

/* A response is there until the next wait, although its handle may serve another exchange by then. */
static void test_response_stays(void)
{
	static const char head[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
	static const struct script script = {{{READ_REQUEST, NULL},
		{SEND, "HTTP/1.1 200 OK\r\nX-Number: 1\r\nContent-Length: 0\r\n\r\n"},
		{READ_REQUEST, NULL},
		{SEND, "HTTP/1.1 200 OK\r\nX-Number: 2\r\nContent-Length: 0\r\n\r\n"}}};
	struct under_test u;
	struct http_exchange a, b;
	uint64_t number = 0;

	begin(&u, (struct http_config){0}, &script, 1, NULL, 1);
	a = make(&u, head);
	b = a;
	http_start(u.client, &a);
	finish(&u);
	http_start(u.client, &b);
	CHECK(http_header_u64(&a, "x-number", &number) && number == 1);
	finish(&u);
	CHECK(http_header_u64(&b, "x-number", &number) && number == 2);
	end(&u);
	CHECK(u.peer.connections == 1);
}

static void test_secure_proxy(void)
{
	static const struct script scripts[] = {
		{{{READ_HEAD, "CONNECT 192.0.2.1:80 "},
			{SEND, "HTTP/1.1 200 Yes\r\n\r\n"}, {READ_REQUEST, "GET /x"},
			{SEND, OK5}}},
		{{{READ_HEAD, "never"}}},
	};
	struct identity ca = identity_make("CA", NULL, NULL, 10);
	struct identity other = identity_make("other CA", NULL, NULL, 10);
	struct identity proxy =
		identity_make("proxy", "DNS:localhost,IP:127.0.0.1", &ca, 10);
	AUTO_FREE char *trusted = cert_pem(&ca);
	AUTO_FREE char *strange = cert_pem(&other);
	SSL_CTX *context = server_context(&proxy, NULL, 0);

	for (int i = 0; i < 2; i++) {
		const struct http_config cfg = {
			.proxy = "https://localhost", .ca_pem = i ? strange : trusted};
		struct under_test u;
		struct http_exchange ex;

		begin(&u, cfg, &scripts[i], 1, context, 1);
		ex = make(&u, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n");
		http_start(u.client, &ex);
		finish(&u);
		CHECK(ex.fail == (i ? HTTP_FAIL_PROXY : HTTP_OK), "%s (%s)",
			http_fail_names[ex.fail], ex.text);
		CHECK(!i || strstr(ex.text, "the proxy: its certificate"), "%s", ex.text);
		end(&u);
		CHECK(u.peer.surprises == 0);
	}
	SSL_CTX_free(context);
	identity_free(&proxy);
	identity_free(&other);
	identity_free(&ca);
}

static void test_signals(void)
{
	signal(SIGPIPE, SIG_IGN);
}

TEST_MAIN(TEST(test_signals), TEST(test_as_given), TEST(test_not_by_itself),
	TEST(test_response_stays), TEST(test_secure_proxy))
