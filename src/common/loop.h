/* loop: one epoll loop: descriptors, timers, signals, deferred calls. Single-threaded.
 *
 * Callbacks may add and remove anything, themselves too: what was removed is freed after the
 * current round. Nothing here blocks but loop_run. */
#pragma once

#include <stdint.h>
#include <sys/epoll.h>

struct err;
struct loop;
struct loop_fd;
struct loop_timer;
struct loop_signal;

typedef void loop_fd_fn(struct loop_fd *w, uint32_t events, void *user);
typedef void loop_timer_fn(struct loop_timer *t, void *user);
typedef void loop_signal_fn(int signo, void *user);
typedef void loop_defer_fn(void *user);

struct loop *loop_create(struct err *err);
void loop_destroy(
	struct loop *l); /* watchers that are left are freed, descriptors stay open */

/* Watches fd (not owned) for EPOLLIN, EPOLLOUT, ...; level-triggered. NULL: err is set.
 * A regular file is always ready. One watcher per fd; delete it before closing fd. With events 0
 * nothing is reported, EPOLLHUP and EPOLLERR neither; with others these two come unasked. */
struct loop_fd *loop_fd_add(struct loop *l, int fd, uint32_t events, loop_fd_fn *fn,
	void *user, struct err *err);
void loop_fd_set(struct loop_fd *w, uint32_t events);
void loop_fd_del(struct loop_fd *w); /* takes NULL */

/* Calls fn at clock_ns() >= at_ns, then every period_ns (0: once; the timer stays allocated until
 * deleted, and can be set again). A late periodic timer skips what it missed. Never NULL: running
 * out of memory here aborts. */
struct loop_timer *loop_timer_add(struct loop *l, uint64_t at_ns, uint64_t period_ns,
	loop_timer_fn *fn, void *user);
void loop_timer_set(struct loop_timer *t, uint64_t at_ns, uint64_t period_ns);
void loop_timer_stop(struct loop_timer *t); /* keeps it, unarmed */
void loop_timer_del(struct loop_timer *t);  /* takes NULL */

/* Takes a signal over (signalfd; blocked for the process from now on, so call this before threads
 * start; a forked child unblocks it before exec). */
struct loop_signal *loop_signal_add(
	struct loop *l, int signo, loop_signal_fn *fn, void *user, struct err *err);
void loop_signal_del(struct loop_signal *s);

/* Calls fn once before the loop waits again, after this round's descriptors and timers. */
void loop_defer(struct loop *l, loop_defer_fn *fn, void *user);

/* Runs until loop_stop; the round in which that is called is finished. Returns 0, or -1 with
 * err when epoll fails. */
int loop_run(struct loop *l, struct err *err);
void loop_stop(struct loop *l);
