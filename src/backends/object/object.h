/* object: objects in a store that speaks HTTP: what S3, Azure Blob and Google Cloud Storage have in common.
 * Private to backends/object/.
 *
 * An op is one HTTP exchange or several, one after the other (pages of a list, parts of an upload). A
 * *store* (store.h's struct store: s3.c, azure.c, gcs.c) says what each exchange of an op is and reads its
 * response; this side owns slots, exchanges, retries, redirects, times and error classes.
 *
 * Nothing is allocated per op but by lists and multipart uploads, whose requests cost far more. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/backend.h"
#include "common/buf.h"
#include "common/rng.h"
#include "http/http.h"
#include "proto/store.h"

struct cloud_env;
struct err;
struct store;
struct object_extra;
struct object_orphan;
struct object_thread;

/* Room for request line and header fields. A key of 1,024 bytes may take 3 times that, twice for a copy. */
#define OBJECT_HEAD_MAX 16384
/* Error bodies and small objects. */
#define OBJECT_BODY_MAX (1u << 20)
/* A page of a list. */
#define OBJECT_PAGE_MAX (64u << 20)
#define OBJECT_REDIRECTS_MAX 5
#define OBJECT_RANGE_MAX 64

/* Where an object is. The texts lie in the URI (or the endpoint) and are not terminated; nothing in them is
 * encoded. */
struct object_place {
	uint32_t server; /* of the space */
	const char
		*host; /* value of Host, with the port where it is not the scheme's own */
	bool tls;
	const char *
		base; /* path of the endpoint before the bucket: "" or "/devstoreaccount1" */
	const char *bucket; /* bucket, or container of az */
	size_t bucket_len;
	const char *account; /* az: account of the URI; "" elsewhere */
	size_t account_len;
	const char *key; /* may be empty */
	size_t key_len;
	bool bucket_in_host; /* virtual-host style: host begins with the bucket */
	const void *own;     /* of the store: what it knows of the bucket */
};

struct object_job {
	struct backend_config cfg;
	const struct store *store;
	struct store_options options; /* a copy */
	struct http_space *http;
	void *state; /* store->state_size bytes: credentials, tokens; guarded by itself */
	pthread_mutex_t control_lock;  /* one at a time: checks, lists, small objects */
	struct object_thread *control; /* for these: made on first use */
	pthread_mutex_t lock;          /* of all below; held for moments */
	char **remarks;
	size_t n_remarks;
	/* endpoints that URIs named so far, in a list that only grows (atomic head) */
	struct object_endpoint *endpoints;
	uint32_t n_endpoints;
	struct http_space
		*direct;   /* without proxy: metadata services; made on first use */
	uint64_t *checked; /* hashes of what check has found good: see object_check.c */
	size_t n_checked;
	struct object_orphan *orphans; /* uploads that were cut off */
};

enum object_step {
	OBJECT_SINGLE, /* get, put, stat, delete, copy, a page of a list */
	OBJECT_CREATE, /* of a multipart upload */
	OBJECT_PART,
	OBJECT_COMPLETE,
	OBJECT_ABORT, /* after a failure in PART or COMPLETE; its outcome changes nothing (request: -1
		       * when there is nothing to abort) */
};

/* What an op does behind a response. */
enum object_next {
	OBJECT_DONE, /* the op is finished; io->error says how (object_fail) */
	OBJECT_AGAIN, /* another request: step, at and so on are set for it; at once, or at op->again_ns
		       * when the store has set that (a copy that takes its time) */
	OBJECT_FAILED, /* an error in spite of its status: read by store->error, as any other */
};

struct object_op {
	struct http_exchange ex; /* first */
	struct io *io;
	struct object_thread *thread;
	struct object_place place, to; /* to: of a copy */
	enum object_step step;
	uint8_t redirects;
	uint32_t tries;      /* of the request at hand */
	uint64_t again_ns;   /* waits for its next try until then; 0: it does not wait */
	uint64_t request_ns; /* when the request at hand began: pages */
	/* request body of the step: content of the object from `at` on, or text */
	uint64_t at; /* offset in the object: bytes of parts that are done */
	uint64_t part_size;
	uint32_t part;    /* from 1 */
	uint32_t parts_n; /* of a multipart upload or copy */
	bool failed; /* an upload that is being aborted: io has its first failure already */
	struct buf text; /* body that is text: XML, JSON */
	/* kept between steps; freed with the op */
	char *token; /* list: where the next page begins; multipart: upload id or session */
	struct buf parts;  /* multipart: what complete needs (etags) */
	struct buf answer; /* ex.body */
	uint32_t
		credentials; /* of the store: those that the request at hand was made with */
	char *head;          /* OBJECT_HEAD_MAX */
	size_t head_len;
	uint8_t *stamped; /* fill unique: one piece; made on first use */
	uint64_t
		stamped_at; /* the object's offset that it begins with; UINT64_MAX: none */
	const struct object_extra *extra; /* outside the measured path: object_impl.h */
	struct object_op *next, *next_of_all;
};

/* The place that the request at hand goes to. */
static inline struct object_place *object_target(struct object_op *op)
{
	return op->io->kind == OP_COPY ? &op->to : &op->place;
}

struct object_thread {
	struct object_job *job;
	struct http_client
		*http; /* NULL: job->control, whose exchanges go through http_fetch */
	const struct data *data; /* content of puts */
	void *user;              /* of backend_config.page */
	void *state;             /* store->thread_size bytes: signers */
	struct object_op *all;
	struct object_op *free, *waiting; /* waiting: for their again_ns */
	struct io *done, **done_tail;     /* finished outside http_wait */
	struct rng rng;                   /* jitter */
	/* the second that dates were made for, and how they look */
	uint64_t date_s;
	char date_amz[17], date_http[30];
	bool cancelled;
};

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
	const char *name;   /* as errors say it: "S3" */
	const char *scheme; /* "s3://" */
	unsigned ops;
	uint64_t put_max; /* larger puts become multipart by themselves */
	uint64_t part_min, part_default;
	uint32_t parts_max;
	uint32_t batch_max; /* objects of one delete request */
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
	/* Lists a page for list/cleanup/globs: calls fn for each object of op->answer (no prefixes). 1 more
	 * pages (token set), 0 that was the last (or fn wants no more), or -1 with err. URIs are bucket_uri,
	 * which ends with '/', and the key. */
	int (*entries)(struct object_op *op, const char *bucket_uri, list_fn *fn,
		void *user, struct err *err);
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
bool object_head_bytes(struct object_op *op, const void *bytes, size_t len);
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
/* The objects of a page, as store.entries tells them. Zero but for the first three. */
struct object_listing {
	const char *bucket_uri;
	list_fn *fn;
	void *user;
	struct buf uri;
	bool ended, no_memory;
};
/* One of them; listing is the struct. False ends the reading. A key with a NUL is passed over: no URI can name
 * it. */
bool object_listing_add(void *listing, const char *key, size_t len, uint64_t size);
/* The end of a page that was read with rc (and err): what store.entries returns. next, where the next page begins,
 * becomes op->token. */
int object_listing_end(struct object_listing *l, struct object_op *op, int rc, char *next,
	struct err *err);
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

/* The backend entry of a store: s3.c defines `backend_s3` with it. */
int object_job_init(void *job, const struct backend_config *cfg,
	const struct store *store, struct err *err);
void object_job_fini(void *job);
const char *object_remark_at(void *job, size_t i);
int object_check(void *job, enum op_kind kind, const char *uri, struct err *err);
int object_thread_init(void *job, void *thread, void *thread_user, struct err *err);
void object_submit(void *thread, struct io **ops, size_t n);
size_t object_wait(void *thread, struct io **done, size_t max, uint64_t deadline_ns);
void object_cancel(void *thread);
void object_thread_fini(void *thread);
void object_settle(void *job);
int object_list(void *job, const char *uri, list_fn *fn, void *user, struct err *err);
long object_read_small(
	void *job, const char *uri, char *out, size_t size, struct err *err);
int object_write_small(void *job, const char *uri, const char *text, struct err *err);
int object_remove_small(void *job, const char *uri, struct err *err);

extern const struct backend_option object_options[];

#define OBJECT_BACKEND(id, STORE, SUMMARY, SCHEMES, OPS, BATCH)                          \
	static int id##_job_init(                                                        \
		void *job, const struct backend_config *cfg, struct err *err)            \
	{                                                                                \
		return object_job_init(job, cfg, STORE, err);                            \
	}                                                                                \
	extern const struct backend backend_##id;                                        \
	const struct backend backend_##id = {                                            \
		.name = #id,                                                             \
		.schemes = SCHEMES,                                                      \
		.summary = SUMMARY,                                                      \
		.options = object_options,                                               \
		.ops = OPS,                                                              \
		.shared_default = true,                                                  \
		.batch_max = BATCH,                                                      \
		.job_size = sizeof(struct object_job),                                   \
		.thread_size = sizeof(struct object_thread),                             \
		.job_init = id##_job_init,                                               \
		.remark = object_remark_at,                                              \
		.check = object_check,                                                   \
		.thread_init = object_thread_init,                                       \
		.submit = object_submit,                                                 \
		.wait = object_wait,                                                     \
		.cancel = object_cancel,                                                 \
		.thread_fini = object_thread_fini,                                       \
		.settle = object_settle,                                                 \
		.job_fini = object_job_fini,                                             \
		.list = object_list,                                                     \
		.read_small = object_read_small,                                         \
		.write_small = object_write_small,                                       \
		.remove_small = object_remove_small,                                     \
	}
