/* lease: servers on lease: what is said of one, and the file by which one is known. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/process.h"

struct buf;
struct err;

#define LEASE_PORT 12865u /* unless said */
#define LEASE_FILE_MAX 16384u

enum lease_state {
	LEASE_RUNNING,
	LEASE_STALE,  /* its file is there, its process is not */
	LEASE_BROKEN, /* its file cannot be read */
	LEASE_STATES
};
extern const char *const lease_state_names[LEASE_STATES];

/* The file of one server: written by it, read by the workers of its user on its machine. */
struct lease_file {
	struct process_id process;
	char *address; /* numeric, "": any */
	uint32_t port;
	char *engine, *version;
	char sha256[65]; /* of its program; "" when that could not be read */
	uint32_t protocol;
	uint64_t end_boot_ns; /* CLOCK_BOOTTIME */
	uint64_t end_wall_ns; /* for people */
};

/* One line of JSON. 0, or -ENOMEM or -EINVAL. */
int lease_file_encode(const struct lease_file *f, struct buf *out);
/* Back. -1 with err: what is wrong with it; ret is zeroed then. */
int lease_file_decode(
	const char *text, size_t len, struct lease_file *ret, struct err *err);
void lease_file_finish(struct lease_file *f);

/* A server as its worker tells of it. */
struct lease_info {
	enum lease_state state;
	char *address;
	uint32_t port;
	uint64_t pid;
	char *engine, *version;
	uint32_t protocol;
	uint64_t left_ns; /* of the lease */
	char *text;       /* broken: the file, and what is wrong; else NULL */
};
