/* object: the life of a job on a store that speaks HTTP. */
#include "backends/object/object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/object/object_impl.h"
#include "cloud/credentials.h"
#include "common/err.h"

const struct backend_option object_options[] = {
	{"endpoint", "URL of the store; else what the environment or the provider says",
		""},
	{"region", "region that requests are signed for", ""},
	{"addressing", "the bucket's place: auto, path or virtual (in the host's name)",
		"auto"},
	{"payload", "unsigned or signed: whether a put's content is hashed", "unsigned"},
	{"http_engine", "own or curl", "own"},
	{"retries", "attempts at an op beyond the first", "0"},
	{NULL},
};

static struct http_config http_config_of(const struct store_options *o)
{
	return (struct http_config){
		.engine = o->engine == STORE_ENGINE_CURL ? HTTP_ENGINE_CURL
							 : HTTP_ENGINE_OWN,
		.connect_timeout_ns = o->connect_timeout_ns,
		.first_byte_timeout_ns = o->first_byte_timeout_ns,
		.stall_timeout_ns = o->stall_timeout_ns,
		.ca_pem = o->ca_pem,
		.cert_pem = o->client_cert_pem,
		.key_pem = o->client_key_pem,
		.insecure = o->insecure_tls,
		.proxy = o->proxy,
	};
}

static int begin_job(struct object_job *job, struct err *err)
{
	struct http_config http;

	if (!job->options.ca_pem && !job->options.insecure_tls && job->store->find_ca &&
		job->store->find_ca(&cloud_env_own, &job->options.ca_pem, err) < 0)
		return -1;
	http = http_config_of(&job->options);
	job->http = http_space_create(&http, err);
	if (!job->http)
		return -1;
	job->state = calloc(1, job->store->state_size ? job->store->state_size : 1);
	if (!job->state)
		return err_sys(err, ENOMEM, "no memory");
	if (job->store->job_init(job, err) < 0) {
		free(job->state);
		job->state = NULL;
		return -1;
	}
	if (job->options.insecure_tls)
		object_remark(job, "TLS certificates are not verified (insecure_tls)");
	return 0;
}

int object_job_init(void *state, const struct backend_config *cfg,
	const struct store *store, struct err *err)
{
	struct object_job *job = state;

	*job = (struct object_job){.cfg = *cfg, .store = store};
	pthread_mutex_init(&job->lock, NULL);
	pthread_mutex_init(&job->control_lock, NULL);
	if (cfg->store && store_options_copy(&job->options, cfg->store) < 0)
		err_sys(err, ENOMEM, "no memory");
	else if (begin_job(job, err) == 0)
		return 0;
	object_job_fini(job);
	return -1;
}

void object_job_fini(void *state)
{
	struct object_job *job = state;

	object_settle(job);
	object_control_free(job);
	/* whoever fetches credentials is not waited for */
	http_space_give_up(job->http);
	pthread_mutex_lock(&job->lock);
	http_space_give_up(job->direct);
	pthread_mutex_unlock(&job->lock);
	if (job->state) {
		job->store->job_fini(job);
		explicit_bzero(job->state, job->store->state_size);
		free(job->state);
	}
	http_space_destroy(job->direct);
	http_space_destroy(job->http);
	object_endpoints_free(job);
	for (size_t i = 0; i < job->n_remarks; i++)
		free(job->remarks[i]);
	free(job->remarks);
	free(job->checked);
	store_options_finish(&job->options);
	pthread_mutex_destroy(&job->control_lock);
	pthread_mutex_destroy(&job->lock);
	memset(job, 0, sizeof(*job));
}
