/* What `ssh -G` says, as it really says it, and what muster makes of it. */
#include "check.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "inventory/inventory.h"
#include "inventory/ssh_config.h"

/* OpenSSH 9.2 on Debian 12, most lines that do not count left out. */
static const char plain[] =
	"host localhost\n"
	"user root\n"
	"hostname localhost\n"
	"port 22\n"
	"addressfamily any\n"
	"identitiesonly no\n"
	"stricthostkeychecking ask\n"
	"identityfile ~/.ssh/id_rsa\n"
	"identityfile ~/.ssh/id_ed25519\n"
	"certificatefile ~/.ssh/work-cert.pub\n"
	"canonicaldomains none\n"
	"globalknownhostsfile /etc/ssh/ssh_known_hosts "
	"/etc/ssh/ssh_known_hosts2\n"
	"userknownhostsfile /home/ann/.ssh/known_hosts /home/ann/.ssh/known_hosts2\n"
	"sendenv LANG\n"
	"connecttimeout none\n"
	"canonicalizePermittedcnames none\n"
	"syslogfacility USER\n";

static const char full[] = "host x\n"
			   "user bob\n"
			   "hostname 10.0.0.9\n"
			   "port 2222\n"
			   "identitiesonly yes\n"
			   "stricthostkeychecking accept-new\n"
			   "hostkeyalias foo\n"
			   "identityfile ~/.ssh/%r_key\n"
			   "identityfile ${HOME}/k\n"
			   "identityfile ~/my keys/%%a\n"
			   "identityfile /k/%h-%p-%n-%k-%d\n"
			   "identityfile /k/%C\n"
			   "identityfile ~other/k\n"
			   "identityfile /k/%\n"
			   "userknownhostsfile none\n"
			   "connecttimeout 7\n"
			   "proxyjump bob@jump:22\n"
			   "proxycommand nc -X 5 %h %p\n";

/* "a|b" of a list, "" when it is empty. */
static char *joined(char *const *v)
{
	struct buf b AUTO_BUF = BUF_INIT;

	for (size_t i = 0; v && v[i]; i++)
		buf_printf(&b, "%s%s", i ? "|" : "", v[i]);
	return buf_steal(&b);
}

static void check_joined(char *const *v, const char *want)
{
	AUTO_FREE char *got = joined(v);

	CHECK_STR(got, want);
}

static void test_plain(void)
{
	struct err err = ERR_INIT;
	struct ssh_config c;

	if (!CHECK(ssh_config_parse(plain, strlen(plain), "/home/me", &c, &err) == 0,
		    "%s", err.text))
		return;
	CHECK_STR(c.hostname, "localhost");
	CHECK_STR(c.user, "root");
	CHECK(c.port == 22 && !c.identities_only && c.connect_timeout_ns == 0);
	CHECK(c.strict_host_key == HOST_KEY_STRICT && !c.strict_set);
	CHECK_STR(c.proxy_jump, NULL);
	CHECK_STR(c.proxy_command, NULL);
	CHECK_STR(c.host_key_alias, NULL);
	check_joined(c.identity_files, "/home/me/.ssh/id_rsa|/home/me/.ssh/id_ed25519");
	check_joined(c.certificate_files, "/home/me/.ssh/work-cert.pub");
	check_joined(c.user_known_hosts,
		"/home/ann/.ssh/known_hosts|/home/ann/.ssh/known_hosts2");
	check_joined(c.global_known_hosts,
		"/etc/ssh/ssh_known_hosts|/etc/ssh/ssh_known_hosts2");
	ssh_config_finish(&c);
}

static void test_full(void)
{
	struct err err = ERR_INIT;
	struct ssh_config c;

	if (!CHECK(ssh_config_parse(full, strlen(full), "/h", &c, &err) == 0, "%s",
		    err.text))
		return;
	CHECK_STR(c.hostname, "10.0.0.9");
	CHECK(c.port == 2222 && c.identities_only);
	CHECK(c.connect_timeout_ns == UINT64_C(7000000000));
	CHECK(c.strict_host_key == HOST_KEY_ACCEPT_NEW && c.strict_set);
	CHECK_STR(c.host_key_alias, "foo");
	CHECK_STR(c.proxy_jump, "bob@jump:22");
	CHECK_STR(c.proxy_command, "nc -X 5 %h %p");
	check_joined(c.identity_files,
		"/h/.ssh/bob_key|/h/my keys/%a|/k/10.0.0.9-2222-x-foo-/h");
	check_joined(c.user_known_hosts, "");
	ssh_config_finish(&c);
}

static void test_checking(void)
{
	static const struct {
		const char *word;
		int policy;
		bool set;
	} rows[] = {{"ask", HOST_KEY_STRICT, false}, {"true", HOST_KEY_STRICT, true},
		{"yes", HOST_KEY_STRICT, true}, {"accept-new", HOST_KEY_ACCEPT_NEW, true},
		{"false", HOST_KEY_OFF, true}, {"no", HOST_KEY_OFF, true},
		{"off", HOST_KEY_OFF, true}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf b AUTO_BUF = BUF_INIT;
		struct err err = ERR_INIT;
		struct ssh_config c;

		buf_printf(&b, "stricthostkeychecking %s\r\n", rows[i].word);
		if (!CHECK(ssh_config_parse(b.data, b.len, NULL, &c, &err) == 0, "%s",
			    err.text))
			continue;
		CHECK(c.strict_host_key == rows[i].policy && c.strict_set == rows[i].set,
			"%s", rows[i].word);
		ssh_config_finish(&c);
	}
}

static void test_errors(void)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"hostname\n", "ssh -G: 'hostname' has no value"},
		{"hostname \n", "ssh -G: 'hostname' has no value"},
		{"port 0\n", "ssh -G: 'port' has the value '0'"},
		{"port 99999\n", "ssh -G: 'port' has the value '99999'"},
		{"port x\x1b[1m\n", "ssh -G: 'port' has the value 'x'"},
		{"stricthostkeychecking maybe\n",
			"ssh -G: 'stricthostkeychecking' has the value 'maybe'"},
		{"identitiesonly 1\n", "ssh -G: 'identitiesonly' has the value '1'"},
		{"connecttimeout soon\n",
			"ssh -G: 'connecttimeout' has the value 'soon'"},
		/* lines that do not count may be anything */
		{"setenv\nunknown\n\n  hostname\nPORT 0\nport 5\n", NULL},
		{"", NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = ERR_INIT;
		struct ssh_config c;
		int r = ssh_config_parse(
			rows[i].text, strlen(rows[i].text), NULL, &c, &err);

		CHECK((r < 0) == (rows[i].want != NULL), "%s", rows[i].text);
		if (rows[i].want)
			CHECK_STR(err.text, rows[i].want);
		if (r == 0)
			ssh_config_finish(&c);
	}
}

static void test_long_line(void)
{
	struct buf b AUTO_BUF = BUF_INIT;
	struct err err = ERR_INIT;
	struct ssh_config c;

	for (size_t i = 0; i < 70000; i++)
		buf_putc(&b, 'x');
	CHECK(ssh_config_parse(b.data, b.len, NULL, &c, &err) < 0);
	CHECK_STR(err.text, "ssh -G: a line is longer than 65536 bytes");
}

static void test_proxy_jump_tokens(void)
{
	static const struct {
		const char *value, *want;
	} rows[] = {{"gate", "gate"}, {"%r@gate-%n:%p", "bob@gate-x:2222"},
		{"%h%%a,b", "10.0.0.9%a,b"}, {"%k", "x"},
		/* what muster does not know stays as it is */
		{"a%C", "a%C"}, {"none", NULL}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf b AUTO_BUF = BUF_INIT;
		struct err err = ERR_INIT;
		struct ssh_config c;

		buf_printf(&b,
			"host x\nuser bob\nhostname 10.0.0.9\nport 2222\nproxyjump %s\n",
			rows[i].value);
		if (!CHECK(ssh_config_parse(b.data, b.len, "/h", &c, &err) == 0, "%s",
			    err.text))
			continue;
		CHECK_STR(c.proxy_jump, rows[i].want);
		ssh_config_finish(&c);
	}
}

static void test_hops(void)
{
	static const struct {
		const char *chain, *user, *host;
		uint16_t port;
		const char *before;
	} rows[] = {
		{"gate", NULL, "gate", 0, NULL},
		{"ann@gate:2222", "ann", "gate", 2222, NULL},
		{"a,b@c:1,d", NULL, "d", 0, "a,b@c:1"},
		{"a,[::1]:22", NULL, "::1", 22, "a"},
		{"fe80::1", NULL, "fe80::1", 0, NULL},
		{"ssh://ann@gate:22/", "ann", "gate", 22, NULL},
		{"x,ssh://gate", NULL, "gate", 0, "x"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *before = NULL;
		struct err err = ERR_INIT;
		struct ssh_hop h;

		if (!CHECK(ssh_hop_parse(rows[i].chain, &h, &before, &err) == 0, "%s: %s",
			    rows[i].chain, err.text))
			continue;
		CHECK_STR(h.user, rows[i].user);
		CHECK_STR(h.host, rows[i].host);
		CHECK(h.port == rows[i].port, "%s: %u", rows[i].chain, h.port);
		CHECK_STR(before, rows[i].before);
		ssh_hop_finish(&h);
	}
}

static void test_bad_hops(void)
{
	static const char *const rows[] = {"", ",", "a,", "a, b", "-x",
		"a,-oProxyCommand=x", "gate:0", "gate:99999", "@gate", "a b@gate",
		"ssh://", "[::1", "a;b"};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *before = NULL;
		struct err err = ERR_INIT;
		struct ssh_hop h;

		CHECK(ssh_hop_parse(rows[i], &h, &before, &err) < 0, "%s", rows[i]);
		CHECK(*err.text && !before, "%s", rows[i]);
	}
}

TEST_MAIN(TEST(test_plain), TEST(test_full), TEST(test_checking), TEST(test_errors),
	TEST(test_long_line), TEST(test_proxy_jump_tokens), TEST(test_hops),
	TEST(test_bad_hops))
