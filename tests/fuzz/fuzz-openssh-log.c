/* fuzz-openssh-log: any bytes as what ssh says, at once and in pieces. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "transport/openssh/openssh_log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_remote(const char *data, size_t len, void *user)
{
	assert(len && len <= OPENSSH_LINE_MAX);
	buf_append(user, data, len);
}

static bool is_text(const char *s, size_t size)
{
	size_t len = strnlen(s, size);

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s[i] < ' ')
			return false;
	return len < size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct openssh_log *whole = calloc(1, sizeof(*whole));
	struct openssh_log *parts = calloc(1, sizeof(*parts));
	struct buf a = BUF_INIT, b = BUF_INIT;

	openssh_log_feed(whole, (const char *)data, size, on_remote, &a);
	openssh_log_end(whole, on_remote, &a);
	for (size_t i = 0; i < size; i++)
		openssh_log_feed(parts, (const char *)data + i, 1, on_remote, &b);
	openssh_log_end(parts, on_remote, &b);
	assert(a.len == b.len && (!a.len || memcmp(a.data, b.data, a.len) == 0));
	assert(a.len <= size && (!a.len || whole->authenticated));
	assert(whole->why == parts->why && strcmp(whole->said, parts->said) == 0);
	assert(is_text(whole->said, sizeof(whole->said)));
	assert(is_text(whole->host_key, sizeof(whole->host_key)));
	assert(is_text(whole->login, sizeof(whole->login)));
	assert(is_text(whole->known, sizeof(whole->known)));
	assert(is_text(whole->other, sizeof(whole->other)));
	assert(whole->tried.len < 2000);
	/* and once more on what is not empty */
	openssh_log_start(parts);
	assert(!parts->len && !parts->tried.data);
	openssh_log_finish(whole);
	openssh_log_finish(parts);
	free(whole);
	free(parts);
	buf_finish(&a);
	buf_finish(&b);
	return 0;
}
