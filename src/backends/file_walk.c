/* file_walk: directories read by getdents64, for the timed list op and for the listing outside the
 * clock. Directories still to enter wait in one growing buffer, so there is no recursion and no
 * open descriptor per level. */
#include "backends/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"

/* Called for each entry but . and ..; dir_fd is its directory, path its whole path when the walk
 * builds paths (else NULL). Returns 0 to go on, 1 to end, or -errno. */
typedef int entry_fn(
	void *user, int dir_fd, const char *path, const struct dirent64 *e, bool is_dir);

struct walk {
	uint8_t *chunk; /* FILE_CHUNK bytes */
	struct buf *pending;
	bool recursive;
	entry_fn *fn;
	void *user;
};

/* Some file systems do not say what an entry is. */
static bool entry_is_dir(int dir_fd, const struct dirent64 *e)
{
	struct stat st;

	if (e->d_type != DT_UNKNOWN)
		return e->d_type == DT_DIR;
	return fstatat(dir_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISDIR(st.st_mode);
}

static int visit(
	struct walk *w, int dir_fd, char *path, size_t dir_len, const struct dirent64 *e)
{
	size_t name_len = strlen(e->d_name);
	bool is_dir;
	int rc;

	if (e->d_name[0] == '.' &&
		(name_len == 1 || (name_len == 2 && e->d_name[1] == '.')))
		return 0;
	if (dir_len + 1 + name_len >= PATH_MAX)
		return -ENAMETOOLONG;
	path[dir_len] = '/';
	memcpy(path + dir_len + 1, e->d_name, name_len + 1);
	is_dir = entry_is_dir(dir_fd, e);
	rc = w->fn(w->user, dir_fd, path, e, is_dir);
	if (rc == 0 && is_dir && w->recursive)
		rc = buf_append(w->pending, path, dir_len + 1 + name_len + 1);
	return rc;
}

/* Reads one directory whole. Only the root may be a link: what was a directory a moment ago may be one now
 * that leads elsewhere. */
static int walk_dir(struct walk *w, char *path, size_t dir_len, bool is_root)
{
	AUTO_CLOSE int fd = open(dir_len ? path : "/",
		O_RDONLY | O_DIRECTORY | O_CLOEXEC | (is_root ? 0 : O_NOFOLLOW));

	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t n = getdents64(fd, w->chunk, FILE_CHUNK / 16);

		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		for (size_t at = 0; at < (size_t)n;) {
			const struct dirent64 *e = (const void *)(w->chunk + at);
			int rc = visit(w, fd, path, dir_len, e);

			if (rc)
				return rc;
			at += e->d_reclen;
		}
	}
}

/* Takes the last pending directory out, into path. Its length, or -1 when there is none. */
static long next_pending(struct buf *pending, char *path)
{
	size_t start = pending->len;

	if (start == 0)
		return -1;
	start--; /* its NUL */
	while (start > 0 && pending->data[start - 1] != '\0')
		start--;
	size_t len = pending->len - 1 - start;

	memcpy(path, pending->data + start, len + 1);
	pending->len = start;
	return (long)len;
}

/* Everything under the directory root. Directories that vanish meanwhile are passed over, except
 * root itself. 0, 1 when fn ended it, or -errno. */
static int walk_run(struct walk *w, const char *root)
{
	char path[PATH_MAX];
	size_t len = strlen(root);
	long next = 0;

	while (len > 0 && root[len - 1] == '/')
		len--;
	if (len >= sizeof(path))
		return -ENAMETOOLONG;
	memcpy(path, root, len);
	path[len] = '\0';
	buf_clear(w->pending);
	for (bool first = true; next >= 0; first = false) {
		int rc = walk_dir(w, path, first ? len : (size_t)next, first);

		if (rc != 0 && (first || (rc != -ENOENT && rc != -ENOTDIR)))
			return rc;
		next = next_pending(w->pending, path);
	}
	return 0;
}

/* ---- the op ---- */

struct list_op {
	struct file_thread *t;
	struct io *io;
	uint64_t page_start_ns;
	uint64_t in_page;
	uint64_t max_keys;
};

static void end_page(struct list_op *l)
{
	uint64_t now = clock_ns();

	l->io->pages++;
	if (!l->io->first_byte_ns)
		l->io->first_byte_ns = now;
	if (l->t->job->page)
		l->t->job->page(l->t->user, l->io, l->page_start_ns, now);
	l->page_start_ns = now;
	l->in_page = 0;
}

static int count_entry(
	void *user, int dir_fd, const char *path, const struct dirent64 *e, bool is_dir)
{
	struct list_op *l = user;

	(void)dir_fd;
	(void)path;
	(void)e;
	/* as in object stores: with a delimiter a directory is an entry (a common prefix), without
	 * one only the objects count */
	if (is_dir && !l->io->delimiter)
		return 0;
	l->io->entries++;
	if (++l->in_page == l->max_keys)
		end_page(l);
	return 0;
}

void file_list(struct file_thread *t, struct io *io)
{
	struct list_op l = {
		.t = t, .io = io, .max_keys = io->max_keys ? io->max_keys : 1000};
	struct walk w = {
		.chunk = t->chunk,
		.pending = &t->pending,
		.recursive = !io->delimiter,
		.fn = count_entry,
		.user = &l,
	};
	int rc;

	io->start_ns = clock_ns();
	l.page_start_ns = io->start_ns;
	rc = walk_run(&w, file_path(io->uri));
	if (rc == 0 && (l.in_page > 0 || io->pages == 0))
		end_page(&l);
	io->end_ns = clock_ns();
	if (rc < 0)
		file_fail(io, -rc);
}

/* ---- the listing outside the clock ---- */

struct listing {
	list_fn *fn;
	void *user;
	const char *scheme; /* scheme_len bytes: "file://" */
	size_t scheme_len;
	struct buf uri; /* that, and the path of the entry at hand */
};

static int list_file(
	void *user, int dir_fd, const char *path, const struct dirent64 *e, bool is_dir)
{
	struct listing *l = user;
	struct stat st;

	if (is_dir)
		return 0;
	/* sockets, pipes and devices are no objects; a link to a file is one */
	if (fstatat(dir_fd, e->d_name, &st, 0) < 0)
		return errno == ENOENT || errno == ELOOP ? 0 : -errno;
	if (!S_ISREG(st.st_mode))
		return 0;
	buf_clear(&l->uri);
	if (buf_append(&l->uri, l->scheme, l->scheme_len) < 0 ||
		buf_puts(&l->uri, path) < 0)
		return -ENOMEM;
	struct list_entry entry = {.uri = l->uri.data, .size = (uint64_t)st.st_size};

	return l->fn(&entry, l->user) ? 0 : 1;
}

static int list_dir(
	void *user, int dir_fd, const char *path, const struct dirent64 *e, bool is_dir)
{
	struct listing *l = user;

	(void)dir_fd;
	(void)e;
	if (!is_dir)
		return 0;
	buf_clear(&l->uri);
	if (buf_append(&l->uri, l->scheme, l->scheme_len) < 0 ||
		buf_puts(&l->uri, path) < 0 || buf_puts(&l->uri, "/") < 0)
		return -ENOMEM;
	struct list_entry entry = {.uri = l->uri.data};

	return l->fn(&entry, l->user) ? 0 : 1;
}

static int walk_all(
	const char *uri, entry_fn *entry, list_fn *fn, void *user, struct err *err)
{
	AUTO_BUF struct buf pending = BUF_INIT;
	AUTO_FREE uint8_t *chunk = malloc(FILE_CHUNK);
	struct listing l = {.fn = fn,
		.user = user,
		.scheme = uri,
		.scheme_len = (size_t)(file_path(uri) - uri)};
	struct walk w = {
		.chunk = chunk,
		.pending = &pending,
		.recursive = true,
		.fn = entry,
		.user = &l,
	};
	int rc;

	if (!chunk)
		return err_sys(err, ENOMEM, "%s", uri);
	rc = walk_run(&w, file_path(uri));
	buf_finish(&l.uri);
	if (rc < 0 && rc != -ENOENT)
		return err_sys(err, -rc, "cannot list %s", uri);
	return 0;
}

int file_walk(const char *uri, list_fn *fn, void *user, struct err *err)
{
	return walk_all(uri, list_file, fn, user, err);
}

int file_walk_dirs(const char *uri, list_fn *fn, void *user, struct err *err)
{
	return walk_all(uri, list_dir, fn, user, err);
}
