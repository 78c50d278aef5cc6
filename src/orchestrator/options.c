/* options: the tables. */
#include "orchestrator/options.h"

#include <stddef.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "proto/job.h"
#include "proto/store.h"

#define AT(member) offsetof(struct options, member)
#define END                                                                              \
	{                                                                                \
		.name = NULL                                                             \
	}

static const char *const alias_hosts[] = {"agents", NULL};
static const char *const alias_config[] = {"workload", NULL};
static const char *const alias_limit[] = {"only", NULL};
static const char *const yes_no[] = {"no", "yes", NULL};
static const char *const loss_names[] = {"continue", "abort", NULL};

static const struct opt common_options[] = {
	{"help", 'h', OPT_FLAG, AT(help), NULL, "show help for the command"},
	{"version", 'V', OPT_FLAG, AT(version), NULL, "show the version"},
	{"verbose", 'v', OPT_COUNTER, AT(verbose), NULL,
		"say more; once also shows what workers write to stderr"},
	{"quiet", 'q', OPT_FLAG, AT(quiet), NULL, "only the final results and errors"},
	{"no-color", 0, OPT_FLAG, AT(no_color), NULL, "no colours (also: NO_COLOR set)"},
	END,
};

static const struct opt hosts_options[] = {
	{"hosts", 'i', OPT_STR, AT(hosts), "FILE|LIST",
		"inventory (hosts.yaml), text list, or names as "
		"[user@]name[:port],node[01-16]",
		.aliases = alias_hosts, .complete = "hosts"},
	{"hosts-file", 0, OPT_STR, AT(hosts_file), "FILE",
		"hosts, one per line; - is stdin", .complete = "file"},
	{"limit", 'l', OPT_STR, AT(limit), "PATTERN",
		"only hosts whose name, address, label or role matches; ! in front takes "
		"away",
		.aliases = alias_limit},
	{"user", 'u', OPT_STR, AT(user), "NAME",
		"login name where the inventory has none"},
	{"key", 'k', OPT_STR, AT(key), "FILE", "private key where the inventory has none",
		.complete = "file"},
	{"port", 'p', OPT_PORT, AT(port), "N", "SSH port where the inventory has none"},
	{"workers", 0, OPT_COUNT, AT(workers), "N",
		"worker processes per host where the inventory has none"},
	{"timeout", 0, OPT_DURATION, AT(timeout_ns), "TIME",
		"for connecting (default 10s) and for logging in (default 20s)"},
	{"no-cache", 0, OPT_FLAG, AT(no_cache), NULL,
		"remove the worker's file from the hosts as soon as it runs"},
	{"lenient", 0, OPT_FLAG, AT(lenient), NULL, "unknown keys in files are warnings"},
	{"insecure", 0, OPT_FLAG, AT(insecure), NULL,
		"accepted for older scripts, does nothing"},
	{"tls", 0, OPT_FLAG, AT(tls), NULL, "accepted for older scripts, does nothing"},
	{"agent-ca", 0, OPT_STR, AT(agent_ca), "FILE",
		"accepted for older scripts, does nothing"},
	{"agent-domain", 0, OPT_STR, AT(agent_domain), "NAME",
		"accepted for older scripts, does nothing"},
	END,
};

static const struct opt workload_options[] = {
	{"config", 'c', OPT_STR, AT(config), "FILE",
		"the workload, instead of an operand", .aliases = alias_config,
		.complete = "file"},
	{"target", 't', OPT_STR, AT(target), "URI", "instead of the workload's target"},
	{"duration", 'd', OPT_DURATION, AT(duration_ns), "TIME",
		"instead of the workload's duration", .set_offset = AT(duration_set)},
	{"concurrency", 'C', OPT_COUNT, AT(concurrency), "N", "slots per worker",
		.set_offset = AT(concurrency_set)},
	{"rate", 0, OPT_STR, AT(rate), "N",
		"open loop of N ops per second over all workers; max: closed loop"},
	{"arrival", 0, OPT_CHOICE, AT(arrival), "NAME",
		"of a rate: constant (default) or poisson", .choices = arrival_names,
		.set_offset = AT(arrival_set)},
	{"timer", 0, OPT_CHOICE, AT(timer), "NAME",
		"how threads wait for a due op: auto (default), sleep, hybrid or spin",
		.choices = timer_names, .set_offset = AT(timer_set)},
	{"once", 0, OPT_FLAG, AT(once), NULL,
		"work through all objects once; the duration is the longest it may take"},
	{"autoterm", 0, OPT_OPTIONAL, AT(autoterm), "PCT",
		"warm up until throughput and p99 are steady within PCT % (default 5), "
		"measure until they are; the duration bounds each"},
	{"verify", 0, OPT_FLAG, AT(verify), NULL,
		"gets and range_gets check what they read"},
	{"seed", 0, OPT_COUNT, AT(seed), "N",
		"repeats the random choices of an earlier run",
		.set_offset = AT(seed_set)},
	{"shared-prepare", 0, OPT_CHOICE, AT(shared_prepare), "yes|no",
		"whether all hosts see the same storage", .choices = yes_no,
		.set_offset = AT(shared_prepare_set)},
	{"endpoint", 0, OPT_STR, AT(endpoint), "URL",
		"of the object store, instead of the workload's and the environment's"},
	{"workload-config", 0, OPT_STR, AT(store_config), "FILE",
		"endpoint, bucket and keys of an S3 store, as Chopsticks has them in "
		"s3_config.yaml",
		.complete = "file"},
	{"http-engine", 0, OPT_CHOICE, AT(http_engine), "own|curl",
		"what speaks HTTP to an object store (default own)",
		.choices = store_engine_names, .set_offset = AT(http_engine_set)},
	{"insecure-tls", 0, OPT_FLAG, AT(insecure_tls), NULL,
		"do not verify the certificate of an object store; results say so"},
	{"allow-foreign", 0, OPT_FLAG, AT(allow_foreign), NULL,
		"delete, rmdir and overwriting may touch what muster did not make"},
	{"users", 0, OPT_STR, AT(later[0]), "N", NULL},
	{"spawn-rate", 0, OPT_STR, AT(later[1]), "N", NULL},
	END,
};

static const struct opt run_options[] = {
	{"output", 'o', OPT_STR, AT(output), "DIR",
		"results directory (default: muster-TIME-NAME here)", .complete = "dir"},
	{"expect-workers", 0, OPT_COUNT, AT(expect_workers), "N",
		"start as soon as N workers are ready (default: all)"},
	{"expect-workers-max-wait", 0, OPT_DURATION, AT(expect_wait_ns), "TIME",
		"how long to wait for them (default 60s; 0: for ever)",
		.set_offset = AT(expect_wait_set)},
	{"on-host-loss", 0, OPT_CHOICE, AT(on_host_loss), "continue|abort",
		"what a worker lost during the run means (default continue)",
		.choices = loss_names},
	{"no-forward-env", 0, OPT_FLAG, AT(no_forward_env), NULL,
		"hosts use credentials of their own, and get none of this machine's"},
	{"dry-run", 'n', OPT_FLAG, AT(dry_run), NULL, "plan and show, start nothing"},
	{"headless", 0, OPT_FLAG, AT(headless), NULL, "plain lines also on a terminal"},
	{"detach", 0, OPT_FLAG, AT(detach), NULL,
		"go on without this terminal once the work has begun (muster runs)"},
	END,
};

static const struct opt output_options[] = {
	{"json-lines", 0, OPT_OPTIONAL, AT(json_lines), "FILE",
		"events as they happen, one JSON object per line (default: to stdout)",
		.complete = "file"},
	END,
};

static const struct opt export_options[] = {
	{"export", 'e', OPT_STR, AT(export_file), "FILE",
		"results as .json (of a run or a matrix also .csv); - is stdout",
		.complete = "file"},
	END,
};

static const struct opt clean_options[] = {
	{"data", 0, OPT_STR, AT(data), "DIR",
		"remove the data that the run with this results directory left on its "
		"hosts",
		.complete = "dir"},
	{"workload-config", 0, OPT_STR, AT(store_config), "FILE",
		"keys of an S3 store, as the run had them", .complete = "file"},
	{"no-forward-env", 0, OPT_FLAG, AT(no_forward_env), NULL,
		"hosts use credentials of their own, and get none of this machine's"},
	END,
};

const char *const setup_key_types[] = {"ed25519", "rsa", "ecdsa", NULL};

static const struct opt ssh_setup_options[] = {
	{"key-type", 0, OPT_CHOICE, AT(key_type), "TYPE",
		"of a key that is made: ed25519 (default), rsa or ecdsa",
		.choices = setup_key_types},
	{"password-stdin", 0, OPT_FLAG, AT(password_stdin), NULL,
		"the password for hosts that take no key yet is the first line of stdin"},
	{"output", 'o', OPT_STR, AT(output), "FILE",
		"inventory to write (default for a list: hosts.yaml, if there is none)",
		.complete = "file"},
	{"remove", 0, OPT_FLAG, AT(remove), NULL,
		"take the key away from the hosts again"},
	{"dry-run", 'n', OPT_FLAG, AT(dry_run), NULL,
		"say what would be done, contact nobody"},
	END,
};

const char *const net_engines[] = {"native", "netperf", "iperf3", NULL};

/* as enum net_dialect */
static const char *const word_names[] = {"netperf", "iperf3", NULL};

static const struct opt engine_options[] = {
	{"engine", 0, OPT_CHOICE, AT(engine), "NAME",
		"what measures: native (default), netperf or iperf3",
		.choices = net_engines, .set_offset = AT(engine_set)},
	{"netperf", 0, OPT_STR, AT(netperf), "PATH",
		"netperf on the clients; engine netperf"},
	{"netserver", 0, OPT_STR, AT(netserver), "PATH",
		"netserver on the servers; engine netperf"},
	{"iperf3", 0, OPT_STR, AT(iperf3), "PATH", "iperf3 on the hosts; engine iperf3"},
	END,
};

static const struct opt setup_options[] = {
	{"local-netserver", 0, OPT_STR, AT(local_netserver), "FILE",
		"copy this netserver to the server hosts, too; engine netperf uses it",
		.complete = "file"},
	END,
};

static const struct opt matrix_options[] = {
	{"parallel", 0, OPT_OPTIONAL, AT(parallel), "N",
		"rounds in which no machine takes part twice (default), of at most N "
		"pairs"},
	{"sequential", 0, OPT_FLAG, AT(sequential), NULL, "one pair at a time"},
	{"concurrent", 0, OPT_FLAG, AT(concurrent), NULL,
		"all pairs at once: they share machines and links"},
	{"profile", 0, OPT_STR, AT(profile), "NAME|FILE",
		"a list of tests, with what is expected of their results",
		.complete = "profile"},
	{"duration", 'd', OPT_DURATION, AT(duration_ns), "TIME",
		"of each test, instead of -l and of the profile's",
		.set_offset = AT(duration_set)},
	{"repeat", 0, OPT_COUNT, AT(repeat), "N", "the whole matrix N times",
		.set_offset = AT(repeat_set)},
	{"retries", 0, OPT_COUNT, AT(retries), "N",
		"how often pairs that failed for a passing cause run again behind the "
		"last round (default 1)",
		.set_offset = AT(retries_set)},
	{"words", 0, OPT_CHOICE, AT(words), "NAME",
		"whose letters stand behind --: netperf (default) or iperf3",
		.choices = word_names},
	{"port-range", 0, OPT_STR, AT(port_range), "A-B",
		"ports on which servers listen for data (default: any that is free)"},
	{"allow-flood", 0, OPT_FLAG, AT(allow_flood), NULL,
		"udp without a rate may go to other machines"},
	{"output", 'o', OPT_STR, AT(output), "DIR",
		"results directory (default: muster-TIME-matrix here)",
		.complete = "dir"},
	{"dry-run", 'n', OPT_FLAG, AT(dry_run), NULL,
		"show rounds and a command for each pair, contact nobody"},
	{"headless", 0, OPT_FLAG, AT(headless), NULL, "plain lines also on a terminal"},
	{"detach", 0, OPT_FLAG, AT(detach), NULL,
		"go on without this terminal once the load has begun (muster runs)"},
	{"resume", 0, OPT_STR, AT(resume), "DIR",
		"go on with the matrix that has this results directory: what failed or "
		"never ran",
		.complete = "dir"},
	END,
};

static const struct opt runs_options[] = {
	{"export", 'e', OPT_STR, AT(export_file), "FILE",
		"the list as .json; - is stdout", .complete = "file"},
	{"now", 0, OPT_FLAG, AT(now), NULL,
		"stop at once, as a second Ctrl-C does: do not wait for what is in "
		"flight"},
	{"headless", 0, OPT_FLAG, AT(headless), NULL, "plain lines also on a terminal"},
	END,
};

static const struct opt lease_options[] = {
	{"lease", 0, OPT_DURATION, AT(lease_ns), "TIME",
		"how long the servers stay, at most 30d (default 1h)",
		.set_offset = AT(lease_set)},
	{"port", 'p', OPT_PORT, AT(port), "N", "of the servers (default 12865)"},
	{"ssh-port", 0, OPT_PORT, AT(ssh_port), "N",
		"SSH port where the inventory has none"},
	END,
};

const struct opt command_flags[] = {
	{"check", 0, OPT_FLAG, AT(flag_check), NULL, NULL},
	{"deploy", 0, OPT_FLAG, AT(flag_deploy), NULL, NULL},
	{"matrix", 0, OPT_FLAG, AT(flag_matrix), NULL, NULL},
	{"start", 0, OPT_FLAG, AT(flag_start), NULL, NULL},
	{"status", 0, OPT_FLAG, AT(flag_status), NULL, NULL},
	{"stop", 0, OPT_FLAG, AT(flag_stop), NULL, NULL},
	END,
};

const struct option_group group_common = {"Options of all commands", common_options},
			  group_hosts = {"Hosts", hosts_options},
			  group_workload = {"Workload", workload_options},
			  group_run = {"Run", run_options},
			  group_output = {"Output", output_options},
			  group_export = {"Export", export_options},
			  group_runs = {"Runs", runs_options},
			  group_clean = {"Clean", clean_options},
			  group_ssh_setup = {"SSH setup", ssh_setup_options},
			  group_matrix = {"Matrix", matrix_options},
			  group_engine = {"Engine", engine_options},
			  group_setup = {"Setup", setup_options},
			  group_lease = {"Lease", lease_options};

int options_engine(const struct options *o, int *ret, struct err *err)
{
	const struct {
		const char *option, *value;
		int engine;
	} programs[] = {{"--netperf", o->netperf, 1}, {"--netserver", o->netserver, 1},
		{"--local-netserver", o->local_netserver, 1}, {"--iperf3", o->iperf3, 2}};

	*ret = o->engine;
	for (size_t i = 0, named = o->engine_set; i < ARRAY_LEN(programs); i++) {
		if (!programs[i].value)
			continue;
		if (named && *ret != programs[i].engine)
			return err_set(err, ERR_INPUT,
				"%s belongs to engine %s, and engine %s is meant",
				programs[i].option, net_engines[programs[i].engine],
				net_engines[*ret]);
		*ret = programs[i].engine;
		named = 1;
	}
	return 0;
}

bool options_take_stdout(const struct options *o)
{
	return (o->json_lines && !*o->json_lines) ||
	       (o->export_file && strcmp(o->export_file, "-") == 0);
}

int options_check(const struct options *o, struct err *err)
{
	static const char *const names[] = {"--users", "--spawn-rate"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (o->later[i])
			return err_set(err, ERR_INPUT, "option '%s' is not supported yet",
				names[i]);
	if (o->json_lines && !*o->json_lines && o->export_file &&
		strcmp(o->export_file, "-") == 0)
		return err_set(err, ERR_INPUT,
			"--json-lines and '--export -' cannot both have stdout: give one "
			"of them a file");
	if (o->detach && options_take_stdout(o))
		return err_set(err, ERR_INPUT,
			"with --detach stdout is gone before the end: give --json-lines "
			"or --export a file");
	return 0;
}
