/* key_pkey: see the header. Curves stand in one table. */
#include "transport/keys/key_pkey.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <string.h>

#include "common/cleanup.h"
#include "transport/keys/key_rsa.h"
#include "transport/wire.h"

CLEANUP_DEFINE(EVP_PKEY_CTX, EVP_PKEY_CTX_free)
CLEANUP_DEFINE(EVP_MD_CTX, EVP_MD_CTX_free)
CLEANUP_DEFINE(OSSL_PARAM_BLD, OSSL_PARAM_BLD_free)
CLEANUP_DEFINE(OSSL_PARAM, OSSL_PARAM_free)
CLEANUP_DEFINE(BIGNUM, BN_clear_free)
CLEANUP_DEFINE(ECDSA_SIG, ECDSA_SIG_free)

#define ED25519_KEY 32
#define ED25519_SIG 64
#define EC_POINT_MAX 133 /* P-521, uncompressed */

static const struct curve {
	const char *type;  /* of the key */
	const char *name;  /* in SSH */
	const char *group; /* in libcrypto */
	const EVP_MD *(*md)(void);
} curves[] = {
	{"ecdsa-sha2-nistp256", "nistp256", "prime256v1", EVP_sha256},
	{"ecdsa-sha2-nistp384", "nistp384", "secp384r1", EVP_sha384},
	{"ecdsa-sha2-nistp521", "nistp521", "secp521r1", EVP_sha512},
};

static const struct curve *curve_of_type(const char *type)
{
	for (size_t i = 0; i < ARRAY_LEN(curves); i++)
		if (strcmp(type, curves[i].type) == 0)
			return &curves[i];
	return NULL;
}

static EVP_PKEY *ed25519_from_wire(struct wire *w)
{
	struct wire pub = wire_string(w), priv = wire_string(w);

	/* the private half is the seed with the public key behind it */
	if (pub.left != ED25519_KEY || priv.left != 2 * ED25519_KEY ||
		memcmp(priv.p + ED25519_KEY, pub.p, ED25519_KEY) != 0)
		return NULL;
	return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, priv.p, ED25519_KEY);
}

static EVP_PKEY *ec_from_parts(
	const struct curve *c, struct wire point, struct wire scalar)
{
	CLEANUP(cleanup_OSSL_PARAM_BLD_free) OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	CLEANUP(cleanup_BN_clear_free)
	BIGNUM *d = BN_bin2bn(scalar.p, (int)scalar.left, NULL);
	CLEANUP(cleanup_EVP_PKEY_CTX_free)
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	CLEANUP(cleanup_OSSL_PARAM_free) OSSL_PARAM *params = NULL;
	EVP_PKEY *pkey = NULL;

	if (!bld || !d || !ctx ||
		!OSSL_PARAM_BLD_push_utf8_string(
			bld, OSSL_PKEY_PARAM_GROUP_NAME, c->group, 0) ||
		!OSSL_PARAM_BLD_push_octet_string(
			bld, OSSL_PKEY_PARAM_PUB_KEY, point.p, point.left) ||
		!OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, d))
		return NULL;
	params = OSSL_PARAM_BLD_to_param(bld);
	if (!params || EVP_PKEY_fromdata_init(ctx) != 1 ||
		EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_KEYPAIR, params) != 1)
		pkey = NULL;
	return pkey;
}

EVP_PKEY *key_pkey_from_wire(const char *type, struct wire *w)
{
	const struct curve *c = curve_of_type(type);
	struct wire name, point, scalar;
	EVP_PKEY *pkey = NULL;

	if (strcmp(type, KEY_RSA) == 0)
		return key_rsa_from_wire(w);
	if (!c) {
		pkey = strcmp(type, "ssh-ed25519") == 0 ? ed25519_from_wire(w) : NULL;
	} else {
		name = wire_string(w);
		point = wire_string(w);
		scalar = wire_string(w);
		if (wire_is(&name, c->name) && point.left && !scalar.bad &&
			scalar.left <= 70)
			pkey = ec_from_parts(c, point, scalar);
	}
	ERR_clear_error();
	return pkey;
}

static int put_ed25519(const EVP_PKEY *pkey, struct buf *out)
{
	uint8_t pub[ED25519_KEY];
	size_t len = sizeof(pub);

	if (EVP_PKEY_get_raw_public_key(pkey, pub, &len) != 1)
		return -1;
	if (wire_put_string(out, "ssh-ed25519", strlen("ssh-ed25519")) < 0)
		return -1;
	return wire_put_string(out, pub, len);
}

static int put_ec(const EVP_PKEY *pkey, struct buf *out)
{
	uint8_t point[EC_POINT_MAX];
	char group[32];
	size_t len = 0;

	if (EVP_PKEY_get_group_name(pkey, group, sizeof(group), &len) != 1 ||
		EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY,
			point, sizeof(point), &len) != 1)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(curves); i++) {
		const struct curve *c = &curves[i];

		if (strcmp(group, c->group) != 0)
			continue;
		if (wire_put_string(out, c->type, strlen(c->type)) < 0 ||
			wire_put_string(out, c->name, strlen(c->name)) < 0)
			return -1;
		return wire_put_string(out, point, len);
	}
	return -1;
}

int key_pkey_public(const EVP_PKEY *pkey, struct buf *out)
{
	int rc = -1;

	if (EVP_PKEY_get_base_id(pkey) == EVP_PKEY_ED25519)
		rc = put_ed25519(pkey, out);
	else if (EVP_PKEY_get_base_id(pkey) == EVP_PKEY_EC)
		rc = put_ec(pkey, out);
	else if (EVP_PKEY_get_base_id(pkey) == EVP_PKEY_RSA)
		rc = key_rsa_public(pkey, out);
	ERR_clear_error();
	return rc;
}

/* A positive number, with a zero in front where its highest bit is set. */
static int put_mpint(struct buf *out, const BIGNUM *n)
{
	uint8_t bytes[1 + 66] = {0};
	int len = BN_num_bytes(n);
	int pad = len && BN_is_bit_set(n, len * 8 - 1);

	if (len > 66)
		return -1;
	BN_bn2bin(n, bytes + 1);
	return wire_put_string(out, bytes + (pad ? 0 : 1), (size_t)(len + pad));
}

static int put_ecdsa_signature(struct buf *out, const uint8_t *der, size_t len)
{
	CLEANUP(cleanup_ECDSA_SIG_free)
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);

	if (!sig || put_mpint(out, ECDSA_SIG_get0_r(sig)) < 0)
		return -1;
	return put_mpint(out, ECDSA_SIG_get0_s(sig));
}

int key_pkey_sign(
	EVP_PKEY *pkey, const char *type, const void *data, size_t len, struct buf *out)
{
	CLEANUP(cleanup_EVP_MD_CTX_free) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	const struct curve *c = curve_of_type(type);
	uint8_t sig[160];
	size_t sig_len = sizeof(sig);

	if (strcmp(type, KEY_RSA) == 0)
		return key_rsa_sign(pkey, data, len, out);
	if (!ctx || EVP_DigestSignInit(ctx, NULL, c ? c->md() : NULL, NULL, pkey) != 1 ||
		EVP_DigestSign(ctx, sig, &sig_len, data, len) != 1) {
		ERR_clear_error();
		return -1;
	}
	if (c)
		return put_ecdsa_signature(out, sig, sig_len);
	return sig_len == ED25519_SIG ? buf_append(out, sig, sig_len) : -1;
}
