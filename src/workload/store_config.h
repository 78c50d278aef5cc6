/* store_config: the file in which other tools keep where an S3 store is and how to get in: endpoint, bucket,
 * access_key, secret_key, region. Pure but for that file. */
#pragma once

#include <stddef.h>

struct err;

struct store_config {
	char *endpoint; /* URL, or NULL */
	char *target;   /* "s3://BUCKET/" */
	char **env;     /* "AWS_ACCESS_KEY_ID=..." and so on, NULL-terminated: secret */
};

/* Reads path, of which the keys stand at the top or below `s3:`. What else is in it belongs to that tool and is
 * not looked at. -1 with err, which holds no value of the file. */
int store_config_load(const char *path, struct store_config *ret, struct err *err);
int store_config_parse(const char *name, const char *text, size_t len,
	struct store_config *ret, struct err *err);
/* Wipes and frees. */
void store_config_finish(struct store_config *c);
