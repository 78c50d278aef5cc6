/* redact_uri: secrets that text holds wherever it stands, in values and in comments. */
#include "workload/redact_uri.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "workload/workload.h"

#define NAME_BYTES_MAX 128

static bool is_one_of(char c, const char *set)
{
	return c && strchr(set, c);
}

/* First byte of text[at..len) that is in set, or len. */
static size_t find_any(const char *text, size_t at, size_t len, const char *set)
{
	while (at < len && !is_one_of(text[at], set))
		at++;
	return at;
}

static bool all_digits(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] < '0' || s[i] > '9')
			return false;
	return n > 0;
}

/* Where the userinfo of an authority that begins at start ends, or start when there is none. A secret
 * with a '/' in it is no valid URI, and still a secret: "name:text/..@" is one, "host:9000/..@" not. */
static size_t userinfo_end(const char *text, size_t start, size_t token_end)
{
	size_t end = find_any(text, start, token_end, "/?#,]}");
	const char *at = memrchr(text + start, '@', end - start);
	const char *colon = memchr(text + start, ':', end - start);
	size_t behind = colon ? (size_t)(colon - text) + 1 : end;

	if (!at && colon && !all_digits(text + behind, end - behind))
		at = memrchr(text + start, '@', token_end - start);
	return at ? (size_t)(at - text) : start;
}

static bool is_secret_parameter(const char *name, size_t len)
{
	static const char signature[] = "signature";
	char copy[NAME_BYTES_MAX];

	snprintf(copy, sizeof(copy), "%.*s", (int)(len < NAME_BYTES_MAX ? len : 0), name);
	len = strlen(copy);
	return strcasecmp(copy, "sig") == 0 || redact_is_secret(copy) ||
	       (len >= strlen(signature) &&
		       strcasecmp(copy + len - strlen(signature), signature) == 0);
}

static int redact_parameters(const char *text, size_t at, size_t end, struct spans *s)
{
	int r = 0;

	while (r == 0 && (at = find_any(text, at, end, "?&")) < end) {
		size_t name = ++at, equals = find_any(text, name, end, "=?&");

		if (equals == end || text[equals] != '=')
			continue;
		at = find_any(text, equals, end, "&#");
		if (is_secret_parameter(text + name, equals - name))
			r = spans_add(s, equals + 1, at, "***");
	}
	return r;
}

int redact_uris(const char *text, size_t len, struct spans *s)
{
	size_t at = 0;

	for (;;) {
		const char *found = memmem(text + at, len - at, "://", 3);
		size_t start, end, user;

		if (!found)
			return 0;
		start = (size_t)(found - text) + 3;
		end = find_any(text, start, len, " \t\r\n\"'");
		user = userinfo_end(text, start, end);
		if (user > start && spans_add(s, start, user, "***") < 0)
			return -ENOMEM;
		if (redact_parameters(text, user, end, s) < 0)
			return -ENOMEM;
		at = start;
	}
}

/* text[at..end): a comment's words. */
static int redact_comment(const char *text, size_t at, size_t end, struct spans *s)
{
	static const char name_bytes[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		"0123456789_-.";

	while (at < end) {
		char name[NAME_BYTES_MAX];
		size_t len = 0;

		while (at + len < end && is_one_of(text[at + len], name_bytes))
			len++;
		snprintf(name, sizeof(name), "%.*s",
			(int)(len < NAME_BYTES_MAX ? len : 0), text + at);
		at += len;
		if (len && at < end && is_one_of(text[at], "\"' "))
			at++;
		if (len && at < end && is_one_of(text[at], ":=") &&
			redact_is_secret(name))
			return spans_add(s, at + 1, end, " ***");
		if (!len)
			at++;
	}
	return 0;
}

int redact_comments(const char *text, size_t len, struct spans *s)
{
	for (size_t at = 0; at < len;) {
		size_t end = find_any(text, at, len, "\r\n");

		while (at < end && is_one_of(text[at], " \t"))
			at++;
		if (at < end && text[at] == '#' && redact_comment(text, at, end, s) < 0)
			return -ENOMEM;
		at = end + 1;
	}
	return 0;
}
