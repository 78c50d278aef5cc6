/* fleet: all workers of a command, from "not connected" to "gone".
 *
 * For each host: connect, start the worker (putting it there when it is missing), exchange hello,
 * measure the clock; then pass messages both ways, keep the heartbeat, and notice silence. What is
 * done with the workers (check, run, clean) is the user's, through fleet_events. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "inventory/inventory.h"
#include "orchestrator/fleet/clock_sync.h"
#include "proto/msg.h"
#include "transport/transport.h"
#include "transport/worker/upload.h"

struct buf;
struct err;
struct loop;
struct fleet;

/* What a user sees of a worker (design section 7). */
enum worker_state {
	WORKER_CONNECTING,
	WORKER_SETUP,
	WORKER_ONLINE, /* said hello, its clock is known */
	WORKER_READY,
	WORKER_PREPARING,
	WORKER_ARMED,
	WORKER_RUNNING,
	WORKER_DRAINING,
	WORKER_COMPLETED,
	WORKER_ERROR,
	WORKER_LOST,
};
const char *worker_state_name(enum worker_state s);

struct fleet_host; /* fleet's own */

struct fleet_worker {
	size_t index;
	char *id; /* host name, "name-2" for its second worker */
	const struct host *host;
	unsigned number; /* on its host, from 0 */
	enum worker_state state;
	char *reason;          /* ERROR and LOST: why; else NULL */
	enum conn_failure why; /* when the connection failed */
	bool said_hello;
	struct msg_hello hello;
	struct clock_sync clock;
	bool uploaded; /* its host did not have the worker */
	bool pulling;  /* its container's image is being fetched, or was */
	void *user;    /* of whoever uses the fleet */

	/* fleet's own */
	struct fleet_host *on;
	struct chan *chan;
	struct buf *in;
	char nonce[33];
	size_t noise;     /* bytes skipped before hello */
	char *last_noise; /* its last line, for the error text */
	char *last_stderr;
	struct buf *words; /* of its container's runtime, before the worker spoke */
	uint64_t heard_ns; /* when it last said anything */
	uint64_t ping_sent_ns;
	uint32_t ping_seq;
	bool pinging, burst, online, finished;
	enum worker_state doomed; /* what it will be in the next round; else CONNECTING */
	const char *doom;         /* and why */
};

struct fleet_events {
	/* The worker is ONLINE. */
	void (*online)(struct fleet_worker *w, void *user);
	/* The worker is in ERROR or LOST, with a reason; it sends nothing any more. */
	void (*gone)(struct fleet_worker *w, void *user);
	/* It ended as it was told to (bye, channel closed). */
	void (*finished)(struct fleet_worker *w, void *user);
	/* Any message but hello and pong; m may be changed, and is finished by the fleet. */
	void (*message)(struct fleet_worker *w, struct msg *m, void *user);
	void (*worker_stderr)(
		struct fleet_worker *w, const char *data, size_t len, void *user);
	/* The worker is being copied; with size 0 the image of its container is being pulled. */
	void (*progress)(
		struct fleet_worker *w, uint64_t sent, uint64_t size, void *user);
};

struct fleet_config {
	struct loop *loop;
	struct transport *transport;
	const struct worker_file
		*files; /* programs by architecture; the first is tried first */
	size_t n_files;
	bool one_worker; /* one per host whatever the inventory says (check, setup) */
	bool no_clock;   /* online with hello: the clock does not matter (setup) */
	bool no_cache;   /* the host's copy is removed as soon as it runs */
	uint64_t
		setup_timeout_ns; /* without progress; 0: 60 s, while an image may have to be
				     * pulled always 10 min */
	struct fleet_events events; /* each may be NULL */
	void *user;
};

/* Takes the hosts (which must outlive it); fleet_start begins. NULL: out of memory. */
struct fleet *fleet_create(
	const struct fleet_config *c, const struct host *const *hosts, size_t n);
/* files: programs by architecture; the first is tried first. They and the transport outlive the fleet. */
void fleet_start(struct fleet *f, struct transport *transport,
	const struct worker_file *files, size_t n_files);
void fleet_destroy(
	struct fleet *f); /* takes NULL; closes every channel: that ends the workers */

size_t fleet_size(const struct fleet *f);
struct fleet_worker *fleet_worker(struct fleet *f, size_t i);
/* Its connection as the transport tells it, or NULL. Kept after the connection is gone. */
const struct conn_info *fleet_conn_info(const struct fleet_worker *w);

/* What runs the container of its host ("docker", "podman"); NULL: it has none, or that is not known. */
const char *fleet_container_runtime(const struct fleet_worker *w);
/* Its container's image is being fetched. */
bool fleet_pulling(const struct fleet_worker *w);
/* The text for a progress event. malloc. */
char *fleet_progress_text(const struct fleet_worker *w, uint64_t sent, uint64_t size);

/* Sends a message to a worker that is not gone. A worker that does not take it is lost (through the
 * event, later). */
void fleet_send(struct fleet_worker *w, const struct msg *m);

/* Gives a worker up: its channel is closed, gone() follows with reason (copied). */
void fleet_fail(struct fleet_worker *w, enum worker_state state, const char *reason);

/* Measures the clock again, with a whole burst of exchanges. */
void fleet_resync(struct fleet_worker *w);

/* Says stop{quit}; finished() follows when it is gone. */
void fleet_quit(struct fleet_worker *w);

bool worker_gone(const struct fleet_worker *w); /* ERROR or LOST */

/* What a worker wrote to stderr goes to the log, line by line (shown with -v). */
void fleet_log_stderr(const struct fleet_worker *w, const char *data, size_t len);

/* Two hosts may be one machine, whose processors and network then count twice. Appends the names of the
 * hosts that are one machine with worker i's, when i is the first of them and there are others: "h1, h2", or
 * the first of very many and how many more. Returns whether it did. */
bool fleet_one_machine(const struct fleet *f, size_t i, struct buf *out);
