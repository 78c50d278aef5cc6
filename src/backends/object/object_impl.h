/* object_impl: what the files of the common side share, and stores do not see. */
#pragma once

#include "backends/object/dialect.h"
#include "backends/object/object_backend.h"

/* Bytes of stamped content at a time: enough for a send, small enough to stay in cache. */
#define OBJECT_STAMPED (64u * 1024u)

/* What an op outside the measured path has beside its io. */
struct object_extra {
	struct err *why;  /* takes the whole of an error, which error_text cuts */
	bool probe;       /* the request is store->probe's, and a 2xx is its answer */
	struct buf *body; /* takes a 2xx body */
	/* each object of a list's pages */
	list_fn *fn;
	void *user;
	const char *bucket_uri;
};

/* object_endpoint.c */
void object_endpoints_free(struct object_job *job);
/* An endpoint of its own, in no list; free with object_endpoint_free. NULL with err. */
struct object_endpoint *object_endpoint_parse(
	const char *url, size_t len, bool tls, struct err *err);
void object_endpoint_free(struct object_endpoint *e);

/* object_op.c: an op as a sequence of requests, however these are carried out.
 *
 * object_op_begin, then the caller carries ex out and says object_op_ended, until one of them answers
 * false: the op is finished, io has its outcome. When they answer true and op->again_ns is set, the
 * caller waits until then and says object_op_request before. */
struct object_op *object_op_take(struct object_thread *t, struct io *io);
void object_op_give(struct object_op *op);
void object_ops_free(struct object_thread *t);
bool object_op_begin(struct object_op *op);
bool object_op_request(struct object_op *op);
bool object_op_ended(struct object_op *op);

/* object_list.c: the page of a listing outside the measured path (op->extra): its fn is called for each object. 1:
 * there are more pages (op->token), 0: that was the last, or fn wants no more, or -1 with err. */
int object_page_tell(struct object_op *op, struct err *err);

/* object_error.c: what a response, or its absence, means. */
void object_error_of_http(const struct object_op *op, struct object_error *ret);
/* Writes io->error and error_text. */
void object_error_set(struct object_op *op, const struct object_error *e);
/* Puts what failed in front of a reason: "cannot list s3://b/p/ at http://host:port: 403 AccessDenied". -1. */
int object_cannot(
	struct object_job *job, const char *what, const char *uri, struct err *err);
/* Retry-After of the response; 0: none. */
uint64_t object_error_wait_ns(const struct object_op *op);

/* object_redirect.c: whether the response sends the request elsewhere; op->place is set for it. -1: it does,
 * to where it must not go: io has the error. */
int object_redirect(struct object_op *op);

/* object_control.c: an op outside the measured path, one at a time. 0, or -1 with err; io->error has the
 * class. content: of a put of size bytes, or NULL. */
int object_control_run(struct object_job *job, struct io *io, const char *content,
	struct object_extra *extra, struct err *err);
void object_control_free(struct object_job *job);
/* object_orphan.c: an op is given up whose upload the store still has (object_settle takes it back). */
void object_orphan_leave(struct object_op *op);

/* object_thread.c: the parts of object_thread_init that job->control has too. */
int object_thread_begin(
	struct object_job *job, struct object_thread *t, void *user, struct err *err);
