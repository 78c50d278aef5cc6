/* resolve: getaddrinfo in a few threads; answers come back over an eventfd.
 *
 * A thread in getaddrinfo cannot be stopped, so what threads and loop share is counted: whoever
 * leaves last frees it. */
#include "transport/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/loop.h"

#define THREADS_MAX 8

struct resolve_job {
	TAILQ_ENTRY(resolve_job) link;
	char *host;
	char service[8];
	resolve_fn *fn; /* NULL: cancelled */
	void *user;
	struct addrinfo *list;
	int error;
};

TAILQ_HEAD(job_list, resolve_job);

/* Under lock: all of it but eventfd. */
struct shared {
	pthread_mutex_t lock;
	pthread_cond_t wanted;
	struct job_list todo, done;
	unsigned users; /* the resolver and its threads */
	unsigned idle;
	bool closed;
	int eventfd;
};

struct resolver {
	struct shared *shared;
	struct loop_fd *watch;
	unsigned threads;
};

static void job_free(struct resolve_job *job)
{
	if (job->list)
		freeaddrinfo(job->list);
	free(job->host);
	free(job);
}

static void free_jobs(struct job_list *list)
{
	struct resolve_job *job;

	while ((job = TAILQ_FIRST(list))) {
		TAILQ_REMOVE(list, job, link);
		job_free(job);
	}
}

/* Takes the lock and lets go of it for good. */
static void leave(struct shared *s)
{
	bool last = --s->users == 0;

	pthread_mutex_unlock(&s->lock);
	if (!last)
		return;
	free_jobs(&s->todo);
	free_jobs(&s->done);
	cleanup_close(&s->eventfd);
	pthread_cond_destroy(&s->wanted);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static void look_up(struct resolve_job *job)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};

	job->error = getaddrinfo(job->host, job->service, &hints, &job->list);
	/* AI_ADDRCONFIG hides loopback addresses on a machine with no others */
	if (job->error == EAI_NONAME || job->error == EAI_ADDRFAMILY) {
		hints.ai_flags = 0;
		job->error = getaddrinfo(job->host, job->service, &hints, &job->list);
	}
	if (job->error)
		job->list = NULL;
}

static void *run(void *arg)
{
	struct shared *s = arg;
	struct resolve_job *job;

	pthread_mutex_lock(&s->lock);
	while (!s->closed) {
		job = TAILQ_FIRST(&s->todo);
		if (!job) {
			s->idle++;
			pthread_cond_wait(&s->wanted, &s->lock);
			s->idle--;
			continue;
		}
		TAILQ_REMOVE(&s->todo, job, link);
		pthread_mutex_unlock(&s->lock);
		look_up(job);
		pthread_mutex_lock(&s->lock);
		TAILQ_INSERT_TAIL(&s->done, job, link);
		if (!s->closed)
			eventfd_write(s->eventfd, 1);
	}
	leave(s);
	return NULL;
}

static void on_done(struct loop_fd *w, uint32_t events, void *user)
{
	struct resolver *r = user;
	struct shared *s = r->shared;
	struct job_list done = TAILQ_HEAD_INITIALIZER(done);
	struct resolve_job *job;
	eventfd_t count;

	(void)w;
	(void)events;
	eventfd_read(s->eventfd, &count);
	pthread_mutex_lock(&s->lock);
	TAILQ_CONCAT(&done, &s->done, link);
	pthread_mutex_unlock(&s->lock);
	while ((job = TAILQ_FIRST(&done))) {
		TAILQ_REMOVE(&done, job, link);
		if (job->fn)
			job->fn(STEAL_PTR(&job->list), job->error, job->user);
		job_free(job);
	}
}

struct resolver *resolver_create(struct loop *loop, struct err *err)
{
	struct resolver *r = calloc(1, sizeof(*r));
	struct shared *s = calloc(1, sizeof(*s));

	if (!r || !s)
		abort();
	r->shared = s;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->wanted, NULL);
	TAILQ_INIT(&s->todo);
	TAILQ_INIT(&s->done);
	s->users = 1;
	s->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->eventfd < 0)
		err_sys(err, errno, "eventfd");
	else
		r->watch = loop_fd_add(loop, s->eventfd, EPOLLIN, on_done, r, err);
	if (!r->watch) {
		resolver_destroy(r);
		return NULL;
	}
	return r;
}

void resolver_destroy(struct resolver *r)
{
	if (!r)
		return;
	loop_fd_del(r->watch);
	pthread_mutex_lock(&r->shared->lock);
	r->shared->closed = true;
	pthread_cond_broadcast(&r->shared->wanted);
	leave(r->shared);
	free(r);
}

/* With the lock held. Failing to start one is no matter while another runs. */
static int start_thread(struct resolver *r)
{
	pthread_t thread;
	int rc;

	if (r->shared->idle || r->threads >= THREADS_MAX)
		return 0;
	rc = pthread_create(&thread, NULL, run, r->shared);
	if (rc)
		return r->threads ? 0 : -rc;
	pthread_detach(thread);
	r->shared->users++;
	r->threads++;
	return 0;
}

struct resolve_job *resolve_start(
	struct resolver *r, const char *host, uint16_t port, resolve_fn *fn, void *user)
{
	struct resolve_job *job = calloc(1, sizeof(*job));
	struct shared *s = r->shared;

	if (!job)
		abort();
	job->host = strdup(host);
	if (!job->host)
		abort();
	snprintf(job->service, sizeof(job->service), "%u", port);
	job->fn = fn;
	job->user = user;
	pthread_mutex_lock(&s->lock);
	if (start_thread(r) < 0) {
		job->error = EAI_MEMORY;
		TAILQ_INSERT_TAIL(&s->done, job, link);
		eventfd_write(s->eventfd, 1);
	} else {
		TAILQ_INSERT_TAIL(&s->todo, job, link);
		pthread_cond_signal(&s->wanted);
	}
	pthread_mutex_unlock(&s->lock);
	return job;
}

void resolve_cancel(struct resolve_job *job)
{
	/* threads never look at fn; only the loop, where this runs */
	if (job)
		job->fn = NULL;
}

struct addrinfo *resolve_numeric(const char *host, uint16_t port)
{
	struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
	};
	struct addrinfo *list = NULL;
	char service[8];

	snprintf(service, sizeof(service), "%u", port);
	return getaddrinfo(host, service, &hints, &list) == 0 ? list : NULL;
}
