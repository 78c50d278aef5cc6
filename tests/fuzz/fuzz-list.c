/* Text lists of hosts, and the patterns of --limit: the first line is the pattern. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "inventory/inventory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
	size_t first = end ? (size_t)(end - data) : size;
	AUTO_FREE char *pattern = strndup((const char *)data, first);
	const char *list = (const char *)data + first + (end != NULL);
	size_t len = size - first - (end != NULL);
	struct err err = ERR_INIT;
	struct inventory inv;

	/* ranges may stand for 10,000 hosts: not in each of millions of runs */
	if (!pattern || first > 100 || len > 300)
		return 0;
	if (inventory_parse_list("fuzz", list, len, NULL, NULL, &inv, &err) < 0) {
		assert(err.kind != ERR_NONE && strncmp(err.text, "fuzz", 4) == 0);
		return 0;
	}
	assert(inv.n > 0 && inv.n <= INVENTORY_HOSTS_MAX);
	if (inv.n < 100 && inventory_limit(&inv, pattern, &err) == 0)
		assert(inv.n > 0);
	inventory_finish(&inv);
	return 0;
}
