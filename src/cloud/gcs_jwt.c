/* gcs_jwt: the assertion that a service account signs (RFC 7523) and the token it gets for it. */
#include <errno.h>
#include <jansson.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "cloud/credentials.h"
#include "cloud/encode.h"
#include "cloud/gcs_jwt.h"
#include "cloud/secret.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/text.h"

#define LASTS_S 3600
#define SIGNATURE_MAX 2048 /* RSA of 16,384 bits */

CLEANUP_DEFINE(BIO, BIO_free_all)
CLEANUP_DEFINE(EVP_PKEY, EVP_PKEY_free)
CLEANUP_DEFINE(EVP_MD_CTX, EVP_MD_CTX_free)

static int no_passphrase(char *text, int size, int writing, void *user)
{
	(void)text;
	(void)size;
	(void)writing;
	(void)user;
	return -1; /* never asked for at a terminal */
}

static EVP_PKEY *read_key(const char *pem, struct err *err)
{
	BIO *bio CLEANUP(cleanup_BIO_free_all) = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key =
		bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;

	ERR_clear_error();
	if (key && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA)
		return key;
	EVP_PKEY_free(key);
	err_set(err, ERR_INPUT, "private_key is no RSA key in PEM");
	return NULL;
}

/* Appends base64url of data to a text of enough room. */
static char *append(char *at, const void *data, size_t len)
{
	return at + encode_base64url(data, len, at);
}

static char *claims(const struct gcs_credentials *c, const char *scope, uint64_t now_s)
{
	json_t *root = json_pack("{s:s, s:s, s:s, s:I, s:I}", "iss", c->client_email,
		"scope", scope, "aud", c->token_uri, "iat", (json_int_t)now_s, "exp",
		(json_int_t)(now_s + LASTS_S));
	char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;

	json_decref(root);
	return text;
}

static char *header(const struct gcs_credentials *c)
{
	json_t *root = json_pack("{s:s, s:s, s:s*}", "alg", "RS256", "typ", "JWT", "kid",
		c->private_key_id);
	char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;

	json_decref(root);
	return text;
}

char *gcs_jws(const char *head, const char *body, const char *pem, struct err *err)
{
	EVP_PKEY *key CLEANUP(cleanup_EVP_PKEY_free) = read_key(pem, err);
	EVP_MD_CTX *ctx CLEANUP(cleanup_EVP_MD_CTX_free) = NULL;
	uint8_t signature[SIGNATURE_MAX];
	size_t len = sizeof(signature);
	char *text, *at;

	if (!key)
		return NULL;
	text = malloc(digest_base64_len(strlen(head)) + digest_base64_len(strlen(body)) +
		      digest_base64_len(SIGNATURE_MAX) + 3);
	ctx = EVP_MD_CTX_new();
	if (!text || !ctx) {
		err_sys(err, ENOMEM, "token");
		free(text);
		return NULL;
	}
	at = append(text, head, strlen(head));
	*at++ = '.';
	at = append(at, body, strlen(body));
	if (EVP_DigestSignInit_ex(ctx, NULL, "SHA256", NULL, NULL, key, NULL) != 1 ||
		EVP_DigestSign(ctx, signature, &len, (const uint8_t *)text,
			(size_t)(at - text)) != 1) {
		ERR_clear_error();
		err_set(err, ERR_INPUT, "private_key cannot sign");
		free(text);
		return NULL;
	}
	*at++ = '.';
	append(at, signature, len);
	return text;
}

char *gcs_jwt(const struct gcs_credentials *c, const char *scope, uint64_t now_s,
	struct err *err)
{
	AUTO_FREE char *head = header(c);
	AUTO_FREE char *body = claims(c, scope, now_s);
	char *token;

	if (!head || !body) {
		err_sys(err, ENOMEM, "token");
		return NULL;
	}
	token = gcs_jws(head, body, c->private_key, err);
	if (!token && c->origin)
		err_prefix(err, "%s", c->origin);
	return token;
}

/* What the endpoint says is wrong: OAuth's error and error_description, or an API's error object. */
static int refused(const json_t *root, struct err *err)
{
	const json_t *error = json_object_get(root, "error");
	const char *code = secret_json_text(root, "error");
	const char *words = secret_json_text(root, "error_description");
	AUTO_FREE char *text = NULL;
	AUTO_FREE char *shown = NULL;

	if (json_is_object(error))
		words = secret_json_text(error, "message");
	if (!code && !words)
		return err_set(err, ERR_FAILED, "the answer has no access_token");
	text = text_printf("%s%s%s", code ? code : "", code && words ? ": " : "",
		words ? words : "");
	shown = text ? text_sanitize(text, strlen(text)) : NULL;
	return err_set(err, ERR_FAILED, "%.300s", shown ? shown : "");
}

int gcs_token_parse(const char *text, size_t len, char **ret_token, uint64_t *ret_lasts_s,
	struct err *err)
{
	AUTO_SECRET_JSON json_t *root = json_loadb(text, len, 0, NULL);
	const json_t *lasts = json_object_get(root, "expires_in");
	const char *token = secret_json_text(root, "access_token");
	char *copy = NULL;

	if (!json_is_object(root))
		return err_set(err, ERR_FAILED, "the answer is no JSON object");
	if (!token)
		return refused(root, err);
	/* it becomes a header field */
	for (const char *at = token; *at; at++)
		if (*at <= ' ' || *at > '~')
			return err_set(err, ERR_FAILED, "access_token is no token");
	if (lasts && (!json_is_integer(lasts) || json_integer_value(lasts) < 0))
		return err_set(err, ERR_FAILED, "expires_in is no number of seconds");
	if (secret_set(&copy, token) < 0)
		return err_sys(err, ENOMEM, "token");
	*ret_token = copy;
	*ret_lasts_s = lasts ? (uint64_t)json_integer_value(lasts) : LASTS_S;
	return 0;
}
