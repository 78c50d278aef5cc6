/* rundir_state: what a results directory is made of, shared by the rundir*.c. */
#pragma once

#include "common/err.h"
#include "results/rundir.h"

struct series;
struct stream;
struct streams;

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
	struct stream *console, *events, *rows, *timeseries, *hlog;
	struct worker_dir *workers;
	size_t n_workers, cap_workers;
	size_t *series_dirs; /* index of series' worker -> index in workers */
	struct series *series;
	uint64_t series_start_ns; /* of the delta that is being added */
	struct err first;         /* the first failure, for rundir_close */
};

/* Makes the directory of the run, given by name or to be named, and sets path. */
int rundir_make_given(struct rundir *d, const char *dir, struct err *err);
int rundir_make_named(struct rundir *d, const char *parent, const char *name,
	uint64_t wall_ns, struct err *err);

/* The directory of a worker, made when it is asked for first. -1: err. */
int rundir_find_worker(struct rundir *d, const char *id, size_t *ret, struct err *err);
