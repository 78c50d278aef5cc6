/* command: the table of commands, and what each of them gets. */
#pragma once

#include "orchestrator/options.h"

struct err;

struct app {
	const struct command *command;
	struct options o;
	struct opt_list operands;
	char **rest; /* behind "--" */
	int argc;
	char **argv;  /* as given, for records */
	char **paths; /* of options, with HOME in place of "~" */
	size_t n_paths;
};

struct command {
	const char *name;
	const char *const *aliases; /* NULL-terminated, or NULL */
	const char *operands;       /* "WORKLOAD.yaml", or "" */
	unsigned min_operands, max_operands;
	const char *summary;         /* one line */
	const char *text;            /* paragraphs for help and the man page */
	const char *const *examples; /* NULL-terminated */
	const struct option_group *const *groups; /* NULL-terminated */
	/* Options of its groups that mean nothing to it, NULL-terminated, or NULL: taken, since scripts give
	 * all commands the same ones, and in no help. */
	const char *const *idle;
	/* Returns an exit code, or -1 with err. */
	int (*run)(struct app *app, struct err *err);
	/* What the first operand can be, NULL-terminated; the second is then a run. NULL: files. */
	const char *const *words;
	bool rest;            /* something may stand behind "--" */
	const char *complete; /* hint for its operands, as of options; NULL: files */
};

extern const struct command commands[]; /* ends with a NULL name */

const struct command *command_find(const char *name);
/* Whether an option of its groups means anything to c; true for NULL. */
bool command_minds(const struct command *c, const struct opt *o);

/* command line -> app. 0, or -1 with err (ERR_INPUT). */
int command_parse(int argc, char **argv, struct app *app, struct err *err);
void command_finish(struct app *app);
/* Words of a network test that stand in front of "--" were taken for options: err says so, if that may be it. */
void command_hint_words(int argc, char **argv, struct err *err);

/* Help text of one command, or of the whole program when c is NULL. */
struct buf;
void command_help(const struct command *c, struct buf *out);

/* cmd_*.c */
int cmd_check(struct app *app, struct err *err);
int cmd_ssh_setup(struct app *app, struct err *err);
int cmd_setup(struct app *app, struct err *err);
int cmd_run(struct app *app, struct err *err);
int cmd_validate(struct app *app, struct err *err);
int cmd_runs(struct app *app, struct err *err);
int cmd_matrix(struct app *app, struct err *err);
int cmd_profiles(struct app *app, struct err *err);
int cmd_clean(struct app *app, struct err *err);
int cmd_start(struct app *app, struct err *err);
int cmd_status(struct app *app, struct err *err);
int cmd_stop(struct app *app, struct err *err);
