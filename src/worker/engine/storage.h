/* storage: the store of a job outside the measured path: checks, listings, small objects, holders.
 *
 * Where a job has endpoints, what lies below their base is asked for at one of them, and what a listing
 * finds there is named as if it lay below the base: only here and in endpoints.c are the two told apart. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/backend.h"
#include "proto/job.h"

struct err;

struct storage {
	const struct backend *backend;
	void *job;                             /* the backend's job state */
	const struct job_endpoints *endpoints; /* NULL, or without uris: there are none */
	uint32_t home;    /* the endpoint that is asked outside of ops */
	uint64_t *listed; /* counts the entries of listings (atomic); or NULL */
};

/* How many endpoints there are. */
uint32_t storage_endpoints(const struct job_endpoints *e);
/* How much longer than below the base a URI may be at one of them. */
size_t storage_growth(const struct job_endpoints *e);

/* backend.check, at every endpoint. */
int storage_check(
	const struct storage *s, enum op_kind kind, const char *uri, struct err *err);
/* backend.fit; 0 where the backend asks nothing. */
int storage_fit(
	const struct storage *s, struct job_op *op, const char *uri, struct err *err);
/* Whether all endpoints see the same objects: a small one that is written at each is looked for at the next.
 * name is unique. 0 where nobody can say: there is one endpoint, or none, or what would hold the object is not
 * there yet. */
int storage_check_same(const struct storage *s, const char *name, struct err *err);
/* As the backend's own. Names that are longer than the URI of an op (ENGINE_URI), or do not lie where was asked,
 * are passed over. */
int storage_list(const struct storage *s, const char *uri, list_fn *fn, void *user,
	struct err *err);
/* The same of directories, each with '/' at its end; nothing where the backend has none. */
int storage_list_dirs(const struct storage *s, const char *uri, list_fn *fn, void *user,
	struct err *err);
long storage_read_small(const struct storage *s, const char *uri, char *out, size_t size,
	struct err *err);
int storage_write_small(
	const struct storage *s, const char *uri, const char *text, struct err *err);
int storage_remove_small(const struct storage *s, const char *uri, struct err *err);
/* Whether the backend has holders (directories) at all. */
static inline bool storage_has_holders(const struct storage *s)
{
	return s->backend->holder_make != NULL;
}
/* False, and nothing to do, where the backend has no holders. */
bool storage_holder_missing(const struct storage *s, const char *prefix);
int storage_holder_make(const struct storage *s, const char *prefix, struct err *err);
void storage_holder_remove(const struct storage *s, const char *prefix);
