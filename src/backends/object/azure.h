/* azure: what the files of the Azure Blob dialect share. Private to azure*.c.
 *
 * References: learn.microsoft.com, "Blob service REST API". */
#pragma once

#include "backends/object/dialect.h"
#include "cloud/credentials.h"
#include "cloud/sharedkey.h"

/* SAS tokens and batches of containers need 2020 and later; List Blobs tells names that XML cannot hold from
 * 2021-02-12 on. */
#define AZURE_VERSION "2021-12-02"
#define AZURE_ACCOUNT_MAX 63
#define AZURE_BLOCKS_MAX 50000u

struct azure_job {
	struct azure_credentials credentials; /* all NULL: nothing is signed */
	char *endpoint; /* "https://host[:port][/base]", or NULL: https://ACCOUNT.blob.core.windows.net */
	bool account_in_path; /* the account follows the endpoint */
};

struct azure_thread {
	struct sharedkey *signer; /* of account; made on first use */
	char account[AZURE_ACCOUNT_MAX + 1];
	char hint[240]; /* of the error at hand */
};

static inline struct azure_job *azure_job_of(const struct object_op *op)
{
	return op->thread->job->state;
}

/* azure_request.c */
void azure_begin(struct object_op *op);
int azure_request(struct object_op *op, struct err *err);
int azure_probe(struct object_op *op, struct err *err);

/* azure_batch.c: Blob Batch, several deletes in one request. */
int azure_request_batch(struct object_op *op, struct err *err);
/* The first that failed: its status and what it says. */
struct azure_fault;
int azure_batch_fault(const struct object_op *op, struct azure_fault *ret);

/* azure_response.c */
enum object_next azure_response(struct object_op *op, struct err *err);
void azure_error(struct object_op *op, struct object_error *ret);
