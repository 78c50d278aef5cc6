/* profiles: the command: which lists of network tests and which workload presets there are, and what one of them
 * does. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"
#include "common/log.h"
#include "common/text.h"
#include "common/units.h"
#include "orchestrator/command.h"
#include "orchestrator/export.h"
#include "orchestrator/matrix/matrix_plan.h"
#include "orchestrator/profiles/presets.h"
#include "orchestrator/profiles/profile_find.h"
#include "results/json_writer.h"
#include "workload/net_profile.h"
#include "yaml/decode.h"

#define FLAT 3 /* depth to which the list has a line per member */

/* A profile that was found, read. */
struct entry {
	const struct profile_file *file;
	struct net_profile profile;
	bool bad; /* it cannot be used; that was said */
};

/* How long a round of pairs takes, as a matrix plans it. */
static uint64_t round_length_ns(const struct net_profile *p)
{
	const struct matrix_plan one = {.n = 1, .rounds = 1};
	struct matrix_work work = {.tests = p->n,
		.repeats = 1,
		.iterations = {1, 1},
		.rest_ns = p->cooldown_ns};

	for (size_t i = 0; i < p->n; i++)
		work.round_ns += p->tests[i].words.spec.warmup_ns +
				 p->tests[i].words.spec.duration_ns;
	return matrix_plan_length_ns(&one, &work);
}

/* The words of a test, without those that say what is printed. */
static int test_words(const struct net_profile_test *t, struct buf *out)
{
	struct net_words silent = t->words;

	silent.output_asked = false;
	silent.selectors = NULL;
	silent.n_selectors = 0;
	return net_words_print(&silent, out);
}

/* The keys of `expectations`, in the order of enum net_expectation. */
static const struct key *expectation_keys(void)
{
	const struct workload_table *t = net_profile_tables;

	while (strcmp(t->name, "expectations") != 0)
		t++;
	return t->keys;
}

/* What a file says, safe for a terminal. */
static void put_safe(struct buf *out, const char *text)
{
	AUTO_FREE char *safe = text ? text_sanitize(text, strlen(text)) : NULL;

	buf_puts(out, safe ? safe : "");
}

static void put_padded(struct buf *out, const char *text, size_t columns)
{
	size_t before = out->len, width;

	put_safe(out, text);
	width = out->data ? text_width(out->data + before) : 0;
	buf_printf(out, "%*s", width < columns ? (int)(columns - width) : 0, "");
}

/* --- the list --- */

static size_t widest(const struct entry *all, size_t n, const char *head, bool category)
{
	size_t most = strlen(head);

	for (size_t i = 0; i < n; i++) {
		const char *text = category ? all[i].profile.category : all[i].file->name;

		if (!all[i].bad && text && text_width(text) > most)
			most = text_width(text);
	}
	return most;
}

static void show_names(const struct entry *all, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!all[i].bad)
			puts(all[i].file->name);
}

static void show_list(const struct entry *all, size_t n)
{
	size_t name = widest(all, n, "NAME", false) + 2,
	       category = widest(all, n, "CATEGORY", true) + 2;
	AUTO_BUF struct buf out = BUF_INIT;

	put_padded(&out, "NAME", name);
	put_padded(&out, "CATEGORY", category);
	buf_puts(&out, "TESTS  PER ROUND     DESCRIPTION\n");
	for (size_t i = 0; i < n; i++) {
		const struct net_profile *p = &all[i].profile;
		AUTO_BUF struct buf length = BUF_INIT;

		if (all[i].bad)
			continue;
		matrix_time_text(round_length_ns(p), &length);
		put_padded(&out, all[i].file->name, name);
		put_padded(&out, p->category ? p->category : "-", category);
		buf_printf(&out, "%-5zu  %-12s  ", p->n, length.data ? length.data : "");
		put_safe(&out, p->description);
		buf_puts(&out, all[i].file->own ? " (your own)\n" : "\n");
	}
	fputs(out.data ? out.data : "", stdout);
}

/* --- as JSON --- */

static void put_test(struct json_writer *w, const struct net_profile_test *t)
{
	AUTO_BUF struct buf words = BUF_INIT;

	w->failed |= test_words(t, &words) < 0;
	jw_object(w, NULL);
	jw_text(w, "name", t->name);
	jw_text(w, "words", words.data);
	jw_real(w, "duration_s", (double)t->words.spec.duration_ns / 1e9, 3);
	jw_real(w, "warmup_s", (double)t->words.spec.warmup_ns / 1e9, 3);
	jw_uint(w, "flows", t->words.spec.flows);
	jw_bool(w, "cpu_affinity", t->cpu_affinity);
	jw_object_end(w);
}

static void put_profile(struct json_writer *w, const char *name, const char *path,
	const struct net_profile *p)
{
	jw_object(w, NULL);
	jw_text(w, "name", name);
	jw_text(w, "path", path);
	jw_text(w, "description", p->description);
	jw_text(w, "category", p->category);
	jw_uint(w, "version", p->version);
	jw_texts(w, "tags", p->tags);
	jw_real(w, "round_s", (double)round_length_ns(p) / 1e9, 3);
	jw_array(w, "tests");
	for (size_t i = 0; i < p->n; i++)
		put_test(w, &p->tests[i]);
	jw_array_end(w);
	jw_object(w, "expectations");
	for (size_t i = 0; i < NET_EXPECTATIONS; i++)
		if (p->expectations.set[i])
			jw_real(w, expectation_keys()[i].name, p->expectations.bound[i],
				6);
	jw_object_end(w);
	jw_object_end(w);
}

static void begin_json(struct json_writer *w, struct buf *out)
{
	jw_init(w, out, FLAT);
	jw_object(w, NULL);
	jw_uint(w, "schema_version", 1);
	jw_text(w, "command", "profiles");
	jw_array(w, "profiles");
}

static int end_json(struct json_writer *w, const char *path, struct err *err)
{
	jw_array_end(w);
	jw_object_end(w);
	if (buf_putc(w->out, '\n') < 0 || w->failed)
		return err_sys(err, ENOMEM, "profiles");
	if (strcmp(path, "-") != 0)
		return file_write_atomic(path, w->out->data, w->out->len, 0666, err);
	fputs(w->out->data, stdout);
	return 0;
}

static int export_list(const struct entry *all, size_t n, const struct presets *presets,
	const char *path, struct err *err)
{
	AUTO_BUF struct buf out = BUF_INIT;
	struct json_writer w;

	begin_json(&w, &out);
	for (size_t i = 0; i < n; i++)
		if (!all[i].bad)
			put_profile(&w, all[i].file->name, all[i].file->path,
				&all[i].profile);
	jw_array_end(&w);
	jw_array(&w, "presets");
	presets_put(presets, &w);
	return end_json(&w, path, err);
}

/* Reads all of them; one that cannot be used does not hide the others. Returns how many cannot. */
static size_t read_all(const struct profile_files *files, struct entry *all)
{
	size_t bad = 0;

	for (size_t i = 0; i < files->n; i++) {
		struct err why = ERR_INIT;

		all[i].file = &files->items[i];
		all[i].bad =
			profile_read(files->items[i].path, 0, &all[i].profile, &why) < 0;
		if (all[i].bad)
			log_error("%s", why.text);
		bad += all[i].bad;
	}
	return bad;
}

static void show_all(const struct entry *all, size_t n, const struct presets *presets)
{
	AUTO_BUF struct buf out = BUF_INIT;

	if (n)
		show_list(all, n);
	else
		puts("No profiles here.");
	presets_list(presets, &out);
	fputs(out.data ? out.data : "", stdout);
}

static int list(const struct app *app, struct err *err)
{
	const char *path = app->o.export_file;
	struct presets *presets = NULL;
	struct profile_files files;
	struct entry *all;
	size_t bad = 0;
	int rc = 0;

	if (profile_files_load(PROFILE_NETWORK, &files, err) < 0)
		return -1;
	all = calloc(files.n + 1, sizeof(*all));
	if (all)
		bad = read_all(&files, all);
	else
		rc = err_sys(err, ENOMEM, "profiles");
	/* names alone are asked for by completions: of profiles */
	if (rc == 0 && (path || !app->o.quiet))
		rc = presets_load(&presets, &bad, err);
	if (rc == 0 && path)
		rc = export_list(all, files.n, presets, path, err);
	if (rc == 0 && !(path && strcmp(path, "-") == 0)) {
		if (app->o.quiet)
			show_names(all, files.n);
		else
			show_all(all, files.n, presets);
	}
	presets_destroy(presets);
	for (size_t i = 0; all && i < files.n; i++)
		net_profile_finish(&all[i].profile);
	free(all);
	profile_files_finish(&files);
	return rc < 0 ? -1 : bad > 0;
}

/* --- one of them --- */

static void put_line(struct buf *out, const char *label, const char *text)
{
	if (!text)
		return;
	buf_puts(out, label);
	put_safe(out, text);
	buf_putc(out, '\n');
}

static void put_tags(struct buf *out, char *const *tags)
{
	for (char *const *t = tags; t && *t; t++) {
		buf_puts(out, t == tags ? "Tags: " : ", ");
		put_safe(out, *t);
	}
	buf_puts(out, tags && *tags ? "\n" : "");
}

static int put_tests(struct buf *out, const struct net_profile *p)
{
	size_t name = 0;

	for (size_t i = 0; i < p->n; i++)
		if (text_width(p->tests[i].name) > name)
			name = text_width(p->tests[i].name);
	buf_printf(out, "%s, a round of pairs takes about ", units_of(p->n, "test").s);
	matrix_time_text(round_length_ns(p), out);
	buf_puts(out, ":\n");
	for (size_t i = 0; i < p->n; i++) {
		buf_puts(out, "  ");
		put_padded(out, p->tests[i].name, name + 2);
		if (test_words(&p->tests[i], out) < 0)
			return -ENOMEM;
		buf_puts(out, p->tests[i].cpu_affinity ? "  (bound to CPUs)\n" : "\n");
	}
	return 0;
}

static void put_expectations(struct buf *out, const struct net_expectations *e)
{
	const struct key *keys = expectation_keys();
	bool first = true;

	for (size_t i = 0; i < NET_EXPECTATIONS; i++) {
		if (!e->set[i])
			continue;
		buf_puts(out, first ? "Expected:\n" : "");
		/* of the sentence all but its full stop */
		buf_printf(out, "  %-23s  %-6g  %.*s\n", keys[i].name, e->bound[i],
			(int)strlen(keys[i].help) - 1, keys[i].help);
		first = false;
	}
}

static int show(
	const char *value, const char *path, const struct net_profile *p, struct err *err)
{
	AUTO_BUF struct buf out = BUF_INIT;

	put_safe(&out, p->name);
	buf_puts(&out, p->description ? ": " : "");
	put_safe(&out, p->description);
	buf_putc(&out, '\n');
	put_line(&out, "File: ", path);
	put_line(&out, "Category: ", p->category);
	put_tags(&out, p->tags);
	if (put_tests(&out, p) < 0)
		return err_sys(err, ENOMEM, "profiles");
	put_expectations(&out, &p->expectations);
	buf_puts(&out, "Run it: muster matrix --hosts hosts.yaml --profile ");
	if (text_shell_quote(&out, value) < 0 || buf_putc(&out, '\n') < 0)
		return err_sys(err, ENOMEM, "profiles");
	fputs(out.data, stdout);
	return 0;
}

static int export_one(const char *value, const char *found, const struct net_profile *p,
	const char *path, struct err *err)
{
	AUTO_BUF struct buf out = BUF_INIT;
	struct json_writer w;

	begin_json(&w, &out);
	put_profile(&w, value, found, p);
	return end_json(&w, path, err);
}

/* As it is run. */
static int one_preset(const char *value, struct err *err)
{
	const char *name = value + strlen(PRESET_PREFIX);
	AUTO_FREE char *found = preset_find(name, err);
	AUTO_BUF struct buf out = BUF_INIT;

	if (!found || preset_show(name, found, &out, err) < 0)
		return -1;
	fputs(out.data, stdout);
	return 0;
}

static int one(const struct app *app, const char *value, struct err *err)
{
	const char *path = app->o.export_file;
	AUTO_FREE char *found = profile_find(value, "muster profiles", err);
	struct net_profile p;
	int rc = 0;

	if (!found || profile_read(found, 0, &p, err) < 0)
		return -1;
	if (path)
		rc = export_one(value, found, &p, path, err);
	if (rc == 0 && !(path && strcmp(path, "-") == 0))
		rc = show(value, found, &p, err);
	net_profile_finish(&p);
	return rc;
}

int cmd_profiles(struct app *app, struct err *err)
{
	const char *path = app->o.export_file;

	if (export_check_name(path, "profiles", err) < 0)
		return -1;
	if (app->operands.n && text_starts_with(app->operands.items[0], PRESET_PREFIX)) {
		if (path)
			return err_set(err, ERR_INPUT,
				"--export writes profiles of networks, and all presets "
				"without a name; %s is a file that can be copied",
				app->operands.items[0]);
		return one_preset(app->operands.items[0], err);
	}
	return app->operands.n ? one(app, app->operands.items[0], err) : list(app, err);
}
