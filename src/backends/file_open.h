/* file_open: files that stay open between ops, of one thread. How many is bounded; when there is no room
 * one that was not used lately is closed.
 *
 * A file is the one that was opened: when it is deleted or replaced meanwhile, ops go on with the old one,
 * as in any program that keeps its files open, until it is closed for another's sake, at the end of the
 * phase, or because something went wrong with it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Of all threads together at most; each open file takes memory of the kernel. */
#define OPEN_FILES_ALL (1024u * 1024u)

struct open_file {
	uint64_t hash;
	char *path;
	uint32_t len, room; /* of path */
	uint32_t next;      /* in its chain, index + 1; 0: the last */
	int fd;             /* -1: to be opened */
	bool writable, used;
};

struct open_files {
	struct open_file *files; /* max of them; only what is used takes memory */
	uint32_t *chains;        /* heads, index + 1 */
	uint32_t max, mask;
	uint32_t limit;   /* max, until the system allows fewer */
	uint32_t n;       /* in use */
	uint32_t touched; /* were ever in use */
	uint32_t free;    /* of those in use no more, index + 1 */
	uint32_t hand;    /* of the clock that finds one to close */
	int flags; /* for open(2), besides those of the access; O_NOATIME until it is refused */
	/* called before a descriptor is closed while others go on: what names it goes off before; or NULL */
	void (*closing)(void *user);
	void *user;
};

/* How many files a thread may keep open: bound by RLIMIT_NOFILE, of which the threads have a share each
 * unless they have tables of their own. At least 1. */
uint32_t open_files_bound(uint32_t threads, bool own_tables);

/* 0 or -ENOMEM. finish closes all; it takes what is zeroed. */
int open_files_init(struct open_files *o, uint32_t max, int flags);
void open_files_finish(struct open_files *o);

/* The file of path; with fd -1 when it has to be opened, by open_files_open or not at all (drop). There
 * is room for it then. NULL: no memory. */
struct open_file *open_files_take(struct open_files *o, const char *path, bool writable);
/* Opens it. Never makes a file; one to be written is not a link. 0, or errno, and it is dropped. */
int open_files_open(struct open_files *o, struct open_file *f);
/* Closes it, and knows it no more. */
void open_files_drop(struct open_files *o, struct open_file *f);
