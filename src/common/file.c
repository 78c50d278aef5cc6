/* file: whole files, in and out. */
#include "common/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/text.h"

#define READ_BYTES 16384

static int read_all(int fd, const char *name, size_t max, struct buf *b, struct err *err)
{
	size_t total = 0;

	for (;;) {
		char *room = buf_reserve(b, READ_BYTES);
		ssize_t n;

		if (!room)
			return err_sys(err, ENOMEM, "cannot read %s", name);
		n = read(fd, room, READ_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			*room = '\0';
			return err_sys(err, errno, "cannot read %s", name);
		}
		b->len += (size_t)n;
		total += (size_t)n;
		b->data[b->len] = '\0';
		if (total > max)
			return err_set(
				err, ERR_INPUT, "%s is larger than %zu bytes", name, max);
		if (n == 0)
			return 0;
	}
}

int file_read(const char *path, size_t max, struct buf *b, struct err *err)
{
	AUTO_CLOSE int fd = -1;

	if (strcmp(path, "-") == 0)
		return read_all(STDIN_FILENO, "standard input", max, b, err);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, errno, "cannot open %s", path);
	return read_all(fd, path, max, b, err);
}

int file_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* A pipe or device is written to, never replaced. */
static int write_special(const char *path, const void *data, size_t len, struct err *err)
{
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	int rc;

	if (fd < 0)
		return err_sys(err, errno, "cannot open %s", path);
	rc = file_write_all(fd, data, len);
	return rc < 0 ? err_sys(err, -rc, "cannot write %s", path) : 0;
}

static int write_synced(const char *path, const void *data, size_t len, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	int rc;

	if (fd < 0)
		return -errno;
	rc = file_write_all(fd, data, len);
	if (rc == 0 && fsync(fd) < 0)
		rc = -errno;
	if (close(fd) < 0 && rc == 0)
		rc = -errno;
	return rc;
}

int file_write_atomic(
	const char *path, const void *data, size_t len, mode_t mode, struct err *err)
{
	const char *slash = strrchr(path, '/');
	int dir_len = slash ? (int)(slash - path) + 1 : 0;
	AUTO_FREE char *part = NULL;
	char unique[17];
	struct stat st;
	int rc;

	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return write_special(path, data, len, err);
	digest_random_hex(8, unique);
	part = text_printf("%.*s.part-%s", dir_len, path, unique);
	if (!part)
		return err_sys(err, ENOMEM, "cannot write %s", path);
	rc = write_synced(part, data, len, mode);
	if (rc == 0 && rename(part, path) < 0)
		rc = -errno;
	if (rc < 0) {
		unlink(part);
		return err_sys(err, -rc, "cannot write %s", path);
	}
	return 0;
}

/* 0 when path is a directory now, else -errno. */
static int make_one(const char *path, mode_t mode)
{
	struct stat st;
	int errnum;

	if (mkdir(path, mode) == 0)
		return 0;
	/* a read-only parent says EROFS or EACCES for a directory that exists, too */
	errnum = errno;
	if (stat(path, &st) == 0)
		return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
	return -errnum;
}

int file_mkdir_p(const char *path, mode_t mode, struct err *err)
{
	AUTO_FREE char *copy = strdup(path);
	int rc;

	if (!copy)
		return err_sys(err, ENOMEM, "cannot create directory %s", path);
	for (char *p = copy + 1; *copy && *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		rc = make_one(copy, mode);
		if (rc < 0)
			return err_sys(err, -rc, "cannot create directory %s", copy);
		*p = '/';
	}
	rc = make_one(copy, mode);
	return rc < 0 ? err_sys(err, -rc, "cannot create directory %s", path) : 0;
}

char *file_expand_home(const char *path)
{
	const char *home = getenv("HOME");

	if (path[0] != '~' || (path[1] && path[1] != '/') || !home || !*home)
		return strdup(path);
	return text_printf("%s%s", home, path + 1);
}
