/* rundir: the results directory of a run (design section 11; schema in docs/results.md).
 *
 * Streams (console.log, events.jsonl, rows.jsonl, timeseries.tsv, histograms.hlog, workers' stderr.log) are appended
 * by a thread of their own through a bounded queue, so that a slow disk never blocks the loop; what does
 * not fit is counted and said. Tables are replaced by rename. A full disk is an error of that file
 * only: the others go on, and rundir_error and rundir_close tell. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "results/agg.h"
#include "results/run_info.h"

struct err;
struct rundir;

/* Makes PARENT/muster-20261120T143005Z-NAME ("-2" on a clash), or exactly dir when that is given (must
 * not exist or be empty). */
int rundir_create(const char *parent, const char *dir, const char *name, uint64_t wall_ns,
	struct rundir **ret, struct err *err);
/* The same for work that has no operations: without timeseries.tsv and histograms.hlog; of the streams below
 * only console, events and stderr are for it. */
int rundir_create_plain(const char *parent, const char *dir, const char *name,
	uint64_t wall_ns, struct rundir **ret, struct err *err);
/* A directory that is there, to go on with: streams are appended to, without what was cut off in the middle
 * of a line. A directory that a live muster writes to is an error, as is one that is none. */
int rundir_open_plain(
	const char *dir, uint64_t wall_ns, struct rundir **ret, struct err *err);
const char *rundir_path(const struct rundir *d);

/* Writes a whole file (config.yaml, hosts.yaml) by rename. */
int rundir_write(struct rundir *d, const char *file, const char *text, struct err *err);

/* Streams; never block. */
void rundir_console(struct rundir *d, const char *line);
/* One JSON object, without newline; time is put in by the caller. */
void rundir_event(struct rundir *d, const char *json);
/* A line of rows.jsonl: on the disk as soon as can be, whatever becomes of this process or the machine. */
void rundir_row(struct rundir *d, const char *json);
/* What came from a worker's stderr, newlines included; freed of escapes here. worker: its id, which need
 * not be among those of rundir_set_workers yet. */
void rundir_stderr(struct rundir *d, const char *worker, const char *data, size_t len);

/* Who is in timeseries.tsv, before the first rundir_stats; again for another set of workers (a new
 * generation): open intervals are then closed. ids are copied. */
void rundir_set_workers(
	struct rundir *d, const char *const *ids, size_t n, uint64_t interval_ns);

/* timeseries.tsv and histograms.hlog: one delta of one worker. offset_ns: its clock minus ours.
 * start_ns: what time_s counts from, on our clock: the common start of the load for warm-up and
 * measure, that of the phase for prepare and cleanup; the same for all workers. A delta belongs to the
 * interval in which its middle lies. Rows of worker "all" are the sums per interval, written when all
 * workers that are left have gone on to a later one or it is 3 intervals old; a worker that is missing
 * then gets a row that says so. */
void rundir_stats(struct rundir *d, size_t worker, const struct msg_stats *s,
	int64_t offset_ns, uint64_t start_ns);
/* Its gaps say lost from now on, and nothing waits for it. */
void rundir_worker_lost(struct rundir *d, size_t worker);

/* metadata.json, results.tsv, results.json, workers/<id>/{metadata.json,results.tsv}. info's workers
 * are those of a, in the same order. Can be called again: files are replaced. Every file is tried; -1 with
 * the first failure. Blocks until they are on disk. */
int rundir_results(
	struct rundir *d, struct agg *a, const struct run_info *info, struct err *err);

/* The first failure of a stream so far, for a warning while the run is on: -1 with err, else 0. What a
 * full disk kept out may still be written later. */
int rundir_error(struct rundir *d, struct err *err);

/* Waits until everything is on disk, closes. Returns 0, or -1 with the first error. Takes NULL. */
int rundir_close(struct rundir *d, struct err *err);

/* --export FILE: .json (the object of results.json with metadata) or .csv (results.tsv's columns, with
 * worker in front, rows of `all` and of each worker). Another ending is refused by
 * export_check before a run begins. "-" is stdout, as JSON. */
int export_check(const char *path, struct err *err);
int export_results(
	const char *path, struct agg *a, const struct run_info *info, struct err *err);
