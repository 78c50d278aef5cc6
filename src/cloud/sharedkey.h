/* sharedkey: Azure Storage's SharedKey authorization of the blob service (learn.microsoft.com, "Authorize
 * with Shared Key", version 2015-02-21 and later: an empty Content-Length for 0). */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct err;
struct sharedkey;

/* key: base64, as Azure shows it. NULL with err. One per thread. */
struct sharedkey *sharedkey_create(const char *account, const char *key, struct err *err);
void sharedkey_destroy(struct sharedkey *s); /* wipes; takes NULL */

struct sharedkey_request {
	const char *method;
	uint64_t content_length;
	const char *content_type, *content_md5, *range, *if_match,
		*if_none_match; /* or NULL */
	/* Canonicalized headers: "x-ms-date:...\nx-ms-version:...\n": names in lower case and sorted, a
	 * newline behind each. */
	const char *ms_headers;
	/* Canonicalized resource: "/account/container/key" with the path encoded as in the request line
	 * (on path-style endpoints the account stands twice), then "\nname:value" per query parameter,
	 * names in lower case and sorted, values decoded. */
	const char *resource;
};

/* Writes "SharedKey account:signature" to out. The length, or -1 when it does not fit. */
long sharedkey_sign(
	struct sharedkey *s, const struct sharedkey_request *r, char *out, size_t size);
