/* object_op: an op as a sequence of requests: what follows a response, whether a failed one goes out once
 * more, and when. */
#include "backends/object/object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/content.h"
#include "backends/object/object_impl.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/units.h"

#define RETRY_DELAY_NS (100 * NS_PER_MS)
#define RETRY_DELAY_MAX_NS (10 * NS_PER_SEC)
/* The longest that a store may ask for. */
#define RETRY_AFTER_MAX_NS (300 * NS_PER_SEC)
/* Outside the measured path a passing trouble ends no run; but nobody waits long before it begins. */
#define CONTROL_RETRIES 3
#define CONTROL_RETRIES_LATE 1 /* of what took a time-out, which is long enough */
#define CONTROL_RETRY_AFTER_MAX_NS (5 * NS_PER_SEC)
#define CACHE_LINE 64
/* As much as a processor has under way while a request is signed. */
#define FETCHED_MAX 4096

static struct object_op *op_new(struct object_thread *t)
{
	struct object_op *op = calloc(1, sizeof(*op));

	if (!op)
		return NULL;
	op->head = malloc(OBJECT_HEAD_MAX);
	if (!op->head) {
		free(op);
		return NULL;
	}
	op->thread = t;
	op->ex.user = op;
	op->ex.body = &op->answer;
	op->next_of_all = t->all;
	t->all = op;
	return op;
}

struct object_op *object_op_take(struct object_thread *t, struct io *io)
{
	struct object_op *op = t->free;

	if (op)
		t->free = op->next;
	else
		op = op_new(t);
	if (!op)
		return NULL;
	op->io = io;
	op->step = OBJECT_SINGLE;
	op->redirects = 0;
	op->tries = op->part = op->parts_n = 0;
	op->again_ns = op->at = op->part_size = 0;
	op->failed = false;
	op->stamped_at = UINT64_MAX;
	op->extra = NULL;
	return op;
}

void object_op_give(struct object_op *op)
{
	/* what large uploads and lists took is not held for ops that need none of it */
	if (op->text.cap)
		buf_finish(&op->text);
	if (op->parts.cap)
		buf_finish(&op->parts);
	if (op->answer.cap > 65536)
		buf_finish(&op->answer);
	if (op->token) {
		free(op->token);
		op->token = NULL;
	}
	op->next = op->thread->free;
	op->thread->free = op;
}

void object_ops_free(struct object_thread *t)
{
	while (t->all) {
		struct object_op *op = t->all;

		t->all = op->next_of_all;
		buf_finish(&op->text);
		buf_finish(&op->parts);
		buf_finish(&op->answer);
		free(op->token);
		free(op->stamped);
		/* signatures and tokens */
		explicit_bzero(op->head, OBJECT_HEAD_MAX);
		free(op->head);
		free(op);
	}
	t->free = NULL;
}

/* The op is finished: false, for who asks whether there is more to do. */
static bool finish(struct object_op *op)
{
	struct io *io = op->io;

	if (!io->end_ns)
		io->end_ns = clock_ns();
	if (!io->start_ns)
		io->start_ns = io->end_ns;
	return false;
}

/* A failure in the middle of an upload: what has been sent of it is taken back first. */
static bool fail(struct object_op *op)
{
	if (op->thread->cancelled)
		object_orphan_leave(op);
	if (op->failed || op->thread->cancelled ||
		(op->step != OBJECT_PART && op->step != OBJECT_COMPLETE))
		return finish(op);
	op->failed = true;
	op->step = OBJECT_ABORT;
	op->tries = 0;
	return object_op_request(op);
}

static bool writes_content(const struct io *io)
{
	return io->kind == OP_PUT || io->kind == OP_MULTIPART_PUT;
}

/* Bytes of a get, as they come in. */
static void check_body(void *user, const uint8_t *data, size_t len)
{
	struct object_op *op = user;
	struct io *io = op->io;
	/* a store that does not know ranges sends all */
	uint64_t begin = op->ex.status == 206 ? io->offset : 0;

	/* more than there should be is an error of its own */
	if (io->size != UINT64_MAX && len > io->size - op->checked)
		len = (size_t)(io->size - op->checked);
	content_check(op->thread->data, io, begin + op->checked, data, len);
	op->checked += len;
}

static bool checks(const struct object_op *op)
{
	const struct io *io = op->io;

	return io->verify && !op->extra &&
	       (io->kind == OP_GET || io->kind == OP_RANGE_GET);
}

static int prepare(struct object_op *op, struct err *err)
{
	struct http_exchange *ex = &op->ex;
	const struct store *store = op->thread->job->store;

	ex->server = object_target(op)->server;
	ex->body_size = 0;
	ex->piece = NULL;
	ex->is_head = ex->expects_continue = ex->once = ex->keep = false;
	ex->sink = NULL;
	if (checks(op)) {
		/* what an attempt before this one has brought counts no more */
		ex->sink = check_body;
		op->checked = 0;
		op->io->error = OP_OK;
	}
	op->head_len = 0;
	op->again_ns = 0;
	op->answer.max = OBJECT_BODY_MAX;
	buf_clear(&op->answer);
	if (!content_is_in_place(op->io) && writes_content(op->io) && !op->stamped) {
		op->stamped = malloc(OBJECT_STAMPED);
		if (!op->stamped)
			return err_sys(err, ENOMEM, "no memory for content");
	}
	if (op->extra && op->extra->probe) {
		if (store->probe(op, err) < 0)
			return -1;
	} else if (store->request(op, err) < 0) {
		return -1;
	}
	if (op->extra && op->extra->body)
		ex->keep = true;
	ex->head = op->head;
	ex->head_len = op->head_len;
	return 0;
}

bool object_op_request(struct object_op *op)
{
	struct err err = ERR_INIT;

	if (prepare(op, &err) == 0)
		return true;
	if (op->failed)
		return finish(op);
	object_fail(op, OP_ERR_OTHER, "%s", err.text);
	return fail(op);
}

/* What a put begins with comes from anywhere in the pool, and is seldom in a cache: it is on its way while the
 * request is signed. */
static void fetch_content(const struct object_thread *t, const struct io *io)
{
	const uint8_t *at;
	size_t len;

	if (io->fill != FILL_RANDOM || !content_is_in_place(io) || !t->http)
		return;
	at = content_in_place(t->data, io, 0, &len);
	for (size_t i = 0; i < len && i < FETCHED_MAX; i += CACHE_LINE)
		__builtin_prefetch(at + i, 0, 2);
}

bool object_op_begin(struct object_op *op)
{
	struct object_job *job = op->thread->job;
	struct io *io = op->io;
	struct err err = ERR_INIT;

	if (writes_content(io))
		fetch_content(op->thread, io);
	if (job->store->place(job, io->uri, &op->place, &err) < 0 ||
		(io->kind == OP_COPY &&
			job->store->place(job, io->to, &op->to, &err) < 0)) {
		object_fail(op, OP_ERR_OTHER, "%s", err.text);
		return finish(op);
	}
	job->store->begin(op);
	return object_op_request(op);
}

/* When the next attempt is due. */
static uint64_t pause_ns(struct object_op *op)
{
	const struct store_options *o = &op->thread->job->options;
	uint64_t asked = object_error_wait_ns(op);
	uint64_t most_asked = op->extra ? CONTROL_RETRY_AFTER_MAX_NS : RETRY_AFTER_MAX_NS;
	double delay = (double)(o->retry_delay_ns ? o->retry_delay_ns : RETRY_DELAY_NS);
	double most = (double)(o->retry_delay_max_ns ? o->retry_delay_max_ns
						     : RETRY_DELAY_MAX_NS);

	for (uint32_t i = 1; i < op->tries && delay < most; i++)
		delay *= o->retry_multiplier >= 1 ? o->retry_multiplier : 2;
	if (delay > most)
		delay = most;
	delay -= delay * o->retry_jitter * rng_double(&op->thread->rng);
	if (asked > most_asked)
		asked = most_asked;
	return asked > (uint64_t)delay ? asked : (uint64_t)delay;
}

static bool may_retry(const struct object_op *op, enum op_error error)
{
	uint32_t most = op->thread->job->options.retries;
	uint32_t control =
		error == OP_ERR_TIMEOUT ? CONTROL_RETRIES_LATE : CONTROL_RETRIES;

	if (op->extra && most < control)
		most = control;
	return op->tries < most && !op->thread->cancelled;
}

/* No whole response, or one that is an error. */
static bool bad_end(struct object_op *op)
{
	const struct http_exchange *ex = &op->ex;
	struct object_error e = {.error = OP_OK};
	int redirect = 0;

	if (ex->fail != HTTP_OK) {
		object_error_of_http(op, &e);
	} else {
		object_error_of_status(ex->status, &e);
		op->thread->job->store->error(op, &e);
		if (!e.renewed)
			redirect = object_redirect(op);
	}
	if (redirect < 0)
		return fail(op);
	if ((e.renewed || redirect) && !op->thread->cancelled) {
		if (op->redirects++ < OBJECT_REDIRECTS_MAX)
			return object_op_request(op);
		e.hint = "redirected again and again";
		e.retry = false;
	}
	if (e.retry && may_retry(op, e.error)) {
		op->tries++;
		op->io->attempts++;
		op->again_ns = ex->end_ns + pause_ns(op);
		return true;
	}
	if (!op->failed)
		object_error_set(op, &e);
	return fail(op);
}

static void note_page(struct object_op *op)
{
	const struct object_job *job = op->thread->job;

	op->io->pages++;
	if (job->cfg.page && !op->extra)
		job->cfg.page(op->thread->user, op->io, op->ex.start_ns, op->ex.end_ns);
}

/* What the next page begins behind, to be told from others. */
static uint64_t token_hash(const struct object_op *op)
{
	return op->token ? rng_hash(op->token, strlen(op->token)) : 0;
}

static enum object_next listed(struct object_op *op)
{
	struct err err = ERR_INIT;
	int rc = object_page_tell(op, &err);

	if (rc < 0)
		object_fail(op, OP_ERR_OTHER, "%s", err.text);
	return rc > 0 ? OBJECT_AGAIN : OBJECT_DONE;
}

static enum object_next good_end(struct object_op *op)
{
	struct io *io = op->io;
	struct err err = ERR_INIT;
	const uint64_t page = io->kind == OP_LIST ? token_hash(op) : 0;
	enum object_next next;

	if (io->kind == OP_GET || io->kind == OP_RANGE_GET) {
		io->first_byte_ns = op->ex.first_byte_ns;
		io->bytes = op->ex.received;
	}
	if (op->extra && op->extra->probe)
		return OBJECT_DONE;
	if (op->extra && op->extra->fn)
		next = listed(op);
	else
		next = op->thread->job->store->response(op, &err);
	if (io->kind != OP_LIST || next == OBJECT_FAILED)
		return next;
	note_page(op);
	if (next == OBJECT_DONE || !page || page != token_hash(op))
		return next;
	object_fail(
		op, OP_ERR_OTHER, "a page is followed by itself: the list has no end");
	return OBJECT_DONE;
}

/* The store has answered all that there was to ask. */
static bool done(struct object_op *op)
{
	struct io *io = op->io;
	const bool reads = io->kind == OP_GET || io->kind == OP_RANGE_GET;

	if (op->failed)
		return finish(op);
	if (io->error)
		return fail(op);
	if (reads && io->size != UINT64_MAX && io->bytes != io->size)
		object_fail(op, OP_ERR_SHORT, "%llu bytes instead of %llu",
			(unsigned long long)io->bytes, (unsigned long long)io->size);
	else if (writes_content(io) || (io->kind == OP_COPY && io->size != UINT64_MAX))
		io->bytes = io->size;
	if (op->extra && op->extra->body) {
		struct buf empty = *op->extra->body;

		*op->extra->body = op->answer;
		op->answer = empty;
	}
	return finish(op);
}

bool object_op_ended(struct object_op *op)
{
	const struct http_exchange *ex = &op->ex;
	struct io *io = op->io;
	enum object_next next = OBJECT_FAILED;

	if (!io->start_ns)
		io->start_ns = ex->start_ns;
	/* aborting is no part of the op */
	if (!op->failed)
		io->end_ns = ex->end_ns;
	if (ex->fail == HTTP_OK &&
		(ex->status / 100 == 2 || ex->status == op->thread->job->store->also_ok))
		next = good_end(op);
	if (next == OBJECT_FAILED)
		return bad_end(op);
	if (next == OBJECT_DONE)
		return done(op);
	op->tries = 0;
	op->redirects = 0;
	if (op->thread->cancelled) {
		object_fail(op, OP_ERR_TIMEOUT, "given up");
		return fail(op);
	}
	return op->again_ns ? true : object_op_request(op);
}
