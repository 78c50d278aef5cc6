/* direct_ring: a ring as good as this kernel has it, and buffers that it keeps mapped where the limits
 * allow. Everything is tried, and stepped down from. */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backends/direct.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/units.h"

/* Entries of the kernel's queues; what is more waits in ours. */
#define ENTRIES_MAX 4096u
#define ENTRIES_MIN 16u
/* How long memory is waited for. */
#define TRIES 20u
#define STEP_NS (10 * NS_PER_MS)
/* Registered memory is pinned: no more of it for all threads together, whatever may be locked. */
#define FIXED_ALL (64u * 1024u * 1024u)
/* A table of registered files takes memory of the kernel, too. */
#define FIXED_FILES_MAX 32768u

/* The first that the kernel takes. One thread submits, and it does what is left to do for a completion only
 * when it waits, which saves it interrupts: a fifth of the CPU of a small read. */
static const unsigned flag_sets[] = {
	IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, /* Linux 6.1 */
	IORING_SETUP_COOP_TASKRUN,                               /* 5.19 */
	0,
};

/* A wait with a deadline, and no completion that gets lost: 5.11. */
#define FEATURES (IORING_FEAT_EXT_ARG | IORING_FEAT_NODROP)

static unsigned entries_for(uint32_t slots)
{
	unsigned n = ENTRIES_MIN;

	while (n < ENTRIES_MAX && n < 2 * slots + 2)
		n *= 2;
	return n;
}

/* 0 or -errno. */
static int try_ring(struct io_uring *ring, unsigned entries)
{
	int rc = -EINVAL;

	for (size_t i = 0; rc == -EINVAL && i < ARRAY_LEN(flag_sets); i++) {
		struct io_uring_params p = {
			.flags = flag_sets[i] | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
			.cq_entries = 2 * entries,
		};

		rc = io_uring_queue_init_params(entries, ring, &p);
	}
	return rc;
}

/* What the last phase had locked is given back by the kernel a little later than its threads end. */
static bool wait_for_memory(unsigned *tries)
{
	if (*tries == 0)
		return false;
	--*tries;
	clock_sleep_until(clock_ns() + STEP_NS);
	return true;
}

/* Queues count as locked memory, too: shorter ones do as well. */
static int make_ring(struct io_uring *ring, unsigned entries)
{
	unsigned tries = TRIES;
	int rc;

	while ((rc = try_ring(ring, entries)) == -ENOMEM) {
		if (wait_for_memory(&tries))
			continue;
		if (entries == ENTRIES_MIN)
			break;
		entries /= 2;
	}
	return rc;
}

bool direct_ring_works(char *why, size_t size)
{
	struct io_uring ring;
	int rc = make_ring(&ring, ENTRIES_MIN);
	bool enough = rc == 0 && (ring.features & FEATURES) == FEATURES;

	if (rc == 0)
		io_uring_queue_exit(&ring);
	if (enough)
		return true;
	if (rc == 0 || rc == -EINVAL || rc == -ENOSYS)
		snprintf(why, size,
			"this kernel has no io_uring, or one that is too old (Linux 5.11 "
			"has "
			"what is needed)");
	else if (rc == -EPERM || rc == -EACCES)
		snprintf(why, size,
			"io_uring is forbidden here (a container's seccomp filter, or "
			"sysctl kernel.io_uring_disabled)");
	else if (rc == -ENOMEM)
		snprintf(why, size,
			"too little memory may be locked for io_uring (ulimit -l)");
	else
		snprintf(why, size, "no io_uring here: %s", strerror(-rc));
	return false;
}

/* ---- buffers ---- */

static bool may_lock_any(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	return syscall(SYS_capget, &head, data) == 0 &&
	       (data[0].effective & 1u << CAP_IPC_LOCK);
}

size_t direct_ring_fixed_bytes(uint32_t n, uint32_t threads, uint64_t *ret_limit)
{
	struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
	size_t bytes = DIRECT_PIECE, all = FIXED_ALL;

	if (!may_lock_any())
		getrlimit(RLIMIT_MEMLOCK, &limit);
	*ret_limit = limit.rlim_cur;
	/* the queues want some, too */
	if (limit.rlim_cur / 2 < all)
		all = (size_t)limit.rlim_cur / 2;
	while (bytes >= DIRECT_BLOCK && bytes * n > all / threads)
		bytes /= 2;
	return bytes >= DIRECT_BLOCK ? bytes : 0;
}

/* Others of this user may have locked some already: less of each, until it fits. */
static void register_buffers(struct direct_ring *r, uint32_t slots, size_t bytes)
{
	AUTO_FREE struct iovec *iov = calloc(slots, sizeof(*iov));
	unsigned tries = TRIES;

	while (iov && bytes >= DIRECT_BLOCK) {
		int rc;

		for (uint32_t i = 0; i < slots; i++)
			iov[i] = (struct iovec){
				r->buffers + (size_t)i * DIRECT_PIECE, bytes};
		rc = io_uring_register_buffers(&r->ring, iov, slots);
		if (rc == 0) {
			r->fixed_bytes = bytes;
			return;
		}
		if (rc != -ENOMEM || !wait_for_memory(&tries))
			bytes /= 2;
	}
}

static int map_buffers(struct direct_ring *r, uint32_t slots)
{
	void *at;

	r->buffers_bytes = (size_t)slots * DIRECT_PIECE;
	at = mmap(NULL, r->buffers_bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED)
		return -ENOMEM;
	r->buffers = at;
	return 0;
}

int direct_ring_fit(uint32_t threads, struct err *err)
{
	AUTO_FREE struct io_uring *rings = calloc(threads, sizeof(*rings));
	uint32_t n = 0;
	int rc = rings ? 0 : -ENOMEM;

	while (rc == 0 && n < threads) {
		rc = make_ring(&rings[n], ENTRIES_MIN);
		n += rc == 0;
	}
	for (uint32_t i = 0; i < n; i++)
		io_uring_queue_exit(&rings[i]);
	if (rc == -ENOMEM)
		return err_set(err, ERR_INPUT,
			"too little memory may be locked for an io_uring for each of %u "
			"threads: "
			"raise ulimit -l, or write fewer processes",
			threads);
	return rc < 0 ? err_sys(err, -rc, "cannot make an io_uring") : 0;
}

/* ---- what has ended ---- */

/* Besides two for each slot: the hands' event, and what gives others up. */
#define KEPT_MORE 64u

void direct_ring_keep(struct direct_ring *r)
{
	struct io_uring_cqe *cqe;

	while (r->kept_n < r->kept_room && io_uring_peek_cqe(&r->ring, &cqe) == 0) {
		r->kept[(r->kept_first + r->kept_n++) % r->kept_room] =
			(struct direct_end){cqe->user_data, cqe->res};
		io_uring_cqe_seen(&r->ring, cqe);
	}
}

unsigned direct_ring_take(struct direct_ring *r, struct direct_end *out, unsigned max)
{
	struct io_uring_cqe *cqe;
	unsigned head, n = 0, from_ring = 0;

	for (; n < max && r->kept_n > 0; r->kept_n--) {
		out[n++] = r->kept[r->kept_first];
		r->kept_first = (r->kept_first + 1) % r->kept_room;
	}
	io_uring_for_each_cqe(&r->ring, head, cqe)
	{
		if (n == max)
			break;
		out[n++] = (struct direct_end){cqe->user_data, cqe->res};
		from_ring++;
	}
	io_uring_cq_advance(&r->ring, from_ring);
	return n;
}

int direct_ring_init(struct direct_ring *r, uint32_t slots, size_t fixed_bytes,
	uint32_t files, struct err *err)
{
	unsigned waiters[2] = {slots, 0}; /* on files; 0: as it is */
	int rc = make_ring(&r->ring, entries_for(slots));

	if (rc < 0)
		return err_sys(err, -rc, "cannot make an io_uring");
	r->made = true;
	r->kept_room = 2 * slots + KEPT_MORE;
	r->kept = calloc(r->kept_room, sizeof(*r->kept));
	if (!r->kept || map_buffers(r, slots) < 0)
		return err_sys(err, ENOMEM, "no memory for %u buffers", slots);
	register_buffers(r, slots, fixed_bytes);
	if (files > FIXED_FILES_MAX)
		files = FIXED_FILES_MAX;
	if (io_uring_register_files_sparse(&r->ring, files) == 0)
		r->fixed_files = files;
	/* what has to wait in the kernel (names that are not in memory) waits side by side, not for one of
	 * four threads per processor; Linux 5.15 */
	io_uring_register_iowq_max_workers(&r->ring, waiters);
	/* the ring's own descriptor, which is looked up with each call */
	io_uring_register_ring_fd(&r->ring);
	return 0;
}

void direct_ring_fini(struct direct_ring *r, bool leave)
{
	if (r->made)
		io_uring_queue_exit(&r->ring);
	if (r->buffers && !leave)
		munmap(r->buffers, r->buffers_bytes);
	free(r->kept);
	*r = (struct direct_ring){0};
}
