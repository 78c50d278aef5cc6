/* lease_dirs: the directories that may hold files of leased servers: those where the worker's file may lie. */
#pragma once

#include <stdbool.h>

/* In order of preference; NULL-terminated. */
char **lease_dirs(void);
void lease_dirs_free(char **dirs);

/* A real directory of this user that nobody else may enter. */
bool lease_dir_ok(const char *path);
/* That, made when it is not there. */
bool lease_dir_make(const char *path);
