/* batch: requests in one body of multipart/mixed, and their responses (Azure Blob Batch, batch requests of Google
 * Cloud Storage). Pure but for the memory of the buffer. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

#define BATCH_BOUNDARY "muster-batch-4c3f9a61d2"
#define BATCH_CONTENT_TYPE "multipart/mixed; boundary=" BATCH_BOUNDARY

/* Appends a request, head with its empty line, as part i (from 0). 0 or a negative errno, as buf_append. */
int batch_add(struct buf *b, unsigned i, const char *head, size_t len);
int batch_end(struct buf *b);

/* A response: its status, and all of it from its status line on. Returns false to end the reading. */
typedef bool batch_fn(void *user, int status, const char *text, size_t len);
/* Reads the responses of a body. The boundary is taken from its first line that begins with "--". How many there
 * were (fn's last included), or -1: this is no such body. */
long batch_parse(const char *text, size_t len, batch_fn *fn, void *user);

/* What the responses of a body come to. */
struct batch_tally {
	uint64_t good;    /* 2xx */
	int failed;       /* status of the first other one, or 0 */
	const char *text; /* of that, from its status line on, in the body; else "" */
	size_t len;
};
/* text may be NULL when len is 0. */
struct batch_tally batch_count(const char *text, size_t len);
