/* shells: completions for bash, zsh and fish. */
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "docgen.h"
#include "orchestrator/command.h"

#define GENERATED "Generated from the program's own tables of options and commands."

/* The names of o with their dashes, with something between them. */
static void each_name(
	struct buf *out, const struct opt *o, const char *between, bool aliases)
{
	if (o->letter)
		buf_printf(out, "-%c%s", o->letter, between);
	buf_printf(out, "--%s", o->name);
	for (const char *const *a = o->aliases; aliases && a && *a; a++)
		buf_printf(out, "%s--%s", between, *a);
}

static void command_pattern(struct buf *out, const struct command *c, const char *between)
{
	buf_puts(out, c->name);
	for (const char *const *a = c->aliases; a && *a; a++)
		buf_printf(out, "%s%s", between, *a);
}

/* Text inside '...' of a shell; what stands in `special` gets a backslash. */
static void quoted(struct buf *out, const char *s, const char *special)
{
	for (; *s; s++) {
		if (*s == '\'')
			buf_puts(out, "'\\''");
		else if (strchr(special, *s))
			buf_printf(out, "\\%c", *s);
		else
			buf_putc(out, *s);
	}
}

/* What the first operand can be. */
static void words(struct buf *out, const struct command *c)
{
	for (const char *const *w = c->words; *w; w++)
		buf_printf(out, "%s%s", w == c->words ? "" : " ", *w);
}

/* Asks the program itself, whatever the shell calls by its name. */
#define LIST_RUNS "command muster runs --quiet 2>/dev/null"
#define LIST_PROFILES "command muster profiles --quiet 2>/dev/null"

static bool is_hint(const struct opt *o, const char *hint)
{
	return o->complete && strcmp(o->complete, hint) == 0;
}

static bool completes_files(const struct opt *o)
{
	return is_hint(o, "file") || is_hint(o, "hosts");
}

/* --- bash --- */

/* "COMMAND:-x | COMMAND:--name" for each name of o. */
static void bash_pattern(struct buf *out, const char *command, const struct opt *o)
{
	if (o->letter)
		buf_printf(out, "%s:-%c | ", command, o->letter);
	buf_printf(out, "%s:--%s", command, o->name);
	for (const char *const *a = o->aliases; a && *a; a++)
		buf_printf(out, " | %s:--%s", command, *a);
}

static void bash_value(struct buf *out, const char *command, const struct opt *o)
{
	buf_puts(out, "\t");
	bash_pattern(out, command, o);
	buf_printf(out, ") value='%s", o->type == OPT_OPTIONAL ? "=" : "");
	if (o->choices) {
		buf_puts(out, "words");
		for (const char *const *c = o->choices; *c; c++)
			buf_printf(out, " %s", *c);
	} else {
		buf_puts(out, completes_files(o)      ? "file"
			      : is_hint(o, "profile") ? "profile"
			      : is_hint(o, "dir")     ? "dir"
						      : "any");
	}
	buf_puts(out, "' ;;\n");
}

static bool has_value(const struct opt *o)
{
	return docgen_shown(o) && (docgen_takes_value(o) || o->type == OPT_OPTIONAL);
}

/* Whether one of the groups before has the name of o for something else. */
static bool means_more(
	const struct option_group *const *groups, size_t n, const struct opt *o)
{
	for (size_t i = 0; i < n; i++)
		for (const struct opt *e = groups[i]->options; e->name; e++)
			if (strcmp(e->name, o->name) == 0)
				return true;
	return false;
}

static void bash_command_values(struct buf *out, const struct command *c,
	const struct option_group *const *groups, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct option_group *const *g = c->groups;

		while (*g && *g != groups[i])
			g++;
		for (const struct opt *o = groups[i]->options; *g && o->name; o++)
			if (has_value(o) && means_more(groups, i, o))
				bash_value(out, c->name, o);
	}
}

static void bash_values(struct buf *out)
{
	const struct option_group *groups[DOCGEN_GROUPS_MAX];
	size_t n = docgen_groups(groups, DOCGEN_GROUPS_MAX);

	buf_puts(out, "# Sets value to what the value of option $1 is: file, dir, any, "
		      "words W...; empty when it\n# takes none, with a = in front when "
		      "it only takes one behind a =.\n"
		      "_muster_value()\n{\n\tcase $command:$1 in\n");
	for (const struct command *c = commands; c->name; c++)
		bash_command_values(out, c, groups, n);
	for (size_t i = 0; i < n; i++)
		for (const struct opt *o = groups[i]->options; o->name; o++)
			if (has_value(o) && !means_more(groups, i, o))
				bash_value(out, "*", o);
	buf_puts(out, "\t*) value='' ;;\n\tesac\n}\n\n");
}

/* c: of which command; NULL: of all. */
static void bash_names(
	struct buf *out, const struct command *c, const struct option_group *g)
{
	for (const struct opt *o = g->options; o->name; o++) {
		if (!docgen_shown(o) || !command_minds(c, o))
			continue;
		buf_putc(out, ' ');
		each_name(out, o, " ", false);
	}
}

static void bash_options(struct buf *out)
{
	buf_puts(out,
		"# Sets options, operands (how many), operand (what it is) and words "
		"(what the first can be;\n# none: an operand) of command $1.\n"
		"_muster_command()\n{\n\tcase $1 in\n");
	for (const struct command *c = commands; c->name; c++) {
		buf_putc(out, '\t');
		command_pattern(out, c, " | ");
		buf_printf(out, ")\n\t\toperands=%u\n", c->max_operands);
		if (c->complete)
			buf_printf(out, "\t\toperand=%s\n", c->complete);
		if (c->words) {
			buf_puts(out, "\t\twords='");
			words(out, c);
			buf_puts(out, "'\n");
		}
		buf_puts(out, "\t\toptions='");
		for (const struct option_group *const *g = c->groups; *g; g++)
			bash_names(out, c, *g);
		buf_puts(out, "' ;;\n");
	}
	buf_puts(out, "\t*)\n\t\toperands=0\n\t\toptions='");
	bash_names(out, NULL, &group_common);
	buf_puts(out, "' ;;\n\tesac\n}\n\n");
}

/* The reply: with none and `-o default`, readline completes file names by itself. */
static const char bash_rest[] =
	"_muster_reply()\n"
	"{\n"
	"\tcase ${value#=} in\n"
	"\tfile) ;;\n"
	"\tdir) compopt -o dirnames +o default ;;\n"
	"\tprofile)\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -W \"$(" LIST_PROFILES ")\" -- \"$cur\")\n"
	"\t\t;;\n"
	"\twords*)\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -W \"${value#*words}\" -- \"$cur\")\n"
	"\t\tcompopt +o default ;;\n"
	"\t*) compopt +o default ;;\n"
	"\tesac\n"
	"}\n"
	"\n"
	"_muster()\n"
	"{\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} command='' options='' value=''\n"
	"\tlocal operands=0 operand=file words='' seen=0 i word\n"
	"\n"
	"\tCOMPREPLY=()\n"
	"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	"\t\tword=${COMP_WORDS[i]}\n"
	"\t\tif [[ $word != -?* ]]; then\n"
	"\t\t\tif [[ $command ]]; then ((seen++)); else command=$word; fi\n"
	"\t\t\tcontinue\n"
	"\t\tfi\n"
	"\t\t_muster_value \"$word\"\n"
	"\t\t# readline cuts --name=VALUE into three words\n"
	"\t\tif [[ ${COMP_WORDS[i + 1]} == = ]]; then\n"
	"\t\t\t((i += 2))\n"
	"\t\telif [[ $value && $value != =* ]]; then\n"
	"\t\t\t((i++))\n"
	"\t\telse\n"
	"\t\t\tcontinue\n"
	"\t\tfi\n"
	"\t\tif ((i >= COMP_CWORD)); then\n"
	"\t\t\t[[ $cur == = ]] && cur=''\n"
	"\t\t\t_muster_reply\n"
	"\t\t\treturn\n"
	"\t\tfi\n"
	"\tdone\n"
	"\t_muster_command \"$command\"\n"
	"\tif [[ $cur == -* ]]; then\n"
	"\t\tvalue=\"words $options\"\n"
	"\telif [[ ! $command ]]; then\n"
	"\t\tvalue=\"words $_muster_commands\"\n"
	"\telif ((seen < operands)) && [[ ! $words ]]; then\n"
	"\t\tvalue=$operand\n"
	"\telif ((seen < operands && seen == 0)); then\n"
	"\t\tvalue=\"words $words\"\n"
	"\telif ((seen < operands)); then\n"
	"\t\tvalue=\"words $(" LIST_RUNS ")\"\n"
	"\telse\n"
	"\t\tvalue='any'\n"
	"\tfi\n"
	"\t_muster_reply\n"
	"}\n"
	"\n"
	"complete -o default -F _muster muster\n";

void docgen_bash(struct buf *out)
{
	buf_puts(out, "# bash completion for muster. " GENERATED "\n\n");
	buf_puts(out, "_muster_commands='");
	for (const struct command *c = commands; c->name; c++)
		buf_printf(out, "%s%s", c == commands ? "" : " ", c->name);
	buf_puts(out, "'\n\n");
	bash_values(out);
	bash_options(out);
	buf_puts(out, bash_rest);
}

/* --- zsh --- */

static void zsh_action(struct buf *out, const struct opt *o)
{
	buf_puts(out, o->type == OPT_OPTIONAL ? "::" : ":");
	quoted(out, o->arg ? o->arg : "VALUE", ":\\");
	buf_putc(out, ':');
	if (o->choices) {
		buf_putc(out, '(');
		for (const char *const *c = o->choices; *c; c++)
			buf_printf(out, "%s%s", c == o->choices ? "" : " ", *c);
		buf_putc(out, ')');
	} else if (completes_files(o)) {
		buf_puts(out, "_files");
	} else if (is_hint(o, "profile")) {
		buf_puts(out, "_muster_profiles");
	} else if (is_hint(o, "dir")) {
		buf_puts(out, "_files -/");
	}
}

/* '(-i --hosts --agents)--hosts=[help]:FILE:_files', one for each name that is offered. */
static void zsh_option(struct buf *out, const struct opt *o, const char *indent)
{
	bool repeats = o->type == OPT_COUNTER || o->type == OPT_LIST;

	for (int k = o->letter ? 0 : 1; k < 2; k++) {
		buf_printf(out, " \\\n%s'", indent);
		if (repeats) {
			buf_putc(out, '*');
		} else {
			buf_putc(out, '(');
			each_name(out, o, " ", true);
			buf_putc(out, ')');
		}
		if (k == 0)
			buf_printf(out, "-%c%s", o->letter,
				docgen_takes_value(o) ? "+" : "");
		else
			buf_printf(out, "--%s%s", o->name,
				docgen_takes_value(o)     ? "="
				: o->type == OPT_OPTIONAL ? "=-"
							  : "");
		buf_putc(out, '[');
		quoted(out, o->help, "[]\\");
		buf_putc(out, ']');
		if (docgen_takes_value(o) || o->type == OPT_OPTIONAL)
			zsh_action(out, o);
		buf_putc(out, '\'');
	}
}

static void zsh_group(struct buf *out, const struct command *c,
	const struct option_group *g, const char *indent)
{
	for (const struct opt *o = g->options; o->name; o++)
		if (docgen_shown(o) && command_minds(c, o))
			zsh_option(out, o, indent);
}

static void zsh_command(struct buf *out, const struct command *c)
{
	buf_puts(out, "\t\t");
	command_pattern(out, c, "|");
	buf_puts(out, ")\n\t\t\t_arguments -s -S");
	for (const struct option_group *const *g = c->groups; *g; g++)
		zsh_group(out, c, *g, "\t\t\t\t");
	for (unsigned i = 0; i < c->max_operands; i++) {
		buf_printf(out, " \\\n\t\t\t\t'%u:", i + 1);
		quoted(out, c->operands, ":[]\\");
		if (c->words && i == 0) {
			buf_puts(out, ":(");
			words(out, c);
			buf_puts(out, ")'");
		} else {
			buf_printf(out, ":%s'",
				c->words      ? "_muster_runs"
				: c->complete ? "_muster_profiles"
					      : "_files");
		}
	}
	buf_puts(out, " ;;\n");
}

void docgen_zsh(struct buf *out)
{
	buf_puts(out, "#compdef muster\n# zsh completion for muster. " GENERATED "\n\n"
		      "_muster_runs()\n{\n\tcompadd -- ${(f)\"$(" LIST_RUNS ")\"}\n}\n\n"
		      "_muster_profiles()\n{\n\tcompadd -- ${(f)\"$(" LIST_PROFILES
		      ")\"}\n\t_files\n}\n\n"
		      "_muster()\n{\n\tlocal curcontext=$curcontext state line\n"
		      "\ttypeset -A opt_args\n\tlocal -a commands\n\n\tcommands=(\n");
	for (const struct command *c = commands; c->name; c++) {
		buf_printf(out, "\t\t'%s:", c->name);
		quoted(out, c->summary, "\\");
		buf_puts(out, "'\n");
	}
	buf_puts(out, "\t)\n\t_arguments -C -s -S");
	zsh_group(out, NULL, &group_common, "\t\t");
	buf_puts(out,
		" \\\n\t\t'1:command:->command' \\\n\t\t'*::argument:->argument' && "
		"return\n"
		"\tcase $state in\n\tcommand) _describe -t commands command commands ;;\n"
		"\targument)\n\t\tcurcontext=${curcontext%:*:*}:muster-$words[1]:\n"
		"\t\tcase $words[1] in\n");
	for (const struct command *c = commands; c->name; c++)
		zsh_command(out, c);
	buf_puts(out, "\t\tesac ;;\n\tesac\n}\n\n"
		      "if [[ $funcstack[1] == _muster ]]; then\n\t_muster \"$@\"\nelse\n"
		      "\tcompdef _muster muster\nfi\n");
}

/* --- fish --- */

static void fish_option(struct buf *out, const struct opt *o, const char *condition)
{
	buf_printf(out, "complete -c muster%s", condition);
	if (o->letter)
		buf_printf(out, " -s %c", o->letter);
	buf_printf(out, " -l %s", o->name);
	if (o->choices) {
		buf_puts(out, " -x -a '");
		for (const char *const *c = o->choices; *c; c++)
			buf_printf(out, "%s%s", c == o->choices ? "" : " ", *c);
		buf_putc(out, '\'');
	} else if (is_hint(o, "dir")) {
		buf_puts(out, " -x -a '(__fish_complete_directories)'");
	} else if (is_hint(o, "profile")) {
		buf_puts(out, " -r -F -a '(" LIST_PROFILES ")'");
	} else if (completes_files(o)) {
		buf_puts(out, o->type == OPT_OPTIONAL ? " -F" : " -r -F");
	} else if (docgen_takes_value(o)) {
		buf_puts(out, " -x");
	}
	buf_puts(out, " -d '");
	quoted(out, o->help, "\\");
	buf_puts(out, "'\n");
}

static void fish_group(struct buf *out, const struct command *c,
	const struct option_group *g, const char *condition)
{
	for (const struct opt *o = g->options; o->name; o++)
		if (docgen_shown(o) && command_minds(c, o))
			fish_option(out, o, condition);
}

static void fish_words(struct buf *out, const struct command *c)
{
	buf_printf(out,
		"complete -c muster -n '__fish_seen_subcommand_from %s; and not "
		"__fish_seen_subcommand_from ",
		c->name);
	words(out, c);
	buf_puts(out, "' -a '");
	words(out, c);
	buf_printf(out,
		"'\ncomplete -c muster -n '__fish_seen_subcommand_from %s; and "
		"__fish_seen_subcommand_from ",
		c->name);
	words(out, c);
	buf_puts(out, "' -a '(" LIST_RUNS ")'\n");
}

void docgen_fish(struct buf *out)
{
	buf_puts(out,
		"# fish completion for muster. " GENERATED "\n\ncomplete -c muster -f\n");
	fish_group(out, NULL, &group_common, "");
	for (const struct command *c = commands; c->name; c++) {
		AUTO_BUF struct buf condition = BUF_INIT;

		buf_printf(out,
			"\ncomplete -c muster -n __fish_use_subcommand -a %s -d '",
			c->name);
		quoted(out, c->summary, "\\");
		buf_puts(out, "'\n");
		buf_puts(&condition, " -n '__fish_seen_subcommand_from ");
		command_pattern(&condition, c, " ");
		buf_putc(&condition, '\'');
		for (const struct option_group *const *g = c->groups; *g; g++)
			if (*g != &group_common)
				fish_group(out, c, *g, condition.data);
		if (c->words)
			fish_words(out, c);
		else if (c->max_operands)
			buf_printf(out, "complete -c muster%s -F%s\n", condition.data,
				c->complete ? " -a '(" LIST_PROFILES ")'" : "");
	}
}
