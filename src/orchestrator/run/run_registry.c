/* run_registry: what `muster runs` says of a run. */
#include "orchestrator/command.h"
#include "orchestrator/run/run_private.h"

void run_register(struct run *r)
{
	const char *config =
		r->app->operands.n ? r->app->operands.items[0] : r->app->o.config;
	struct run_entry e = {.command = (char *)"run",
		.workload = (char *)config,
		.workers = r->n,
		.hosts = r->ctx.hosts.n,
		.started_wall_ns = r->wall_start_ns,
		.began_ns = r->began_ns};

	away_register(&r->away, &r->ctx, rundir_path(r->dir), &e);
}

/* Between two phases it is still at the first of them. */
static enum run_state between(const struct run *r)
{
	if (r->measured)
		return STATE_CLEANING;
	return r->begun ? STATE_PREPARING : STATE_STARTING;
}

void run_publish(struct run *r)
{
	static const enum run_state states[] = {
		[RUN_PREPARE] = STATE_PREPARING,
		[RUN_PAUSE] = STATE_PREPARING,
		[RUN_LOAD] = STATE_RUNNING,
		[RUN_CLEANUP] = STATE_CLEANING,
		[RUN_QUIT] = STATE_ENDING,
		[RUN_OVER] = STATE_ENDING,
	};
	enum run_state state = states[r->stage];

	if (state == STATE_STARTING) /* no row */
		state = between(r);
	if (state == STATE_RUNNING && !r->signals)
		away_state(&r->away, state, r->load_start_ns, r->warm_ns + r->length_ns);
	else
		away_state(
			&r->away, state == STATE_RUNNING ? STATE_DRAINING : state, 0, 0);
}

void run_hang_up(int signo, void *user)
{
	struct run *r = user;

	(void)signo;
	away_hang_up(&r->away);
}
