/* decode: a mapping into a struct, by a table of keys.
 *
 * One table gives parsing, the nearest known key for a misspelt one, help and documentation. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "yaml/node.h"

enum key_type {
	KEY_STR,      /* char *, malloc'ed; an old value is freed */
	KEY_BOOL,     /* bool: true false yes no on off */
	KEY_COUNT,    /* uint64_t */
	KEY_UINT,     /* unsigned */
	KEY_SIZE,     /* uint64_t bytes */
	KEY_DURATION, /* uint64_t ns */
	KEY_DOUBLE,   /* double */
	KEY_PORT,     /* uint16_t */
	KEY_ENUM, /* int: index in arg (const char *const[], NULL-terminated; a NULL-free prefix
		       * "name|alias" gives spellings of one value) */
	KEY_STRV, /* char **, NULL-terminated, malloc'ed: a list of scalars, or one scalar */
	KEY_ENV,    /* char **, "NAME=VALUE" strings from a map of scalars */
	KEY_NODE,   /* const struct node *, as it is (lives as long as the doc) */
	KEY_CUSTOM, /* by fn */
	KEY_IGNORED, /* accepted with a warning that it does nothing here (arg: why, or NULL) */
	KEY_LATER, /* refused: "not supported yet" */
};

struct decode;
/* Decodes n into dst (the member's address). 0, or -1 with err. */
typedef int decode_fn(struct decode *d, const struct node *n, void *dst, struct err *err);

struct key {
	const char *name; /* NULL ends a table */
	enum key_type type;
	size_t offset; /* of the member */
	const void *arg;
	const char *help;           /* one sentence */
	const char *def;            /* the default as documentation shows it, or NULL */
	const char *const *aliases; /* other spellings, NULL-terminated, or NULL */
	size_t set_offset;          /* of a bool that says the key was there; 0: none */
	uint64_t min, max; /* bounds of COUNT, UINT, SIZE, DURATION; max 0: none */
	decode_fn *fn;     /* KEY_CUSTOM (a function does not fit into arg in ISO C) */
};

/* What a decoding needs besides the table. */
struct decode {
	const struct yaml_doc *doc;
	bool lenient; /* unknown keys are warnings */
	/* receives "NAME:LINE:COLUMN: text" of each warning */
	void (*warn)(const char *text, void *user);
	void *user;
	void *context; /* of the caller's own decode_fns */
};

/* Decodes map into dst. what names the thing in errors ("host", "workload entry").
 * Unknown keys: "FILE:LINE:COL: unknown key 'wieght' in a workload entry (did you mean
 * 'weight'?)". Values of a wrong type or range name the key and what it takes. A key without
 * a value is an error where a scalar is wanted. On failure dst holds what was decoded so far. */
int decode_map(struct decode *d, const struct node *map, const struct key *table,
	const char *what, void *dst, struct err *err);

/* One value by type, for decode_fns: as decode_map does for the key. */
int decode_value(struct decode *d, const struct node *n, const struct key *key, void *dst,
	struct err *err);

void decode_warn(struct decode *d, const struct node *n, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Frees what KEY_STR, KEY_STRV and KEY_ENV members of dst hold, and sets them to NULL. */
void decode_release(const struct key *table, void *dst);
