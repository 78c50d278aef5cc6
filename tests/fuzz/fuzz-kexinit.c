/* fuzz-kexinit: any bytes as what a server sends before encryption. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/libssh2/kexinit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kexinit k;

	if (kexinit_parse(data, size, &k) < 0)
		return 0;
	for (int i = 0; i < KEX_LISTS; i++)
		assert(k.lists[i]);
	/* with itself everything is in common, but for lists that are empty */
	if (kexinit_mismatch(&k, &k) >= 0)
		assert(!k.lists[kexinit_mismatch(&k, &k)][0] ||
			k.lists[kexinit_mismatch(&k, &k)][0] == ',');
	kexinit_finish(&k);
	return 0;
}
