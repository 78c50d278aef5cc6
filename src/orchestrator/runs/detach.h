/* detach: a command that goes on without the terminal it was started from.
 *
 * The process splits early, while it has no threads. The one behind does the work: on the terminal, as any
 * command does, until it hands over; then it is alone in a session of its own. The one in front waits for
 * that, and ends with 0; when the work ends before, it ends with the same exit code. */
#pragma once

struct err;

/* Returns 0 in the process that does the work, with the descriptor for detach_handed_over; 1 in the one in
 * front, when it has nothing more to wait for, with its exit code; -1 with err. Before any thread. */
int detach_fork(int *ret_fd, int *ret_exit_code, struct err *err);

/* A session of its own. What is on the terminal still is shown until console_leave. */
void detach_session(void);

/* Lets the process in front go. Closes fd. */
void detach_handed_over(int fd);
