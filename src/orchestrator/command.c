/* command: the table, and how a command line finds its entry. */
#include "orchestrator/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"
#include "common/text.h"

static const struct option_group *const groups_check[] = {
	&group_hosts, &group_output, &group_export, &group_common, NULL};
static const struct option_group *const groups_ssh_setup[] = {
	&group_ssh_setup, &group_hosts, &group_export, &group_common, NULL};
static const struct option_group *const groups_setup[] = {
	&group_setup, &group_engine, &group_hosts, &group_common, NULL};
static const struct option_group *const groups_run[] = {&group_workload, &group_run,
	&group_hosts, &group_export, &group_output, &group_common, NULL};
static const struct option_group *const groups_matrix[] = {&group_matrix, &group_engine,
	&group_hosts, &group_export, &group_output, &group_common, NULL};
static const struct option_group *const groups_validate[] = {
	&group_workload, &group_hosts, &group_common, NULL};
static const struct option_group *const groups_runs[] = {
	&group_runs, &group_common, NULL};
static const struct option_group *const groups_profiles[] = {
	&group_export, &group_common, NULL};
static const struct option_group *const groups_clean[] = {
	&group_clean, &group_hosts, &group_common, NULL};

static const struct option_group *const groups_lease[] = {
	&group_lease, &group_engine, &group_hosts, &group_export, &group_common, NULL};

static const char *const idle_check[] = {"workers", NULL};
static const char *const idle_ssh_setup[] = {"no-cache", NULL};
static const char *const idle_setup[] = {"workers", "no-cache", NULL};
static const char *const idle_matrix[] = {"workers", NULL};
static const char *const idle_validate[] = {
	"user", "key", "port", "timeout", "no-cache", NULL};

static const char *const idle_start[] = {"workers", "netperf", NULL};
static const char *const idle_lease[] = {
	"workers", "lease", "engine", "netperf", "netserver", "iperf3", NULL};

static const char *const alias_check[] = {"ping", NULL};
static const char *const words_runs[] = {"attach", "stop", NULL};
static const char *const alias_setup[] = {"deploy", NULL};

static const char *const examples_check[] = {"muster check --hosts hosts.yaml",
	"muster check --hosts 'root@node[01-16]' --export fleet.json", NULL};
static const char *const examples_ssh_setup[] = {
	"muster ssh-setup --hosts ubuntu@vm1,ubuntu@vm2,ubuntu@vm3",
	"muster ssh-setup --hosts 'root@node[01-16]' --password-stdin --output rack.yaml "
	"<password",
	"muster ssh-setup --hosts hosts.yaml --remove", NULL};
static const char *const examples_setup[] = {"muster setup --hosts hosts.yaml",
	"muster setup --hosts hosts.yaml --local-netserver /usr/bin/netserver",
	"muster setup --hosts hosts.yaml --engine iperf3", NULL};
static const char *const examples_run[] = {"muster run workloads/null-smoke.yaml",
	"muster run mix.yaml --hosts hosts.yaml --duration 5m --export results.json",
	"muster run preset:small-objects --target s3://BUCKET/bench/ --hosts hosts.yaml",
	NULL};
static const char *const examples_matrix[] = {
	"muster matrix 'client[1-4]' server1,server2 --hosts hosts.yaml -- -d send -l 30",
	"muster matrix --hosts hosts.yaml --export rr.json -- -d rr -l 60 -o "
	"JSON,MEAN_LATENCY,P99_LATENCY",
	"muster matrix clients.txt servers.txt --hosts hosts.yaml --dry-run", NULL};
static const char *const examples_start[] = {"muster start --hosts hosts.yaml --lease 2h",
	"muster start --hosts hosts.yaml --port 12866 --engine netperf", NULL};
static const char *const examples_status[] = {"muster status --hosts hosts.yaml",
	"muster status --hosts hosts.yaml --export servers.json", NULL};
static const char *const examples_stop[] = {"muster stop --hosts hosts.yaml",
	"muster stop --hosts hosts.yaml --port 12866", NULL};
static const char *const examples_validate[] = {
	"muster validate mix.yaml --hosts hosts.yaml", NULL};
static const char *const examples_runs[] = {"muster run mix.yaml --detach", "muster runs",
	"muster runs attach muster-20261120T143005Z-mix", "muster runs stop --now", NULL};
static const char *const examples_profiles[] = {"muster profiles",
	"muster profiles latency", "muster profiles preset:small-objects",
	"muster profiles --export profiles.json", NULL};
static const char *const examples_clean[] = {"muster clean --hosts hosts.yaml",
	"muster clean --data muster-20261120T143005Z-mix", NULL};

const struct command commands[] = {
	{"check", alias_check, "", 0, 0,
		"reach every host, verify host key and login, start the worker, report "
		"facts",
		"Connects to every host, verifies its host key, logs in, puts the worker "
		"there when it "
		"is missing, starts it, and measures the round trip and the offset of "
		"its clock. Exit "
		"code 3 when a host was not reached.",
		examples_check, groups_check, idle_check, cmd_check},
	{"ssh-setup", NULL, "", 0, 0,
		"make a key, hand it to the hosts, prove it, write an inventory",
		"Makes the key ~/.ssh/muster_ed25519 unless it is there (or --key names "
		"another "
		"one), logs in to every host with a key that works or with a password, "
		"appends the "
		"public key to authorized_keys, proves with a new connection that the "
		"key "
		"logs in, and "
		"looks for what a run needs. The key of a host that nobody knows yet is "
		"shown and "
		"recorded; a host whose key has changed is left alone. Doing it again "
		"changes "
		"nothing. Exit code 3 when a host is not ready.",
		examples_ssh_setup, groups_ssh_setup, idle_ssh_setup, cmd_ssh_setup},
	{"setup", alias_setup, "", 0, 0,
		"copy the worker to the hosts and verify it by SHA-256",
		"Copies the worker program to every host that does not have it yet, in "
		"parallel, and proves that it runs there; every other command does this "
		"too. With --local-netserver FILE that file goes to the server hosts as "
		"well; with another engine than native its programs are looked for where "
		"they are needed.",
		examples_setup, groups_setup, idle_setup, cmd_setup},
	{"run", NULL, "WORKLOAD.yaml", 0, 1, "a storage workload on all hosts in step",
		"Starts one worker per host (or more), hands each its part of the "
		"workload, starts all "
		"of them at the same moment, shows live numbers, and writes a results "
		"directory. With "
		"no hosts at all the workload runs on this machine. preset:NAME is a "
		"workload that comes with muster (muster profiles lists them); --target "
		"says where it runs.",
		examples_run, groups_run, NULL, cmd_run},
	{"matrix", NULL, "[CLIENTS SERVERS] [-- TEST]", 0, 2,
		"network tests between clients and servers",
		"Measures the network from every client to every server, in rounds in "
		"which no machine takes part twice, and shows a table. CLIENTS and "
		"SERVERS "
		"are lists of hosts (client[1-4]) or files of them, which take their "
		"settings from the inventory; without them its roles say who is what. "
		"What stands behind -- says what is measured, in the words of netperf "
		"(muster-networks(5)): -d send, recv or rr, -l seconds, -o VALUES. With "
		"no "
		"hosts at all this machine measures itself.",
		examples_matrix, groups_matrix, idle_matrix, cmd_matrix, .rest = true},
	{"start", NULL, "", 0, 0, "servers on lease for network tests",
		"Starts a server on each host that can be one (role: server or both), "
		"which listens on the host's data address and port 12865 until its lease "
		"ends, and then ends by itself. A matrix finds and uses it. Starting a "
		"server that runs gives it a new lease.",
		examples_start, groups_lease, idle_start, cmd_start},
	{"status", NULL, "", 0, 0, "which servers on lease there are",
		"Shows the servers on lease of each host: Running, Stopped, Stale (its "
		"process is gone without a word) or Unreachable. Exit code 1 when one "
		"does not run, 3 when a host was not reached.",
		examples_status, groups_lease, idle_lease, cmd_status},
	{"stop", NULL, "", 0, 0, "end servers on lease",
		"Ends the servers on lease of each host, all of them or that of --port, "
		"and waits until they are gone. No other process is touched.",
		examples_stop, groups_lease, idle_lease, cmd_stop},
	{"validate", NULL, "WORKLOAD.yaml", 0, 1,
		"parse and plan a workload, show each worker's job",
		"Reads the workload and the inventory, plans, and shows what each worker "
		"would do. "
		"Contacts no host.",
		examples_validate, groups_validate, idle_validate, cmd_validate},
	{"runs", NULL, "[attach|stop RUN]", 0, 2,
		"the runs on this machine: list, watch, stop",
		"Lists the runs of this user on this machine, those that are on and "
		"those "
		"of the last days. `attach` shows what a run says, with its live "
		"display, "
		"and ends with its exit code; q or Ctrl-C leaves it, and the run goes "
		"on. "
		"`stop` is its Ctrl-C: no new operations, those in flight are waited "
		"for, "
		"results are written. RUN is a name, the beginning of one, or a results "
		"directory; without it, the only run that is on.",
		examples_runs, groups_runs, NULL, cmd_runs, words_runs},
	{"profiles", NULL, "[NAME|FILE]", 0, 1,
		"lists of network tests, and workload presets",
		"Lists the profiles that `muster matrix --profile` takes: those that "
		"come with muster, and your own in ~/.config/muster/profiles, which "
		"stand in "
		"front of others of the same name. Behind them the presets, workloads "
		"that "
		"`muster run preset:NAME` takes, of which your own lie in "
		"~/.config/muster/presets. With a name or a file: its tests, in "
		"the words that a command line would have, and what is expected of their "
		"results; with preset:NAME that workload. Contacts no host.",
		examples_profiles, groups_profiles, NULL, cmd_profiles,
		.complete = "profile"},
	{"clean", NULL, "", 0, 0, "remove what muster keeps on the hosts",
		"Removes the cached worker and everything else muster keeps on the "
		"hosts, and says "
		"what. With --data DIR it removes the data that a run left instead: the "
		"files it put, "
		"and the sets it prepared.",
		examples_clean, groups_clean, NULL, cmd_clean},
	{.name = NULL},
};

const struct command *command_find(const char *name)
{
	for (const struct command *c = commands; c->name; c++) {
		if (strcmp(c->name, name) == 0)
			return c;
		for (const char *const *a = c->aliases; a && *a; a++)
			if (strcmp(*a, name) == 0)
				return c;
	}
	return NULL;
}

bool command_minds(const struct command *c, const struct opt *o)
{
	for (const char *const *i = c ? c->idle : NULL; i && *i; i++)
		if (strcmp(*i, o->name) == 0)
			return false;
	/* what its own group has is not that of a later one: --port of a server, not of SSH */
	for (const struct option_group *const *g = c ? c->groups : NULL; g && *g; g++)
		for (const struct opt *own = (*g)->options; own->name; own++)
			if (strcmp(own->name, o->name) == 0)
				return own == o;
	return true;
}

static const struct option_group *const all_groups[] = {&group_common, &group_hosts,
	&group_workload, &group_run, &group_output, &group_export, &group_clean,
	&group_runs, &group_ssh_setup, &group_matrix, &group_engine, &group_setup,
	&group_lease};

/* Commands whose time has not come. */
static const char *const later_commands[] = {"report", "compare"};

static void unknown_command(const char *name, struct err *err)
{
	const char *names[16];
	size_t n = 0;

	for (const struct command *c = commands; c->name && n < ARRAY_LEN(names); c++)
		names[n++] = c->name;

	const char *near = text_nearest(name, names, n);

	for (size_t i = 0; i < ARRAY_LEN(later_commands); i++)
		if (strcmp(name, later_commands[i]) == 0) {
			err_set(err, ERR_INPUT, "muster %s is not supported yet", name);
			return;
		}
	err_set(err, ERR_INPUT, "unknown command '%s'%s%s%s (muster --help lists them)",
		name, near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* --check and the like, of older scripts; NULL: none of them. */
static const char *name_of_flag(const struct options *o)
{
	const struct {
		bool given;
		const char *name;
	} flags[] = {{o->flag_check, "check"}, {o->flag_deploy, "setup"},
		{o->flag_start, "start"}, {o->flag_status, "status"},
		{o->flag_stop, "stop"}, {o->flag_matrix, "matrix"}};

	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (flags[i].given)
			return flags[i].name;
	return NULL;
}

/* Takes the command out of the operands, or out of its flags. */
static int choose(struct app *app, struct err *err)
{
	struct opt_list *ops = &app->operands;
	const char *name = name_of_flag(&app->o);

	if (!name && ops->n) {
		name = ops->items[0];
		memmove(ops->items, ops->items + 1, --ops->n * sizeof(*ops->items));
	}
	/* words behind "--", or a profile, are those of a matrix */
	if (!name && (*app->rest || app->o.profile || app->o.resume))
		name = "matrix";
	if (!name)
		return 0;
	app->command = command_find(name);
	if (!app->command) {
		unknown_command(name, err);
		return -1;
	}
	return 0;
}

/* HOME for "~/", which shells leave as it is behind a "=". Nothing is no path: a variable was empty. */
static int expand_path(struct app *app, const struct opt *o, struct err *err)
{
	const char **value = (const char **)(void *)((char *)&app->o + o->offset);
	char **more;

	if ((o->type != OPT_STR && o->type != OPT_OPTIONAL) || !o->complete || !*value)
		return 0;
	if (o->type == OPT_STR && !**value)
		return err_set(err, ERR_INPUT, "option '--%s' wants %s, not nothing",
			o->name, o->arg);
	if (!text_starts_with(*value, "~/"))
		return 0;
	more = reallocarray(app->paths, app->n_paths + 1, sizeof(*more));
	if (more)
		app->paths = more;
	if (!more || !(more[app->n_paths] = file_expand_home(*value)))
		return err_set(err, ERR_SYSTEM, "out of memory");
	*value = more[app->n_paths++];
	return 0;
}

static int expand_paths(struct app *app, struct err *err)
{
	for (const struct option_group *const *g = app->command->groups; *g; g++)
		for (const struct opt *o = (*g)->options; o->name; o++)
			if (expand_path(app, o, err) < 0)
				return -1;
	return 0;
}

static int check_operands(const struct app *app, struct err *err)
{
	const struct command *c = app->command;

	if (app->operands.n > c->max_operands)
		return err_set(err, ERR_INPUT, "muster %s takes %s, not '%s'", c->name,
			c->max_operands ? c->operands : "no operands",
			app->operands.items[c->max_operands]);
	if (app->rest && app->rest[0] && !c->rest)
		return err_set(
			err, ERR_INPUT, "muster %s takes nothing behind '--'", c->name);
	return 0;
}

static bool given(int argc, char **argv, const char *const *words)
{
	for (int i = 1; i < argc; i++)
		for (const char *const *w = words; *w; w++)
			if (strcmp(argv[i], *w) == 0)
				return true;
	return false;
}

void command_hint_words(int argc, char **argv, struct err *err)
{
	static const char *const matrix[] = {"matrix", "--matrix", NULL},
				 *const behind[] = {"--", NULL},
				 *const words[] = {
					 "-d", "-l", "-t", "-r", "-m", "-b", "-T", NULL};
	size_t len = strlen(err->text);

	if (err->kind == ERR_INPUT && given(argc, argv, matrix) &&
		!given(argc, argv, behind) && given(argc, argv, words))
		snprintf(err->text + len, sizeof(err->text) - len,
			" (what the test is, such as -d send -l 30, stands behind '--')");
}

static int parse(int argc, char **argv, struct app *app, struct err *err)
{
	const struct opt *tables[ARRAY_LEN(all_groups) + 2] = {command_flags};
	size_t n = 1;

	*app = (struct app){.argc = argc, .argv = argv};
	for (size_t i = 0; i < ARRAY_LEN(all_groups); i++)
		tables[n++] = all_groups[i]->options;
	if (opts_parse(tables, argc - 1, argv + 1, &app->o, &app->operands, &app->rest,
		    err) < 0)
		return -1;
	if (choose(app, err) < 0)
		return -1;
	if (!app->command || app->o.help)
		return 0;

	/* again with this command's tables only: an option of another command is an error */
	struct options own = {0};
	struct opt_list operands = {0};
	char **rest;

	n = 1;
	for (const struct option_group *const *g = app->command->groups; *g; g++)
		tables[n++] = (*g)->options;
	tables[n] = NULL;

	int r = opts_parse(tables, argc - 1, argv + 1, &own, &operands, &rest, err);

	free(operands.items);
	if (r < 0)
		return err_prefix(err, "muster %s", app->command->name);
	if (options_check(&app->o, err) < 0 || expand_paths(app, err) < 0)
		return -1;
	return check_operands(app, err);
}

int command_parse(int argc, char **argv, struct app *app, struct err *err)
{
	int rc = parse(argc, argv, app, err);

	if (rc < 0)
		command_hint_words(argc, argv, err);
	return rc;
}

void command_finish(struct app *app)
{
	free(app->operands.items);
	app->operands = (struct opt_list){0};
	for (size_t i = 0; i < app->n_paths; i++)
		free(app->paths[i]);
	free(app->paths);
	app->paths = NULL;
	app->n_paths = 0;
}

static void program_help(struct buf *out)
{
	buf_puts(out,
		"muster measures storage and networks from many machines at once, and "
		"needs nothing\non them but sshd.\n\nUsage: muster [options] COMMAND "
		"[options]\n\nCommands:\n");
	for (const struct command *c = commands; c->name; c++) {
		AUTO_FREE char *left = text_printf("%s %s", c->name, c->operands);

		if (left && strlen(left) > 22)
			buf_printf(out, "  %s\n%26s%s\n", left, "", c->summary);
		else
			buf_printf(out, "  %-24s%s\n", left ? left : c->name, c->summary);
	}
	buf_printf(out, "\n%s:\n", group_common.heading);
	opts_help(group_common.options, out);
	buf_puts(out,
		"\n`muster COMMAND --help` shows the options of a command. Exit codes: 0 "
		"all "
		"well; 1 it ran,\nbut something failed or is degraded; 2 wrong usage or "
		"a "
		"refused workload; 3 hosts not\nreached; 4 ended early; 130 Ctrl-C; 143 "
		"SIGTERM.\n");
}

static void wrap(struct buf *out, const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t word = strcspn(text, " ");

		if (column && column + 1 + word > 88) {
			buf_putc(out, '\n');
			column = 0;
		} else if (column) {
			buf_putc(out, ' ');
			column++;
		}
		buf_append(out, text, word);
		column += word;
		text += word + strspn(text + word, " ");
	}
	buf_putc(out, '\n');
}

void command_help(const struct command *c, struct buf *out)
{
	if (!c) {
		program_help(out);
		return;
	}
	buf_printf(out, "Usage: muster %s [options]%s%s\n\n", c->name,
		*c->operands ? " " : "", c->operands);
	wrap(out, c->text);
	for (const struct option_group *const *g = c->groups; *g; g++) {
		AUTO_BUF struct buf rows = BUF_INIT;

		for (const struct opt *o = (*g)->options; o->name; o++)
			if (command_minds(c, o))
				opts_help_one(o, &rows);
		if (rows.len)
			buf_printf(out, "\n%s:\n%s", (*g)->heading, rows.data);
	}
	buf_puts(out, "\nExamples:\n");
	for (const char *const *e = c->examples; *e; e++)
		buf_printf(out, "  %s\n", *e);
}
