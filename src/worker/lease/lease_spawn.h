/* lease_spawn: starts a leased server out of a worker, and hears how that went. */
#pragma once

struct err;
struct lease_spawn;
struct loop;
struct msg;
struct msg_leases;
struct msg_lease_start;

/* Its one answer, from the loop: leases as the server wrote it, NULL: it ended without a word. Only
 * lease_spawn_destroy may follow, also from inside. */
typedef void lease_spawn_fn(const struct msg_leases *answer, void *user);

/* This very program, whatever became of its file, as a server. NULL with err. */
struct lease_spawn *lease_spawn_create(struct loop *loop,
	const struct msg_lease_start *what, lease_spawn_fn *fn, void *user,
	struct err *err);
/* Takes NULL. A server that was started stays. */
void lease_spawn_destroy(struct lease_spawn *s);
