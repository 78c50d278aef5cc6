/* azure_xml: what Azure Blob Storage answers in XML: pages of List Blobs, and errors. Pure: foreign bytes
 * in, values out. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

struct azure_page {
	uint64_t blobs, prefixes;
	char *next; /* marker of the next page, malloc; NULL: this is the last */
};

/* A blob of a page: its name, decoded. Returns false to end the reading. */
typedef bool azure_blob_fn(void *user, const char *name, size_t len, uint64_t size);

/* Reads a page (EnumerationResults). fn may be NULL: blobs are counted alone. ret is filled on success; -1
 * with err when text is no such page. When fn ends the reading, that is a success without a next page. */
int azure_page_parse(const char *text, size_t len, azure_blob_fn *fn, void *user,
	struct azure_page *ret, struct err *err);

/* Reads <Error><Code>, <Message> and <AuthenticationErrorDetail> as far as they are there; what is not becomes
 * "". Texts that do not fit are cut. */
struct azure_fault {
	char code[64], message[200], detail[200];
};
void azure_fault_parse(const char *text, size_t len, struct azure_fault *ret);
