/* uri: paths of a workload as URIs. */
#include "workload/uri.h"

#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"

#define URI_BYTES_MAX 4096

#define KIB UINT64_C(1024)
#define MIB (KIB * KIB)
#define GIB (KIB * MIB)

/* Limits of stores: Amazon S3 "Multipart upload limits", Azure "Scale targets for Blob storage", Google
 * Cloud Storage "Quotas and limits", "Resumable uploads" and "Batch requests". */
static const struct scheme schemes[] = {
	{.prefix = "file://", .supported = true, .is_local = true},
	{.prefix = "null://", .supported = true, .has_host = true, .batch_max = 1000},
	{.prefix = "direct://", .supported = true, .is_local = true},
	{.prefix = "s3://",
		.supported = true,
		.has_host = true,
		.containers = 1,
		.put_max = 5 * GIB,
		.part_min = 5 * MIB,
		.part_max = 5 * GIB,
		.parts_max = 10000,
		.batch_max = 1000},
	{.prefix = "az://",
		.supported = true,
		.has_host = true,
		.containers = 2,
		.put_max = 5000 * MIB,
		.part_max = 4000 * MIB,
		.parts_max = 50000,
		.batch_max = 256},
	{.prefix = "gs://",
		.supported = true,
		.has_host = true,
		.containers = 1,
		.put_max = 5 * 1024 * GIB,
		.part_multiple = 256 * KIB,
		.batch_max = 100},
};

/* Another spelling of gs://, which is what becomes of it. */
static const char gcs[] = "gcs://";

/* Length of "SCHEME://" at the start of s, or 0. */
static size_t scheme_len(const char *s)
{
	size_t len = strspn(
		s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");

	return len && strncmp(s + len, "://", 3) == 0 ? len + 3 : 0;
}

bool uri_is_absolute(const char *s)
{
	return scheme_len(s) > 0;
}

static int unknown_scheme(const char *uri, size_t len, struct err *err)
{
	const char *names[ARRAY_LEN(schemes) + 1], *near;
	char word[40];

	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		names[i] = schemes[i].prefix;
	names[ARRAY_LEN(schemes)] = gcs;
	snprintf(word, sizeof(word), "%.*s", (int)len, uri);
	near = text_nearest(word, names, ARRAY_LEN(names));
	return err_set(err, ERR_INPUT, "unknown scheme '%s'%s%s%s", word,
		near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}

const struct scheme *uri_scheme(const char *uri, struct err *err)
{
	const char *prefix = text_starts_with(uri, gcs) ? "gs://" : uri;
	size_t len = scheme_len(prefix);

	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		const struct scheme *s = &schemes[i];

		if (strlen(s->prefix) != len || strncmp(prefix, s->prefix, len) != 0)
			continue;
		if (s->supported)
			return s;
		err_set(err, ERR_INPUT, "'%s' is not supported yet", s->prefix);
		return NULL;
	}
	unknown_scheme(uri, len, err);
	return NULL;
}

/* ---- what may stand in one ---- */

int uri_check_parts(const char *path, struct err *err)
{
	for (const char *part = path; *part;) {
		size_t len = strcspn(part, "/");

		if (len == 2 && memcmp(part, "..", 2) == 0)
			return err_set(err, ERR_INPUT, "'..' cannot stand in a path");
		if (len > 255)
			return err_set(err, ERR_INPUT,
				"a part of the path is longer than 255 bytes");
		part += len;
		part += *part == '/';
	}
	return 0;
}

/* Parts in front of the key of an object: those of the scheme, behind a host:port if there is one. */
static unsigned containers_of(const struct scheme *s, const char *rest)
{
	return s->containers + (memchr(rest, ':', strcspn(rest, "/")) != NULL);
}

static int check_containers(const struct scheme *s, const char *rest, struct err *err)
{
	static const char *const wanted[] = {"", "BUCKET/", "ACCOUNT/CONTAINER/"};

	for (unsigned n = containers_of(s, rest); n; n--) {
		size_t len = strcspn(rest, "/");

		if (len == 0)
			return err_set(err, ERR_INPUT, "a URI of this store is %s%s...",
				s->prefix, wanted[s->containers]);
		if (strcspn(rest, "*?[") < len)
			return err_set(err, ERR_INPUT,
				"a wildcard cannot stand in front of the key");
		rest += len;
		rest += *rest == '/';
	}
	return 0;
}

/* What people paste along with a URI, and must not: the text of an error is kept and shown. */
static int check_secrets(const char *rest, struct err *err)
{
	const char *query = strchr(rest, '?');

	if (memchr(rest, '@', strcspn(rest, "/?")))
		return err_set(err, ERR_INPUT,
			"credentials cannot stand in a URI: they come from the "
			"environment and from where the store's own tools keep them");
	if (query && (strcasestr(query, "sig=") || strcasestr(query, "signature=")))
		return err_set(err, ERR_INPUT,
			"a signature cannot stand in a URI (Azure: "
			"AZURE_STORAGE_SAS_TOKEN takes it)");
	return 0;
}

static int check_absolute(const char *uri, struct err *err)
{
	const struct scheme *s = uri_scheme(uri, err);
	const char *rest = uri + scheme_len(uri);

	if (!s)
		return -1;
	if (s->containers)
		return check_secrets(rest, err) < 0 ? -1 : check_containers(s, rest, err);
	if (!s->has_host && *rest != '/')
		return err_set(err, ERR_INPUT, "'%s' needs three slashes: %s/%s", uri,
			s->prefix, rest);
	return uri_check_parts(rest, err);
}

int uri_check(const char *path, struct err *err)
{
	if (strlen(path) > URI_BYTES_MAX)
		return err_set(err, ERR_INPUT, "the path is longer than %d bytes",
			URI_BYTES_MAX);
	for (const char *c = path; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return err_set(
				err, ERR_INPUT, "the path holds a control character");
	if (uri_is_absolute(path))
		return check_absolute(path, err);
	if (*path == '/')
		return err_set(err, ERR_INPUT,
			"'%s' begins with '/': write file://%s, or a path relative to "
			"target",
			path, path);
	return 0;
}

int uri_check_target(const char *uri, struct err *err)
{
	if (uri_check(uri, err) < 0)
		return -1;
	if (!uri_is_absolute(uri))
		return err_set(
			err, ERR_INPUT, "'%s' is no URI such as file:///mnt/test/", uri);
	if (text_has_wildcard(uri))
		return err_set(
			err, ERR_INPUT, "'%s' has a wildcard, and names one place", uri);
	return 0;
}

/* ---- one behind another ---- */

/* Appends rest without empty and "." parts; a '/' at its end stays. */
static int append_parts(struct buf *b, const char *rest)
{
	int r = 0;

	while (r == 0 && *rest) {
		size_t len = strcspn(rest, "/");
		bool skip = len == 0 || (len == 1 && *rest == '.');

		if (!skip)
			r = buf_append(b, rest, len);
		rest += len;
		if (*rest == '/' && !skip && r == 0)
			r = buf_putc(b, '/');
		rest += *rest == '/';
	}
	return r;
}

/* A bucket by itself is all that is in it. */
static int append_object(struct buf *b, const struct scheme *s, const char *rest)
{
	unsigned slashes = 0;
	int r = buf_puts(b, s->prefix);

	if (r == 0)
		r = buf_puts(b, rest);
	for (const char *c = rest; *c; c++)
		slashes += *c == '/';
	return r == 0 && slashes < containers_of(s, rest) ? buf_putc(b, '/') : r;
}

static int append_absolute(struct buf *b, const char *uri)
{
	size_t len = scheme_len(uri);
	/* "file:///a": the slash that begins the path belongs to the start */
	size_t lead = len + (uri[len] == '/');
	struct err unused = ERR_INIT;
	const struct scheme *s = uri_scheme(uri, &unused);

	if (s && s->containers)
		return append_object(b, s, uri + len);
	return buf_append(b, uri, lead) < 0 ? -1 : append_parts(b, uri + lead);
}

static int append_relative(struct buf *b, const char *path)
{
	struct err unused = ERR_INIT;
	const struct scheme *s = uri_scheme(b->data, &unused);

	if (!s || !s->containers)
		return append_parts(b, path);
	while (text_starts_with(path, "./"))
		path += 2;
	return strcmp(path, ".") == 0 ? 0 : buf_puts(b, path);
}

static int end_with_slash(struct buf *b)
{
	return b->data[b->len - 1] == '/' ? 0 : buf_putc(b, '/');
}

char *uri_target(const char *target)
{
	struct buf b AUTO_BUF = BUF_INIT;

	if (append_absolute(&b, target) < 0 || end_with_slash(&b) < 0)
		return NULL;
	return buf_steal(&b);
}

char *uri_resolve(const char *target, const char *path)
{
	struct buf b AUTO_BUF = BUF_INIT;

	if (uri_is_absolute(path))
		return append_absolute(&b, path) < 0 ? NULL : buf_steal(&b);
	if (append_absolute(&b, target) < 0 || end_with_slash(&b) < 0 ||
		append_relative(&b, path) < 0)
		return NULL;
	return buf_steal(&b);
}

size_t uri_folder_len(const char *uri)
{
	size_t start = scheme_len(uri);
	size_t end = start + strcspn(uri + start, "*?[");

	while (end > start && uri[end - 1] != '/')
		end--;
	return end;
}

static bool glob_matches(
	const char *glob, const char *set_uri, const char *name, const char *number)
{
	AUTO_FREE char *object = text_printf("%s%s-%s.dat", set_uri, name, number);

	return object && text_match(glob, object, false);
}

bool uri_covers(const char *uri, const char *set_uri, const char *name)
{
	if (text_has_wildcard(uri))
		return glob_matches(uri, set_uri, name, "00000000");
	return text_ends_with(uri, "/") && text_starts_with(set_uri, uri);
}

bool uri_touches(const char *uri, const char *set_uri, const char *name)
{
	size_t set_len = strlen(set_uri), name_len = strlen(name);
	size_t literal = text_has_wildcard(uri) ? strcspn(uri, "*?[") : strlen(uri);

	if (uri_covers(uri, set_uri, name))
		return true;
	/* an exact key, or a glob of some indices */
	return literal >= set_len + name_len && strncmp(uri, set_uri, set_len) == 0 &&
	       strncmp(uri + set_len, name, name_len) == 0;
}
