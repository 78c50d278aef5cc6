/* The output of ssh -G, whatever it may be. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "inventory/inventory.h"
#include "inventory/ssh_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A chain gets shorter until it ends, or makes no sense. */
static void fuzz_chain(const char *chain)
{
	AUTO_FREE char *before = NULL;
	struct err err = ERR_INIT;
	struct ssh_hop h;

	if (!chain)
		return;
	if (ssh_hop_parse(chain, &h, &before, &err) < 0) {
		assert(*err.text && !before);
		return;
	}
	assert(*h.host && *h.host != '-' && (!h.user || *h.user != '-'));
	assert(!before || strlen(before) < strlen(chain));
	ssh_hop_finish(&h);
	fuzz_chain(before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_INIT;
	struct ssh_config c;

	if (ssh_config_parse((const char *)data, size, size % 2 ? "/home/me" : NULL, &c,
		    &err) < 0) {
		assert(err.kind != ERR_NONE && *err.text);
		return 0;
	}
	fuzz_chain(c.proxy_jump);
	assert(c.strict_host_key >= HOST_KEY_STRICT && c.strict_host_key <= HOST_KEY_OFF);
	ssh_config_finish(&c);
	return 0;
}
