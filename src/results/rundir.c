/* rundir: the results directory: made under a name that is free, filled by streams while the run is on and
 * by tables at its end. */
#include "results/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/text.h"
#include "results/hlog.h"
#include "results/rundir_state.h"
#include "results/series.h"
#include "results/stream.h"

#define QUEUE_BYTES ((size_t)8 << 20)
#define ROWS_QUEUE_BYTES ((size_t)256 << 20) /* a pair of an hour has a megabyte */
#define WORKER_QUEUE_BYTES ((size_t)1 << 20)
#define STDERR_MAX_BYTES ((uint64_t)16 << 20)

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

static int open_series(struct rundir *d, struct err *err)
{
	d->timeseries = stream_open(d->streams, "timeseries.tsv", true, QUEUE_BYTES, 0);
	d->hlog = stream_open(d->streams, "histograms.hlog", true, QUEUE_BYTES, 0);
	if (!d->timeseries || !d->hlog)
		return err_sys(err, ENOMEM, "cannot write results");
	stream_write(d->timeseries, series_header, strlen(series_header));
	return 0;
}

static int open_directory(struct rundir *d, struct err *err)
{
	d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->fd < 0)
		return err_sys(err, errno, "cannot open %s", d->path);
	/* a file system without locks is no reason not to write to it */
	if (flock(d->fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return err_set(err, ERR_INPUT,
			"%s is being written to by a muster that is still running",
			d->path);
	return 0;
}

static int open_streams(struct rundir *d, struct err *err)
{
	d->streams = streams_create(d->fd, err);
	if (!d->streams)
		return -1;
	d->console = stream_open(d->streams, "console.log", true, QUEUE_BYTES, 0);
	d->events = stream_open(d->streams, "events.jsonl", true, QUEUE_BYTES, 0);
	if (!d->console || !d->events)
		return err_sys(err, ENOMEM, "cannot write results");
	/* both are there from the start, also when nothing is ever said */
	stream_write(d->console, "", 0);
	stream_write(d->events, "", 0);
	return 0;
}

/* d goes to *ret, or to nobody when making it failed. */
static int give(struct rundir *d, int rc, struct rundir **ret)
{
	struct err later = ERR_INIT;

	if (rc == 0)
		*ret = d;
	else
		rundir_close(d, &later);
	return rc;
}

static int create(const char *parent, const char *dir, const char *name, uint64_t wall_ns,
	bool series, struct rundir **ret, struct err *err)
{
	struct rundir *d = calloc(1, sizeof(*d));
	int rc;

	if (!d)
		return err_sys(err, ENOMEM, "cannot make a results directory");
	d->fd = -1;
	d->wall_offset_ns = wall_ns - clock_ns();
	rc = dir ? rundir_make_given(d, dir, err)
		 : rundir_make_named(d, parent, name, wall_ns, err);
	if (rc == 0)
		rc = open_directory(d, err);
	if (rc == 0)
		rc = open_streams(d, err);
	if (rc == 0 && series)
		rc = open_series(d, err);
	return give(d, rc, ret);
}

int rundir_create(const char *parent, const char *dir, const char *name, uint64_t wall_ns,
	struct rundir **ret, struct err *err)
{
	return create(parent, dir, name, wall_ns, true, ret, err);
}

int rundir_create_plain(const char *parent, const char *dir, const char *name,
	uint64_t wall_ns, struct rundir **ret, struct err *err)
{
	return create(parent, dir, name, wall_ns, false, ret, err);
}

/* Who appends must find whole lines: a process that was killed may have left half of one. */
static int cut_half_line(const struct rundir *d, const char *file, struct err *err)
{
	AUTO_CLOSE int fd = openat(d->fd, file, O_RDWR | O_CLOEXEC | O_NOCTTY);
	off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END), end = size;
	char last = '\n';

	if (fd < 0 && errno == ENOENT)
		return 0;
	while (end > 0 && pread(fd, &last, 1, end - 1) == 1 && last != '\n')
		end--;
	if (fd < 0 || size < 0 || (end != size && ftruncate(fd, end) < 0))
		return err_sys(err, errno, "cannot go on with %s/%s", d->path, file);
	return 0;
}

int rundir_open_plain(
	const char *dir, uint64_t wall_ns, struct rundir **ret, struct err *err)
{
	static const char *const files[] = {"console.log", "events.jsonl", "rows.jsonl"};
	struct rundir *d = calloc(1, sizeof(*d));
	int rc;

	if (!d || !(d->path = strdup(dir))) {
		free(d);
		return err_sys(err, ENOMEM, "%s", dir);
	}
	d->fd = -1;
	d->wall_offset_ns = wall_ns - clock_ns();
	rc = open_directory(d, err);
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(files); i++)
		rc = cut_half_line(d, files[i], err);
	if (rc == 0)
		rc = open_streams(d, err);
	return give(d, rc, ret);
}

const char *rundir_path(const struct rundir *d)
{
	return d->path;
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

void rundir_row(struct rundir *d, const char *json)
{
	if (!d->rows) {
		d->rows =
			stream_open(d->streams, "rows.jsonl", true, ROWS_QUEUE_BYTES, 0);
		if (!d->rows) {
			remember_no_memory(d);
			return;
		}
		stream_sync_each(d->rows);
	}
	write_line(d->rows, json);
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
	if (rundir_find_worker(d, worker, &i, &err) < 0) {
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
		if (rundir_find_worker(d, ids[i], &dirs[i], &err) < 0)
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
