/* fuzz-mounts: lines as of /proc/self/mountinfo, whose names are those of whoever mounts, and where a path lies. What is
 * found is a point above the path. */
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "worker/host/mounts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

/* The first line is the path, the others are the text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char point[PATH_MAX], type[PATH_MAX], source[PATH_MAX];
	AUTO_FREE char *text = strndup((const char *)data, size);
	char *lines = text;
	const char *path = strsep(&lines, "\n");

	if (!lines)
		return 0;
	if (mounts_look_up(lines, path, point, type, source))
		require(strcmp(point, "/") == 0 ||
			strncmp(path, point, strlen(point)) == 0);
	return 0;
}
