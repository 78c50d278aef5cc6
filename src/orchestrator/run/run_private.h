/* run_private: what the files of `muster run` share: one struct, and who does what.
 *
 *   run.c         the command: options, files, loop, exit code
 *   run_load.c    the workload and what overrides it; what there is to say about its store
 *   run_plan.c    planning over the workers that are there; jobs; the journal for clean --data
 *   run_stages.c  the stages, and when each ends
 *   run_arm.c     the common start of a phase
 *   run_messages.c  what workers say, loss, timers, signals
 *   run_alike.c   what several workers say alike
 *   run_live.c    the live display
 *   run_autoterm.c  --autoterm: where the measured part begins and ends
 *   run_end.c     run_info, the final report
 *   run_totals.c  its numbers: per operation, endpoint and worker
 *   run_once.c    --once: the first that is through, and the last
 *   run_machines.c  what the machines did meanwhile: limits and verdict
 *   run_left.c    what was left behind
 *   run_registry.c  what `muster runs` says of it
 *   display.c     header, live block and lines (pure text)
 */
#pragma once

#include "cloud/credentials.h"
#include "common/loop.h"
#include "orchestrator/context.h"
#include "orchestrator/fleet/fleet.h"
#include "orchestrator/run/steady.h"
#include "orchestrator/runs/away.h"
#include "results/agg.h"
#include "results/first_done.h"
#include "results/run_info.h"
#include "results/rundir.h"
#include "workload/store_config.h"
#include "workload/workload.h"

/* Until all expected workers are there, unless something says otherwise. */
#define READY_WAIT_NS (60 * NS_PER_SEC)

enum run_stage {
	RUN_CONNECT, /* until enough workers are online */
	RUN_JOB,     /* jobs are out; until each is ready, refused or gone */
	RUN_PREPARE,
	RUN_PAUSE, /* post_prepare_delay */
	RUN_ARM,   /* start is out; until each is armed */
	RUN_LOAD,  /* warm-up and measure */
	RUN_CLEANUP,
	RUN_QUIT, /* until all have said bye */
	RUN_OVER,
};

/* A worker as the run sees it; fleet_worker.user. */
struct run_member {
	struct fleet_worker *w;
	bool in;     /* takes part in this generation */
	bool untold; /* gone, and people have not been told yet */
	bool ready, armed, done, bye;
	uint64_t at_ns;  /* the start last sent to it, in its own clock */
	unsigned late;   /* starts of prepare or cleanup that it heard of too late */
	uint64_t listed; /* objects, while its job is checked */
	/* of ready */
	char **warnings;
	uint32_t threads, slots;
	struct msg_mount *mounts;
	size_t n_mounts;
	char *target;
	char *job_worker; /* its name in put names; NULL before its first job */
	int64_t skew_ns;
	bool skew_known;
	bool unnoted; /* lost after the first phase had begun, and no remark says so yet */
	uint64_t lost_ns, lost_since; /* when, and when that phase had begun */
	enum phase lost_in;
	char *noted
		[PHASES]; /* what it said of each phase at its end, until a remark says so */
	/* of the phase that is on */
	uint64_t objects, objects_total, objects_bytes;
	struct msg_phase cleanup; /* what cleanup said; no strings */
	bool cleanup_known;
	uint64_t not_reached;    /* --once: objects that measure did not come to */
	uint64_t measure_end_ns; /* our clock; 0: not there yet */
	uint64_t reported_ns;    /* the same, until which it reported on measure */
	/* over measure */
	struct machine_seen machine;
	uint64_t late_max_ns;
	/* open loop: of its last job for the load; and what phase measure said of it */
	double rate, slots_busy;
	uint64_t started, never_started, carried;
};

struct run {
	struct context ctx;
	struct app *app;
	struct workload *workload;
	struct store_config store; /* --workload-config; overrides points into it */
	struct workload_overrides overrides;
	struct cloud_forwarded forwarded; /* overrides.env_default is of it */
	struct plan plan;
	bool planned;
	struct fleet *fleet;
	struct agg *agg;
	struct rundir *dir;
	struct run_member *members;
	size_t n;

	enum run_stage stage;
	enum phase phase; /* of the load: WARMUP or MEASURE */
	uint32_t generation;
	uint64_t expected; /* workers to begin with */
	char run_id[16];   /* RUN of put names */

	struct loop_timer *wait;  /* of expect-workers */
	struct loop_timer *timer; /* of the stage */
	struct loop_timer *show;  /* the live display */
	uint64_t start_ns;        /* common start of the phase, our clock */
	uint64_t load_start_ns;   /* the same of warm-up or measure; 0: not yet */
	uint64_t warm_ns,
		length_ns; /* of warm-up and measure: as planned, or as it came to be */
	unsigned arm_tries;
	uint64_t arm_began_ns;
	uint64_t phase_start_ns;
	unsigned stale_interval; /* agg_live's when the load began: of another phase */
	unsigned shown_interval; /* the last one in events, by agg_live's number */
	uint64_t last_plain_ns;  /* when a plain progress line was printed */
	bool cleanup_done;

	struct first_done *first_done; /* --once: else NULL */
	/* --autoterm, once the load runs; else NULL */
	struct steady *steady;
	struct steady_verdict verdict; /* the last one */
	bool judged;                   /* there is one */
	int steady_for;                /* what is looked for */
	unsigned streak;               /* how often it was steady in a row */
	unsigned judged_interval;      /* agg_live's, whose p99 was taken */

	uint64_t quit_ns; /* when it was said to all */
	unsigned signals;
	int signo;
	bool begun;   /* the first phase was started */
	bool telling; /* the timer of RUN_JOB runs: some are gone, and not told yet */
	bool checking,
		check_again; /* run_check is at work; something changed meanwhile */
	bool refused, aborted, failed, degraded, measured;
	bool corrupt;     /* reads found other content than was written */
	bool left_behind; /* cleanup did, and nobody said that it may */
	int exit_code;    /* decided early; -1: by what happened */

	struct run_phase phases[8];
	size_t n_phases;
	uint64_t wall_start_ns, began_ns;
	struct buf *remarks; /* lines */
	struct buf *told;    /* the same, of warnings that were shown before the load */
	char *failure;       /* why nothing more could be done, or NULL */

	struct away away;
};

/* run_plan.c */
/* Plans over all hosts as if all came, to refuse a bad workload before anything is contacted. */
int run_plan_dry(struct run *r, struct err *err);
/* Plans over the online members, sends each its job (a new generation), writes the journal. */
int run_send_jobs(struct run *r, bool cleanup_only, struct err *err);

/* run_stages.c: from stage to stage */
void run_begin(struct run *r);
/* How long workers may take to be ready; UINT64_MAX: for ever. */
uint64_t run_ready_wait_ns(const struct run *r);
/* Looks whether the stage has ended, and goes on. What happens while it is at work (a worker that is
 * given up is one) is looked at when it is done: stages never begin inside of each other. */
void run_check(struct run *r);
void run_enter_quit(struct run *r);
/* Nothing more can be done: says why, quits with this exit code. */
void run_fail(struct run *r, int code, const char *why);
/* Plans anew over who takes part and sends the jobs. */
void run_new_generation(struct run *r, bool cleanup_only);
void run_start_load(struct run *r);
void run_send_stop(struct run *r, enum stop_mode mode);
size_t run_count_in(const struct run *r);
/* "All " in front of several. */
const char *run_all(size_t n);
void run_set_state(struct run *r, struct run_member *m, enum worker_state s);
void run_set_states(struct run *r, enum worker_state s);
void run_phase_begins(
	struct run *r, enum phase phase, uint64_t at_ns, uint64_t planned_ns);
void run_phase_ends(struct run *r, enum phase phase);
/* A line for metadata.json and the end of the report. */
void run_remark(struct run *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* run_arm.c: the common start */
void run_arm_phase(struct run *r, enum phase phase);
/* Its answer says that the moment had passed when it heard of it. */
void run_arm_late(struct run *r, struct run_member *late);
/* The moment is near, and not all have answered. */
void run_arm_timeout(struct run *r);
void run_begin_phase(struct run *r);

/* run_messages.c: what moves the run */
void run_online(struct fleet_worker *w, void *user);
void run_gone(struct fleet_worker *w, void *user);
void run_finished(struct fleet_worker *w, void *user);
void run_message(struct fleet_worker *w, struct msg *m, void *user);
void run_stderr(struct fleet_worker *w, const char *data, size_t len, void *user);
void run_progress(struct fleet_worker *w, uint64_t sent, uint64_t size, void *user);
void run_signal(int signo, void *user);
void run_on_wait(struct loop_timer *t, void *user);
void run_on_timer(struct loop_timer *t, void *user);

/* run_load.c */
/* Reads the workload and its hosts, and what the command line has to say about it. */
int run_load(struct run *r, struct err *err);
/* Lines of the header: open or closed loop; how the store is reached. */
void run_show_load(const struct run *r);
void run_load_text(
	const struct plan *p, struct buf *out); /* "open loop, 5,000 ops/s ..." */
/* "1,000 objects, about 4.0 MiB"; nothing when there is nothing to prepare. */
void run_prepare_text(const struct plan *p, struct buf *out);
void run_show_store(const struct run *r);
/* As run_info.fsync, of some kinds of operations. */
#define RUN_WRITES (1u << OP_PUT | 1u << OP_RANGE_PUT)
const char *run_fsync(const struct plan *p, unsigned kinds);

/* run_alike.c: what several workers say alike is said once */
/* A worker is gone: says so, or, where others may say the same in a moment, with them. */
void run_is_gone(struct run *r, struct run_member *m);
/* Tells who has gone and was not told of. */
void run_tell_gone(struct run *r);
/* The same, when one of them has waited for others for a second. */
void run_tell_gone_late(struct run *r, uint64_t now);
/* Remarks on those that were lost. */
void run_note_lost(struct run *r);
/* Warnings of those that are ready. */
void run_tell_warnings(struct run *r);
/* A worker has said something of a phase at its end; and remarks on what they said. */
void run_noted(struct run *r, struct run_member *m, enum phase phase, const char *text);
void run_note_phases(struct run *r);

/* run_live.c: the live display */
void run_on_show(struct loop_timer *t, void *user);
/* Until the work begins: how many are there, and what happens just now (NULL: who is waited for). */
void run_show_wait(struct run *r, const char *what);

/* run_autoterm.c */
/* A phase of load must have ended some time behind its planned end. */
void run_set_load_timer(struct run *r);
void run_autoterm_begin(struct run *r);
void run_autoterm_stats(struct run *r, const struct run_member *m,
	const struct msg_stats *s, int64_t offset);
void run_autoterm_look(struct run *r, uint64_t now);
/* The load is over: whether its result still moved. */
void run_autoterm_end(struct run *r);
/* What it waits for, for the live display. */
void run_autoterm_line(const struct run *r, struct buf *out);

/* run_end.c */
int run_fill_info(struct run *r, struct run_info *ret, struct err *err);
int run_exit_code(const struct run *r);
/* What muster left on the hosts, and should be known, goes to the remarks. */
void run_note_left(struct run *r);
/* Writes results, prints the final block. Returns the exit code, or -1 with err. */
int run_finish(struct run *r, struct err *err);

/* run_totals.c */
/* Totals per op, and what people must know about them. */
void run_show_totals(struct run *r, const struct agg_row *rows, size_t n, double seconds);
/* Where a workload has endpoints: which of them took what, and how fast it was. */
void run_show_endpoints(struct run *r, double seconds);
void run_show_workers(struct run *r, double seconds);

/* run_once.c: of a load that works through its objects once */
void run_once_begin(struct run *r);
/* A worker has ended measure. */
void run_once_ended(struct run *r, const struct run_member *m, const struct msg_phase *p);
/* True: there is something to say of first and last done. */
bool run_once_find(const struct run *r, struct first_done_report *ret);
void run_once_show(struct run *r);

/* run_machines.c */
/* Takes what ready says over, and releases it. */
void run_keep_ready(struct run_member *m, struct msg_ready *ready);
void run_forget_ready(struct run_member *m);
/* A delta of measure. */
void run_keep_machine(struct run_member *m, const struct msg_stats *s);
/* What a worker saw of its machine over measure, and what became of its rate. Strings are not owned. */
struct run_worker run_machine_of(const struct run *r, const struct run_member *m);
/* How the ops of an open loop came due. */
void run_fill_rate(const struct run *r, struct run_info *ret);
/* Of an open loop: whether it was one. */
void run_show_rate(struct run *r, uint64_t measured_ns);
/* What was busy, and what limited the run. */
void run_show_verdict(struct run *r, uint64_t measured_ns);

/* run_registry.c */
/* Enters it into the registry; a warning when that cannot be done. */
void run_register(struct run *r);
/* Says there what it does now, when that has changed. */
void run_publish(struct run *r);
/* SIGHUP: the terminal is gone. */
void run_hang_up(int signo, void *user);
