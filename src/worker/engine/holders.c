/* holders: the directories that are muster's to remove. */
#include "worker/engine/holders.h"

#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "worker/engine/storage.h"

void holders_finish(struct holders *h)
{
	for (size_t i = 0; i < h->n; i++)
		free(h->uris[i]);
	free(h->uris);
	*h = (struct holders){0};
}

static bool has(const struct holders *h, const char *uri, size_t len)
{
	for (size_t i = 0; i < h->n; i++)
		if (strlen(h->uris[i]) == len && memcmp(h->uris[i], uri, len) == 0)
			return true;
	return false;
}

bool holders_has(const struct holders *h, const char *uri)
{
	return has(h, uri, strlen(uri));
}

void holders_add(struct holders *h, const char *uri, size_t len)
{
	if (has(h, uri, len))
		return;
	char **uris = reallocarray(h->uris, h->n + 1, sizeof(*uris));

	if (!uris)
		return;
	h->uris = uris;
	h->uris[h->n] = strndup(uri, len);
	if (h->uris[h->n])
		h->n++;
}

/* The length of uri[0..len) without what follows its last '/'. */
static size_t up_to_slash(const char *uri, size_t len)
{
	while (len > 0 && uri[len - 1] != '/')
		len--;
	return len;
}

void holders_note(struct holders *h, const struct storage *store, const char *target,
	const char *uri)
{
	AUTO_FREE char *dir = strdup(uri);
	size_t len = dir ? up_to_slash(dir, strlen(dir)) : 0;
	size_t top = target ? up_to_slash(target, strlen(target)) : 0;

	if (!dir)
		return;
	if (top == 0 || strncmp(dir, target, top) != 0)
		top = len;
	for (; len > 0 && len >= top; len = up_to_slash(dir, len - 1)) {
		dir[len] = '\0';
		if (!storage_holder_missing(store, dir))
			return;
		holders_add(h, dir, len);
	}
}

static int longest_first(const void *a, const void *b)
{
	size_t la = strlen(*(char *const *)a), lb = strlen(*(char *const *)b);

	return (la < lb) - (la > lb);
}

void holders_remove(struct holders *h, const struct storage *store)
{
	if (h->n == 0)
		return;
	qsort(h->uris, h->n, sizeof(*h->uris), longest_first);
	for (size_t i = 0; i < h->n; i++)
		storage_holder_remove(store, h->uris[i]);
}
