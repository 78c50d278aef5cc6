/* fields: a struct and its JSON object, told by one table.
 *
 * Each row is a member: its name on the wire, where it lies in the struct, its type and
 * its bounds. The same row encodes, decodes and frees it, so the two directions cannot
 * drift apart. Private to proto/. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
typedef struct json_t json_t;

enum field_type {
	FIELD_BOOL,   /* bool */
	FIELD_U32,    /* uint32_t in [min, max] */
	FIELD_U64,    /* uint64_t in [min, max]; above 2^63-1 it is sent as 2^63-1 */
	FIELD_I64,    /* int64_t */
	FIELD_ID,     /* uint64_t of any value, as a decimal string */
	FIELD_DOUBLE, /* double in [0, max], max 0: any not negative */
	FIELD_EXACT,  /* char *, byte for byte; at most max bytes */
	FIELD_TEXT,   /* char *, made safe to show; the encoder cuts it to max bytes */
	FIELD_HEX,    /* char[max + 1]: max hex digits */
	FIELD_NAME,   /* an enum, by its name in names; min: the first one allowed */
	FIELD_EXACTS, /* char **, NULL-terminated; at most max of them, of at most size bytes
			 * (0: FIELD_EXACT_MAX) each */
	FIELD_TEXTS,    /* the same, made safe to show */
	FIELD_OBJECT,   /* struct inside, by fields */
	FIELD_ARRAY,    /* pointer to structs, by fields; size_t at count_offset */
	FIELD_COUNTERS, /* uint64_t[names->n]: an object of those that are not 0 */
	FIELD_HIST,     /* struct hist of max digits */
	FIELD_TYPES,
};

/* Names of an enum: n strings (NULL: none for this value), stride bytes apart. */
struct names {
	const void *first;
	size_t stride;
	unsigned n;
};

/* What no single member can tell. 0, or -1 with err: "is ..." to go behind the object's
 * place. */
typedef int field_check(const void *object, struct err *err);

struct field {
	const char *name; /* NULL ends a table */
	enum field_type type;
	bool optional; /* left out when zero, empty or NULL; then decoded as such */
	bool secret;   /* strings: wiped before they are freed */
	size_t offset;
	uint64_t min, max;
	const struct names *names;
	const struct field *fields;
	size_t size; /* of the struct of FIELD_OBJECT and FIELD_ARRAY; FIELD_EXACTS: see there */
	size_t count_offset;
	field_check *check; /* FIELD_OBJECT, FIELD_ARRAY */
};

/* A row for member m of struct s; MEMBER_AS when its name on the wire is another one.
 * What follows is the type, then other members of struct field. */
#define MEMBER_AS(s, m, wire, ...)                                                       \
	{                                                                                \
		.name = (wire), .offset = offsetof(struct s, m), .type = __VA_ARGS__     \
	}
#define MEMBER(s, m, ...) MEMBER_AS(s, m, #m, __VA_ARGS__)
/* For an array of structs at pointer m, its length at n; what follows is the table of a
 * struct. */
#define MEMBER_ARRAY(s, m, n, limit, ...)                                                \
	MEMBER(s, m, FIELD_ARRAY, .count_offset = offsetof(struct s, n), .max = (limit), \
		.size = sizeof(*((struct s *)0)->m), .fields = __VA_ARGS__)
#define MEMBERS_END                                                                      \
	{                                                                                \
		.name = NULL                                                             \
	}

#define FIELD_TEXT_MAX 4096u   /* bytes of a text that has no other bound */
#define FIELD_EXACT_MAX 65536u /* bytes of a string that must not be cut */

/* names' string for value i < n. */
const char *names_at(const struct names *names, unsigned i);

/* Members of object as JSON members appended to into. 0, or -EINVAL: JSON cannot say it
 * (an exact string that is not UTF-8, a number that is not finite), or out of memory. */
int fields_encode(const struct field *fields, const void *object, json_t *into);

/* Fills object (zeroed by the caller) from json; members that the table does not have are
 * ignored. what begins the error: "stats message: member "seq" must be ...". On failure
 * object may be half filled: fields_finish frees what there is. */
int fields_decode(const struct field *fields, const json_t *json, void *object,
	const char *what, struct err *err);

/* Frees what the members own. object may be zeroed or half filled. */
void fields_finish(const struct field *fields, void *object);
