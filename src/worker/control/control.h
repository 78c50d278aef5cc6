/* control: the worker as the orchestrator sees it: reads messages, keeps the state, answers. */
#pragma once

struct err;

/* Speaks the protocol of docs/protocol.md on the descriptors until it is over. Returns the exit code,
 * or -1 with err when it could not begin. Threads may still hang in a store then: leave by _exit. */
int control_run(int in_fd, int out_fd, struct err *err);
