/* uri: paths of a workload as URIs: schemes, what may stand in one, and how one follows another.
 * Private to workload/.
 *
 * A URI here is SCHEME://REST, taken byte by byte: nothing is percent-decoded. In paths of files empty and
 * "." parts are dropped and ".." is refused: nothing leads out of a target. Keys of objects are bytes and no
 * paths: all of these stay and mean themselves, but for a "./" that a relative path begins with. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

struct scheme {
	const char *prefix; /* "file://" */
	bool supported;     /* its time has come */
	bool is_local; /* every host sees its own, unless the workload says otherwise */
	bool has_host; /* something may stand between "//" and "/" */
	/* parts that must stand before a key: bucket; account and container. 0: these are paths */
	unsigned containers;
	uint64_t
		put_max; /* bytes of an object that one request may write; more become parts */
	uint64_t part_min,
		part_multiple; /* bytes of a part of a multipart upload; 0: any */
	uint64_t part_max;
	unsigned parts_max; /* 0: any number */
	unsigned batch_max; /* objects of one delete request; 0: one */
};

bool uri_is_absolute(const char *s);

/* The scheme of an absolute URI, or NULL with err (the reason alone) when it is unknown or its time has
 * not come. */
const struct scheme *uri_scheme(const char *uri, struct err *err);

/* Whether path, absolute or relative to a target, can be used at all. What depends on the scheme is only
 * looked at when path is absolute. -1 with err: the reason alone, without what may be a secret. */
int uri_check(const char *path, struct err *err);
/* Whether the parts of a path of files can be used. */
int uri_check_parts(const char *path, struct err *err);
/* uri_check for something that names one place: absolute, without wildcards. */
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
