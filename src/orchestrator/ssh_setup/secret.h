/* secret: passwords in memory that is never swapped, dumped or left behind. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>

struct err;

#define SECRET_MAX 1024 /* bytes, with the NUL */

struct secret {
	struct secret *next;
	char text[SECRET_MAX];
};

/* While there are any, the process leaves no core dump and cannot be traced. */
struct secrets {
	struct secret *first;
	struct rlimit core;
	int dumpable;
};

/* An empty one. NULL: out of memory. */
struct secret *secret_create(struct secrets *all);
/* Wipes it. Takes NULL. */
void secret_destroy(struct secrets *all, struct secret *s);
void secrets_destroy(struct secrets *all);

/* The first line of fd, without its end. ERR_INPUT when there is none. */
int secret_read_line(struct secret *s, int fd, struct err *err);
