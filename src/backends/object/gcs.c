/* gcs: Google Cloud Storage: which credentials there are, and so which of its two APIs is spoken: JSON with tokens
 * or without, XML with HMAC keys. */
#include "backends/object/gcs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/object/gcs_json.h"
#include "backends/object/object_backend.h"
#include "cloud/environment.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"

/* --- the JSON API */

/* Whether there is a metadata server to ask: on Google's machines, which have Google's store; or where somebody
 * says so. */
static bool asks_machine(const struct gcs_job *g)
{
	return !g->endpoint || environment_get(&cloud_env_own, "GCE_METADATA_HOST");
}

static int no_credentials(struct err *err)
{
	struct err why = *err;

	return err_set(err, ERR_FAILED,
		"there are no credentials for gs://: set GOOGLE_APPLICATION_CREDENTIALS, "
		"GCS_ACCESS_TOKEN, or GCS_HMAC_ACCESS_KEY and GCS_HMAC_SECRET, or "
		"'anonymous: true' in the workload (%.200s)",
		why.text);
}

static int make_tokens(struct object_job *job, struct gcs_job *g, struct err *err)
{
	enum gcs_kind kind = g->credentials.kind;

	if (job->options.anonymous || kind == GCS_TOKEN ||
		(kind == GCS_NONE && !asks_machine(g)))
		return 0;
	g->tokens = gcs_tokens_create(job, &g->credentials, err);
	if (g->tokens)
		return 0;
	return kind == GCS_NONE ? no_credentials(err) : -1;
}

static void gcs_job_fini(struct object_job *job)
{
	struct gcs_job *g = job->state;

	gcs_tokens_destroy(g->tokens);
	gcs_credentials_finish(&g->credentials);
	free(g->endpoint);
}

static int gcs_job_init(struct object_job *job, struct err *err)
{
	struct gcs_job *g = job->state;

	if ((job->options.anonymous ||
		    gcs_credentials_find(&cloud_env_own, &g->credentials, err) >= 0) &&
		gcs_endpoint_find(&job->options, &g->endpoint, err) >= 0 &&
		make_tokens(job, g, err) == 0)
		return 0;
	gcs_job_fini(job);
	return -1;
}

static int gcs_thread_init(struct object_thread *t, struct err *err)
{
	const struct gcs_job *g = t->job->state;
	struct gcs_thread *s = t->state;
	const char *token = g->credentials.token;

	if (g->tokens || !token)
		return 0;
	for (const char *c = token; *c; c++)
		if (*c <= ' ' || *c == 0x7f)
			return err_set(err, ERR_INPUT,
				"the token of %s has a blank or a control character",
				g->credentials.origin);
	s->authorization = text_printf("Authorization: Bearer %s\r\n", token);
	return s->authorization ? 0 : err_sys(err, ENOMEM, "a token");
}

static void gcs_thread_fini(struct object_thread *t)
{
	struct gcs_thread *s = t->state;

	if (s->authorization)
		explicit_bzero(s->authorization, strlen(s->authorization));
	free(s->authorization);
}

static int gcs_place(struct object_job *job, const char *uri, struct object_place *ret,
	struct err *err)
{
	const struct gcs_job *g = job->state;

	return gcs_place_at(job, g->endpoint, uri, ret, err);
}

#define GCS_OPS                                                                          \
	(1u << OP_GET | 1u << OP_PUT | 1u << OP_LIST | 1u << OP_STAT | 1u << OP_DELETE | \
		1u << OP_RANGE_GET | 1u << OP_COPY | 1u << OP_MULTIPART_PUT)

static const struct store store_json = {
	.put_max = UINT64_C(5) << 40,
	.part_min = GCS_CHUNK,
	.part_default = 8u << 20,
	.parts_max = UINT32_MAX,
	.also_ok = 308,
	.state_size = sizeof(struct gcs_job),
	.thread_size = sizeof(struct gcs_thread),
	.job_init = gcs_job_init,
	.job_fini = gcs_job_fini,
	.thread_init = gcs_thread_init,
	.thread_fini = gcs_thread_fini,
	.place = gcs_place,
	.begin = gcs_begin,
	.request = gcs_request,
	.response = gcs_response,
	.error = gcs_error,
	.page = gcs_page_parse,
	.probe = gcs_probe,
};

/* --- which of the two */

static bool has_hmac_key(const struct backend_config *cfg)
{
	struct gcs_credentials c = {.kind = GCS_NONE};
	struct err ignored = ERR_INIT; /* told when they are looked for again */
	bool has;

	if (cfg->store && cfg->store->anonymous)
		return false;
	has = gcs_credentials_find(&cloud_env_own, &c, &ignored) > 0 &&
	      c.kind == GCS_HMAC;
	gcs_credentials_finish(&c);
	return has;
}

static const struct store *gcs_store(const struct backend_config *cfg)
{
	return has_hmac_key(cfg) ? &gcs_store_xml : &store_json;
}

OBJECT_BACKEND(gs, gcs_store(cfg), "Google Cloud Storage", "gs://,gcs://", GCS_OPS, 100);
