/* redact_uri: secrets that text holds wherever it stands, in values and in comments. Private to
 * workload/. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Bytes to leave out, and what to write instead. */
struct span {
	size_t start, end;
	const char *with;
};

struct spans {
	struct span *items;
	size_t n, cap;
};

int spans_add(
	struct spans *s, size_t start, size_t end, const char *with); /* 0 or -ENOMEM */

/* Whether a key of that name holds a secret: by its words, unless the format itself has it. */
bool redact_is_secret(const char *name);

/* Userinfo, and query parameters that sign or are named like secrets, of all URIs. 0 or -ENOMEM. */
int redact_uris(const char *text, size_t len, struct spans *s);

/* What stands behind the name of a secret in a line that is a comment. 0 or -ENOMEM. */
int redact_comments(const char *text, size_t len, struct spans *s);
