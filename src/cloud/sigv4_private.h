/* sigv4_private: what signing in a header field (sigv4.c) and in a query (sigv4_presign.c) share. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "cloud/sigv4.h"

#define SIGV4_DATE_LEN 16      /* encode_time_amz */
#define SIGV4_SIGNATURE_LEN 64 /* hex */

/* Text in bounded memory; full: it did not fit. */
struct sigv4_text {
	char *at;
	size_t room;
	bool full;
};
static inline void sigv4_put(struct sigv4_text *t, const char *text, size_t len)
{
	if (len > t->room) {
		t->full = true;
		t->room = 0;
		return;
	}
	memcpy(t->at, text, len);
	t->at += len;
	t->room -= len;
}

static inline void sigv4_puts(struct sigv4_text *t, const char *text)
{
	sigv4_put(t, text, strlen(text));
}

/* Terminates it: the length, or -1 when it did not fit. */
long sigv4_end(const struct sigv4_text *t, char *out);

/* Names of the signed headers, with sep between them. */
void sigv4_put_names(
	struct sigv4_text *t, const struct sigv4_request *r, const char *sep);
/* "20130524/us-east-1/s3/aws4_request" of that day. */
void sigv4_put_scope(struct sigv4_text *t, struct sigv4 *s, const char *amz_date);
void sigv4_put_access_key(struct sigv4_text *t, const struct sigv4 *s);
const char *sigv4_session_token(const struct sigv4 *s); /* or NULL */

/* The signature of r with this query in place of its own. False: no memory. */
bool sigv4_signature(struct sigv4 *s, const struct sigv4_request *r, const char *query,
	size_t query_len, char hex[SIGV4_SIGNATURE_LEN + 1]);
