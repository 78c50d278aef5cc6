/* kexinit: which algorithms the two sides of an SSH connection offer. Pure.
 *
 * libssh2 says only that a negotiation failed; the plain bytes that both sides sent say why. */
#pragma once

#include <stddef.h>

enum kex_list {
	KEX_METHOD,
	KEX_HOST_KEY,
	KEX_CIPHER_OUT, /* from client to server */
	KEX_CIPHER_IN,
	KEX_MAC_OUT,
	KEX_MAC_IN,
	KEX_COMPRESSION_OUT,
	KEX_COMPRESSION_IN,
	KEX_LISTS,
};

struct kexinit {
	char *lists[KEX_LISTS]; /* names with commas; safe to show */
};

/* Reads the first packet behind the banner lines of what one side sent. 0, or -1 when it is not a
 * whole KEXINIT. */
int kexinit_parse(const void *stream, size_t len, struct kexinit *ret);
void kexinit_finish(struct kexinit *k);

/* The first list that has nothing in common, as an enum kex_list; -1: none. */
int kexinit_mismatch(const struct kexinit *client, const struct kexinit *server);

/* "key exchange", "host key type", "cipher", ... */
const char *kex_list_name(int list);
