/* direct: files past the page cache (O_DIRECT). What the parts of the backend share.
 *
 * Reads, and writes into files that are there, go through an io_uring per engine thread, with many ops in
 * flight. What blocks in the kernel whoever asks (making, writing and removing files, names and listings)
 * is done by hands: threads of the engine thread's own, each of which does one op at a time. Where there
 * is no io_uring, all is done so, by one engine thread per slot (direct_sync.c). */
#pragma once

#include <liburing.h>
#include <pthread.h>

#include "backends/file.h"

/* Objects are read and written in pieces of so much, one after the other: what is in flight together is
 * what concurrency says. */
#define DIRECT_PIECE FILE_CHUNK
/* Fits any file system and device that is common; what one needs beyond it is found out (direct_align). */
#define DIRECT_BLOCK 4096u

struct direct_job {
	struct file_job file; /* the first member: a file_thread's job is this one */
	uint32_t slots;       /* of one thread, at most */
	uint32_t
		block; /* lengths of reads, and of writes of whole files, are multiples of it */
	uint32_t align;     /* what was found that ranges must fit; 0: nothing yet */
	size_t fixed_bytes; /* of each buffer that the kernel keeps mapped, at most */
	/* what people should know: of locked memory, and of writes; or empty */
	char little_locked[200], buffered[300];
};

/* ---- direct_align.c: what direct I/O wants where a file lies ---- */

/* What offsets, lengths (offset) and buffers (memory) are to be multiples of at path, a file or a place where
 * files will be made. -1 with err: there is no direct I/O there. */
struct direct_align {
	uint32_t offset, memory;
	bool buffered; /* writes go through the page cache all the same */
};
int direct_align_at(const char *path, struct direct_align *ret, struct err *err);

/* ---- direct_sync.c: ops by blocking calls ---- */

/* Of a thread that a direct_job's file_job was given to: any op. */
void direct_sync_run(struct file_thread *t, struct io *io);
/* The content of a put or range_put behind its first done bytes, to out (len bytes, page-aligned); what is beyond its
 * end is zero. done: a multiple of CONTENT_STAMP. */
void direct_content(const struct data *data, const struct io *io, uint64_t done,
	uint8_t *out, size_t len);
/* How many bytes the next read of io asks for: up to the end of the block that its last byte lies in. */
uint32_t direct_read_len(const struct direct_job *job, const struct io *io);
/* Says what went wrong with an op (errnum 0: nothing, but it may be short). */
void direct_judge(const struct direct_job *job, struct io *io, int errnum);

/* ---- direct_hands.c ---- */

/* A page of a list, which the engine thread hears of when it takes what is done. */
struct direct_page {
	const struct io *io;
	uint64_t start_ns, end_ns;
	struct direct_page *next;
};

struct direct_hands {
	struct direct_job job; /* as the engine thread's, but for where pages go */
	int event; /* an eventfd that counts whenever there is something to take */
	pthread_mutex_t lock;
	pthread_cond_t given;
	struct io_list queue; /* not begun */
	struct io *done;
	struct direct_page *pages, **pages_tail;
	pthread_t *ids;
	uint32_t n, most, idle, queued;
	bool made, quit;
};

/* most: threads, started as they are needed. fini waits for them; it takes what init left half done. */
int direct_hands_init(struct direct_hands *h, const struct direct_job *job, uint32_t most,
	struct err *err);
void direct_hands_fini(struct direct_hands *h);
void direct_hands_give(struct direct_hands *h, struct io *io);
/* All that are done, in no order, linked by next; and the pages that have ended (free each). */
struct io *direct_hands_take(struct direct_hands *h, struct direct_page **ret_pages);
/* Those that were not begun and never will be, linked by next. */
struct io *direct_hands_give_up(struct direct_hands *h);

/* ---- direct_ring.c: a ring and its buffers ---- */

struct direct_ring {
	struct io_uring ring;
	bool made;
	uint8_t *
		buffers; /* DIRECT_PIECE for each slot, page-aligned; only what is used takes memory */
	size_t buffers_bytes;
	size_t fixed_bytes;   /* of each buffer that are registered; 0: none */
	uint32_t fixed_files; /* indices below it can be registered */
	/* what was taken out of the ring to make room, oldest first */
	struct direct_end *kept;
	uint32_t kept_first, kept_n, kept_room;
};

/* A request that has ended. */
struct direct_end {
	uint64_t user_data;
	int res;
};

/* Whether this machine has an io_uring that does; if not, why. */
bool direct_ring_works(char *why, size_t size);
/* How much of each of a thread's slots' buffers can be registered, by what may be locked (ret_limit,
 * UINT64_MAX: anything); 0: nothing. */
size_t direct_ring_fixed_bytes(uint32_t slots, uint32_t threads, uint64_t *ret_limit);
/* Whether each of so many threads can have one. -1 with err. */
int direct_ring_fit(uint32_t threads, struct err *err);
/* files: how many there may be to be registered. */
int direct_ring_init(struct direct_ring *r, uint32_t slots, size_t fixed_bytes,
	uint32_t files, struct err *err);
/* leave: the kernel may still write to the buffers, which stay where they are. */
void direct_ring_fini(struct direct_ring *r, bool leave);

/* Takes what has ended out of the ring, as much as there is room for, to be had from direct_ring_take. */
void direct_ring_keep(struct direct_ring *r);
/* The next ones that have ended, at most max, in their order. */
unsigned direct_ring_take(struct direct_ring *r, struct direct_end *out, unsigned max);

/* Sends off what is there. Before Linux 5.19 the kernel takes nothing (EBUSY) while it has more that ended than the
 * ring has room for: room is made, so that it puts the rest there and goes on. */
static inline void direct_ring_send(struct direct_ring *r)
{
	if (__builtin_expect(io_uring_submit(&r->ring) < 0, 0)) {
		direct_ring_keep(r);
		io_uring_get_events(&r->ring);
	}
}

/* All of it: the kernel may stop behind a request that it refuses, but not for ever. */
static inline void direct_ring_send_all(struct direct_ring *r)
{
	for (unsigned tries = 0; tries < 64 && io_uring_sq_ready(&r->ring) > 0; tries++)
		direct_ring_send(r);
}

/* A request, to be filled; what is there already goes off when there is no room. */
static inline struct io_uring_sqe *direct_ring_request(
	struct direct_ring *r, uint64_t user_data)
{
	struct io_uring_sqe *sqe;

	while (!(sqe = io_uring_get_sqe(&r->ring)))
		direct_ring_send(r);
	io_uring_sqe_set_data64(sqe, user_data);
	return sqe;
}

/* Room for two that are linked: they go off together. */
static inline void direct_ring_room(struct direct_ring *r)
{
	while (io_uring_sq_space_left(&r->ring) < 2)
		direct_ring_send(r);
}

/* ---- direct_op.c: an op in the ring, step by step ---- */

enum direct_step {
	DIRECT_OPEN,
	DIRECT_MOVE, /* a piece is read or written */
	DIRECT_SYNC, /* a range_put with fsync */
	DIRECT_CLOSE,
};
/* A request's user_data: its op and its step; or one of these. */
#define DIRECT_STEP_MASK 3u
#define DIRECT_EVENT 4u
#define DIRECT_NOBODY 8u

struct direct_op {
	struct io *io; /* NULL: free, or given up */
	uint8_t *buffer;
	struct direct_op *next; /* free ones, last in first out */
	uint64_t paused_ns;     /* how long its clock has stood */
	uint32_t index;         /* of its buffer */
	uint32_t moving;        /* bytes of the piece in flight; then those that came */
	int fd;                 /* or index of a registered file */
	int errnum;
	bool fixed_file;
	bool writes;
	bool closing; /* its close is in the ring already, behind its read */
	bool unseen;  /* moving bytes are in the buffer that nobody has verified */
};

struct direct_thread {
	struct direct_job *job;
	void *user;
	struct direct_ring ring;
	struct direct_hands hands;
	struct direct_op *ops; /* job->slots of them */
	struct direct_op *free;
	struct open_files open; /* of range_get and range_put */
	uint32_t in_ring;       /* requests of ops that the ring has not ended */
	bool *fixed; /* by index of open, below ring.fixed_files: this file is registered */
	uint64_t event_count; /* what is read of hands.event */
	bool event_read;      /* that read is in the ring */
	uint64_t now_ns;      /* when what is being reaped had come */
	struct io_list done;
};

/* Begins a get, range_get or range_put. */
void direct_op_begin(struct direct_thread *t, struct io *io);
/* A request has ended with res (bytes, descriptor or -errno), at t->now_ns. */
void direct_op_step(struct direct_thread *t, uint64_t user_data, int res);
/* Gives up all that are in the ring. */
void direct_op_give_up(struct direct_thread *t);

/* ---- direct_thread.c: of struct backend ---- */

int direct_thread_init(void *job, void *thread, void *thread_user, struct err *err);
void direct_submit(void *thread, struct io **ops, size_t n);
size_t direct_wait(void *thread, struct io **done, size_t max, uint64_t deadline_ns);
void direct_cancel(void *thread);
void direct_thread_fini(void *thread);
