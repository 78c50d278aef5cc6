/* object_error: what a response, or its absence, means: class, worth of another attempt, and one line that
 * says it. */
#include "backends/object/object.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/object/batch.h"
#include "backends/object/object_impl.h"
#include "cloud/encode.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/text.h"
#include "common/units.h"

/* Clocks that differ by more than this are said to; stores refuse 15 minutes. */
#define SKEW_S 240

static const struct {
	enum op_error error;
	bool retry;
} http_classes[HTTP_FAILS] = {
	[HTTP_OK] = {OP_ERR_OTHER, false},
	[HTTP_FAIL_RESOLVE] = {OP_ERR_NETWORK, true},
	[HTTP_FAIL_CONNECT] = {OP_ERR_NETWORK, true},
	[HTTP_FAIL_CONNECT_TIMEOUT] = {OP_ERR_TIMEOUT, true},
	[HTTP_FAIL_TLS] = {OP_ERR_NETWORK, false},
	[HTTP_FAIL_PROXY] = {OP_ERR_NETWORK, true},
	[HTTP_FAIL_FIRST_BYTE_TIMEOUT] = {OP_ERR_TIMEOUT, true},
	[HTTP_FAIL_STALL_TIMEOUT] = {OP_ERR_TIMEOUT, true},
	[HTTP_FAIL_RESET] = {OP_ERR_NETWORK, true},
	[HTTP_FAIL_SHORT] = {OP_ERR_SHORT, true},
	[HTTP_FAIL_MALFORMED] = {OP_ERR_NETWORK, false},
	[HTTP_FAIL_CANCELLED] = {OP_ERR_TIMEOUT, false},
	[HTTP_FAIL_MEMORY] = {OP_ERR_OTHER, false},
};

static const struct status_class {
	int status;
	enum op_error error;
	bool retry;
	const char *words;
} status_classes[] = {
	{301, OP_ERR_OTHER, false, "Moved Permanently"},
	{302, OP_ERR_OTHER, false, "Found"},
	{304, OP_ERR_OTHER, false, "Not Modified"},
	{307, OP_ERR_OTHER, false, "Temporary Redirect"},
	{308, OP_ERR_OTHER, false, "Permanent Redirect"},
	{400, OP_ERR_OTHER, false, "Bad Request"},
	{401, OP_ERR_DENIED, false, "Unauthorized"},
	{403, OP_ERR_DENIED, false, "Forbidden"},
	{404, OP_ERR_NOT_FOUND, false, "Not Found"},
	{405, OP_ERR_OTHER, false, "Method Not Allowed"},
	{408, OP_ERR_TIMEOUT, true, "Request Timeout"},
	{409, OP_ERR_EXISTS, false, "Conflict"},
	{410, OP_ERR_NOT_FOUND, false, "Gone"},
	{411, OP_ERR_OTHER, false, "Length Required"},
	{412, OP_ERR_EXISTS, false, "Precondition Failed"},
	{413, OP_ERR_OTHER, false, "Content Too Large"},
	{416, OP_ERR_SHORT, false, "Range Not Satisfiable"},
	{429, OP_ERR_THROTTLED, true, "Too Many Requests"},
	{500, OP_ERR_IO, true, "Internal Server Error"},
	{501, OP_ERR_OTHER, false, "Not Implemented"},
	{502, OP_ERR_IO, true, "Bad Gateway"},
	{503, OP_ERR_THROTTLED, true, "Service Unavailable"},
	{504, OP_ERR_TIMEOUT, true, "Gateway Timeout"},
	{507, OP_ERR_NO_SPACE, false, "Insufficient Storage"},
};

/* Prints; what does not fit is cut. */
static void __attribute__((format(printf, 3, 4)))
print_cut(char *out, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(out, size, fmt, ap) < 0)
		out[0] = '\0';
	va_end(ap);
}

static const struct status_class *class_of(int status)
{
	for (size_t i = 0; i < sizeof(status_classes) / sizeof(status_classes[0]); i++)
		if (status_classes[i].status == status)
			return &status_classes[i];
	return NULL;
}

void object_error_of_status(int status, struct object_error *ret)
{
	const struct status_class *c = class_of(status);

	ret->error = status >= 500 ? OP_ERR_IO : OP_ERR_OTHER;
	ret->retry = status >= 500;
	if (c) {
		ret->error = c->error;
		ret->retry = c->retry;
	}
}

const struct object_code *object_code_of(
	const struct object_code *codes, const char *code)
{
	while (codes->code && strcmp(codes->code, code) != 0)
		codes++;
	return codes->code ? codes : NULL;
}

void object_error_by_code(const struct object_code *codes, struct object_error *ret)
{
	const struct object_code *c = object_code_of(codes, ret->code);

	if (!c)
		return;
	ret->error = c->error ? c->error : ret->error;
	ret->retry = c->retry;
	ret->hint = c->hint;
}

void object_error_of_http(const struct object_op *op, struct object_error *ret)
{
	const struct http_exchange *ex = &op->ex;
	const struct object_place *place = op->io->kind == OP_COPY ? &op->to : &op->place;

	ret->error = http_classes[ex->fail].error;
	ret->retry = http_classes[ex->fail].retry;
	if (ex->fail == HTTP_FAIL_CANCELLED)
		print_cut(ret->message, sizeof(ret->message), "given up");
	else
		print_cut(ret->message, sizeof(ret->message), "%s://%.80s: %s",
			place->tls ? "https" : "http", place->host,
			ex->text[0] ? ex->text : http_fail_names[ex->fail]);
}

uint64_t object_error_wait_ns(const struct object_op *op)
{
	uint64_t seconds, at_s, now_s = clock_wall_ns() / NS_PER_SEC;
	const char *value;
	char text[64];
	size_t len;

	if (op->ex.fail != HTTP_OK)
		return 0;
	if (http_header_u64(&op->ex, "retry-after", &seconds))
		return seconds < 1000000 ? seconds * NS_PER_SEC : 0;
	value = http_header(&op->ex, "retry-after", &len);
	if (!value || len >= sizeof(text))
		return 0;
	memcpy(text, value, len);
	text[len] = '\0';
	if (!decode_time(text, &at_s) || at_s <= now_s)
		return 0;
	return (at_s - now_s) * NS_PER_SEC;
}

/* How far this machine's clock is from the store's, when that is what a refusal may come from. */
static bool describe_skew(const struct http_exchange *ex, char *out, size_t size)
{
	uint64_t theirs, ours = clock_wall_ns() / NS_PER_SEC, apart;
	char text[64];
	size_t len;
	const char *date = http_header(ex, "date", &len);

	if (!date || len >= sizeof(text))
		return false;
	memcpy(text, date, len);
	text[len] = '\0';
	if (!decode_time(text, &theirs))
		return false;
	apart = ours > theirs ? ours - theirs : theirs - ours;
	if (apart < SKEW_S)
		return false;
	print_cut(out, size, "this host's clock is %s %s the store's: set it",
		units_duration(apart * NS_PER_SEC).s,
		ours > theirs ? "ahead of" : "behind");
	return true;
}

/* "403 AccessDenied", or nothing when there was no response. */
static void describe_status(
	const struct http_exchange *ex, const char *code, char *out, size_t size)
{
	const struct status_class *c = class_of(ex->status);
	const char *words = code[0] ? code : c ? c->words : "";

	print_cut(out, size, "%d%s%s", ex->status, words[0] ? " " : "", words);
}

void object_error_set(struct object_op *op, const struct object_error *e)
{
	const struct http_exchange *ex = &op->ex;
	const bool answered = ex->fail == HTTP_OK;
	char status[80] = "", hint[160] = "";
	struct object_error plain = *e;

	if (answered)
		describe_status(ex, e->code, status, sizeof(status));
	if (e->hint)
		print_cut(hint, sizeof(hint), "%s", e->hint);
	if (answered && (ex->status == 403 || ex->status == 401))
		describe_skew(ex, hint, sizeof(hint));
	text_sanitize_inplace(plain.message);
	text_sanitize_inplace(status);
	/* what the store said, and what to do: the latter is what must not be cut off */
	if (op->extra && op->extra->why)
		err_set(op->extra->why, ERR_FAILED, "%s%s%s%s%s%s", status,
			status[0] && plain.message[0] ? ": " : "", plain.message,
			hint[0] ? " (" : "", hint, hint[0] ? ")" : "");
	object_fail(op, e->error ? e->error : OP_ERR_OTHER, "%s%s%s%s%s%s", status,
		hint[0] ? " (" : "", hint, hint[0] ? ")" : "",
		status[0] && plain.message[0] ? ": " : "", plain.message);
}

enum object_next object_batch_done(struct object_op *op)
{
	const struct batch_tally t = batch_count(op->answer.data, op->answer.len);
	const uint64_t all = (uint64_t)op->io->n_more + 1;

	op->io->entries = t.good;
	if (t.failed)
		return OBJECT_FAILED;
	if (t.good != all)
		object_fail(op, OP_ERR_OTHER,
			"%" PRIu64 " of %" PRIu64 " objects are in the response", t.good,
			all);
	return OBJECT_DONE;
}

void object_fail(struct object_op *op, enum op_error error, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	io_fail(op->io, error, "%s", text);
	if (op->extra && op->extra->why && !op->extra->why->text[0])
		err_set(op->extra->why, ERR_FAILED, "%s", text);
}

int object_cannot(
	struct object_job *job, const char *what, const char *uri, struct err *err)
{
	struct object_place place = {0};
	struct err ignored = ERR_INIT;
	char shown[300];

	print_cut(shown, sizeof(shown), "%s", uri);
	text_sanitize_inplace(shown);
	/* who cannot be reached is named by the error itself */
	if (text_starts_with(err->text, "http") ||
		job->store->place(job, uri, &place, &ignored) < 0)
		return err_prefix(err, "cannot %s %s", what, shown);
	return err_prefix(err, "cannot %s %s at %s://%.200s%.100s", what, shown,
		place.tls ? "https" : "http", place.host, place.base);
}
