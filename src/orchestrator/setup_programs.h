/* setup_programs: what `muster setup` does on a host beside the worker: the file of --local-netserver is put there,
 * and the programs that --engine needs are looked for. */
#pragma once

#include <stddef.h>

struct buf;
struct context;
struct err;
struct fleet;
struct fleet_worker;
struct msg;
struct setup_programs;

/* error: NULL, or one sentence. */
typedef void setup_programs_done_fn(
	struct fleet_worker *w, const char *error, void *user);

/* What the options of c ask for; *ret NULL: nothing. done is called once for each worker of begin, maybe within
 * it. Reads the file of --local-netserver. 0, or -1 with err. */
int setup_programs_create(struct context *c, setup_programs_done_fn *done, void *user,
	struct setup_programs **ret, struct err *err);
void setup_programs_destroy(struct setup_programs *s); /* takes NULL; before the fleet */

/* Once the fleet is there. 0, or -1 with err. */
int setup_programs_start(struct setup_programs *s, struct fleet *f, struct err *err);
/* w is online. */
void setup_programs_begin(struct setup_programs *s, struct fleet_worker *w);
void setup_programs_message(
	struct setup_programs *s, struct fleet_worker *w, const struct msg *m);
/* w is gone: nothing more is done for it. Takes NULL. */
void setup_programs_drop(struct setup_programs *s, const struct fleet_worker *w);

/* Appends ", netserver /var/tmp/muster-0/netserver (copied)"; nothing for a host that needed nothing. */
void setup_programs_describe(
	const struct setup_programs *s, const struct fleet_worker *w, struct buf *out);
