/* bcrypt_pbkdf: Blowfish with an expensive key schedule (Provos and Mazieres, "A Future-Adaptable
 * Password Scheme", 1999), in the shape that OpenBSD's bcrypt_pbkdf(3) gives it.
 *
 * Blowfish starts from the fraction of pi. Its 1042 words are computed here, in some 30 ms, rather
 * than kept as a table: who types a passphrase does not notice, and nobody has to proof-read it. */
#include "transport/keys/bcrypt_pbkdf.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define P_WORDS 18
#define S_WORDS 1024
#define PI_WORDS (P_WORDS + S_WORDS)
#define GUARD_WORDS 2
/* a fixed-point number: the integer part in word 0, most significant first */
#define FIXED_WORDS (1 + PI_WORDS + GUARD_WORDS)
#define HASH_BYTES 32
#define HASH_WORDS (HASH_BYTES / 4)
#define SHA512_BYTES 64

struct blowfish {
	uint32_t p[P_WORDS];
	uint32_t s[S_WORDS];
};

/* ---- pi, by Machin's formula: 16 atan(1/5) - 4 atan(1/239) ---- */

/* to = from / divisor; words before `first` are zero. Returns the first that is not. */
static size_t divide(uint32_t *to, const uint32_t *from, uint32_t divisor, size_t first)
{
	uint64_t rest = 0;

	for (size_t i = first; i < FIXED_WORDS; i++) {
		rest = rest << 32 | from[i];
		to[i] = (uint32_t)(rest / divisor);
		rest %= divisor;
	}
	while (first < FIXED_WORDS && !to[first])
		first++;
	return first;
}

/* sum += term or sum -= term; words of term before `first` are zero. */
static void accumulate(uint32_t *sum, const uint32_t *term, size_t first, int minus)
{
	uint64_t carry = 0;

	for (size_t i = FIXED_WORDS; i-- > 0;) {
		uint64_t t = i >= first ? term[i] : 0;

		if (i < first && !carry)
			break;
		t = minus ? (uint64_t)sum[i] - t - carry : (uint64_t)sum[i] + t + carry;
		sum[i] = (uint32_t)t;
		carry = t >> 32 & 1;
	}
}

/* sum += sign * factor * atan(1/x) */
static void add_arctan(uint32_t *sum, uint32_t factor, uint32_t x, int minus)
{
	uint32_t power[FIXED_WORDS] = {factor}, term[FIXED_WORDS] = {0};
	size_t first = divide(power, power, x, 0);

	for (uint32_t k = 1; first < FIXED_WORDS; k += 2) {
		size_t from = first;

		memset(term, 0, sizeof(term));
		accumulate(sum, term, divide(term, power, k, from), minus);
		minus = !minus;
		first = divide(power, power, x * x, first);
	}
}

static void blowfish_start(struct blowfish *b)
{
	uint32_t pi[FIXED_WORDS] = {0};

	add_arctan(pi, 16, 5, 0);
	add_arctan(pi, 4, 239, 1);
	memcpy(b->p, pi + 1, sizeof(b->p));
	memcpy(b->s, pi + 1 + P_WORDS, sizeof(b->s));
}

/* ---- Blowfish ---- */

static uint32_t mix(const struct blowfish *b, uint32_t x)
{
	return ((b->s[x >> 24] + b->s[256 + (x >> 16 & 0xff)]) ^
		       b->s[512 + (x >> 8 & 0xff)]) +
	       b->s[768 + (x & 0xff)];
}

static void encipher(const struct blowfish *b, uint32_t *left, uint32_t *right)
{
	uint32_t l = *left ^ b->p[0], r = *right;

	for (int i = 1; i <= 16; i += 2) {
		r ^= mix(b, l) ^ b->p[i];
		l ^= mix(b, r) ^ b->p[i + 1];
	}
	*left = r ^ b->p[17];
	*right = l;
}

static uint32_t next_word(const uint8_t data[SHA512_BYTES], size_t *at)
{
	const uint8_t *d = data + *at;

	*at = (*at + 4) % SHA512_BYTES;
	return (uint32_t)d[0] << 24 | (uint32_t)d[1] << 16 | (uint32_t)d[2] << 8 | d[3];
}

/* The key schedule; data NULL: as if it were zeros. */
static void expand(
	struct blowfish *b, const uint8_t key[SHA512_BYTES], const uint8_t *data)
{
	uint32_t l = 0, r = 0;
	size_t key_at = 0, data_at = 0;

	for (size_t i = 0; i < P_WORDS; i++)
		b->p[i] ^= next_word(key, &key_at);
	for (size_t i = 0; i < PI_WORDS; i += 2) {
		uint32_t *to = i < P_WORDS ? &b->p[i] : &b->s[i - P_WORDS];

		if (data) {
			l ^= next_word(data, &data_at);
			r ^= next_word(data, &data_at);
		}
		encipher(b, &l, &r);
		to[0] = l;
		to[1] = r;
	}
}

/* ---- bcrypt_pbkdf ---- */

static void bcrypt_hash(const struct blowfish *start, const uint8_t pass[SHA512_BYTES],
	const uint8_t salt[SHA512_BYTES], uint8_t out[HASH_BYTES])
{
	static const uint8_t text[SHA512_BYTES] = "OxychromaticBlowfishSwatDynamite";
	struct blowfish b = *start;
	uint32_t words[HASH_WORDS];
	size_t at = 0;

	expand(&b, pass, salt);
	for (int i = 0; i < 64; i++) {
		expand(&b, salt, NULL);
		expand(&b, pass, NULL);
	}
	for (size_t i = 0; i < HASH_WORDS; i++)
		words[i] = next_word(text, &at);
	for (size_t i = 0; i < HASH_WORDS; i += 2)
		for (int j = 0; j < 64; j++)
			encipher(&b, &words[i], &words[i + 1]);
	for (size_t i = 0; i < HASH_BYTES; i++)
		out[i] = (uint8_t)(words[i / 4] >> (8 * (i % 4)));
	OPENSSL_cleanse(&b, sizeof(b));
}

static void sha512(const void *data, size_t len, uint8_t out[SHA512_BYTES])
{
	if (EVP_Digest(data, len, out, NULL, EVP_sha512(), NULL) != 1)
		abort();
}

/* One block of 32 bytes: all rounds over salt and the block's number. */
static void block(const struct blowfish *start, const uint8_t pass[SHA512_BYTES],
	const uint8_t *salt, size_t salt_len, uint32_t number, unsigned rounds,
	uint8_t out[HASH_BYTES])
{
	uint8_t hash[HASH_BYTES], sha_salt[SHA512_BYTES];
	uint8_t *numbered = malloc(salt_len + 4);

	if (!numbered)
		abort();
	if (salt_len)
		memcpy(numbered, salt, salt_len);
	for (unsigned i = 0; i < 4; i++)
		numbered[salt_len + i] = (uint8_t)(number >> (24 - 8 * i));
	sha512(numbered, salt_len + 4, sha_salt);
	free(numbered);
	bcrypt_hash(start, pass, sha_salt, hash);
	memcpy(out, hash, sizeof(hash));
	while (--rounds) {
		sha512(hash, sizeof(hash), sha_salt);
		bcrypt_hash(start, pass, sha_salt, hash);
		for (size_t i = 0; i < sizeof(hash); i++)
			out[i] ^= hash[i];
	}
	OPENSSL_cleanse(hash, sizeof(hash));
}

void bcrypt_pbkdf(const char *pass, size_t pass_len, const uint8_t *salt, size_t salt_len,
	uint8_t *out, size_t len, unsigned rounds)
{
	uint8_t sha_pass[SHA512_BYTES], bytes[HASH_BYTES];
	/* the bytes of the blocks are dealt out like cards */
	size_t blocks = (len + HASH_BYTES - 1) / HASH_BYTES;
	size_t each = (len + blocks - 1) / blocks;
	struct blowfish start;

	blowfish_start(&start);
	sha512(pass, pass_len, sha_pass);
	for (size_t n = 0; n < blocks; n++) {
		block(&start, sha_pass, salt, salt_len, (uint32_t)n + 1, rounds, bytes);
		for (size_t i = 0; i < each && i * blocks + n < len; i++)
			out[i * blocks + n] = bytes[i];
	}
	OPENSSL_cleanse(sha_pass, sizeof(sha_pass));
	OPENSSL_cleanse(bytes, sizeof(bytes));
}
