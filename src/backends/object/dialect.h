/* dialect: what a store that speaks HTTP says of itself, and what it is given to say it with. Private to
 * backends/object/. */
#pragma once

#include <string.h>

#include "backends/object/object.h"
#include "backends/object/page.h"

/* Error of a store: what its body and fields say. */
struct object_error {
	char code[64];       /* "NoSuchBucket", "AuthenticationFailed"; "" when unknown */
	char message[200];   /* the store's own words, without control characters */
	enum op_error error; /* class by code; OP_OK: by status alone */
	bool retry;          /* worth another attempt: throttling, 5xx, time-outs */
	bool renewed; /* other credentials, or op->place anew (a bucket's region), were found: the
		       * request goes out once more, which is no attempt */
	const char *hint; /* what to do, or NULL: "is the region right?" */
};

/* A store's dialect: one file or two each, entered in the backend table by OBJECT_BACKEND. */
struct store {
	uint64_t put_max; /* larger puts become multipart by themselves */
	uint64_t part_min, part_default;
	uint32_t parts_max;
	/* A status beyond 2xx that response reads (308: an upload that is not whole yet), or 0. */
	int also_ok;
	size_t state_size, thread_size;
	/* A redirect is followed to other hosts too: what proves who we are cannot be used there by
	 * somebody else. False (tokens, SAS): it must stay on the host. */
	bool redirects_abroad;

	/* Certificates that servers are verified with where options name none: 1 with PEM (malloc), 0: the
	 * machine's, -1 with err; NULL: the machine's. */
	int (*find_ca)(const struct cloud_env *env, char **ret_pem, struct err *err);

	/* Finds credentials (cloud_env_own) and endpoint defaults. -1 with err, which says what to set. */
	int (*job_init)(struct object_job *job, struct err *err);
	void (*job_fini)(struct object_job *job);
	int (*thread_init)(struct object_thread *t, struct err *err);
	void (*thread_fini)(struct object_thread *t);

	/* Where uri is (a URI of the scheme; key stays the URI's, all else outlives the op). Called for
	 * every op: what was found for a bucket is kept. -1 with err. */
	int (*place)(struct object_job *job, const char *uri, struct object_place *ret,
		struct err *err);
	/* The first step of op->io: OBJECT_SINGLE or OBJECT_CREATE, with at, part, part_size and parts_n
	 * (object_plan_parts). All of them are 0 before, step is OBJECT_SINGLE. */
	void (*begin)(struct object_op *op);
	/* Writes the request of op->step: op->head and head_len, ex.is_head, ex.body_size with ex.piece
	 * (object_content: content from op->at on; object_text: op->text), ex.keep where the body of a 2xx
	 * is wanted in op->answer (at most OBJECT_BODY_MAX; set op->answer.max for more), ex.once,
	 * ex.expects_continue. Before: all of ex's request is zero but server (object_target's), user and body; op->head_len
	 * is 0, op->answer empty. -1 with err: the op fails (no token to be had, a head that does not fit).
	 * Called again for every attempt. */
	int (*request)(struct object_op *op, struct err *err);
	/* A response with a status of 2xx (ex.status), body in op->answer where asked. Sets what it says
	 * (io->entries; token, parts, at). The common side sets io->bytes of gets, puts and copies, looks
	 * for short bodies, counts pages (each response of OP_LIST is one). A response that makes no sense:
	 * object_fail and OBJECT_DONE; err needs not be set. */
	enum object_next (*response)(struct object_op *op, struct err *err);
	/* Reads any other response: ret comes with the class and retry that the status alone gives; codes
	 * and words of the body say more. */
	void (*error)(struct object_op *op, struct object_error *ret);
	object_page_fn *page;
	/* As request: whether the bucket is there and may be listed: a list of one entry below
	 * op->place.key. */
	int (*probe)(struct object_op *op, struct err *err);
};

/* --- for stores */

/* Fails an op: class and words, in front of which "GET URI: " is put. */
void object_fail(struct object_op *op, enum op_error error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* What a status alone says: class and retry. */
void object_error_of_status(int status, struct object_error *ret);
/* What a store's own code says beyond the status it comes with. */
struct object_code {
	const char *code;
	enum op_error error; /* OP_OK: the status' class */
	bool retry;
	const char *hint;
};
/* The entry of codes, which ends with a NULL code, for a code; NULL: there is none. */
const struct object_code *object_code_of(
	const struct object_code *codes, const char *code);
/* Class, retry and hint of ret->code, where codes has it. */
void object_error_by_code(const struct object_code *codes, struct object_error *ret);
/* A put that goes in parts: step CREATE, part 1, at 0, part_size (io's or the store's default, larger where
 * parts_max asks for it), parts_n. */
void object_plan_parts(struct object_op *op);
/* The bytes of the part at hand. */
uint64_t object_part_bytes(const struct object_op *op);

/* ex.piece: content of the object that io describes, from op->at on. */
http_piece_fn object_content;
/* ex.piece: op->text. */
http_piece_fn object_text;
/* The dates of now, made once a second: t->date_amz, t->date_http; returns seconds since 1970. */
uint64_t object_dates(struct object_thread *t);
/* Appends to op->head; false when it does not fit. */
bool object_head(struct object_op *op, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static inline bool object_head_bytes(struct object_op *op, const void *bytes, size_t len)
{
	if (len >= OBJECT_HEAD_MAX - op->head_len)
		return false;
	memcpy(op->head + op->head_len, bytes, len);
	op->head_len += len;
	return true;
}
/* Appends text percent-encoded (encode_uri). */
bool object_head_encoded(
	struct object_op *op, const char *text, size_t len, bool keep_slash);
/* The endpoint of "scheme://host[:port][/base]" (http or https), or of a bare "host:port" with tls said;
 * entered once and kept. NULL with err. */
struct object_endpoint {
	struct object_endpoint *next;
	char *name; /* as given */
	char *host; /* value of Host */
	char *base;
	char *hostname; /* without port and brackets */
	uint16_t port;
	bool tls;
	bool asked_tls;  /* what it was entered with */
	uint32_t server; /* of the space, or UINT32_MAX before object_endpoint_server */
};
struct object_endpoint *object_endpoint(
	struct object_job *job, const char *url, size_t len, bool tls, struct err *err);
/* Whether a host of a URI, [0..len) with its port, speaks TLS: as the job's endpoint does, or NULL, by the
 * port. */
bool object_guess_tls(const char *endpoint, const char *host, size_t len);
/* Its index in the space, found once. -1 with err. */
int object_endpoint_server(struct object_job *job, struct object_endpoint *e,
	uint32_t *ret, struct err *err);
/* Sets server, host, tls and base of a place. -1 with err. */
int object_place_at(struct object_job *job, struct object_endpoint *e,
	struct object_place *place, struct err *err);
/* The response to a delete of several that went as a batch (batch.h): how many are gone, and whether all are. */
enum object_next object_batch_done(struct object_op *op);
/* The response to a list: counts the page of op->answer and takes its token. */
enum object_next object_page_done(struct object_op *op);
/* Adds a remark (backend.remark), once. */
void object_remark(struct object_job *job, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* One request outside the measured path, from any thread: url is absolute ("http://169.254.169.254/..."),
 * fields "Name: value\r\n" each or "", body NULL or text. The status, with the body in answer; -1 with err
 * (no response). For metadata services and token endpoints: https:// goes the way of the job (proxy,
 * certificates), http:// straight. */
int object_fetch(struct object_job *job, const char *method, const char *url,
	const char *fields, const char *body, struct buf *answer, uint64_t timeout_ns,
	struct err *err);
