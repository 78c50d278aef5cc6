/* direct_thread: an engine thread with a ring and hands: what goes where, and what comes back. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "backends/direct.h"
#include "common/err.h"
#include "common/units.h"

/* Taken out of the ring at a time. */
#define COMPLETIONS 64u
/* Fewer are not worth a system call of their own. */
#define FEED_MIN 4u

static int make_ops(struct direct_thread *t, uint32_t n)
{
	t->ops = calloc(n, sizeof(*t->ops));
	t->fixed = calloc(t->ring.fixed_files + 1, sizeof(*t->fixed));
	if (!t->ops || !t->fixed)
		return -ENOMEM;
	for (uint32_t i = n; i-- > 0;) {
		t->ops[i].index = i;
		t->ops[i].buffer = t->ring.buffers + (size_t)i * DIRECT_PIECE;
		t->ops[i].next = t->free;
		t->free = &t->ops[i];
	}
	return 0;
}

/* A request in the ring names its file by a descriptor, until the kernel has it. */
static void send_all(void *ring)
{
	direct_ring_send_all(ring);
}

static int ring_init(struct direct_thread *t, struct err *err)
{
	struct direct_job *job = t->job;

	if (direct_ring_init(
		    &t->ring, job->slots, job->fixed_bytes, job->file.keeps, err) < 0 ||
		direct_hands_init(&t->hands, job, job->slots, err) < 0)
		return -1;
	if (open_files_init(&t->open, job->file.keeps, O_DIRECT | O_NOATIME) < 0)
		return err_sys(err, ENOMEM, "no memory for open files");
	t->open.closing = send_all;
	t->open.user = &t->ring;
	if (make_ops(t, job->slots) < 0)
		return err_sys(err, ENOMEM, "no memory for %u slots", job->slots);
	return 0;
}

int direct_thread_init(void *job, void *thread, void *thread_user, struct err *err)
{
	struct direct_thread *t = thread;

	t->job = job;
	t->user = thread_user;
	io_list_init(&t->done);
	if (t->job->file.own_descriptors)
		unshare(CLONE_FILES);
	/* waits end when they should */
	prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
	if (ring_init(t, err) == 0)
		return 0;
	direct_thread_fini(t);
	return -1;
}

/* The ring says when there is something to take from the hands. */
static void read_event(struct direct_thread *t)
{
	if (t->event_read)
		return;
	io_uring_prep_read(direct_ring_request(&t->ring, DIRECT_EVENT), t->hands.event,
		&t->event_count, sizeof(t->event_count), 0);
	t->event_read = true;
}

/* A device that has little to do gets what there is soon, one that is busy gets more at a time: without it the device
 * would stand still while all of its next requests are made ready. */
static inline void feed(struct direct_thread *t)
{
	unsigned here = io_uring_sq_ready(&t->ring.ring);

	if (here >= FEED_MIN && here >= t->in_ring - here)
		direct_ring_send(&t->ring);
}

void direct_submit(void *thread, struct io **ops, size_t n)
{
	struct direct_thread *t = thread;

	for (size_t i = 0; i < n; i++) {
		bool in_ring = ops[i]->kind == OP_GET || ops[i]->kind == OP_RANGE_GET ||
			       ops[i]->kind == OP_RANGE_PUT;

		if (in_ring) {
			direct_op_begin(t, ops[i]);
			feed(t);
		} else {
			read_event(t);
			direct_hands_give(&t->hands, ops[i]);
		}
	}
}

static void take_from_hands(struct direct_thread *t)
{
	struct direct_page *page, *next_page;
	struct io *io, *next;

	io = direct_hands_take(&t->hands, &page);
	for (; page; page = next_page) {
		next_page = page->next;
		if (t->job->file.page)
			t->job->file.page(
				t->user, page->io, page->start_ns, page->end_ns);
		free(page);
	}
	for (; io; io = next) {
		next = io->next;
		io_list_add(&t->done, io);
	}
}

/* All that has come; it is taken out of the ring first: what ops begin next may need the room. */
static void reap(struct direct_thread *t)
{
	struct direct_end came[COMPLETIONS];
	bool from_hands = false;
	unsigned n;

	do {
		t->now_ns = clock_ns();
		n = direct_ring_take(&t->ring, came, COMPLETIONS);
		for (unsigned i = 0; i < n; i++) {
			if (came[i].user_data == DIRECT_EVENT) {
				from_hands = true;
				t->event_read = false;
			} else if (came[i].user_data != DIRECT_NOBODY) {
				direct_op_step(t, came[i].user_data, came[i].res);
			}
		}
	} while (n == COMPLETIONS);
	if (from_hands) {
		read_event(t);
		take_from_hands(t);
	}
}

static void wait_until(struct direct_thread *t, uint64_t deadline_ns)
{
	uint64_t now = clock_ns(), left = deadline_ns > now ? deadline_ns - now : 0;
	struct __kernel_timespec ts = {
		.tv_sec = (long long)(left / NS_PER_SEC),
		.tv_nsec = (long long)(left % NS_PER_SEC),
	};
	struct io_uring_cqe *cqe;

	/* some has ended already */
	if (t->ring.kept_n > 0)
		ts = (struct __kernel_timespec){0};
	io_uring_submit_and_wait_timeout(&t->ring.ring, &cqe, 1, &ts, NULL);
}

/* How long the kernel has to end what was given up. */
#define GIVEN_UP_NS (100 * NS_PER_MS)

static void end_given_up(struct direct_thread *t)
{
	const uint64_t until = clock_ns() + GIVEN_UP_NS;

	while (t->in_ring > 0 && clock_ns() < until) {
		wait_until(t, until);
		reap(t);
	}
}

void direct_thread_fini(void *thread)
{
	struct direct_thread *t = thread;

	end_given_up(t);
	direct_hands_fini(&t->hands);
	direct_ring_fini(&t->ring, t->in_ring > 0);
	open_files_finish(&t->open);
	free(t->ops);
	free(t->fixed);
}

size_t direct_wait(void *thread, struct io **done, size_t max, uint64_t deadline_ns)
{
	struct direct_thread *t = thread;

	/* some have ended already: what was begun meanwhile goes off, and nobody waits */
	if (t->done.head && io_uring_sq_ready(&t->ring.ring))
		direct_ring_send(&t->ring);
	while (!t->done.head) {
		wait_until(t, deadline_ns);
		reap(t);
		if (!t->done.head && t->now_ns >= deadline_ns)
			break;
	}
	return io_list_give(&t->done, done, max);
}

void direct_cancel(void *thread)
{
	struct direct_thread *t = thread;
	struct io *next;

	for (struct io *io = direct_hands_give_up(&t->hands); io; io = next) {
		next = io->next;
		io->start_ns = io->end_ns = clock_ns();
		direct_judge(t->job, io, ETIMEDOUT);
		io_list_add(&t->done, io);
	}
	direct_op_give_up(t);
}
