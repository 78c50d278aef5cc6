/* holders: the directories that this job's objects need and that were not there before it came. They
 * are muster's to remove when they are empty again; those above the target never are. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct storage;

struct holders {
	char **uris; /* each ends with '/' */
	size_t n;
};

void holders_finish(struct holders *h);
/* Whether uri (ends with '/') is one of them. */
bool holders_has(const struct holders *h, const char *uri);

/* Notes what is missing for objects named uri... : its directory, and those above it as far as the
 * target (NULL: none). Running out of memory only means that one stays. */
void holders_note(struct holders *h, const struct storage *store, const char *target,
	const char *uri);
/* Adds one that is known to be muster's; nothing to do when it is there already. */
void holders_add(struct holders *h, const char *uri, size_t len);

/* Removes those that are empty, the deepest first. */
void holders_remove(struct holders *h, const struct storage *store);
