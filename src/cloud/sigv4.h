/* sigv4: AWS Signature Version 4 (docs.aws.amazon.com/IAM, "Create a signed AWS API request"; S3's rules:
 * the path is encoded once and not normalised). Also of S3-compatible stores and of GCS with HMAC keys.
 * One signer per thread: it keeps the key of the day. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "cloud/credentials.h"

struct err;
struct sigv4;

#define SIGV4_UNSIGNED "UNSIGNED-PAYLOAD"
/* The longest value of Authorization that sigv4_sign writes. */
#define SIGV4_AUTHORIZATION_MAX 1024

/* credentials are copied; region and service ("s3") too. NULL with err. */
struct sigv4 *sigv4_create(const struct aws_credentials *credentials, const char *region,
	const char *service, struct err *err);
void sigv4_destroy(struct sigv4 *s); /* wipes; takes NULL */
/* Takes other credentials (they were renewed) or another region (a redirect told it). */
int sigv4_set(struct sigv4 *s, const struct aws_credentials *credentials,
	const char *region, struct err *err);

struct sigv4_header {
	const char *name;  /* lower case */
	const char *value; /* without white space around it; NUL-terminated */
};

struct sigv4_request {
	const char *method;
	const char *
		path; /* as in the request line, encoded, from '/' on, without the query */
	size_t path_len;
	const char *
		query; /* as in the request line behind '?', encoded ("a=1&b="): sorted by name and
			    * with '=' behind each; "" when there is none */
	const struct sigv4_header
		*headers; /* that are signed, sorted by name: host and x-amz-date at
					     * least; x-amz-security-token when there is one */
	size_t n_headers;
	const char *payload_hash; /* hex SHA-256 or SIGV4_UNSIGNED */
	const char *amz_date;     /* encode_time_amz */
};

/* Writes the value of Authorization to out (NUL-terminated). The length, or -1 when it does not fit. */
long sigv4_sign(struct sigv4 *s, const struct sigv4_request *r, char *out, size_t size);

/* The query of a presigned URL, X-Amz-Signature included: r's headers must hold host, its query what
 * the request has besides; expires_s: 1 to 604800. The length, or -1. */
long sigv4_presign(struct sigv4 *s, const struct sigv4_request *r, unsigned expires_s,
	char *out, size_t size);
