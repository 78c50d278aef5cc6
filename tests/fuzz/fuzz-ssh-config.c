/* The output of ssh -G, whatever it may be. */
#include <assert.h>
#include <stdint.h>

#include "common/err.h"
#include "inventory/inventory.h"
#include "inventory/ssh_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_INIT;
	struct ssh_config c;

	if (ssh_config_parse((const char *)data, size, size % 2 ? "/home/me" : NULL, &c,
		    &err) < 0) {
		assert(err.kind != ERR_NONE && *err.text);
		return 0;
	}
	assert(c.strict_host_key >= HOST_KEY_STRICT && c.strict_host_key <= HOST_KEY_OFF);
	ssh_config_finish(&c);
	return 0;
}
