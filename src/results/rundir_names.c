/* rundir_names: names that are free and safe: of the run's directory, and of each worker's in it. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/text.h"
#include "results/rundir_state.h"

#define MAX_CLASHES 1000
#define MAX_NAME 128 /* of a directory made from a worker's id or a workload's name */

/* text as a file name: [A-Za-z0-9._-], no leading dot, never empty. */
static void file_name(const char *text, char out[MAX_NAME + 1])
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t n = 0;

	for (; text[n] && n < MAX_NAME; n++)
		out[n] = strchr(allowed, text[n]) ? text[n] : '_';
	if (n == 0)
		out[n++] = '_';
	out[n] = '\0';
	if (out[0] == '.')
		out[0] = '_';
}

static bool is_empty(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	bool empty = dir != NULL;

	while (dir && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			empty = false;
	if (dir)
		closedir(dir);
	return empty;
}

int rundir_make_given(struct rundir *d, const char *dir, struct err *err)
{
	if (file_mkdir_p(dir, 0777, err) < 0)
		return err_prefix(err, "--output");
	if (!is_empty(dir))
		return err_set(err, ERR_INPUT,
			"--output %s: this directory is not empty, and results never go "
			"over "
			"others: name another one",
			dir);
	d->path = strdup(dir);
	return d->path ? 0 : err_sys(err, ENOMEM, "cannot make %s", dir);
}

int rundir_make_named(struct rundir *d, const char *parent, const char *name,
	uint64_t wall_ns, struct err *err)
{
	char stamp[20], safe[MAX_NAME + 1], again[16] = "";

	if (file_mkdir_p(parent, 0777, err) < 0)
		return -1;
	clock_format_compact(wall_ns, stamp, sizeof(stamp));
	file_name(name, safe);
	for (int i = 2; i < MAX_CLASHES; i++) {
		free(d->path);
		d->path = strcmp(parent, ".") == 0
				  ? text_printf("muster-%s-%s%s", stamp, safe, again)
				  : text_printf("%s/muster-%s-%s%s", parent, stamp, safe,
					    again);
		if (!d->path)
			return err_sys(err, ENOMEM, "cannot make a results directory");
		if (mkdir(d->path, 0777) == 0)
			return 0;
		if (errno != EEXIST)
			return err_sys(err, errno, "cannot make the results directory %s",
				d->path);
		snprintf(again, sizeof(again), "-%d", i);
	}
	return err_set(err, ERR_SYSTEM, "too many results directories named %s", d->path);
}

static bool path_taken(const struct rundir *d, const char *path)
{
	for (size_t i = 0; i < d->n_workers; i++)
		if (strcasecmp(d->workers[i].path, path) == 0)
			return true;
	return false;
}

/* "workers/NAME", made different from those of other ids; malloc'ed. */
static char *worker_path(const struct rundir *d, const char *id)
{
	char name[MAX_NAME + 1];
	char *path;

	file_name(id, name);
	path = text_printf("workers/%s", name);
	for (int i = 2; path && path_taken(d, path); i++) {
		free(path);
		path = text_printf("workers/%s-%d", name, i);
	}
	return path;
}

static int make_worker_dir(struct rundir *d, const char *path, struct err *err)
{
	if ((mkdirat(d->fd, "workers", 0777) < 0 && errno != EEXIST) ||
		(mkdirat(d->fd, path, 0777) < 0 && errno != EEXIST))
		return err_sys(err, errno, "cannot make %s/%s", d->path, path);
	return 0;
}

int rundir_find_worker(struct rundir *d, const char *id, size_t *ret, struct err *err)
{
	struct worker_dir *w;

	for (size_t i = 0; i < d->n_workers; i++) {
		if (strcmp(d->workers[i].id, id) == 0) {
			*ret = i;
			return 0;
		}
	}
	if (d->n_workers == d->cap_workers) {
		size_t cap = d->cap_workers ? 2 * d->cap_workers : 16;

		w = reallocarray(d->workers, cap, sizeof(*w));
		if (!w)
			return err_sys(err, ENOMEM, "results of %s", id);
		d->workers = w;
		d->cap_workers = cap;
	}
	w = &d->workers[d->n_workers];
	*w = (struct worker_dir){.id = strdup(id), .path = worker_path(d, id)};
	if (!w->id || !w->path) {
		free(w->id);
		free(w->path);
		return err_sys(err, ENOMEM, "results of %s", id);
	}
	*ret = d->n_workers++;
	return make_worker_dir(d, w->path, err);
}
