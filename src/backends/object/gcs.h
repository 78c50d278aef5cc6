/* gcs: what the files of the dialect of Google Cloud Storage's JSON API share. Private to gcs*.c.
 *
 * References: cloud.google.com/storage/docs/json_api. */
#pragma once

#include "backends/object/dialect.h"
#include "backends/object/gcs_token.h"
#include "cloud/credentials.h"

#define GCS_CHUNK (256u << 10) /* parts of resumable uploads come in multiples of it */

struct gcs_job {
	struct gcs_credentials credentials;
	char *endpoint;            /* "https://host[:port][/base]", or NULL: Google's */
	struct gcs_tokens *tokens; /* NULL: there are none, or one that is as it is */
};

struct gcs_thread {
	char *authorization; /* "Authorization: Bearer ...\r\n", or NULL: none is needed */
	uint32_t generation; /* of the token in it */
	char hint[240];      /* of the error at hand */
};

/* gcs_endpoint.c */
/* The endpoint that options or environment name, without "/storage/v1": 1 with a URL (malloc), 0: none, -1 with
 * err. */
int gcs_endpoint_find(const struct store_options *o, char **ret, struct err *err);
/* Where gs://[HOST:PORT/]BUCKET/KEY is. endpoint: that of the job, or NULL. */
int gcs_place_at(struct object_job *job, const char *endpoint, const char *uri,
	struct object_place *ret, struct err *err);

/* gcs_xml.c: the XML API, which takes HMAC keys: S3's dialect at another address. */
extern const struct store gcs_store_xml;

/* gcs_request.c */
void gcs_begin(struct object_op *op);
int gcs_request(struct object_op *op, struct err *err);
int gcs_probe(struct object_op *op, struct err *err);

/* gcs_response.c */
enum object_next gcs_response(struct object_op *op, struct err *err);
void gcs_error(struct object_op *op, struct object_error *ret);
