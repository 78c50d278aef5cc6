/* registration: this process' own entry in the registry of runs. Written by a thread, since a home folder
 * may be slow or gone for a while, and no run waits for it. */
#pragma once

#include "orchestrator/runs/registry.h"

struct registration;

/* Enters a run. e->name is the name that is wished for; "-2" and so on is added when another run has it.
 * path, process and state of e are not looked at. NULL with err when that cannot be done: the run goes on,
 * only nobody finds it. */
struct registration *registration_create(const struct run_entry *e, struct err *err);

/* The name it got. */
const char *registration_name(const struct registration *r);
const char *registration_directory(const struct registration *r);

/* What it does now; since_ns and length_ns are for STATE_RUNNING. Never blocks; the same again is not
 * written again. Takes NULL. */
void registration_state(struct registration *r, enum run_state state, uint64_t since_ns,
	uint64_t length_ns);

/* It is over: writes that, and frees r. -1 with err when the last could not be written. Takes NULL. */
int registration_end(struct registration *r, int exit_code, struct err *err);
