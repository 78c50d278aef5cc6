/* subprocess: start a program of this machine, with clean signals and a session of its own. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* Starts argv[0] (found by PATH) with fds as its 0, 1 and 2. All other descriptors must be
 * close-on-exec. Signals are reset to their defaults and unblocked, and it leads its own session,
 * so that a Ctrl-C at the terminal does not reach it. 0 or -errno. */
int spawn_program(const char *const *argv, const int fds[3], pid_t *ret_pid);
/* The same with more in its environment: "NAME=VALUE"s, NULL-terminated, which win; or NULL. */
int spawn_program_env(const char *const *argv, const char *const *env, const int fds[3],
	pid_t *ret_pid);

/* A pipe, both ends close-on-exec, the end `ours` (0: read, 1: write) non-blocking. 0 or -errno. */
int spawn_pipe(int ret_fds[2], int ours);

/* Whether PATH leads to a program of that name. */
bool subprocess_find(const char *name);
