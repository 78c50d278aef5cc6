/* script: the shell scripts that run on hosts. Pure.
 *
 * They are POSIX sh (dash, bash, busybox) in one line without single quotes, '!', newlines and double
 * backslashes, so that one pair of single quotes carries them through any login shell. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct worker_file;

/* A directory that a script can name without quoting: absolute, of letters, digits and a few signs. */
bool script_dir_ok(const char *dir);

/* Appends word so that a script passes it on as it is, whatever bytes it holds. The script must have
 * SCRIPT_DEFINE_SIGNS in front: the signs that may not stand in it. */
int script_word(struct buf *out, const char *word);
#define SCRIPT_DEFINE_SIGNS                                                              \
	"_q=$(printf \"\\047\"); _b=$(printf \"\\041\"); _s=$(printf \"\\134\"); "       \
	"_n=$(printf \"\\012.\"); _n=${_n%.}; "

/* The command line that runs the script in any login shell. malloc; NULL: it cannot be carried. */
char *script_wrap(struct buf *script);

/* Appends the end of a script: `run PATH`, which does not return, when the worker is there, and
 * otherwise the MUSTER-NEED answer (upload.h). */
void script_start(struct buf *out, const struct worker_file *f, const char *run);

/* Reads the program from stdin into dir, checks it and puts it in its place; prints one line
 * "MUSTER-UPLOAD ok <path>" or "MUSTER-UPLOAD <what> <words>" with what in "dir", "write", "hash",
 * "run". malloc. */
char *script_upload(const struct worker_file *f, const char *dir);

/* Appends a piece of a script that sets w to the path of the worker that is there already, one of files
 * for this kind of machine; "" when there is none. It runs with file name patterns on. */
int script_find_worker(struct buf *out, const struct worker_file *files, size_t n);
