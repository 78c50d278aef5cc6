/* s3_xml: what S3 answers in XML: pages of ListObjectsV2, errors, results of uploads, copies and multi-object
 * deletes. Pure: foreign bytes in, values out. Namespaces and unknown elements are passed over. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/object/page.h"

struct err;

/* A ListBucketResult. */
object_page_fn s3_page_parse;

/* An <Error>; what is not there is "". Texts that do not fit are cut. */
struct s3_fault {
	char code[64], message[200], region[40], key[160];
};
/* Whether text is an <Error>, or XML that begins as one. */
bool s3_fault_parse(const char *text, size_t len, struct s3_fault *ret);

/* A DeleteResult in quiet mode: how many could not be deleted, and the first of them. Objects that were not
 * there count as deleted. -1 with err when text is no such result. */
int s3_deleted_parse(const char *text, size_t len, uint64_t *ret_failed,
	struct s3_fault *ret_first, struct err *err);

/* The text of the first element of that name ("UploadId", "ETag") of a document whose root is root: malloc; NULL
 * with err. */
char *s3_element_parse(const char *text, size_t len, const char *root, const char *name,
	struct err *err);
