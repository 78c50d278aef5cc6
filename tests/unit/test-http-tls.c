/* test-http-tls: what certificates are accepted, in which words others are refused, and bodies over TLS; both
 * engines. */
#include <signal.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "http-certs.h"
#include "http-server.h"
#include "http/http.h"

static const struct {
	const char *name;
	enum http_engine engine;
} engines[] = {
	{"own", HTTP_ENGINE_OWN},
	{"curl", HTTP_ENGINE_CURL},
};

#define LARGE (3u << 20)
#define OK5 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
#define CLOSE5 "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"

enum who { GOOD, OTHER_NAME, EXPIRED, STRANGER, IDENTITIES };

static struct identity ca, other_ca, ids[IDENTITIES], client;
static char *ca_text, *client_cert, *client_key, *other_key, *large;
static uint8_t *content;

static const uint8_t *give(void *user, uint64_t at, size_t *ret_len)
{
	(void)user;
	*ret_len = LARGE - at < 100001 ? (size_t)(LARGE - at) : 100001;
	return content + at;
}

static const struct row {
	const char *name, *host;
	enum who who;
	enum http_fail fail;
	const char *says; /* own engine: part of the text */
	bool insecure, wants_client, has_client;
	int max_version;
} rows[] = {
	{"by name", "localhost", GOOD, HTTP_OK, NULL, false, false, false, 0},
	{"by address", "127.0.0.1", GOOD, HTTP_OK, NULL, false, false, false, 0},
	{"TLS 1.2", "localhost", GOOD, HTTP_OK, NULL, false, false, false,
		TLS1_2_VERSION},
	{"TLS 1.1", "localhost", GOOD, HTTP_FAIL_TLS, "TLS cannot be agreed on", false,
		false, false, TLS1_1_VERSION},
	{"another name", "localhost", OTHER_NAME, HTTP_FAIL_TLS, "for another name",
		false, false, false, 0},
	{"another address", "127.0.0.1", OTHER_NAME, HTTP_FAIL_TLS, "for another name",
		false, false, false, 0},
	{"expired", "localhost", EXPIRED, HTTP_FAIL_TLS, "has expired", false, false,
		false, 0},
	{"of a strange CA", "localhost", STRANGER, HTTP_FAIL_TLS, "is not accepted",
		false, false, false, 0},
	{"not verified: another name", "localhost", OTHER_NAME, HTTP_OK, NULL, true,
		false, false, 0},
	{"not verified: a strange CA", "localhost", STRANGER, HTTP_OK, NULL, true, false,
		false, 0},
	{"client certificate", "localhost", GOOD, HTTP_OK, NULL, false, true, true, 0},
	{"no client certificate", "localhost", GOOD, HTTP_FAIL_TLS, "certificate", false,
		true, false, 0},
	{"no client certificate, TLS 1.2", "localhost", GOOD, HTTP_FAIL_TLS, NULL, false,
		true, false, TLS1_2_VERSION},
};

struct under_test {
	struct http_peer peer;
	struct http_space *space;
	struct http_client *client;
	uint32_t server;
};

static void begin(struct under_test *u, const struct http_config *cfg, const char *host,
	const struct script *scripts, size_t n, SSL_CTX *context)
{
	struct err err = ERR_INIT;

	peer_start(&u->peer, scripts, n, context);
	u->space = http_space_create(cfg, &err);
	u->client = u->space ? http_client_create(u->space, 4, &err) : NULL;
	if (!CHECK(u->client && http_space_server(u->space, true, host, u->peer.port,
					&u->server, &err) == 0,
		    "%s", err.text))
		exit(1);
}

static void end(struct under_test *u)
{
	http_client_destroy(u->client);
	http_space_destroy(u->space);
	peer_stop(&u->peer);
}

static void finish(struct under_test *u, struct http_exchange *ex)
{
	struct http_exchange *done = NULL;

	http_start(u->client, ex);
	if (http_wait(u->client, &done, 1, clock_ns() + PATIENCE_NS) != 1) {
		printf("Bail out! no outcome\n");
		exit(1);
	}
}

static struct http_exchange make_get(uint32_t server, struct buf *body)
{
	static const char head[] = "GET /x HTTP/1.1\r\nHost: h\r\n\r\n";

	return (struct http_exchange){.server = server,
		.head = head,
		.head_len = sizeof(head) - 1,
		.body = body,
		.keep = true};
}

static void run_row(const struct row *r, size_t e)
{
	static const struct script scripts[] = {{{{READ_REQUEST, NULL}, {SEND, CLOSE5}}}};
	const struct http_config cfg = {
		.engine = engines[e].engine,
		.ca_pem = ca_text,
		.insecure = r->insecure,
		.cert_pem = r->has_client ? client_cert : NULL,
		.key_pem = r->has_client ? client_key : NULL,
	};
	SSL_CTX *context = server_context(
		&ids[r->who], r->wants_client ? &ca : NULL, r->max_version);
	AUTO_BUF struct buf body = BUF_INIT;
	struct under_test u;
	struct http_exchange ex;

	begin(&u, &cfg, r->host, scripts, 1, context);
	ex = make_get(u.server, &body);
	finish(&u, &ex);
	CHECK(ex.fail == r->fail, "%s, %s: %s (%s)", engines[e].name, r->name,
		http_fail_names[ex.fail], ex.text);
	if (r->says && engines[e].engine == HTTP_ENGINE_OWN)
		CHECK(strstr(ex.text, r->says), "%s: \"%s\"", r->name, ex.text);
	if (r->fail == HTTP_OK)
		CHECK(ex.status == 200 && body.len == 5, "%s, %s", engines[e].name,
			r->name);
	end(&u);
	SSL_CTX_free(context);
}

static void test_certificates(void)
{
	for (size_t e = 0; e < sizeof(engines) / sizeof(engines[0]); e++)
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
			run_row(&rows[i], e);
}

/* Several exchanges on one connection, then on a new one that takes the session up again. */
static void test_bodies(void)
{
	static const char put[] =
		"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3145728\r\n\r\n";
	const struct script scripts[] = {
		{{{READ_REQUEST, NULL}, {SEND, large}, {READ_REQUEST, "PUT"},
			{SEND_BYTEWISE, OK5}, {READ_REQUEST, NULL}, {SEND, CLOSE5}}},
		{{{READ_REQUEST, NULL}, {SEND, OK5}}},
	};

	for (size_t e = 0; e < sizeof(engines) / sizeof(engines[0]); e++) {
		const struct http_config cfg = {
			.engine = engines[e].engine, .ca_pem = ca_text};
		SSL_CTX *context = server_context(&ids[GOOD], NULL, 0);
		AUTO_BUF struct buf body = BUF_INIT;
		struct under_test u;

		begin(&u, &cfg, "localhost", scripts, 2, context);
		for (int i = 0; i < 4; i++) {
			struct http_exchange ex = make_get(u.server, &body);

			if (i == 1) {
				ex.head = put;
				ex.head_len = sizeof(put) - 1;
				ex.body_size = LARGE;
				ex.piece = give;
			}
			buf_clear(&body);
			finish(&u, &ex);
			CHECK(ex.fail == HTTP_OK && ex.status == 200 &&
					body.len == (i == 0 ? LARGE : 5),
				"%s %d: %s, %zu", engines[e].name, i, ex.text, body.len);
		}
		end(&u);
		CHECK(u.peer.connections == 2, "%s: %u", engines[e].name,
			u.peer.connections);
		CHECK(u.peer.resumed == 1, "%s: %u", engines[e].name, u.peer.resumed);
		SSL_CTX_free(context);
	}
}

/* A server that does not speak TLS. */
static void test_no_tls(void)
{
	static const struct script scripts[] = {
		{{{SEND, "HTTP/1.1 400 Plain\r\n\r\n"}, {UNTIL_CLOSED, NULL}}}};

	for (size_t e = 0; e < sizeof(engines) / sizeof(engines[0]); e++) {
		const struct http_config cfg = {
			.engine = engines[e].engine, .ca_pem = ca_text};
		AUTO_BUF struct buf body = BUF_INIT;
		struct under_test u;
		struct http_exchange ex;

		begin(&u, &cfg, "localhost", scripts, 1, NULL);
		ex = make_get(u.server, &body);
		finish(&u, &ex);
		CHECK(ex.fail == HTTP_FAIL_TLS, "%s: %s (%s)", engines[e].name,
			http_fail_names[ex.fail], ex.text);
		end(&u);
	}
}

/* A server that says nothing in its handshake is a connection that takes too long. */
static void test_silent_handshake(void)
{
	static const struct script scripts[] = {{{{UNTIL_CLOSED, NULL}}}};

	for (size_t e = 0; e < sizeof(engines) / sizeof(engines[0]); e++) {
		const struct http_config cfg = {.engine = engines[e].engine,
			.ca_pem = ca_text,
			.connect_timeout_ns = 150 * NS_PER_MS};
		AUTO_BUF struct buf body = BUF_INIT;
		struct under_test u;
		struct http_exchange ex;

		begin(&u, &cfg, "localhost", scripts, 1, NULL);
		ex = make_get(u.server, &body);
		finish(&u, &ex);
		CHECK(ex.fail == HTTP_FAIL_CONNECT_TIMEOUT, "%s: %s (%s)",
			engines[e].name, http_fail_names[ex.fail], ex.text);
		end(&u);
	}
}

static void test_wrong_pem(void)
{
	const struct http_config wrong[] = {
		{.ca_pem = "no PEM"},
		{.ca_pem = ca_text, .cert_pem = "no PEM", .key_pem = client_key},
		{.ca_pem = ca_text, .cert_pem = client_cert, .key_pem = "no PEM"},
		{.ca_pem = ca_text, .cert_pem = client_cert, .key_pem = other_key},
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct err err = ERR_INIT;
		struct http_space *s = http_space_create(&wrong[i], &err);
		uint32_t server;

		CHECK(!s || http_space_server(s, true, "localhost", 443, &server, &err) <
					0,
			"row %zu", i);
		CHECK(err.kind == ERR_INPUT && (i == 3 || strstr(err.text, "PEM")),
			"row %zu: \"%s\"", i, err.text);
		http_space_destroy(s);
	}
}

/* --- proxies: a script takes CONNECT, and speaks for the server behind it */

static void test_proxy(void)
{
	static const struct script scripts[] = {
		{{{READ_HEAD, "CONNECT 192.0.2.1:80 "},
			{SEND, "HTTP/1.1 200 Yes\r\n\r\n"}, {READ_REQUEST, "GET /x "},
			{SEND, OK5}, {READ_REQUEST, "GET /x "}, {SEND, CLOSE5}}},
		{{{READ_HEAD, "CONNECT 192.0.2.1:80 "},
			{SEND, "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"}}},
	};
	struct http_config cfg = {.engine = HTTP_ENGINE_OWN};
	AUTO_BUF struct buf body = BUF_INIT;
	struct http_peer peer;
	struct err err = ERR_INIT;
	struct under_test u;
	char url[64];

	peer_start(&peer, scripts, 2, NULL);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", peer.port);
	cfg.proxy = url;
	u.space = http_space_create(&cfg, &err);
	u.client = http_client_create(u.space, 1, &err);
	if (http_space_server(u.space, false, "192.0.2.1", 80, &u.server, &err) < 0)
		exit(1);
	for (int i = 0; i < 3; i++) {
		struct http_exchange ex = make_get(u.server, &body);

		buf_clear(&body);
		finish(&u, &ex);
		CHECK(ex.fail == (i < 2 ? HTTP_OK : HTTP_FAIL_PROXY), "%d: %s (%s)", i,
			http_fail_names[ex.fail], ex.text);
	}
	http_client_destroy(u.client);
	http_space_destroy(u.space);
	peer_stop(&peer);
	CHECK(peer.surprises == 0 && peer.connections == 2);
}

static void test_begins(void)
{
	size_t head;

	signal(SIGPIPE, SIG_IGN);
	ca = identity_make("CA", NULL, NULL, 10);
	other_ca = identity_make("other CA", NULL, NULL, 10);
	ids[GOOD] = identity_make("server", "DNS:localhost,IP:127.0.0.1", &ca, 10);
	ids[OTHER_NAME] =
		identity_make("server", "DNS:example.org,IP:192.0.2.1", &ca, 10);
	ids[EXPIRED] = identity_make("server", "DNS:localhost,IP:127.0.0.1", &ca, 0);
	ids[STRANGER] = identity_make("server", "DNS:localhost", &other_ca, 10);
	client = identity_make("client", "DNS:client", &ca, 10);
	ca_text = cert_pem(&ca);
	client_cert = cert_pem(&client);
	client_key = key_pem(&client);
	other_key = key_pem(&other_ca);
	content = calloc(1, LARGE);
	large = malloc(LARGE + 100);
	head = (size_t)sprintf(
		large, "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n", LARGE);
	memset(large + head, 'x', LARGE);
	large[head + LARGE] = '\0';
}

static void test_finishes(void)
{
	identity_free(&ca);
	identity_free(&other_ca);
	identity_free(&client);
	for (size_t i = 0; i < IDENTITIES; i++)
		identity_free(&ids[i]);
	free(ca_text);
	free(client_cert);
	free(client_key);
	free(other_key);
	free(content);
	free(large);
}

TEST_MAIN(TEST(test_begins), TEST(test_certificates), TEST(test_bodies),
	TEST(test_no_tls), TEST(test_silent_handshake), TEST(test_wrong_pem),
	TEST(test_proxy), TEST(test_finishes))
