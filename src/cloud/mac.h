/* mac: SHA-256 and HMAC-SHA-256 for signatures. They use the low-level SHA256_* functions on purpose: with those
 * of EVP a signature of S3, which hashes half a KiB, costs twice as much. One struct mac per thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct err;
struct mac;

struct mac *mac_create(struct err *err);
void mac_destroy(struct mac *m); /* wipes; takes NULL */

/* HMAC-SHA-256 of data. out: 32 bytes; may be key. A key that is the last one again costs no set-up. */
void mac_hmac(struct mac *m, const void *key, size_t key_len, const void *data,
	size_t len, uint8_t out[32]);
void mac_sha256(struct mac *m, const void *data, size_t len, uint8_t out[32]);
/* Of several pieces: begin, add, end. Nothing else of m meanwhile. */
void mac_sha256_begin(struct mac *m);
void mac_sha256_add(struct mac *m, const void *data, size_t len);
void mac_sha256_end(struct mac *m, uint8_t out[32]);
