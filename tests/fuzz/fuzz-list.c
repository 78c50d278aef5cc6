/* Text lists of hosts, and the patterns of --limit: the first line is the pattern. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "inventory/inventory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The same list beside an inventory: each host is one of it, or has its defaults. */
static void beside_inventory(const char *list, size_t len)
{
	static const char yaml[] = "defaults: {ssh_user: u}\n"
				   "hosts: [{name: a, address: h}, {name: b, address: h, "
				   "ssh_port: 2}, 'n[1-3]:22', '[::1]:22', '[::1]:23']\n";
	struct err err = ERR_INIT;
	struct inventory base, inv;

	if (inventory_parse_yaml("base", yaml, sizeof(yaml) - 1, NULL, &base, &err) < 0)
		abort();
	if (inventory_parse_list("fuzz", list, len, &base, NULL, &inv, &err) < 0) {
		assert(err.kind != ERR_NONE && strncmp(err.text, "fuzz", 4) == 0);
	} else {
		for (size_t i = 0; i < inv.n; i++)
			assert(inv.hosts[i].user && *inv.hosts[i].name &&
				*inv.hosts[i].address && inv.hosts[i].workers);
		inventory_finish(&inv);
	}
	inventory_finish(&base);
}

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
	beside_inventory(list, len);
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
