/* opts: command lines from tables. The same tables give help, man pages and completions. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

enum opt_type {
	OPT_FLAG,     /* bool */
	OPT_COUNTER,  /* int, one more each time (-v) */
	OPT_STR,      /* const char *, points into argv */
	OPT_LIST,     /* struct opt_list, each use adds one */
	OPT_COUNT,    /* uint64_t, units_parse_count */
	OPT_DURATION, /* uint64_t ns */
	OPT_SIZE,     /* uint64_t bytes */
	OPT_DOUBLE,   /* double */
	OPT_PORT,     /* uint16_t, 1..65535 */
	OPT_CHOICE,   /* int, index into choices */
	OPT_OPTIONAL, /* const char *; "--name" alone gives "", "--name=VALUE" the value */
};

struct opt_list {
	const char **items; /* free() the array */
	size_t n;
};

struct opt {
	const char *name; /* without "--"; NULL ends a table */
	char letter;      /* 0: none */
	enum opt_type type;
	size_t offset;    /* of the member in the struct that opts_parse fills */
	const char *arg;  /* "FILE", for help; NULL for flags */
	const char *help; /* one sentence, no full stop */
	const char *const *choices; /* OPT_CHOICE: NULL-terminated */
	const char *const *aliases; /* other long names, NULL-terminated, or NULL */
	const char *complete;       /* hint: "file" "dir" "hosts" "profile" or NULL */
	size_t set_offset;          /* of a bool that says it was given; 0: none */
};

/* Parses argv[0..argc) against several tables (NULL-terminated array of tables), options and
 * operands in any order, until "--". Values as "--name VALUE", "--name=VALUE", "-nVALUE",
 * "-n VALUE"; unique prefixes are not accepted. Operands are gathered into ret_operands (pointers
 * into argv, free() the array); what stands behind "--" into ret_rest (argv + index, may be
 * empty). Each error names the option and what it wants, with the nearest known name.
 * Returns 0, or -1 with err (ERR_INPUT). */
int opts_parse(const struct opt *const *tables, int argc, char **argv, void *into,
	struct opt_list *ret_operands, char ***ret_rest, struct err *err);

/* Whether in, a struct that opts_parse filled, was given this option: it is not zero, or its set_offset says so. */
bool opts_given(const struct opt *o, const void *in);
/* Takes what in has of it over into another such struct; texts stay whose they are. */
void opts_copy(const struct opt *o, const void *in, void *into);
/* Appends it as one word of a command line, not quoted: "--duration=30.000000000s". Not for OPT_LIST and
 * OPT_COUNTER. 0, -ENOMEM or -ENOBUFS. */
int opts_word(const struct opt *o, const void *in, struct buf *out);

/* Appends the lines of one option of a help text, wrapped at 90 columns; nothing for one without help. */
void opts_help_one(const struct opt *o, struct buf *out);
/* The same of a whole table. */
void opts_help(const struct opt *table, struct buf *out);
