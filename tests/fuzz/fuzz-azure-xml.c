/* fuzz-azure-xml: pages and errors of Azure Blob Storage. What is counted is what is told. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backends/object/azure_xml.h"
#include "common/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

struct seen {
	uint64_t n, most;
};

static bool take(void *user, const char *name, size_t len, uint64_t size)
{
	struct seen *s = user;

	(void)size;
	require(name[len] == '\0');
	return ++s->n < s->most;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct object_page all = {.next = NULL}, some = {.next = NULL};
	struct seen every = {.most = UINT64_MAX}, two = {.most = 2};
	struct azure_fault fault;
	struct err err = ERR_INIT;

	azure_fault_parse(text, size, &fault);
	require(memchr(fault.code, 0, sizeof(fault.code)) &&
		memchr(fault.message, 0, sizeof(fault.message)) &&
		memchr(fault.detail, 0, sizeof(fault.detail)));
	if (azure_page_parse(text, size, take, &every, &all, &err) < 0) {
		require(*err.text && !all.next);
		return 0;
	}
	require(every.n == all.objects && (!all.next || *all.next));
	free(all.next);
	/* ended early: never more, and no next page */
	require(azure_page_parse(text, size, take, &two, &some, &err) == 0);
	require(two.n == (all.objects < 2 ? all.objects : 2));
	require(all.objects < 2 || !some.next);
	free(some.next);
	return 0;
}
