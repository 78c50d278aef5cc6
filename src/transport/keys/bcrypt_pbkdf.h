/* bcrypt_pbkdf: the key derivation of encrypted OpenSSH private keys. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Derives len bytes (1 to 1024) from pass and salt, as OpenBSD's bcrypt_pbkdf(3) does. rounds is
 * at least 1; each takes a few milliseconds. */
void bcrypt_pbkdf(const char *pass, size_t pass_len, const uint8_t *salt, size_t salt_len,
	uint8_t *out, size_t len, unsigned rounds);
