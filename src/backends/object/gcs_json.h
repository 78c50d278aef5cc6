/* gcs_json: what the JSON API of Google Cloud Storage answers: pages of objects, rewrites, errors. Pure: foreign
 * bytes in, values out. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/object/page.h"

struct err;

/* A page of objects.list. */
object_page_fn gcs_page_parse;

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
