/* hosts.yaml from anywhere: refused with words, or hosts that write themselves back the same. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "inventory/inventory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *write_back(const char *text, size_t len)
{
	struct err err = ERR_INIT;
	struct inventory inv;
	char *written;

	if (inventory_parse_yaml("fuzz", text, len, NULL, &inv, &err) < 0) {
		assert(err.kind != ERR_NONE && *err.text);
		return NULL;
	}
	assert(inv.n > 0);
	for (size_t i = 0; i < inv.n; i++)
		assert(inv.hosts[i].workers > 0 && *inv.hosts[i].name &&
			*inv.hosts[i].address);
	written = inventory_to_yaml(&inv);
	inventory_finish(&inv);
	return written;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *first = write_back((const char *)data, size), *second;

	if (!first)
		return 0;
	second = write_back(first, strlen(first));
	assert(second && strcmp(first, second) == 0);
	free(second);
	free(first);
	return 0;
}
