/* build: an inventory while it is being filled. Private to inventory/.
 *
 * Names can only be settled when all entries are known: entries without a name that share an address
 * are told apart by their ports. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "inventory/inventory.h"

struct entry {
	struct host host;
	bool named;    /* host.name was given; else it is the address */
	uint16_t port; /* tells entries without a name apart; 0: none */
};

struct builder {
	struct entry *entries;
	size_t n, cap;
};

#define BUILDER_INIT                                                                     \
	{                                                                                \
		.entries = NULL                                                          \
	}
void builder_finish(struct builder *b);
#define AUTO_BUILDER CLEANUP(builder_finish)

/* Moves h in (it is zeroed, also on failure). -1 with err: the reason alone. */
int builder_add(
	struct builder *b, struct host *h, bool named, uint16_t port, struct err *err);

/* Settles names, refuses double ones, fills in what the command line gives (o may be NULL), and moves
 * everything to ret. what: the list's name for the error of an empty one. */
int builder_build(struct builder *b, const char *what, const struct inventory_options *o,
	struct inventory *ret, struct err *err);

/* Parts of "[user@]name[:port]". Strings are malloc'ed. */
struct element {
	char *user;    /* or NULL */
	char *name;    /* without the brackets of an IPv6 address */
	uint16_t port; /* 0: none */
};

void element_finish(struct element *e);
#define AUTO_ELEMENT CLEANUP(element_finish)

/* Takes text apart. -1 with err: the reason alone, without a place. */
int element_parse(const char *text, struct element *ret, struct err *err);

/* Why s cannot be a name or an address, or NULL when it can. */
const char *host_name_flaw(const char *s);

/* Calls fn for each string that the ranges in text stand for: node[01-16,20]. Brackets that hold
 * anything but digits, '-' and ',' stay as they are. More than max strings are an error; fn's -1 ends
 * it. -1 with err. */
typedef int expand_fn(const char *text, void *user, struct err *err);
int expand_ranges(
	const char *text, size_t max, expand_fn *fn, void *user, struct err *err);

/* The next element of a text list: from *pos on, separators skipped. 1, 0 at the end, -1 with err
 * (the reason alone). comments: '#' begins one. */
struct list_cursor {
	const char *text;
	size_t len, pos;
	unsigned line, column; /* of the element */
	unsigned at_line;      /* of pos */
	size_t line_start;
	bool comments;
};
int list_next(struct list_cursor *c, char **ret, struct err *err);

/* ---- way.c: how a host is reached ---- */

struct decode;
struct node;
/* The value of a key of map, or map itself: where an error about the key belongs. */
const struct node *way_value(const struct node *map, const char *key);
/* A word of a container's command line that must be no option and not empty; NULL: not given. */
int way_check_word(struct decode *d, const struct node *n, const char *key,
	const char *word, struct err *err);
/* A decode_fn for struct host_container. */
int way_decode_container(
	struct decode *d, const struct node *n, void *dst, struct err *err);
/* The values that map gives: jump, command, worker_path; each by itself. */
int way_check_values(
	struct decode *d, const struct node *map, const struct host *h, struct err *err);
/* What h has from defaults and its own transport cannot use is dropped. */
void way_inherit(const struct node *own, struct host *h);
/* What does not fit together, and the key that an error is about; NULL when all does. */
const char *way_flaw(const struct host *h, const char **ret_key);
/* The same with the place: in own (the host's mapping or text), or in defaults (may be NULL). */
int way_check(struct decode *d, const struct node *own, const struct node *defaults,
	const struct host *h, struct err *err);

/* ---- deployment.c ---- */

/* `distributed.deployment` (n may be NULL) into ret, which is empty; without a container it stays so,
 * and also on failure it may hold something. */
int deployment_decode(struct decode *d, const struct node *n, struct host_container *ret,
	struct err *err);

void strv_free(char **v);
int strv_copy(char *const *from, char ***ret); /* 0 or -ENOMEM */
