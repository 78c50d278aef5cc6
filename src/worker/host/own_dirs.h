/* own_dirs: the directories of this user that may hold what muster keeps on a machine: the worker itself, files of
 * leased servers, copied programs. */
#pragma once

#include <stdbool.h>

/* In order of preference; NULL-terminated. */
char **own_dirs(void);
void own_dirs_free(char **dirs);

/* A real directory of this user that nobody else may enter. */
bool own_dir_ok(const char *path);
/* That, made when it is not there. */
bool own_dir_make(const char *path);
