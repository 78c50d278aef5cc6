/* fuzz-known-hosts: any bytes as a known_hosts file, asked for names and keys that stand in it. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "transport/keys/known_hosts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	struct known_hosts *k;
	const char *host;
	unsigned keys;
};

/* A key that a line has for the host must be found, unless another line revokes it. */
static void ask_again(const struct known_key *key, void *user)
{
	struct seen *s = user;
	struct known_match m;

	assert(key->line && key->type && key->blob_len);
	if (s->keys++ > 16)
		return;
	m = known_hosts_check(&s->k, 1, s->host, 22, key->blob, key->blob_len);
	if (key->marker == KNOWN_KEY)
		assert(m.verdict == KNOWN_OK || m.verdict == KNOWN_IS_REVOKED);
	else if (key->marker == KNOWN_REVOKED)
		assert(m.verdict == KNOWN_IS_REVOKED);
	else
		assert(m.ca);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const hosts[] = {"h", "example", "node01", "10.0.0.1", ""};
	struct seen s = {.k = known_hosts_parse("f", (const char *)data, size)};

	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		AUTO_BUF struct buf types = BUF_INIT;

		s.host = hosts[i];
		s.keys = 0;
		known_hosts_lookup(s.k, s.host, ask_again, &s);
		known_hosts_types(&s.k, 1, s.host, 2222, &types);
		known_hosts_check(&s.k, 1, s.host, 2222, data, size);
	}
	if (size)
		known_hosts_add(s.k, "h", data, size);
	known_hosts_destroy(s.k);
	return 0;
}
