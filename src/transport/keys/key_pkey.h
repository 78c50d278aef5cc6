/* key_pkey: keys between SSH's encoding and libcrypto's; RSA has a file of its own. */
#pragma once

#include <stddef.h>

struct buf;
struct evp_pkey_st;
struct wire;

/* The private key of this type as it stands in an openssh-key-v1 file, behind its type; NULL when
 * it is damaged. */
struct evp_pkey_st *key_pkey_from_wire(const char *type, struct wire *w);

/* Appends the public key blob; -1 for keys of other kinds. */
int key_pkey_public(const struct evp_pkey_st *pkey, struct buf *out);

/* Appends a signature as RFC 8709 (ed25519), RFC 5656 (ecdsa: two mpints) or RFC 8332 (RSA) has it; -1 on
 * failure. */
int key_pkey_sign(struct evp_pkey_st *pkey, const char *type, const void *data,
	size_t len, struct buf *out);
