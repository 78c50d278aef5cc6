/* azure_xml: what Azure Blob Storage answers in XML: pages of List Blobs, and errors. Pure: foreign bytes
 * in, values out. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/object/page.h"

struct err;

/* EnumerationResults. */
object_page_fn azure_page_parse;

/* Reads <Error><Code>, <Message> and <AuthenticationErrorDetail> as far as they are there; what is not becomes
 * "". Texts that do not fit are cut. */
struct azure_fault {
	char code[64], message[200], detail[200];
};
void azure_fault_parse(const char *text, size_t len, struct azure_fault *ret);
