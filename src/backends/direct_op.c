/* direct_op: one op in the ring, step by step. A get opens, reads and closes; where one piece is surely
 * all, the close waits behind the read in the ring. Ranges go to files that stay open. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "backends/content.h"
#include "backends/direct.h"

static struct io_uring_sqe *request(
	struct direct_thread *t, struct direct_op *op, enum direct_step step)
{
	t->in_ring++;
	return direct_ring_request(&t->ring, (uintptr_t)op | step);
}

/* Whether what was read is right, while the clock of the op stands. */
static bool verify(struct direct_thread *t, struct direct_op *op)
{
	struct io *io = op->io;
	uint64_t begun_ns = clock_ns(), at = io->offset + io->bytes - op->moving;
	bool same = content_check(t->job->file.data, io, at, op->buffer, op->moving);

	op->unseen = false;
	op->paused_ns += clock_ns() - begun_ns;
	return same;
}

static void finish(struct direct_thread *t, struct direct_op *op)
{
	struct io *io = op->io;

	io->end_ns = t->now_ns - op->paused_ns;
	if (op->unseen && !op->errnum)
		verify(t, op);
	direct_judge(t->job, io, op->errnum);
	op->io = NULL;
	op->next = t->free;
	t->free = op;
	io_list_add(&t->done, io);
}

static void begin_close(struct direct_thread *t, struct direct_op *op)
{
	io_uring_prep_close(request(t, op, DIRECT_CLOSE), op->fd);
}

/* The piece is all there is to move. */
static bool is_last(const struct direct_op *op)
{
	const struct io *io = op->io;

	return io->size != UINT64_MAX && io->bytes + op->moving >= io->size;
}

static void begin_move(struct direct_thread *t, struct direct_op *op)
{
	const struct io *io = op->io;
	uint64_t at = io->offset + io->bytes;
	bool fixed = op->moving <= t->ring.fixed_bytes;
	int index = (int)op->index;
	struct io_uring_sqe *sqe;

	direct_ring_room(&t->ring);
	sqe = request(t, op, DIRECT_MOVE);
	if (op->writes && fixed)
		io_uring_prep_write_fixed(sqe, op->fd, op->buffer, op->moving, at, index);
	else if (op->writes)
		io_uring_prep_write(sqe, op->fd, op->buffer, op->moving, at);
	else if (fixed)
		io_uring_prep_read_fixed(sqe, op->fd, op->buffer, op->moving, at, index);
	else
		io_uring_prep_read(sqe, op->fd, op->buffer, op->moving, at);
	if (op->fixed_file)
		sqe->flags |= IOSQE_FIXED_FILE;
	op->closing = io->kind == OP_GET && is_last(op);
	if (op->closing) {
		sqe->flags |= IOSQE_IO_HARDLINK;
		begin_close(t, op);
	}
}

/* ---- ranges ---- */

/* The kernel finds a registered file without counting who uses it. */
static bool register_file(struct direct_thread *t, uint32_t index, int fd)
{
	if (index >= t->ring.fixed_files)
		return false;
	t->fixed[index] =
		io_uring_register_files_update(&t->ring.ring, index, &fd, 1) == 1;
	return t->fixed[index];
}

static int open_file(struct direct_thread *t, struct open_file *f)
{
	int rc = open_files_open(&t->open, f);

	if (rc == 0)
		register_file(t, (uint32_t)(f - t->open.files), f->fd);
	return rc;
}

/* Finds the file of a range, for one piece. 0 or errno. */
static int take_file(struct direct_thread *t, struct direct_op *op)
{
	struct open_file *f =
		open_files_take(&t->open, file_path(op->io->uri), op->writes);
	uint32_t index;
	int rc;

	if (!f)
		return ENOMEM;
	if (__builtin_expect(f->fd < 0, 0)) {
		rc = open_file(t, f);
		if (rc)
			return rc;
	}
	index = (uint32_t)(f - t->open.files);
	op->fixed_file = index < t->ring.fixed_files && t->fixed[index];
	op->fd = op->fixed_file ? (int)index : f->fd;
	return 0;
}

/* What something went wrong with is not kept: the next op begins with its name again. */
static void drop_file(struct direct_thread *t, const struct direct_op *op)
{
	struct open_file *f =
		open_files_take(&t->open, file_path(op->io->uri), op->writes);

	if (f)
		open_files_drop(&t->open, f);
}

static void begin_range(struct direct_thread *t, struct direct_op *op)
{
	op->errnum = take_file(t, op);
	if (op->errnum) {
		t->now_ns = clock_ns();
		finish(t, op);
		return;
	}
	begin_move(t, op);
}

/* ---- pieces ---- */

/* The next piece; of a write with its content. */
static void set_piece(struct direct_thread *t, struct direct_op *op)
{
	const struct io *io = op->io;
	uint64_t left = io->size - io->bytes;

	if (!op->writes) {
		op->moving = direct_read_len(t->job, io);
		return;
	}
	op->moving = left < DIRECT_PIECE ? (uint32_t)left : DIRECT_PIECE;
	direct_content(t->job->file.data, io, io->bytes, op->buffer, op->moving);
}

static void next_piece(struct direct_thread *t, struct direct_op *op)
{
	uint64_t begun_ns = clock_ns();

	set_piece(t, op);
	if (op->writes)
		op->paused_ns += clock_ns() - begun_ns;
	if (op->io->kind == OP_GET)
		begin_move(t, op);
	else
		begin_range(t, op);
}

/* The file may have been closed for another's sake since it was written, and may be so before this has ended: it is a
 * thread of the kernel's that looks the descriptor up, when it comes to it. So it gets one of its own. */
static void begin_sync(struct direct_thread *t, struct direct_op *op)
{
	struct open_file *f;

	op->errnum = take_file(t, op);
	if (op->errnum) {
		finish(t, op);
		return;
	}
	f = open_files_take(&t->open, file_path(op->io->uri), true);
	op->fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 0);
	if (op->fd < 0) {
		op->errnum = errno;
		finish(t, op);
		return;
	}
	io_uring_prep_fsync(request(t, op, DIRECT_SYNC), op->fd, 0);
}

/* Nothing more is to be moved. */
static void end_moves(struct direct_thread *t, struct direct_op *op)
{
	struct io *io = op->io;

	if (op->closing)
		return;
	if (io->kind == OP_GET) {
		begin_close(t, op);
	} else if (io->fsync && op->writes && !op->errnum) {
		begin_sync(t, op);
	} else {
		if (op->errnum || io->bytes < io->size)
			drop_file(t, op);
		finish(t, op);
	}
}

static void moved(struct direct_thread *t, struct direct_op *op, int res)
{
	struct io *io = op->io;
	bool at_end = res < (int)op->moving;

	if (res < 0) {
		op->errnum = -res;
		end_moves(t, op);
		return;
	}
	if (!io->first_byte_ns && res > 0 && !op->writes)
		io->first_byte_ns = t->now_ns - op->paused_ns;
	/* of a range whose end is within a block, and of a get no more than the object was said to hold */
	op->moving = (uint32_t)res;
	if (io->size != UINT64_MAX && op->moving > io->size - io->bytes)
		op->moving = (uint32_t)(io->size - io->bytes);
	io->bytes += op->moving;
	op->unseen = io->verify && !op->writes && op->moving > 0;
	if (at_end || io->bytes >= io->size)
		end_moves(t, op);
	else if (!op->unseen || verify(t, op))
		next_piece(t, op);
	else
		end_moves(t, op);
}

/* ---- steps ---- */

static void opened(struct direct_thread *t, struct direct_op *op, int res)
{
	if (res < 0) {
		op->errnum = -res;
		finish(t, op);
		return;
	}
	op->fd = res;
	begin_move(t, op);
}

static void synced(struct direct_thread *t, struct direct_op *op, int res)
{
	close(op->fd);
	if (res < 0) {
		op->errnum = -res;
		drop_file(t, op);
	}
	finish(t, op);
}

static void closed(struct direct_thread *t, struct direct_op *op, int res)
{
	/* a read that was not even begun takes its close with it */
	if (res == -ECANCELED)
		close(op->fd);
	else if (res < 0 && !op->errnum)
		op->errnum = -res;
	finish(t, op);
}

void direct_op_step(struct direct_thread *t, uint64_t user_data, int res)
{
	static void (*const steps[])(
		struct direct_thread * t, struct direct_op * op, int res) = {
		[DIRECT_OPEN] = opened,
		[DIRECT_MOVE] = moved,
		[DIRECT_SYNC] = synced,
		[DIRECT_CLOSE] = closed,
	};
	unsigned step = (unsigned)(user_data & DIRECT_STEP_MASK);
	struct direct_op *op =
		(struct direct_op *)(uintptr_t)(user_data & ~(uint64_t)DIRECT_STEP_MASK);

	t->in_ring--;
	if (__builtin_expect(op->io != NULL, 1))
		steps[step](t, op, res);
	else if (step == DIRECT_OPEN && res >= 0)
		close(res); /* of one that was given up */
	else if (step == DIRECT_SYNC)
		close(op->fd);
}

void direct_op_begin(struct direct_thread *t, struct io *io)
{
	struct direct_op *op = t->free;

	t->free = op->next;
	op->io = io;
	op->paused_ns = 0;
	op->errnum = 0;
	op->closing = op->unseen = op->fixed_file = false;
	op->writes = io->kind == OP_RANGE_PUT;
	set_piece(t, op);
	io->start_ns = clock_ns();
	if (io->kind != OP_GET) {
		begin_range(t, op);
		return;
	}
	io_uring_prep_openat(request(t, op, DIRECT_OPEN), AT_FDCWD, file_path(io->uri),
		O_RDONLY | O_DIRECT | O_CLOEXEC, 0);
}

void direct_op_give_up(struct direct_thread *t)
{
	t->now_ns = clock_ns();
	for (uint32_t i = 0; i < t->job->slots; i++) {
		struct direct_op *op = &t->ops[i];

		if (!op->io)
			continue;
		op->io->end_ns = t->now_ns;
		direct_judge(t->job, op->io, ETIMEDOUT);
		io_list_add(&t->done, op->io);
		op->io = NULL;
	}
	/* whatever can be called back */
	io_uring_prep_cancel64(direct_ring_request(&t->ring, DIRECT_NOBODY), 0,
		IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY);
	direct_ring_send(&t->ring);
}
