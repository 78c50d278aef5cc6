/* file_control: what files are asked outside the measured path: whether an op can work, what lies where,
 * small objects, and the directories that hold objects. */
#include "backends/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"

static int bad_path(const char *uri, struct err *err)
{
	if (file_path(uri)[0] != '/')
		return err_set(err, ERR_INPUT, "%s: not an absolute path (%.*s/PATH)",
			uri, (int)(file_path(uri) - uri), uri);
	/* room for the names that are put behind it */
	if (strlen(uri) > PATH_MAX - NAME_MAX)
		return err_set(err, ERR_INPUT, "%.60s...: path too long", uri);
	return 0;
}

/* Cuts a path down to the nearest part of it that exists. 0 or errno. */
static int find_existing(char *path, struct stat *ret)
{
	size_t len = strlen(path);

	while (stat(path, ret) < 0) {
		if (errno != ENOENT)
			return errno;
		while (len > 1 && path[len - 1] == '/')
			len--;
		while (len > 1 && path[len - 1] != '/')
			len--;
		path[len] = '\0';
	}
	return 0;
}

/* A put makes its directories: the nearest one that exists must let it. */
static int check_put(const char *uri, struct err *err)
{
	char path[PATH_MAX];
	struct stat st;
	int rc;

	snprintf(path, sizeof(path), "%s", file_path(uri));
	rc = find_existing(path, &st);
	if (rc)
		return err_sys(err, rc, "%s", path);
	if (!S_ISDIR(st.st_mode))
		return err_sys(err, ENOTDIR, "%s", path);
	if (access(path, W_OK | X_OK) < 0)
		return err_sys(err, errno, "cannot write in %s", path);
	return 0;
}

bool file_room(void *job, const char *uri, struct backend_room *ret)
{
	char path[PATH_MAX];
	struct statvfs fs;
	struct stat st;

	(void)job;
	snprintf(path, sizeof(path), "%s", file_path(uri));
	if (find_existing(path, &st) != 0 || statvfs(path, &fs) < 0 || fs.f_blocks == 0)
		return false;
	ret->bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	ret->where = st.st_dev;
	return true;
}

/* Above the directory that is to be made or removed. */
static int check_above(const char *uri, struct err *err)
{
	AUTO_FREE char *above = strdup(uri);
	size_t len = strlen(uri), least = (size_t)(file_path(uri) - uri) + 1;

	if (!above)
		return err_sys(err, ENOMEM, "no memory");
	while (len > least && above[len - 1] == '/')
		len--;
	while (len > least && above[len - 1] != '/')
		len--;
	above[len] = '\0';
	return check_put(above, err);
}

static int check_dir(const char *path, struct err *err)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err_sys(err, errno, "cannot read %s", path) : 0;
}

static int check_object(enum op_kind kind, const char *path, struct err *err)
{
	struct stat st;

	if ((kind == OP_RANGE_PUT ? lstat(path, &st) : stat(path, &st)) < 0)
		return err_sys(err, errno, "%s", path);
	if (S_ISLNK(st.st_mode))
		return err_set(err, ERR_INPUT,
			"%s is a symbolic link, and those are not written through", path);
	if (S_ISDIR(st.st_mode))
		return err_set(err, ERR_INPUT,
			"%s is a directory; for what lies in it write %s/", path, path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_INPUT, "%s is not a regular file", path);
	if ((kind == OP_GET || kind == OP_RANGE_GET) && access(path, R_OK) < 0)
		return err_sys(err, errno, "cannot read %s", path);
	if (kind == OP_RANGE_PUT && access(path, W_OK) < 0)
		return err_sys(err, errno, "cannot write %s", path);
	return 0;
}

int file_check(void *job, enum op_kind kind, const char *uri, struct err *err)
{
	const char *path = file_path(uri);

	(void)job;
	if (bad_path(uri, err) < 0)
		return -1;
	if (kind == OP_PUT || kind == OP_MKDIR)
		return check_put(uri, err);
	if (kind == OP_RMDIR)
		return check_above(uri, err);
	if (kind == OP_LIST || path[strlen(path) - 1] == '/')
		return check_dir(path, err);
	return check_object(kind, path, err);
}

int file_list_all(void *job, const char *uri, list_fn *fn, void *user, struct err *err)
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

int file_list_dirs(void *job, const char *uri, list_fn *fn, void *user, struct err *err)
{
	(void)job;
	return file_walk_dirs(uri, fn, user, err);
}

long file_read_small(void *job, const char *uri, char *out, size_t size, struct err *err)
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

int file_write_small(void *job, const char *uri, const char *text, struct err *err)
{
	const char *path = file_path(uri);
	int rc = file_dirs_make_parent(path);

	(void)job;
	if (rc < 0)
		return err_sys(err, -rc, "cannot make the directory of %s", path);
	return file_write_atomic(path, text, strlen(text), 0644, err);
}

int file_remove_small(void *job, const char *uri, struct err *err)
{
	(void)job;
	if (unlink(file_path(uri)) < 0 && errno != ENOENT)
		return err_sys(err, errno, "cannot remove %s", file_path(uri));
	return 0;
}

bool file_holder_missing(void *job, const char *prefix)
{
	struct stat st;

	(void)job;
	return stat(file_path(prefix), &st) < 0 && errno == ENOENT;
}

int file_holder_make(void *job, const char *prefix, struct err *err)
{
	int rc = file_dirs_make_parent(file_path(prefix));

	(void)job;
	return rc < 0 ? err_sys(err, -rc, "cannot make %s", file_path(prefix)) : 0;
}

void file_holder_remove(void *job, const char *prefix)
{
	(void)job;
	rmdir(file_path(prefix));
}
