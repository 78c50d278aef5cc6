/* fuzz-gcs-json: pages, rewrites and errors of Google Cloud Storage. What is counted is what is told. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backends/object/gcs_json.h"
#include "common/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static bool take(void *user, const char *name, size_t len, uint64_t size)
{
	uint64_t *n = user;

	(void)size;
	require(name != NULL && strlen(name) == len);
	++*n;
	return true;
}

static void rewrite(const char *text, size_t size)
{
	struct err err = ERR_INIT;
	char *token = NULL;
	bool done = false;

	if (gcs_rewrite_parse(text, size, &done, &token, &err) < 0) {
		require(*err.text && !token);
		return;
	}
	require(done == !token);
	free(token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct object_page page = {.next = NULL};
	struct gcs_fault fault;
	struct err err = ERR_INIT;
	uint64_t n = 0;

	gcs_fault_parse(text, size, &fault);
	require(memchr(fault.reason, 0, sizeof(fault.reason)) &&
		memchr(fault.message, 0, sizeof(fault.message)));
	rewrite(text, size);
	if (gcs_page_parse(text, size, take, &n, &page, &err) < 0) {
		require(*err.text && !page.next);
		return 0;
	}
	require(n == page.objects && (!page.next || *page.next));
	free(page.next);
	return 0;
}
