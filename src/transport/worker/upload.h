/* upload: the worker on a host, by hash: find it, or put it there; then how to start it.
 *
 * Layout and rules are those of design section 6. One exec starts a worker that is there; only where
 * it is missing does the host answer what it is and which directories can hold it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conn;
struct err;
struct host_container;

/* A worker program on this machine. */
struct worker_file {
	char *path;
	char arch[16]; /* as uname -m says */
	char sha256[65];
	void *data; /* mapped */
	size_t size;
	/* Its name on a host when it is another program, which muster is to find there; NULL: a worker, whose name
	 * is its hash. */
	const char *name;
};

/* Candidates: $MUSTER_WORKER_DIR or the given folders (NULL-terminated), each with worker-linux-ARCH
 * files; at most max are loaded. Returns how many, or -1 with err when there is none. */
int worker_files_load(
	const char *const *folders, struct worker_file *out, size_t max, struct err *err);
void worker_files_finish(struct worker_file *files, size_t n);

/* The command that starts the worker when it is there and otherwise prints one line
 * "MUSTER-NEED <uname -s> <uname -m> <uid> <dir>..." and exits 0; dirs are those that can be written
 * and run, in order of preference. options: for the worker, may be "". malloc. */
char *worker_start_command(const struct worker_file *f, const char *options);

/* Another program of this machine that goes to hosts as name ("netserver", which must live as long). 0, or -1
 * with err, which names path. worker_files_finish releases it, too. */
int program_file_load(
	const char *path, const char *name, struct worker_file *ret, struct err *err);

/* The command that looks for such a program: prints "MUSTER-PROGRAM <path>" when it is there with that content,
 * else MUSTER-NEED as worker_start_command does. malloc. */
char *program_find_command(const struct worker_file *f);

struct upload;
struct upload_events {
	void (*progress)(struct upload *u, uint64_t sent, uint64_t size, void *user);
	/* ok: path says where it is now; or err (ERR_HOST) with what each directory said. */
	void (*done)(
		struct upload *u, const char *path, const struct err *err, void *user);
};

/* Sends f, a worker or another program, to the first of dirs (a blank-separated list as MUSTER-NEED gave it) that
 * takes it: `cat > part && sha256sum && mv`, then a trial run. Full disk or noexec: the next one. The upload is
 * gone after done. */
struct upload *upload_start(struct conn *c, const struct worker_file *f, const char *dirs,
	uint64_t stall_timeout_ns, const struct upload_events *e, void *user);
/* Takes NULL. Must come before conn_close of its connection. */
void upload_cancel(struct upload *u);

/* The command that removes this one worker from wherever it is kept on the host. malloc. */
char *worker_forget_command(const struct worker_file *f);

/* The command that removes what muster keeps on a host (all hashed workers and run directories of this
 * user, in all candidate directories, but not a file that a running process executes... those are named)
 * and prints "MUSTER-REMOVED <path>", "MUSTER-KEPT <path> <why>" lines; with a container also those of this user that have
 * ended and were left. c may be NULL. malloc. */
char *worker_clean_command(const struct host_container *c);
