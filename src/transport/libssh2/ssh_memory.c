/* ssh_memory: what libssh2 allocates for a session, so that all of it can be freed, and nothing of it can
 * be read later: keys, and packets with passwords. libssh2 1.10 leaves keys behind when a session ends
 * in the middle of a key exchange, as after a Ctrl-C, and wipes next to nothing. */
#include <openssl/crypto.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "transport/libssh2/ssh.h"

struct ssh_block {
	LIST_ENTRY(ssh_block) link;
	size_t size;
	max_align_t data[];
};

static struct ssh_block *block_of(void *p)
{
	return (struct ssh_block *)((char *)p - offsetof(struct ssh_block, data));
}

void *ssh_memory_alloc(struct ssh *s, size_t size)
{
	struct ssh_block *b;

	if (size > SIZE_MAX / 2)
		return NULL;
	b = malloc(offsetof(struct ssh_block, data) + size);
	if (!b)
		return NULL;
	b->size = size;
	LIST_INSERT_HEAD(&s->blocks, b, link);
	return b->data;
}

static LIBSSH2_ALLOC_FUNC(on_alloc)
{
	return ssh_memory_alloc(*abstract, count);
}

static void release(struct ssh_block *b)
{
	LIST_REMOVE(b, link);
	OPENSSL_cleanse(b->data, b->size);
	free(b);
}

static LIBSSH2_FREE_FUNC(on_free)
{
	(void)abstract;
	if (ptr)
		release(block_of(ptr));
}

static LIBSSH2_REALLOC_FUNC(on_realloc)
{
	void *to = ssh_memory_alloc(*abstract, count);

	if (!to || !ptr)
		return to;
	memcpy(to, ptr, block_of(ptr)->size < count ? block_of(ptr)->size : count);
	on_free(ptr, abstract);
	return to;
}

LIBSSH2_SESSION *ssh_memory_session(struct ssh *s)
{
	return libssh2_session_init_ex(on_alloc, on_free, on_realloc, s);
}

void ssh_memory_release(struct ssh *s)
{
	struct ssh_block *b;

	while ((b = LIST_FIRST(&s->blocks)))
		release(b);
}
