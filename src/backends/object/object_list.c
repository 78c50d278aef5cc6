/* object_list: listings and small objects, outside the measured path. */
#include "backends/object/object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/object/object_impl.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"

enum object_next object_page_done(struct object_op *op)
{
	struct object_page page = {.next = NULL};
	struct err err = ERR_INIT;

	if (op->thread->job->store->page(
		    op->answer.data, op->answer.len, NULL, NULL, &page, &err) < 0) {
		object_fail(op, OP_ERR_OTHER, "the page cannot be read: %s", err.text);
		return OBJECT_DONE;
	}
	op->io->entries += page.objects + page.prefixes;
	free(op->token);
	op->token = page.next;
	return op->token ? OBJECT_AGAIN : OBJECT_DONE;
}

struct listing {
	const struct object_extra *extra;
	struct buf uri;
	bool ended, no_memory;
};

/* A key with a NUL is passed over: no URI can name it. */
static bool add_key(void *user, const char *key, size_t len, uint64_t size)
{
	struct listing *l = user;
	struct list_entry e = {.size = size};

	if (memchr(key, '\0', len))
		return true;
	buf_clear(&l->uri);
	if (buf_puts(&l->uri, l->extra->bucket_uri) < 0 ||
		buf_append(&l->uri, key, len) < 0) {
		l->no_memory = true;
		return false;
	}
	e.uri = l->uri.data;
	l->ended = !l->extra->fn(&e, l->extra->user);
	return !l->ended;
}

int object_page_tell(struct object_op *op, struct err *err)
{
	struct listing l = {.extra = op->extra, .uri = BUF_INIT};
	struct object_page page = {.next = NULL};
	int rc = op->thread->job->store->page(
		op->answer.data, op->answer.len, add_key, &l, &page, err);

	buf_finish(&l.uri);
	if (rc < 0)
		return err_prefix(err, "the page cannot be read");
	free(op->token);
	op->token = page.next;
	if (l.no_memory)
		return err_sys(err, ENOMEM, "no memory");
	return op->token && !l.ended;
}

int object_list(void *state, const char *uri, list_fn *fn, void *user, struct err *err)
{
	struct object_job *job = state;
	struct object_place place = {0};
	AUTO_FREE char *bucket_uri = NULL;
	struct io io = {.kind = OP_LIST, .uri = uri, .size = UINT64_MAX};
	size_t len;

	if (job->store->place(job, uri, &place, err) < 0)
		return -1;
	len = (size_t)(place.key - uri);
	bucket_uri = text_printf(
		"%.*s%s", (int)len, uri, len > 0 && uri[len - 1] == '/' ? "" : "/");
	if (!bucket_uri)
		return err_sys(err, ENOMEM, "no memory");

	struct object_extra extra = {.fn = fn, .user = user, .bucket_uri = bucket_uri};

	if (object_control_run(job, &io, NULL, &extra, err) < 0)
		return object_cannot(job, "list", uri, err);
	return 0;
}

long object_read_small(
	void *state, const char *uri, char *out, size_t size, struct err *err)
{
	AUTO_BUF struct buf body = BUF_INIT_MAX(OBJECT_BODY_MAX);
	struct io io = {.kind = OP_GET, .uri = uri, .size = UINT64_MAX};
	struct object_extra extra = {.body = &body};

	if (object_control_run(state, &io, NULL, &extra, err) < 0) {
		object_cannot(state, "read", uri, err);
		return io.error == OP_ERR_NOT_FOUND ? -ENOENT : -EIO;
	}
	if (io.bytes != body.len || body.len >= size) {
		err_set(err, ERR_FAILED, "%.200s: %llu bytes are too many", uri,
			(unsigned long long)io.bytes);
		return -EFBIG;
	}
	if (body.len)
		memcpy(out, body.data, body.len);
	out[body.len] = '\0';
	return (long)body.len;
}

int object_write_small(void *state, const char *uri, const char *text, struct err *err)
{
	struct io io = {.kind = OP_PUT, .uri = uri, .size = strlen(text)};
	struct object_extra extra = {0};

	if (object_control_run(state, &io, text, &extra, err) < 0)
		return object_cannot(state, "write", uri, err);
	return 0;
}

int object_remove_small(void *state, const char *uri, struct err *err)
{
	struct io io = {.kind = OP_DELETE, .uri = uri};
	struct object_extra extra = {0};

	if (object_control_run(state, &io, NULL, &extra, err) < 0 &&
		io.error != OP_ERR_NOT_FOUND)
		return object_cannot(state, "remove", uri, err);
	return 0;
}
