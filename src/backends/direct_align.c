/* direct_align: what direct I/O wants where a file lies. The kernel says so (STATX_DIOALIGN, Linux 6.1);
 * where it does not, pieces of growing size are tried until one is taken. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "backends/direct.h"
#include "common/cleanup.h"
#include "common/err.h"

#define SMALLEST 512u
#define LARGEST 65536u

/* File systems that take O_DIRECT, and go through memory all the same. */
static const struct {
	long magic;
	const char *name;
} in_memory[] = {
	{TMPFS_MAGIC, "tmpfs"},
	{RAMFS_MAGIC, "ramfs"},
	{HUGETLBFS_MAGIC, "hugetlbfs"},
};

static int none_here(const char *path, const char *why, struct err *err)
{
	return err_set(err, ERR_INPUT,
		"no direct I/O on %s: %s; write file:// instead of direct://", path, why);
}

static int check_kind(int fd, const char *path, struct err *err)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return err_sys(err, errno, "%s", path);
	for (size_t i = 0; i < ARRAY_LEN(in_memory); i++) {
		char why[60];

		if ((long)fs.f_type != in_memory[i].magic)
			continue;
		snprintf(why, sizeof(why), "%s lies in memory", in_memory[i].name);
		return none_here(path, why, err);
	}
	return 0;
}

/* The first size that is taken, as length and for the buffer; DIRECT_BLOCK when nobody can say. */
static uint32_t try_sizes(int fd, bool may_write)
{
	void *at = mmap(NULL, LARGEST, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t size = SMALLEST;

	if (at == MAP_FAILED)
		return DIRECT_BLOCK;
	for (; size <= LARGEST; size *= 2) {
		ssize_t n = may_write ? pwrite(fd, at, size, 0) : pread(fd, at, size, 0);

		if (n > 0)
			break;
		if (n == 0 || errno != EINVAL) {
			size = DIRECT_BLOCK;
			break;
		}
	}
	munmap(at, LARGEST);
	return size > LARGEST ? DIRECT_BLOCK : size;
}

/* The first that writes what has checksums by way of the page cache, so that nobody changes it meanwhile. */
#define BTRFS_BUFFERS_MAJOR 6u
#define BTRFS_BUFFERS_MINOR 14u

static bool is_buffered(int fd)
{
	unsigned major = 0, minor = 0;
	struct utsname host;
	struct statfs fs;
	int flags = 0;

	if (fstatfs(fd, &fs) < 0 || (long)fs.f_type != BTRFS_SUPER_MAGIC ||
		uname(&host) < 0 || sscanf(host.release, "%u.%u", &major, &minor) != 2)
		return false;
	if (major < BTRFS_BUFFERS_MAJOR ||
		(major == BTRFS_BUFFERS_MAJOR && minor < BTRFS_BUFFERS_MINOR))
		return false;
	return ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && !(flags & FS_NOCOW_FL);
}

/* Of a file that was opened with O_DIRECT. */
static int ask(int fd, const char *path, bool may_write, struct direct_align *ret,
	struct err *err)
{
	struct statx st = {0};

	if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) == 0 &&
		(st.stx_mask & STATX_DIOALIGN)) {
		if (st.stx_dio_offset_align == 0)
			return none_here(path,
				"its file system sends this file through the page cache",
				err);
		*ret = (struct direct_align){.offset = st.stx_dio_offset_align,
			.memory = st.stx_dio_mem_align};
	} else {
		ret->offset = ret->memory = try_sizes(fd, may_write);
	}
	ret->buffered = is_buffered(fd);
	return 0;
}

static int refused(const char *path, int errnum, struct err *err)
{
	if (errnum == EINVAL)
		return none_here(path, "its file system refuses O_DIRECT", err);
	return err_sys(err, errnum, "cannot open %s for direct I/O", path);
}

static int align_of_file(const char *path, struct direct_align *ret, struct err *err)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);

	if (fd < 0)
		return refused(path, errno, err);
	return ask(fd, path, false, ret, err);
}

/* A file without a name, or where there is no such thing with one that goes at once. */
static int probe_in(const char *dir)
{
	AUTO_FREE char *name = NULL;
	int fd = open(dir, O_TMPFILE | O_RDWR | O_DIRECT | O_CLOEXEC, 0600);

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
		return fd;
	if (asprintf(&name, "%s/.muster-direct-%d", dir, (int)getpid()) < 0) {
		name = NULL;
		errno = ENOMEM;
		return -1;
	}
	fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_DIRECT | O_CLOEXEC, 0600);
	if (fd >= 0)
		unlink(name);
	return fd;
}

static int align_in_dir(const char *dir, struct direct_align *ret, struct err *err)
{
	AUTO_CLOSE int fd = probe_in(dir);

	if (fd < 0)
		return refused(dir, errno, err);
	return ask(fd, dir, true, ret, err);
}

/* Cuts the last part of a path away. */
static void cut(char *path)
{
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	while (len > 1 && path[len - 1] != '/')
		len--;
	path[len] = '\0';
}

int direct_align_at(const char *path, struct direct_align *ret, struct err *err)
{
	char at[PATH_MAX];
	struct stat st;

	if ((size_t)snprintf(at, sizeof(at), "%s", path) >= sizeof(at))
		return err_sys(err, ENAMETOOLONG, "%.60s...", path);
	while (stat(at, &st) < 0) {
		if (errno != ENOENT)
			return err_sys(err, errno, "%s", at);
		cut(at);
	}
	if (at[1] && at[strlen(at) - 1] == '/')
		at[strlen(at) - 1] = '\0';
	AUTO_CLOSE int fd = open(at, O_PATH | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, errno, "%s", at);
	if (check_kind(fd, at, err) < 0)
		return -1;
	return S_ISDIR(st.st_mode) ? align_in_dir(at, ret, err)
				   : align_of_file(at, ret, err);
}
