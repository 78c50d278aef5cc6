/* known_hosts: which lines speak for a host, and what they say about a key. */
#include "check.h"

#include <stdlib.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/digest.h"
#include "transport/keys/known_hosts.h"
#include "transport/wire.h"

static const char ed25519[] = "ssh-ed25519", ecdsa[] = "ecdsa-sha2-nistp256";

/* A key of this type whose bytes are the word. */
static void make_blob(struct buf *out, const char *type, const char *word)
{
	wire_put_string(out, type, strlen(type));
	wire_put_string(out, word, strlen(word));
}

/* "%A" "%B" stand for two ed25519 keys, "%E" for an ecdsa key, each with its type. */
static void expand(struct buf *out, const char *text)
{
	for (; *text; text++) {
		AUTO_BUF struct buf blob = BUF_INIT;
		AUTO_FREE char *b64 = NULL;
		const char *type;

		if (*text != '%') {
			buf_putc(out, *text);
			continue;
		}
		text++;
		type = *text == 'E' ? ecdsa : ed25519;
		make_blob(&blob, type, (char[]){*text, '\0'});
		b64 = malloc(digest_base64_len(blob.len) + 1);
		digest_base64_encode(blob.data, blob.len, b64);
		buf_printf(out, "%s %s", type, b64);
	}
}

static struct known_hosts *parse(const char *text)
{
	AUTO_BUF struct buf full = BUF_INIT;

	expand(&full, text);
	return known_hosts_parse("/kh", full.data ? full.data : "", full.len);
}

static struct known_match check(struct known_hosts *k, const char *host, uint16_t port,
	const char *type, const char *word)
{
	AUTO_BUF struct buf blob = BUF_INIT;

	make_blob(&blob, type, word);
	return known_hosts_check(&k, 1, host, port, blob.data, blob.len);
}

static const char *const verdicts[] = {
	[KNOWN_OK] = "ok",
	[KNOWN_UNKNOWN] = "unknown",
	[KNOWN_CHANGED] = "changed",
	[KNOWN_IS_REVOKED] = "revoked",
};

static void test_verdicts(void)
{
	/* the host shows key A, of type ed25519 */
	static const struct {
		const char *text, *host;
		uint16_t port;
		enum known_verdict want;
		unsigned line;
	} rows[] = {
		{"", "h", 22, KNOWN_UNKNOWN, 0},
		{"h %A\n", "h", 22, KNOWN_OK, 1},
		{"h %A", "h", 22, KNOWN_OK, 1},
		{"h %A\r\n", "h", 22, KNOWN_OK, 1},
		{"\t h\t%A  a comment\n", "h", 22, KNOWN_OK, 1},
		{"# h %A\n\nh %A\n", "h", 22, KNOWN_OK, 3},
		{"H %A\n", "h", 22, KNOWN_OK, 1},
		{"h %A\n", "H", 22, KNOWN_OK, 1},
		{"g,h,i %A\n", "h", 22, KNOWN_OK, 1},
		{",h, %A\n", "h", 22, KNOWN_OK, 1},
		{"hh %A\n", "h", 22, KNOWN_UNKNOWN, 0},
		{"h %B\n", "h", 22, KNOWN_CHANGED, 1},
		{"h %B\nh %A\n", "h", 22, KNOWN_OK, 2},
		{"h %A\nh %B\n", "h", 22, KNOWN_OK, 1},
		{"h %E\n", "h", 22, KNOWN_UNKNOWN, 0},
		{"h %E\nh %A\n", "h", 22, KNOWN_OK, 2},
		/* ports */
		{"[h]:2222 %A\n", "h", 2222, KNOWN_OK, 1},
		{"[h]:2222 %A\n", "h", 22, KNOWN_UNKNOWN, 0},
		{"[h]:2222 %A\n", "h", 2223, KNOWN_UNKNOWN, 0},
		{"[h]:22 %A\n", "h", 22, KNOWN_UNKNOWN, 0},
		{"[h]:2222 %B\nh %A\n", "h", 2222, KNOWN_CHANGED, 1},
		/* as in ssh: the same key of the plain host is good, another one says nothing */
		{"h %A\n", "h", 2222, KNOWN_OK, 1},
		{"h %B\n", "h", 2222, KNOWN_UNKNOWN, 0},
		{"@revoked h %A\n", "h", 2222, KNOWN_IS_REVOKED, 1},
		{"[fe80::1%eth0]:2222 %A\n", "x", 22, KNOWN_UNKNOWN, 0},
		{"[::1]:2222 %A\n", "::1", 2222, KNOWN_OK, 1},
		{"::1 %A\n", "::1", 22, KNOWN_OK, 1},
		/* patterns */
		{"* %A\n", "h", 22, KNOWN_OK, 1},
		{"*.example.com %A\n", "a.b.example.com", 22, KNOWN_OK, 1},
		{"*.example.com %A\n", "example.com", 22, KNOWN_UNKNOWN, 0},
		{"node?? %A\n", "node01", 22, KNOWN_OK, 1},
		{"node?? %A\n", "node1", 22, KNOWN_UNKNOWN, 0},
		{"NODE* %A\n", "node1", 22, KNOWN_OK, 1},
		{"[10.0.0.*]:2222 %A\n", "10.0.0.7", 2222, KNOWN_OK, 1},
		{"[10.0.0.*]:2222 %A\n", "10.0.0.7", 22, KNOWN_UNKNOWN, 0},
		{"node[12] %A\n", "node1", 22, KNOWN_UNKNOWN, 0},
		{"*,!h %A\n", "h", 22, KNOWN_UNKNOWN, 0},
		{"!h,* %A\n", "h", 22, KNOWN_UNKNOWN, 0},
		{"*,!h %A\n", "g", 22, KNOWN_OK, 1},
		{"!h %A\n", "g", 22, KNOWN_UNKNOWN, 0},
		{"*,!*.bad %A\n", "x.bad", 22, KNOWN_UNKNOWN, 0},
		{"a*b*c %A\n", "aXbYbZc", 22, KNOWN_OK, 1},
		/* markers */
		{"@revoked h %A\n", "h", 22, KNOWN_IS_REVOKED, 1},
		{"@revoked h %B\n", "h", 22, KNOWN_UNKNOWN, 0},
		{"@revoked * %A\nh %A\n", "h", 22, KNOWN_IS_REVOKED, 1},
		{"h %A\n@revoked * %A\n", "h", 22, KNOWN_IS_REVOKED, 2},
		{"@cert-authority h %A\n", "h", 22, KNOWN_UNKNOWN, 0},
		{"@cert-authority * %A\nh %A\n", "h", 22, KNOWN_OK, 2},
		{"@unheard-of h %A\n", "h", 22, KNOWN_UNKNOWN, 0},
		/* bad lines do not hide what follows */
		{"h ssh-ed25519 !!!\nh\nh %A\n", "h", 22, KNOWN_OK, 3},
		{"h 1024 35 1234567\nh %A\n", "h", 22, KNOWN_OK, 2},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct known_hosts *k = parse(rows[i].text);
		struct known_match m = check(k, rows[i].host, rows[i].port, ed25519, "A");

		CHECK(m.verdict == rows[i].want, "%s for %s:%u: %s, want %s",
			rows[i].text, rows[i].host, rows[i].port, verdicts[m.verdict],
			verdicts[rows[i].want]);
		CHECK((m.key ? m.key->line : 0) == rows[i].line, "%s: line %u",
			rows[i].text, m.key ? m.key->line : 0);
		known_hosts_destroy(k);
	}
}

static void test_hashed(void)
{
	/* written by ssh-keygen -H for "example" and "[example]:2222" */
	static const char text[] =
		"|1|H2bvGt9qe1y8JajKgOHkXIKBAqo=|cweoThwDizYPKrdtr1+4c9RHdvA= %A\n"
		"|1|Ke6lllO/zRoIrQFE6N+BMAyxddM=|Xe0QTzRuF7gX9D93hsGCbtRZnlM= %A\n"
		"|1|bad|cweoThwDizYPKrdtr1+4c9RHdvA= %A\n"
		"|2|H2bvGt9qe1y8JajKgOHkXIKBAqo=|cweoThwDizYPKrdtr1+4c9RHdvA= %A\n";
	struct known_hosts *k = parse(text);

	CHECK(check(k, "example", 22, ed25519, "A").verdict == KNOWN_OK);
	CHECK(check(k, "EXAMPLE", 22, ed25519, "A").verdict == KNOWN_OK);
	CHECK(check(k, "example", 2222, ed25519, "A").key->line == 2);
	CHECK(check(k, "example", 22, ed25519, "B").verdict == KNOWN_CHANGED);
	CHECK(check(k, "other", 22, ed25519, "A").verdict == KNOWN_UNKNOWN);
	CHECK(known_hosts_bad_lines(k) == 2, "%zu", known_hosts_bad_lines(k));
	known_hosts_destroy(k);
}

static void test_alias(void)
{
	struct known_hosts *k = parse("alias %A\n");

	/* port 0: the name is an alias, and ports do not matter */
	CHECK(check(k, "alias", 0, ed25519, "A").verdict == KNOWN_OK);
	known_hosts_destroy(k);
}

static void test_hints(void)
{
	struct known_hosts *k = parse("h %E\n@cert-authority *.ca %B\n");
	struct known_match m = check(k, "h", 22, ed25519, "A");

	CHECK(m.other_type && strcmp(m.other_type->type, ecdsa) == 0);
	CHECK(check(k, "x.ca", 22, ed25519, "A").ca != NULL);
	CHECK(check(k, "x", 22, ed25519, "A").ca == NULL);
	CHECK(known_hosts_ca(&k, 1, "x.ca", 22) != NULL);
	CHECK(known_hosts_ca(&k, 1, "x.ca", 2222) !=
		NULL); /* plain names stand for all ports */
	CHECK(known_hosts_ca(&k, 1, "h", 22) == NULL);
	known_hosts_destroy(k);
}

static void test_types(void)
{
	static const struct {
		const char *text;
		uint16_t port;
		const char *want;
	} rows[] = {
		{"h %A\nh %E\nh %B\n", 22, "ssh-ed25519,ecdsa-sha2-nistp256,"},
		{"*,!h %A\nh %E\n", 22, "ecdsa-sha2-nistp256,"},
		{"[h]:1 %E\nh %A\n", 1, "ecdsa-sha2-nistp256,"},
		{"h %A\n", 1, "ssh-ed25519,"},
		{"@revoked h %A\n@cert-authority h %A\n", 22, ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_BUF struct buf out = BUF_INIT;
		struct known_hosts *k = parse(rows[i].text);

		known_hosts_types(&k, 1, "h", rows[i].port, &out);
		CHECK_STR(out.data ? out.data : "", rows[i].want);
		known_hosts_destroy(k);
	}
}

/* Whatever type it is of, and by no other name. */
static void test_any(void)
{
	struct known_hosts *k = parse("a %A\n[b]:2222 %A\n@cert-authority c %A\n"
				      "@revoked d %A\n* %B\n*.dom,!x.dom %A\n");
	struct known_hosts *named = parse("a %A\n[b]:2222 %A\n@cert-authority c %A\n"
					  "@revoked d %A\n");

	CHECK(known_hosts_any(&named, 1, "A", 22)->line == 1);
	CHECK(known_hosts_any(&named, 1, "a", 2222) == NULL);
	CHECK(known_hosts_any(&named, 1, "b", 2222)->line == 2);
	CHECK(known_hosts_any(&named, 1, "b", 22) == NULL);
	CHECK(known_hosts_any(&named, 1, "c", 22) == NULL);
	CHECK(known_hosts_any(&named, 1, "d", 22) == NULL);
	CHECK(known_hosts_any(&k, 1, "d", 22) != NULL);
	known_hosts_destroy(k);
	known_hosts_destroy(named);
}

static void test_add(void)
{
	struct known_hosts *k = parse("");
	AUTO_BUF struct buf blob = BUF_INIT;
	AUTO_BUF struct buf name = BUF_INIT;
	AUTO_BUF struct buf line = BUF_INIT;
	AUTO_BUF struct buf want = BUF_INIT;

	make_blob(&blob, ed25519, "A");
	known_hosts_name(&name, "Host", 2222);
	CHECK_STR(name.data, "[host]:2222");
	known_hosts_line(&line, name.data, blob.data, blob.len);
	expand(&want, "[host]:2222 %A\n");
	CHECK_STR(line.data, want.data);
	known_hosts_add(k, name.data, blob.data, blob.len);
	CHECK(check(k, "host", 2222, ed25519, "A").verdict == KNOWN_OK);
	known_hosts_destroy(k);
}

static void test_many(void)
{
	AUTO_BUF struct buf text = BUF_INIT;
	struct known_hosts *k;

	for (int i = 0; i < 5000; i++)
		buf_printf(&text, "node%d,10.0.%d.%d %%A\n", i, i / 256, i % 256);
	k = parse(text.data);
	for (int i = 0; i < 5000; i++) {
		char name[32];
		struct known_match m;

		snprintf(name, sizeof(name), "10.0.%d.%d", i / 256, i % 256);
		m = check(k, name, 22, ed25519, "A");
		if (!CHECK(m.verdict == KNOWN_OK && m.key->line == (unsigned)i + 1, "%s",
			    name))
			break;
	}
	known_hosts_destroy(k);
}

/* Names of one line that share a bucket. */
static void test_long_line(void)
{
	AUTO_BUF struct buf text = BUF_INIT;
	struct known_hosts *k;

	for (int i = 0; i < 1000; i++)
		buf_printf(&text, "n%d,", i);
	buf_puts(&text, "n1 %A\n");
	k = parse(text.data);
	for (int i = 0; i < 1000; i++) {
		char name[32];

		snprintf(name, sizeof(name), "n%d", i);
		CHECK(check(k, name, 22, ed25519, "A").verdict == KNOWN_OK, "%s", name);
	}
	known_hosts_destroy(k);
}

TEST_MAIN(TEST(test_verdicts), TEST(test_hashed), TEST(test_alias), TEST(test_hints),
	TEST(test_types), TEST(test_any), TEST(test_add), TEST(test_many),
	TEST(test_long_line))
