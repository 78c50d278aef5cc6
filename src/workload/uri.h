/* uri: paths of a workload as URIs: schemes, what may stand in one, and how one follows another.
 * Private to workload/.
 *
 * A URI here is SCHEME://REST, taken byte by byte: nothing is percent-decoded. Empty and "." parts of
 * a path are dropped, ".." is refused: nothing leads out of a target. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct err;

struct scheme {
	const char *prefix; /* "file://" */
	bool supported;     /* its time has come */
	bool is_local; /* every host sees its own, unless the workload says otherwise */
	bool has_host; /* something may stand between "//" and "/" */
};

bool uri_is_absolute(const char *s);

/* The scheme of an absolute URI, or NULL with err (the reason alone) when it is unknown or its time has
 * not come. */
const struct scheme *uri_scheme(const char *uri, struct err *err);

/* Whether path, absolute or relative to a target, can be used at all. -1 with err: the reason alone. */
int uri_check(const char *path, struct err *err);
/* The same for something that names one place: absolute, without wildcards. */
int uri_check_target(const char *uri, struct err *err);

/* path behind target (NULL when path is absolute), normalised; malloc, NULL when out of memory. target
 * counts as if it ended with '/'. Both must have passed uri_check. */
char *uri_resolve(const char *target, const char *path);
/* A copy of target, normalised and with '/' at its end. */
char *uri_target(const char *target);

/* Length of uri up to the '/' before its last part, or before the first part with a wildcard. */
size_t uri_folder_len(const char *uri);

/* Whether a get, stat or delete of uri covers the objects NAME-*.dat of the set at set_uri, as proto/job.h
 * says. */
bool uri_covers(const char *uri, const char *set_uri, const char *name);
/* Whether uri may name some of the objects below set_uri. */
bool uri_touches(const char *uri, const char *set_uri, const char *name);
