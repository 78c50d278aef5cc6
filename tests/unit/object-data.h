/* object-data: a job and a thread of an object store whose requests are looked at instead of sent, and responses
 * that are put into its ops by hand. */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "backends/object/object.h"
#include "backends/object/object_impl.h"
#include "check.h"
#include "common/err.h"

struct object_rig {
	const struct backend *backend;
	struct object_job job;
	struct object_thread thread;
	struct io io;
	struct object_op *op;
	uint8_t pool[128];
	struct data data;
	char head[OBJECT_HEAD_MAX]; /* of the last request, as one text */
	char response[4096];
};

static inline bool rig_begin(struct object_rig *r, const struct backend *backend,
	const struct store_options *options)
{
	struct backend_config cfg = {
		.concurrency = 1, .threads = 1, .store = options, .name = "unit"};
	struct err err = ERR_INIT;

	*r = (struct object_rig){.backend = backend};
	r->data = (struct data){.random = r->pool, .zero = r->pool, .size = 64};
	cfg.data = &r->data;
	if (!CHECK(backend->job_init(&r->job, &cfg, &err) == 0, "%s", err.text))
		return false;
	return CHECK(object_thread_begin(&r->job, &r->thread, NULL, &err) == 0, "%s",
		err.text);
}

static inline void rig_end(struct object_rig *r)
{
	object_thread_fini(&r->thread);
	r->backend->job_fini(&r->job);
}

/* Takes an op for r->io and finds its places. */
static inline bool rig_op(struct object_rig *r, const struct io *io)
{
	struct err err = ERR_INIT;

	r->io = *io;
	r->op = object_op_take(&r->thread, &r->io);
	if (!CHECK(r->op != NULL))
		return false;
	r->op->head_len = 0;
	if (!CHECK(r->job.store->place(&r->job, io->uri, &r->op->place, &err) == 0, "%s",
		    err.text))
		return false;
	if (io->to && !CHECK(r->job.store->place(&r->job, io->to, &r->op->to, &err) == 0,
			      "%s", err.text))
		return false;
	r->job.store->begin(r->op);
	return true;
}

/* What stands between begin and end, behind mark, becomes "*". */
static inline void rig_mask(char *text, const char *mark, const char *end)
{
	char *at = strstr(text, mark), *stop;

	while (at) {
		at += strlen(mark);
		stop = at + strcspn(at, end);
		memmove(at + 1, stop, strlen(stop) + 1);
		*at = '*';
		at = strstr(at, mark);
	}
}

/* Makes the request of the op's step. */
static inline const char *rig_request(struct object_rig *r)
{
	struct object_op *op = r->op;
	struct err err = ERR_INIT;

	op->ex.body_size = 0;
	op->ex.piece = NULL;
	op->ex.is_head = op->ex.keep = op->ex.expects_continue = false;
	op->head_len = 0;
	buf_clear(&op->answer);
	if (r->job.store->request(op, &err) < 0)
		snprintf(r->head, sizeof(r->head), "error: %s", err.text);
	else
		snprintf(r->head, sizeof(r->head), "%.*s", (int)op->head_len, op->head);
	return r->head;
}

/* Puts a response into the op. fields: "Name: value\r\n" each. */
static inline void rig_answer(
	struct object_rig *r, int status, const char *fields, const char *body)
{
	struct http_exchange *ex = &r->op->ex;
	int n = snprintf(r->response, sizeof(r->response), "HTTP/1.1 %d X\r\n%s\r\n",
		status, fields);

	ex->fail = HTTP_OK;
	ex->status = status;
	ex->response = r->response;
	ex->response_len = (size_t)n;
	buf_clear(&r->op->answer);
	CHECK(buf_puts(&r->op->answer, body) == 0);
}

/* What the store makes of one that is good, and of one that is an error. */
static inline enum object_next rig_response(
	struct object_rig *r, int status, const char *fields, const char *body)
{
	struct err err = ERR_INIT;

	rig_answer(r, status, fields, body);
	return r->job.store->response(r->op, &err);
}

/* The objects of the page that was answered last: what object_page_tell returns. */
static inline int rig_tell(
	struct object_rig *r, const char *bucket_uri, list_fn *fn, void *user)
{
	struct object_extra extra = {.fn = fn, .user = user, .bucket_uri = bucket_uri};
	struct err err = ERR_INIT;
	int rc;

	r->op->extra = &extra;
	rc = object_page_tell(r->op, &err);
	r->op->extra = NULL;
	CHECK(rc >= 0, "%s", err.text);
	return rc;
}

static inline struct object_error rig_error(
	struct object_rig *r, int status, const char *fields, const char *body)
{
	struct object_error e = {.error = OP_OK};

	rig_answer(r, status, fields, body);
	object_error_of_status(status, &e);
	r->job.store->error(r->op, &e);
	return e;
}
