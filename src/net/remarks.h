/* remarks: things worth saying about a test, each said once. */
#pragma once

#include <stddef.h>

struct remarks {
	char **items; /* NULL-terminated, or NULL */
	size_t n;
};

/* Formats and adds one, unless it is there already; nothing beyond 50. */
void __attribute__((format(printf, 2, 3)))
remarks_add(struct remarks *r, const char *fmt, ...);
void remarks_finish(struct remarks *r);
