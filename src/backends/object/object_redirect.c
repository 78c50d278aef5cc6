/* object_redirect: a response that names another place for the same request: it is written and signed anew
 * there. The key never changes: only the host, and whether the bucket is in it or in the path. */
#include "backends/object/object.h"

#include <string.h>
#include <strings.h>

#include "backends/object/object_impl.h"
#include "cloud/encode.h"
#include "common/err.h"

static bool is_redirect(int status)
{
	return status == 301 || status == 302 || status == 307 || status == 308;
}

/* Whether path is BASE/BUCKET, or below. */
static bool names_bucket(
	const struct object_place *p, const char *base, const char *path, size_t len)
{
	size_t base_len = strlen(base), end = base_len + 1 + p->bucket_len;

	return len >= end && strncmp(path, base, base_len) == 0 &&
	       path[base_len] == '/' &&
	       strncmp(path + base_len + 1, p->bucket, p->bucket_len) == 0 &&
	       (len == end || path[end] == '/' || path[end] == '?');
}

static bool begins_with_bucket(const char *host, const struct object_place *p)
{
	return strncasecmp(host, p->bucket, p->bucket_len) == 0 &&
	       host[p->bucket_len] == '.';
}

/* Where the bucket stands at the new host: in its name, or in the path below which base. */
static void find_bucket(struct object_place *place, const struct object_place *old,
	const char *path, size_t len)
{
	place->bucket_in_host = true;
	if (begins_with_bucket(place->host, old))
		return;
	if (names_bucket(old, old->base, path, len))
		place->base = old->base;
	else if (!names_bucket(old, "", path, len))
		return;
	place->bucket_in_host = false;
}

static int follow(struct object_op *op, const char *url, size_t len, struct err *err)
{
	struct object_job *job = op->thread->job;
	struct object_place *place = object_target(op);
	const struct object_place old = *place;
	const char *authority = memchr(url, ':', len), *path;
	struct object_endpoint *e;
	size_t whole = len;

	authority = authority ? authority + 3 : url;
	path = memchr(authority, '/', len - (size_t)(authority - url));
	if (path)
		len = (size_t)(path - url);
	e = object_endpoint(job, url, len, true, err);
	if (!e)
		return -1;
	if (old.tls && !e->tls)
		return err_set(err, ERR_FAILED, "redirected from https to http");
	if (!job->store->redirects_abroad && strcasecmp(e->host, old.host) != 0)
		return err_set(err, ERR_FAILED,
			"redirected to %.100s, where credentials do not go", e->host);
	if (object_place_at(job, e, place, err) < 0)
		return -1;
	find_bucket(place, &old, path ? path : "/", path ? whole - len : 1);
	object_remark(job, "%s redirects to %s: each request goes there first", old.host,
		e->host);
	return 0;
}

int object_redirect(struct object_op *op)
{
	struct err err = ERR_INIT;
	const char *url;
	size_t len;

	if (!is_redirect(op->ex.status))
		return 0;
	url = http_header(&op->ex, "location", &len);
	if (!url || (strncasecmp(url, "http://", 7) != 0 &&
			    strncasecmp(url, "https://", 8) != 0))
		return 0;
	if (follow(op, url, len, &err) == 0)
		return 1;
	if (!op->failed)
		object_fail(op, OP_ERR_OTHER, "%d: %s", op->ex.status, err.text);
	return -1;
}
