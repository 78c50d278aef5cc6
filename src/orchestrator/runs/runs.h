/* runs: what the files of `muster runs` share. */
#pragma once

#include <stdbool.h>

#include "orchestrator/runs/registry.h"

struct app;
struct err;

/* The run that text means, copied; ret is to be finished. */
int runs_find(const char *text, struct run_entry *ret, struct err *err);

/* attach.c: shows what the run says on this terminal, with its live display, until it is over or somebody
 * takes leave. The run is only read: nothing that happens here holds it up. */
enum attach_end {
	ATTACH_OVER, /* with an exit code in e */
	ATTACH_LOST,
	ATTACH_LEFT, /* q */
	ATTACH_SIGNAL,
};
struct attach_how {
	bool history;     /* what was said so far is shown first */
	const char *hint; /* said at the begin, or NULL */
	/* called when everything that the run says from now on will be seen; may be NULL */
	int (*begin)(const struct app *app, const struct run_entry *e, struct err *err);
};
/* e is brought up to date. ret_signo: of ATTACH_SIGNAL. -1 with err. */
int attach_run(struct app *app, struct run_entry *e, const struct attach_how *how,
	enum attach_end *ret, int *ret_signo, struct err *err);
