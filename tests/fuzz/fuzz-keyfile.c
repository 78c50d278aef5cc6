/* fuzz-keyfile: any bytes as a private key, without and with a passphrase. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "transport/keys/keyfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_key(const uint8_t *data, size_t size, const char *passphrase)
{
	AUTO_BUF struct buf sig = BUF_INIT;
	struct keyfile k;

	keyfile_parse((const char *)data, size, passphrase, &k);
	if (k.state == KEYFILE_OK) {
		assert(k.type && k.blob && k.pkey);
		keyfile_sign(&k, "data", 4, &sig);
	} else {
		assert(!k.pkey || *k.reason);
	}
	keyfile_finish(&k);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_key(data, size, NULL);
	/* each round of the key derivation takes milliseconds: the unit test has that */
	if (!memmem(data, size, "OPENSSH", strlen("OPENSSH")))
		read_key(data, size, "secret");
	return 0;
}
