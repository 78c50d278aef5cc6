/* own_dirs: <dir>/muster-<uid>, as the script that starts a worker has them (transport/worker/script.c). */
#include "worker/host/own_dirs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"
#include "common/text.h"

#define DIRS_MAX 8

static char *own_dir(const char *folder)
{
	char *path = text_printf("%s/muster-%u", folder, (unsigned)geteuid());

	if (!path)
		abort();
	return path;
}

/* That of this program's file, so that what a host keeps lies in one place; NULL: it has none. */
static char *beside_program(void)
{
	AUTO_FREE char *want = own_dir("");
	char path[4096], *name;
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (n <= 0)
		return NULL;
	path[n] = '\0';
	name = strrchr(path, '/');
	if (!name)
		return NULL;
	*name = '\0';
	return text_ends_with(path, want) && own_dir_ok(path) ? strdup(path) : NULL;
}

static char *in_cache(void)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	AUTO_FREE char *folder = NULL;

	if (cache && *cache)
		return *cache == '/' ? own_dir(cache) : NULL;
	if (!home || *home != '/')
		return NULL;
	folder = text_printf("%s/.cache", home);
	return folder ? own_dir(folder) : NULL;
}

static void add(char **dirs, char *path)
{
	size_t n = 0;

	if (!path)
		return;
	for (; dirs[n]; n++)
		if (strcmp(dirs[n], path) == 0) {
			free(path);
			return;
		}
	dirs[n] = path;
}

char **own_dirs(void)
{
	char **dirs = calloc(DIRS_MAX, sizeof(*dirs));

	if (!dirs)
		abort();
	add(dirs, beside_program());
	add(dirs, in_cache());
	add(dirs, own_dir("/var/tmp"));
	add(dirs, own_dir("/tmp"));
	add(dirs, own_dir("/dev/shm"));
	return dirs;
}

void own_dirs_free(char **dirs)
{
	for (char **d = dirs; *d; d++)
		free(*d);
	free(dirs);
}

bool own_dir_ok(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
	       (st.st_mode & 07777) == 0700;
}

bool own_dir_make(const char *path)
{
	AUTO_FREE char *parent = strndup(path, (size_t)(strrchr(path, '/') - path));
	struct err ignored = ERR_INIT;

	if (!parent || file_mkdir_p(parent, 0700, &ignored) < 0)
		return false;
	mkdir(path, 0700);
	return own_dir_ok(path);
}
