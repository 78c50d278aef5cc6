/* object_orphan: uploads that were cut off when their ops were given up. Stores keep the parts, and bill them, until
 * somebody takes them back. That is done behind the phase, when its threads have ended: their ops ended at
 * once. */
#include "backends/object/object.h"

#include <stdlib.h>
#include <string.h>

#include "backends/object/object_impl.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/units.h"

/* All of them together: results are waited for meanwhile, 2 s when the run is to stop at once. */
#define PATIENCE_NS NS_PER_SEC
/* Requests at a time. */
#define AT_ONCE 64

struct object_orphan {
	struct object_orphan *next;
	struct io io;
	char *uri, *to, *token;
};

static void orphan_free(struct object_orphan *o)
{
	free(o->uri);
	free(o->to);
	free(o->token);
	free(o);
}

void object_orphan_leave(struct object_op *op)
{
	struct object_job *job = op->thread->job;
	struct object_orphan *o;

	/* other steps hold tokens too: of lists */
	if (!op->token || op->step == OBJECT_SINGLE || op->step == OBJECT_CREATE)
		return;
	o = calloc(1, sizeof(*o));
	if (!o)
		return;
	o->uri = strdup(op->io->uri);
	o->to = op->io->to ? strdup(op->io->to) : NULL;
	o->token = strdup(op->token);
	if (!o->uri || !o->token || (op->io->to && !o->to)) {
		orphan_free(o);
		return;
	}
	o->io = (struct io){
		.kind = op->io->kind, .uri = o->uri, .to = o->to, .size = op->io->size};
	pthread_mutex_lock(&job->lock);
	o->next = job->orphans;
	job->orphans = o;
	pthread_mutex_unlock(&job->lock);
}

/* Begins the request that takes one back; what comes of it changes nothing. */
static bool take_back(struct object_thread *t, struct object_orphan *o)
{
	const struct store *store = t->job->store;
	struct object_op *op = object_op_take(t, &o->io);
	struct err ignored = ERR_INIT;

	if (!op)
		return false;
	op->token = STEAL_PTR(&o->token);
	op->step = OBJECT_ABORT;
	op->failed = true;
	if (store->place(t->job, o->uri, &op->place, &ignored) == 0 &&
		(!o->to || store->place(t->job, o->to, &op->to, &ignored) == 0) &&
		object_op_request(op)) {
		http_start(t->http, &op->ex);
		return true;
	}
	object_op_give(op);
	return false;
}

/* Takes responses until there are fewer than most under way. */
static void wait_for_some(
	struct object_thread *t, size_t *under_way, size_t most, uint64_t until_ns)
{
	struct http_exchange *ended[AT_ONCE];

	while (*under_way > most) {
		size_t n = http_wait(t->http, ended, AT_ONCE, until_ns);

		/* time is up: they come out of the next wait */
		if (n == 0)
			http_cancel(t->http);
		for (size_t i = 0; i < n; i++)
			object_op_give(ended[i]->user);
		*under_way -= n;
	}
}

static void take_all_back(struct object_thread *t, struct object_orphan *o)
{
	uint64_t until = clock_ns() + PATIENCE_NS;
	size_t under_way = 0;

	for (; o && clock_ns() < until; o = o->next) {
		under_way += take_back(t, o);
		wait_for_some(t, &under_way, AT_ONCE - 1, until);
	}
	wait_for_some(t, &under_way, 0, until);
}

void object_settle(void *state)
{
	struct object_job *job = state;
	struct object_orphan *first;
	struct err ignored = ERR_INIT;
	struct object_thread t;

	pthread_mutex_lock(&job->lock);
	first = STEAL_PTR(&job->orphans);
	pthread_mutex_unlock(&job->lock);
	if (!first)
		return;
	if (object_thread_begin(job, &t, NULL, &ignored) == 0) {
		t.http = http_client_create(job->http, AT_ONCE, &ignored);
		if (t.http)
			take_all_back(&t, first);
		object_thread_fini(&t);
	}
	while (first) {
		struct object_orphan *o = first;

		first = o->next;
		orphan_free(o);
	}
}
