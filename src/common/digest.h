/* digest: SHA-256 and base64, by libcrypto (the one library that common/ uses: the worker must
 * name its own file by hash, and histograms travel as base64).
 *
 * SHA-256 uses the low-level SHA256_* functions on purpose: `muster-worker --version`, which setup runs on every
 * host, need not set up all of OpenSSL for them. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct err;

/* First in a program that runs on machines of others: OpenSSL does not read their openssl.cnf, which may name
 * modules to load that are not for this program. */
void digest_ignore_config(void);

#define DIGEST_SHA256_HEX 65 /* with the NUL */

void digest_sha256_hex(const void *data, size_t len, char out[DIGEST_SHA256_HEX]);

/* Hash of a file's content. -1 with err when it cannot be read. */
int digest_sha256_file(const char *path, char out[DIGEST_SHA256_HEX], struct err *err);

/* MD5 as Content-MD5 has it (RFC 1864): base64 of the 16 bytes. It checks transfers, it proves nothing. */
#define DIGEST_MD5_BASE64 25 /* with the NUL */
void digest_md5_base64(const void *data, size_t len, char out[DIGEST_MD5_BASE64]);

/* base64 of RFC 4648 with padding. out needs digest_base64_len(len) + 1 bytes. */
size_t digest_base64_len(size_t len);
size_t digest_base64_encode(const void *data, size_t len, char *out);

/* Strict: only the alphabet, right padding, no white space. out needs len / 4 * 3 bytes.
 * Returns the number of bytes, or -1. */
long digest_base64_decode(const char *text, size_t len, uint8_t *out);

/* n random bytes from the kernel as 2n hex digits and a NUL. */
void digest_random_hex(size_t n, char *out);
