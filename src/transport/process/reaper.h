/* reaper: waits for child processes without SIGCHLD, by pidfd. */
#pragma once

#include <sys/types.h>

struct child;
struct loop;
struct reaper;

typedef void child_fn(int wait_status, void *user);

struct reaper *reaper_create(struct loop *loop);
/* Waits up to 2 s for the children that are left, then leaves them to init. Takes NULL. */
void reaper_destroy(struct reaper *r);

/* Calls fn once, from the loop, when pid has ended. */
struct child *reaper_watch(struct reaper *r, pid_t pid, child_fn *fn, void *user);
/* Nobody is interested any more: SIGTERM to its session, and it is reaped when it ends. */
void child_abandon(struct child *child);
