/* msg_defs: what msg.c knows of each message. Private to proto/. */
#pragma once

#include "proto/fields.h"
#include "proto/msg.h"

struct msg_def {
	const char *name; /* "type" on the wire */
	const struct field *fields;
	/* What must hold between the members: 0, or -1 with err. NULL: nothing. */
	int (*check)(const void *message, struct err *err);
	unsigned digits; /* of doubles; 0: 6 */
};

/* By enum msg_type; each table holds its own side's entries, the other's are empty. */
extern const struct msg_def msg_defs_to_worker[MSG_TYPES];
extern const struct msg_def msg_defs_from_worker[MSG_TYPES];

/* The members of a worker's hello that no version of the protocol changes. */
extern const struct field hello_any_fields[];

extern const struct names phases_by_name;
