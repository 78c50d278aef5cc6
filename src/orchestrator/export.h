/* export: what --export FILE.json of commands other than a run writes, in one go. */
#pragma once

#include <jansson.h>

struct err;

/* Whether path, which may be NULL, is one that command can write to: FILE.json, or "-" for stdout. */
int export_check_name(const char *path, const char *command, struct err *err);

/* Writes all, whose reference it takes, to path. A file is replaced as a whole, or stays as it was. */
int export_write(json_t *all, const char *path, struct err *err);
