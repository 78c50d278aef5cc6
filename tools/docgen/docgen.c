/* docgen: prints completions and manual pages from the tables that the program itself runs by.
 *
 *     docgen bash                 a completion, or another part by name
 *     docgen page FILE.scd        the page, with each line "@PART@" replaced by that part */
#include "docgen.h"

#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"
#include "orchestrator/command.h"

#define PAGE_MAX (1024u * 1024u)

static const struct part {
	const char *name;
	void (*print)(struct buf *out);
} parts[] = {
	{"bash", docgen_bash},
	{"zsh", docgen_zsh},
	{"fish", docgen_fish},
	{"man-commands", docgen_man_commands},
	{"man-options", docgen_man_options},
	{"man-ssh-setup-options", docgen_man_ssh_setup_options},
	{"man-worker-options", docgen_man_worker_options},
	{"man-host-keys", docgen_man_host_keys},
	{"man-container-keys", docgen_man_container_keys},
	{"man-workload-keys", docgen_man_workload_keys},
	{"man-profile-keys", docgen_man_profile_keys},
	{"man-words-netperf", docgen_man_words_netperf},
	{"man-words-iperf3", docgen_man_words_iperf3},
	{"man-selectors", docgen_man_selectors},
};

static bool seen(const struct option_group *g, const struct option_group **out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (out[i] == g)
			return true;
	return false;
}

size_t docgen_groups(const struct option_group **out, size_t max)
{
	size_t n = 0;

	for (const struct command *c = commands; c->name; c++)
		for (const struct option_group *const *g = c->groups; *g; g++)
			if (n < max && !seen(*g, out, n))
				out[n++] = *g;
	return n;
}

bool docgen_shown(const struct opt *o)
{
	return o->help != NULL;
}

bool docgen_takes_value(const struct opt *o)
{
	return o->type != OPT_FLAG && o->type != OPT_COUNTER && o->type != OPT_OPTIONAL;
}

static int print_part(const char *name, size_t len, struct buf *out, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (strlen(parts[i].name) == len &&
			memcmp(parts[i].name, name, len) == 0) {
			parts[i].print(out);
			return 0;
		}
	}
	return err_set(err, ERR_INPUT, "there is no part '%.*s'", (int)len, name);
}

static int print_page(const char *path, struct buf *out, struct err *err)
{
	AUTO_BUF struct buf page = BUF_INIT;
	const char *at;

	if (file_read(path, PAGE_MAX, &page, err) < 0)
		return -1;
	for (at = page.data; at && *at;) {
		size_t len = strcspn(at, "\n");
		bool is_part = len > 2 && at[0] == '@' && at[len - 1] == '@';

		if (is_part && print_part(at + 1, len - 2, out, err) < 0)
			return err_prefix(err, "%s", path);
		if (!is_part) {
			buf_append(out, at, len);
			buf_putc(out, '\n');
		}
		at += len + (at[len] == '\n');
	}
	return 0;
}

int main(int argc, char **argv)
{
	AUTO_BUF struct buf out = BUF_INIT;
	struct err err = ERR_INIT;
	int r;

	if (argc == 3 && strcmp(argv[1], "page") == 0)
		r = print_page(argv[2], &out, &err);
	else if (argc == 2)
		r = print_part(argv[1], strlen(argv[1]), &out, &err);
	else
		r = err_set(
			&err, ERR_INPUT, "usage: docgen PART, or docgen page FILE.scd");
	if (r < 0) {
		fprintf(stderr, "docgen: %s\n", err.text);
		return err_exit_code(&err);
	}
	fputs(out.data ? out.data : "", stdout);
	return fflush(stdout) == 0 ? 0 : 1;
}
