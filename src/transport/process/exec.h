/* exec: a program of this machine with three pipes, in the loop: what local, command and openssh share.
 *
 * Its input is what a channel has queued. Callbacks stand between conn_enter and conn_leave; only
 * ended may destroy it. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "transport/impl.h"

struct exec;

struct exec_events {
	/* Bytes of stream 1 or 2. */
	void (*data)(int stream, const char *data, size_t len, void *user);
	/* The program is gone and has said all it had; status as waitpid gives it. */
	void (*ended)(int wait_status, void *user);
};

/* How exec_start ends the output of a program: with its pipes, which its children may hold open, or
 * when it is gone and the pipes are empty. */
enum exec_end { EXEC_END_PIPES, EXEC_END_PROGRAM };

/* Starts argv (found by PATH) for c. env: as for spawn_program_env. NULL: err is set, with its errnum. */
struct exec *exec_start(struct conn *c, const char *const *argv, const char *const *env,
	enum exec_end end, const struct exec_events *e, void *user, struct err *err);
pid_t exec_pid(const struct exec *x);
/* Closes its input, sends SIGTERM to its session. Takes NULL. */
void exec_destroy(struct exec *x);

/* A line for its input, before anything of a channel. */
void exec_say(struct exec *x, const char *line);
/* Writes what ch has queued, now and whenever there is room; its eof closes the input. */
void exec_feed(struct exec *x, struct chan *ch);
/* Fills the exit of a channel. */
void exec_exit(struct chan_exit *e, int wait_status);

/* The step of a transport whose channels are programs: start makes one run, or ends it with
 * chan_done; exec_of gives the program of one that runs. */
void exec_step(struct conn *c, void (*start)(struct chan *ch),
	struct exec *(*exec_of)(const struct chan *ch));
