/* object_run: the ops of an engine thread, on its HTTP client: what waits for a response, what waits for its
 * next attempt, and what is finished. */
#include "backends/object/object.h"

#include <string.h>

#include "backends/object/object_impl.h"
#include "common/clock.h"

/* Responses that are taken off the client at a time. */
#define BATCH 64

static void end(struct object_op *op)
{
	io_list_add(&op->thread->done, op->io);
	object_op_give(op);
}

static void wait_for_attempt(struct object_op *op)
{
	op->next = op->thread->waiting;
	op->thread->waiting = op;
}

void object_submit(void *thread, struct io **ops, size_t n)
{
	struct object_thread *t = thread;

	for (size_t i = 0; i < n; i++) {
		struct object_op *op = object_op_take(t, ops[i]);

		if (!op) {
			ops[i]->error = OP_ERR_OTHER;
			strcpy(ops[i]->error_text, "no memory");
			ops[i]->start_ns = ops[i]->end_ns = clock_ns();
			io_list_add(&t->done, ops[i]);
		} else if (object_op_begin(op)) {
			http_start(t->http, &op->ex);
			ops[i]->start_ns = op->ex.start_ns;
		} else {
			end(op);
		}
	}
}

/* Sends what has waited long enough; when the next of the others is due, at most until_ns. */
static uint64_t start_waiting(struct object_thread *t, uint64_t until_ns)
{
	struct object_op **at = &t->waiting;
	uint64_t now;

	if (!t->waiting)
		return until_ns;
	now = clock_ns();
	while (*at) {
		struct object_op *op = *at;

		if (op->again_ns > now) {
			until_ns = op->again_ns < until_ns ? op->again_ns : until_ns;
			at = &op->next;
			continue;
		}
		*at = op->next;
		if (object_op_request(op))
			http_start(t->http, &op->ex);
		else
			end(op);
	}
	return until_ns;
}

static void take_responses(struct object_thread *t, uint64_t until_ns)
{
	struct http_exchange *ended[BATCH];
	size_t n = http_wait(t->http, ended, BATCH, until_ns);

	for (size_t i = 0; i < n; i++) {
		struct object_op *op = ended[i]->user;

		if (!object_op_ended(op))
			end(op);
		else if (op->again_ns)
			wait_for_attempt(op);
		else
			http_start(t->http, &op->ex);
	}
}

size_t object_wait(void *thread, struct io **done, size_t max, uint64_t deadline_ns)
{
	struct object_thread *t = thread;

	for (;;) {
		uint64_t until = start_waiting(t, deadline_ns);

		/* ops that fail before they are sent must not keep the others from their responses */
		take_responses(t, t->done.head ? 0 : until);
		if (t->done.head)
			return io_list_give(&t->done, done, max);
		if (clock_ns() >= deadline_ns)
			return 0;
	}
}

void object_cancel(void *thread)
{
	struct object_thread *t = thread;

	t->cancelled = true;
	while (t->waiting) {
		struct object_op *op = t->waiting;

		t->waiting = op->next;
		op->io->end_ns = clock_ns();
		if (!op->failed)
			object_fail(op, OP_ERR_TIMEOUT, "given up");
		object_orphan_leave(op);
		end(op);
	}
	http_cancel(t->http);
}
