/* direct: files past the page cache: what a job asks of them, and the two entries of the table, with io_uring and
 * without. */
#include "backends/direct.h"

#include <stdio.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/units.h"

extern const struct backend backend_file, backend_direct, backend_direct_sync;

/* ---- the job ---- */

static void say_buffered(struct direct_job *job, const char *path)
{
	snprintf(job->buffered, sizeof(job->buffered),
		"direct://: writes to %.120s go through the page cache: so Linux does it "
		"on btrfs with files that have checksums (chattr +C of an empty folder "
		"makes new ones without)",
		path);
}

/* What ranges and pieces must fit at path. */
static int learn(
	struct direct_job *job, enum op_kind kind, const char *path, struct err *err)
{
	struct direct_align need;

	if (direct_align_at(path, &need, err) < 0)
		return -1;
	if (need.buffered && !job->buffered[0] &&
		(kind == OP_PUT || kind == OP_RANGE_PUT))
		say_buffered(job, path);
	if (need.offset > job->align)
		job->align = need.offset;
	if (job->align > job->block)
		job->block = job->align;
	return 0;
}

static int direct_job_init(void *state, const struct backend_config *cfg, struct err *err)
{
	struct direct_job *job = state;

	job->slots = (cfg->concurrency + cfg->threads - 1) / cfg->threads;
	job->block = DIRECT_BLOCK;
	return backend_file.job_init(&job->file, cfg, err);
}

/* Small reads gain most of buffers that are registered. */
#define FIXED_ENOUGH (64u * 1024u)

static void say_limit(struct direct_job *job, uint64_t limit)
{
	char which[100] = "no buffers are";

	if (job->fixed_bytes)
		snprintf(which, sizeof(which), "no more than %s of a buffer is",
			units_bytes(job->fixed_bytes).s);
	snprintf(job->little_locked, sizeof(job->little_locked),
		"direct://: only %s of memory may be locked (ulimit -l): %s registered "
		"with "
		"the kernel, and larger reads cost more CPU",
		units_bytes(limit).s, which);
}

static int ring_job_init(void *state, const struct backend_config *cfg, struct err *err)
{
	struct direct_job *job = state;
	uint64_t limit;

	if (direct_job_init(state, cfg, err) < 0 ||
		direct_ring_fit(cfg->threads, err) < 0)
		return -1;
	/* gets and puts have files open, too */
	if (job->file.keeps > 4 * job->slots)
		job->file.keeps -= 2 * job->slots;
	job->fixed_bytes = direct_ring_fixed_bytes(job->slots, cfg->threads, &limit);
	if (job->fixed_bytes < FIXED_ENOUGH && limit != UINT64_MAX)
		say_limit(job, limit);
	return 0;
}

static void direct_job_fini(void *state)
{
	struct direct_job *job = state;

	backend_file.job_fini(&job->file);
}

static uint64_t direct_keeps(void *state)
{
	return ((const struct direct_job *)state)->file.keeps;
}

static const char *direct_remark(void *state, size_t i)
{
	const struct direct_job *job = state;
	const char *const all[] = {job->little_locked, job->buffered};

	for (size_t k = 0; k < ARRAY_LEN(all); k++)
		if (all[k][0] && i-- == 0)
			return all[k];
	return NULL;
}

static int direct_check(void *state, enum op_kind kind, const char *uri, struct err *err)
{
	if (file_check(state, kind, uri, err) < 0)
		return -1;
	return kind == OP_PUT ? learn(state, kind, file_path(uri), err) : 0;
}

static int bad_range(const struct direct_job *job, const char *key, uint64_t value,
	const char *path, struct err *err)
{
	uint64_t least = (value + job->align - 1) / job->align * job->align;

	return err_set(err, ERR_INPUT,
		"%s %llu does not fit direct I/O on %s, which takes multiples of %u "
		"bytes: "
		"write %llu, or file:// instead of direct://",
		key, (unsigned long long)value, path, job->align,
		(unsigned long long)least);
}

/* Where nobody said where ranges begin: as file systems and page caches have them, at 4 KiB, or closer where
 * they are smaller. */
static uint64_t usual_align(const struct direct_job *job, uint64_t size)
{
	uint64_t align = job->block;

	while (align > job->align && size % align)
		align /= 2;
	return align;
}

static int direct_fit(void *state, struct job_op *op, const char *uri, struct err *err)
{
	struct direct_job *job = state;
	const char *path = file_path(uri);

	if (!op_infos[op->kind].moves_data)
		return 0;
	if (learn(job, op->kind, path, err) < 0)
		return -1;
	if (op->kind != OP_RANGE_GET && op->kind != OP_RANGE_PUT)
		return 0;
	if (op->range_size % job->align)
		return bad_range(job, "range_size", op->range_size, path, err);
	if (op->range_align == 0)
		op->range_align = usual_align(job, op->range_size);
	if (op->range_align % job->align)
		return bad_range(job, "range_align", op->range_align, path, err);
	/* a read may go on behind the end, a write may not */
	op->range_unit = op->kind == OP_RANGE_PUT ? job->align : 0;
	return 0;
}

/* ---- a thread without one ---- */

static int sync_thread_init(void *job, void *thread, void *thread_user, struct err *err)
{
	struct file_thread *t = thread;

	if (backend_file.thread_init(job, thread, thread_user, err) < 0)
		return -1;
	t->open.flags = O_DIRECT;
	return 0;
}

static void sync_submit(void *thread, struct io **ops, size_t n)
{
	struct file_thread *t = thread;

	for (size_t i = 0; i < n; i++) {
		direct_sync_run(t, ops[i]);
		io_list_add(&t->done, ops[i]);
	}
}

static size_t sync_wait(void *thread, struct io **done, size_t max, uint64_t deadline_ns)
{
	return backend_file.wait(thread, done, max, deadline_ns);
}

static void sync_cancel(void *thread)
{
	backend_file.cancel(thread);
}

static void sync_thread_fini(void *thread)
{
	backend_file.thread_fini(thread);
}

static const struct backend_option no_options[] = {{NULL}};

#define DIRECT_OPS                                                                       \
	(1u << OP_GET | 1u << OP_PUT | 1u << OP_LIST | 1u << OP_STAT | 1u << OP_DELETE | \
		1u << OP_RANGE_GET | 1u << OP_RANGE_PUT | 1u << OP_MKDIR |               \
		1u << OP_RMDIR)

#define DIRECT_COMMON                                                                    \
	.schemes = "direct://", .options = no_options, .ops = DIRECT_OPS,                \
	.job_size = sizeof(struct direct_job), .remark = direct_remark,                  \
	.keeps = direct_keeps, .check = direct_check, .room = file_room,                 \
	.fit = direct_fit, .job_fini = direct_job_fini, .list = file_list_all,           \
	.list_dirs = file_list_dirs, .read_small = file_read_small,                      \
	.write_small = file_write_small, .remove_small = file_remove_small,              \
	.holder_missing = file_holder_missing, .holder_make = file_holder_make,          \
	.holder_remove = file_holder_remove

const struct backend backend_direct_sync = {
	.name = "direct-sync",
	.summary = "by blocking calls, one thread for each slot",
	DIRECT_COMMON,
	.sync = true,
	.thread_size = sizeof(struct file_thread),
	.job_init = direct_job_init,
	.thread_init = sync_thread_init,
	.submit = sync_submit,
	.wait = sync_wait,
	.cancel = sync_cancel,
	.thread_fini = sync_thread_fini,
};

const struct backend backend_direct = {
	.name = "direct",
	.summary = "files past the page cache (O_DIRECT), by io_uring",
	DIRECT_COMMON,
	.works = direct_ring_works,
	.instead = &backend_direct_sync,
	.thread_size = sizeof(struct direct_thread),
	.job_init = ring_job_init,
	.thread_init = direct_thread_init,
	.submit = direct_submit,
	.wait = direct_wait,
	.cancel = direct_cancel,
	.thread_fini = direct_thread_fini,
};
