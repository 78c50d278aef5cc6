/* profile_find: the folders of profiles and presets, and what a name in them stands for. */
#include "orchestrator/profiles/profile_find.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"
#include "common/text.h"
#include "orchestrator/context.h"
#include "workload/net_profile.h"

#define PROFILE_MAX ((size_t)1 << 20)
#define ENDING ".yaml"

CLEANUP_DEFINE(DIR, closedir)

static const struct {
	const char *missing, *own, *shipped[2];
} kinds[] = {
	[PROFILE_NETWORK] = {"no such file, and no profile", "profiles",
		{"../share/muster/profiles", "../../profiles"}},
	[PROFILE_PRESET] = {"no preset", "presets",
		{"../share/muster/presets", "../../workloads/presets"}},
};

/* malloc; NULL: no home. */
static char *own_folder(enum profile_kind kind)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (config && *config == '/')
		return text_printf("%s/muster/%s", config, kinds[kind].own);
	return home && *home == '/'
		       ? text_printf("%s/.config/muster/%s", home, kinds[kind].own)
		       : NULL;
}

/* Beside the installed program, or in the build tree. malloc; NULL: neither is there. */
static char *shipped_folder(enum profile_kind kind)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return NULL;
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	for (size_t i = 0; i < ARRAY_LEN(kinds[kind].shipped); i++) {
		AUTO_FREE char *path = text_printf("%s/%s", self, kinds[kind].shipped[i]);
		char *real = path ? realpath(path, NULL) : NULL;

		if (real)
			return real;
	}
	return NULL;
}

static bool is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !S_ISDIR(st.st_mode);
}

static bool have(const struct profile_files *f, const char *name, size_t len)
{
	for (size_t i = 0; i < f->n; i++)
		if (strncmp(f->items[i].name, name, len) == 0 && !f->items[i].name[len])
			return true;
	return false;
}

static int add(struct profile_files *f, const char *folder, const char *file, bool own)
{
	size_t len = strlen(file) - strlen(ENDING);
	struct profile_file *more = reallocarray(f->items, f->n + 1, sizeof(*more));
	struct profile_file *p;

	if (!more)
		return -ENOMEM;
	f->items = more;
	p = &more[f->n++];
	*p = (struct profile_file){.name = strndup(file, len),
		.path = text_printf("%s/%s", folder, file),
		.own = own};
	return p->name && p->path ? 0 : -ENOMEM;
}

/* A folder that is not there has none. */
static int load_folder(struct profile_files *f, const char *folder, bool own)
{
	CLEANUP(cleanup_closedir) DIR *dir = folder ? opendir(folder) : NULL;
	struct dirent *e;
	int rc = 0;

	while (dir && rc == 0 && (e = readdir(dir))) {
		AUTO_FREE char *path = text_printf("%s/%s", folder, e->d_name);

		if (!path)
			return -ENOMEM;
		if (*e->d_name == '.' || !text_ends_with(e->d_name, ENDING) ||
			!is_file(path) ||
			have(f, e->d_name, strlen(e->d_name) - strlen(ENDING)))
			continue;
		rc = add(f, folder, e->d_name, own);
	}
	return rc;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct profile_file *)a)->name,
		((const struct profile_file *)b)->name);
}

int profile_files_load(enum profile_kind kind, struct profile_files *ret, struct err *err)
{
	AUTO_FREE char *own = own_folder(kind);
	AUTO_FREE char *shipped = shipped_folder(kind);
	int rc;

	*ret = (struct profile_files){0};
	rc = load_folder(ret, own, true);
	if (rc == 0)
		rc = load_folder(ret, shipped, false);
	if (rc < 0) {
		profile_files_finish(ret);
		return err_sys(err, -rc, "profiles");
	}
	if (ret->n)
		qsort(ret->items, ret->n, sizeof(*ret->items), by_name);
	return 0;
}

void profile_files_finish(struct profile_files *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->items[i].name);
		free(f->items[i].path);
	}
	free(f->items);
	*f = (struct profile_files){0};
}

/* "did you mean ...", or all names. */
static void unknown(enum profile_kind kind, const struct profile_files *f,
	const char *value, struct err *err)
{
	AUTO_FREE const char **names = calloc(f->n + 1, sizeof(*names));
	AUTO_BUF struct buf all = BUF_INIT;
	const char *near;

	for (size_t i = 0; names && i < f->n; i++) {
		names[i] = f->items[i].name;
		buf_printf(&all, "%s%s", i ? ", " : "", names[i]);
	}
	near = names ? text_nearest(value, names, f->n) : NULL;
	err_set(err, ERR_INPUT, "%s of that name%s%s%s; there are %s",
		kinds[kind].missing, near ? " (did you mean " : "", near ? near : "",
		near ? "?)" : "", all.len ? all.data : "none");
}

/* The path of a name alone; NULL with err: the reason alone. */
static char *find_name(enum profile_kind kind, const char *value, struct err *err)
{
	struct profile_files files;
	char *path = NULL;

	if (profile_files_load(kind, &files, err) < 0)
		return NULL;
	for (size_t i = 0; i < files.n; i++)
		if (strcmp(files.items[i].name, value) == 0) {
			path = strdup(files.items[i].path);
			if (!path)
				err_sys(err, ENOMEM, "profiles");
		}
	if (!path && !have(&files, value, strlen(value)))
		unknown(kind, &files, value, err);
	profile_files_finish(&files);
	return path;
}

char *profile_find(const char *value, const char *who, struct err *err)
{
	char *path;

	if (!strchr(value, '/') && !is_file(value)) {
		path = find_name(PROFILE_NETWORK, value, err);
		if (!path)
			err_prefix(err, "%s %s", who, value);
		return path;
	}
	path = strdup(value);
	if (!path)
		err_sys(err, ENOMEM, "%s", who);
	return path;
}

char *preset_find(const char *name, struct err *err)
{
	char *path = find_name(PROFILE_PRESET, name, err);

	if (!path)
		err_prefix(err, PRESET_PREFIX "%s", name);
	return path;
}

int profile_read(
	const char *path, uint64_t duration_ns, struct net_profile *ret, struct err *err)
{
	AUTO_BUF struct buf text = BUF_INIT;

	if (file_read(path, PROFILE_MAX, &text, err) < 0)
		return -1;
	return net_profile_parse(path, text.data ? text.data : "", text.len, duration_ns,
		context_warn, NULL, ret, err);
}
