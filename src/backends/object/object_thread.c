/* object_thread: the life of what a thread of a job has: signers, ops, and connections from before the clock
 * starts. */
#include "backends/object/object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/object/object_impl.h"
#include "common/clock.h"
#include "common/err.h"

int object_thread_begin(
	struct object_job *job, struct object_thread *t, void *user, struct err *err)
{
	*t = (struct object_thread){.job = job, .user = user, .data = job->cfg.data};
	io_list_init(&t->done);
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
