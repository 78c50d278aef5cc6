/* secret: text that is wiped when it goes. Private to cloud/. */
#pragma once

#include <stddef.h>

#include "common/cleanup.h"

struct err;
typedef struct json_t json_t;

/* Wipes the text and frees it; takes NULL. */
void secret_free(char *text);
static inline void cleanup_secret(char **p)
{
	secret_free(*p);
}
#define AUTO_SECRET CLEANUP(cleanup_secret)

/* A copy in *to, which is released first; NULL and "" give NULL. 0 or -ENOMEM. */
int secret_set(char **to, const char *text);

/* A whole file of at most max bytes, NUL-terminated, in memory that secret_free wipes; *ret_len without the
 * NUL. NULL with err; err->errnum is ENOENT when there is no such file. */
char *secret_file(const char *path, size_t max, size_t *ret_len, struct err *err);

/* Wipes the strings of an object (not of objects in it) and drops the reference; takes NULL. */
void secret_json_free(json_t *object);
CLEANUP_DEFINE(json_t, secret_json_free)
#define AUTO_SECRET_JSON CLEANUP(cleanup_secret_json_free)
/* A string of the object, or NULL; an empty one is NULL too. */
const char *secret_json_text(const json_t *object, const char *name);
