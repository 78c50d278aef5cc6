/* digest: SHA-256 and MD5 by libcrypto's low-level calls; base64 by a small strict codec (EVP's trims
 * white space and counts padding as data). */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "common/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/md5.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/cleanup.h"
#include "common/err.h"

#define READ_BYTES 65536

void digest_ignore_config(void)
{
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
}

static void hex(const uint8_t *data, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[data[i] >> 4];
		out[2 * i + 1] = digits[data[i] & 15];
	}
	out[2 * n] = '\0';
}

void digest_sha256_hex(const void *data, size_t len, char out[DIGEST_SHA256_HEX])
{
	uint8_t hash[SHA256_DIGEST_LENGTH];
	SHA256_CTX ctx;

	/* the one call SHA256() is EVP in disguise */
	SHA256_Init(&ctx);
	SHA256_Update(&ctx, data, len);
	SHA256_Final(hash, &ctx);
	hex(hash, sizeof(hash), out);
}

void digest_md5_base64(const void *data, size_t len, char out[DIGEST_MD5_BASE64])
{
	uint8_t hash[MD5_DIGEST_LENGTH];
	MD5_CTX ctx;

	MD5_Init(&ctx);
	MD5_Update(&ctx, data, len);
	MD5_Final(hash, &ctx);
	digest_base64_encode(hash, sizeof(hash), out);
}

int digest_sha256_file(const char *path, char out[DIGEST_SHA256_HEX], struct err *err)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	AUTO_FREE char *chunk = malloc(READ_BYTES);
	uint8_t hash[SHA256_DIGEST_LENGTH];
	SHA256_CTX ctx;

	if (fd < 0)
		return err_sys(err, errno, "cannot open %s", path);
	if (!chunk)
		return err_sys(err, ENOMEM, "%s", path);
	SHA256_Init(&ctx);
	for (;;) {
		ssize_t n = read(fd, chunk, READ_BYTES);

		if (n == 0)
			break;
		if (n > 0)
			SHA256_Update(&ctx, chunk, (size_t)n);
		else if (errno != EINTR)
			return err_sys(err, errno, "cannot read %s", path);
	}
	SHA256_Final(hash, &ctx);
	hex(hash, sizeof(hash), out);
	return 0;
}

static const char alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Value + 1 of each character; 0: not in the alphabet. */
#define V(c, v) [c] = (v) + 1
#define ROW(c, v)                                                                        \
	V(c, v), V((c) + 1, (v) + 1), V((c) + 2, (v) + 2), V((c) + 3, (v) + 3),          \
		V((c) + 4, (v) + 4), V((c) + 5, (v) + 5), V((c) + 6, (v) + 6),           \
		V((c) + 7, (v) + 7), V((c) + 8, (v) + 8), V((c) + 9, (v) + 9)
#define TAIL(c, v)                                                                       \
	V(c, v), V((c) + 1, (v) + 1), V((c) + 2, (v) + 2), V((c) + 3, (v) + 3),          \
		V((c) + 4, (v) + 4), V((c) + 5, (v) + 5)
static const uint8_t values[256] = {ROW('A', 0), ROW('K', 10), TAIL('U', 20),
	ROW('a', 26), ROW('k', 36), TAIL('u', 46), ROW('0', 52), V('+', 62), V('/', 63)};

size_t digest_base64_len(size_t len)
{
	return (len + 2) / 3 * 4;
}

size_t digest_base64_encode(const void *data, size_t len, char *out)
{
	const uint8_t *p = data;
	char *o = out;

	for (; len >= 3; len -= 3, p += 3, o += 4) {
		uint32_t v = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];

		o[0] = alphabet[v >> 18];
		o[1] = alphabet[v >> 12 & 63];
		o[2] = alphabet[v >> 6 & 63];
		o[3] = alphabet[v & 63];
	}
	if (len) {
		uint32_t v = (uint32_t)p[0] << 16 | (len > 1 ? (uint32_t)p[1] << 8 : 0);

		o[0] = alphabet[v >> 18];
		o[1] = alphabet[v >> 12 & 63];
		o[2] = len > 1 ? alphabet[v >> 6 & 63] : '=';
		o[3] = '=';
		o += 4;
	}
	*o = '\0';
	return (size_t)(o - out);
}

long digest_base64_decode(const char *text, size_t len, uint8_t *out)
{
	const uint8_t *p = (const uint8_t *)text;
	uint8_t *o = out;
	size_t pad = 0;

	if (len % 4)
		return -1;
	if (len)
		pad = p[len - 1] != '=' ? 0 : p[len - 2] != '=' ? 1 : 2;
	for (const uint8_t *end = p + len; p < end; p += 4) {
		size_t keep = p + 4 == end ? 3 - pad : 3;
		unsigned a = values[p[0]], b = values[p[1]];
		unsigned c = keep > 1 ? values[p[2]] : 1, d = keep > 2 ? values[p[3]] : 1;
		uint32_t v;

		if (!a || !b || !c || !d)
			return -1;
		v = (a - 1) << 18 | (b - 1) << 12 | (c - 1) << 6 | (d - 1);
		/* one text for one value: the bits that padding cuts off are zero */
		if (v & ((UINT32_C(1) << 8 * (3 - keep)) - 1))
			return -1;
		for (size_t i = 0; i < keep; i++)
			*o++ = (uint8_t)(v >> (16 - 8 * i));
	}
	return o - out;
}

void digest_random_hex(size_t n, char *out)
{
	uint8_t raw[64];

	*out = '\0';
	while (n) {
		size_t want = n < sizeof(raw) ? n : sizeof(raw);
		ssize_t got = getrandom(raw, want, 0);

		if (got < 0 && errno == EINTR)
			continue;
		/* there is no safe way on without random numbers */
		if (got <= 0)
			abort();
		hex(raw, (size_t)got, out);
		out += 2 * got;
		n -= (size_t)got;
	}
}
