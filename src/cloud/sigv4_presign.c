/* sigv4_presign: a URL that carries its signature, with the other parameters merged in their order. */
#include <string.h>

#include "cloud/encode.h"
#include "cloud/sigv4_private.h"

#define EXPIRES_MAX_S 604800
#define SCOPE_MAX 192

/* A parameter of a query that begins at text: its length, to '&' or the end. */
static size_t param_len(const char *text)
{
	return strcspn(text, "&");
}

/* Orders "name=value" by name, byte by byte. */
static int compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
	const char *a_eq = memchr(a, '=', a_len), *b_eq = memchr(b, '=', b_len);
	size_t an = a_eq ? (size_t)(a_eq - a) : a_len;
	size_t bn = b_eq ? (size_t)(b_eq - b) : b_len;
	int order = memcmp(a, b, an < bn ? an : bn);

	if (order)
		return order;
	return an < bn ? -1 : an > bn;
}

/* Writes all parameters of *rest that come before next (NULL: all). */
static void put_before(struct sigv4_text *t, const char **rest, const char *next)
{
	while (**rest) {
		size_t len = param_len(*rest);

		if (next && compare(*rest, len, next, param_len(next)) >= 0)
			return;
		sigv4_put(t, *rest, len);
		sigv4_put(t, "&", 1);
		*rest += len + ((*rest)[len] == '&');
	}
}

static void put_encoded(struct sigv4_text *t, const char *text, size_t len)
{
	char encoded[3 * 64 + 1];

	for (; len; text += len < 64 ? len : 64, len -= len < 64 ? len : 64)
		sigv4_put(t, encoded,
			encode_uri(text, len < 64 ? len : 64, false, encoded));
}

/* "X-Amz-Credential=" and AKID/20130524/us-east-1/s3/aws4_request. */
static void put_credential(struct sigv4_text *t, struct sigv4 *s, const char *amz_date)
{
	char raw[SCOPE_MAX + 256];
	struct sigv4_text plain = {.at = raw, .room = sizeof(raw)};

	sigv4_put_access_key(&plain, s);
	sigv4_put(&plain, "/", 1);
	sigv4_put_scope(&plain, s, amz_date);
	if (plain.full)
		t->full = true;
	sigv4_puts(t, "X-Amz-Credential=");
	put_encoded(t, raw, (size_t)(plain.at - raw));
}

static void put_expires(struct sigv4_text *t, unsigned expires_s)
{
	char digits[12], *at = digits + sizeof(digits);

	do
		*--at = (char)('0' + expires_s % 10);
	while (expires_s /= 10);
	sigv4_puts(t, "X-Amz-Expires=");
	sigv4_put(t, at, (size_t)(digits + sizeof(digits) - at));
}

long sigv4_presign(struct sigv4 *s, const struct sigv4_request *r, unsigned expires_s,
	char *out, size_t size)
{
	struct sigv4_text t = {.at = out, .room = size};
	const char *token = sigv4_session_token(s), *rest = r->query;
	char hex[SIGV4_SIGNATURE_LEN + 1];

	if (!expires_s || expires_s > EXPIRES_MAX_S)
		return -1;
	put_before(&t, &rest, "X-Amz-Algorithm");
	sigv4_puts(&t, "X-Amz-Algorithm=AWS4-HMAC-SHA256&");
	put_before(&t, &rest, "X-Amz-Credential");
	put_credential(&t, s, r->amz_date);
	sigv4_put(&t, "&", 1);
	put_before(&t, &rest, "X-Amz-Date");
	sigv4_puts(&t, "X-Amz-Date=");
	sigv4_put(&t, r->amz_date, SIGV4_DATE_LEN);
	sigv4_put(&t, "&", 1);
	put_before(&t, &rest, "X-Amz-Expires");
	put_expires(&t, expires_s);
	sigv4_put(&t, "&", 1);
	if (token) {
		put_before(&t, &rest, "X-Amz-Security-Token");
		sigv4_puts(&t, "X-Amz-Security-Token=");
		put_encoded(&t, token, strlen(token));
		sigv4_put(&t, "&", 1);
	}
	put_before(&t, &rest, "X-Amz-SignedHeaders");
	sigv4_puts(&t, "X-Amz-SignedHeaders=");
	sigv4_put_names(&t, r, "%3B");
	sigv4_put(&t, "&", 1);
	put_before(&t, &rest, NULL);
	/* what is signed ends before the last '&' */
	if (t.full || !sigv4_signature(s, r, out, (size_t)(t.at - out) - 1, hex))
		return -1;
	sigv4_puts(&t, "X-Amz-Signature=");
	sigv4_put(&t, hex, SIGV4_SIGNATURE_LEN);
	return sigv4_end(&t, out);
}
