/* kexinit: what both sides of a handshake offer, from the plain bytes. */
#include "check.h"

#include "common/buf.h"
#include "common/cleanup.h"
#include "transport/libssh2/kexinit.h"
#include "transport/wire.h"

#define LISTS 10

/* A banner and the packet with these lists; NULL: "none". */
static void make_stream(
	struct buf *out, const char *banner, const char *const lists[LISTS])
{
	AUTO_BUF struct buf payload = BUF_INIT;

	buf_putc(&payload, 8); /* padding */
	buf_putc(&payload, 20);
	buf_append(&payload, "0123456789abcdef", 16);
	for (int i = 0; i < LISTS; i++) {
		const char *list = lists[i] ? lists[i] : "none";

		wire_put_string(&payload, list, strlen(list));
	}
	buf_append(&payload, "\0\0\0\0\0padding.", 13);
	buf_puts(out, banner);
	wire_put_string(out, payload.data, payload.len);
}

static const char *const ours[LISTS] = {"curve25519-sha256,ecdh-sha2-nistp256",
	"ssh-ed25519", "aes128-ctr,aes256-ctr", "aes128-ctr", "hmac-sha2-256",
	"hmac-sha2-256"};

static void test_mismatch(void)
{
	static const struct {
		const char *theirs[LISTS];
		const char *want; /* NULL: none */
	} rows[] = {
		{{"ecdh-sha2-nistp256", "x,ssh-ed25519", "aes256-ctr", "aes128-ctr,z",
			 "hmac-sha2-256", "hmac-sha2-256"},
			NULL},
		{{"sntrup761x25519-sha512@openssh.com"}, "key exchange"},
		{{"curve25519-sha25"}, "key exchange"},
		{{"curve25519-sha2566"}, "key exchange"},
		{{""}, "key exchange"},
		{{"curve25519-sha256", "rsa-sha2-512"}, "host key type"},
		{{"curve25519-sha256", "ssh-ed25519", "aes256-gcm@openssh.com"},
			"cipher"},
		{{"curve25519-sha256", "ssh-ed25519", "aes128-ctr",
			 "aes256-gcm@openssh.com"},
			"cipher"},
		{{"curve25519-sha256", "ssh-ed25519", "aes128-ctr", "aes128-ctr",
			 "umac-64"},
			"MAC"},
		{{"curve25519-sha256", "ssh-ed25519", "aes128-ctr", "aes128-ctr",
			 "hmac-sha2-256", "hmac-sha2-256", "zlib"},
			"compression"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_BUF struct buf a = BUF_INIT;
		AUTO_BUF struct buf b = BUF_INIT;
		struct kexinit client, server;
		int list;

		make_stream(&a, "SSH-2.0-libssh2\r\n", ours);
		make_stream(&b, "SSH-2.0-x\r\n", rows[i].theirs);
		if (!CHECK(kexinit_parse(a.data, a.len, &client) == 0) ||
			!CHECK(kexinit_parse(b.data, b.len, &server) == 0))
			continue;
		list = kexinit_mismatch(&client, &server);
		CHECK_STR(list < 0 ? NULL : kex_list_name(list), rows[i].want);
		kexinit_finish(&client);
		kexinit_finish(&server);
	}
}

static void test_streams(void)
{
	static const struct {
		const char *banner;
		int want;
	} rows[] = {
		{"SSH-2.0-OpenSSH_9.2\r\n", 0},
		{"SSH-2.0-old\n", 0},
		{"Welcome!\r\nKeep out.\r\nSSH-2.0-x\r\n", 0},
		{"", -1},
		{"HTTP/1.1 400 Bad Request\r\n", -1},
		{"SSH", -1},
	};
	struct kexinit k;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_BUF struct buf b = BUF_INIT;

		make_stream(&b, rows[i].banner, ours);
		if (CHECK(kexinit_parse(b.data, b.len, &k) == rows[i].want, "%s",
			    rows[i].banner) &&
			!rows[i].want) {
			CHECK_STR(k.lists[KEX_HOST_KEY], "ssh-ed25519");
			kexinit_finish(&k);
		}
	}
	CHECK(kexinit_parse(NULL, 0, &k) < 0);
}

/* Every cut of a good stream is refused, and read no further than it goes. */
static void test_cut(void)
{
	AUTO_BUF struct buf b = BUF_INIT;
	struct kexinit k;

	make_stream(&b, "SSH-2.0-x\r\n", ours);
	for (size_t n = 0; n < b.len; n++) {
		AUTO_FREE char *copy = malloc(n ? n : 1);

		memcpy(copy, b.data, n);
		CHECK(kexinit_parse(copy, n, &k) < 0, "%zu of %zu", n, b.len);
	}
}

TEST_MAIN(TEST(test_mismatch), TEST(test_streams), TEST(test_cut))
