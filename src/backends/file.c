/* file: files through the page cache, by blocking calls; one slot per thread. */
#include "backends/file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

#include "common/err.h"

/* A descriptor table of its own spares a thread the locks and counts of the shared one, a tenth of the
 * cost of a small get, and has room for as many files as the limit allows. Where that is not allowed the
 * shared one does; and ThreadSanitizer takes the same number in two tables for the same file. */
#ifdef __has_feature
#if __has_feature(thread_sanitizer) /* as clang says it */
#define __SANITIZE_THREAD__ 1
#endif
#endif

static bool own_descriptors(void)
{
#ifdef __SANITIZE_THREAD__
	return false;
#else
	return unshare(CLONE_FILES) == 0;
#endif
}

static void *try_own_descriptors(void *user)
{
	*(bool *)user = own_descriptors();
	return NULL;
}

static int file_job_init(void *state, const struct backend_config *cfg, struct err *err)
{
	struct file_job *job = state;
	pthread_t probe;

	(void)err;
	*job = (struct file_job){
		.data = cfg->data, .page = cfg->page, .page_cache = cfg->page_cache};
	if (pthread_create(&probe, NULL, try_own_descriptors, &job->own_descriptors) == 0)
		pthread_join(probe, NULL);
	job->keeps = open_files_bound(cfg->threads, job->own_descriptors);
	return 0;
}

static uint64_t file_keeps(void *job)
{
	return ((const struct file_job *)job)->keeps;
}

static void file_job_fini(void *state)
{
	(void)state;
}

int file_thread_begin(
	struct file_thread *t, struct file_job *job, void *user, struct err *err)
{
	t->job = job;
	t->user = user;
	io_list_init(&t->done);
	t->chunk = mmap(NULL, FILE_CHUNK, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (t->chunk == MAP_FAILED)
		t->chunk = NULL;
	/* a read of a file that stays open need not look at the time as well */
	if (!t->chunk || open_files_init(&t->open, job->keeps, O_NOATIME) < 0)
		return err_sys(err, ENOMEM, "no memory for buffers");
	return 0;
}

void file_thread_end(struct file_thread *t)
{
	if (t->chunk)
		munmap(t->chunk, FILE_CHUNK);
	if (t->built)
		munmap(t->built, FILE_BUILT_MAX);
	open_files_finish(&t->open);
	buf_finish(&t->pending);
}

static int file_thread_init(void *job, void *thread, void *thread_user, struct err *err)
{
	struct file_job *j = job;

	if (j->own_descriptors)
		own_descriptors();
	return file_thread_begin(thread, j, thread_user, err);
}

static void file_thread_fini(void *thread)
{
	file_thread_end(thread);
}

void file_run(struct file_thread *t, struct io *io)
{
	static void (*const run[OP_KINDS])(struct file_thread *, struct io *) = {
		[OP_GET] = file_get,
		[OP_RANGE_GET] = file_range_get,
		[OP_PUT] = file_put,
		[OP_RANGE_PUT] = file_range_put,
		[OP_LIST] = file_list,
		[OP_STAT] = file_stat,
		[OP_DELETE] = file_delete,
		[OP_MKDIR] = file_mkdir,
		[OP_RMDIR] = file_rmdir,
	};

	t->paused_ns = 0;
	run[io->kind](t, io);
}

static void file_submit(void *thread, struct io **ops, size_t n)
{
	struct file_thread *t = thread;

	for (size_t i = 0; i < n; i++) {
		file_run(t, ops[i]);
		io_list_add(&t->done, ops[i]);
	}
}

static size_t file_wait(void *thread, struct io **done, size_t max, uint64_t deadline_ns)
{
	struct file_thread *t = thread;

	(void)deadline_ns;
	return io_list_give(&t->done, done, max);
}

/* Nothing is ever left in flight between submit and wait. */
static void file_cancel(void *thread)
{
	(void)thread;
}

static const struct backend_option no_options[] = {{NULL}};

extern const struct backend backend_file;
const struct backend backend_file = {
	.name = "file",
	.schemes = "file://",
	.summary = "files through the page cache: local disks and mounted file systems",
	.options = no_options,
	.ops = 1u << OP_GET | 1u << OP_PUT | 1u << OP_LIST | 1u << OP_STAT |
	       1u << OP_DELETE | 1u << OP_RANGE_GET | 1u << OP_RANGE_PUT |
	       1u << OP_MKDIR | 1u << OP_RMDIR,
	.sync = true,
	.job_size = sizeof(struct file_job),
	.thread_size = sizeof(struct file_thread),
	.job_init = file_job_init,
	.keeps = file_keeps,
	.check = file_check,
	.room = file_room,
	.thread_init = file_thread_init,
	.submit = file_submit,
	.wait = file_wait,
	.cancel = file_cancel,
	.thread_fini = file_thread_fini,
	.job_fini = file_job_fini,
	.list = file_list_all,
	.list_dirs = file_list_dirs,
	.read_small = file_read_small,
	.write_small = file_write_small,
	.remove_small = file_remove_small,
	.holder_missing = file_holder_missing,
	.holder_make = file_holder_make,
	.holder_remove = file_holder_remove,
};
