/* s3: what the files of the S3 dialect share: what is known of buckets and credentials, which a job's threads
 * read without locks, and each thread's signers. */
#pragma once

#include <pthread.h>

#include "backends/object/dialect.h"
#include "cloud/credentials.h"
#include "cloud/mac.h"
#include "cloud/sigv4.h"

/* Stores take parts of 5 MiB to 5 GiB, 10,000 of them, and objects of 5 GiB in one piece. */
#define S3_PUT_MAX (UINT64_C(5) << 30)
#define S3_PART_MIN (UINT64_C(5) << 20)
#define S3_PART_DEFAULT (UINT64_C(8) << 20)
#define S3_PARTS_MAX 10000
#define S3_BATCH_MAX 1000
/* How often stores may say that a bucket is elsewhere: one that does so without end is not believed. */
#define S3_LEARNED_MAX 100
/* Of a copy that goes in parts. */
#define S3_COPY_PART (UINT64_C(512) << 20)

/* Credentials as they were found or fetched at one time. They stay until the job ends: who reads them takes no
 * lock. */
struct s3_keys {
	struct s3_keys *older;
	struct aws_credentials aws;
};

/* What is known of a bucket: entered with the first URI that names it, and anew when the store says that it is
 * elsewhere. The newest entry counts; all stay until the job ends. */
struct s3_bucket {
	struct s3_bucket *older;
	char *prefix; /* of URIs, behind the scheme: "bucket/", "host:9000/bucket/" */
	size_t prefix_len;
	char *region;
	struct object_place place; /* without a key */
};

struct s3_state {
	struct object_job *job;
	struct s3_keys *keys;      /* newest first (atomic); NULL: nothing is signed */
	struct s3_bucket *buckets; /* newest first (atomic) */
	uint32_t learned; /* entries of buckets that turned out elsewhere (atomic) */
	char *endpoint;   /* NULL: AWS, by region */
	char *region;     /* of buckets of which nobody says it */
	pthread_t renewer;
	bool renews; /* renewer runs */
	bool stops;
	pthread_mutex_t lock;
	pthread_cond_t changed;
};

#define S3_SIGNERS 8
/* Hashes of payloads by where in the pool they begin: a power of two. */
#define S3_HASHES 1024

struct s3_hash {
	uint64_t at, size;
	uint8_t fill;
	bool known;
	char hex[65];
};

struct s3_thread {
	struct {
		struct sigv4 *sigv4;
		const struct s3_keys *keys;
		const char *region;
	} signers[S3_SIGNERS];
	unsigned n_signers;
	struct mac *mac;
	struct s3_hash *hashes; /* made on first use */
};

/* s3_place.c */
int s3_place(struct object_job *job, const char *uri, struct object_place *ret,
	struct err *err);
/* The store says that the place's bucket is in another region than requests are signed for: sets place anew.
 * False: that is no news. */
bool s3_learn_region(
	struct object_job *job, struct object_place *place, const char *region);
void s3_buckets_free(struct s3_state *s);

/* s3_credentials.c: finds or fetches them; begins the thread that renews them. */
int s3_credentials_init(struct s3_state *s, struct err *err);
void s3_credentials_fini(struct s3_state *s);
/* The newest; NULL: anonymous. */
static inline const struct s3_keys *s3_keys(const struct s3_state *s)
{
	return __atomic_load_n(&s->keys, __ATOMIC_ACQUIRE);
}

/* s3_sign.c */
struct s3_request {
	const char *method;
	const char *query; /* as sigv4_request wants it */
	const char *content_md5, *copy_source, *copy_range; /* values, or NULL */
	const char
		*fields; /* others that are not signed, "Name: value\r\n" each, or "" */
	bool content;    /* the body is the object's content, else op->text or nothing */
};
/* Writes and signs op->head. ex.body_size and ex.piece are set before. */
int s3_head(struct object_op *op, const struct object_place *place,
	const struct s3_request *r, struct err *err);
int s3_thread_init(struct object_thread *t, struct err *err);
void s3_thread_fini(struct object_thread *t);

/* s3_request.c */
void s3_begin(struct object_op *op);
int s3_request(struct object_op *op, struct err *err);
int s3_probe(struct object_op *op, struct err *err);

/* s3_response.c */
enum object_next s3_response(struct object_op *op, struct err *err);
void s3_error(struct object_op *op, struct object_error *ret);
