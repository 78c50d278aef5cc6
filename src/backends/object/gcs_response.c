/* gcs_response: what the JSON API's responses mean: pages, sessions of uploads, rewrites, errors and what to do
 * about them. */
#include "backends/object/gcs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/object/batch.h"
#include "backends/object/gcs_json.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"

#define RESUME_INCOMPLETE 308

/* --- responses */

static enum object_next unreadable(
	struct object_op *op, const char *what, const struct err *why)
{
	object_fail(op, OP_ERR_OTHER, "%s cannot be read: %s", what, why->text);
	return OBJECT_DONE;
}

static enum object_next response_copy(struct object_op *op)
{
	struct err err = ERR_INIT;
	char *token = NULL;
	bool done;

	if (gcs_rewrite_parse(op->answer.data, op->answer.len, &done, &token, &err) < 0)
		return unreadable(op, "the rewrite's answer", &err);
	free(op->token);
	op->token = token;
	return done ? OBJECT_DONE : OBJECT_AGAIN;
}

/* The session is a URL of the store that we are talking to, and only its path counts: emulators behind another
 * address than they know tell one that leads nowhere. */
static enum object_next response_create(struct object_op *op)
{
	size_t len = 0;
	const char *url = http_header(&op->ex, "location", &len), *path;

	path = url ? memmem(url, len, "://", 3) : NULL;
	path = path ? memchr(path + 3, '/', len - (size_t)(path + 3 - url)) : url;
	free(op->token);
	op->token =
		path && *path == '/' ? strndup(path, len - (size_t)(path - url)) : NULL;
	if (!op->token || strpbrk(op->token, " \t")) {
		object_fail(op, OP_ERR_OTHER,
			"the store began an upload and did not say where it goes on");
		return OBJECT_DONE;
	}
	op->step = OBJECT_PART;
	return OBJECT_AGAIN;
}

/* What the store has of an upload that is not whole: "bytes=0-N"; without a Range nothing. */
static bool read_progress(const struct object_op *op, uint64_t *ret)
{
	size_t len;
	const char *range = http_header(&op->ex, "range", &len);
	char text[40], *end;
	uint64_t last;

	*ret = 0;
	if (!range)
		return true;
	if (len >= sizeof(text) || len < 9 || memcmp(range, "bytes=0-", 8) != 0)
		return false;
	memcpy(text, range + 8, len - 8);
	text[len - 8] = '\0';
	last = strtoull(text, &end, 10);
	if (*end || last >= op->io->size)
		return false;
	*ret = last + 1;
	return true;
}

static enum object_next response_part(struct object_op *op)
{
	uint64_t have;

	if (op->ex.status != RESUME_INCOMPLETE)
		return OBJECT_DONE;
	/* no step forward: an error, so that this cannot go on for ever */
	if (!read_progress(op, &have) || have <= op->at)
		return OBJECT_FAILED;
	op->at = have;
	op->part++;
	return OBJECT_AGAIN;
}

static enum object_next response_delete(struct object_op *op)
{
	return op->io->n_more ? object_batch_done(op) : OBJECT_DONE;
}

/* Of the first request of a batch that failed: its status. */
static int batch_fault(const struct object_op *op, struct gcs_fault *ret)
{
	struct batch_tally t = batch_count(op->answer.data, op->answer.len);
	const char *json = memchr(t.text, '{', t.len),
		   *last = memrchr(t.text, '}', t.len);

	*ret = (struct gcs_fault){.reason = ""};
	if (json && last && json < last)
		gcs_fault_parse(json, (size_t)(last - json) + 1, ret);
	return t.failed;
}

enum object_next gcs_response(struct object_op *op, struct err *err)
{
	(void)err;
	if (op->step == OBJECT_CREATE)
		return response_create(op);
	if (op->step == OBJECT_PART)
		return response_part(op);
	switch (op->io->kind) {
	case OP_LIST:
		return object_page_done(op);
	case OP_COPY:
		return response_copy(op);
	case OP_DELETE:
		return response_delete(op);
	default:
		return op->ex.status == RESUME_INCOMPLETE ? OBJECT_FAILED : OBJECT_DONE;
	}
}

/* --- errors */

/* "HTTP status and error codes for JSON". */
static const struct object_code reasons[] = {
	{"accountDisabled", OP_ERR_DENIED, false, NULL},
	{"authError", OP_ERR_DENIED, false, NULL},
	{"backendError", OP_ERR_IO, true, NULL},
	{"conditionNotMet", OP_ERR_EXISTS, false, NULL},
	{"conflict", OP_ERR_EXISTS, false, NULL},
	{"forbidden", OP_ERR_DENIED, false, NULL},
	{"insufficientPermissions", OP_ERR_DENIED, false,
		"the token may read and not write"},
	{"internalError", OP_ERR_IO, true, NULL},
	{"notFound", OP_ERR_NOT_FOUND, false, NULL},
	{"rateLimitExceeded", OP_ERR_THROTTLED, true, NULL},
	{"requestedRangeNotSatisfiable", OP_ERR_SHORT, false, NULL},
	{"required", OP_ERR_OTHER, false, NULL},
	{"userProjectMissing", OP_ERR_DENIED, false,
		"the bucket wants a project that pays for requests"},
	{"userRateLimitExceeded", OP_ERR_THROTTLED, true, NULL},
	{.code = NULL},
};

/* The token was refused: with another one the request goes out again. */
static void refused(struct object_op *op, struct object_error *ret)
{
	struct gcs_job *g = op->thread->job->state;
	struct gcs_thread *t = op->thread->state;
	char trouble[160];

	ret->error = OP_ERR_DENIED;
	if (g->tokens && gcs_tokens_renew(g->tokens, op->credentials)) {
		ret->renewed = true;
		return;
	}
	if (g->tokens) {
		gcs_tokens_trouble(g->tokens, trouble, sizeof(trouble));
		if (*trouble)
			snprintf(t->hint, sizeof(t->hint), "%s", trouble);
		else
			snprintf(t->hint, sizeof(t->hint), "it refuses the token of %s",
				g->credentials.origin ? g->credentials.origin
						      : "the metadata server");
	} else if (g->credentials.kind == GCS_TOKEN) {
		snprintf(t->hint, sizeof(t->hint), "has the token of %s ended?",
			g->credentials.origin);
	} else {
		snprintf(t->hint, sizeof(t->hint),
			"there are no credentials: GOOGLE_APPLICATION_CREDENTIALS names "
			"some");
	}
	ret->hint = t->hint;
}

void gcs_error(struct object_op *op, struct object_error *ret)
{
	struct gcs_fault fault;

	if (op->ex.status == RESUME_INCOMPLETE) {
		ret->error = OP_ERR_IO;
		ret->retry = true;
		snprintf(ret->message, sizeof(ret->message),
			"the store took nothing of a part");
		return;
	}
	if (op->ex.status / 100 == 2) { /* of a batch */
		object_error_of_status(batch_fault(op, &fault), ret);
	} else {
		gcs_fault_parse(
			op->answer.data ? op->answer.data : "", op->answer.len, &fault);
	}
	snprintf(ret->code, sizeof(ret->code), "%s", fault.reason);
	snprintf(ret->message, sizeof(ret->message), "%s", fault.message);
	text_sanitize_inplace(ret->code);
	text_sanitize_inplace(ret->message);
	object_error_by_code(reasons, ret);
	/* one reason is for both */
	if (ret->error == OP_ERR_NOT_FOUND && strstr(ret->message, "bucket"))
		ret->hint = "make the bucket first: muster never does";
	if (op->ex.status == 401)
		refused(op, ret);
}
