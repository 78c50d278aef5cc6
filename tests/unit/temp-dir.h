/* temp-dir: a folder of the test's own, that goes with it. */
#pragma once

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "common/text.h"

static char temp_dir[200];

static int temp_remove_(
	const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static inline void temp_end(void)
{
	nftw(temp_dir, temp_remove_, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void temp_begin(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(temp_dir, sizeof(temp_dir), "%s/muster-unit-XXXXXX", tmp ? tmp : "/tmp");
	CHECK(mkdtemp(temp_dir) != NULL);
}

/* malloc'ed. */
static inline char *path_of(const char *name)
{
	char *path = text_printf("%s/%s", temp_dir, name);

	CHECK(path != NULL);
	return path;
}
