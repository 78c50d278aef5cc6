/* sharedkey: the string to sign is hashed as it is put together; the key is set once. */
#include "cloud/sharedkey.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cloud/mac.h"
#include "cloud/secret.h"
#include "common/digest.h"
#include "common/err.h"

#define KEY_MAX 256

struct sharedkey {
	struct mac *mac;
	char *account;
	uint8_t key[KEY_MAX];
	size_t key_len;
	char *text; /* string to sign; grows to the largest so far */
	size_t cap;
};

void sharedkey_destroy(struct sharedkey *s)
{
	if (!s)
		return;
	mac_destroy(s->mac);
	free(s->account);
	free(s->text);
	OPENSSL_cleanse(s, sizeof(*s));
	free(s);
}

struct sharedkey *sharedkey_create(const char *account, const char *key, struct err *err)
{
	struct sharedkey *s = calloc(1, sizeof(*s));
	size_t len = strlen(key);
	long n;

	if (!s || secret_set(&s->account, account) < 0) {
		err_sys(err, ENOMEM, "signatures");
		sharedkey_destroy(s);
		return NULL;
	}
	if (!s->account) {
		err_set(err, ERR_INPUT, "a storage account has a name");
		sharedkey_destroy(s);
		return NULL;
	}
	n = len / 4 * 3 <= KEY_MAX ? digest_base64_decode(key, len, s->key) : -1;
	if (n <= 0)
		err_set(err, ERR_INPUT,
			"the key of storage account %s is not base64, as Azure shows it",
			account);
	else if ((s->mac = mac_create(err))) {
		s->key_len = (size_t)n;
		return s;
	}
	sharedkey_destroy(s);
	return NULL;
}

static char *put(char *at, const char *text)
{
	size_t len = text ? strlen(text) : 0;

	if (len)
		memcpy(at, text, len);
	return at + len;
}

static char *put_line(char *at, const char *text)
{
	at = put(at, text);
	*at++ = '\n';
	return at;
}

static size_t length(const char *text)
{
	return text ? strlen(text) : 0;
}

static char *decimal(uint64_t v, char out[24])
{
	char *at = out + 23;

	*at = '\0';
	do
		*--at = (char)('0' + v % 10);
	while (v /= 10);
	return at;
}

static bool make_room(struct sharedkey *s, const struct sharedkey_request *r)
{
	size_t need = strlen(r->method) + 24 + length(r->content_md5) +
		      length(r->content_type) + length(r->if_match) +
		      length(r->if_none_match) + length(r->range) +
		      strlen(r->ms_headers) + strlen(r->resource) + 16;
	char *more;

	if (need <= s->cap)
		return true;
	more = malloc(2 * need);
	if (!more)
		return false;
	free(s->text);
	s->text = more;
	s->cap = 2 * need;
	return true;
}

/* Method, twelve standard fields of which some are never sent here, then the x-ms- ones. */
static size_t string_to_sign(struct sharedkey *s, const struct sharedkey_request *r)
{
	char digits[24];
	char *at = put_line(s->text, r->method);

	at = put(at, "\n\n"); /* Content-Encoding, Content-Language */
	at = put_line(at, r->content_length ? decimal(r->content_length, digits) : "");
	at = put_line(at, r->content_md5);
	at = put_line(at, r->content_type);
	at = put(at, "\n\n"); /* Date (x-ms-date says it), If-Modified-Since */
	at = put_line(at, r->if_match);
	at = put_line(at, r->if_none_match);
	at = put(at, "\n"); /* If-Unmodified-Since */
	at = put_line(at, r->range);
	at = put(at, r->ms_headers);
	at = put(at, r->resource);
	return (size_t)(at - s->text);
}

long sharedkey_sign(
	struct sharedkey *s, const struct sharedkey_request *r, char *out, size_t size)
{
	size_t account_len = strlen(s->account);
	size_t need = strlen("SharedKey :") + account_len + digest_base64_len(32);
	uint8_t signature[32];
	char *at = out;

	if (need >= size || !make_room(s, r))
		return -1;
	mac_hmac(s->mac, s->key, s->key_len, s->text, string_to_sign(s, r), signature);
	at = put(at, "SharedKey ");
	at = put(at, s->account);
	at = put(at, ":");
	at += digest_base64_encode(signature, sizeof(signature), at);
	return at - out;
}
