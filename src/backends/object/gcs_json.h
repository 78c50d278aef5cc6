/* gcs_json: what the JSON API of Google Cloud Storage answers: pages of objects, rewrites, errors. Pure: foreign
 * bytes in, values out. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

struct gcs_page {
	uint64_t items, prefixes;
	char *next; /* token of the next page, malloc; NULL: this is the last */
};

/* An object of a page. Returns false to end the reading. */
typedef bool gcs_item_fn(void *user, const char *name, uint64_t size);

/* Reads a page of objects.list. fn may be NULL: objects are counted alone. ret is filled on success; -1 with err
 * when text is no such page. When fn ends the reading, that is a success without a next page. */
int gcs_page_parse(const char *text, size_t len, gcs_item_fn *fn, void *user,
	struct gcs_page *ret, struct err *err);

/* Reads an answer of objects.rewrite: whether the copy is done, else the token with which it goes on (malloc). -1
 * with err. */
int gcs_rewrite_parse(
	const char *text, size_t len, bool *ret_done, char **ret_token, struct err *err);

/* Reads an error: its reason and message, as far as they are there; what is not becomes "". Bodies of downloads
 * are plain text instead. Texts that do not fit are cut. */
struct gcs_fault {
	char reason[64], message[200];
};
void gcs_fault_parse(const char *text, size_t len, struct gcs_fault *ret);
