/* choices: a log of what a thread chose, for tests that compare runs. */
#pragma once

#include <stdint.h>
#include <stdio.h>

struct io;
struct err;

struct choices {
	FILE *file; /* NULL: nobody asked */
};

/* Opens <MUSTER_DEBUG_CHOICES>.<worker>.<thread>, where the environment has that. */
int choices_open(struct choices *c, const char *worker, uint32_t thread, struct err *err);
void choices_close(struct choices *c);
/* A line: kind, URI, size, offset, what its content begins with, separated by tabs; then the other URIs of the
 * op (io.more, io.to). */
void choices_add(struct choices *c, const struct io *io);
