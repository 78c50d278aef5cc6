/* keyfile: private keys as ssh-keygen and openssl write them. */
#include "check.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "transport/keys/bcrypt_pbkdf.h"
#include "transport/keys/keyfile.h"
#include "transport/wire.h"

static const char *const states[] = {[KEYFILE_OK] = "ok",
	[KEYFILE_ENCRYPTED] = "encrypted",
	[KEYFILE_OPENSSH] = "openssh",
	[KEYFILE_UNUSABLE] = "unusable"};

/* clang-format off */
#include "test-keyfile-keys.h"
/* clang-format on */

static const char weak[] =
	"RSA of 1024 bits is too weak: make a key with ssh-keygen -t ed25519";

static void test_parse(void)
{
	static const struct {
		const char *name, *text, *passphrase;
		enum keyfile_state want;
		const char *type, *fingerprint, *reason;
	} rows[] = {
		{"ed25519", key_ed25519, NULL, KEYFILE_OK, "ssh-ed25519", print_ed25519,
			""},
		{"ecdsa", key_ecdsa256, NULL, KEYFILE_OK, "ecdsa-sha2-nistp256",
			print_ecdsa256, ""},
		{"ecdsa 521", key_ecdsa521, NULL, KEYFILE_OK, "ecdsa-sha2-nistp521",
			print_ecdsa521, ""},
		{"PEM ecdsa", key_pem_ecdsa384, NULL, KEYFILE_OK, "ecdsa-sha2-nistp384",
			print_pem_ecdsa384, ""},
		{"passphrase not needed", key_ed25519, "secret", KEYFILE_OK,
			"ssh-ed25519", print_ed25519, ""},
		{"encrypted", key_encrypted, NULL, KEYFILE_ENCRYPTED, "ssh-ed25519",
			print_encrypted, ""},
		{"right passphrase", key_encrypted, "secret", KEYFILE_OK, "ssh-ed25519",
			print_encrypted, ""},
		{"wrong passphrase", key_encrypted, "Secret", KEYFILE_ENCRYPTED,
			"ssh-ed25519", print_encrypted, ""},
		{"empty passphrase", key_encrypted, "", KEYFILE_ENCRYPTED, "ssh-ed25519",
			print_encrypted, ""},
		{"encrypted PEM", key_pem_encrypted, NULL, KEYFILE_ENCRYPTED, NULL, NULL,
			""},
		{"encrypted PEM opened", key_pem_encrypted, "secret", KEYFILE_OK,
			"ecdsa-sha2-nistp256", print_pem_encrypted, ""},
		{"encrypted PEM wrong", key_pem_encrypted, "wrong", KEYFILE_ENCRYPTED,
			NULL, NULL, ""},
		{"RSA", key_rsa2048, NULL, KEYFILE_OK, "ssh-rsa", print_rsa2048, ""},
		{"RSA encrypted", key_rsa_encrypted, NULL, KEYFILE_ENCRYPTED, "ssh-rsa",
			print_rsa2048, ""},
		{"RSA opened", key_rsa_encrypted, "secret", KEYFILE_OK, "ssh-rsa",
			print_rsa2048, ""},
		{"RSA wrong passphrase", key_rsa_encrypted, "no", KEYFILE_ENCRYPTED,
			"ssh-rsa", print_rsa2048, ""},
		{"RSA PEM", key_rsa_pem, NULL, KEYFILE_OK, "ssh-rsa", print_rsa2048, ""},
		{"RSA PEM encrypted", key_rsa_pem_encrypted, NULL, KEYFILE_ENCRYPTED,
			NULL, NULL, ""},
		{"RSA PEM opened", key_rsa_pem_encrypted, "secret", KEYFILE_OK, "ssh-rsa",
			print_rsa2048, ""},
		{"RSA PEM wrong", key_rsa_pem_encrypted, "no", KEYFILE_ENCRYPTED, NULL,
			NULL, ""},
		{"RSA PKCS8", key_rsa_pkcs8, NULL, KEYFILE_OK, "ssh-rsa", print_rsa2048,
			""},
		{"RSA PKCS8 encrypted", key_rsa_pkcs8_encrypted, NULL, KEYFILE_ENCRYPTED,
			NULL, NULL, ""},
		{"RSA PKCS8 opened", key_rsa_pkcs8_encrypted, "secret", KEYFILE_OK,
			"ssh-rsa", print_rsa2048, ""},
		{"RSA PKCS8 wrong", key_rsa_pkcs8_encrypted, "no", KEYFILE_ENCRYPTED,
			NULL, NULL, ""},
		{"RSA of two keys", key_rsa_mixed, NULL, KEYFILE_UNUSABLE, "ssh-rsa",
			NULL, "the file is damaged"},
		{"short RSA", key_rsa, NULL, KEYFILE_UNUSABLE, NULL, NULL, weak},
		{"short RSA PEM", key_pem_rsa, NULL, KEYFILE_UNUSABLE, NULL, NULL, weak},
		{"FIDO", key_sk, NULL, KEYFILE_OPENSSH, NULL, NULL,
			"a FIDO key, which needs a touch"},
		{"FIDO encrypted", key_sk_encrypted, NULL, KEYFILE_UNUSABLE, NULL, NULL,
			"a FIDO key with a passphrase: ssh-add it"},
		{"nothing", "", NULL, KEYFILE_UNUSABLE, NULL, NULL, "not a private key"},
		{"a public key", "ssh-ed25519 AAAA x\n", NULL, KEYFILE_UNUSABLE, NULL,
			NULL, "not a private key"},
		{"a whole public key", line_rsa2048, NULL, KEYFILE_UNUSABLE, "ssh-rsa",
			print_rsa2048,
			"a public key, and the agent does not have its private one"},
		{"cut", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\n",
			NULL, KEYFILE_UNUSABLE, NULL, NULL, "the file is damaged"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct keyfile k;
		char print[KEY_FINGERPRINT_SIZE] = "";

		keyfile_parse(rows[i].text, strlen(rows[i].text), rows[i].passphrase, &k);
		CHECK(k.state == rows[i].want, "%s: %s", rows[i].name, states[k.state]);
		CHECK((k.pkey != NULL) == (k.state == KEYFILE_OK), "%s", rows[i].name);
		CHECK_STR(k.type, rows[i].type);
		CHECK_STR(k.reason, rows[i].reason);
		if (k.blob && rows[i].fingerprint) {
			key_fingerprint(k.blob, k.blob_len, print);
			CHECK_STR(print, rows[i].fingerprint);
		}
		keyfile_finish(&k);
	}
}

/* libcrypto, asked another way, takes our signatures for good. */
static bool verifies(const struct keyfile *k, const EVP_MD *md, const char *data,
	const struct buf *sig)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = EVP_DigestVerifyInit(ctx, NULL, md, NULL, k->pkey) == 1 &&
		  EVP_DigestVerify(ctx, (const uint8_t *)sig->data, sig->len,
			  (const uint8_t *)data, strlen(data)) == 1;

	EVP_MD_CTX_free(ctx);
	return ok;
}

static void test_sign(void)
{
	static const char *const keys[] = {
		key_ed25519, key_ecdsa256, key_ecdsa521, key_pem_ecdsa384};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		AUTO_BUF struct buf sig = BUF_INIT;
		struct keyfile k;

		keyfile_parse(keys[i], strlen(keys[i]), NULL, &k);
		CHECK(keyfile_sign(&k, "data", 4, &sig) == 0, "%zu", i);
		if (i == 0) {
			CHECK(sig.len == 64 && verifies(&k, NULL, "data", &sig));
		} else {
			struct wire w = wire_of(sig.data, sig.len);
			struct wire r = wire_string(&w), s = wire_string(&w);

			/* two positive numbers, without needless zeros */
			CHECK(!w.bad && !w.left && r.left && s.left, "%zu", i);
			CHECK(!(r.p[0] & 0x80) && (r.p[0] || r.p[1] & 0x80), "%zu", i);
			CHECK(!(s.p[0] & 0x80) && (s.p[0] || s.p[1] & 0x80), "%zu", i);
		}
		keyfile_finish(&k);
	}
}

/* Every way that an RSA key is kept gives the same signature, by SHA-512 and as long as the key. */
static void test_sign_rsa(void)
{
	static const struct {
		const char *text, *passphrase;
	} rows[] = {
		{key_rsa2048, NULL},
		{key_rsa_encrypted, "secret"},
		{key_rsa_pem, NULL},
		{key_rsa_pem_encrypted, "secret"},
		{key_rsa_pkcs8, NULL},
		{key_rsa_pkcs8_encrypted, "secret"},
	};
	AUTO_BUF struct buf first = BUF_INIT;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_BUF struct buf sig = BUF_INIT;
		struct keyfile k;

		keyfile_parse(rows[i].text, strlen(rows[i].text), rows[i].passphrase, &k);
		CHECK(keyfile_sign(&k, "data", 4, &sig) == 0, "%zu", i);
		CHECK(sig.len == 256 && verifies(&k, EVP_sha512(), "data", &sig), "%zu",
			i);
		CHECK(!verifies(&k, EVP_sha512(), "date", &sig), "%zu", i);
		if (!first.len)
			buf_append(&first, sig.data, sig.len);
		CHECK(memcmp(first.data, sig.data, sig.len) == 0, "%zu", i);
		keyfile_finish(&k);
	}
}

static void put_type(struct buf *b, const char *type)
{
	buf_clear(b);
	wire_put_string(b, type, strlen(type));
}

static void test_about(void)
{
	static const struct {
		const char *type, *want;
		bool openssh;
		const char *reason;
	} rows[] = {
		{"ssh-ed25519", "ssh-ed25519", false, ""},
		{"ssh-ed2551", NULL, false, "keys of this type are not supported"},
		{"", NULL, false, "keys of this type are not supported"},
		{"ssh-dss", NULL, false, "DSA keys are not supported"},
		{"ssh-rsa", NULL, false,
			"RSA of 0 bits is too weak: make a key with ssh-keygen -t "
			"ed25519"},
		{"sk-ssh-ed25519@openssh.com", NULL, true,
			"a FIDO key, which needs a touch"},
		{"sk-ecdsa-sha2-nistp256@openssh.com", NULL, true,
			"a FIDO key, which needs a touch"},
		{"ssh-ed25519-cert-v01@openssh.com", NULL, true, "a certificate"},
		{"rsa-sha2-512-cert-v01@openssh.com", NULL, true, "a certificate"},
		{"-cert-v01@openssh.com", NULL, false,
			"keys of this type are not supported"},
	};
	AUTO_BUF struct buf blob = BUF_INIT;
	struct key_about about;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		put_type(&blob, rows[i].type);
		key_about(blob.data, blob.len, &about);
		CHECK_STR(about.type, rows[i].want);
		CHECK_STR(about.reason, rows[i].reason);
		CHECK(about.openssh == rows[i].openssh, "%s", rows[i].type);
	}
	key_about("", 0, &about);
	CHECK(!about.type && !about.openssh);
	key_about("\0\0\0\7ssh", 7, &about);
	CHECK(!about.type && !about.openssh);
}

/* What libssh2 is given: an RSA key under the name of its signatures, others as they are. */
static void test_login_blob(void)
{
	AUTO_BUF struct buf blob = BUF_INIT;
	AUTO_BUF struct buf login = BUF_INIT;
	struct key_about about;
	struct wire w, type, e, n;

	CHECK(key_public_line(line_rsa2048, strlen(line_rsa2048), &blob) == 0);
	key_about(blob.data, blob.len, &about);
	CHECK_STR(about.type, "ssh-rsa");
	CHECK_STR(key_signature_type(about.type), "rsa-sha2-512");
	CHECK_STR(key_signature_type("ssh-ed25519"), "ssh-ed25519");
	CHECK(key_login_blob(blob.data, blob.len, &login) == 0);
	w = wire_of(login.data, login.len);
	type = wire_string(&w);
	e = wire_string(&w);
	n = wire_string(&w);
	CHECK(wire_is(&type, "rsa-sha2-512") && e.left == 3 && n.left == 257 && !w.left);
	CHECK(memcmp(n.p, blob.data + blob.len - n.left, n.left) == 0);
	put_type(&blob, "ssh-ed25519");
	buf_clear(&login);
	CHECK(key_login_blob(blob.data, blob.len, &login) == 0);
	CHECK(login.len == blob.len && memcmp(login.data, blob.data, blob.len) == 0);
}

static void test_public_line(void)
{
	static const struct {
		const char *text;
		int want;
	} rows[] = {
		{"ssh-x AAAAAXg= comment\n", 0},
		{"ssh-x AAAAAXg=", 0},
		{"ssh-x AAAAAXg=\r\n", 0},
		{"ssh-x", -1},
		{"ssh-x ", -1},
		{"ssh-x AAAA", -1},
		{"ssh-x !!!!", -1},
		{"", -1},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_BUF struct buf blob = BUF_INIT;

		CHECK(key_public_line(rows[i].text, strlen(rows[i].text), &blob) ==
				rows[i].want,
			"%s", rows[i].text);
		if (rows[i].want == 0)
			CHECK(blob.len == 5 && memcmp(blob.data, "\0\0\0\1x", 5) == 0);
	}
}

/* The test vectors of OpenBSD's regress/lib/libutil/bcrypt_pbkdf with few rounds. */
static void test_bcrypt_pbkdf(void)
{
	static const struct {
		const char *pass, *salt;
		unsigned rounds;
		const char *hex;
	} rows[] = {
		{"password", "salt", 4,
			"5bbf0cc293587f1c3635555c27796598d47e579071bf427e9d8fbe842aba34d"
			"9"},
		{"password", "salt", 8,
			"e1367ec5151a33faac4cc1c144cd23fa15d5548493ecc99b9b5d9c0d3b27bec7"
			"6227ea66088b849b20ab7aa478010246e74bba51723fefa9f9474d6508845e8"
			"d"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = strlen(rows[i].hex) / 2;
		uint8_t out[64];
		char hex[129] = "";

		bcrypt_pbkdf(rows[i].pass, strlen(rows[i].pass),
			(const uint8_t *)rows[i].salt, strlen(rows[i].salt), out, n,
			rows[i].rounds);
		for (size_t j = 0; j < n; j++)
			snprintf(hex + 2 * j, 3, "%02x", out[j]);
		CHECK_STR(hex, rows[i].hex);
	}
}

TEST_MAIN(TEST(test_parse), TEST(test_sign), TEST(test_sign_rsa), TEST(test_about),
	TEST(test_login_blob), TEST(test_public_line), TEST(test_bcrypt_pbkdf))
