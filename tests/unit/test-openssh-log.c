/* openssh_log: what ssh's lines mean, and whose the bytes are. */
#include "check.h"

#include "common/cleanup.h"
#include "transport/openssh/openssh_log.h"

#define HELLO                                                                            \
	"debug1: Connection established.\r\n"                                            \
	"debug1: Remote protocol version 2.0, remote software version X\r\n"             \
	"debug1: Server host key: ssh-ed25519 SHA256:abc\r\n"                            \
	"debug1: SSH2_MSG_NEWKEYS received\r\n"                                          \
	"debug1: Authentications that can continue: publickey,password\r\n"
#define OFFER(label) "debug1: Offering public key: " label "\r\n"
#define ACCEPT(label) "debug1: Server accepts key: " label "\r\n"
#define UNSIGNED(text) "sign_and_send_pubkey: signing failed for " text "\r\n"
#define NO_MORE "debug1: No more authentication methods to try.\r\n"
#define IN "Authenticated to h ([10.0.0.1]:22) using \"publickey\".\r\n"

static void on_remote(const char *data, size_t len, void *user)
{
	buf_append(user, data, len);
}

static void feed(struct openssh_log *l, struct buf *out, const char *text)
{
	openssh_log_start(l);
	openssh_log_feed(l, text, strlen(text), on_remote, out);
	openssh_log_end(l, on_remote, out);
}

static void test_logins(void)
{
	static const struct {
		const char *text, *login, *tried;
		bool in;
	} rows[] = {
		{HELLO OFFER("/h/id ED25519 SHA256:x explicit")
				ACCEPT("/h/id ED25519 SHA256:x explicit") IN,
			"publickey /h/id", "", true},
		{HELLO OFFER("my key RSA SHA256:x agent") IN, "agent my key", "", true},
		{HELLO OFFER("/h/a b RSA SHA256:x explicit agent") IN, "agent /h/a b", "",
			true},
		{HELLO OFFER("/h/one RSA SHA256:x") "debug1: Authentications that can "
						    "continue: publickey\r\n" OFFER(
							    "/h/two RSA SHA256:y") IN,
			"publickey /h/two", "/h/one (refused), ", true},
		/* ssh of other ages */
		{HELLO OFFER("RSA SHA256:x /h/id") "Authenticated to h ([::1]:22).\r\n",
			"publickey /h/id", "", true},
		{HELLO "Authenticated to h (via proxy) using \"none\".\r\n", "none", "",
			true},
		{HELLO OFFER("/h/id ED25519 SHA256:x") ACCEPT(
			 "/h/id ED25519 SHA256:x") "debug1: No more authentication "
						   "methods to try.\r\n",
			"", "/h/id (encrypted, or not to be used without a person), ",
			false},
		{HELLO OFFER("/h/id ED25519-SK SHA256:x")
				ACCEPT("/h/id ED25519-SK SHA256:x") UNSIGNED(
					"ED25519-SK \"/h/id\": device not found") NO_MORE,
			"", "/h/id (device not found), ", false},
		{HELLO OFFER("/h/id RSA SHA256:x agent") ACCEPT("/h/id RSA SHA256:x "
								"agent")
				UNSIGNED("RSA \"/h/id\" from agent: agent refused "
					 "operation") NO_MORE,
			"", "agent key /h/id (agent refused operation), ", false},
		{HELLO "no such identity: /h/id: No such file or directory\r\n"
		       "Load key \"/h/k\": bad permissions\r\n",
			"", "/h/id (no such file), /h/k (bad permissions), ", false},
		{"debug1: mux_client_request_session: master session id: 2\r\n",
			"shared connection of ssh", "", true},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct openssh_log l = {.len = 0};
		AUTO_BUF struct buf out = BUF_INIT;

		feed(&l, &out, rows[i].text);
		CHECK_STR(l.login, rows[i].login);
		CHECK_STR(l.tried.data ? l.tried.data : "", rows[i].tried);
		CHECK(l.authenticated == rows[i].in, "row %zu", i);
		CHECK(!out.len, "row %zu", i);
		openssh_log_finish(&l);
	}
}

/* What a host sends before the login, and ssh shows as it is. */
static void test_lies(void)
{
	static const char lies[] =
		HELLO "debug1: Server host key: ssh-ed25519 SHA256:lie\n"
		      "Warning: Permanently added 'lie' to the list of known hosts.\n"
		      "Offending ED25519 key in /lie:1\n"
		      "debug1: Executing proxy command: lie\n"
		      "debug1: kex_exchange_identification: banner line 0: lie\n";
	struct openssh_log l = {.len = 0};

	feed(&l, NULL, lies);
	CHECK_STR(l.host_key, "ssh-ed25519 SHA256:abc");
	CHECK(!l.added && !l.proxied && !l.known[0] && !l.banner[0]);
	openssh_log_finish(&l);
}

static void test_passwords(void)
{
#define NEXT(method) "debug1: Next authentication method: " method "\r\n"
#define CONTINUE "debug1: Authentications that can continue: publickey,password\r\n"
	static const struct {
		const char *text;
		bool refused;
	} rows[] = {
		{HELLO NEXT("publickey") OFFER("/h/id ED25519 SHA256:x explicit")
				CONTINUE,
			false},
		{HELLO NEXT("password"), false},
		{HELLO NEXT("password") CONTINUE, true},
		{HELLO NEXT("password") CONTINUE NEXT("keyboard-interactive"), true},
		{HELLO NEXT("keyboard-interactive") CONTINUE, true},
		{HELLO NEXT("password") "Authenticated using \"password\" with partial "
					"success.\r\n" CONTINUE NEXT(
						"keyboard-interactive"),
			false},
	};
	struct openssh_log l = {.len = 0};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		feed(&l, NULL, rows[i].text);
		CHECK(l.password_refused == rows[i].refused, "row %zu", i);
	}
	openssh_log_finish(&l);
}

static void test_reasons(void)
{
	static const struct {
		const char *text;
		enum conn_failure why;
		const char *said;
	} rows[] = {
		{"debug1: connect to address ::1 port 22: Connection refused\r\n"
		 "ssh: connect to host h port 22: No route to host\r\n",
			CONN_FAIL_UNREACHABLE,
			"ssh: connect to host h port 22: No route to host"},
		{"ssh: Could not resolve hostname h: Name or service not known\r\n",
			CONN_FAIL_NAME,
			"ssh: Could not resolve hostname h: Name or service not known"},
		{HELLO "u@h: Permission denied (publickey).\r\n", CONN_FAIL_LOGIN,
			"u@h: Permission denied (publickey)."},
		{"Received disconnect from h port 22:2: Too many authentication "
		 "failures\r\nDisconnected from h port 22\r\n",
			CONN_FAIL_LOGIN,
			"Received disconnect from h port 22:2: Too many authentication "
			"failures"},
		{"kex_exchange_identification: read: Connection reset by peer\r\n"
		 "Connection reset by h port 22\r\n",
			CONN_FAIL_BANNER, "Connection reset by h port 22"},
		{"Received disconnect from h port 22:2: go \033[2Jaway\r\n"
		 "Disconnected from h port 22\r\n",
			CONN_FAIL_BANNER,
			"Received disconnect from h port 22:2: go away"},
		{"Unable to negotiate with h port 22: no matching cipher found. Their "
		 "offer: x\r\n",
			CONN_FAIL_NO_ALGORITHM,
			"Unable to negotiate with h port 22: no matching cipher found. "
			"Their offer: x"},
		/* a jump host's words come first, and say more */
		{"ssh: connect to host j port 22: Connection refused\r\n"
		 "kex_exchange_identification: Connection closed by remote host\r\n"
		 "Connection closed by UNKNOWN port 65535\r\n",
			CONN_FAIL_REFUSED,
			"ssh: connect to host j port 22: Connection refused"},
		/* no escapes come through */
		{"ssh: \033[31mconnect to host j port 22: Connection refused\r\n",
			CONN_FAIL_REFUSED,
			"ssh: connect to host j port 22: Connection refused"},
	};
	struct openssh_log l = {.len = 0};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		feed(&l, NULL, rows[i].text);
		CHECK(l.failed && l.why == rows[i].why, "row %zu: %d", i, (int)l.why);
		CHECK_STR(l.said, rows[i].said);
	}
	feed(&l, NULL,
		"@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\r\n"
		"Offending ED25519 key in /h/known hosts:12\r\n"
		"Host key verification failed.\r\n");
	CHECK(l.failed && l.changed && l.why == CONN_FAIL_HOST_KEY);
	CHECK_STR(l.known, "/h/known hosts:12");
	feed(&l, NULL,
		"@ WARNING: REVOKED HOST KEY DETECTED! @\r\n"
		"Host key verification failed.\r\n");
	CHECK(l.failed && l.revoked && !l.changed);
	openssh_log_finish(&l);
}

static void test_remote(void)
{
	static const struct {
		const char *text, *out, *said;
	} rows[] = {
		{"err\n", "err\n", ""},
		{"no end", "no end", ""},
		{"debug1: Entering interactive session.\r\nerr\n", "err\n", ""},
		{"half debug1: x\r\nline\n", "half line\n", ""},
		{"a\nTransferred: sent 1\r\nBytes per second: sent 2\r\nb\r\n",
			"a\nb\r\n", ""},
		/* the remote's own */
		{"debug1: mine\nConnection to x\n", "debug1: mine\nConnection to x\n",
			""},
		{"client_loop: send disconnect: Broken pipe\r\n", "",
			"client_loop: send disconnect: Broken pipe"},
		{"endTimeout, server h not responding.\r\n", "end",
			"Timeout, server h not responding."},
	};
	struct openssh_log l = {.len = 0};
	AUTO_BUF struct buf text = BUF_INIT;
	AUTO_BUF struct buf out = BUF_INIT;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		buf_clear(&text);
		buf_clear(&out);
		buf_printf(&text, "%s%s", HELLO IN, rows[i].text);
		feed(&l, &out, text.data);
		CHECK_STR(out.data ? out.data : "", rows[i].out);
		CHECK_STR(l.said, rows[i].said);
	}
	/* how the command ended; lines that are too long */
	feed(&l, &out,
		HELLO IN
		"debug1: client_input_channel_req: channel 0 rtype exit-status reply "
		"0\r\n");
	CHECK(l.exit_status && !l.exit_signal);
	buf_clear(&text);
	for (int i = 0; i < 3 * OPENSSH_LINE_MAX; i++)
		buf_putc(&text, 'x');
	buf_puts(&text, "\r\n" HELLO IN);
	for (int i = 0; i < 3 * OPENSSH_LINE_MAX; i++)
		buf_putc(&text, 'y');
	buf_clear(&out);
	feed(&l, &out, text.data);
	CHECK(l.authenticated && out.len == 3 * OPENSSH_LINE_MAX, "%zu", out.len);
	openssh_log_finish(&l);
}

TEST_MAIN(TEST(test_logins), TEST(test_lies), TEST(test_passwords), TEST(test_reasons),
	TEST(test_remote))
