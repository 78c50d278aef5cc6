/* mac: EVP contexts that are fetched once and begun anew for each message; a key that stays is not set
 * again. */
#include "cloud/mac.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"

/* A key up to this length is remembered, so that it need not be set again. */
#define KEY_MAX 128

struct mac {
	EVP_MD *sha256;
	EVP_MD_CTX *hash;
	EVP_MAC *hmac;
	EVP_MAC_CTX *keyed;
	uint8_t key[KEY_MAX]; /* that keyed has */
	size_t key_len;       /* 0: none */
};

void mac_destroy(struct mac *m)
{
	if (!m)
		return;
	EVP_MD_CTX_free(m->hash);
	EVP_MD_free(m->sha256);
	EVP_MAC_CTX_free(m->keyed);
	EVP_MAC_free(m->hmac);
	OPENSSL_cleanse(m, sizeof(*m));
	free(m);
}

static bool fetch(struct mac *m)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end()};

	m->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	m->hash = EVP_MD_CTX_new();
	m->hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	m->keyed = m->hmac ? EVP_MAC_CTX_new(m->hmac) : NULL;
	return m->sha256 && m->hash && m->keyed &&
	       EVP_MAC_CTX_set_params(m->keyed, params) == 1 &&
	       EVP_DigestInit_ex2(m->hash, m->sha256, NULL) == 1;
}

struct mac *mac_create(struct err *err)
{
	struct mac *m = calloc(1, sizeof(*m));

	if (m && fetch(m))
		return m;
	mac_destroy(m);
	err_set(err, ERR_SYSTEM, "OpenSSL gives no SHA-256 and HMAC");
	return NULL;
}

/* Gives the context its key, or begins anew with the one it has. */
static bool begin(struct mac *m, const void *key, size_t len)
{
	/* nobody learns from how long it takes: both keys are ours */
	if (len && len == m->key_len && memcmp(key, m->key, len) == 0)
		return EVP_MAC_init(m->keyed, NULL, 0, NULL) == 1;
	m->key_len = 0;
	/* HMAC's empty key is a key; NULL would mean the last one */
	if (EVP_MAC_init(m->keyed, len ? key : "", len, NULL) != 1)
		return false;
	if (len && len <= KEY_MAX) {
		memcpy(m->key, key, len);
		m->key_len = len;
	}
	return true;
}

void mac_hmac(struct mac *m, const void *key, size_t key_len, const void *data,
	size_t len, uint8_t out[32])
{
	size_t n;

	if (begin(m, key, key_len) && EVP_MAC_update(m->keyed, data, len) == 1 &&
		EVP_MAC_final(m->keyed, out, &n, 32) == 1)
		return;
	m->key_len = 0;
	memset(out, 0, 32);
}

void mac_sha256(struct mac *m, const void *data, size_t len, uint8_t out[32])
{
	mac_sha256_begin(m);
	mac_sha256_add(m, data, len);
	mac_sha256_end(m, out);
}

void mac_sha256_begin(struct mac *m)
{
	EVP_DigestInit_ex2(m->hash, NULL, NULL);
}

void mac_sha256_add(struct mac *m, const void *data, size_t len)
{
	EVP_DigestUpdate(m->hash, data, len);
}

void mac_sha256_end(struct mac *m, uint8_t out[32])
{
	if (EVP_DigestFinal_ex(m->hash, out, NULL) != 1)
		memset(out, 0, 32);
}
