/* rundir: the results directory: made under a name that is free, filled by streams while the run is on and
 * by tables at its end. */
#include "results/rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/file.h"
#include "common/text.h"
#include "results/hlog.h"
#include "results/series.h"
#include "results/stream.h"
#include "results/tables.h"

#define MAX_CLASHES 1000
#define MAX_NAME 128 /* of a directory made from a worker's id or a workload's name */
#define QUEUE_BYTES ((size_t)8 << 20)
#define WORKER_QUEUE_BYTES ((size_t)1 << 20)
#define STDERR_MAX_BYTES ((uint64_t)16 << 20)

/* A worker's directory. */
struct worker_dir {
	char *id, *path; /* path: below the run's directory */
	struct stream *timeseries, *stderr_log;
};

struct rundir {
	char *path;
	int fd;
	uint64_t wall_offset_ns; /* wall clock minus CLOCK_MONOTONIC, when it was made */
	uint64_t
		hlog_start_ns; /* what lines of histograms.hlog count from; 0: no header yet */
	struct streams *streams;
	struct stream *console, *events, *timeseries, *hlog;
	struct worker_dir *workers;
	size_t n_workers, cap_workers;
	size_t *series_dirs; /* index of series' worker -> index in workers */
	struct series *series;
	uint64_t series_start_ns; /* of the delta that is being added */
	struct err first;         /* the first failure, for rundir_close */
};

/* Notes a failure that has no other way out. */
static void remember(struct rundir *d, const struct err *err)
{
	if (d->first.kind == ERR_NONE)
		d->first = *err;
}

static void remember_no_memory(struct rundir *d)
{
	struct err err = ERR_INIT;

	err_sys(&err, ENOMEM, "results are not complete");
	remember(d, &err);
}

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

static int make_given(struct rundir *d, const char *dir, struct err *err)
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

static int make_named(struct rundir *d, const char *parent, const char *name,
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

static int open_streams(struct rundir *d, struct err *err)
{
	d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->fd < 0)
		return err_sys(err, errno, "cannot open %s", d->path);
	d->streams = streams_create(d->fd, err);
	if (!d->streams)
		return -1;
	d->console = stream_open(d->streams, "console.log", true, QUEUE_BYTES, 0);
	d->events = stream_open(d->streams, "events.jsonl", true, QUEUE_BYTES, 0);
	d->timeseries = stream_open(d->streams, "timeseries.tsv", true, QUEUE_BYTES, 0);
	d->hlog = stream_open(d->streams, "histograms.hlog", true, QUEUE_BYTES, 0);
	if (!d->console || !d->events || !d->timeseries || !d->hlog)
		return err_sys(err, ENOMEM, "cannot write results");
	/* both are there from the start, also when nothing is ever said */
	stream_write(d->console, "", 0);
	stream_write(d->events, "", 0);
	stream_write(d->timeseries, series_header, strlen(series_header));
	return 0;
}

int rundir_create(const char *parent, const char *dir, const char *name, uint64_t wall_ns,
	struct rundir **ret, struct err *err)
{
	struct rundir *d = calloc(1, sizeof(*d));
	int rc;

	if (!d)
		return err_sys(err, ENOMEM, "cannot make a results directory");
	d->fd = -1;
	d->wall_offset_ns = wall_ns - clock_ns();
	rc = dir ? make_given(d, dir, err) : make_named(d, parent, name, wall_ns, err);
	if (rc == 0)
		rc = open_streams(d, err);
	if (rc < 0) {
		struct err later = ERR_INIT;

		rundir_close(d, &later);
		return -1;
	}
	*ret = d;
	return 0;
}

const char *rundir_path(const struct rundir *d)
{
	return d->path;
}

static int write_file(
	struct rundir *d, const char *file, const char *data, size_t len, struct err *err)
{
	AUTO_FREE char *path = text_printf("%s/%s", d->path, file);

	if (!path)
		return err_sys(err, ENOMEM, "cannot write %s", file);
	return file_write_atomic(path, data, len, 0644, err);
}

int rundir_write(struct rundir *d, const char *file, const char *text, struct err *err)
{
	return write_file(d, file, text, strlen(text), err);
}

static void write_line(struct stream *f, const char *line)
{
	AUTO_FREE char *text = text_printf("%s\n", line);

	if (text)
		stream_write(f, text, strlen(text));
}

void rundir_console(struct rundir *d, const char *line)
{
	write_line(d->console, line);
}

void rundir_event(struct rundir *d, const char *json)
{
	write_line(d->events, json);
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

/* The directory of a worker, made when it is asked for first. -1: err. */
static int find_worker(struct rundir *d, const char *id, size_t *ret, struct err *err)
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

/* The stream of a file in a worker's directory, opened on first use; NULL: remembered. */
static struct stream *worker_stream(struct rundir *d, struct stream **at, const char *dir,
	const char *file, uint64_t max_size)
{
	AUTO_FREE char *path = NULL;

	if (*at)
		return *at;
	path = text_printf("%s/%s", dir, file);
	if (path)
		*at = stream_open(d->streams, path, false, WORKER_QUEUE_BYTES, max_size);
	if (!*at)
		remember_no_memory(d);
	return *at;
}

/* Each line by itself, since newlines are controls too. */
static char *safe_lines(const char *data, size_t len)
{
	char *out = malloc(len + 1), *to = out;

	while (out && len) {
		const char *newline = memchr(data, '\n', len);
		size_t n = newline ? (size_t)(newline - data) : len;
		char *line = text_sanitize(data, n);

		if (!line) {
			free(out);
			return NULL;
		}
		to = stpcpy(to, line);
		free(line);
		if (newline)
			*to++ = '\n';
		n += newline != NULL;
		data += n;
		len -= n;
	}
	if (out)
		*to = '\0';
	return out;
}

void rundir_stderr(struct rundir *d, const char *worker, const char *data, size_t len)
{
	AUTO_FREE char *text = safe_lines(data, len);
	struct err err = ERR_INIT;
	struct stream *f;
	size_t i;

	if (!text) {
		remember_no_memory(d);
		return;
	}
	if (find_worker(d, worker, &i, &err) < 0) {
		remember(d, &err);
		return;
	}
	f = worker_stream(d, &d->workers[i].stderr_log, d->workers[i].path, "stderr.log",
		STDERR_MAX_BYTES);
	if (f)
		stream_write(f, text, strlen(text));
}

/* Rows of a worker go to the table of all and to its own. */
static void take_rows(void *user, size_t worker, const char *text, size_t len)
{
	struct rundir *d = user;
	struct worker_dir *w;
	bool first;

	stream_write(d->timeseries, text, len);
	if (worker == SERIES_ALL)
		return;
	w = &d->workers[d->series_dirs[worker]];
	first = !w->timeseries;
	if (!worker_stream(d, &w->timeseries, w->path, "timeseries.tsv", 0))
		return;
	if (first)
		stream_write(w->timeseries, series_header, strlen(series_header));
	stream_write(w->timeseries, text, len);
}

static void write_hlog_header(struct rundir *d, uint64_t start_ns)
{
	AUTO_BUF struct buf text = BUF_INIT;

	d->hlog_start_ns = start_ns;
	if (hlog_header(&text, start_ns + d->wall_offset_ns) == 0)
		stream_write(d->hlog, text.data, text.len);
	else
		remember_no_memory(d);
}

static void take_interval(void *user, enum op_kind op, double start_s, double length_s,
	const struct hist *h)
{
	struct rundir *d = user;
	AUTO_BUF struct buf line = BUF_INIT;

	if (!d->hlog_start_ns)
		write_hlog_header(d, d->series_start_ns);
	if (hlog_line(&line, op_infos[op].display, start_s, length_s, h) == 0)
		stream_write(d->hlog, line.data, line.len);
	else
		remember_no_memory(d);
}

void rundir_set_workers(
	struct rundir *d, const char *const *ids, size_t n, uint64_t interval_ns)
{
	struct series_sink sink = {
		.rows = take_rows, .interval = take_interval, .user = d};
	struct err err = ERR_INIT;
	size_t *dirs = calloc(n ? n : 1, sizeof(*dirs));

	if (d->series)
		series_flush(d->series);
	series_destroy(d->series);
	d->series = NULL;
	free(d->series_dirs);
	d->series_dirs = dirs;
	if (!dirs) {
		remember_no_memory(d);
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (find_worker(d, ids[i], &dirs[i], &err) < 0)
			remember(d, &err);
	d->series = series_create(ids, n, interval_ns, sink, &err);
	if (!d->series)
		remember(d, &err);
}

void rundir_stats(struct rundir *d, size_t worker, const struct msg_stats *s,
	int64_t offset_ns, uint64_t start_ns)
{
	if (!d->series)
		return;
	if (s->phase == PHASE_MEASURE)
		d->series_start_ns = start_ns;
	if (series_add(d->series, worker, s, offset_ns, start_ns) < 0)
		remember_no_memory(d);
}

void rundir_worker_lost(struct rundir *d, size_t worker)
{
	if (d->series)
		series_lost(d->series, worker);
}

static int write_json(
	struct rundir *d, const char *file, struct json_writer *w, struct err *err)
{
	if (w->failed)
		return err_sys(err, ENOMEM, "cannot write %s", file);
	return write_file(d, file, w->out->data, w->out->len, err);
}

static int write_metadata(struct rundir *d, const struct run_info *info, struct err *err)
{
	AUTO_BUF struct buf text = BUF_INIT;
	struct json_writer w;

	jw_init(&w, &text, JSON_FLAT);
	jw_object(&w, NULL);
	metadata_members(&w, info);
	jw_object_end(&w);
	return write_json(d, "metadata.json", &w, err);
}

static int write_results_json(
	struct rundir *d, struct agg *a, const struct run_info *info, struct err *err)
{
	AUTO_BUF struct buf text = BUF_INIT;
	struct json_writer w;

	jw_init(&w, &text, JSON_FLAT);
	jw_object(&w, NULL);
	if (results_members(&w, a, info, err) < 0)
		return -1;
	jw_object_end(&w);
	return write_json(d, "results.json", &w, err);
}

static int write_tsv(struct rundir *d, const char *file, struct agg *a, size_t worker,
	const struct run_info *info, struct err *err)
{
	AUTO_BUF struct buf text = BUF_INIT;

	if (table_tsv(a, info, worker, &text, err) < 0)
		return -1;
	return write_file(d, file, text.data, text.len, err);
}

static int write_worker_metadata(struct rundir *d, const char *file,
	const struct run_info *info, const struct run_worker *rw, struct err *err)
{
	AUTO_BUF struct buf text = BUF_INIT;
	struct json_writer w;

	jw_init(&w, &text, JSON_FLAT);
	jw_object(&w, NULL);
	jw_uint(&w, "schema_version", RESULTS_SCHEMA_VERSION);
	jw_text(&w, "run", info->run);
	metadata_worker_members(&w, info, rw);
	jw_object_end(&w);
	return write_json(d, file, &w, err);
}

static int write_worker(struct rundir *d, struct agg *a, const struct run_info *info,
	size_t worker, struct err *err)
{
	const struct run_worker *rw = &info->workers[worker];
	AUTO_FREE char *metadata = NULL, *results = NULL;
	size_t i;

	if (find_worker(d, rw->id, &i, err) < 0)
		return -1;
	metadata = text_printf("%s/metadata.json", d->workers[i].path);
	results = text_printf("%s/results.tsv", d->workers[i].path);
	if (!metadata || !results)
		return err_sys(err, ENOMEM, "results of %s", rw->id);
	if (write_worker_metadata(d, metadata, info, rw, err) < 0)
		return -1;
	return write_tsv(d, results, a, worker, info, err);
}

int rundir_results(
	struct rundir *d, struct agg *a, const struct run_info *info, struct err *err)
{
	struct err later = ERR_INIT;
	int rc = 0;

/* Every file is tried, whatever became of those before it; the first failure is the one that is told. */
#define TRY(call)                                                                        \
	if ((call) < 0)                                                                  \
	rc = -1
#define ERR_OR_LATER (rc == 0 ? err : &later)
	TRY(write_tsv(d, "results.tsv", a, AGG_ALL, info, ERR_OR_LATER));
	TRY(write_results_json(d, a, info, ERR_OR_LATER));
	TRY(write_metadata(d, info, ERR_OR_LATER));
	for (size_t i = 0; i < info->n_workers; i++)
		TRY(write_worker(d, a, info, i, ERR_OR_LATER));
#undef TRY
#undef ERR_OR_LATER
	return rc;
}

int rundir_error(struct rundir *d, struct err *err)
{
	if (d->first.kind != ERR_NONE) {
		*err = d->first;
		return -1;
	}
	return streams_error(d->streams, err);
}

int rundir_close(struct rundir *d, struct err *err)
{
	int rc = 0;

	if (!d)
		return 0;
	if (d->series)
		series_flush(d->series);
	if (d->hlog && !d->hlog_start_ns)
		write_hlog_header(d, clock_ns());
	if (d->first.kind != ERR_NONE) {
		*err = d->first;
		rc = -1;
	}
	if (streams_close(d->streams, rc == 0 ? err : &d->first) < 0)
		rc = -1;
	if (rc < 0 && d->path)
		err_prefix(err, "%s", d->path);
	if (d->fd >= 0)
		close(d->fd);
	for (size_t i = 0; i < d->n_workers; i++) {
		free(d->workers[i].id);
		free(d->workers[i].path);
	}
	series_destroy(d->series);
	free(d->series_dirs);
	free(d->workers);
	free(d->path);
	free(d);
	return rc;
}
