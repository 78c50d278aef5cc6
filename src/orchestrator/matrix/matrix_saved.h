/* matrix_saved: matrix.json, which says what a matrix is, so that it can be gone on with after its first
 * muster has ended in any way. docs/results.md is the schema. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

#define MATRIX_SAVED_FILE "matrix.json"
#define MATRIX_PROFILE_FILE "profile.yaml"

/* Lists are NULL-terminated, or NULL: empty; all texts are malloc'ed. */
struct matrix_saved {
	uint64_t started_wall_ns;
	char **options;       /* of the matrix, as words of a command line */
	char **hosts_options; /* those that told which hosts, for commands that are shown */
	char **words;         /* behind `--` */
	bool embedded;        /* this machine with itself; no lists */
	char **clients, **servers; /* names of hosts.yaml */
	char **outside;            /* those of them that no inventory had */
};
void matrix_saved_finish(struct matrix_saved *s);

/* Appends matrix.json. 0 or -ENOMEM. */
int matrix_saved_print(const struct matrix_saved *s, struct buf *out);
/* name: of the file, for errors. -1 with err: what is wrong, or that another version of muster wrote it. */
int matrix_saved_parse(const char *name, const char *text, size_t len,
	struct matrix_saved *ret, struct err *err);
