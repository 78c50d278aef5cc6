/* gcs_xml: the XML API of Google Cloud Storage, which takes HMAC keys: S3's dialect at another address, with a
 * region that is always "auto" ("Simple migration from Amazon S3", Google's documentation). Several objects are
 * deleted one after the other: the API's own request for that is not everywhere. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/object/gcs.h"
#include "backends/object/s3.h"
#include "backends/object/s3_xml.h"
#include "common/err.h"
#include "common/text.h"

#define ENDPOINT "https://storage.googleapis.com"

static void xml_job_fini(struct object_job *job)
{
	struct s3_state *s = job->state;

	s3_buckets_free(s);
	if (s->keys)
		aws_credentials_finish(&s->keys->aws);
	free(s->keys);
	free(s->endpoint);
	free(s->region);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
}

static int take_keys(struct s3_state *s, struct err *err)
{
	struct gcs_credentials c = {.kind = GCS_NONE};
	int r;

	if (gcs_credentials_find(&cloud_env_own, &c, err) < 0)
		return -1;
	s->keys = calloc(1, sizeof(*s->keys));
	r = s->keys ? aws_credentials_copy(&s->keys->aws, &c.hmac) : -ENOMEM;
	gcs_credentials_finish(&c);
	return r < 0 ? err_sys(err, ENOMEM, "gs://") : 0;
}

static int xml_job_init(struct object_job *job, struct err *err)
{
	struct s3_state *s = job->state;
	int r;

	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	s->job = job;
	r = take_keys(s, err);
	if (r == 0)
		r = gcs_endpoint_find(&job->options, &s->endpoint, err);
	if (r == 0)
		s->endpoint = strdup(ENDPOINT);
	s->region = strdup("auto");
	if (r >= 0 && (!s->endpoint || !s->region))
		r = err_sys(err, ENOMEM, "gs://");
	if (r >= 0)
		return 0;
	xml_job_fini(job);
	return -1;
}

/* S3's scheme has the length of gs:// */
static int xml_place(struct object_job *job, const char *uri, struct object_place *ret,
	struct err *err)
{
	return s3_place(job, uri + text_starts_with(uri, "gcs://"), ret, err);
}

static void xml_begin(struct object_op *op)
{
	s3_begin(op);
	if (op->io->kind == OP_DELETE && op->io->n_more)
		op->step = OBJECT_PART;
}

const struct store gcs_store_xml = {
	.put_max = S3_PUT_MAX,
	.part_min = S3_PART_MIN,
	.part_default = S3_PART_DEFAULT,
	.parts_max = S3_PARTS_MAX,
	.state_size = sizeof(struct s3_state),
	.thread_size = sizeof(struct s3_thread),
	.job_init = xml_job_init,
	.job_fini = xml_job_fini,
	.thread_init = s3_thread_init,
	.thread_fini = s3_thread_fini,
	.place = xml_place,
	.begin = xml_begin,
	.request = s3_request,
	.response = s3_response,
	.error = s3_error,
	.page = s3_page_parse,
	.probe = s3_probe,
};
