/* object_list: listings and small objects, outside the measured path. */
#include "backends/object/object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/object/object_impl.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"

bool object_listing_add(void *listing, const char *key, size_t len, uint64_t size)
{
	struct object_listing *l = listing;
	struct list_entry e = {.size = size};

	if (memchr(key, '\0', len))
		return true;
	buf_clear(&l->uri);
	if (buf_puts(&l->uri, l->bucket_uri) < 0 || buf_append(&l->uri, key, len) < 0) {
		l->no_memory = true;
		return false;
	}
	e.uri = l->uri.data;
	l->ended = !l->fn(&e, l->user);
	return !l->ended;
}

int object_listing_end(struct object_listing *l, struct object_op *op, int rc, char *next,
	struct err *err)
{
	buf_finish(&l->uri);
	if (rc < 0)
		return err_prefix(err, "the page cannot be read");
	free(op->token);
	op->token = next;
	if (l->no_memory)
		return err_sys(err, ENOMEM, "no memory");
	return op->token && !l->ended;
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
