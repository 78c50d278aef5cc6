/* file_dirs: the directories that puts need, made as they go. Which of them muster may take away again
 * is not known here: that is noted before the first one is made (backend.holder_missing). */
#include "backends/file.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

/* The length of the directory part of path[0..len), without the slashes that end it. */
static size_t parent_len(const char *path, size_t len)
{
	while (len > 0 && path[len - 1] != '/')
		len--;
	while (len > 1 && path[len - 1] == '/')
		len--;
	return len;
}

/* mkdir of path[0..len); path is left as it was. 0 or errno. */
static int make_one(char *path, size_t len)
{
	char kept = path[len];
	int rc;

	path[len] = '\0';
	rc = mkdir(path, 0755) == 0 || errno == EEXIST ? 0 : errno;
	path[len] = kept;
	return rc;
}

int file_dirs_make_parent(const char *path)
{
	char scratch[PATH_MAX];
	size_t len = strlen(path), end;

	if (len >= sizeof(scratch))
		return -ENAMETOOLONG;
	memcpy(scratch, path, len + 1);
	len = parent_len(scratch, len);
	/* up to the first one that exists or can be made, then down again */
	for (end = len; end > 0;) {
		int rc = make_one(scratch, end);

		if (rc == ENOENT && parent_len(scratch, end) < end) {
			end = parent_len(scratch, end);
			continue;
		}
		if (rc != 0)
			return -rc;
		if (end == len)
			return 0;
		while (end < len && scratch[end] == '/')
			end++;
		while (end < len && scratch[end] != '/')
			end++;
	}
	return 0;
}
