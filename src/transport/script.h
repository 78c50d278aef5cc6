/* script: the shell scripts that run on hosts. Pure.
 *
 * They are POSIX sh (dash, bash, busybox) in one line without single quotes, '!', newlines and double
 * backslashes, so that one pair of single quotes carries them through any login shell. */
#pragma once

#include <stdbool.h>

struct worker_file;

/* A directory that a script can name without quoting: absolute, of letters, digits and a few signs. */
bool script_dir_ok(const char *dir);

/* Reads the worker from stdin into dir, checks it and puts it in its place; prints one line
 * "MUSTER-UPLOAD ok <path>" or "MUSTER-UPLOAD <what> <words>" with what in "dir", "write", "hash",
 * "run". malloc. */
char *script_upload(const struct worker_file *f, const char *dir);
