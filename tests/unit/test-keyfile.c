/* keyfile: private keys as ssh-keygen and openssl write them. */
#include "check.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "transport/bcrypt_pbkdf.h"
#include "transport/keyfile.h"
#include "transport/wire.h"

static const char *const states[] = {[KEYFILE_OK] = "ok",
	[KEYFILE_ENCRYPTED] = "encrypted",
	[KEYFILE_UNUSABLE] = "unusable"};

/* clang-format off */
#include "test-keyfile-keys.h"
/* clang-format on */

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
		{"RSA", key_rsa, NULL, KEYFILE_UNUSABLE, NULL, NULL,
			"RSA keys are not supported yet"},
		{"RSA PEM", key_pem_rsa, NULL, KEYFILE_UNUSABLE, NULL, NULL,
			"RSA keys are not supported yet"},
		{"nothing", "", NULL, KEYFILE_UNUSABLE, NULL, NULL, "not a private key"},
		{"a public key", "ssh-ed25519 AAAA x\n", NULL, KEYFILE_UNUSABLE, NULL,
			NULL, "not a private key"},
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
static bool verifies(const struct keyfile *k, const char *data, const struct buf *sig)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, k->pkey) == 1 &&
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
			CHECK(sig.len == 64 && verifies(&k, "data", &sig));
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

static void test_types(void)
{
	char reason[100] = "";

	CHECK_STR(keyfile_type("ssh-ed25519", 11, reason, sizeof(reason)), "ssh-ed25519");
	CHECK(!keyfile_type("ssh-ed2551", 10, reason, sizeof(reason)));
	CHECK(!keyfile_type("sk-ssh-ed25519@openssh.com", 26, reason, sizeof(reason)));
	CHECK_STR(reason, "FIDO keys are not supported yet");
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

TEST_MAIN(TEST(test_parse), TEST(test_sign), TEST(test_types), TEST(test_bcrypt_pbkdf))
