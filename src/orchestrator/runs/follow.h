/* follow: a file that grows, line by line, as `tail -f` does. By reading and not by inotify, which says
 * nothing on network file systems. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

struct follow {
	char *path;
	int fd;
	struct buf rest; /* of a line that is not whole yet */
	uint64_t tail_bytes;
	bool cut; /* the first line is half of one */
};

typedef void follow_fn(const char *line, void *user);

/* tail_bytes: how much of what is there now counts; UINT64_MAX for all. -1: no memory. */
int follow_init(struct follow *f, const char *path, uint64_t tail_bytes);
void follow_finish(struct follow *f);

/* Calls fn for each line that has come since the last call; a file that is not there yet has none. */
void follow_poll(struct follow *f, follow_fn *fn, void *user);
