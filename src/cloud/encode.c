/* encode: bytes as they stand in request targets and in signatures. */
#include "cloud/encode.h"

#include "common/digest.h"

/* Bits from a to b of a word. */
#define BITS(a, b) ((~UINT64_C(0) >> (63 - ((b) - (a)))) << (a))

/* unreserved of RFC 3986 2.3, by the upper two bits of a byte and the others */
static const uint64_t unreserved[4] = {
	BITS('-', '.') | BITS('0', '9'),
	BITS('A' - 64, 'Z' - 64) | BITS('a' - 64, 'z' - 64) | BITS('_' - 64, '_' - 64) |
		BITS('~' - 64, '~' - 64),
};

size_t encode_uri(const char *text, size_t len, bool keep_slash, char *out)
{
	static const char digits[] = "0123456789ABCDEF";
	char *at = out;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if ((unreserved[c >> 6] >> (c & 63) & 1) || (c == '/' && keep_slash)) {
			*at++ = (char)c;
			continue;
		}
		*at++ = '%';
		*at++ = digits[c >> 4];
		*at++ = digits[c & 15];
	}
	*at = '\0';
	return (size_t)(at - out);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

long decode_uri(const char *text, size_t len, char *out)
{
	char *at = out;

	for (size_t i = 0; i < len; i++) {
		int high, low;

		if (text[i] != '%') {
			*at++ = text[i];
			continue;
		}
		high = len - i > 2 ? hex_digit(text[i + 1]) : -1;
		low = len - i > 2 ? hex_digit(text[i + 2]) : -1;
		if (high < 0 || low < 0)
			return -1;
		*at++ = (char)(high << 4 | low);
		i += 2;
	}
	*at = '\0';
	return at - out;
}

size_t encode_base64url(const void *data, size_t len, char *out)
{
	size_t n = digest_base64_encode(data, len, out);

	while (n && out[n - 1] == '=')
		n--;
	for (size_t i = 0; i < n; i++) {
		if (out[i] == '+')
			out[i] = '-';
		else if (out[i] == '/')
			out[i] = '_';
	}
	out[n] = '\0';
	return n;
}

/* Without a table: so that many are made at once. */
static inline char hex_of(unsigned digit)
{
	return (char)('0' + digit + (digit > 9 ? 'a' - '9' - 1 : 0));
}

void encode_hex(const uint8_t *data, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++) {
		out[2 * i] = hex_of(data[i] >> 4);
		out[2 * i + 1] = hex_of(data[i] & 15);
	}
	out[2 * n] = '\0';
}
