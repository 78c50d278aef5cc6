/* What a store answers in XML, in front of it a byte that says what for: refused with words, or values that
 * hold together. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backends/object/s3_xml.h"
#include "common/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool count(void *user, const char *key, size_t len, uint64_t size)
{
	uint64_t *n = user;

	(void)size;
	/* every byte of it can be read */
	assert(key);
	for (size_t i = 0; i < len; i++)
		*n += key[i] == '/';
	++*n;
	return true;
}

static void read_page(const char *text, size_t len)
{
	struct object_page page = {0}, counted = {0};
	struct err err = ERR_INIT;
	uint64_t n = 0;

	if (s3_page_parse(text, len, count, &n, &page, &err) == 0) {
		/* a page that can be read can be counted, to the same numbers */
		assert(n >= page.objects);
		assert(s3_page_parse(text, len, NULL, NULL, &counted, &err) == 0);
		assert(counted.objects == page.objects);
		assert(counted.prefixes == page.prefixes);
		assert(!counted.next == !page.next);
	} else {
		assert(*err.text && !page.next);
	}
	free(page.next);
	free(counted.next);
}

static void read_fault(const char *text, size_t len)
{
	struct s3_fault f;

	s3_fault_parse(text, len, &f);
	assert(strlen(f.code) < sizeof(f.code));
	assert(strlen(f.message) < sizeof(f.message));
}

static void read_deleted(const char *text, size_t len)
{
	struct s3_fault first;
	struct err err = ERR_INIT;
	uint64_t failed = 0;

	if (s3_deleted_parse(text, len, &failed, &first, &err) < 0)
		assert(*err.text);
	else
		assert(failed > 0 || !*first.code);
}

static void read_element(const char *text, size_t len)
{
	struct err err = ERR_INIT;
	char *id = s3_element_parse(
		text, len, "InitiateMultipartUploadResult", "UploadId", &err);

	assert(id ? *id : *err.text);
	free(id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const readers[])(const char *text, size_t len) = {
		read_page, read_fault, read_deleted, read_element};
	char *text;

	if (!size)
		return 0;
	text = malloc(size);
	if (!text)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	readers[data[0] & 3](text, size - 1);
	free(text);
	return 0;
}
