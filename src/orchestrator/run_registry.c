/* run_registry: a run as others on this machine see it, and how it goes on when its terminal does not. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "common/text.h"
#include "orchestrator/command.h"
#include "orchestrator/console.h"
#include "orchestrator/detach.h"
#include "orchestrator/registration.h"
#include "orchestrator/run_private.h"

void run_register(struct run *r)
{
	const char *directory = rundir_path(r->dir), *slash = strrchr(directory, '/');
	AUTO_FREE char *name = text_sanitize(
		slash ? slash + 1 : directory, strlen(slash ? slash + 1 : directory));
	const char *config =
		r->app->operands.n ? r->app->operands.items[0] : r->app->o.config;
	struct run_entry e = {.name = name,
		.command = (char *)"run",
		.workload = (char *)config,
		.directory = (char *)directory,
		.workers = r->n,
		.hosts = r->ctx.hosts.n,
		.started_wall_ns = r->wall_start_ns,
		.began_ns = r->began_ns};
	struct err err = ERR_INIT;

	r->registration = registration_create(&e, &err);
	if (!r->registration)
		log_warn("muster runs will not know this run: %s", err.text);
}

static enum run_state state_now(const struct run *r)
{
	static const enum run_state states[] = {
		[RUN_CONNECT] = STATE_STARTING,
		[RUN_JOB] = STATE_STARTING,
		[RUN_PREPARE] = STATE_PREPARING,
		[RUN_PAUSE] = STATE_PREPARING,
		[RUN_ARM] = STATE_STARTING,
		[RUN_LOAD] = STATE_RUNNING,
		[RUN_CLEANUP] = STATE_CLEANING,
		[RUN_QUIT] = STATE_ENDING,
		[RUN_OVER] = STATE_ENDING,
	};

	if (r->stage == RUN_LOAD && r->signals)
		return STATE_DRAINING;
	if (r->stage == RUN_ARM && r->measured)
		return STATE_CLEANING;
	return states[r->stage];
}

void run_publish(struct run *r)
{
	enum run_state state = state_now(r);

	if (state == STATE_RUNNING)
		registration_state(r->registration, state, r->load_start_ns,
			r->plan.warmup_ns + r->plan.duration_ns);
	else
		registration_state(r->registration, state, 0, 0);
}

/* --- without the terminal --- */

/* On the terminal only: the log is for those who read it when this is long done. */
static void say_how_to_find_it(struct run *r)
{
	struct console *con = r->ctx.console;
	const char *name = r->registration ? registration_name(r->registration) : NULL;

	console_set_copy(con, NULL, NULL);
	if (r->app->o.quiet) {
		console_always(con, "%s", name ? name : rundir_path(r->dir));
	} else if (name) {
		console_line(con, "The run goes on without this terminal: %s", name);
		console_line(con, "  watch it:  muster runs attach %s", name);
		console_line(con, "  stop it:   muster runs stop %s", name);
		console_line(
			con, "  results:   %s", registration_directory(r->registration));
	} else {
		console_line(con, "The run goes on without this terminal");
		console_line(
			con, "  watch it:  tail -f %s/console.log", rundir_path(r->dir));
		console_line(con, "  stop it:   kill -INT %d", (int)getpid());
	}
	console_set_copy(con, run_copy_line, r->dir);
}

static void let_go(void *user)
{
	struct run *r = user;

	detach_handed_over(r->detach_fd);
}

void run_hand_over(struct run *r)
{
	if (r->detach_fd < 0 || r->alone)
		return;
	r->alone = true;
	say_how_to_find_it(r);
	detach_session();
	console_leave(r->ctx.console, true, let_go, r);
}

void run_hang_up(int signo, void *user)
{
	struct run *r = user;
	struct console *con = r->ctx.console;

	(void)signo;
	if (r->alone)
		return;
	r->alone = true;
	detach_session();
	console_leave(con, r->detach_fd >= 0, r->detach_fd >= 0 ? let_go : NULL, r);
	if (r->registration)
		console_line(con,
			"The terminal is gone, the run goes on (muster runs attach %s)",
			registration_name(r->registration));
	else
		console_line(con, "The terminal is gone, the run goes on");
}

void run_unregister(struct run *r, int exit_code)
{
	struct err err = ERR_INIT;

	if (registration_end(STEAL_PTR(&r->registration), exit_code, &err) < 0)
		log_warn("muster runs will not know that this run has ended: %s",
			err.text);
}
