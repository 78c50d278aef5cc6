/* mounts: from the paths of a job to file systems, and from these to disks. */
#include "worker/host/mounts.h"

#include <dirent.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"
#include "common/text.h"
#include "proto/job.h"

#define MOUNTINFO_MAX (4u << 20)
#define LAYERS_MAX 8 /* of mappings upon mappings */
#define LIST_MAX 1024

static bool put(char *out, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* False: it is too long. */
static bool put(char *out, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(out, size, fmt, ap);
	va_end(ap);
	return n >= 0 && (size_t)n < size;
}

/* ---- from device numbers to disks ---- */

static void add_disk(struct mounts *m, const char *dir, char *list, size_t size)
{
	char name[DISK_NAME];
	size_t len = strlen(list);

	if (!put(name, sizeof(name), "%s", strrchr(dir, '/') + 1))
		return;
	for (char *p = name; *p; p++)
		*p = *p == '!' ? '/' : *p; /* as /proc/diskstats has it */
	if (len + strlen(name) + 2 <= size)
		snprintf(list + len, size - len, "%s%s", len ? " " : "", name);
	for (size_t i = 0; i < m->n_disks; i++)
		if (strcmp(m->disks[i], name) == 0)
			return;
	if (m->n_disks < MACHINE_DISKS_MAX)
		strcpy(m->disks[m->n_disks++], name);
}

static void disks_under(
	struct mounts *m, const char *link, unsigned layer, char *list, size_t size);

/* What a mapping or an array is made of. False: dir is neither. */
static bool slaves_under(
	struct mounts *m, const char *dir, unsigned layer, char *list, size_t size)
{
	char path[PATH_MAX];
	const struct dirent *e;
	bool any = false;
	DIR *d;

	if (!put(path, sizeof(path), "%s/slaves", dir) || !(d = opendir(path)))
		return false;
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.' ||
			!put(path, sizeof(path), "%s/slaves/%s", dir, e->d_name))
			continue;
		any = true;
		disks_under(m, path, layer + 1, list, size);
	}
	closedir(d);
	return any;
}

/* link: to the folder of a device in sysfs. */
static void disks_under(
	struct mounts *m, const char *link, unsigned layer, char *list, size_t size)
{
	char dir[PATH_MAX], path[PATH_MAX];

	if (layer > LAYERS_MAX || !realpath(link, dir))
		return;
	if (put(path, sizeof(path), "%s/partition", dir) && access(path, F_OK) == 0)
		*strrchr(dir, '/') = '\0';
	if (!slaves_under(m, dir, layer, list, size))
		add_disk(m, dir, list, size);
}

void mounts_disks_under(struct mounts *m, const char *root, unsigned major,
	unsigned minor, char *list, size_t size)
{
	char link[PATH_MAX];

	*list = '\0';
	if (put(link, sizeof(link), "%s/sys/dev/block/%u:%u", root, major, minor))
		disks_under(m, link, 0, list, size);
}

/* ---- from paths to file systems ---- */

/* Blanks and the like are "\040" there. In place. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' &&
			s[2] <= '7' && s[3] >= '0' && s[3] <= '7') {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 |
				       (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

static bool lies_below(const char *path, const char *point)
{
	size_t len = strlen(point);

	if (strcmp(point, "/") == 0)
		return true;
	return strncmp(path, point, len) == 0 && (path[len] == '/' || !path[len]);
}

/* "27 1 254:0 / /mnt rw,relatime shared:1 - ext4 /dev/vda rw": point, type and source. */
static bool parse_line(char *line, char **point, char **type, char **source)
{
	char *rest = line, *word = NULL;

	for (unsigned i = 0; i < 5; i++)
		if (!(word = strsep(&rest, " ")))
			return false;
	*point = word;
	while ((word = strsep(&rest, " ")) && strcmp(word, "-") != 0)
		;
	*type = strsep(&rest, " ");
	*source = strsep(&rest, " ");
	if (!word || !*type || !*source)
		return false;
	unescape(*point);
	unescape(*source);
	return true;
}

bool mounts_look_up(const char *mountinfo, const char *path, char *point,
	char *filesystem, char *source)
{
	AUTO_FREE char *copy = strdup(mountinfo);
	char *rest = copy, *line;
	size_t longest = 0;

	while ((line = strsep(&rest, "\n"))) {
		char *at, *type, *from;

		/* of those at one point the last one is on top */
		if (!parse_line(line, &at, &type, &from) || !lies_below(path, at) ||
			strlen(at) < longest)
			continue;
		if (put(point, PATH_MAX, "%s", at) &&
			put(filesystem, PATH_MAX, "%s", type) &&
			put(source, PATH_MAX, "%s", from))
			longest = strlen(at);
	}
	return longest > 0;
}

/* The device that holds a file system which has a number of no device, as btrfs has. */
static bool device_of(const char *source, struct stat *st)
{
	return strncmp(source, "/dev/", 5) == 0 && stat(source, st) == 0 &&
	       S_ISBLK(st->st_mode);
}

static void add_mount(struct mounts *m, const char *mountinfo, const char *path)
{
	char point[PATH_MAX], type[PATH_MAX], source[PATH_MAX], list[LIST_MAX] = "";
	struct stat st, device;
	struct msg_mount *grown;

	if (stat(path, &st) < 0 || !mounts_look_up(mountinfo, path, point, type, source))
		return;
	for (size_t i = 0; i < m->n; i++)
		if (strcmp(m->items[i].path, point) == 0)
			return;
	if (m->n == MACHINE_DISKS_MAX)
		return;
	if (major(st.st_dev) != 0)
		mounts_disks_under(
			m, "", major(st.st_dev), minor(st.st_dev), list, sizeof(list));
	else if (device_of(source, &device))
		mounts_disks_under(m, "", major(device.st_rdev), minor(device.st_rdev),
			list, sizeof(list));
	grown = reallocarray(m->items, m->n + 1, sizeof(*grown));
	if (!grown)
		return;
	m->items = grown;
	grown[m->n] = (struct msg_mount){.path = text_sanitize(point, strlen(point)),
		.filesystem = strdup(type),
		.disks = strdup(list)};
	if (grown[m->n].path && grown[m->n].filesystem && grown[m->n].disks)
		m->n++;
}

/* ---- from a job to paths ---- */

static const char *path_of(const char *uri)
{
	static const char *const schemes[] = {"file://", "direct://"};

	for (size_t i = 0; uri && i < ARRAY_LEN(schemes); i++)
		if (text_starts_with(uri, schemes[i]))
			return uri + strlen(schemes[i]);
	return NULL;
}

/* The nearest that is there of the folders above what a URI names; what is behind a wildcard is not looked
 * at. */
static void add_uri(struct mounts *m, const char *mountinfo, const char *uri)
{
	const char *from = path_of(uri);
	AUTO_FREE char *path = from && *from == '/' ? strdup(from) : NULL;
	char real[PATH_MAX];

	if (!path)
		return;
	path[strcspn(path, "*?[")] = '\0';
	while (!realpath(path, real)) {
		char *slash = strrchr(path, '/');

		if (!slash || slash == path) {
			strcpy(real, "/");
			break;
		}
		*slash = '\0';
	}
	add_mount(m, mountinfo, real);
}

void mounts_find(struct mounts *m, const struct job *job)
{
	AUTO_BUF struct buf info = BUF_INIT;
	struct err ignored = ERR_INIT;

	if (file_read("/proc/self/mountinfo", MOUNTINFO_MAX, &info, &ignored) < 0 ||
		!info.data)
		return;
	for (size_t i = 0; i < job->n_ops; i++)
		add_uri(m, info.data, job->ops[i].uri);
	for (size_t i = 0; i < job->n_sets; i++)
		add_uri(m, info.data, job->sets[i].uri);
	for (char **uri = job->endpoints.uris; uri && *uri; uri++)
		add_uri(m, info.data, *uri);
}

void mounts_finish(struct mounts *m)
{
	for (size_t i = 0; i < m->n; i++) {
		free(m->items[i].path);
		free(m->items[i].filesystem);
		free(m->items[i].disks);
	}
	free(m->items);
	*m = (struct mounts){.n = 0};
}
