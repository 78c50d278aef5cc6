/* azure_response: what Azure's responses mean: pages, copies that take their time, errors and what to do about
 * them. */
#include "backends/object/azure.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/object/azure_xml.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/text.h"
#include "common/units.h"

/* A copy that is pending is looked at again after this. */
#define COPY_POLL_NS (100 * NS_PER_MS)

/* --- responses */

static bool header_is(const struct object_op *op, const char *name, const char *want)
{
	size_t len;
	const char *value = http_header(&op->ex, name, &len);

	return value && len == strlen(want) && memcmp(value, want, len) == 0;
}

/* Of the copy itself, and of looking at it again. */
static enum object_next response_copy(struct object_op *op)
{
	size_t len = 0;
	const char *why;

	if (header_is(op, "x-ms-copy-status", "pending")) {
		op->step = OBJECT_COMPLETE;
		op->again_ns = clock_ns() + COPY_POLL_NS;
		return OBJECT_AGAIN;
	}
	if (header_is(op, "x-ms-copy-status", "failed") ||
		header_is(op, "x-ms-copy-status", "aborted")) {
		why = http_header(&op->ex, "x-ms-copy-status-description", &len);
		object_fail(
			op, OP_ERR_IO, "the copy failed: %.*s", (int)len, why ? why : "");
	}
	return OBJECT_DONE;
}

static enum object_next response_part(struct object_op *op)
{
	op->at += op->ex.body_size;
	if (op->at < op->io->size)
		op->part++;
	else
		op->step = OBJECT_COMPLETE;
	return OBJECT_AGAIN;
}

enum object_next azure_response(struct object_op *op, struct err *err)
{
	(void)err;
	if (op->step == OBJECT_PART)
		return response_part(op);
	switch (op->io->kind) {
	case OP_LIST:
		return object_page_done(op);
	case OP_COPY:
		return response_copy(op);
	case OP_DELETE:
		return op->io->n_more ? object_batch_done(op) : OBJECT_DONE;
	default:
		return OBJECT_DONE;
	}
}

/* --- errors */

/* "Azure Blob Storage error codes" and "Common REST API error codes". */
static const struct object_code codes[] = {
	{"AccountBeingCreated", OP_ERR_OTHER, true, NULL},
	{"AccountIsDisabled", OP_ERR_DENIED, false, "the account is switched off"},
	{"AuthenticationFailed", OP_ERR_DENIED, false, NULL},
	{"AuthorizationFailure", OP_ERR_DENIED, false, NULL},
	{"AuthorizationPermissionMismatch", OP_ERR_DENIED, false,
		"the SAS token does not permit this operation"},
	{"AuthorizationProtocolMismatch", OP_ERR_DENIED, false,
		"the SAS token is for https:// alone"},
	{"AuthorizationResourceTypeMismatch", OP_ERR_DENIED, false,
		"the SAS token is not for this kind of resource"},
	{"AuthorizationSourceIPMismatch", OP_ERR_DENIED, false,
		"the SAS token is for other addresses"},
	{"BlobAlreadyExists", OP_ERR_EXISTS, false, NULL},
	{"BlobNotFound", OP_ERR_NOT_FOUND, false, NULL},
	{"CannotVerifyCopySource", OP_ERR_DENIED, false,
		"the store cannot read the source of the copy"},
	{"ContainerBeingDeleted", OP_ERR_NOT_FOUND, false,
		"the container is being deleted"},
	{"ContainerNotFound", OP_ERR_NOT_FOUND, false,
		"make the container first: muster makes none"},
	{"InsufficientAccountPermissions", OP_ERR_DENIED, false, NULL},
	{"InternalError", OP_ERR_IO, true, NULL},
	{"InvalidAuthenticationInfo", OP_ERR_DENIED, false, NULL},
	{"InvalidRange", OP_ERR_SHORT, false, NULL},
	{"InvalidResourceName", OP_ERR_OTHER, false,
		"containers have 3 to 63 letters in lower case, digits and dashes"},
	{"Md5Mismatch", OP_ERR_CORRUPT, false, NULL},
	{"NoAuthenticationInformation", OP_ERR_DENIED, false,
		"the container cannot be read without credentials"},
	{"OperationTimedOut", OP_ERR_TIMEOUT, true, NULL},
	{"PublicAccessNotPermitted", OP_ERR_DENIED, false,
		"the account cannot be read without credentials"},
	{"ResourceNotFound", OP_ERR_NOT_FOUND, false, NULL},
	{"ServerBusy", OP_ERR_THROTTLED, true, NULL},
	{.code = NULL},
};

/* Why a signature may have been refused; in the thread's memory. */
static const char *denied_hint(const struct object_op *op)
{
	const struct azure_credentials *c = &azure_job_of(op)->credentials;
	struct azure_thread *t = op->thread->state;

	if (c->key)
		snprintf(t->hint, sizeof(t->hint),
			"is the key of %s that of account '%.*s'?", c->origin,
			(int)op->place.account_len, op->place.account);
	else if (c->sas)
		snprintf(t->hint, sizeof(t->hint),
			"has the SAS token of %s ended, or is it for something else?",
			c->origin);
	else
		return NULL;
	return t->hint;
}

/* The code stands in a field too, which is all that a HEAD has. */
static void code_of_header(const struct object_op *op, char out[64])
{
	size_t len;
	const char *code = http_header(&op->ex, "x-ms-error-code", &len);

	if (!code || !len)
		return;
	if (len > 63)
		len = 63;
	memcpy(out, code, len);
	out[len] = '\0';
}

/* The first line of the message, behind which come ids, and what is said of a SAS's times; not the string to
 * sign. */
static void set_message(const struct azure_fault *f, struct object_error *ret)
{
	int len = (int)strcspn(f->message, "\r\n");

	if (*f->detail && !text_starts_with(f->detail, "The MAC signature"))
		snprintf(ret->message, sizeof(ret->message), "%.*s %.*s",
			len < 90 ? len : 90, f->message, 100, f->detail);
	else
		snprintf(ret->message, sizeof(ret->message), "%.*s", len, f->message);
	text_sanitize_inplace(ret->message);
}

void azure_error(struct object_op *op, struct object_error *ret)
{
	struct azure_fault f;

	if (op->ex.status / 100 == 2) {
		object_error_of_status(azure_batch_fault(op, &f), ret);
	} else {
		azure_fault_parse(
			op->answer.data ? op->answer.data : "", op->answer.len, &f);
		code_of_header(op, f.code);
	}
	snprintf(ret->code, sizeof(ret->code), "%s", f.code);
	text_sanitize_inplace(ret->code);
	set_message(&f, ret);
	object_error_by_code(codes, ret);
	if (ret->error == OP_ERR_DENIED && !ret->hint)
		ret->hint = denied_hint(op);
}
