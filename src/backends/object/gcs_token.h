/* gcs_token: the access token of a worker: fetched once, renewed ahead of its end by a thread of its own, so that
 * no op waits for it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct gcs_credentials;
struct gcs_tokens;
struct object_job;

/* Fetches the first token. credentials must stay; GCS_NONE: those of the machine, from its metadata server. NULL
 * with err. */
struct gcs_tokens *gcs_tokens_create(struct object_job *job,
	const struct gcs_credentials *credentials, struct err *err);
void gcs_tokens_destroy(struct gcs_tokens *t); /* wipes; takes NULL */

/* Counts tokens: whoever has a copy of one sees by it whether there is a newer one. Takes no lock. */
uint32_t gcs_tokens_generation(const struct gcs_tokens *t);
/* A copy of the token (malloc, to be wiped) and its generation. NULL: no memory. */
char *gcs_tokens_copy(struct gcs_tokens *t, uint32_t *ret_generation);
/* The store refused the token of this generation: waits for another one. False: there is none to be had. */
bool gcs_tokens_renew(struct gcs_tokens *t, uint32_t refused);
/* Why it could not be renewed the last time, cut; "" when it could. */
void gcs_tokens_trouble(struct gcs_tokens *t, char *out, size_t size);
