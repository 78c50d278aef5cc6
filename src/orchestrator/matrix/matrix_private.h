/* matrix_private: what the files of `muster matrix` share: one struct, and who does what.
 *
 *   matrix.c           the command: options, plan, loop, exit code
 *   matrix_hosts.c     clients and servers from lists or roles; machines; data addresses
 *   matrix_plan.c      pairs, rounds, their length (pure)
 *   matrix_tests.c     the tests: words behind `--`, or a profile
 *   matrix_profile.c   a profile: found, read, its expectations
 *   matrix_rounds.c    from round to round; when each ends
 *   matrix_leases.c    servers on lease that are there anyway
 *   matrix_doubt.c     whether what ends say can be
 *   matrix_left.c      how long the rest takes; how much in step rounds began
 *   matrix_flight.c    one pair in one round: opened, started, ended
 *   matrix_engine.c    programs of other engines: their command lines, whether they are there, what they said
 *   matrix_messages.c  what workers say, their loss, time, signals
 *   matrix_show.c      what a person sees while it runs
 *   matrix_report.c    the tables, and the final block
 *   matrix_end.c       what became of each pair; the exit code
 *   matrix_files.c     the results directory, and events
 *   matrix_save.c      what the directory gets as it goes, for --resume
 *   matrix_resume.c    --resume: options, tests and hosts as the directory has them
 *   matrix_kept.c      and what of it was measured
 */
#pragma once

#include "common/loop.h"
#include "orchestrator/context.h"
#include "orchestrator/fleet/fleet.h"
#include "orchestrator/matrix/matrix_plan.h"
#include "orchestrator/runs/away.h"
#include "results/net_record.h"
#include "results/net_told.h"
#include "results/rundir.h"
#include "workload/net_argv.h"
#include "workload/net_profile.h"
#include "workload/net_words.h"

struct json_writer;
struct msg_found;
struct matrix;
struct matrix_resume;
struct net_grid;
struct resolve_job;
struct resolver;
struct addrinfo;

/* One test that all pairs run. */
struct matrix_test {
	char *name;
	struct net_words *words;             /* not its own */
	const struct net_profile_test *from; /* NULL: of no profile */
	char *text;                          /* the words that make it */
	char *shown; /* the same, but for what is printed of its results */
};

/* A host, and what the matrix has to know of it; by the number of its worker. */
struct matrix_host {
	struct fleet_worker *w;
	bool client, server;
	char *data;             /* its data address, as it was given */
	bool data_given;        /* by the inventory, so that traffic also comes from it */
	struct addrinfo *found; /* what that resolved to */
	char *no_address;       /* why it did not; NULL: it did, or was not asked */
	struct resolve_job *job;
	bool lease_asked;         /* it will tell of its servers on lease */
	struct msg_leases leases; /* what it told */
	unsigned finding;         /* its answers to `find` that are missing */
	char *missing; /* why another engine's program is not there; NULL: it is */
	struct lease_info *lease; /* that its pairs use; NULL: none */
	struct matrix *matrix;
};

/* One iteration of a pair, until its results have been chosen from. */
struct matrix_measured {
	struct net_result *end[NET_SIDES];
	struct net_intervals intervals[NET_SIDES];
	struct net_values *values; /* as another engine has them; NULL: ours */
	double rate;
};

/* One pair in one test, once: what becomes a record. */
struct matrix_task {
	struct net_record *record;
	const struct matrix_pair *pair;
	const struct matrix_test *test;
	struct net_spec spec; /* the test's, for these two hosts */
	double cv;  /* of the rate over iterations, a fraction; NAN: there was one */
	bool over;  /* it has its record */
	bool again; /* it failed, and another try may help */
	struct matrix_measured *measured; /* of this try */
	size_t n_measured;
	uint64_t began_ns;
};

struct matrix_end {
	struct fleet_worker *w;
	uint32_t id;             /* `pair` of its messages */
	bool asked;              /* it was told of the pair, and has not forgotten it */
	bool ready, armed, over; /* over: nothing more comes from it */
	struct net_result *result;
	struct net_output *output; /* of another engine's program */
	bool dismissed;            /* that program was told to end before it had */
	struct net_intervals intervals;
};

/* A pair that runs. */
struct matrix_flight {
	struct matrix *matrix;
	struct matrix_task *task;
	struct matrix_end end[NET_SIDES];
	char token[2 * NET_TOKEN_SIZE + 1];
	uint32_t port;
	bool started;  /* load was ordered */
	bool stopping; /* it was told to end */
	bool leased;   /* its server is one on lease */
	char *failure; /* why it failed; NULL: it has not */
	enum net_failure why;
	bool hopeless; /* another try cannot help */
	bool landed;   /* both ends are over, and the task knows what became of it */
	bool more;     /* and has to run once more in this round */
	struct net_values *values; /* as another engine has them */
	double rate;               /* of the last interval; below 0: none yet */
	uint64_t deadline_ns;      /* until it must have gone on */
};

enum matrix_stage {
	MATRIX_CONNECT,
	MATRIX_RESOLVE, /* data addresses */
	MATRIX_FIND,    /* programs of another engine */
	MATRIX_OPEN,    /* the pairs of a round are opened */
	MATRIX_RUN,     /* and run */
	MATRIX_COOL,    /* a rest between two tests */
	MATRIX_QUIT,
};

struct matrix {
	struct context ctx;
	struct app *app;
	struct fleet *fleet;
	struct rundir *dir;
	struct away away;

	const char *engine; /* its name */
	enum net_engine kind;
	const char *name;       /* of the results directory: "matrix", or the profile's */
	struct net_words words; /* behind `--` */
	struct net_profile profile;
	char *profile_text;           /* of its file; NULL: no profile */
	struct matrix_resume *resume; /* NULL: not --resume */
	uint32_t session;             /* 0, or which --resume of the directory this is */
	struct matrix_test *tests;
	size_t n_tests;
	size_t repeats;
	uint32_t retries;
	enum matrix_mode mode;
	uint32_t at_most;
	uint32_t port_min, port_max; /* 0: any */
	struct matrix_lists lists;
	bool *outside; /* by host: not of the inventory, but of the lists alone */
	struct matrix_host *hosts;
	size_t n_hosts;
	struct matrix_plan plan;
	struct matrix_work work;

	size_t *order;              /* pairs, round by round */
	size_t *first;              /* of each round in order; one more than rounds */
	struct net_record *records; /* by repeat, test, pair */
	struct matrix_task *tasks;
	size_t n_tasks, done, failed;
	/* Expectations of the profile, in words; NULL-terminated, or NULL. */
	char **missed, **met;

	enum matrix_stage stage;
	size_t step, n_steps; /* repeat, test and round in one number */
	size_t cool_step;     /* in front of which it has rested */
	uint32_t pass;        /* 0, then one more for each retry */
	struct matrix_flight *flights;
	size_t n_flights;
	uint32_t next_id, first_id; /* first_id: of the flights that are on */
	uint64_t start_ns;          /* common start of the round, our clock */
	uint64_t early_ns,
		late_ns; /* of this round: the least and the most that pairs began after it */
	size_t skewed; /* rounds that were not in step */
	uint64_t skew_ns,
		skew_bound_ns;    /* the widest span of a round, and how exact that is */
	bool looking, look_again; /* as run_check: never inside of itself */
	struct resolver *resolver;
	size_t finding;   /* answers to `find` that are missing */
	size_t resolving; /* data addresses that are being looked up */

	struct loop_timer *tick;                  /* deadlines */
	struct loop_timer *show;                  /* live display */
	uint64_t last_plain_ns, quit_ns, cool_ns; /* cool_ns: until then it rests */
	uint64_t wall_start_ns, began_ns,
		load_ns; /* load_ns: when the first round began */
	unsigned signals;
	int signo;
	int exit_code;  /* decided early; -1: by what happened */
	char *refusal;  /* the error of that exit code */
	char **remarks; /* NULL-terminated, or NULL */
};

/* matrix.c */
/* A line for metadata.json and the end of the report; once each. */
void matrix_remark(struct matrix *m, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Rounds anew, now that hosts have said which machines they are. 0 or -1 with err. */
int matrix_replan(struct matrix *m, struct err *err);

/* matrix_hosts.c */
/* Hosts of the command, and which of them are clients and servers. */
int matrix_hosts_read(struct matrix *m, struct err *err);
/* The number of the machine of each host, by what is known of them so far; machines has room for all. */
void matrix_hosts_machines(struct matrix *m, uint32_t *machines);
int matrix_hosts_init(struct matrix *m, struct err *err);
void matrix_hosts_finish(struct matrix *m);
/* Data addresses of all that need one; matrix_look when the last is known. */
int matrix_hosts_resolve(struct matrix *m, struct err *err);
/* The numeric address of a host for a test, malloc'ed; NULL: ret_why says why there is none (malloc'ed). */
char *matrix_host_address(const struct matrix_host *h, uint32_t family, char **ret_why);
/* Appends how a host is named on a command line: "client1", "root@client1:2222". */
void matrix_host_words(const struct matrix *m, uint32_t host, struct buf *out);

/* matrix_tests.c */
int matrix_tests_read(struct matrix *m, struct err *err);
void matrix_tests_finish(struct matrix *m);
/* Pairs in the order of their rounds. */
int matrix_order(struct matrix *m, struct err *err);
/* That, the tasks, and their records, once the plan is known. */
int matrix_tasks_make(struct matrix *m, struct err *err);
void matrix_tasks_finish(struct matrix *m);
/* A muster line that repeats one pair; appended. */
void matrix_command(const struct matrix *m, const struct matrix_pair *p,
	const char *words, struct buf *out);
/* Whether -H and -L are for as many hosts as there are. 0 or -1 with err. */
int matrix_tests_fit(const struct matrix *m, struct err *err);
/* Udp without a limit, once addresses are known. 0 or -1 with err. */
int matrix_tests_check(struct matrix *m, struct err *err);

/* matrix_save.c */
/* Groups of options that say what is measured; NULL-terminated. */
extern const struct option_group *const matrix_saved_groups[];
/* Whether an option of them is one that says what is measured; one of hosts, that commands show. */
bool matrix_option_saved(const struct opt *o);
bool matrix_hosts_option_saved(const struct opt *o);
/* What --resume needs, once the directory is there. 0 or -1 with err. */
int matrix_save(struct matrix *m, struct err *err);
/* A task has its record. */
void matrix_save_row(struct matrix *m, const struct matrix_task *t);

/* matrix_resume.c; without --resume nothing is done */
/* The directory's options become those of the command. */
int matrix_resume_read(struct matrix *m, struct err *err);
void matrix_resume_finish(struct matrix *m);
/* Only with --resume: the hosts that it has, and whether it was this machine with itself. */
int matrix_resume_hosts(struct matrix *m, struct err *err);
bool matrix_resume_embedded(const struct matrix *m);

/* matrix_kept.c; likewise */
/* Which pairs have been measured, once they are known. Hosts and pairs are numbered anew. */
int matrix_resume_match(struct matrix *m, struct err *err);
/* How long that takes which is left, once there are rounds. */
uint64_t matrix_resume_length_ns(const struct matrix *m);
bool matrix_resume_nothing_left(const struct matrix *m);
/* Tasks get the records of kept rows. */
int matrix_resume_restore(struct matrix *m, struct err *err);
/* Only with --resume: its directory is opened, and what is left is said. */
int matrix_resume_begin(struct matrix *m, struct err *err);
/* `resumed` of metadata.json. */
void matrix_resume_put(const struct matrix *m, struct json_writer *w);

/* matrix_profile.c */
/* The profile of --profile, and its tests. 0 or -1 with err. */
int matrix_profile_read(struct matrix *m, struct err *err);
/* What its expectations miss. 0 or -1 with err. */
int matrix_profile_check(struct matrix *m, struct err *err);

/* matrix_rounds.c */
/* Looks whether what is on has ended, and goes on. */
void matrix_look(struct matrix *m);
/* No more rounds: what has not run never will. */
void matrix_end_early(struct matrix *m, int exit_code, const char *why);
void matrix_flights_drop(struct matrix *m);
struct matrix_flight *matrix_find(struct matrix *m, uint32_t id, enum net_side *ret_side);

/* matrix_leases.c */
/* Asks the servers' hosts; m->resolving counts the answers. */
void matrix_leases_ask(struct matrix *m);
void matrix_leases_heard(struct matrix *m, const struct fleet_worker *w, struct msg *msg);
/* Its answer will not come. */
void matrix_leases_gone(struct matrix *m, const struct fleet_worker *w);
/* Once addresses and the plan are known: which of them are used. */
void matrix_leases_choose(struct matrix *m);
void matrix_leases_finish(struct matrix_host *h);
/* The port of the server on lease that takes this flight, whose server has that address; 0: there is none. */
uint32_t matrix_lease_port(const struct matrix_flight *f, const char *address);
/* It failed there: no more of it. */
void matrix_lease_lost(struct matrix_flight *f);

/* matrix_left.c */
/* How long what is left takes from now on, by what the tests are planned to take. */
uint64_t matrix_left_ns(const struct matrix *m, uint64_t now_ns);
/* A flight has landed: when its ends began, beside the common start. */
void matrix_skew_add(struct matrix *m, const struct matrix_flight *f);
/* The round is over. */
void matrix_skew_round(struct matrix *m);
/* A remark when rounds were not in step. */
void matrix_skew_note(struct matrix *m);

/* matrix_doubt.c; of a flight with both results */
/* What its ends say cannot be: it has failed then. */
bool matrix_flight_impossible(struct matrix_flight *f);
/* A remark when an end took much longer than was asked for. */
void matrix_flight_note_stretch(const struct matrix_flight *f);

/* matrix_flight.c */
void matrix_flight_init(struct matrix_flight *f, struct matrix *m, struct matrix_task *t);
void matrix_flight_finish(struct matrix_flight *f);
void matrix_flight_open(struct matrix_flight *f);
/* Its server listens: the client connects. */
void matrix_flight_listens(struct matrix_flight *f, uint32_t port);
void matrix_flight_start(struct matrix_flight *f, uint64_t at_ns);
/* One more end waits for the common start. */
void matrix_flight_armed(struct matrix_flight *f);
/* It failed, unless it already had; the ends that are left are told to end. */
void matrix_flight_fail(struct matrix_flight *f, enum net_failure why, const char *fmt,
	...) __attribute__((format(printf, 3, 4)));
/* Ends it with what there is. */
void matrix_flight_stop(struct matrix_flight *f);
void matrix_flight_late(struct matrix_flight *f, uint64_t now_ns);
bool matrix_flight_ready(const struct matrix_flight *f);
bool matrix_flight_over(const struct matrix_flight *f);

/* matrix_engine.c; nothing but matrix_engine_check and _options is for the native engine */
/* Whether the engine can do all tests. 0 or -1 with err. */
int matrix_engine_check(const struct matrix *m, struct err *err);
/* Appends the options that choose the engine, for a command. */
void matrix_engine_options(const struct matrix *m, struct buf *out);
/* Which programs the hosts need is asked; matrix_look when the last answer is there. */
void matrix_engine_find(struct matrix *m);
void matrix_engine_found(
	struct matrix *m, struct fleet_worker *w, const struct msg_found *f);
/* It will not answer any more. */
void matrix_engine_gone(struct matrix *m, const struct fleet_worker *w);
/* Which hosts have not what they need, in one sentence (malloc'ed); NULL: none. */
char *matrix_engine_missing(const struct matrix *m);
/* The two command lines of a pair, as far as they are known before hosts are contacted. */
void matrix_engine_show(
	const struct matrix *m, const struct net_words *w, const struct matrix_pair *p);
/* The command line of one end of a test; port 0: NET_PORT_WORD stands in its place. NULL: no memory. */
char **matrix_engine_argv(const struct matrix *m, const struct net_words *w,
	enum net_side side, const char *address, const char *bind, uint32_t port);
/* The program of an end has ended. */
void matrix_engine_output(
	struct matrix_flight *f, enum net_side side, struct net_output *o);
/* Results, or a failure, from what the programs of a flight said. */
void matrix_engine_landed(struct matrix_flight *f);
void matrix_output_free(struct net_output *o); /* takes NULL */
void matrix_values_free(struct net_values *v); /* takes NULL */

/* matrix_messages.c */
/* Appends what may help against such a failure of an end: where else data could go. */
void matrix_add_hint(const struct matrix_flight *f, enum net_side side,
	enum net_failure why, struct buf *text);
void matrix_online(struct fleet_worker *w, void *user);
void matrix_gone(struct fleet_worker *w, void *user);
void matrix_finished(struct fleet_worker *w, void *user);
void matrix_message(struct fleet_worker *w, struct msg *msg, void *user);
void matrix_stderr(struct fleet_worker *w, const char *data, size_t len, void *user);
void matrix_progress(struct fleet_worker *w, uint64_t sent, uint64_t size, void *user);
void matrix_signal(int signo, void *user);
void matrix_hang_up(int signo, void *user);
void matrix_on_tick(struct loop_timer *t, void *user);

/* matrix_show.c */
void matrix_show_plan(struct matrix *m);
void matrix_show_header(struct matrix *m);
/* Rounds, and a command for each pair. An exit code, or -1 with err. */
int matrix_show_dry(struct matrix *m, struct err *err);
void matrix_show_task(struct matrix *m, const struct matrix_task *t);
void matrix_show_again(struct matrix *m, const struct matrix_task *t, const char *why);
/* While hosts connect: how many have, and what is done (NULL: whom is waited for). */
void matrix_show_wait(struct matrix *m, const char *what);
void matrix_on_show(struct loop_timer *t, void *user);

/* matrix_report.c */
void matrix_show_tables(struct matrix *m);
void matrix_show_summary(struct matrix *m);

/* matrix_end.c */
/* The round of the flight's task is over: another iteration, another try, or its record. Returns whether it
 * has to run once more in this round. */
bool matrix_task_landed(struct matrix_flight *f);
/* There will be no more iterations: it gets the record of those it has. */
void matrix_task_conclude(struct matrix *m, struct matrix_task *t);
/* What -o, -O or -k asked for, from its values. 0 or -ENOMEM. */
int matrix_task_print(const struct matrix_task *t);
/* It gets its record as one that failed. */
void matrix_task_fail(
	struct matrix *m, struct matrix_task *t, enum net_failure why, const char *text);
/* Releases what its iterations have brought. */
void matrix_task_forget(struct matrix_task *t);
/* Files, tables, summary. The exit code, or -1 with err. */
int matrix_finish(struct matrix *m, struct err *err);
/* "completed", "degraded", "interrupted", "failed", "refused" */
const char *matrix_outcome(const struct matrix *m);

/* matrix_files.c */
/* The table of each test; NULL: no memory. */
struct net_grid *matrix_grids(const struct matrix *m);
void matrix_grids_free(struct net_grid *grids, size_t n);
/* Every file is tried; -1 with the first failure. */
int matrix_write_results(struct matrix *m, int code, struct err *err);
void matrix_event_round(struct matrix *m);
void matrix_event_rates(struct matrix *m, double time_s);
void matrix_event_pair(struct matrix *m, const struct matrix_task *t);
void matrix_event_end(struct matrix *m, int code);
