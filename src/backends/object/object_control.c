/* object_control: requests outside the measured path: whole ops for checks, lists and small objects, and
 * single requests to other services. They wait. */
#include "backends/object/object.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/object/object_impl.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"

void object_control_free(struct object_job *job)
{
	if (job->control)
		object_thread_fini(job->control);
	free(job->control);
	job->control = NULL;
}

static int control_make(struct object_job *job, struct err *err)
{
	if (job->control)
		return 0;
	job->control = malloc(sizeof(*job->control));
	if (!job->control)
		return err_sys(err, ENOMEM, "no memory");
	if (object_thread_begin(job, job->control, NULL, err) == 0)
		return 0;
	free(job->control);
	job->control = NULL;
	return -1;
}

/* A pool that holds nothing but text, for a put of it. zero stays NULL: nobody asks. */
static uint8_t *text_pool(const char *content, uint64_t size, struct data *ret)
{
	uint8_t *bytes;

	ret->size = 64;
	while (ret->size < size)
		ret->size *= 2;
	bytes = calloc(2, ret->size);
	if (bytes)
		memcpy(bytes, content, (size_t)size);
	ret->random = bytes;
	return bytes;
}

static void run(struct object_op *op)
{
	bool more = object_op_begin(op);

	while (more) {
		if (op->again_ns) {
			clock_sleep_until(op->again_ns);
			more = object_op_request(op);
			continue;
		}
		http_fetch(op->thread->job->http, &op->ex, 0);
		more = object_op_ended(op);
	}
}

static int run_locked(struct object_job *job, struct io *io, const char *content,
	struct object_extra *extra, struct err *err)
{
	AUTO_FREE uint8_t *pool = NULL;
	struct data data = {0};
	struct object_op *op;

	if (control_make(job, err) < 0)
		return -1;
	if (content) {
		pool = text_pool(content, io->size, &data);
		if (!pool)
			return err_sys(err, ENOMEM, "no memory");
	}
	job->control->data = content ? &data : job->cfg.data;
	op = object_op_take(job->control, io);
	if (!op)
		return err_sys(err, ENOMEM, "no memory");
	extra->why = err;
	op->extra = extra;
	run(op);
	object_op_give(op);
	job->control->data = NULL;
	return io->error ? -1 : 0;
}

int object_control_run(struct object_job *job, struct io *io, const char *content,
	struct object_extra *extra, struct err *err)
{
	int rc;

	*err = (struct err)ERR_INIT;
	pthread_mutex_lock(&job->control_lock);
	rc = run_locked(job, io, content, extra, err);
	pthread_mutex_unlock(&job->control_lock);
	return rc;
}

/* The space for a URL: metadata services are reached straight, whatever proxy the store needs. */
static struct http_space *space_for(
	struct object_job *job, const struct object_endpoint *e, struct err *err)
{
	const struct http_config plain = {.connectors = 1};

	if (e->tls)
		return job->http;
	pthread_mutex_lock(&job->lock);
	if (!job->direct)
		job->direct = http_space_create(&plain, err);
	pthread_mutex_unlock(&job->lock);
	return job->direct;
}

/* The path of an absolute URL with all of its slashes: metadata services tell folders by the last one. */
static const char *path_of(const char *url)
{
	const char *host = strstr(url, "://");
	const char *path = strchr(host ? host + strlen("://") : url, '/');

	return path ? path : "/";
}

static char *fetch_head(const char *method, const char *url,
	const struct object_endpoint *e, const char *fields, const char *body)
{
	char *head = NULL;
	int n;

	if (body)
		n = asprintf(&head,
			"%s %s HTTP/1.1\r\nHost: %s\r\n%sContent-Length: %zu\r\n\r\n",
			method, path_of(url), e->host, fields, strlen(body));
	else
		n = asprintf(&head, "%s %s HTTP/1.1\r\nHost: %s\r\n%s%s\r\n", method,
			path_of(url), e->host, fields,
			strcmp(method, "GET") == 0 ? "" : "Content-Length: 0\r\n");
	return n < 0 ? NULL : head;
}

static const uint8_t *fetch_piece(void *user, uint64_t at, size_t *ret_len)
{
	const char *body = user;

	*ret_len = strlen(body + at);
	return (const uint8_t *)body + at;
}

CLEANUP_DEFINE(struct object_endpoint, object_endpoint_free)

int object_fetch(struct object_job *job, const char *method, const char *url,
	const char *fields, const char *body, struct buf *answer, uint64_t timeout_ns,
	struct err *err)
{
	CLEANUP(cleanup_object_endpoint_free)
	struct object_endpoint *e = object_endpoint_parse(url, strlen(url), true, err);
	AUTO_FREE char *head = NULL;
	struct http_exchange ex = {.body = answer, .keep = true};
	struct http_space *space = e ? space_for(job, e, err) : NULL;

	if (!space || http_space_server(
			      space, e->tls, e->hostname, e->port, &ex.server, err) < 0)
		return -1;
	head = fetch_head(method, url, e, fields, body);
	if (!head)
		return err_sys(err, ENOMEM, "no memory");
	ex.head = head;
	ex.head_len = strlen(head);
	if (body && body[0]) {
		union {
			const char *text;
			void *user;
		} u = {.text = body};

		ex.body_size = strlen(body);
		ex.piece = fetch_piece;
		ex.user = u.user;
	}
	buf_clear(answer);
	http_fetch(space, &ex, timeout_ns);
	explicit_bzero(head, strlen(head));
	if (ex.fail != HTTP_OK)
		return err_set(err, ERR_FAILED, "%s://%s: %s", e->tls ? "https" : "http",
			e->host, ex.text[0] ? ex.text : http_fail_names[ex.fail]);
	return ex.status;
}
