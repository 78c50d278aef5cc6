/* registry: the runs of this user on this machine, a small JSON file each in
 * ${XDG_STATE_HOME:-~/.local/state}/muster/runs/. The file is written by the process that it is about
 * (registration.h), always as a whole by rename, and read by `muster runs`. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/process.h"

struct buf;
struct err;

enum run_state {
	STATE_STARTING,
	STATE_PREPARING,
	STATE_RUNNING,
	STATE_DRAINING,
	STATE_CLEANING,
	STATE_ENDING, /* results are on their way */
	STATE_DONE,
	STATE_LOST, /* in no file: the process is gone without an end */
	RUN_STATES
};
extern const char *const run_state_names[RUN_STATES];

struct run_entry {
	char *path;      /* of its file */
	char *name;      /* unique here, and the file's name */
	char *command;   /* "run" */
	char *workload;  /* as it was given */
	char *directory; /* results, absolute */
	uint64_t workers, hosts;
	struct process_id process;
	uint64_t started_wall_ns, ended_wall_ns; /* ended: 0 until then */
	uint64_t
		began_ns; /* the same moment as started, on CLOCK_MONOTONIC of its boot */
	enum run_state state;
	uint64_t since_ns, length_ns; /* of STATE_RUNNING: begin and planned length */
	int exit_code;                /* of STATE_DONE */
};

struct run_entries {
	struct run_entry *items;
	size_t n;
};

/* Nothing more will happen. */
bool run_entry_over(const struct run_entry *e);

void run_entry_finish(struct run_entry *e);
void run_entries_finish(struct run_entries *r);

/* The folder, malloc'ed; not made. */
char *registry_folder(struct err *err);

/* What the file of e says; e->path is not looked at. */
int run_entry_encode(const struct run_entry *e, struct buf *out, struct err *err);
int run_entry_decode(
	const char *text, size_t len, struct run_entry *ret, struct err *err);

/* Reads one file anew: its state may have become another, also STATE_LOST. */
int run_entry_load(const char *path, struct run_entry *ret, struct err *err);

/* All runs of this machine, oldest first. A file that is no entry is passed over. No folder: none. */
int registry_load(const char *folder, struct run_entries *ret, struct err *err);

/* Removes the files of runs that are over and older than a week, or more than a hundred, from the folder
 * and from r. */
void registry_prune(struct run_entries *r, uint64_t wall_now_ns);

/* The one that is meant: by name, by results directory, or by the beginning of a name that only one has;
 * among several those that are not over win. NULL as text: the only one that is not over. NULL with err
 * when there is none or more than one. */
const struct run_entry *registry_find(
	const struct run_entries *r, const char *text, struct err *err);
