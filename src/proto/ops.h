/* ops: the operations, size buckets, error classes and sample kinds that both programs
 * know. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum op_kind {
	OP_GET,
	OP_PUT,
	OP_LIST,
	OP_STAT,
	OP_DELETE,
	OP_RANGE_GET,
	OP_MKDIR,
	OP_RMDIR,
	OP_COPY,
	OP_MULTIPART_PUT,
	OP_RANGE_PUT,
	OP_KINDS,
};

struct op_info {
	const char *name;    /* as in a workload and in JSON: "get" */
	const char *display; /* as in results: "GET" */
	bool moves_data;     /* bytes count; else always bucket `zero` */
	bool supported;      /* its time has come */
	const char *help;
};
extern const struct op_info op_infos[OP_KINDS];

/* Index by workload name ("head" is "stat"), or -1. */
int op_kind_from_name(const char *name);

/* Buckets by bytes moved, upper bound inclusive (design section 11). */
#define BUCKETS 9
#define BUCKET_ALL 99 /* the index of the ALL row in results.tsv */
extern const char *const bucket_names[BUCKETS];

static inline unsigned bucket_of(uint64_t bytes)
{
	static const uint64_t upper[BUCKETS - 1] = {0, 8192, 65536, 524288, 4194304,
		33554432, 268435456, UINT64_C(2147483648)};
	unsigned b = 0;

	while (b < BUCKETS - 1 && bytes > upper[b])
		b++;
	return b;
}

/* What is recorded of an op. FAILED holds response times of ops that failed; PAGE the
 * time of each page of a list. */
enum sample_kind {
	SAMPLE_RESPONSE, /* end - due */
	SAMPLE_SERVICE,  /* end - start */
	SAMPLE_LATENESS, /* start - due */
	SAMPLE_FIRST_BYTE,
	SAMPLE_PAGE,
	SAMPLE_FAILED,
	SAMPLE_KINDS,
};
/* "response", ...; the entry behind the last kind is "totals" (struct msg_result). */
extern const char *const sample_names[SAMPLE_KINDS + 1];
int sample_kind_from_name(const char *name); /* or -1 */

enum op_error {
	OP_OK,
	OP_ERR_NOT_FOUND,
	OP_ERR_DENIED,
	OP_ERR_EXISTS,
	OP_ERR_NO_SPACE,
	OP_ERR_IO,
	OP_ERR_TIMEOUT,
	OP_ERR_SHORT,   /* fewer bytes than there should be */
	OP_ERR_CORRUPT, /* wrong content */
	OP_ERR_NETWORK,
	OP_ERR_THROTTLED,
	OP_ERR_OTHER,
	OP_ERRORS,
};
extern const char *const op_error_names[OP_ERRORS]; /* "ok", "not_found", ... */
int op_error_from_name(const char *name);           /* or -1 */
enum op_error op_error_from_errno(int errnum);

/* What objects are filled with. */
enum fill { FILL_RANDOM, FILL_ZERO, FILL_UNIQUE };
extern const char *const fill_names[]; /* "random" "zero" "unique", NULL-terminated */
