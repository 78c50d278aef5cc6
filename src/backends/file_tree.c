/* file_tree: mkdir, and rmdir with all that lies below. What is removed is named relative to the directory
 * that was read, which is entered by its own name and never through a link: whoever swaps a directory for
 * a link meanwhile gains nothing. What another file system has mounted there stays. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/file.h"
#include "common/cleanup.h"

/* Levels below the directory that is removed; each takes a descriptor. */
#define DEPTH_MAX 128

/* The path (PATH_MAX bytes, of which *ret_len are used) without slashes at its end. 0 or errno. */
static int bare_path(const char *path, char *out, size_t *ret_len)
{
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	if (len >= PATH_MAX)
		return ENAMETOOLONG;
	memcpy(out, path, len);
	out[len] = '\0';
	*ret_len = len;
	return 0;
}

/* With what is missing above it. 0 or errno. */
static int make_path(const char *path)
{
	char bare[PATH_MAX];
	size_t len;
	int rc = bare_path(path, bare, &len);

	if (rc == 0)
		rc = -file_dirs_make_parent(bare);
	if (rc == 0 && mkdir(bare, 0755) < 0)
		rc = errno;
	return rc;
}

/* Without recursive what lies above is made before the clock, as for a put: once, and not again when somebody
 * has removed it. */
void file_mkdir(struct file_thread *t, struct io *io)
{
	const char *path = file_path(io->uri);
	int rc = io->recursive ? 0 : file_put_parent(t, path);

	io->start_ns = clock_ns();
	if (rc == 0 && mkdir(path, 0755) < 0)
		rc = errno;
	if (rc == ENOENT && io->recursive)
		rc = make_path(path);
	if (rc == EEXIST && io->may_exist)
		rc = 0;
	io->end_ns = file_clock(t);
	if (rc)
		file_fail(io, rc);
}

struct removal {
	struct file_thread *t;
	bool others; /* io.others */
	dev_t dev;
	struct {
		int fd;
		size_t name;  /* where its own name begins in t->pending */
		bool removed; /* something, since it was read from its beginning */
	} level[DEPTH_MAX];
	size_t depth; /* levels that are open */
};

static int enter(struct removal *r, int at, const char *name)
{
	struct buf *names = &r->t->pending;
	struct stat st;
	size_t begin = names->len;
	int fd;

	if (r->depth == DEPTH_MAX)
		return ENAMETOOLONG;
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno;
	if (fstat(fd, &st) < 0 || (r->depth > 0 && st.st_dev != r->dev) ||
		buf_append(names, name, strlen(name) + 1) < 0) {
		close(fd);
		return r->depth > 0 && st.st_dev != r->dev ? EXDEV : ENOMEM;
	}
	r->dev = st.st_dev;
	r->level[r->depth].fd = fd;
	r->level[r->depth].name = begin;
	r->level[r->depth++].removed = false;
	return 0;
}

static void leave(struct removal *r)
{
	close(r->level[--r->depth].fd);
}

static bool is_file_or_dir(int at, const struct dirent64 *e)
{
	struct stat st;

	if (e->d_type != DT_UNKNOWN)
		return e->d_type == DT_REG || e->d_type == DT_DIR;
	return fstatat(at, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	       S_ISREG(st.st_mode) || S_ISDIR(st.st_mode);
}

/* 0 when it is gone, ENOTEMPTY for a directory with something in it, or another errno. */
static int remove_entry(const struct removal *r, int at, const struct dirent64 *e)
{
	if (!r->others && !is_file_or_dir(at, e))
		return EPERM;
	if (e->d_type != DT_DIR && unlinkat(at, e->d_name, 0) == 0)
		return 0;
	if (e->d_type != DT_DIR && errno != EISDIR && errno != EPERM)
		return errno == ENOENT ? 0 : errno;
	if (unlinkat(at, e->d_name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	return errno == EEXIST ? ENOTEMPTY : errno;
}

static bool is_dots(const char *name)
{
	return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/* Removes what lies in the deepest level, until there is nothing more or a directory had to be entered. 0
 * or errno. */
static int empty_level(struct removal *r)
{
	const size_t depth = r->depth;
	const int fd = r->level[depth - 1].fd;

	for (;;) {
		ssize_t n = getdents64(fd, r->t->chunk, FILE_CHUNK / 16);

		if (n <= 0)
			return n < 0 ? errno : 0;
		for (size_t at = 0; at < (size_t)n;) {
			const struct dirent64 *e = (const void *)(r->t->chunk + at);
			int rc = is_dots(e->d_name) ? 0 : remove_entry(r, fd, e);

			if (rc == ENOTEMPTY)
				return enter(r, fd, e->d_name);
			if (rc)
				return rc;
			r->level[depth - 1].removed |= !is_dots(e->d_name);
			at += e->d_reclen;
		}
	}
}

/* Reads the deepest level once more from its beginning: some file systems pass over entries when others
 * are removed meanwhile. */
static int again(struct removal *r)
{
	r->level[r->depth - 1].removed = false;
	return lseek(r->level[r->depth - 1].fd, 0, SEEK_SET) < 0 ? errno : 0;
}

/* Everything in the deepest level, and it itself. at: the directory above the first one. */
static int remove_levels(struct removal *r, int at)
{
	while (r->depth > 0) {
		size_t depth = r->depth, name = r->level[depth - 1].name;
		int rc = empty_level(r), above;

		if (rc)
			return rc;
		if (r->depth > depth)
			continue;
		above = depth > 1 ? r->level[depth - 2].fd : at;
		if (unlinkat(above, r->t->pending.data + name, AT_REMOVEDIR) < 0) {
			if ((errno != ENOTEMPTY && errno != EEXIST) ||
				!r->level[depth - 1].removed)
				return errno;
			rc = again(r);
			if (rc)
				return rc;
			continue;
		}
		leave(r);
		r->t->pending.len = name;
		if (r->depth > 0) {
			r->level[r->depth - 1].removed = true;
			rc = again(r);
			if (rc)
				return rc;
		}
	}
	return 0;
}

/* 0 or errno. */
static int remove_all(struct file_thread *t, const char *path, bool others)
{
	struct removal r = {.t = t, .others = others};
	char above[PATH_MAX];
	size_t len, name;
	int rc = bare_path(path, above, &len);

	if (rc)
		return rc;
	for (name = len; name > 0 && above[name - 1] != '/';)
		name--;
	if (name == len || name == 0)
		return EBUSY; /* the root */
	above[name - 1] = '\0';
	AUTO_CLOSE int at =
		open(name > 1 ? above : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (at < 0)
		return errno;
	buf_clear(&t->pending);
	rc = enter(&r, at, above + name);
	if (rc == 0)
		rc = remove_levels(&r, at);
	while (r.depth > 0)
		leave(&r);
	return rc;
}

void file_rmdir(struct file_thread *t, struct io *io)
{
	const char *path = file_path(io->uri);
	int rc = 0;

	io->start_ns = clock_ns();
	if (rmdir(path) < 0)
		rc = errno;
	if (io->recursive && (rc == ENOTEMPTY || rc == EEXIST))
		rc = remove_all(t, path, io->others);
	io->end_ns = file_clock(t);
	if (rc)
		file_fail(io, rc);
}
