/* file: files through the page cache, by blocking calls; one slot per thread. */
#include "backends/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"

static int file_job_init(void *state, const struct backend_config *cfg, struct err *err)
{
	struct file_job *job = state;

	(void)err;
	job->data = cfg->data;
	job->page = cfg->page;
	return 0;
}

static void file_job_fini(void *state)
{
	(void)state;
}

static int bad_path(const char *uri, struct err *err)
{
	if (file_path(uri)[0] != '/')
		return err_set(
			err, ERR_INPUT, "%s: not an absolute path (file:///PATH)", uri);
	/* room for the names that are put behind it */
	if (strlen(uri) > PATH_MAX - NAME_MAX)
		return err_set(err, ERR_INPUT, "%.60s...: path too long", uri);
	return 0;
}

/* A put makes its directories: the nearest one that exists must let it. */
static int check_put(const char *uri, struct err *err)
{
	char path[PATH_MAX];
	size_t len = (size_t)snprintf(path, sizeof(path), "%s", file_path(uri));
	struct stat st;

	while (stat(path, &st) < 0) {
		if (errno != ENOENT)
			return err_sys(err, errno, "%s", path);
		while (len > 1 && path[len - 1] == '/')
			len--;
		while (len > 1 && path[len - 1] != '/')
			len--;
		path[len] = '\0';
	}
	if (!S_ISDIR(st.st_mode))
		return err_sys(err, ENOTDIR, "%s", path);
	if (access(path, W_OK | X_OK) < 0)
		return err_sys(err, errno, "cannot write in %s", path);
	return 0;
}

static int check_dir(const char *path, struct err *err)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err_sys(err, errno, "cannot read %s", path) : 0;
}

static int check_object(enum op_kind kind, const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_sys(err, errno, "%s", path);
	if (S_ISDIR(st.st_mode))
		return err_set(err, ERR_INPUT,
			"%s is a directory; for what lies in it write %s/", path, path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_INPUT, "%s is not a regular file", path);
	if ((kind == OP_GET || kind == OP_RANGE_GET) && access(path, R_OK) < 0)
		return err_sys(err, errno, "cannot read %s", path);
	return 0;
}

static int file_check(void *job, enum op_kind kind, const char *uri, struct err *err)
{
	const char *path = file_path(uri);

	(void)job;
	if (bad_path(uri, err) < 0)
		return -1;
	if (kind == OP_PUT)
		return check_put(uri, err);
	if (kind == OP_LIST || path[strlen(path) - 1] == '/')
		return check_dir(path, err);
	return check_object(kind, path, err);
}

/* A descriptor table of its own spares a thread the locks and counts of the shared one, a tenth of the
 * cost of a small get. Where that is not allowed the shared one does; and ThreadSanitizer takes the same
 * number in two tables for the same file. */
#ifdef __has_feature
#if __has_feature(thread_sanitizer) /* as clang says it */
#define __SANITIZE_THREAD__ 1
#endif
#endif

static void own_descriptors(void)
{
#ifndef __SANITIZE_THREAD__
	unshare(CLONE_FILES);
#endif
}

static int file_thread_init(void *job, void *thread, void *thread_user, struct err *err)
{
	struct file_thread *t = thread;

	own_descriptors();
	t->job = job;
	t->user = thread_user;
	t->done_tail = &t->done;
	t->chunk = mmap(NULL, FILE_CHUNK, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (t->chunk == MAP_FAILED) {
		t->chunk = NULL;
		return err_sys(err, errno, "no memory for buffers");
	}
	return 0;
}

static void file_thread_fini(void *thread)
{
	struct file_thread *t = thread;

	if (t->chunk)
		munmap(t->chunk, FILE_CHUNK);
	if (t->stamped)
		munmap(t->stamped, FILE_STAMP_MAX);
	buf_finish(&t->pending);
}

static void file_submit(void *thread, struct io **ops, size_t n)
{
	static void (*const run[OP_KINDS])(struct file_thread *, struct io *) = {
		[OP_GET] = file_get,
		[OP_RANGE_GET] = file_range_get,
		[OP_PUT] = file_put,
		[OP_LIST] = file_list,
		[OP_STAT] = file_stat,
		[OP_DELETE] = file_delete,
	};
	struct file_thread *t = thread;

	for (size_t i = 0; i < n; i++) {
		struct io *io = ops[i];

		run[io->kind](t, io);
		io->next = NULL;
		*t->done_tail = io;
		t->done_tail = &io->next;
	}
}

static size_t file_wait(void *thread, struct io **done, size_t max, uint64_t deadline_ns)
{
	struct file_thread *t = thread;
	size_t n = 0;

	(void)deadline_ns;
	while (n < max && t->done) {
		done[n] = t->done;
		t->done = done[n++]->next;
	}
	if (!t->done)
		t->done_tail = &t->done;
	return n;
}

/* Nothing is ever left in flight between submit and wait. */
static void file_cancel(void *thread)
{
	(void)thread;
}

static int file_list_all(
	void *job, const char *uri, list_fn *fn, void *user, struct err *err)
{
	struct list_entry one = {.uri = uri};
	struct stat st;

	(void)job;
	if (uri[strlen(uri) - 1] == '/')
		return file_walk(uri, fn, user, err);
	if (stat(file_path(uri), &st) == 0 && S_ISREG(st.st_mode)) {
		one.size = (uint64_t)st.st_size;
		fn(&one, user);
	}
	return 0;
}

static long file_read_small(
	void *job, const char *uri, char *out, size_t size, struct err *err)
{
	const char *path = file_path(uri);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;

	(void)job;
	if (fd < 0) {
		int errnum = errno;

		err_sys(err, errnum, "%s", path);
		return errnum == ENOENT ? -ENOENT : -EIO;
	}
	while (len + 1 < size) {
		ssize_t n = read(fd, out + len, size - 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			err_sys(err, errno, "%s", path);
			return -EIO;
		}
		if (n == 0)
			break;
		len += (size_t)n;
	}
	out[len] = '\0';
	return (long)len;
}

static int file_write_small(void *job, const char *uri, const char *text, struct err *err)
{
	const char *path = file_path(uri);
	int rc = file_dirs_make_parent(path);

	(void)job;
	if (rc < 0)
		return err_sys(err, -rc, "cannot make the directory of %s", path);
	return file_write_atomic(path, text, strlen(text), 0644, err);
}

static int file_remove_small(void *job, const char *uri, struct err *err)
{
	(void)job;
	if (unlink(file_path(uri)) < 0 && errno != ENOENT)
		return err_sys(err, errno, "cannot remove %s", file_path(uri));
	return 0;
}

static bool file_holder_missing(void *job, const char *prefix)
{
	struct stat st;

	(void)job;
	return stat(file_path(prefix), &st) < 0 && errno == ENOENT;
}

static int file_holder_make(void *job, const char *prefix, struct err *err)
{
	int rc = file_dirs_make_parent(file_path(prefix));

	(void)job;
	return rc < 0 ? err_sys(err, -rc, "cannot make %s", file_path(prefix)) : 0;
}

static void file_holder_remove(void *job, const char *prefix)
{
	(void)job;
	rmdir(file_path(prefix));
}

static const struct backend_option no_options[] = {{NULL}};

extern const struct backend backend_file;
const struct backend backend_file = {
	.name = "file",
	.schemes = "file://",
	.summary = "files through the page cache: local disks and mounted file systems",
	.options = no_options,
	.ops = 1u << OP_GET | 1u << OP_PUT | 1u << OP_LIST | 1u << OP_STAT |
	       1u << OP_DELETE | 1u << OP_RANGE_GET,
	.sync = true,
	.job_size = sizeof(struct file_job),
	.thread_size = sizeof(struct file_thread),
	.job_init = file_job_init,
	.check = file_check,
	.thread_init = file_thread_init,
	.submit = file_submit,
	.wait = file_wait,
	.cancel = file_cancel,
	.thread_fini = file_thread_fini,
	.job_fini = file_job_fini,
	.list = file_list_all,
	.read_small = file_read_small,
	.write_small = file_write_small,
	.remove_small = file_remove_small,
	.holder_missing = file_holder_missing,
	.holder_make = file_holder_make,
	.holder_remove = file_holder_remove,
};
