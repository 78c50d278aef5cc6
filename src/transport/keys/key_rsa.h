/* key_rsa: RSA keys between SSH's encoding and libcrypto's; signatures are rsa-sha2-512 (RFC 8332). */
#pragma once

#include <stddef.h>

struct buf;
struct evp_pkey_st;
struct wire;

/* The key's own name, and the one of signatures by it. */
#define KEY_RSA "ssh-rsa"
#define KEY_RSA_SIGNATURE "rsa-sha2-512"

/* Less is not used: hosts with a current policy refuse it (RequiredRSASize 2048). More is an attack. */
#define KEY_RSA_BITS_MIN 2048
#define KEY_RSA_BITS_MAX 16384

/* The private key as it stands in an openssh-key-v1 file, behind its type; NULL when it is damaged. */
struct evp_pkey_st *key_rsa_from_wire(struct wire *w);

/* Appends the public key blob; -1 on failure. */
int key_rsa_public(const struct evp_pkey_st *pkey, struct buf *out);

/* How many bits the key of a public blob has, behind its type; 0 when it is damaged. */
unsigned key_rsa_bits(struct wire w);

/* Appends the signature, which is as long as the modulus; -1 on failure. */
int key_rsa_sign(struct evp_pkey_st *pkey, const void *data, size_t len, struct buf *out);
