/* remarks: things worth saying about a test, each said once. */
#include "net/remarks.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REMARKS_MAX 50
#define REMARK_BYTES 500

void remarks_add(struct remarks *r, const char *fmt, ...)
{
	char text[REMARK_BYTES];
	char **items;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->items[i], text) == 0)
			return;
	if (r->n == REMARKS_MAX)
		return;
	items = realloc(r->items, (r->n + 2) * sizeof(*items));
	if (!items)
		return;
	r->items = items;
	items[r->n] = strdup(text);
	if (items[r->n])
		items[++r->n] = NULL;
}

void remarks_finish(struct remarks *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->items[i]);
	free(r->items);
	*r = (struct remarks){0};
}
