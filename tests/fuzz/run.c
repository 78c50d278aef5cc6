/* run: feeds every file of the folders in argv to a fuzz target, so that a corpus is a test. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"

#define FILE_MAX (16 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A block of its own of exactly that size, so that a sanitizer sees a read past its end. */
static int run_one(const char *path)
{
	struct buf b AUTO_BUF = BUF_INIT;
	struct err err = ERR_INIT;
	AUTO_FREE uint8_t *data = NULL;

	if (file_read(path, FILE_MAX, &b, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return -1;
	}
	data = malloc(b.len ? b.len : 1);
	if (!data)
		return -1;
	if (b.len)
		memcpy(data, b.data, b.len);
	LLVMFuzzerTestOneInput(data, b.len);
	return 0;
}

/* The number of files that ran, or -1. */
static int run_folder(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	int n = 0;

	if (!dir) {
		fprintf(stderr, "%s: %s\n", folder, strerror(errno));
		return -1;
	}
	while (n >= 0 && (entry = readdir(dir))) {
		char path[PATH_MAX];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		n = run_one(path) < 0 ? -1 : n + 1;
	}
	closedir(dir);
	return n;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		int n = run_folder(argv[i]);

		if (n <= 0) {
			fprintf(stderr, "%s: no corpus\n", argv[i]);
			return 1;
		}
		printf("%s: %d files\n", argv[i], n);
	}
	return argc > 1 ? 0 : 1;
}
