/* s3_response: what S3's responses mean: steps of uploads, pages, results of deletes, and errors with what to
 * do about them. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/object/s3.h"
#include "backends/object/s3_xml.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"

/* ---- errors ---- */

static const struct object_code codes[] = {
	{"AccessDenied", OP_ERR_DENIED, false, NULL},
	{"AccountProblem", OP_ERR_DENIED, false, NULL},
	{"AllAccessDisabled", OP_ERR_DENIED, false, NULL},
	{"AuthorizationHeaderMalformed", OP_ERR_DENIED, false, "is the region right?"},
	{"BadDigest", OP_ERR_CORRUPT, true, NULL},
	{"EntityTooSmall", OP_ERR_OTHER, false,
		"parts but the last must have 5 MiB or more"},
	{"ExpiredToken", OP_ERR_DENIED, false, "get new temporary credentials"},
	{"IncompleteBody", OP_ERR_NETWORK, true, NULL},
	{"InternalError", OP_ERR_IO, true, NULL},
	{"InvalidAccessKeyId", OP_ERR_DENIED, false, "the store does not know this key"},
	{"InvalidObjectState", OP_ERR_DENIED, false, "the object is archived"},
	{"InvalidToken", OP_ERR_DENIED, false, "is AWS_SESSION_TOKEN that of the key?"},
	{"NoSuchBucket", OP_ERR_NOT_FOUND, false,
		"make the bucket first: muster never does"},
	{"NoSuchKey", OP_ERR_NOT_FOUND, false, NULL},
	{"OperationAborted", OP_ERR_OTHER, true, NULL},
	{"PermanentRedirect", OP_ERR_OTHER, false,
		"the bucket is elsewhere: set region or endpoint"},
	{"QuotaExceeded", OP_ERR_NO_SPACE, false, NULL},
	{"RequestTimeTooSkewed", OP_ERR_DENIED, false,
		"this host's clock is wrong: set it"},
	{"RequestTimeout", OP_ERR_TIMEOUT, true, NULL},
	{"ServiceUnavailable", OP_ERR_THROTTLED, true, NULL},
	{"SignatureDoesNotMatch", OP_ERR_DENIED, false, "is the secret key right?"},
	{"SlowDown", OP_ERR_THROTTLED, true, NULL},
	{"Throttling", OP_ERR_THROTTLED, true, NULL},
	{"ThrottlingException", OP_ERR_THROTTLED, true, NULL},
	{"TokenRefreshRequired", OP_ERR_DENIED, false, "get new temporary credentials"},
	{"TooManyRequests", OP_ERR_THROTTLED, true, NULL},
	{"XAmzContentSHA256Mismatch", OP_ERR_CORRUPT, true, NULL},
	{"XMinioStorageFull", OP_ERR_NO_SPACE, false, NULL},
	{.code = NULL},
};

/* The bucket's region, where the store names it. */
static void region_of(
	const struct object_op *op, const struct s3_fault *fault, char *out, size_t size)
{
	size_t len = 0;
	const char *value = http_header(&op->ex, "x-amz-bucket-region", &len);

	if (!value) {
		value = fault->region;
		len = strlen(value);
	}
	if (len >= size)
		len = 0;
	memcpy(out, value, len);
	out[len] = '\0';
	for (const char *c = out; *c; c++)
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-_", *c))
			out[0] = '\0';
}

/* Requests of other regions are refused with 301, 307, 400 or 403, by the code where there is a body. */
static bool may_be_elsewhere(const struct object_op *op, const char *code)
{
	static const char *const elsewhere[] = {"AuthorizationHeaderMalformed",
		"PermanentRedirect", "TemporaryRedirect",
		"IllegalLocationConstraintException"};

	for (size_t i = 0; i < ARRAY_LEN(elsewhere); i++)
		if (strcmp(code, elsewhere[i]) == 0)
			return true;
	return !*code &&
	       (op->ex.status == 301 || op->ex.status == 400 || op->ex.status == 403);
}

/* Credentials that have ended while newer ones are there. */
static bool has_newer_keys(struct object_op *op, const char *code)
{
	const struct s3_state *s = op->thread->job->state;
	const struct s3_thread *t = op->thread->state;

	if (!s->renews || (strcmp(code, "ExpiredToken") != 0 &&
				  strcmp(code, "TokenRefreshRequired") != 0))
		return false;
	for (unsigned i = 0; i < t->n_signers; i++)
		if (t->signers[i].keys != s3_keys(s))
			return true;
	return false;
}

static bool needs_path_style(const struct object_op *op)
{
	const struct object_place *p = &op->place;

	return p->bucket_in_host &&
	       op->thread->job->options.addressing == STORE_ADDRESSING_VIRTUAL;
}

void s3_error(struct object_op *op, struct object_error *ret)
{
	struct s3_fault fault;
	char region[40];

	s3_fault_parse(op->answer.data, op->answer.len, &fault);
	memcpy(ret->code, fault.code, sizeof(ret->code));
	memcpy(ret->message, fault.message, sizeof(ret->message));
	region_of(op, &fault, region, sizeof(region));
	if (may_be_elsewhere(op, fault.code) && region[0] &&
		s3_learn_region(op->thread->job, object_target(op), region))
		ret->renewed = true;
	if (has_newer_keys(op, fault.code))
		ret->renewed = true;
	object_error_by_code(codes, ret);
	if (!ret->hint && op->ex.status == 404 && needs_path_style(op))
		ret->hint = "does this store want addressing: path?";
}

/* ---- responses ---- */

static enum object_next no_sense(struct object_op *op, const char *what, const char *why)
{
	object_fail(op, OP_ERR_OTHER, "%s cannot be read: %s", what, why);
	return OBJECT_DONE;
}

/* An error that came with 200: when a copy or an upload takes long, the status is sent before its end. */
static bool is_error(const struct object_op *op)
{
	struct s3_fault fault;

	return s3_fault_parse(op->answer.data, op->answer.len, &fault);
}

static enum object_next response_list(struct object_op *op)
{
	return is_error(op) ? OBJECT_FAILED : object_page_done(op);
}

static enum object_next response_delete(struct object_op *op)
{
	struct s3_fault first;
	struct err err = ERR_INIT;
	uint64_t failed;
	const struct object_code *c;

	if (op->io->n_more == 0)
		return OBJECT_DONE;
	if (is_error(op))
		return OBJECT_FAILED;
	if (s3_deleted_parse(op->answer.data, op->answer.len, &failed, &first, &err) < 0)
		return no_sense(op, "the answer", err.text);
	op->io->entries = (uint64_t)op->io->n_more + 1;
	op->io->entries -= failed < op->io->entries ? failed : op->io->entries;
	if (failed == 0)
		return OBJECT_DONE;
	c = object_code_of(codes, first.code);
	text_sanitize_inplace(first.key);
	text_sanitize_inplace(first.code);
	object_fail(op, c && c->error ? c->error : OP_ERR_OTHER,
		"%" PRIu64 " of %" PRIu64 " not deleted: %s: %s", failed,
		(uint64_t)op->io->n_more + 1, first.code, first.key);
	return OBJECT_DONE;
}

static enum object_next response_copy(struct object_op *op)
{
	return is_error(op) ? OBJECT_FAILED : OBJECT_DONE;
}

static enum object_next response_create(struct object_op *op)
{
	struct err err = ERR_INIT;

	free(op->token);
	op->token = s3_element_parse(op->answer.data, op->answer.len,
		"InitiateMultipartUploadResult", "UploadId", &err);
	if (!op->token)
		return is_error(op) ? OBJECT_FAILED
				    : no_sense(op, "the answer", err.text);
	op->step = OBJECT_PART;
	return OBJECT_AGAIN;
}

/* The part's tag: of a copied part in the body, else in a field. NULL: there is none. */
static char *part_tag(const struct object_op *op)
{
	struct err ignored = ERR_INIT;
	const char *tag;
	size_t len;

	if (op->io->kind == OP_COPY)
		return s3_element_parse(op->answer.data, op->answer.len, "CopyPartResult",
			"ETag", &ignored);
	tag = http_header(&op->ex, "etag", &len);
	return tag ? strndup(tag, len) : NULL;
}

static int note_part(struct object_op *op, const char *tag)
{
	int rc = buf_printf(
		&op->parts, "<Part><PartNumber>%" PRIu32 "</PartNumber><ETag>", op->part);

	for (; *tag && rc == 0; tag++)
		rc = *tag == '&'   ? buf_puts(&op->parts, "&amp;")
		     : *tag == '<' ? buf_puts(&op->parts, "&lt;")
				   : buf_putc(&op->parts, *tag);
	return rc == 0 ? buf_puts(&op->parts, "</ETag></Part>") : rc;
}

/* Deletes that go one by one use the step too. */
static enum object_next response_deleted_one(struct object_op *op)
{
	op->io->entries = ++op->part;
	return op->part > op->io->n_more ? OBJECT_DONE : OBJECT_AGAIN;
}

static enum object_next response_part(struct object_op *op)
{
	AUTO_FREE char *tag = NULL;

	if (op->io->kind == OP_DELETE)
		return response_deleted_one(op);
	if (op->io->kind == OP_COPY && is_error(op))
		return OBJECT_FAILED;
	tag = part_tag(op);
	if (!tag)
		return no_sense(op, "the answer", "a part has no ETag");
	if (note_part(op, tag) < 0) {
		object_fail(op, OP_ERR_OTHER, "no memory");
		return OBJECT_DONE;
	}
	op->at += object_part_bytes(op);
	op->part++;
	if (op->at >= op->io->size)
		op->step = OBJECT_COMPLETE;
	return OBJECT_AGAIN;
}

static enum object_next response_complete(struct object_op *op)
{
	return is_error(op) ? OBJECT_FAILED : OBJECT_DONE;
}

static enum object_next response_nothing(struct object_op *op)
{
	(void)op;
	return OBJECT_DONE;
}

typedef enum object_next response_fn(struct object_op *op);

static response_fn *const singles[OP_KINDS] = {
	[OP_LIST] = response_list,
	[OP_DELETE] = response_delete,
	[OP_COPY] = response_copy,
};

static response_fn *const steps[] = {
	[OBJECT_CREATE] = response_create,
	[OBJECT_PART] = response_part,
	[OBJECT_COMPLETE] = response_complete,
	[OBJECT_ABORT] = response_nothing,
};

enum object_next s3_response(struct object_op *op, struct err *err)
{
	(void)err;
	if (op->step != OBJECT_SINGLE)
		return steps[op->step](op);
	return singles[op->io->kind] ? singles[op->io->kind](op) : OBJECT_DONE;
}
