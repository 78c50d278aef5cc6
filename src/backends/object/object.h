/* object: objects in a store that speaks HTTP: what S3, Azure Blob and Google Cloud Storage have in common.
 * Private to backends/object/.
 *
 * An op is one HTTP exchange or several, one after the other (pages of a list, parts of an upload). A *store*
 * (dialect.h: s3.c, azure.c, gcs.c) says what each exchange of an op is and reads its response; this side owns
 * slots, exchanges, retries, redirects, times and error classes.
 *
 * Nothing is allocated per op but by lists and multipart uploads, whose requests cost far more. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/io.h"
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
	uint32_t tries;    /* of the request at hand */
	uint64_t again_ns; /* waits for its next try until then; 0: it does not wait */
	/* request body of the step: content of the object from `at` on, or text */
	uint64_t at;      /* offset in the object: bytes of parts that are done */
	uint64_t checked; /* io->verify: bytes of the response that were looked at */
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
	uint8_t *stamped; /* content that is not in place: one piece; made on first use */
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
	struct io_list done;              /* finished outside http_wait */
	struct rng rng;                   /* jitter */
	/* the second that dates were made for, and how they look */
	uint64_t date_s;
	char date_amz[17], date_http[30];
	bool cancelled;
};
