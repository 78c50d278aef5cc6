/* mac: states of SHA-256 that are copied where others would be made: HMAC's two begin behind the key, which
 * costs a block each, once per key. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "cloud/mac.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"

/* A key up to this length is remembered, so that it need not be set again. */
#define KEY_MAX 128

struct mac {
	SHA256_CTX hash;
	SHA256_CTX inner, outer; /* of HMAC, behind the key */
	uint8_t key[KEY_MAX];    /* that they have */
	size_t key_len;          /* 0: none */
};

void mac_destroy(struct mac *m)
{
	if (!m)
		return;
	OPENSSL_cleanse(m, sizeof(*m));
	free(m);
}

struct mac *mac_create(struct err *err)
{
	struct mac *m = calloc(1, sizeof(*m));

	if (!m)
		err_sys(err, ENOMEM, "signatures");
	return m;
}

/* A state behind the one block that is the key, each byte with pad in it. */
static void begin_keyed(SHA256_CTX *c, const uint8_t block[SHA256_CBLOCK], uint8_t pad)
{
	uint8_t padded[SHA256_CBLOCK];

	for (size_t i = 0; i < sizeof(padded); i++)
		padded[i] = block[i] ^ pad;
	SHA256_Init(c);
	SHA256_Update(c, padded, sizeof(padded));
	OPENSSL_cleanse(padded, sizeof(padded));
}

static void set_key(struct mac *m, const void *key, size_t len)
{
	uint8_t block[SHA256_CBLOCK] = {0};

	/* nobody learns from how long it takes: both keys are ours */
	if (len && len == m->key_len && memcmp(key, m->key, len) == 0)
		return;
	m->key_len = 0;
	if (len > sizeof(block))
		mac_sha256(m, key, len, block);
	else if (len)
		memcpy(block, key, len);
	begin_keyed(&m->inner, block, 0x36);
	begin_keyed(&m->outer, block, 0x5c);
	OPENSSL_cleanse(block, sizeof(block));
	if (len && len <= KEY_MAX) {
		memcpy(m->key, key, len);
		m->key_len = len;
	}
}

void mac_hmac(struct mac *m, const void *key, size_t key_len, const void *data,
	size_t len, uint8_t out[32])
{
	uint8_t digest[SHA256_DIGEST_LENGTH];

	set_key(m, key, key_len);
	m->hash = m->inner;
	SHA256_Update(&m->hash, data, len);
	SHA256_Final(digest, &m->hash);
	m->hash = m->outer;
	SHA256_Update(&m->hash, digest, sizeof(digest));
	SHA256_Final(out, &m->hash);
}

void mac_sha256(struct mac *m, const void *data, size_t len, uint8_t out[32])
{
	mac_sha256_begin(m);
	mac_sha256_add(m, data, len);
	mac_sha256_end(m, out);
}

void mac_sha256_begin(struct mac *m)
{
	SHA256_Init(&m->hash);
}

void mac_sha256_add(struct mac *m, const void *data, size_t len)
{
	SHA256_Update(&m->hash, data, len);
}

void mac_sha256_end(struct mac *m, uint8_t out[32])
{
	SHA256_Final(out, &m->hash);
}
