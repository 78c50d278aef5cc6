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
	KEYFILE_OPENSSH,   /* ssh itself can log in with it; reason says what it is */
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

/* What a public key blob says about its key. */
struct key_about {
	const char *type; /* a constant when libssh2 can log in with the key, else NULL */
	bool openssh;     /* type is NULL, and ssh itself can log in with it */
	char reason[120]; /* type is NULL: why, or what it is: "a certificate" */
};
void key_about(const void *blob, size_t len, struct key_about *ret);

/* Appends the public key as libssh2_userauth_publickey wants it: what it finds there as the key's type
 * it also writes before the signature, so an RSA key must not be called ssh-rsa: that would be a
 * signature by SHA-1. OpenSSH takes a blob so named. */
int key_login_blob(const void *blob, size_t len, struct buf *out);
/* What stands before signatures by a key of this type (of key_about). */
const char *key_signature_type(const char *type);

/* The public key of a .pub file, appended to blob; -1 when it is none. */
int key_public_line(const char *text, size_t len, struct buf *blob);

/* Appends the signature of data as the SSH protocol wants it, without its type in front. */
int keyfile_sign(const struct keyfile *k, const void *data, size_t len, struct buf *out);

/* "SHA256:" and unpadded base64, as ssh-keygen -l prints it. out needs KEY_FINGERPRINT_SIZE. */
#define KEY_FINGERPRINT_SIZE 64
void key_fingerprint(const void *blob, size_t len, char *out);
