/* page: a page of a list, as each store's parser tells it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

struct object_page {
	uint64_t objects, prefixes;
	char *next; /* where the next page begins, malloc; NULL: this is the last */
};

/* An object of a page: its key, decoded, with a NUL behind it. Returns false to end the reading. */
typedef bool object_key_fn(void *user, const char *key, size_t len, uint64_t size);

/* Reads a page. fn may be NULL: objects are counted alone. ret is filled on success; when fn ends the reading,
 * that is a success without a next page. -1 with err when text is no such page. */
typedef int object_page_fn(const char *text, size_t len, object_key_fn *fn, void *user,
	struct object_page *ret, struct err *err);
