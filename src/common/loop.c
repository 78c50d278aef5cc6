/* loop: epoll, and a heap of timers behind one timerfd.
 *
 * Callbacks run in rounds. Whatever is deleted in a round is marked dead, so that events and due
 * timers already gathered pass it by, and is freed when the round is over. */
#include "common/loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/units.h"

#define BATCH 256
#define NOT_IN_HEAP SIZE_MAX

/* What all watchers have; the first member of each. */
struct watch {
	struct watch *prev, *next; /* in loop.watches */
	struct watch *next_dead;
	struct loop *loop;
	bool dead;
};

struct loop_fd {
	struct watch watch;
	int fd;
	uint32_t events;
	bool always; /* a regular file: epoll refuses it, it is always ready */
	loop_fd_fn *fn;
	void *user;
};

struct loop_timer {
	struct watch watch;
	uint64_t at_ns, period_ns;
	uint64_t order;  /* among timers of the same time, the one set first runs first */
	size_t position; /* in the heap, or NOT_IN_HEAP */
	bool due;        /* gathered in this round, not called yet */
	loop_timer_fn *fn;
	void *user;
};

struct loop_signal {
	struct watch watch;
	struct loop_signal *next;
	int signo;
	loop_signal_fn *fn;
	void *user;
};

struct deferred {
	loop_defer_fn *fn;
	void *user;
};

struct timer_list {
	struct loop_timer **items;
	size_t n, cap;
};

struct deferred_list {
	struct deferred *items;
	size_t n, cap;
};

struct loop {
	int epfd, timerfd, sigfd;
	bool stop;
	uint64_t armed_ns; /* what timerfd is set to, 0: nothing */
	uint64_t order;
	struct timer_list heap, due;
	struct deferred_list deferred, running;
	struct {
		struct loop_fd **items;
		size_t n, cap;
	} always;
	struct loop_signal *signals;
	struct loop_fd *sigwatch;
	sigset_t sigmask;
	struct watch watches; /* head of the ring of all that live */
	struct watch *dead;
};

static void *must_realloc(void *p, size_t n, size_t size)
{
	p = reallocarray(p, n, size);
	if (!p)
		abort();
	return p;
}

/* One more item at the end of a list {items, n, cap}. */
#define PUSH(list, item)                                                                 \
	do {                                                                             \
		if ((list)->n == (list)->cap) {                                          \
			(list)->cap = (list)->cap ? (list)->cap * 2 : 16;                \
			(list)->items = must_realloc(                                    \
				(list)->items, (list)->cap, sizeof(*(list)->items));     \
		}                                                                        \
		(list)->items[(list)->n++] = (item);                                     \
	} while (0)

static void *watch_create(struct loop *l, size_t size)
{
	struct watch *w = calloc(1, size);

	if (!w)
		abort();
	w->loop = l;
	w->next = &l->watches;
	w->prev = l->watches.prev;
	w->prev->next = w;
	l->watches.prev = w;
	return w;
}

static void watch_kill(struct watch *w)
{
	w->dead = true;
	w->prev->next = w->next;
	w->next->prev = w->prev;
	w->next_dead = w->loop->dead;
	w->loop->dead = w;
}

static void free_dead(struct loop *l)
{
	while (l->dead) {
		struct watch *w = l->dead;

		l->dead = w->next_dead;
		free(w);
	}
}

/* ---- timers ---- */

static bool earlier(const struct loop_timer *a, const struct loop_timer *b)
{
	return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void heap_put(struct timer_list *heap, size_t i, struct loop_timer *t)
{
	heap->items[i] = t;
	t->position = i;
}

static void heap_up(struct timer_list *heap, size_t i, struct loop_timer *t)
{
	for (; i && earlier(t, heap->items[(i - 1) / 2]); i = (i - 1) / 2)
		heap_put(heap, i, heap->items[(i - 1) / 2]);
	heap_put(heap, i, t);
}

static void heap_down(struct timer_list *heap, size_t i, struct loop_timer *t)
{
	for (;;) {
		size_t child = 2 * i + 1;

		if (child + 1 < heap->n &&
			earlier(heap->items[child + 1], heap->items[child]))
			child++;
		if (child >= heap->n || !earlier(heap->items[child], t))
			break;
		heap_put(heap, i, heap->items[child]);
		i = child;
	}
	heap_put(heap, i, t);
}

static void heap_insert(struct loop *l, struct loop_timer *t)
{
	t->order = l->order++;
	PUSH(&l->heap, t);
	heap_up(&l->heap, l->heap.n - 1, t);
}

static void heap_remove(struct loop *l, struct loop_timer *t)
{
	struct timer_list *heap = &l->heap;
	size_t i = t->position;
	struct loop_timer *last;

	if (i == NOT_IN_HEAP)
		return;
	t->position = NOT_IN_HEAP;
	last = heap->items[--heap->n];
	if (last == t)
		return;
	if (i && earlier(last, heap->items[(i - 1) / 2]))
		heap_up(heap, i, last);
	else
		heap_down(heap, i, last);
}

struct loop_timer *loop_timer_add(
	struct loop *l, uint64_t at_ns, uint64_t period_ns, loop_timer_fn *fn, void *user)
{
	struct loop_timer *t = watch_create(l, sizeof(*t));

	t->at_ns = at_ns;
	t->period_ns = period_ns;
	t->fn = fn;
	t->user = user;
	heap_insert(l, t);
	return t;
}

void loop_timer_set(struct loop_timer *t, uint64_t at_ns, uint64_t period_ns)
{
	loop_timer_stop(t);
	t->at_ns = at_ns;
	t->period_ns = period_ns;
	heap_insert(t->watch.loop, t);
}

void loop_timer_stop(struct loop_timer *t)
{
	heap_remove(t->watch.loop, t);
	t->due = false;
}

void loop_timer_del(struct loop_timer *t)
{
	if (!t)
		return;
	loop_timer_stop(t);
	watch_kill(&t->watch);
}

/* Gathers first and calls then: a timer that sets itself to now waits for the next round. */
static void run_timers(struct loop *l)
{
	uint64_t now = l->heap.n ? clock_ns() : 0;

	l->due.n = 0;
	while (l->heap.n && l->heap.items[0]->at_ns <= now) {
		struct loop_timer *t = l->heap.items[0];

		heap_remove(l, t);
		t->due = true;
		PUSH(&l->due, t);
	}
	for (size_t i = 0; i < l->due.n; i++) {
		struct loop_timer *t = l->due.items[i];

		if (!t->due)
			continue;
		t->due = false;
		if (t->period_ns) {
			t->at_ns += (1 + (now - t->at_ns) / t->period_ns) * t->period_ns;
			heap_insert(l, t);
		}
		t->fn(t, t->user);
	}
}

static int arm_timerfd(struct loop *l, struct err *err)
{
	/* 0 would disarm it; 1 is as long ago */
	uint64_t at_ns =
		l->heap.n && l->heap.items[0]->at_ns ? l->heap.items[0]->at_ns : 1;
	struct itimerspec spec = {.it_value = {
					  .tv_sec = (time_t)(at_ns / NS_PER_SEC),
					  .tv_nsec = (long)(at_ns % NS_PER_SEC),
				  }};

	/* An earlier wake-up than needed does no harm, so timers that are put off need no system
	 * call. */
	if (!l->heap.n || (l->armed_ns && at_ns >= l->armed_ns))
		return 0;
	if (timerfd_settime(l->timerfd, TFD_TIMER_ABSTIME, &spec, NULL) < 0)
		return err_sys(err, errno, "timerfd_settime");
	l->armed_ns = at_ns;
	return 0;
}

/* ---- descriptors ---- */

/* Tells epoll; without events it does not watch at all, for it would report EPOLLHUP for ever. */
static int epoll_update(struct loop_fd *w, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = w};
	int op = !events ? EPOLL_CTL_DEL : w->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (events != w->events && epoll_ctl(w->watch.loop->epfd, op, w->fd, &event) < 0)
		return -errno;
	return 0;
}

struct loop_fd *loop_fd_add(struct loop *l, int fd, uint32_t events, loop_fd_fn *fn,
	void *user, struct err *err)
{
	struct loop_fd *w = watch_create(l, sizeof(*w));
	int rc;

	w->fd = fd;
	w->fn = fn;
	w->user = user;
	/* also without events, to learn now whether epoll takes it */
	rc = epoll_update(w, events ? events : EPOLLIN);
	if (rc == -EPERM) {
		w->always = true;
		PUSH(&l->always, w);
	} else if (rc < 0) {
		watch_kill(&w->watch);
		err_sys(err, -rc, "cannot watch descriptor %d", fd);
		return NULL;
	}
	w->events = events ? events : EPOLLIN;
	if (!events)
		loop_fd_set(w, 0);
	return w;
}

void loop_fd_set(struct loop_fd *w, uint32_t events)
{
	int rc = w->always ? 0 : epoll_update(w, events);

	/* the kernel is out of memory or of watches: a silent hang would be worse */
	if (rc == -ENOMEM || rc == -ENOSPC)
		abort();
	w->events = events;
}

void loop_fd_del(struct loop_fd *w)
{
	if (!w)
		return;
	loop_fd_set(w, 0);
	watch_kill(&w->watch);
}

/* What was gathered may not be asked for any more. */
static uint32_t wanted(const struct loop_fd *w, uint32_t events)
{
	return events & (w->events | EPOLLERR | EPOLLHUP);
}

static void run_always(struct loop *l)
{
	for (size_t i = 0; i < l->always.n; i++) {
		struct loop_fd *w = l->always.items[i];

		if (!w->watch.dead && w->events & (EPOLLIN | EPOLLOUT))
			w->fn(w, w->events & (EPOLLIN | EPOLLOUT), w->user);
	}
}

static void forget_dead_files(struct loop *l)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->always.n; i++) {
		if (!l->always.items[i]->watch.dead)
			l->always.items[kept++] = l->always.items[i];
	}
	l->always.n = kept;
}

static bool files_ready(const struct loop *l)
{
	for (size_t i = 0; i < l->always.n; i++) {
		if (l->always.items[i]->events & (EPOLLIN | EPOLLOUT))
			return true;
	}
	return false;
}

/* ---- signals ---- */

static void read_signals(struct loop_fd *w, uint32_t events, void *user)
{
	struct loop *l = user;
	struct signalfd_siginfo info;

	(void)w;
	(void)events;
	while (read(l->sigfd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		for (struct loop_signal *s = l->signals; s; s = s->next) {
			if (!s->watch.dead && s->signo == (int)info.ssi_signo)
				s->fn(s->signo, s->user);
		}
	}
}

static int add_to_signalfd(struct loop *l, int signo, struct err *err)
{
	sigset_t one;
	int fd;

	sigemptyset(&one);
	if (sigaddset(&one, signo) < 0)
		return err_sys(err, errno, "signal %d", signo);
	sigaddset(&l->sigmask, signo);
	pthread_sigmask(SIG_BLOCK, &one, NULL);
	fd = signalfd(l->sigfd, &l->sigmask, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return err_sys(err, errno, "signalfd");
	l->sigfd = fd;
	if (!l->sigwatch)
		l->sigwatch = loop_fd_add(l, fd, EPOLLIN, read_signals, l, err);
	return l->sigwatch ? 0 : -1;
}

struct loop_signal *loop_signal_add(
	struct loop *l, int signo, loop_signal_fn *fn, void *user, struct err *err)
{
	struct loop_signal *s;

	if (add_to_signalfd(l, signo, err) < 0)
		return NULL;
	s = watch_create(l, sizeof(*s));
	s->signo = signo;
	s->fn = fn;
	s->user = user;
	s->next = l->signals;
	l->signals = s;
	return s;
}

void loop_signal_del(struct loop_signal *s)
{
	struct loop_signal **p;

	if (!s)
		return;
	/* s->next stays as it is: read_signals may stand on s */
	for (p = &s->watch.loop->signals; *p != s; p = &(*p)->next)
		;
	*p = s->next;
	watch_kill(&s->watch);
}

/* ---- the loop ---- */

void loop_defer(struct loop *l, loop_defer_fn *fn, void *user)
{
	struct deferred d = {fn, user};

	PUSH(&l->deferred, d);
}

/* What they defer in turn runs in the next round, which then does not wait. */
static void run_deferred(struct loop *l)
{
	struct deferred_list swap = l->running;

	l->running = l->deferred;
	l->deferred = swap;
	l->deferred.n = 0;
	for (size_t i = 0; i < l->running.n; i++)
		l->running.items[i].fn(l->running.items[i].user);
}

static int run_round(struct loop *l, struct err *err)
{
	struct epoll_event events[BATCH];
	bool wait = !l->stop && !l->deferred.n && !files_ready(l);
	int n;

	if (arm_timerfd(l, err) < 0)
		return -1;
	n = epoll_wait(l->epfd, events, BATCH, wait ? -1 : 0);
	if (n < 0 && errno != EINTR)
		return err_sys(err, errno, "epoll_wait");
	for (int i = 0; i < n; i++) {
		struct loop_fd *w = events[i].data.ptr;

		if (!w)
			l->armed_ns = 0;
		else if (!w->watch.dead && w->events && wanted(w, events[i].events))
			w->fn(w, wanted(w, events[i].events), w->user);
	}
	run_always(l);
	run_timers(l);
	run_deferred(l);
	forget_dead_files(l);
	free_dead(l);
	return 0;
}

int loop_run(struct loop *l, struct err *err)
{
	bool stop;

	do {
		stop = l->stop;
		if (run_round(l, err) < 0)
			return -1;
	} while (!stop && !l->stop);
	l->stop = false;
	return 0;
}

void loop_stop(struct loop *l)
{
	l->stop = true;
}

struct loop *loop_create(struct err *err)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	struct loop *l = calloc(1, sizeof(*l));

	if (!l) {
		err_sys(err, ENOMEM, "event loop");
		return NULL;
	}
	l->watches.prev = &l->watches;
	l->watches.next = &l->watches;
	l->sigfd = -1;
	sigemptyset(&l->sigmask);
	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	l->timerfd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	/* edge-triggered: each setting is one event, and the count need not be read */
	if (l->epfd < 0 || l->timerfd < 0 ||
		epoll_ctl(l->epfd, EPOLL_CTL_ADD, l->timerfd, &event) < 0) {
		err_sys(err, errno, "event loop");
		loop_destroy(l);
		return NULL;
	}
	return l;
}

void loop_destroy(struct loop *l)
{
	if (!l)
		return;
	while (l->watches.next != &l->watches)
		watch_kill(l->watches.next);
	free_dead(l);
	free(l->heap.items);
	free(l->due.items);
	free(l->deferred.items);
	free(l->running.items);
	free(l->always.items);
	cleanup_close(&l->epfd);
	cleanup_close(&l->timerfd);
	cleanup_close(&l->sigfd);
	free(l);
}
