/* A FIDO token in a file: what ssh loads as SSH_SK_PROVIDER in place of a device that somebody touches. Its
 * key handle is the private key itself, so it keeps nothing. The interface is OpenSSH's (PROTOCOL.u2f and
 * sk-api.h there), whose structures are taken from memory of malloc that ssh frees. */
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
	API_VERSION =
		0x000a0000, /* OpenSSH 8.9 and later; only its upper half is compared */
	ALG_ED25519 = 1,
	TOUCHED = 1,
	KEY_SIZE = 32,
	SIGNATURE_SIZE = 64,
	ERR_GENERAL = -1,
	ERR_UNSUPPORTED = -2,
};

struct sk_enroll_response {
	uint8_t flags;
	uint8_t *public_key;
	size_t public_key_len;
	uint8_t *key_handle;
	size_t key_handle_len;
	uint8_t *signature;
	size_t signature_len;
	uint8_t *attestation_cert;
	size_t attestation_cert_len;
	uint8_t *authdata;
	size_t authdata_len;
};

struct sk_sign_response {
	uint8_t flags;
	uint32_t counter;
	uint8_t *sig_r; /* with Ed25519 the whole signature */
	size_t sig_r_len;
	uint8_t *sig_s;
	size_t sig_s_len;
};

struct sk_option;
struct sk_resident_key;

uint32_t sk_api_version(void);
int sk_enroll(uint32_t alg, const uint8_t *challenge, size_t challenge_len,
	const char *application, uint8_t flags, const char *pin,
	struct sk_option **options, struct sk_enroll_response **out);
int sk_sign(uint32_t alg, const uint8_t *data, size_t data_len, const char *application,
	const uint8_t *key_handle, size_t key_handle_len, uint8_t flags, const char *pin,
	struct sk_option **options, struct sk_sign_response **out);
int sk_load_resident_keys(const char *pin, struct sk_option **options,
	struct sk_resident_key ***keys, size_t *n);

uint32_t sk_api_version(void)
{
	return API_VERSION;
}

int sk_enroll(uint32_t alg, const uint8_t *challenge, size_t challenge_len,
	const char *application, uint8_t flags, const char *pin,
	struct sk_option **options, struct sk_enroll_response **out)
{
	struct sk_enroll_response *r = calloc(1, sizeof(*r));
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	size_t n = KEY_SIZE, m = KEY_SIZE;

	(void)challenge;
	(void)challenge_len;
	(void)application;
	(void)pin;
	(void)options;
	if (alg != ALG_ED25519)
		return ERR_UNSUPPORTED;
	if (!r || !key)
		return ERR_GENERAL;
	r->flags = flags;
	r->public_key = calloc(1, r->public_key_len = KEY_SIZE);
	r->key_handle = calloc(1, r->key_handle_len = KEY_SIZE);
	r->signature = calloc(1, r->signature_len = SIGNATURE_SIZE); /* attests nothing */
	if (!r->public_key || !r->key_handle || !r->signature ||
		EVP_PKEY_get_raw_public_key(key, r->public_key, &n) != 1 ||
		EVP_PKEY_get_raw_private_key(key, r->key_handle, &m) != 1)
		return ERR_GENERAL;
	EVP_PKEY_free(key);
	*out = r;
	return 0;
}

int sk_sign(uint32_t alg, const uint8_t *data, size_t data_len, const char *application,
	const uint8_t *key_handle, size_t key_handle_len, uint8_t flags, const char *pin,
	struct sk_option **options, struct sk_sign_response **out)
{
	/* what is signed: hash of the application, flags, counter, hash of the data */
	uint8_t text[SHA256_DIGEST_LENGTH + 1 + 4 + SHA256_DIGEST_LENGTH] = {0};
	struct sk_sign_response *r = calloc(1, sizeof(*r));
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(
		EVP_PKEY_ED25519, NULL, key_handle, key_handle_len);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	(void)pin;
	(void)options;
	if (alg != ALG_ED25519)
		return ERR_UNSUPPORTED;
	if (!r || !key || !ctx)
		return ERR_GENERAL;
	SHA256((const uint8_t *)application, strlen(application), text);
	text[SHA256_DIGEST_LENGTH] = r->flags = flags | TOUCHED;
	SHA256(data, data_len,
		text + SHA256_DIGEST_LENGTH + 1 + 4); /* the counter stays 0 */
	r->sig_r = calloc(1, r->sig_r_len = SIGNATURE_SIZE);
	if (!r->sig_r || EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) != 1 ||
		EVP_DigestSign(ctx, r->sig_r, &r->sig_r_len, text, sizeof(text)) != 1)
		return ERR_GENERAL;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	*out = r;
	return 0;
}

/* It has none, but must offer to look. */
int sk_load_resident_keys(const char *pin, struct sk_option **options,
	struct sk_resident_key ***keys, size_t *n)
{
	(void)pin;
	(void)options;
	(void)keys;
	(void)n;
	return ERR_UNSUPPORTED;
}
