/* storage: the store of a job outside the measured path, through its endpoints where there are any. */
#include "worker/engine/storage.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/text.h"
#include "worker/engine/engine.h"

uint32_t storage_endpoints(const struct job_endpoints *e)
{
	uint32_t n = 0;

	while (e && e->uris && e->uris[n])
		n++;
	return n;
}

size_t storage_growth(const struct job_endpoints *e)
{
	size_t base = e && e->base ? strlen(e->base) : 0, growth = 0;

	for (uint32_t i = 0; i < storage_endpoints(e); i++)
		if (strlen(e->uris[i]) > base + growth)
			growth = strlen(e->uris[i]) - base;
	return growth;
}

/* Where uri is at an endpoint: uri itself, or text in buf (ENGINE_URI bytes; the length of all URIs was
 * looked at when the job came). */
static const char *at_endpoint(
	const struct storage *s, uint32_t endpoint, const char *uri, char *buf)
{
	const struct job_endpoints *e = s->endpoints;

	if (!storage_endpoints(e) || !text_starts_with(uri, e->base))
		return uri;
	snprintf(buf, ENGINE_URI, "%s%s", e->uris[endpoint], uri + strlen(e->base));
	return buf;
}

static const char *at_home(const struct storage *s, const char *uri, char *buf)
{
	return at_endpoint(s, s->home, uri, buf);
}

int storage_check(
	const struct storage *s, enum op_kind kind, const char *uri, struct err *err)
{
	uint32_t n = storage_endpoints(s->endpoints);
	char buf[ENGINE_URI];

	if (!n || !text_starts_with(uri, s->endpoints->base))
		return s->backend->check(s->job, kind, uri, err);
	for (uint32_t i = 0; i < n; i++)
		if (s->backend->check(s->job, kind, at_endpoint(s, i, uri, buf), err) < 0)
			return -1;
	return 0;
}

/* Writes at one endpoint, and looks at another one. */
static int check_pair(const struct storage *s, uint32_t here, uint32_t there,
	const char *uri, const char *text, struct err *err)
{
	struct err ignored = ERR_INIT;
	char buf[ENGINE_URI], found[64];
	int rc = s->backend->write_small(
		s->job, at_endpoint(s, here, uri, buf), text, err);
	long len;

	if (rc < 0)
		return -1;
	len = s->backend->read_small(
		s->job, at_endpoint(s, there, uri, buf), found, sizeof(found), err);
	if (len == -ENOENT || (len >= 0 && strcmp(found, text) != 0))
		rc = err_set(err, ERR_INPUT,
			"%s does not see what %s has: all endpoints must see the same "
			"objects",
			s->endpoints->uris[there], s->endpoints->uris[here]);
	else if (len < 0)
		rc = -1;
	s->backend->remove_small(s->job, at_endpoint(s, here, uri, buf), &ignored);
	return rc;
}

int storage_check_same(const struct storage *s, const char *name, struct err *err)
{
	uint32_t n = storage_endpoints(s->endpoints);
	char uri[ENGINE_URI], text[24];

	if (s->backend->any_object)
		return 0;
	for (uint32_t i = 0; i < n && s->backend->holder_missing; i++)
		if (s->backend->holder_missing(s->job, s->endpoints->uris[i]))
			return 0;
	if (n)
		snprintf(uri, sizeof(uri), "%s.muster-same-%s", s->endpoints->base, name);
	for (uint32_t i = 0; i + 1 < n; i++) {
		snprintf(text, sizeof(text), "%u", i);
		if (check_pair(s, i, i + 1, uri, text, err) < 0)
			return -1;
	}
	return 0;
}

/* A listing on its way: counted, and told as one of the base. */
struct relay {
	list_fn *fn;
	void *user;
	uint64_t *listed;
	size_t longest;   /* of a name, so that ops can have it at any endpoint */
	const char *base; /* NULL: names stay as they are */
	const char *home; /* the endpoint's own URI, in place of base */
	char *buf;        /* ENGINE_URI bytes */
};

static bool relay_entry(const struct list_entry *e, void *user)
{
	const struct relay *r = user;
	const struct list_entry renamed = {.uri = r->buf, .size = e->size};
	const char *rest = e->uri;
	size_t len = 0;

	if (r->listed)
		__atomic_fetch_add(r->listed, 1, __ATOMIC_RELAXED);
	/* the names are the store's, which may tell any */
	if (r->base && !text_starts_with(e->uri, r->home))
		return true;
	if (r->base) {
		rest = e->uri + strlen(r->home);
		len = strlen(r->base);
	}
	if (len + strlen(rest) > r->longest)
		return true;
	if (!r->base)
		return r->fn(e, r->user);
	snprintf(r->buf, ENGINE_URI, "%s%s", r->base, rest);
	return r->fn(&renamed, r->user);
}

typedef int lister(void *job, const char *uri, list_fn *fn, void *user, struct err *err);

static int list_with(const struct storage *s, lister *list, const char *uri, list_fn *fn,
	void *user, struct err *err)
{
	char place[ENGINE_URI], entry[ENGINE_URI];
	const char *at = at_home(s, uri, place);
	struct relay r = {
		.fn = fn,
		.user = user,
		.listed = s->listed,
		.longest = ENGINE_URI - 1 - storage_growth(s->endpoints),
		.buf = entry,
	};

	if (at != uri) {
		r.base = s->endpoints->base;
		r.home = s->endpoints->uris[s->home];
	}
	return list(s->job, at, relay_entry, &r, err);
}

int storage_list(const struct storage *s, const char *uri, list_fn *fn, void *user,
	struct err *err)
{
	return list_with(s, s->backend->list, uri, fn, user, err);
}

int storage_list_dirs(const struct storage *s, const char *uri, list_fn *fn, void *user,
	struct err *err)
{
	if (!s->backend->list_dirs)
		return 0;
	return list_with(s, s->backend->list_dirs, uri, fn, user, err);
}

int storage_fit(
	const struct storage *s, struct job_op *op, const char *uri, struct err *err)
{
	char buf[ENGINE_URI];

	return s->backend->fit ? s->backend->fit(s->job, op, at_home(s, uri, buf), err)
			       : 0;
}

long storage_read_small(
	const struct storage *s, const char *uri, char *out, size_t size, struct err *err)
{
	char buf[ENGINE_URI];

	return s->backend->read_small(s->job, at_home(s, uri, buf), out, size, err);
}

int storage_write_small(
	const struct storage *s, const char *uri, const char *text, struct err *err)
{
	char buf[ENGINE_URI];

	return s->backend->write_small(s->job, at_home(s, uri, buf), text, err);
}

int storage_remove_small(const struct storage *s, const char *uri, struct err *err)
{
	char buf[ENGINE_URI];

	return s->backend->remove_small(s->job, at_home(s, uri, buf), err);
}

bool storage_holder_missing(const struct storage *s, const char *prefix)
{
	char buf[ENGINE_URI];

	return s->backend->holder_missing &&
	       s->backend->holder_missing(s->job, at_home(s, prefix, buf));
}

int storage_holder_make(const struct storage *s, const char *prefix, struct err *err)
{
	char buf[ENGINE_URI];

	return s->backend->holder_make
		       ? s->backend->holder_make(s->job, at_home(s, prefix, buf), err)
		       : 0;
}

void storage_holder_remove(const struct storage *s, const char *prefix)
{
	char buf[ENGINE_URI];

	if (s->backend->holder_remove)
		s->backend->holder_remove(s->job, at_home(s, prefix, buf));
}
