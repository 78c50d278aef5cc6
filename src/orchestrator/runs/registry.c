/* registry: the files of runs, read and understood. */
#include "orchestrator/runs/registry.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"
#include "common/text.h"
#include "common/units.h"

#define ENTRY_MAX ((size_t)64 << 10)
#define KEEP_NS (UINT64_C(7) * 24 * 3600 * NS_PER_SEC)
#define KEEP_MAX 100

const char *const run_state_names[RUN_STATES] = {
	[STATE_STARTING] = "starting",
	[STATE_PREPARING] = "preparing",
	[STATE_RUNNING] = "running",
	[STATE_DRAINING] = "draining",
	[STATE_CLEANING] = "cleaning up",
	[STATE_ENDING] = "ending",
	[STATE_DONE] = "done",
	[STATE_LOST] = "lost",
};

bool run_entry_over(const struct run_entry *e)
{
	return e->state == STATE_DONE || e->state == STATE_LOST;
}

void run_entry_finish(struct run_entry *e)
{
	free(e->path);
	free(e->name);
	free(e->command);
	free(e->workload);
	free(e->directory);
	*e = (struct run_entry){0};
}

void run_entries_finish(struct run_entries *r)
{
	for (size_t i = 0; i < r->n; i++)
		run_entry_finish(&r->items[i]);
	free(r->items);
	*r = (struct run_entries){0};
}

char *registry_folder(struct err *err)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	char *folder = NULL;

	if (state && *state == '/')
		folder = text_printf("%s/muster/runs", state);
	else if (home && *home == '/')
		folder = text_printf("%s/.local/state/muster/runs", home);
	else
		err_set(err, ERR_SYSTEM,
			"HOME is not set, so there is no place to remember runs in");
	return folder;
}

/* --- a file --- */

int run_entry_encode(const struct run_entry *e, struct buf *out, struct err *err)
{
	json_t *o = json_pack("{s:i, s:s, s:s, s:s, s:s, s:I, s:I,"
			      " s:{s:i, s:I, s:I, s:s, s:s},"
			      " s:I, s:I, s:I, s:s, s:I, s:I, s:i}",
		"schema_version", 1, "name", e->name, "command", e->command, "workload",
		e->workload, "directory", e->directory, "workers", (json_int_t)e->workers,
		"hosts", (json_int_t)e->hosts, "process", "pid", (int)e->process.pid,
		"start_ticks", (json_int_t)e->process.start_ticks, "pid_ns",
		(json_int_t)e->process.pid_ns, "boot_id", e->process.boot_id, "machine",
		e->process.machine, "started_wall_ns", (json_int_t)e->started_wall_ns,
		"ended_wall_ns", (json_int_t)e->ended_wall_ns, "began_ns",
		(json_int_t)e->began_ns, "state", run_state_names[e->state], "since_ns",
		(json_int_t)e->since_ns, "length_ns", (json_int_t)e->length_ns,
		"exit_code", e->exit_code);
	AUTO_FREE char *text = o ? json_dumps(o, JSON_INDENT(1)) : NULL;

	json_decref(o);
	if (!text)
		return err_set(err, ERR_SYSTEM,
			"the name or folder of the run is no UTF-8, so it cannot be "
			"remembered");
	return buf_printf(out, "%s\n", text) < 0 ? err_sys(err, ENOMEM, "runs") : 0;
}

struct raw {
	const char *name, *command, *workload, *directory, *boot_id, *machine, *state;
	json_int_t workers, hosts, start_ticks, pid_ns, started, ended, began, since,
		length;
	int version, pid, exit_code;
};

static int unpack(json_t *o, struct raw *r)
{
	return json_unpack(o,
		"{s:i, s:s, s:s, s:s, s:s, s:I, s:I,"
		" s:{s:i, s:I, s:I, s:s, s:s},"
		" s:I, s:I, s:I, s:s, s:I, s:I, s:i}",
		"schema_version", &r->version, "name", &r->name, "command", &r->command,
		"workload", &r->workload, "directory", &r->directory, "workers",
		&r->workers, "hosts", &r->hosts, "process", "pid", &r->pid, "start_ticks",
		&r->start_ticks, "pid_ns", &r->pid_ns, "boot_id", &r->boot_id, "machine",
		&r->machine, "started_wall_ns", &r->started, "ended_wall_ns", &r->ended,
		"began_ns", &r->began, "state", &r->state, "since_ns", &r->since,
		"length_ns", &r->length, "exit_code", &r->exit_code);
}

static int state_from(const char *name)
{
	for (int i = 0; i < STATE_LOST; i++)
		if (strcmp(name, run_state_names[i]) == 0)
			return i;
	return -1;
}

static char *safe(const char *s)
{
	return text_sanitize(s, strlen(s));
}

static int take(const struct raw *r, struct run_entry *ret, struct err *err)
{
	int state = state_from(r->state);

	if (state < 0 || r->pid <= 0 || !*r->name || r->workers < 0)
		return err_set(err, ERR_INPUT, "this is no run's state");
	*ret = (struct run_entry){.name = safe(r->name),
		.command = safe(r->command),
		.workload = safe(r->workload),
		.directory = safe(r->directory),
		.workers = (uint64_t)r->workers,
		.hosts = (uint64_t)r->hosts,
		.process = {.pid = r->pid,
			.start_ticks = (uint64_t)r->start_ticks,
			.pid_ns = (uint64_t)r->pid_ns},
		.started_wall_ns = (uint64_t)r->started,
		.ended_wall_ns = (uint64_t)r->ended,
		.began_ns = (uint64_t)r->began,
		.state = (enum run_state)state,
		.since_ns = (uint64_t)r->since,
		.length_ns = (uint64_t)r->length,
		.exit_code = r->exit_code};
	snprintf(ret->process.boot_id, sizeof(ret->process.boot_id), "%s", r->boot_id);
	snprintf(ret->process.machine, sizeof(ret->process.machine), "%s", r->machine);
	if (ret->name && ret->command && ret->workload && ret->directory)
		return 0;
	run_entry_finish(ret);
	return err_sys(err, ENOMEM, "runs");
}

int run_entry_decode(const char *text, size_t len, struct run_entry *ret, struct err *err)
{
	json_error_t why;
	json_t *o = json_loadb(text, len, 0, &why);
	struct raw raw = {0};
	int rc = -1;

	if (!o || unpack(o, &raw) < 0 || raw.version != 1)
		err_set(err, ERR_INPUT, "this is no run's state");
	else
		rc = take(&raw, ret, err);
	json_decref(o);
	return rc;
}

static int load(const char *path, struct run_entry *ret, enum process_state *where,
	struct err *err)
{
	AUTO_BUF struct buf b = BUF_INIT;

	if (file_read(path, ENTRY_MAX, &b, err) < 0)
		return -1;
	if (run_entry_decode(b.data ? b.data : "", b.len, ret, err) < 0)
		return err_prefix(err, "%s", path);
	ret->path = strdup(path);
	if (!ret->path) {
		run_entry_finish(ret);
		return err_sys(err, ENOMEM, "runs");
	}
	*where = process_state(&ret->process);
	if (*where == PROCESS_GONE && ret->state != STATE_DONE)
		ret->state = STATE_LOST;
	return 0;
}

int run_entry_load(const char *path, struct run_entry *ret, struct err *err)
{
	enum process_state where;

	if (load(path, ret, &where, err) < 0)
		return -1;
	if (ret->state != STATE_LOST)
		return 0;
	/* it may have written its end between our two looks */
	run_entry_finish(ret);
	return load(path, ret, &where, err);
}

/* --- the folder --- */

static int by_start(const void *a, const void *b)
{
	const struct run_entry *x = a, *y = b;

	if (x->started_wall_ns != y->started_wall_ns)
		return x->started_wall_ns < y->started_wall_ns ? -1 : 1;
	return strcmp(x->name, y->name);
}

static int add(struct run_entries *r, const char *path, struct err *err)
{
	struct run_entry e, *grown;
	struct err ignored = ERR_INIT;
	enum process_state where;

	if (load(path, &e, &where, &ignored) < 0)
		return 0;
	if (e.state == STATE_LOST) {
		run_entry_finish(&e);
		if (load(path, &e, &where, &ignored) < 0)
			return 0;
	}
	if (where == PROCESS_ELSEWHERE) {
		run_entry_finish(&e);
		return 0;
	}
	grown = reallocarray(r->items, r->n + 1, sizeof(*grown));
	if (!grown) {
		run_entry_finish(&e);
		return err_sys(err, ENOMEM, "runs");
	}
	r->items = grown;
	r->items[r->n++] = e;
	return 0;
}

int registry_load(const char *folder, struct run_entries *ret, struct err *err)
{
	DIR *dir = opendir(folder);
	struct run_entries r = {0};
	const struct dirent *d;
	int rc = 0;

	*ret = r;
	if (!dir)
		return errno == ENOENT ? 0
				       : err_sys(err, errno, "cannot read %s", folder);
	while (rc == 0 && (d = readdir(dir))) {
		AUTO_FREE char *path = text_printf("%s/%s", folder, d->d_name);

		if (d->d_name[0] == '.' || !text_ends_with(d->d_name, ".json"))
			continue;
		rc = path ? add(&r, path, err) : err_sys(err, ENOMEM, "runs");
	}
	closedir(dir);
	if (rc < 0) {
		run_entries_finish(&r);
		return -1;
	}
	if (r.n)
		qsort(r.items, r.n, sizeof(*r.items), by_start);
	*ret = r;
	return 0;
}

static bool is_old(const struct run_entry *e, uint64_t now)
{
	uint64_t at = e->ended_wall_ns ? e->ended_wall_ns : e->started_wall_ns;

	return now > at && now - at > KEEP_NS;
}

void registry_prune(struct run_entries *r, uint64_t wall_now_ns)
{
	size_t over = 0, n = 0;

	for (size_t i = 0; i < r->n; i++)
		over += run_entry_over(&r->items[i]);
	for (size_t i = 0; i < r->n; i++) {
		struct run_entry *e = &r->items[i];

		if (run_entry_over(e) && (over > KEEP_MAX || is_old(e, wall_now_ns))) {
			over--;
			unlink(e->path);
			run_entry_finish(e);
		} else {
			r->items[n++] = *e;
		}
	}
	r->n = n;
}

/* --- which one --- */

enum match { MATCH_NONE, MATCH_PREFIX, MATCH_NAME, MATCH_DIRECTORY };

static enum match matches(const struct run_entry *e, const char *text, const char *real)
{
	if (!text)
		return run_entry_over(e) ? MATCH_NONE : MATCH_NAME;
	if (real && strcmp(e->directory, real) == 0)
		return MATCH_DIRECTORY;
	if (strcmp(e->name, text) == 0)
		return MATCH_NAME;
	return text_starts_with(e->name, text) ? MATCH_PREFIX : MATCH_NONE;
}

static void say_many(const struct run_entry *a, const struct run_entry *b,
	const char *text, struct err *err)
{
	if (text)
		err_set(err, ERR_INPUT,
			"more than one run is called '%s...', as %s and %s are: write "
			"more of its name",
			text, a->name, b->name);
	else
		err_set(err, ERR_INPUT,
			"more than one run is on, as %s and %s are: say which one",
			a->name, b->name);
}

const struct run_entry *registry_find(
	const struct run_entries *r, const char *text, struct err *err)
{
	AUTO_FREE char *real = text ? realpath(text, NULL) : NULL;
	const struct run_entry *best = NULL, *other = NULL;
	int best_rank = 0;

	for (size_t i = 0; i < r->n; i++) {
		const struct run_entry *e = &r->items[i];
		enum match m = matches(e, text, real);
		int rank = m == MATCH_NONE ? 0 : 2 * (int)m + !run_entry_over(e);

		if (rank == 0 || rank < best_rank)
			continue;
		/* one directory, used twice: the later one */
		other = rank == best_rank && m != MATCH_DIRECTORY ? best : NULL;
		best = e;
		best_rank = rank;
	}
	if (!best && text)
		err_set(err, ERR_INPUT, "no run '%s' here (muster runs lists them)",
			text);
	else if (!best)
		err_set(err, ERR_INPUT, "no run is on here (muster runs lists them)");
	else if (other)
		say_many(best, other, text, err);
	return other ? NULL : best;
}
