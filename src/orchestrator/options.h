/* options: everything the command line can say, as one struct and tables that fill it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/opts.h"

enum host_loss { HOST_LOSS_CONTINUE, HOST_LOSS_ABORT };

struct options {
	/* all commands */
	bool help, version, quiet, no_color;
	int verbose;

	/* commands as flags, the spelling of older scripts */
	bool flag_check, flag_deploy, flag_matrix, flag_start, flag_status, flag_stop;

	/* hosts */
	const char *hosts, *hosts_file, *limit, *user, *key;
	uint16_t port;
	uint64_t workers;
	uint64_t timeout_ns;
	bool no_cache, lenient;
	bool insecure, tls;
	const char *agent_ca, *agent_domain;

	/* a workload and what overrides it */
	const char *config, *target, *store_config, *endpoint;
	int http_engine; /* enum store_engine */
	bool http_engine_set, insecure_tls;
	uint64_t duration_ns, concurrency, seed;
	bool duration_set, concurrency_set, seed_set;
	const char *rate, *autoterm; /* autoterm: "": without a number; NULL: not given */
	int arrival, timer;          /* enum arrival, enum timer */
	bool arrival_set, timer_set, once, verify, allow_foreign;
	int shared_prepare;
	bool shared_prepare_set;

	/* how a run goes */
	const char *output;
	uint64_t expect_workers, expect_wait_ns;
	bool expect_wait_set;
	int on_host_loss;
	bool dry_run, headless, detach;
	bool no_forward_env; /* also of clean */

	/* what comes out */
	const char *export_file, *json_lines;

	/* matrix; also duration, output, dry_run, headless, detach */
	const char *parallel; /* "" or how many pairs at once; NULL: not given */
	bool sequential, concurrent, allow_flood;
	int words; /* enum net_dialect */
	const char *profile, *port_range, *resume;
	uint64_t repeat, retries;
	bool repeat_set, retries_set;

	/* what measures networks, and where it lies on the hosts; also of setup */
	int engine; /* as given: an index into net_engines; options_engine knows which it is */
	bool engine_set;
	const char *netperf, *netserver, *iperf3;

	/* setup */
	const char *local_netserver;

	/* servers on lease, whose port is `port` */
	uint16_t ssh_port;
	uint64_t lease_ns;
	bool lease_set;

	/* clean */
	const char *data;

	/* ssh-setup; also output and dry_run */
	int key_type; /* index into setup_key_types */
	bool password_stdin, remove;

	/* runs */
	bool now;

	/* known, and not there yet */
	const char *later[8];
};

/* Tables, each with a heading for help. */
struct option_group {
	const char *heading;
	const struct opt *options;
};
extern const struct option_group group_common, group_hosts, group_workload, group_run,
	group_output, group_export, group_clean, group_runs, group_ssh_setup,
	group_matrix, group_engine, group_setup, group_lease;
extern const char *const setup_key_types[]; /* as ssh-keygen has them */
extern const char *const net_engines[];     /* what measures networks */
/* Spellings of commands as flags: parsed everywhere, in no help text. */
extern const struct opt command_flags[];

/* Whether data goes to stdout, so that what people read must go elsewhere. */
bool options_take_stdout(const struct options *o);

struct err;
/* Which of net_engines is meant, *ret: the one that was named, else the one whose program was. 0, or -1 with err
 * when those are two. */
int options_engine(const struct options *o, int *ret, struct err *err);

/* Refuses by name what is not supported yet. */
int options_check(const struct options *o, struct err *err);
