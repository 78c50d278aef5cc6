/* key_rsa: see the header. */
#include "transport/keys/key_rsa.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <string.h>

#include "common/cleanup.h"
#include "transport/wire.h"

CLEANUP_DEFINE(EVP_PKEY_CTX, EVP_PKEY_CTX_free)
CLEANUP_DEFINE(EVP_MD_CTX, EVP_MD_CTX_free)
CLEANUP_DEFINE(OSSL_PARAM_BLD, OSSL_PARAM_BLD_free)
CLEANUP_DEFINE(OSSL_PARAM, OSSL_PARAM_free)
CLEANUP_DEFINE(BIGNUM, BN_clear_free)
CLEANUP_DEFINE(BN_CTX, BN_CTX_free)

#define BYTES_MAX (KEY_RSA_BITS_MAX / 8)

/* The numbers of a key, in the order of the file and then what follows from them; the names are
 * libcrypto's. */
enum number { N, E, D, IQMP, P, Q, DMP1, DMQ1, NUMBERS };
static const char *const names[NUMBERS] = {
	[N] = OSSL_PKEY_PARAM_RSA_N,
	[E] = OSSL_PKEY_PARAM_RSA_E,
	[D] = OSSL_PKEY_PARAM_RSA_D,
	[IQMP] = OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
	[P] = OSSL_PKEY_PARAM_RSA_FACTOR1,
	[Q] = OSSL_PKEY_PARAM_RSA_FACTOR2,
	[DMP1] = OSSL_PKEY_PARAM_RSA_EXPONENT1,
	[DMQ1] = OSSL_PKEY_PARAM_RSA_EXPONENT2,
};

struct numbers {
	BIGNUM *n[NUMBERS];
};

static void numbers_finish(struct numbers *k)
{
	for (size_t i = 0; i < NUMBERS; i++)
		BN_clear_free(k->n[i]);
}

static BIGNUM *read_number(struct wire *w)
{
	struct wire bytes = wire_string(w);

	/* a zero in front says that the number is not negative */
	if (bytes.bad || bytes.left > BYTES_MAX + 1 || (bytes.left && bytes.p[0] & 0x80))
		return NULL;
	return BN_bin2bn(bytes.p, (int)bytes.left, NULL);
}

/* d modulo one less than this prime. */
static BIGNUM *exponent_of(const BIGNUM *d, const BIGNUM *prime, BN_CTX *ctx)
{
	CLEANUP(cleanup_BN_clear_free) BIGNUM *less = BN_dup(prime);
	BIGNUM *r = BN_secure_new();

	if (less)
		BN_set_flags(less, BN_FLG_CONSTTIME);
	if (less && r && BN_sub_word(less, 1) && BN_mod(r, d, less, ctx))
		return r;
	BN_clear_free(r);
	return NULL;
}

/* False when the numbers are no key: libcrypto takes them as they are. */
static bool complete(struct numbers *k)
{
	CLEANUP(cleanup_BN_CTX_free) BN_CTX *ctx = BN_CTX_secure_new();
	CLEANUP(cleanup_BN_clear_free) BIGNUM *product = BN_secure_new();

	if (!ctx || !product || !BN_is_odd(k->n[N]) || !BN_is_odd(k->n[E]) ||
		BN_num_bits(k->n[E]) > 64 || BN_cmp(k->n[D], k->n[N]) >= 0 ||
		BN_is_one(k->n[P]) || BN_is_one(k->n[Q]) ||
		BN_cmp(k->n[IQMP], k->n[P]) >= 0 ||
		!BN_mul(product, k->n[P], k->n[Q], ctx) || BN_cmp(product, k->n[N]) != 0)
		return false;
	k->n[DMP1] = exponent_of(k->n[D], k->n[P], ctx);
	k->n[DMQ1] = exponent_of(k->n[D], k->n[Q], ctx);
	return k->n[DMP1] && k->n[DMQ1];
}

static EVP_PKEY *make_key(const struct numbers *k)
{
	CLEANUP(cleanup_OSSL_PARAM_BLD_free) OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	CLEANUP(cleanup_EVP_PKEY_CTX_free)
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	CLEANUP(cleanup_OSSL_PARAM_free) OSSL_PARAM *params = NULL;
	EVP_PKEY *pkey = NULL;

	if (!bld || !ctx)
		return NULL;
	for (size_t i = 0; i < NUMBERS; i++)
		if (!OSSL_PARAM_BLD_push_BN(bld, names[i], k->n[i]))
			return NULL;
	params = OSSL_PARAM_BLD_to_param(bld);
	if (!params || EVP_PKEY_fromdata_init(ctx) != 1 ||
		EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_KEYPAIR, params) != 1)
		return NULL;
	return pkey;
}

EVP_PKEY *key_rsa_from_wire(struct wire *w)
{
	CLEANUP(numbers_finish) struct numbers k = {.n = {NULL}};
	EVP_PKEY *pkey = NULL;
	size_t read = N;

	while (read <= Q && (k.n[read] = read_number(w)))
		read++;
	if (read > Q && complete(&k))
		pkey = make_key(&k);
	ERR_clear_error();
	return pkey;
}

static int put_number(struct buf *out, const BIGNUM *n)
{
	uint8_t bytes[1 + BYTES_MAX] = {0};
	int len = BN_num_bytes(n);
	int pad = len && BN_is_bit_set(n, len * 8 - 1);

	if (len > BYTES_MAX)
		return -1;
	BN_bn2bin(n, bytes + 1);
	return wire_put_string(out, bytes + (pad ? 0 : 1), (size_t)(len + pad));
}

int key_rsa_public(const EVP_PKEY *pkey, struct buf *out)
{
	CLEANUP(cleanup_BN_clear_free) BIGNUM *n = NULL;
	CLEANUP(cleanup_BN_clear_free) BIGNUM *e = NULL;

	if (EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &n) != 1 ||
		EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e) != 1 ||
		wire_put_string(out, KEY_RSA, strlen(KEY_RSA)) < 0 ||
		put_number(out, e) < 0)
		return -1;
	return put_number(out, n);
}

unsigned key_rsa_bits(struct wire w)
{
	CLEANUP(cleanup_BN_clear_free) BIGNUM *e = read_number(&w);
	CLEANUP(cleanup_BN_clear_free) BIGNUM *n = read_number(&w);

	return e && n ? (unsigned)BN_num_bits(n) : 0;
}

int key_rsa_sign(EVP_PKEY *pkey, const void *data, size_t len, struct buf *out)
{
	CLEANUP(cleanup_EVP_MD_CTX_free) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx; /* of ctx */
	uint8_t sig[BYTES_MAX];
	size_t sig_len = sizeof(sig);

	if (!ctx || EVP_DigestSignInit(ctx, &pctx, EVP_sha512(), NULL, pkey) != 1 ||
		EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PADDING) != 1 ||
		EVP_DigestSign(ctx, sig, &sig_len, data, len) != 1) {
		ERR_clear_error();
		return -1;
	}
	return buf_append(out, sig, sig_len);
}
