/* lease_file: the run files of leased servers: found, read, written, removed. */
#include "worker/lease/lease_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/file.h"
#include "common/text.h"
#include "common/units.h"
#include "worker/host/own_dirs.h"

#define PREFIX "lease-"
#define HASH_DIGITS 8
#define BACKLOG 64
#define LEASES_MAX 1000

CLEANUP_DEFINE(DIR, closedir)

void lease_finish(struct lease *l)
{
	lease_file_finish(&l->file);
	free(l->path);
	free(l->flaw);
	*l = (struct lease){.path = NULL};
}

void leases_free(struct lease *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		lease_finish(&list[i]);
	free(list);
}

uint64_t lease_boot_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

uint64_t lease_left_ns(const struct lease *l)
{
	uint64_t now = lease_boot_ns();

	return l->file.end_boot_ns > now ? l->file.end_boot_ns - now : 0;
}

/* ---- what is there ---- */

/* lease-12865-0a1b2c3d, and no socket or half-written file of one. */
static bool is_run_file(const char *name)
{
	size_t digits;

	if (!text_starts_with(name, PREFIX))
		return false;
	name += strlen(PREFIX);
	digits = strspn(name, "0123456789");
	return digits && name[digits] == '-' &&
	       strspn(name + digits + 1, "0123456789abcdef") == HASH_DIGITS &&
	       !name[digits + 1 + HASH_DIGITS];
}

/* false: it is none of this machine's, or gone. */
static bool look_at(const char *path, struct lease *ret)
{
	AUTO_BUF struct buf text = BUF_INIT;
	struct err err = ERR_INIT;
	enum process_state where;

	*ret = (struct lease){.path = strdup(path), .state = LEASE_BROKEN};
	if (!ret->path)
		abort();
	if (file_read(path, LEASE_FILE_MAX, &text, &err) < 0 && err.errnum == ENOENT) {
		lease_finish(ret);
		return false;
	}
	if (err.kind || lease_file_decode(text.data ? text.data : "", text.len,
				&ret->file, &err) < 0) {
		ret->flaw = strdup(err.text);
		return true;
	}
	where = process_state(&ret->file.process);
	if (where == PROCESS_ELSEWHERE) {
		lease_finish(ret);
		return false;
	}
	ret->state = where == PROCESS_RUNS ? LEASE_RUNNING : LEASE_STALE;
	return true;
}

static void look_into(const char *folder, struct lease **list, size_t *n)
{
	CLEANUP(cleanup_closedir) DIR *dir = opendir(folder);
	struct dirent *e;

	while (dir && *n < LEASES_MAX && (e = readdir(dir))) {
		AUTO_FREE char *path = NULL;
		struct lease *grown;

		if (!is_run_file(e->d_name))
			continue;
		path = text_printf("%s/%s", folder, e->d_name);
		grown = reallocarray(*list, *n + 1, sizeof(*grown));
		if (!path || !grown)
			abort();
		*list = grown;
		*n += look_at(path, &grown[*n]);
	}
}

static int by_port(const void *a, const void *b)
{
	const struct lease *l = a, *r = b;

	if (l->file.port != r->file.port)
		return l->file.port < r->file.port ? -1 : 1;
	return strcmp(l->path, r->path);
}

size_t leases_find(struct lease **ret)
{
	char **dirs = own_dirs();
	size_t n = 0;

	*ret = NULL;
	for (char **d = dirs; *d; d++)
		if (own_dir_ok(*d))
			look_into(*d, ret, &n);
	own_dirs_free(dirs);
	if (n)
		qsort(*ret, n, sizeof(**ret), by_port);
	return n;
}

/* What runs is better than what is stale, and the very address better than any. */
static int rank(const struct lease *l, const char *address, uint32_t port, bool any)
{
	bool same;

	if (l->state == LEASE_BROKEN || l->file.port != port)
		return 0;
	same = strcmp(l->file.address, address) == 0;
	if (!same && !(any && !*l->file.address))
		return 0;
	return 1 + same + 2 * (l->state == LEASE_RUNNING);
}

bool lease_find(const char *address, uint32_t port, bool any, struct lease *ret)
{
	struct lease *list;
	size_t n = leases_find(&list), best = n;
	int best_rank = 0;

	for (size_t i = 0; i < n; i++) {
		int r = rank(&list[i], address, port, any);

		if (r > best_rank) {
			best_rank = r;
			best = i;
		}
	}
	if (best < n) {
		*ret = list[best];
		list[best] = (struct lease){.path = NULL};
	}
	leases_free(list, n);
	return best_rank > 0;
}

/* ---- the own one ---- */

/* Two servers differ in port or address, and machines may share a home. */
static char *name_of(const struct lease_file *f)
{
	AUTO_FREE char *both = text_printf("%s/%s", f->process.machine, f->address);
	char hex[DIGEST_SHA256_HEX];

	if (!both)
		return NULL;
	digest_sha256_hex(both, strlen(both), hex);
	return text_printf(PREFIX "%u-%.*s", f->port, HASH_DIGITS, hex);
}

/* A path of a socket has little room: the way to it goes by a descriptor of its directory. */
static int socket_address(const char *path, int *ret_dir, struct sockaddr_un *ret)
{
	const char *name = strrchr(path, '/');
	AUTO_FREE char *folder = strndup(path, (size_t)(name - path));

	*ret_dir = folder ? open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	if (*ret_dir < 0)
		return -1;
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/%s" LEASE_SOCKET,
		*ret_dir, name + 1);
	return 0;
}

static int make_socket(const char *path, struct err *err)
{
	AUTO_FREE char *own = text_printf("%s" LEASE_SOCKET, path);
	AUTO_CLOSE int dir = -1;
	AUTO_CLOSE int fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_un at;

	if (!own || fd < 0 || socket_address(path, &dir, &at) < 0)
		return err_sys(err, errno, "%s", own ? own : path);
	/* the port is ours, so this is left from one that has ended */
	unlink(own);
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || chmod(own, 0600) < 0 ||
		listen(fd, BACKLOG) < 0)
		return err_sys(err, errno, "%s", own);
	return steal_fd(&fd);
}

int lease_file_write(const char *path, const struct lease_file *f, struct err *err)
{
	AUTO_BUF struct buf text = BUF_INIT;

	if (lease_file_encode(f, &text) < 0)
		return err_set(err, ERR_SYSTEM, "%s: no memory", path);
	return file_write_atomic(path, text.data, text.len, 0600, err);
}

int lease_file_make(
	const struct lease_file *f, char **ret_path, int *ret_fd, struct err *err)
{
	AUTO_FREE char *name = name_of(f);
	char **dirs = own_dirs();

	err_set(err, ERR_SYSTEM,
		"no directory for the run file: none of the cache directory, /var/tmp, "
		"/tmp "
		"and /dev/shm can be written");
	*ret_fd = -1;
	for (char **d = dirs; *d && *ret_fd < 0; d++) {
		AUTO_FREE char *path = text_printf("%s/%s", *d, name ? name : "");

		if (!path || !name || !own_dir_make(*d))
			continue;
		*ret_fd = make_socket(path, err);
		if (*ret_fd >= 0 && lease_file_write(path, f, err) < 0) {
			close(*ret_fd);
			*ret_fd = -1;
		}
		if (*ret_fd >= 0)
			*ret_path = STEAL_PTR(&path);
	}
	own_dirs_free(dirs);
	return *ret_fd < 0 ? -1 : 0;
}

void lease_file_remove(const char *path, const struct process_id *process)
{
	AUTO_FREE char *socket_path = text_printf("%s" LEASE_SOCKET, path);
	struct lease now;

	if (!look_at(path, &now))
		return;
	if (now.state != LEASE_BROKEN && now.file.process.pid == process->pid &&
		now.file.process.start_ticks == process->start_ticks) {
		unlink(path);
		if (socket_path)
			unlink(socket_path);
	}
	lease_finish(&now);
}

int lease_connect(const struct lease *l, struct err *err)
{
	AUTO_CLOSE int dir = -1;
	AUTO_CLOSE int fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_un at;

	if (fd < 0 || socket_address(l->path, &dir, &at) < 0 ||
		connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		return err_sys(err, errno, "%s" LEASE_SOCKET, l->path);
	return steal_fd(&fd);
}
