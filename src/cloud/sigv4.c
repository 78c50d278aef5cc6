/* sigv4: the canonical request is written once into memory that stays, hashed, and signed with the key of
 * the day. Nothing on this path allocates or formats. */
#include "cloud/sigv4.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cloud/encode.h"
#include "cloud/mac.h"
#include "cloud/secret.h"
#include "cloud/sigv4_private.h"
#include "common/err.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define DATE_LEN 8
#define REGION_MAX 64
#define SCOPE_MAX 192
#define SECRET_MAX 1024
#define CANONICAL_FIRST 4096

struct sigv4 {
	struct mac *mac;
	char *access_key, *session_token;
	char *start_key; /* "AWS4" and the secret key */
	char *region, *service;
	/* "20130524/us-east-1/s3/aws4_request" and its key; len 0 before the first use */
	char scope[SCOPE_MAX];
	size_t scope_len;
	uint8_t key[32];
	/* What is signed of each request of a second, and that second; the hash of a canonical request
	 * comes behind it. */
	char to_sign[sizeof(ALGORITHM) + 32 + SCOPE_MAX + SIGV4_SIGNATURE_LEN];
	size_t to_sign_len;
	char to_sign_date[SIGV4_DATE_LEN];
	char *canonical; /* grows to the largest request so far */
	size_t canonical_cap;
	const char *names; /* of the signed headers, in it */
	size_t names_len;
};

void sigv4_destroy(struct sigv4 *s)
{
	if (!s)
		return;
	mac_destroy(s->mac);
	secret_free(s->access_key);
	secret_free(s->session_token);
	secret_free(s->start_key);
	free(s->region);
	free(s->service);
	if (s->canonical) /* it has the session token */
		OPENSSL_cleanse(s->canonical, s->canonical_cap);
	free(s->canonical);
	OPENSSL_cleanse(s, sizeof(*s));
	free(s);
}

/* They become part of header fields: a line end in them would be the end of one. */
static bool fits_field(const char *text)
{
	for (; text && *text; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

int sigv4_set(struct sigv4 *s, const struct aws_credentials *credentials,
	const char *region, struct err *err)
{
	char start[SECRET_MAX + 8] = "AWS4";
	bool ok;

	if (strlen(region) > REGION_MAX || strchr(region, '/') || !*region)
		return err_set(err, ERR_INPUT, "\"%.80s\" is no region", region);
	if (strlen(credentials->secret_key) > SECRET_MAX)
		return err_set(err, ERR_INPUT, "the secret key of %s is too long",
			credentials->origin ? credentials->origin : "the store");
	if (!fits_field(credentials->access_key) ||
		!fits_field(credentials->session_token))
		return err_set(err, ERR_INPUT,
			"the %s of %s has a blank, a line end or the like in it",
			fits_field(credentials->access_key) ? "session token"
							    : "access key",
			credentials->origin ? credentials->origin : "the store");
	strcat(start, credentials->secret_key);
	s->scope_len = s->to_sign_len = 0;
	ok = secret_set(&s->access_key, credentials->access_key) == 0 &&
	     secret_set(&s->session_token, credentials->session_token) == 0 &&
	     secret_set(&s->start_key, start) == 0 && secret_set(&s->region, region) == 0;
	OPENSSL_cleanse(start, sizeof(start));
	return ok ? 0 : err_sys(err, ENOMEM, "signatures");
}

/* Twice the memory for canonical requests; false: there is none. */
static bool grow(struct sigv4 *s)
{
	size_t cap = s->canonical_cap ? 2 * s->canonical_cap : CANONICAL_FIRST;
	char *more = malloc(cap);

	if (!more)
		return false;
	if (s->canonical)
		OPENSSL_cleanse(s->canonical, s->canonical_cap);
	free(s->canonical);
	s->canonical = more;
	s->canonical_cap = cap;
	return true;
}

struct sigv4 *sigv4_create(const struct aws_credentials *credentials, const char *region,
	const char *service, struct err *err)
{
	struct sigv4 *s = calloc(1, sizeof(*s));

	if (!s || !grow(s) || secret_set(&s->service, service) < 0)
		err_sys(err, ENOMEM, "signatures");
	else if ((s->mac = mac_create(err)) &&
		 sigv4_set(s, credentials, region, err) == 0)
		return s;
	sigv4_destroy(s);
	return NULL;
}

const char *sigv4_session_token(const struct sigv4 *s)
{
	return s->session_token;
}

/* ---- writing ---- */

#define PUT_LITERAL(t, literal) sigv4_put(t, literal, sizeof(literal) - 1)

/* A value with its runs of blanks made one, as the canonical form wants it. */
static void put_value(struct sigv4_text *t, const char *value)
{
	size_t len = strlen(value);

	if (!memchr(value, ' ', len)) {
		sigv4_put(t, value, len);
		return;
	}
	for (size_t i = 0; i < len; i++)
		if (value[i] != ' ' || i == 0 || value[i - 1] != ' ')
			sigv4_put(t, value + i, 1);
}

void sigv4_put_names(struct sigv4_text *t, const struct sigv4_request *r, const char *sep)
{
	for (size_t i = 0; i < r->n_headers; i++) {
		if (i)
			sigv4_puts(t, sep);
		sigv4_puts(t, r->headers[i].name);
	}
}

/* ---- signing ---- */

/* The key of the day: HMACs of date, region, service and a constant, one keyed with the last. */
static void derive(struct sigv4 *s, const char *amz_date)
{
	struct sigv4_text t = {.at = s->scope, .room = sizeof(s->scope)};

	sigv4_put(&t, amz_date, DATE_LEN);
	PUT_LITERAL(&t, "/");
	sigv4_puts(&t, s->region);
	PUT_LITERAL(&t, "/");
	sigv4_puts(&t, s->service);
	PUT_LITERAL(&t, "/aws4_request");
	s->scope_len = (size_t)(t.at - s->scope);
	mac_hmac(s->mac, s->start_key, strlen(s->start_key), amz_date, DATE_LEN, s->key);
	mac_hmac(s->mac, s->key, 32, s->region, strlen(s->region), s->key);
	mac_hmac(s->mac, s->key, 32, s->service, strlen(s->service), s->key);
	mac_hmac(s->mac, s->key, 32, "aws4_request", 12, s->key);
}

void sigv4_put_scope(struct sigv4_text *t, struct sigv4 *s, const char *amz_date)
{
	if (!s->scope_len || memcmp(s->scope, amz_date, DATE_LEN) != 0)
		derive(s, amz_date);
	sigv4_put(t, s->scope, s->scope_len);
}

void sigv4_put_access_key(struct sigv4_text *t, const struct sigv4 *s)
{
	sigv4_puts(t, s->access_key);
}

/* The length, or 0 when there is no room. The names of the headers are remembered: Authorization has them
 * as well. */
static size_t put_canonical(struct sigv4 *s, const struct sigv4_request *r,
	const char *query, size_t query_len, const char *hash)
{
	struct sigv4_text t = {.at = s->canonical, .room = s->canonical_cap};

	sigv4_puts(&t, r->method);
	PUT_LITERAL(&t, "\n");
	sigv4_put(&t, r->path, r->path_len);
	PUT_LITERAL(&t, "\n");
	sigv4_put(&t, query, query_len);
	PUT_LITERAL(&t, "\n");
	for (size_t i = 0; i < r->n_headers; i++) {
		sigv4_puts(&t, r->headers[i].name);
		PUT_LITERAL(&t, ":");
		put_value(&t, r->headers[i].value);
		PUT_LITERAL(&t, "\n");
	}
	PUT_LITERAL(&t, "\n");
	s->names = t.at;
	sigv4_put_names(&t, r, ";");
	s->names_len = (size_t)(t.at - s->names);
	PUT_LITERAL(&t, "\n");
	sigv4_puts(&t, hash);
	return t.full ? 0 : (size_t)(t.at - s->canonical);
}

/* Makes to_sign for the second of amz_date. */
static void begin_to_sign(struct sigv4 *s, const char *amz_date)
{
	struct sigv4_text t = {.at = s->to_sign, .room = sizeof(s->to_sign)};

	if (s->to_sign_len && memcmp(s->to_sign_date, amz_date, SIGV4_DATE_LEN) == 0)
		return;
	PUT_LITERAL(&t, ALGORITHM "\n");
	sigv4_put(&t, amz_date, SIGV4_DATE_LEN);
	PUT_LITERAL(&t, "\n");
	sigv4_put_scope(&t, s, amz_date);
	PUT_LITERAL(&t, "\n");
	s->to_sign_len = (size_t)(t.at - s->to_sign);
	memcpy(s->to_sign_date, amz_date, SIGV4_DATE_LEN);
}

bool sigv4_signature(struct sigv4 *s, const struct sigv4_request *r, const char *query,
	size_t query_len, char hex[SIGV4_SIGNATURE_LEN + 1])
{
	const char *hash = r->payload_hash ? r->payload_hash : SIGV4_UNSIGNED;
	uint8_t digest[32];
	size_t len;

	while (!(len = put_canonical(s, r, query, query_len, hash)))
		if (!grow(s))
			return false;
	mac_sha256(s->mac, s->canonical, len, digest);
	begin_to_sign(s, r->amz_date);
	encode_hex(digest, sizeof(digest), s->to_sign + s->to_sign_len);
	mac_hmac(s->mac, s->key, sizeof(s->key), s->to_sign,
		s->to_sign_len + SIGV4_SIGNATURE_LEN, digest);
	encode_hex(digest, sizeof(digest), hex);
	return true;
}

long sigv4_end(const struct sigv4_text *t, char *out)
{
	if (t->full || !t->room)
		return -1;
	*t->at = '\0';
	return t->at - out;
}

long sigv4_sign(struct sigv4 *s, const struct sigv4_request *r, char *out, size_t size)
{
	struct sigv4_text t = {.at = out, .room = size};
	char hex[SIGV4_SIGNATURE_LEN + 1];

	if (!sigv4_signature(s, r, r->query, strlen(r->query), hex))
		return -1;
	PUT_LITERAL(&t, ALGORITHM " Credential=");
	sigv4_put_access_key(&t, s);
	PUT_LITERAL(&t, "/");
	sigv4_put_scope(&t, s, r->amz_date);
	PUT_LITERAL(&t, ", SignedHeaders=");
	sigv4_put(&t, s->names, s->names_len);
	PUT_LITERAL(&t, ", Signature=");
	sigv4_put(&t, hex, SIGV4_SIGNATURE_LEN);
	return sigv4_end(&t, out);
}
