/* azure_draft: a request to Azure as it is written and signed. Private to azure*.c.
 *
 * The path and each parameter go to the request line and to the canonicalized resource together, each x-ms- field
 * to the head and to the canonicalized headers, so that what is signed is what is sent. Parameters and fields are
 * therefore added in the order of their names. What does not fit is noticed at the end. */
#pragma once

#include "backends/object/azure.h"

/* A copy has a path in the request line and one in x-ms-copy-source. */
#define AZURE_TEXT_MAX (OBJECT_HEAD_MAX / 2)

/* Texts are NUL-terminated as they are. */
struct azure_draft {
	struct object_op *op;
	const struct object_place *place; /* that is asked */
	bool signs;
	bool full; /* something did not fit */
	bool queried;
	const char *method, *range, *content_type;
	uint64_t length; /* of the body */
	size_t ms_len, resource_len;
	char ms[AZURE_TEXT_MAX], resource[AZURE_TEXT_MAX];
};

/* Begins a request for a place: its line up to the parameters. */
void azure_draft_start(struct azure_draft *d, struct object_op *op,
	const struct object_place *place, const char *method);
/* A parameter. */
void azure_param(struct azure_draft *d, const char *name, const char *value);
void azure_param_bytes(
	struct azure_draft *d, const char *name, const char *value, size_t len);
/* An x-ms- field; name in lower case, with its colon. */
void azure_field(struct azure_draft *d, const char *name, const char *value);
/* The same in pieces, of which the last one is "\n". */
void azure_field_bytes(struct azure_draft *d, const char *text, size_t len);
/* x-ms-date and x-ms-version, which stand between the other fields by their names. */
void azure_date(struct azure_draft *d);
void azure_version(struct azure_draft *d);
/* Writes what is left: op->head is the request. -1 with err. */
int azure_finish(struct azure_draft *d, struct err *err);
/* The same for a request whose other fields are there: these two, and the end. */
int azure_finish_plain(struct azure_draft *d, struct err *err);
/* The end of one of a batch, which has no host and no version of its own. */
int azure_finish_inner(struct azure_draft *d, struct err *err);
