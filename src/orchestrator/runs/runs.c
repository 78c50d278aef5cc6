/* runs: which runs there are on this machine, and what can be done with one. */
#include "orchestrator/runs/runs.h"

#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "common/text.h"
#include "common/units.h"
#include "orchestrator/command.h"
#include "orchestrator/export.h"

static int load(struct run_entries *ret, struct err *err)
{
	AUTO_FREE char *folder = registry_folder(err);

	return folder ? registry_load(folder, ret, err) : -1;
}

int runs_find(const char *text, struct run_entry *ret, struct err *err)
{
	struct run_entries all = {0};
	const struct run_entry *found;
	int rc = -1;

	if (load(&all, err) < 0)
		return -1;
	found = registry_find(&all, text, err);
	if (found)
		rc = run_entry_load(found->path, ret, err);
	run_entries_finish(&all);
	return rc;
}

/* --- the list --- */

static void state_text(const struct run_entry *e, struct buf *out)
{
	uint64_t now = clock_ns(), gone;

	buf_puts(out, run_state_names[e->state]);
	if (e->state == STATE_DONE) {
		buf_printf(out, " %d", e->exit_code);
	} else if (e->state == STATE_RUNNING) {
		gone = now > e->since_ns ? now - e->since_ns : 0;
		buf_printf(out, " %" PRIu64 "/%" PRIu64 "s",
			(gone < e->length_ns ? gone : e->length_ns) / NS_PER_SEC,
			e->length_ns / NS_PER_SEC);
	}
}

static void local_time(uint64_t wall_ns, char *out, size_t size)
{
	time_t t = (time_t)(wall_ns / NS_PER_SEC);
	struct tm tm;

	if (!localtime_r(&t, &tm) || !strftime(out, size, "%Y-%m-%d %H:%M:%S", &tm))
		snprintf(out, size, "-");
}

static void pad(struct buf *out, const char *text, size_t columns)
{
	size_t width = text_width(text);

	buf_printf(out, "%s%*s", text, width < columns ? (int)(columns - width) : 0, "");
}

static void show_table(const struct run_entries *all)
{
	AUTO_BUF struct buf out = BUF_INIT;
	size_t name = strlen("NAME"), state = strlen("STATE");

	for (size_t i = 0; i < all->n; i++) {
		AUTO_BUF struct buf text = BUF_INIT;
		size_t width = text_width(all->items[i].name);

		state_text(&all->items[i], &text);
		name = width > name ? width : name;
		state = text.len > state ? text.len : state;
	}
	pad(&out, "NAME", name + 2);
	pad(&out, "STATE", state + 2);
	buf_puts(&out, "STARTED              WORKERS  DIRECTORY\n");
	for (size_t i = 0; i < all->n; i++) {
		const struct run_entry *e = &all->items[i];
		AUTO_BUF struct buf text = BUF_INIT;
		char started[32];

		state_text(e, &text);
		local_time(e->started_wall_ns, started, sizeof(started));
		pad(&out, e->name, name + 2);
		pad(&out, text.data ? text.data : "", state + 2);
		buf_printf(&out, "%s  %-7" PRIu64 "  %s\n", started, e->workers,
			e->directory);
	}
	fputs(out.data ? out.data : "", stdout);
}

static json_t *entry_json(const struct run_entry *e)
{
	char started[32], ended[32] = "";

	clock_format_rfc3339(e->started_wall_ns, started, sizeof(started));
	if (e->ended_wall_ns)
		clock_format_rfc3339(e->ended_wall_ns, ended, sizeof(ended));
	return json_pack("{s:s, s:s, s:o, s:s, s:s, s:I, s:I, s:i, s:s, s:o}", "name",
		e->name, "state", run_state_names[e->state], "exit_code",
		e->state == STATE_DONE ? json_integer(e->exit_code) : json_null(),
		"workload", e->workload, "directory", e->directory, "workers",
		(json_int_t)e->workers, "hosts", (json_int_t)e->hosts, "pid",
		(int)e->process.pid, "started", started, "ended",
		*ended ? json_string(ended) : json_null());
}

static int export_list(const struct run_entries *all, const char *path, struct err *err)
{
	json_t *runs = json_array(), *o;

	for (size_t i = 0; i < all->n; i++)
		json_array_append_new(runs, entry_json(&all->items[i]));
	o = json_pack(
		"{s:i, s:s, s:o}", "schema_version", 1, "command", "runs", "runs", runs);
	return export_write(o, path, err);
}

static int list(struct app *app, struct err *err)
{
	const char *path = app->o.export_file;
	struct run_entries all = {0};
	int rc = 0;

	if (load(&all, err) < 0)
		return -1;
	registry_prune(&all, clock_wall_ns());
	if (path)
		rc = export_list(&all, path, err);
	if (rc < 0 || (path && strcmp(path, "-") == 0))
		;
	else if (app->o.quiet)
		for (size_t i = 0; i < all.n; i++)
			puts(all.items[i].name);
	else if (all.n == 0)
		puts("No runs here.");
	else
		show_table(&all);
	run_entries_finish(&all);
	return rc;
}

/* --- attach, stop --- */

static void lost_error(const struct run_entry *e, struct err *err)
{
	err_set(err, ERR_FAILED,
		"%s: its process is gone without an end (killed, or the machine was "
		"restarted): what it wrote is in %s",
		e->name, e->directory);
}

static int attach(struct app *app, struct run_entry *e, struct err *err)
{
	AUTO_FREE char *hint =
		text_printf("Attached to %s (q or Ctrl-C: leave, it goes on)", e->name);
	AUTO_FREE char *word = text_shell_word(e->name);
	struct attach_how how = {
		.history = true, .hint = run_entry_over(e) ? NULL : hint};
	enum attach_end end;
	int signo;

	if (attach_run(app, e, &how, &end, &signo, err) < 0)
		return -1;
	switch (end) {
	case ATTACH_OVER:
		return e->exit_code;
	case ATTACH_LOST:
		lost_error(e, err);
		return -1;
	case ATTACH_LEFT:
	case ATTACH_SIGNAL:
		printf("Left. The run goes on (muster runs attach %s)\n", word);
		break;
	}
	return end == ATTACH_LEFT ? 0 : 128 + signo;
}

/* As Ctrl-C once or twice does. For twice another signal comes behind, since two of a kind may become one;
 * a run that is draining has had its first. */
static int send_stop(const struct app *app, const struct run_entry *e, struct err *err)
{
	bool first = e->state == STATE_DRAINING || e->state == STATE_ENDING;
	int rc = first ? 0 : process_signal(&e->process, SIGINT, err);

	if (rc == 0 && app->o.now)
		rc = process_signal(&e->process, first ? SIGINT : SIGTERM, err);
	return rc < 0 ? err_prefix(err, "%s", e->name) : 0;
}

static int stop(struct app *app, struct run_entry *e, struct err *err)
{
	AUTO_FREE char *word = text_shell_word(e->name);
	AUTO_FREE char *hint = app->o.now
				       ? text_printf("Stopping %s at once", e->name)
				       : text_printf("Stopping %s (at once: muster runs "
						     "stop --now %s)",
						 e->name, word);
	struct attach_how how = {.hint = hint, .begin = send_stop};
	enum attach_end end;
	int signo;

	if (e->state == STATE_DONE) {
		printf("%s has ended already, with exit code %d: %s\n", e->name,
			e->exit_code, e->directory);
		return 0;
	}
	if (e->state == STATE_LOST) {
		lost_error(e, err);
		return -1;
	}
	if (attach_run(app, e, &how, &end, &signo, err) < 0)
		return -1;
	switch (end) {
	case ATTACH_OVER:
		printf("Stopped: %s, exit code %d, results in %s\n", e->name,
			e->exit_code, e->directory);
		return 0;
	case ATTACH_LOST:
		lost_error(e, err);
		return -1;
	case ATTACH_LEFT:
	case ATTACH_SIGNAL:
		printf("Left. The run is still stopping (muster runs attach %s)\n", word);
		break;
	}
	return end == ATTACH_LEFT ? 0 : 128 + signo;
}

/* --- the command --- */

static const struct {
	const char *name;
	int (*go)(struct app *app, struct run_entry *e, struct err *err);
} actions[] = {{"attach", attach}, {"stop", stop}};

static int check_options(const struct app *app, struct err *err)
{
	const char *path = app->o.export_file;
	const char *what = app->operands.n ? app->operands.items[0] : "";

	if (app->o.now && strcmp(what, "stop") != 0)
		return err_set(err, ERR_INPUT, "--now belongs to muster runs stop");
	if (path && *what)
		return err_set(err, ERR_INPUT,
			"--export is of the list: muster runs %s "
			"has none",
			what);
	return export_check_name(path, "runs", err);
}

int cmd_runs(struct app *app, struct err *err)
{
	const struct opt_list *ops = &app->operands;
	struct run_entry e;
	int code = -1;

	if (check_options(app, err) < 0)
		return -1;
	if (ops->n == 0)
		return list(app, err);
	for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
		if (strcmp(ops->items[0], actions[i].name) != 0)
			continue;
		if (runs_find(ops->n > 1 ? ops->items[1] : NULL, &e, err) < 0)
			return -1;
		code = actions[i].go(app, &e, err);
		run_entry_finish(&e);
		return code;
	}
	return err_set(err, ERR_INPUT,
		"muster runs does not know '%s': attach and stop are what it does",
		ops->items[0]);
}
