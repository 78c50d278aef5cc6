/* program_port: sockets that listen, by /proc/PID/net/tcp, looked for among the descriptors of a process. */
#include "worker/net/program_port.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"

#define LISTEN_STATE 0x0A
/* Of one port: one per address, and a program may have a few. */
#define SOCKETS_MAX 32
#define CHILDREN_MAX 64

struct sockets {
	unsigned long inodes[SOCKETS_MAX];
	size_t n;
};

/* "  0: 0100007F:1451 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0  0 4711 ..." */
static void look_at_line(const char *line, uint32_t port, struct sockets *found)
{
	unsigned local, state;
	unsigned long inode;

	if (sscanf(line,
		    " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*u %*u %lu",
		    &local, &state, &inode) == 3 &&
		local == port && state == LISTEN_STATE && inode && found->n < SOCKETS_MAX)
		found->inodes[found->n++] = inode;
}

static void look_at_table(
	pid_t pid, const char *table, uint32_t port, struct sockets *found)
{
	char path[64], line[512];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/net/%s", (int)pid, table);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		look_at_line(line, port, found);
	if (f)
		fclose(f);
}

static bool is_one(const char *link, const struct sockets *found)
{
	char name[40];

	for (size_t i = 0; i < found->n; i++) {
		snprintf(name, sizeof(name), "socket:[%lu]", found->inodes[i]);
		if (strcmp(name, link) == 0)
			return true;
	}
	return false;
}

/* A program with rights of its own (setuid, capabilities) does not show its descriptors. The port was
 * free a moment ago, so that it is the one who listens is as good as sure. */
static bool holds_one(pid_t pid, const struct sockets *found)
{
	char path[64], link[64];
	bool holds = false;
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	if (!dir)
		return errno == EACCES || errno == EPERM;
	while (!holds && (e = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), e->d_name, link, sizeof(link) - 1);

		if (n <= 0)
			continue;
		link[n] = '\0';
		holds = is_one(link, found);
	}
	closedir(dir);
	return holds;
}

static size_t children_of(pid_t pid, pid_t *children)
{
	char path[64];
	size_t n = 0;
	int child;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	f = fopen(path, "re");
	while (f && n < CHILDREN_MAX && fscanf(f, "%d", &child) == 1)
		children[n++] = child;
	if (f)
		fclose(f);
	return n;
}

bool program_port_listens(pid_t pid, uint32_t port)
{
	struct sockets found = {.n = 0};
	pid_t children[CHILDREN_MAX];
	size_t n;

	look_at_table(pid, "tcp", port, &found);
	look_at_table(pid, "tcp6", port, &found);
	if (!found.n)
		return false;
	if (holds_one(pid, &found))
		return true;
	n = children_of(pid, children);
	for (size_t i = 0; i < n; i++)
		if (holds_one(children[i], &found))
			return true;
	return false;
}
