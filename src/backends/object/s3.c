/* s3: Amazon S3 and the many stores that speak its dialect. */
#include "backends/object/s3.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/object/object_backend.h"
#include "backends/object/s3_xml.h"
#include "cloud/environment.h"
#include "common/err.h"

/* What requests are signed for where nobody says a region: AWS' own default, and one that other stores
 * take. */
#define REGION "us-east-1"

/* malloc; NULL: AWS by region. */
static char *find_endpoint(const struct store_options *o)
{
	const char *said = o->endpoint;

	if (!said)
		said = environment_get(&cloud_env_own, "AWS_ENDPOINT_URL_S3");
	if (!said)
		said = environment_get(&cloud_env_own, "AWS_ENDPOINT_URL");
	return said ? strdup(said) : aws_profile_option(&cloud_env_own, "endpoint_url");
}

static char *find_region(const struct store_options *o)
{
	char *region = o->region ? strdup(o->region) : aws_region_find(&cloud_env_own);

	return region ? region : strdup(REGION);
}

static void job_fini(struct object_job *job)
{
	struct s3_state *s = job->state;

	s3_credentials_fini(s);
	s3_buckets_free(s);
	free(s->endpoint);
	free(s->region);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
}

static int job_init(struct object_job *job, struct err *err)
{
	struct s3_state *s = job->state;
	struct err bad = ERR_INIT;

	s->job = job;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	s->endpoint = find_endpoint(&job->options);
	s->region = find_region(&job->options);
	if (!s->region)
		err_sys(err, ENOMEM, "no memory");
	else if (s->endpoint &&
		 !object_endpoint(job, s->endpoint, strlen(s->endpoint), true, &bad))
		*err = bad;
	else if (s3_credentials_init(s, err) == 0)
		return 0;
	job_fini(job);
	return -1;
}

#define S3_OPS                                                                           \
	(1u << OP_GET | 1u << OP_PUT | 1u << OP_LIST | 1u << OP_STAT | 1u << OP_DELETE | \
		1u << OP_RANGE_GET | 1u << OP_COPY | 1u << OP_MULTIPART_PUT)

static const struct store s3 = {
	.put_max = S3_PUT_MAX,
	.part_min = S3_PART_MIN,
	.part_default = S3_PART_DEFAULT,
	.parts_max = S3_PARTS_MAX,
	.state_size = sizeof(struct s3_state),
	.thread_size = sizeof(struct s3_thread),
	.redirects_abroad = true,
	.find_ca = aws_ca_bundle_find,
	.job_init = job_init,
	.job_fini = job_fini,
	.thread_init = s3_thread_init,
	.thread_fini = s3_thread_fini,
	.place = s3_place,
	.begin = s3_begin,
	.request = s3_request,
	.response = s3_response,
	.error = s3_error,
	.page = s3_page_parse,
	.probe = s3_probe,
};

OBJECT_BACKEND(s3, &s3, "Amazon S3 and stores that speak its protocol", "s3://", S3_OPS,
	S3_BATCH_MAX);
