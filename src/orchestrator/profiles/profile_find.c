/* profile_find: the folders of profiles, and what a name in them stands for. */
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

/* malloc; NULL: no home. */
static char *own_folder(void)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (config && *config == '/')
		return text_printf("%s/muster/profiles", config);
	return home && *home == '/' ? text_printf("%s/.config/muster/profiles", home)
				    : NULL;
}

/* Beside the installed program, or in the build tree. malloc; NULL: neither is there. */
static char *shipped_folder(void)
{
	static const char *const folders[] = {
		"../share/muster/profiles", "../../profiles"};
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return NULL;
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		AUTO_FREE char *path = text_printf("%s/%s", self, folders[i]);
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

int profile_files_load(struct profile_files *ret, struct err *err)
{
	AUTO_FREE char *own = own_folder();
	AUTO_FREE char *shipped = shipped_folder();
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
static void unknown(const struct profile_files *f, const char *value, const char *who,
	struct err *err)
{
	AUTO_FREE const char **names = calloc(f->n + 1, sizeof(*names));
	AUTO_BUF struct buf all = BUF_INIT;
	const char *near;

	for (size_t i = 0; names && i < f->n; i++) {
		names[i] = f->items[i].name;
		buf_printf(&all, "%s%s", i ? ", " : "", names[i]);
	}
	near = names ? text_nearest(value, names, f->n) : NULL;
	err_set(err, ERR_INPUT,
		"%s %s: no such file, and no profile of that name%s%s%s; there are %s",
		who, value, near ? " (did you mean " : "", near ? near : "",
		near ? "?)" : "", all.len ? all.data : "none");
}

char *profile_find(const char *value, const char *who, struct err *err)
{
	struct profile_files files;
	char *path = NULL;
	bool found = true;

	if (strchr(value, '/') || is_file(value)) {
		path = strdup(value);
	} else {
		if (profile_files_load(&files, err) < 0)
			return NULL;
		found = have(&files, value, strlen(value));
		for (size_t i = 0; i < files.n; i++)
			if (strcmp(files.items[i].name, value) == 0)
				path = strdup(files.items[i].path);
		if (!found)
			unknown(&files, value, who, err);
		profile_files_finish(&files);
	}
	if (found && !path)
		err_sys(err, ENOMEM, "%s", who);
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
