/* lease_file: where the files of leased servers lie, and which of them are there: a run file and a unix socket for
 * each, in a directory of this user alone. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/lease.h"

struct err;

/* A run file as it was found. */
struct lease {
	char *path; /* of it; its socket is path with LEASE_SOCKET behind */
	enum lease_state state;
	struct lease_file file; /* zeroed when it is broken */
	char *flaw;             /* broken: what is wrong with it */
};
#define LEASE_SOCKET ".sock"

void lease_finish(struct lease *l);
void leases_free(struct lease *list, size_t n);

/* All of this user on this machine: malloc'ed list, leases_free. Those of other machines, which a shared home
 * may hold, are left out. */
size_t leases_find(struct lease **ret);
/* The one that has this address ("": any) and port, running or stale; false: there is none. any: one that listens
 * on any address does as well. ret needs lease_finish then. */
bool lease_find(const char *address, uint32_t port, bool any, struct lease *ret);

uint64_t lease_left_ns(const struct lease *l);
/* CLOCK_BOOTTIME. */
uint64_t lease_boot_ns(void);

/* Makes the two files of this process, the socket listening (non-blocking) in *ret_fd; *ret_path is the run
 * file's. In the directory of this program's file where it has one, else in the first of the usual ones that
 * takes them. */
int lease_file_make(
	const struct lease_file *f, char **ret_path, int *ret_fd, struct err *err);
/* Writes it anew: a new lease. */
int lease_file_write(const char *path, const struct lease_file *f, struct err *err);
/* Removes both files, as long as they are of that process. */
void lease_file_remove(const char *path, const struct process_id *process);

/* A connection to a running one, non-blocking; -1 with err. */
int lease_connect(const struct lease *l, struct err *err);
