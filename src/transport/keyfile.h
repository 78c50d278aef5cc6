/* keyfile: private keys of users: OpenSSH's own format and PEM. Pure but for libcrypto.
 *
 * libssh2 could read most of them, but it would derive the key from the passphrase anew for each
 * host, twice, with the loop standing still: 0.2 s each time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct evp_pkey_st; /* EVP_PKEY */

enum keyfile_state {
	KEYFILE_OK,
	KEYFILE_ENCRYPTED, /* a passphrase is needed, or the one given is wrong */
	KEYFILE_UNUSABLE,  /* reason says why */
};

struct keyfile {
	enum keyfile_state state;
	const char *type; /* "ssh-ed25519", NULL: not known */
	uint8_t *blob;    /* the public key, NULL: not known */
	size_t blob_len;
	struct evp_pkey_st *pkey; /* when state is KEYFILE_OK */
	char reason[120];
};

/* Reads text. passphrase NULL: none. ret is always set; call keyfile_finish. */
void keyfile_parse(
	const char *text, size_t len, const char *passphrase, struct keyfile *ret);
void keyfile_finish(struct keyfile *k);

/* The type as a constant string when keys of this type can be used, else NULL with reason set. */
const char *keyfile_type(const void *name, size_t len, char *reason, size_t size);

/* Appends the signature of data as the SSH protocol wants it, without its type in front. */
int keyfile_sign(const struct keyfile *k, const void *data, size_t len, struct buf *out);

/* "SHA256:" and unpadded base64, as ssh-keygen -l prints it. out needs KEY_FINGERPRINT_SIZE. */
#define KEY_FINGERPRINT_SIZE 64
void key_fingerprint(const void *blob, size_t len, char *out);
