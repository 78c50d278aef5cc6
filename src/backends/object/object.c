/* object: the life of a job and of its threads on a store that speaks HTTP. */
#include "backends/object/object.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/object/object_impl.h"
#include "cloud/credentials.h"
#include "common/cleanup.h"
#include "common/clock.h"
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

static bool has_remark(const struct object_job *job, const char *text)
{
	for (size_t i = 0; i < job->n_remarks; i++)
		if (strcmp(job->remarks[i], text) == 0)
			return true;
	return false;
}

void object_remark(struct object_job *job, const char *fmt, ...)
{
	char *text = NULL;
	char **grown;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	pthread_mutex_lock(&job->lock);
	grown = has_remark(job, text)
			? NULL
			: realloc(job->remarks, (job->n_remarks + 1) * sizeof(*grown));
	if (grown) {
		job->remarks = grown;
		job->remarks[job->n_remarks++] = STEAL_PTR(&text);
	}
	pthread_mutex_unlock(&job->lock);
	free(text);
}

const char *object_remark_at(void *state, size_t i)
{
	struct object_job *job = state;
	const char *text;

	pthread_mutex_lock(&job->lock);
	text = i < job->n_remarks ? job->remarks[i] : NULL;
	pthread_mutex_unlock(&job->lock);
	return text;
}

int object_thread_begin(
	struct object_job *job, struct object_thread *t, void *user, struct err *err)
{
	*t = (struct object_thread){.job = job, .user = user, .data = job->cfg.data};
	t->done_tail = &t->done;
	rng_seed(&t->rng, clock_ns() ^ (uint64_t)(uintptr_t)t);
	t->state = calloc(1, job->store->thread_size ? job->store->thread_size : 1);
	if (!t->state)
		return err_sys(err, ENOMEM, "no memory");
	if (job->store->thread_init && job->store->thread_init(t, err) < 0) {
		free(t->state);
		t->state = NULL;
		return -1;
	}
	return 0;
}

/* Connections before the clock starts, shared out evenly over the endpoints that the checks met. */
static void ramp(struct object_thread *t, uint32_t slots)
{
	struct object_endpoint *e = __atomic_load_n(&t->job->endpoints, __ATOMIC_ACQUIRE);
	uint32_t n = 0;

	for (struct object_endpoint *i = e; i; i = i->next)
		n += __atomic_load_n(&i->server, __ATOMIC_RELAXED) != UINT32_MAX;
	for (; n > 0 && e; e = e->next) {
		uint32_t server = __atomic_load_n(&e->server, __ATOMIC_RELAXED);

		if (server != UINT32_MAX)
			http_client_ramp(t->http, server, (slots + n - 1) / n);
	}
}

int object_thread_init(void *state, void *thread, void *thread_user, struct err *err)
{
	struct object_job *job = state;
	struct object_thread *t = thread;
	uint32_t threads = job->cfg.threads ? job->cfg.threads : 1;
	uint32_t slots = (job->cfg.concurrency + threads - 1) / threads;

	if (object_thread_begin(job, t, thread_user, err) < 0)
		return -1;
	t->http = http_client_create(job->http, slots ? slots : 1, err);
	if (!t->http) {
		object_thread_fini(t);
		return -1;
	}
	ramp(t, slots);
	return 0;
}

void object_thread_fini(void *thread)
{
	struct object_thread *t = thread;

	http_client_destroy(t->http);
	if (t->state) {
		if (t->job->store->thread_fini)
			t->job->store->thread_fini(t);
		free(t->state);
	}
	object_ops_free(t);
	memset(t, 0, sizeof(*t));
}
