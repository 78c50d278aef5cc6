/* object_orphan: uploads that were cut off when their ops were given up. Stores keep the parts, and bill them, until
 * somebody takes them back: that is done when the job ends, since the run itself must not wait for it. */
#include "backends/object/object.h"

#include <stdlib.h>
#include <string.h>

#include "backends/object/object_impl.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/units.h"

/* All of them together: a worker that ends must not hang at a store that is gone. */
#define PATIENCE_NS (5 * NS_PER_SEC)

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

/* One request; what comes of it changes nothing. */
static void take_back(struct object_thread *t, struct object_orphan *o, uint64_t ns)
{
	const struct store *store = t->job->store;
	struct object_op *op = object_op_take(t, &o->io);
	struct err ignored = ERR_INIT;

	if (!op)
		return;
	op->token = strdup(o->token);
	op->step = OBJECT_ABORT;
	op->failed = true;
	if (op->token && store->place(t->job, o->uri, &op->place, &ignored) == 0 &&
		(!o->to || store->place(t->job, o->to, &op->to, &ignored) == 0) &&
		object_op_request(op))
		http_fetch(t->job->http, &op->ex, ns);
	object_op_give(op);
}

void object_orphans_end(struct object_job *job)
{
	uint64_t until = clock_ns() + PATIENCE_NS;

	while (job->orphans) {
		struct object_orphan *o = job->orphans;
		uint64_t now = clock_ns();

		job->orphans = o->next;
		if (now < until && object_control_ready(job))
			take_back(job->control, o, until - now);
		orphan_free(o);
	}
}
