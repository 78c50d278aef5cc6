/* uri: paths of a workload as URIs. */
#include "workload/uri.h"

#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"

#define URI_BYTES_MAX 4096

static const struct scheme schemes[] = {
	{"file://", true, true, false},
	{"null://", true, false, true},
	{"direct://", false, true, false},
	{"s3://", false, false, true},
	{"az://", false, false, true},
	{"gs://", false, false, true},
	{"gcs://", false, false, true},
};

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
	const char *names[ARRAY_LEN(schemes)], *near;
	char word[40];

	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		names[i] = schemes[i].prefix;
	snprintf(word, sizeof(word), "%.*s", (int)len, uri);
	near = text_nearest(word, names, ARRAY_LEN(names));
	return err_set(err, ERR_INPUT, "unknown scheme '%s'%s%s%s", word,
		near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}

const struct scheme *uri_scheme(const char *uri, struct err *err)
{
	size_t len = scheme_len(uri);

	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		const struct scheme *s = &schemes[i];

		if (strlen(s->prefix) != len || strncmp(uri, s->prefix, len) != 0)
			continue;
		if (s->supported)
			return s;
		err_set(err, ERR_INPUT, "'%s' is not supported yet", s->prefix);
		return NULL;
	}
	unknown_scheme(uri, len, err);
	return NULL;
}

static int check_parts(const char *path, struct err *err)
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

int uri_check(const char *path, struct err *err)
{
	const struct scheme *s = NULL;
	const char *rest = path + scheme_len(path);

	if (strlen(path) > URI_BYTES_MAX)
		return err_set(err, ERR_INPUT, "the path is longer than %d bytes",
			URI_BYTES_MAX);
	for (const char *c = path; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return err_set(
				err, ERR_INPUT, "the path holds a control character");
	if (uri_is_absolute(path)) {
		s = uri_scheme(path, err);
		if (!s)
			return -1;
		if (!s->has_host && *rest != '/')
			return err_set(err, ERR_INPUT, "'%s' needs three slashes: %s/%s",
				path, s->prefix, rest);
	} else if (*path == '/') {
		return err_set(err, ERR_INPUT,
			"'%s' begins with '/': write file://%s, or a path relative to "
			"target",
			path, path);
	}
	return check_parts(rest, err);
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

static int append_absolute(struct buf *b, const char *uri)
{
	size_t len = scheme_len(uri);
	/* "file:///a": the slash that begins the path belongs to the start */
	size_t lead = len + (uri[len] == '/');

	return buf_append(b, uri, lead) < 0 ? -1 : append_parts(b, uri + lead);
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
		append_parts(&b, path) < 0)
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
